//! Tokens: who may read, who may write.
//!
//! Promises NetBox's answer to every kind of token, which is always 403 and never 401. Passwords are only for
//! `users/tokens/provision`. Tokens of 4.6 come in two forms, told apart by `nbt_` and not by the scheme.

use serde_json::{Value, json};

use super::Version;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads and writes everything.
    Full,
    /// Reads everything.
    ReadOnly,
    /// Its user may do nothing.
    Nothing,
    /// It is past its time.
    Expired,
}

/// All tokens, in order of id.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    known: Vec<(String, Access)>,
}

impl Tokens {
    /// Add a token.
    pub fn add(&mut self, key: impl Into<String>, access: Access) {
        self.known.push((key.into(), access));
    }

    /// Whether a request with this `Authorization` header may read, or write; the text of the 403 if not.
    pub fn check(&self, version: Version, header: Option<&str>, writes: bool) -> Result<(), &'static str> {
        const NONE: &str = "Authentication credentials were not provided.";
        let (scheme, key) = header.unwrap_or_default().split_once(' ').ok_or(NONE)?;
        if scheme != "Token" && !(scheme == "Bearer" && version == Version::V4_6) {
            return Err(NONE);
        }
        let found = self.known.iter().find(|(known, _)| known == key.trim());
        match (found.map(|(_, access)| *access), version) {
            (None, Version::V3_7) => Err("Invalid token"),
            (None, Version::V4_6) if key.starts_with("nbt_") => Err("Invalid v2 token"),
            (None, Version::V4_6) => Err("Invalid v1 token"),
            (Some(Access::Expired), _) => Err("Token expired"),
            (Some(Access::Full), _) => Ok(()),
            (Some(Access::ReadOnly), _) if !writes => Ok(()),
            (Some(_), _) => Err("You do not have permission to perform this action."),
        }
    }

    /// Make a token, as `users/tokens/provision` does. `form` is the version of token asked for on 4.6.
    pub fn provision(&mut self, version: Version, base: &str, user: &str, form: u64, now: &str) -> Value {
        let id = self.known.len() + 1;
        let user = json!({"id": 1, "url": format!("{base}/api/users/users/1/"), "display": user, "username": user});
        let mut answer = json!({"id": id, "url": format!("{base}/api/users/tokens/{id}/"), "user": user, "created": now,
            "expires": null, "last_used": null, "write_enabled": true, "description": "", "allowed_ips": []});
        let (short, long) = (random(12), random(40));
        let more = match (version, form) {
            (Version::V3_7, _) => {
                let key: String =
                    (0..40).map(|_| char::from_digit(rand::random_range(0..16), 16).unwrap_or('0')).collect();
                self.add(key.clone(), Access::Full);
                json!({"display": key, "key": key})
            }
            (Version::V4_6, 1) => {
                self.add(long.clone(), Access::Full);
                let tail = long.get(34..).unwrap_or_default();
                json!({"display": format!("{}{tail}", "*".repeat(34)), "version": 1, "key": null, "token": long})
            }
            (Version::V4_6, _) => {
                self.add(format!("nbt_{short}.{long}"), Access::Full);
                json!({"display": short, "version": 2, "key": short, "token": long})
            }
        };
        if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
            answer.extend(more);
            if version == Version::V4_6 {
                answer.insert("enabled".into(), json!(true));
                answer.insert("display_url".into(), json!(format!("{base}/users/tokens/{id}/")));
            }
        }
        answer
    }
}

fn random(length: usize) -> String {
    use rand::distr::{Alphanumeric, SampleString as _};
    Alphanumeric.sample_string(&mut rand::rng(), length)
}
