//! The board's numbers: how many servers are where, for whoever asks.
//!
//! Counted anew for each question: at 10,000 servers that is one pass over memory, and it is right for every reader's sites and tenant.

use std::collections::BTreeMap;

use farrier_lifecycle::{LifecycleState, Stage, Status, Timestamp};

use super::{Fleet, Row};

/// Servers of one stage by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageCounts {
    /// Being worked, or on the stream.
    pub running: u64,
    /// For a retry, a report, work elsewhere.
    pub waiting: u64,
    /// Until someone asks.
    pub resting: u64,
    /// A person must look.
    pub failed: u64,
    /// Since when the one that runs or waits longest does, milliseconds since the epoch.
    pub oldest: Option<Timestamp>,
}

/// Servers of one site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteCounts {
    /// All of them.
    pub servers: u64,
    /// By lifecycle state; a state without servers is absent.
    pub states: BTreeMap<LifecycleState, u64>,
    /// Those that need a person.
    pub problems: u64,
}

/// Everything the board shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All sites together.
    pub all: SiteCounts,
    /// By site's slug; servers that have none yet are under the empty one.
    pub sites: BTreeMap<String, SiteCounts>,
    /// By stage.
    pub stages: BTreeMap<Stage, StageCounts>,
}

impl SiteCounts {
    fn count(&mut self, row: &Row, state: LifecycleState) {
        self.servers += 1;
        *self.states.entry(state).or_default() += 1;
        self.problems += u64::from(row.problem());
    }
}

impl StageCounts {
    fn count(&mut self, row: &Row) {
        match &row.server.status {
            Status::Running => self.running += 1,
            Status::Waiting(_) => self.waiting += 1,
            Status::Resting => self.resting += 1,
            Status::Failed(_) => self.failed += 1,
        }
        if matches!(row.server.status, Status::Running | Status::Waiting(_)) {
            let since = row.server.since;
            self.oldest = Some(self.oldest.map_or(since, |oldest| oldest.min(since)));
        }
    }
}

impl Fleet {
    /// Count the servers that `seen` says are the reader's.
    pub fn counts(&self, seen: impl Fn(&Row) -> bool) -> Counts {
        let mut counts = Counts::default();
        let state = self.read();
        for row in state.rows.values().filter(|row| seen(row)) {
            let name = row.server.lifecycle_state();
            counts.all.count(row, name);
            let site = row.server.facts.site.as_deref().unwrap_or_default();
            match counts.sites.get_mut(site) {
                Some(counted) => counted.count(row, name),
                None => counts.sites.entry(site.to_owned()).or_default().count(row, name),
            }
            counts.stages.entry(row.server.stage).or_default().count(row);
        }
        counts
    }
}
