//! Tokens for programs and for people without a browser: `far_<id>_<secret>`.
//!
//! Promises that the secret is 256 random bits, shown once, kept only as a SHA-256, and compared in constant time; that a revoked token
//! stops with the next request, since nothing is remembered between two. Not obvious: when a token was used last stands under a key of
//! its own, so that noting it can never bring back a token revoked meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farrier_lifecycle::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::{Means, Principal, Role};
use crate::bus::{Bus, BusError};
use crate::fault::Secret;

/// Where the store keeps them, by id.
const PREFIX: &str = "token/";
/// Where the store keeps when they were used last.
const USED: &str = "token-used/";
/// How often that is written, at most.
const USED_EVERY: u64 = 60_000;
/// A token that has expired is still listed this long.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// How long a token lives where nothing is said.
pub const DEFAULT_LIFE: Duration = Duration::from_hours(90 * 24);
/// The longest life of a token.
pub const LONGEST_LIFE: Duration = Duration::from_hours(366 * 24);
/// The longest name.
const LONGEST_NAME: usize = 64;

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The part between the underscores; not secret.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What its bearer may do.
    pub roles: BTreeSet<Role>,
    /// Slugs of the sites its bearer sees; `None`: every site.
    pub sites: Option<BTreeSet<String>>,
    /// The tenant whose servers and orders alone its bearer sees.
    pub tenant: Option<String>,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When it was used last, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
}

/// As the store keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    token: Token,
    /// SHA-256 of the whole token, base64url.
    digest: String,
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for: 1 to 64 printable characters.
    pub name: String,
    /// What its bearer may do: at least one.
    #[schema(value_type = Vec<String>)]
    pub roles: BTreeSet<Role>,
    /// Slugs of the sites its bearer sees; absent: every site.
    #[serde(default)]
    pub sites: Option<BTreeSet<String>>,
    /// The tenant whose servers and orders alone its bearer sees.
    #[serde(default)]
    pub tenant: Option<String>,
    /// How long it lives, seconds; absent: 90 days.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// Why a token was not made or found.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// What was asked for cannot be: the field, and what is wrong with it.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field of [`NewToken`].
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Nobody makes a token that may more, or sees more, than they do.
    #[error("a token cannot see more than who makes it: {0}")]
    Wider(String),
    /// No token has the id, or not one the asker may see.
    #[error("no token has the id `{0}`")]
    NotFound(String),
    /// The store.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Why a token that was shown does not serve. Whoever showed it is told nothing but that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not of the form of a token.
    Malformed,
    /// Never made, or revoked.
    Unknown,
    /// The id exists, the secret is another.
    Wrong,
    /// It was one.
    Expired,
}

impl Refusal {
    /// Kebab case, for the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed-token",
            Self::Unknown => "unknown-token",
            Self::Wrong => "wrong-secret",
            Self::Expired => "expired-token",
        }
    }
}

/// All tokens of the store.
pub struct Tokens {
    bus: Arc<dyn Bus>,
    /// What this process wrote last of each token's use.
    noted: Mutex<HashMap<String, Timestamp>>,
}

