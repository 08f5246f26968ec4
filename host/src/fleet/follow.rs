//! Keeps the read model current: the records once, then the journal entry by entry.
//!
//! Promises that a lost link, a journal that was pruned past us and a store that was replaced all end in a full read, which
//! watchers are told as a reset. A record is read again for each batch of entries, never computed from them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use farrier_lifecycle::{JournalEntry, Server, ServerId};
use tokio_util::sync::CancellationToken;

use super::{Change, Fleet, Place, State, Transition};
use crate::bus::BusError;

/// Entries read at once.
const BATCH: usize = 256;
/// With no entry for this long, look whether the journal is still the same.
const WAIT: Duration = Duration::from_secs(5);
/// After an error.
const PAUSE: Duration = Duration::from_millis(500);

impl Fleet {
    /// Read everything. The cursor is taken first: what is committed meanwhile comes again by the journal.
    pub async fn load(&self) -> Result<(), BusError> {
        let cursor = self.bus.journal_ends().await?.map(|(_, newest)| newest).unwrap_or_default();
        let servers = self.bus.list().await?;
        let mut fresh = State { cursor, ..State::default() };
        for server in servers {
            fresh.put(server);
        }
        *self.write() = fresh;
        Ok(())
    }

    /// Follow the journal until `stop`.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut doubtful = false;
        while let Some(result) = stop.run_until_cancelled(self.turn(doubtful)).await {
            match result {
                Ok(()) => doubtful = false,
                Err(error) => {
                    if !doubtful {
                        tracing::warn!(%error, "the read model does not follow the journal; it tries again");
                    }
                    doubtful = true;
                    if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// One batch of entries, or a look at the journal's ends where there are none.
    async fn turn(&self, doubtful: bool) -> Result<(), BusError> {
        if doubtful && !self.sound().await? {
            return self.reload().await;
        }
        let entries = match self.bus.journal(&self.cursor(), BATCH, WAIT).await {
            Err(BusError::NotFound(_)) => return self.reload().await,
            entries => entries?,
        };
        if !entries.is_empty() {
            return self.take_in(entries).await;
        }
        if self.sound().await? { Ok(()) } else { self.reload().await }
    }

    /// Is our cursor still a place in this journal, with nothing pruned after it?
    async fn sound(&self) -> Result<bool, BusError> {
        let cursor = self.cursor();
        Ok(match self.bus.journal_ends().await? {
            // All pruned: nothing is after us that we have not seen, or the store is a new one.
            None => cursor.is_empty() || self.bus.status().await?.servers >= self.len(),
            Some((oldest, newest)) => {
                let place = Place::of(&cursor);
                place <= Place::of(&newest) && (cursor.is_empty() || Place::of(&oldest).follows(place))
            }
        })
    }

    fn len(&self) -> u64 {
        u64::try_from(self.read().rows.len()).unwrap_or(u64::MAX)
    }

    async fn reload(&self) -> Result<(), BusError> {
        self.load().await?;
        tracing::warn!("the read model was read anew: its place in the journal was gone");
        let _ = self.changes.send(Change::Reset);
        Ok(())
    }

    async fn take_in(&self, entries: Vec<(String, JournalEntry)>) -> Result<(), BusError> {
        let mut records: HashMap<ServerId, Server> = HashMap::new();
        for (_, entry) in &entries {
            if !records.contains_key(&entry.server)
                && let Some(server) = self.bus.read(&entry.server).await?
            {
                records.insert(entry.server.clone(), server);
            }
        }
        let mut state = self.write();
        for (cursor, entry) in entries {
            state.cursor.clone_from(&cursor);
            let Some(server) = records.get(&entry.server) else { continue };
            let row = state.put(server.clone());
            let said = std::sync::OnceLock::new();
            let transition = Transition { cursor, entry, row, said };
            // Nobody may be watching. Sent under the lock, so that a watcher's cursor and its first change fit.
            let _ = self.changes.send(Change::Transition(Arc::new(transition)));
        }
        Ok(())
    }
}
