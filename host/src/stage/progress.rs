//! What running attempts say of themselves, for people who watch. Never needed for correctness, never stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use farrier_lifecycle::ServerId;
use tokio::sync::broadcast;

/// Lines kept for those who watch; who is slower misses some, and reads the next.
const KEPT: usize = 256;

/// The latest line of each running attempt.
#[derive(Clone)]
pub struct ProgressBoard {
    lines: Arc<Mutex<HashMap<ServerId, String>>>,
    said: broadcast::Sender<(ServerId, Option<String>)>,
}

impl Default for ProgressBoard {
    fn default() -> Self {
        Self { lines: Arc::default(), said: broadcast::channel(KEPT).0 }
    }
}

impl ProgressBoard {
    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<ServerId, String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Say something.
    pub fn say(&self, server: &ServerId, line: impl Into<String>) {
        let line = line.into();
        self.map().insert(server.clone(), line.clone());
        // Nobody may be watching.
        let _ = self.said.send((server.clone(), Some(line)));
    }

    /// The attempt ended.
    pub fn clear(&self, server: &ServerId) {
        if self.map().remove(server).is_some() {
            let _ = self.said.send((server.clone(), None));
        }
    }

    /// Each line from now on, and `None` where an attempt ended.
    pub fn watch(&self) -> broadcast::Receiver<(ServerId, Option<String>)> {
        self.said.subscribe()
    }

    /// What was said last.
    pub fn of(&self, server: &ServerId) -> Option<String> {
        self.map().get(server).cloned()
    }
}
