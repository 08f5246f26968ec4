//! Counters that live as long as the process: calls of plugins, and what the journal says.
//!
//! Promises a bound on series: at most [`MOST`] of each counter, what comes beyond is counted under `other`. Does not: count what happened before
//! the process began. Every host follows the same journal, so two hosts count the same transitions.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use farrier_lifecycle::{JournalEntry, ServerId, Stage, Timestamp};
use prometheus_client::metrics::histogram::Histogram;

use crate::monitor::label;
use crate::plugin::Calls;

/// Series of one counter.
const MOST: usize = 2_000;
/// What is beyond them.
const OTHER: &str = "other";
/// Seconds: a call of a plugin.
const CALL: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Seconds: a stage.
const STAGE: [f64; 9] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// What is known of one server's way through the stages: where it is, and since when if that was seen.
type At = (Stage, Option<Timestamp>);

/// Everything counted.
#[derive(Default)]
pub struct Counted {
    /// Calls by plugin, function, outcome.
    pub calls: BTreeMap<(String, &'static str, &'static str), u64>,
    /// Their durations by plugin, function.
    pub call_seconds: BTreeMap<(String, &'static str), Histogram>,
    /// Transitions by stage and event.
    pub transitions: BTreeMap<(Stage, String), u64>,
    /// Failed attempts by stage and code.
    pub failures: BTreeMap<(Stage, String), u64>,
    /// Durations of stages.
    pub stage_seconds: BTreeMap<Stage, Histogram>,
    at: HashMap<ServerId, At>,
}

/// See the module.
#[derive(Default)]
pub struct Counts(Mutex<Counted>);

/// Count one more, under `other` where there are too many already.
fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, other: impl FnOnce(K) -> K) {
    let key = if counts.len() < MOST || counts.contains_key(&key) { key } else { other(key) };
    *counts.entry(key).or_default() += 1;
}

impl Counts {
    /// What is counted, for a moment.
    pub fn read(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where servers stand before the first entry is taken in.
    pub fn begin(&self, servers: impl Iterator<Item = (ServerId, Stage)>) {
        let mut counted = self.read();
        for (id, stage) in servers {
            counted.at.entry(id).or_insert((stage, None));
        }
    }

    /// A transition.
    pub fn take(&self, entry: &JournalEntry) {
        let mut counted = self.read();
        let event = label(&entry.event);
        count(&mut counted.transitions, (entry.stage, event), |(stage, _)| (stage, OTHER.to_owned()));
        // A request to a failed server, or a report that is refused, leaves its fault where it is: that is no failure more.
        let ended = ["failed", "worker-lost", "report-received", "timer-fired"];
        if let Some(fault) = entry.fault.as_ref().filter(|_| ended.contains(&entry.event.as_str())) {
            let key = (entry.stage, label(&fault.code));
            count(&mut counted.failures, key, |(stage, _)| (stage, OTHER.to_owned()));
        }
        let before = counted.at.insert(entry.server.clone(), (entry.stage, None));
        let entered = match before {
            Some((stage, entered)) if stage == entry.stage => entered,
            Some((stage, entered)) => {
                if let Some(entered) = entered {
                    let seconds = Duration::from_millis(entry.at.since(entered)).as_secs_f64();
                    let histogram = counted.stage_seconds.entry(stage);
                    histogram.or_insert_with(|| Histogram::new(STAGE)).observe(seconds);
                }
                Some(entry.at)
            }
            None => Some(entry.at),
        };
        counted.at.insert(entry.server.clone(), (entry.stage, entered));
    }
}

impl Calls for Counts {
    fn called(&self, plugin: &str, function: &'static str, outcome: &'static str, took: Duration) {
        let mut counted = self.read();
        let plugin = label(plugin);
        let histogram = counted.call_seconds.entry((plugin.clone(), function));
        histogram.or_insert_with(|| Histogram::new(CALL)).observe(took.as_secs_f64());
        count(&mut counted.calls, (plugin, function, outcome), |(plugin, function, _)| (plugin, function, OTHER));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use farrier_lifecycle::{Blame, Fault, LifecycleState, Retry};

    use super::*;

    fn entry(event: &str, stage: Stage, at: u64, fault: Option<&str>) -> JournalEntry {
        JournalEntry {
            transition: String::new(),
            server: "9440c9000001".parse().unwrap(),
            name: "A".to_owned(),
            version: 1,
            at: Timestamp(at),
            event: event.to_owned(),
            from: LifecycleState::Offline,
            to: LifecycleState::Discovered,
            stage,
            status: "running".to_owned(),
            since: Timestamp(0),
            note: None,
            fault: fault.map(|code| Fault::new(code, Retry::Never, Blame::Hardware, "as a test has it")),
        }
    }

    #[test]
    fn the_journal_is_counted_and_stages_are_timed_from_entry_to_exit() {
        let counts = Counts::default();
        counts.take(&entry("lease-seen", Stage::Discover, 1_000, None));
        counts.take(&entry("failed", Stage::Discover, 2_000, Some("unreachable")));
        counts.take(&entry("hold", Stage::Discover, 3_000, Some("unreachable")));
        counts.take(&entry("done", Stage::Validate, 31_000, None));
        let counted = counts.read();
        assert_eq!(counted.failures, BTreeMap::from([((Stage::Discover, "unreachable".to_owned()), 1)]));
        assert_eq!(counted.transitions.len(), 4);
        assert_eq!(counted.stage_seconds.keys().collect::<Vec<_>>(), [&Stage::Discover]);
    }

    #[test]
    fn a_stage_that_was_entered_before_the_process_began_is_not_timed() {
        let counts = Counts::default();
        let id: ServerId = "9440c9000001".parse().unwrap();
        counts.begin(std::iter::once((id, Stage::Harden)));
        counts.take(&entry("done", Stage::Monitor, 50_000, None));
        assert!(counts.read().stage_seconds.is_empty());
        counts.take(&entry("done", Stage::Assign, 60_000, None));
        assert_eq!(counts.read().stage_seconds.len(), 1);
    }

    #[test]
    fn a_storm_of_codes_is_bounded() {
        let counts = Counts::default();
        for n in 0..5_000 {
            counts.take(&entry("failed", Stage::Harden, n, Some(&format!("code-{n}"))));
        }
        let counted = counts.read();
        assert!(counted.failures.len() <= MOST + 1);
        assert_eq!(counted.failures[&(Stage::Harden, OTHER.to_owned())], 3_000);
    }
}
