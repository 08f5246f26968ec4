//! All servers in memory, as the store has them, for those who look: lists, the board, live events.
//!
//! Promises that what is read here is a record that was committed, that it is replaced by later ones only, and that every journal
//! entry comes to every watcher once, in order, after the record it is about. It decides nothing and writes nothing: requests are
//! decided on the store's own record. The decision that is not obvious: entries of other hosts come by the same journal as our own,
//! so one host and many are the same case.

mod count;
mod follow;
mod place;
mod query;
mod row;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use farrier_lifecycle::{JournalEntry, Server, ServerId};
use tokio::sync::broadcast;

use crate::bus::Bus;

pub use count::{Counts, SiteCounts, StageCounts};
pub use place::Place;
pub use query::{Filter, Found, PageError, Sort};
pub use row::{Moved, Row};

/// Changes kept for watchers that are slow; who falls further behind reads the journal again from where it was.
const KEPT: usize = 1_024;

/// Something a watcher is told.
#[derive(Clone, Debug)]
pub enum Change {
    /// A committed transition.
    Transition(Arc<Transition>),
    /// The journal was lost or replaced: everything known before means nothing.
    Reset,
}

/// A committed transition, with the record as it was read after it.
#[derive(Debug)]
pub struct Transition {
    /// The journal's id of the entry.
    pub cursor: String,
    /// The entry.
    pub entry: JournalEntry,
    /// The server, at this version or a later one.
    pub row: Arc<Row>,
    /// What watchers write, made once for all of them.
    pub said: std::sync::OnceLock<String>,
}

/// The read model.
pub struct Fleet {
    bus: Arc<dyn Bus>,
    state: RwLock<State>,
    changes: broadcast::Sender<Change>,
}

#[derive(Default)]
struct State {
    /// The entry that was taken in last; `""`: none.
    cursor: String,
    rows: HashMap<ServerId, Arc<Row>>,
    /// By name in lower case and id: the order of lists, and the way from a name to its server.
    by_name: BTreeMap<(String, ServerId), Arc<Row>>,
}

impl State {
    /// Take a record in, if it is later than what is there; the row that stands now.
    fn put(&mut self, server: Server) -> Arc<Row> {
        let old = self.rows.get(&server.id).cloned();
        if let Some(old) = old.as_ref().filter(|old| old.server.version >= server.version) {
            return old.clone();
        }
        let row = Arc::new(Row::new(server, old.as_deref()));
        if let Some(old) = old {
            self.by_name.remove(&(old.key.clone(), old.server.id.clone()));
        }
        self.by_name.insert((row.key.clone(), row.server.id.clone()), row.clone());
        self.rows.insert(row.server.id.clone(), row.clone());
        row
    }
}

impl Fleet {
    /// An empty one; [`Fleet::load`] fills it.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        let (changes, _) = broadcast::channel(KEPT);
        Self { bus, state: RwLock::default(), changes }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record that was just committed here; it would come by the journal too, a moment later.
    pub fn put(&self, server: &Server) {
        self.write().put(server.clone());
    }

    /// The journal's entry that was taken in last; `""` before the first.
    pub fn cursor(&self) -> String {
        self.read().cursor.clone()
    }

    /// By id.
    pub fn get(&self, id: &ServerId) -> Option<Arc<Row>> {
        self.read().rows.get(id).cloned()
    }

    /// By name, in any case; where two have the same, the one with the lower id.
    pub fn named(&self, name: &str) -> Option<Arc<Row>> {
        let key = name.to_lowercase();
        let state = self.read();
        let (found, row) = state.by_name.range((key.clone(), ServerId::lowest())..).next()?;
        (found.0 == key).then(|| row.clone())
    }

    /// Every row that `wanted` wants, in the order of names.
    pub fn rows(&self, wanted: impl Fn(&Row) -> bool) -> Vec<Arc<Row>> {
        self.read().by_name.values().filter(|row| wanted(row)).cloned().collect()
    }

    /// Changes from now on, and the cursor that is "now": no entry is between the two, and none in both.
    pub fn watch(&self) -> (String, broadcast::Receiver<Change>) {
        let state = self.read();
        (state.cursor.clone(), self.changes.subscribe())
    }
}
