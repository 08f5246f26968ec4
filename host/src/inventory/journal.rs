//! The port through which the projector reads the journal and keeps its place; `app` implements it with the bus.
//!
//! Errors are texts: whatever the store says, the projector waits and asks again.

use std::time::Duration;

use async_trait::async_trait;
use farrier_lifecycle::{Fault, JournalEntry, Server, ServerId};
use serde::{Deserialize, Serialize};

/// How the projector stands, for metrics and `bus status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// Does this process have the role?
    pub elected: bool,
    /// Age of the oldest entry not yet written, milliseconds; 0: none is known.
    pub behind_ms: u64,
    /// Entries written or kept as drift since the start.
    pub passed: u64,
    /// Servers whose transitions the inventory refuses.
    pub drifts: u64,
    /// Why nothing can be written now.
    pub blocked: Option<Fault>,
}

/// The journal, the records, and a few small values of the projector's own.
#[async_trait]
pub trait JournalSource: Send + Sync {
    /// Entries after the cursor (`""`: from the oldest kept), each with the cursor that follows it; waits up to `wait` for the first.
    async fn read(&self, after: &str, limit: usize, wait: Duration) -> Result<Vec<(String, JournalEntry)>, String>;

    /// The record as it is now.
    async fn server(&self, id: &ServerId) -> Result<Option<Server>, String>;

    /// Take or keep the role of the one projector for `ttl`; whether this process has it.
    async fn elect(&self, ttl: Duration) -> Result<bool, String>;

    /// A small value by key.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String>;

    /// Set or, with `None`, delete a small value.
    async fn set(&self, key: &str, value: Option<&[u8]>) -> Result<(), String>;

    /// The keys that begin with `prefix`.
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, String>;
}
