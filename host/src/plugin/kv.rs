//! The few values a plugin may keep between calls, private to it and one server, or what else a call is about (a rack's ticket).
//!
//! Promises the contract's limits: 64 keys, 4 KiB a value. Where they are kept is the port's business ([`Kv`], which the
//! bus's store implements in `app`).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::wit::kv::KvError;

const KEYS: usize = 64;
const VALUE: usize = 4096;
const KEY: usize = 128;

/// A store of small values by key. Errors are texts for people.
#[async_trait]
pub trait Kv: Send + Sync {
    /// `None` if absent or expired.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String>;
    /// Set or, with `None`, delete.
    async fn set(&self, key: &str, value: Option<&[u8]>, ttl: Option<Duration>) -> Result<(), String>;
    /// How many keys begin with this.
    async fn count(&self, prefix: &str) -> Result<usize, String>;
}

/// One plugin's values about one server or thing.
#[derive(Clone)]
pub struct Drawer {
    store: Arc<dyn Kv>,
    prefix: String,
}

impl Drawer {
    /// The values of `plugin` about a server's id, or another name that stays the same.
    pub fn new(store: Arc<dyn Kv>, plugin: &str, about: impl std::fmt::Display) -> Self {
        Self { store, prefix: format!("kv:{plugin}:{about}:") }
    }

    fn key(&self, key: &str) -> Result<String, KvError> {
        if key.len() > KEY {
            return Err(KvError::TooLarge(u32::try_from(KEY).unwrap_or(u32::MAX)));
        }
        Ok(format!("{}{key}", self.prefix))
    }

    /// As the contract's `kv.get`.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        self.store.get(&self.key(key)?).await.map_err(KvError::Unavailable)
    }

    /// As the contract's `kv.set`; `ttl` in seconds.
    pub async fn set(&self, key: &str, value: &[u8], ttl: Option<u32>) -> Result<(), KvError> {
        let key = self.key(key)?;
        if value.len() > VALUE {
            return Err(KvError::TooLarge(u32::try_from(VALUE).unwrap_or(u32::MAX)));
        }
        let known = self.store.get(&key).await.map_err(KvError::Unavailable)?.is_some();
        if !known && self.store.count(&self.prefix).await.map_err(KvError::Unavailable)? >= KEYS {
            return Err(KvError::Full);
        }
        let ttl = ttl.map(|seconds| Duration::from_secs(seconds.into()));
        self.store.set(&key, Some(value), ttl).await.map_err(KvError::Unavailable)
    }

    /// As the contract's `kv.delete`.
    pub async fn delete(&self, key: &str) -> Result<(), KvError> {
        self.store.set(&self.key(key)?, None, None).await.map_err(KvError::Unavailable)
    }
}
