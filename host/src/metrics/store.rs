//! The store's own numbers, read now and then: backlog, timers, dead letters, open cases, orders, waves, drift.
//!
//! Promises that a scrape asks nobody: what is shown is at most [`OFTEN`] or [`RARELY`] old. While the store does not answer, `up` is false and
//! the rest is as it was.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::bus::{Bus, BusError, BusStatus};
use crate::monitor::label;
use crate::order::{Shelf, State};
use crate::ticket::Cases;
use crate::wave;

/// How often backlog and timers are read.
pub const OFTEN: Duration = Duration::from_secs(5);
/// How often cases, orders, waves and drift are: each how many times.
pub const RARELY: u64 = 3;
/// Codes of cases; others count together.
const CODES: usize = 200;

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Does it answer?
    pub up: bool,
    /// Its numbers.
    pub status: Option<BusStatus>,
    /// Open cases by code.
    pub cases: BTreeMap<String, u64>,
    /// Orders by state.
    pub orders: BTreeMap<&'static str, u64>,
    /// Servers of waves that are not done, by wave and how they stand.
    pub waves: BTreeMap<(String, &'static str), u64>,
    /// Servers in which NetBox and this host do not agree.
    pub drift: u64,
}

/// Reads them.
pub struct Reader {
    bus: Arc<dyn Bus>,
    shelf: Shelf,
    /// Nothing changes an order that is closed.
    closed: HashMap<String, State>,
    waves: wave::Shelf,
    /// Nothing changes a wave that is done.
    done: HashSet<String>,
    turn: u64,
    now: Store,
}

impl Reader {
    /// Of this store.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self {
            shelf: Shelf::new(bus.clone()),
            waves: wave::Shelf(bus.clone()),
            bus,
            closed: HashMap::new(),
            done: HashSet::new(),
            turn: 0,
            now: Store::default(),
        }
    }

    /// Read what is due; how things stand.
    pub async fn turn(&mut self) -> Store {
        let rarely = self.turn.is_multiple_of(RARELY);
        self.now.up = match self.read(rarely).await {
            Ok(()) => {
                self.turn += 1;
                true
            }
            Err(error) => {
                tracing::debug!(%error, "the store's numbers are not read");
                false
            }
        };
        self.now.clone()
    }

    async fn read(&mut self, rarely: bool) -> Result<(), BusError> {
        self.now.status = Some(self.bus.status().await?);
        if !rarely {
            return Ok(());
        }
        let mut cases = BTreeMap::new();
        for case in Cases(self.bus.clone()).all().await?.into_iter().filter(|case| case.over.is_none()) {
            let code = label(&case.fault.code);
            let known = cases.len() < CODES || cases.contains_key(&code);
            *cases.entry(if known { code } else { "other".to_owned() }).or_default() += 1;
        }
        self.now.cases = cases;
        let open = self.shelf.all(|id| self.closed.contains_key(id)).await?;
        let mut orders: BTreeMap<&'static str, u64> = State::ALL.map(|state| (state.as_str(), 0)).into();
        for order in &open {
            *orders.entry(order.state.as_str()).or_default() += 1;
        }
        for state in self.closed.values() {
            *orders.entry(state.as_str()).or_default() += 1;
        }
        let closed = open.into_iter().filter(|order| !order.state.is_open());
        self.closed.extend(closed.map(|order| (order.id, order.state)));
        self.now.orders = orders;
        self.now.waves = self.waves().await?;
        let mut drift: Vec<_> = crate::drift::list(&self.bus).await?.into_iter().map(|item| item.id).collect();
        drift.sort_unstable();
        drift.dedup();
        self.now.drift = u64::try_from(drift.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    async fn waves(&mut self) -> Result<BTreeMap<(String, &'static str), u64>, BusError> {
        let mut counts = BTreeMap::new();
        for wave in self.waves.all(|id| self.done.contains(id)).await? {
            if wave.state == wave::State::Done {
                self.done.insert(wave.id);
                continue;
            }
            for member in &wave.members {
                *counts.entry((wave.id.clone(), stands(wave.state, member.standing))).or_default() += 1;
            }
        }
        Ok(counts)
    }
}

/// What a halted wave has not brought to its end counts as halted.
const fn stands(state: wave::State, standing: wave::Standing) -> &'static str {
    use wave::Standing::{Aside, Passed, Skipped};
    match (state, standing) {
        (wave::State::Halted, standing) if !matches!(standing, Passed | Aside | Skipped) => state.as_str(),
        _ => standing.as_str(),
    }
}
