//! Silences: what is known to be worked on raises nothing for a while.
//!
//! Promises that a silence has an end, a reason and somebody who set it. What is silenced and still lasts at the end is raised then: nothing
//! is forgotten. A fault that is open already stays open.

use std::sync::Arc;

use farrier_lifecycle::{ServerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::engine::Who;
use crate::bus::{Bus, BusError};

/// Where they are kept in the store.
const PREFIX: &str = "health/silence/";
/// The longest, milliseconds: 90 days.
pub const LONGEST: u64 = 90 * 24 * 3_600_000;

/// What a silence is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// One server.
    Server {
        /// Its id.
        id: ServerId,
        /// Its name then.
        name: String,
        /// Its site then.
        site: Option<String>,
    },
    /// A rack and all in it.
    Rack {
        /// Slug of the site.
        site: String,
        /// Name of the rack.
        rack: String,
    },
    /// A site.
    Site {
        /// Its slug.
        site: String,
    },
}

impl Scope {
    /// Is this server in it?
    pub fn covers(&self, who: &Who) -> bool {
        let same = |a: Option<&String>, b: &String| a.is_some_and(|a| a.eq_ignore_ascii_case(b));
        match self {
            Self::Server { id, .. } => *id == who.id,
            Self::Rack { site, rack } => same(who.site.as_ref(), site) && same(who.rack.as_ref(), rack),
            Self::Site { site } => same(who.site.as_ref(), site),
        }
    }

    /// The site it is at, where that is known.
    pub fn site(&self) -> Option<&str> {
        match self {
            Self::Server { site, .. } => site.as_deref(),
            Self::Rack { site, .. } | Self::Site { site } => Some(site),
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server { name, .. } => write!(f, "server {name}"),
            Self::Rack { site, rack } => write!(f, "rack {rack} at {site}"),
            Self::Site { site } => write!(f, "site {site}"),
        }
    }
}

/// One silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Names it.
    pub id: String,
    /// What it is about.
    pub scope: Scope,
    /// Since when.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub by: String,
}

impl Silence {
    /// Does it hold then?
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// The silences of a store.
#[derive(Clone)]
pub struct Silences(pub Arc<dyn Bus>);

impl Silences {
    /// Those that have not ended, the next to end first.
    pub async fn list(&self, at: Timestamp) -> Result<Vec<Silence>, BusError> {
        let mut found: Vec<Silence> = Vec::new();
        for (key, _) in self.0.keys(PREFIX).await? {
            let Some(bytes) = self.0.get(&key).await? else { continue };
            let silence: Silence = serde_json::from_slice(&bytes)
                .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
            if at < silence.until {
                found.push(silence);
            }
        }
        found.sort_by(|a, b| (a.until, &a.id).cmp(&(b.until, &b.id)));
        Ok(found)
    }

    /// Set one; the store forgets it some time after its end.
    pub async fn set(&self, silence: &Silence) -> Result<(), BusError> {
        let key = format!("{PREFIX}{}", silence.id);
        let bytes = serde_json::to_vec(silence)
            .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
        let life = silence.until.since(silence.from) / 1000 + 3_600;
        self.0.set(&key, Some(&bytes), Some(std::time::Duration::from_secs(life))).await
    }

    /// End one now.
    pub async fn remove(&self, id: &str) -> Result<(), BusError> {
        self.0.set(&format!("{PREFIX}{id}"), None, None).await
    }
}