impl Tokens {
    /// The tokens of this store.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, noted: Mutex::new(HashMap::new()) }
    }

    /// Make one in somebody's name. The text is shown here and never again.
    pub async fn create(&self, new: &NewToken, by: &Principal, now: Timestamp) -> Result<(Token, Secret), TokenError> {
        let life = check(new)?;
        within(new, by)?;
        if self.list(now).await?.iter().any(|token| token.name == new.name && token.expires > now) {
            let problem = format!("there is a token called `{}` already; the journal tells them apart by it", new.name);
            return Err(TokenError::Invalid { field: "name", problem });
        }
        let id = hex(&rand::random::<[u8; 6]>());
        let text = Secret::new(format!("far_{id}_{}", hex(&rand::random::<[u8; 32]>())));
        let token = Token {
            id,
            name: new.name.clone(),
            roles: new.roles.clone(),
            sites: new.sites.clone(),
            tenant: new.tenant.clone(),
            by: by.name.clone(),
            created: now,
            expires: Timestamp(now.0.saturating_add(millis(life))),
            last_used: None,
        };
        let key = format!("{PREFIX}{}", token.id);
        let kept = Kept { token: token.clone(), digest: digest(text.expose()) };
        let value = serde_json::to_vec(&kept)
            .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
        self.bus.set(&key, Some(&value), Some(life + KEPT)).await?;
        Ok((token, text))
    }

    /// All of them, oldest first, expired ones of the last thirty days as well.
    pub async fn list(&self, now: Timestamp) -> Result<Vec<Token>, BusError> {
        let mut found = Vec::new();
        for (key, _) in self.bus.keys(PREFIX).await? {
            let Some(kept) = self.read(key.trim_start_matches(PREFIX)).await? else { continue };
            let used = self.bus.get(&format!("{USED}{}", kept.token.id)).await?;
            let last_used = used.and_then(|text| String::from_utf8(text).ok()?.parse().ok()).map(Timestamp);
            found.push(Token { last_used: last_used.filter(|used| *used <= now), ..kept.token });
        }
        found.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(found)
    }

    /// End one that `by` could have made; it stops with the next request.
    pub async fn revoke(&self, id: &str, by: &Principal) -> Result<Token, TokenError> {
        let missing = || TokenError::NotFound(id.to_owned());
        let kept = self.read(id).await?.filter(|kept| covers(by, &kept.token)).ok_or_else(missing)?;
        self.bus.set(&format!("{PREFIX}{id}"), None, None).await?;
        self.bus.set(&format!("{USED}{id}"), None, None).await?;
        Ok(kept.token)
    }

    /// Whose token this is.
    pub async fn verify(&self, text: &str, now: Timestamp) -> Result<Result<Token, Refusal>, BusError> {
        let Some(id) = id_of(text) else { return Ok(Err(Refusal::Malformed)) };
        let Some(kept) = self.read(id).await? else { return Ok(Err(Refusal::Unknown)) };
        if !bool::from(kept.digest.as_bytes().ct_eq(digest(text).as_bytes())) {
            return Ok(Err(Refusal::Wrong));
        }
        if kept.token.expires <= now {
            return Ok(Err(Refusal::Expired));
        }
        self.note(&kept.token, now).await;
        Ok(Ok(kept.token))
    }

    /// The token with this id, if it still serves: for a session that began with it.
    pub async fn current(&self, id: &str, now: Timestamp) -> Result<Option<Token>, BusError> {
        Ok(self.read(id).await?.map(|kept| kept.token).filter(|token| token.expires > now))
    }

    async fn read(&self, id: &str) -> Result<Option<Kept>, BusError> {
        let key = format!("{PREFIX}{id}");
        let Some(value) = self.bus.get(&key).await? else { return Ok(None) };
        serde_json::from_slice(&value).map(Some).map_err(|error| BusError::Corrupt { key, problem: error.to_string() })
    }

    /// Note that it was used, at most once a minute; a note that is not written refuses nobody.
    async fn note(&self, token: &Token, now: Timestamp) {
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.retain(|_, at| now.0.saturating_sub(at.0) < USED_EVERY);
            if noted.contains_key(&token.id) {
                return;
            }
            noted.insert(token.id.clone(), now);
        }
        let (key, value) = (format!("{USED}{}", token.id), now.0.to_string());
        let left = Duration::from_millis(token.expires.0.saturating_sub(now.0)) + KEPT;
        if let Err(error) = self.bus.set(&key, Some(value.as_bytes()), Some(left)).await {
            tracing::warn!(%error, token = token.id, "the token's last use is not noted");
        }
    }
}

impl Token {
    /// Who bears it.
    pub fn principal(&self, means: Means) -> Principal {
        Principal {
            name: format!("token:{}", self.name),
            means,
            roles: self.roles.clone(),
            sites: self.sites.clone(),
            tenant: self.tenant.clone(),
        }
    }
}

/// May somebody see and end the token? Only who sees all that its bearer sees.
pub fn covers(by: &Principal, token: &Token) -> bool {
    let new = NewToken {
        name: token.name.clone(),
        roles: token.roles.clone(),
        sites: token.sites.clone(),
        tenant: token.tenant.clone(),
        seconds: None,
    };
    within(&new, by).is_ok()
}

/// What can be said against it before anything is made; its life.
fn check(new: &NewToken) -> Result<Duration, TokenError> {
    let invalid = |field, problem: &str| Err(TokenError::Invalid { field, problem: problem.to_owned() });
    if new.name.is_empty() || new.name.chars().count() > LONGEST_NAME || new.name.chars().any(char::is_control) {
        return invalid("name", "1 to 64 printable characters");
    }
    if new.roles.is_empty() {
        return invalid("roles", "name at least one role");
    }
    if new.roles.contains(&Role::Tenant) && new.tenant.is_none() {
        return invalid("tenant", "the role tenant sees nothing without one");
    }
    if new.tenant.as_ref().is_some_and(String::is_empty) {
        return invalid("tenant", "it has no name");
    }
    if new.sites.as_ref().is_some_and(|sites| sites.is_empty() || sites.iter().any(String::is_empty)) {
        return invalid("sites", "name the sites, or leave them out for every site");
    }
    let life = new.seconds.map_or(DEFAULT_LIFE, Duration::from_secs);
    if life.is_zero() || life > LONGEST_LIFE {
        return invalid("seconds", "a token lives a second to a year");
    }
    Ok(life)
}

/// Does whoever makes it see what its bearer will see?
fn within(new: &NewToken, by: &Principal) -> Result<(), TokenError> {
    if let Some(mine) = &by.sites {
        let theirs = new.sites.as_ref().ok_or_else(|| TokenError::Wider("name its sites".to_owned()))?;
        if let Some(site) = theirs.difference(mine).next() {
            return Err(TokenError::Wider(format!("the site `{site}` is not yours")));
        }
    }
    match &by.tenant {
        Some(mine) if new.tenant.as_ref() != Some(mine) => {
            Err(TokenError::Wider(format!("it is for the tenant `{mine}` alone")))
        }
        _ => Ok(()),
    }
}

/// The id in a text of the form of a token.
fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix("far_")?.split_once('_')?;
    let plain = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    (plain(id, 12) && plain(secret, 64)).then_some(id)
}

/// What is kept of a secret.
pub fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
