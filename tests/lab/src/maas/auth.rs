//! OAuth 1.0 PLAINTEXT, as MAAS takes it.
//!
//! Promises each part of the header checked: all six parameters, the signature `&` and the token's secret in percent
//! encoding, a nonce never seen before, a time that is a number and near. A wrong one is a violation and MAAS's answer.

use std::collections::BTreeMap;

use super::Inner;
use crate::web::{Ask, Reply};

/// Seconds a clock may be wrong.
const SKEW: i64 = 300;
const PARTS: [&str; 6] = [
    "oauth_signature_method",
    "oauth_consumer_key",
    "oauth_token",
    "oauth_signature",
    "oauth_nonce",
    "oauth_timestamp",
];

/// An API key.
#[derive(Clone, Debug)]
pub struct Key {
    consumer: String,
    token: String,
    secret: String,
}

impl Key {
    /// From its three parts.
    pub fn new(consumer: &str, token: &str, secret: &str) -> Self {
        Self { consumer: consumer.to_owned(), token: token.to_owned(), secret: secret.to_owned() }
    }

    /// As MAAS prints it: `consumer:token:secret`.
    pub fn text(&self) -> String {
        format!("{}:{}:{}", self.consumer, self.token, self.secret)
    }
}

pub(super) fn check(maas: &Inner, ask: &Ask) -> Result<(), Reply> {
    let (status, why) = match judge(maas, ask) {
        Ok(()) => return Ok(()),
        Err(found) => found,
    };
    maas.wrong(ask, &why);
    maas.ledger.count(super::SYSTEM, crate::ledger::Kind::LoginRefused, &why);
    let text = if status == 401 { "Authorization Error: Invalid API key." } else { "Invalid OAuth timestamp." };
    Err(Reply::text(status, text).header("www-authenticate", "OAuth realm=\"OAuth\""))
}

fn judge(maas: &Inner, ask: &Ask) -> Result<(), (u16, String)> {
    let header = ask.header("authorization").ok_or((401, "no authorization".to_owned()))?;
    let rest = header.strip_prefix("OAuth ").ok_or((401, "not an OAuth authorization".to_owned()))?;
    let parts: BTreeMap<&str, &str> = rest
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    let of = |name: &str| parts.get(name).copied().unwrap_or_default();
    if let Some(missing) = PARTS.iter().find(|name| of(name).is_empty()) {
        return Err((401, format!("the authorization has no {missing}")));
    }
    if parts.get("oauth_version").is_some_and(|version| *version != "1.0")
        || of("oauth_signature_method") != "PLAINTEXT"
    {
        return Err((401, "not OAuth 1.0 PLAINTEXT".to_owned()));
    }
    let time: i64 = of("oauth_timestamp").parse().map_err(|_| (400, "the timestamp is no whole number".to_owned()))?;
    if (jiff::Timestamp::now().as_second() - time).abs() > SKEW {
        return Err((401, "the timestamp is far from now".to_owned()));
    }
    let key = &maas.config.key;
    let signature = format!("%26{}", key.secret);
    if of("oauth_consumer_key") != key.consumer || of("oauth_token") != key.token || of("oauth_signature") != signature
    {
        return Err((401, "a wrong key or signature".to_owned()));
    }
    if !maas.state().nonces.insert(of("oauth_nonce").to_owned()) {
        return Err((401, "a nonce seen before".to_owned()));
    }
    Ok(())
}
