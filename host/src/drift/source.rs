//! The journal as the projector follows it: the port of `inventory`, on the bus.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use farrier_lifecycle::{JournalEntry, Server, ServerId};

use crate::bus::Bus;
use crate::inventory;

/// The journal, the records and small values of a store.
pub struct Journal(pub Arc<dyn Bus>);

#[async_trait]
impl inventory::JournalSource for Journal {
    async fn read(&self, after: &str, limit: usize, wait: Duration) -> Result<Vec<(String, JournalEntry)>, String> {
        self.0.journal(after, limit, wait).await.map_err(|error| error.to_string())
    }

    async fn server(&self, id: &ServerId) -> Result<Option<Server>, String> {
        self.0.read(id).await.map_err(|error| error.to_string())
    }

    async fn elect(&self, ttl: Duration) -> Result<bool, String> {
        self.0.elect("projector", ttl).await.map_err(|error| error.to_string())
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.0.get(key).await.map_err(|error| error.to_string())
    }

    async fn set(&self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        self.0.set(key, value, None).await.map_err(|error| error.to_string())
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, String> {
        let keys = self.0.keys(prefix).await.map_err(|error| error.to_string())?;
        Ok(keys.into_iter().map(|(key, _)| key).collect())
    }
}
