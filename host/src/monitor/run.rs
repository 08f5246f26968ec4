//! The one that looks: elected, it has the plan, starts looks, and passes on what they found.
//!
//! Promises that a look's log entries are passed on before the place in the log is kept: after a crash between the two they come again, and
//! none is lost; a stop comes between looks or into one, never between these two. A look that panics is a look that failed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_lifecycle::{Blame, Fault, Retry, Server, ServerId, Stage, Status, Timestamp};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Cache, Eyes, Looked, Observer, Plan, Snapshot, Wanted};
use crate::bus::{Bus, BusError};
use crate::config;
use crate::egress::now;
use crate::fleet::{Fleet, Row};
use crate::health::Sample;
use crate::stage::{Mark, evidence};

/// The role's name.
pub const ROLE: &str = "monitor";
/// A host that is silent for so long loses the role.
pub const TERM: Duration = Duration::from_secs(15);
/// Between two renewals of the role, and two tries for it, milliseconds.
const RENEW: u64 = 3_000;
/// Between two looks at which servers there are, milliseconds.
const LIST: u64 = 2_000;
/// After a failure of the store, milliseconds.
const PAUSE: u64 = 1_000;
/// Readings are shown at least so long, milliseconds.
const SHOWN: u64 = 300_000;

/// The clock: milliseconds that only grow, and the time of day.
pub type Now = Arc<dyn Fn() -> (u64, Timestamp) + Send + Sync>;

/// See the module.
pub struct Monitor {
    bus: Arc<dyn Bus>,
    fleet: Arc<Fleet>,
    cache: Arc<Cache>,
    eyes: Arc<dyn Eyes>,
    observers: Vec<Arc<dyn Observer>>,
    settings: config::Monitor,
    clock: Now,
}

/// One host's part in it.
#[derive(Default)]
pub struct Shift {
    plan: Option<Plan>,
    looks: JoinSet<Done>,
    at: HashMap<Id, ServerId>,
    asked: Option<u64>,
    listed: Option<u64>,
    marks: HashMap<ServerId, Mark>,
}

/// How a look ended.
struct Done {
    took: u64,
    /// The controller refused the login.
    refused: bool,
    /// `None`: it did not take place.
    well: Option<bool>,
    mark: Option<Mark>,
}

impl Done {
    const fn not() -> Self {
        Self { took: 0, refused: false, well: None, mark: None }
    }
}

/// Is it one to look at: past discover, and not gone?
fn belongs(row: &Row) -> bool {
    !matches!(row.server.stage, Stage::Discover | Stage::Retired) && row.server.facts.driver.is_some()
}

/// Does nothing of ours work on it just now?
const fn at_rest(server: &Server) -> bool {
    !matches!(server.status, Status::Running)
}

/// The clock of this machine.
fn machine() -> Now {
    let begin = Instant::now();
    Arc::new(move || (u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX), now()))
}

impl Monitor {
    /// Over these servers; what is seen goes to `cache` and `observers`.
    pub fn new(
        bus: Arc<dyn Bus>,
        fleet: Arc<Fleet>,
        cache: Arc<Cache>,
        eyes: Arc<dyn Eyes>,
        observers: Vec<Arc<dyn Observer>>,
        settings: config::Monitor,
    ) -> Self {
        Self { bus, fleet, cache, eyes, observers, settings, clock: machine() }
    }

    /// With another clock than the machine's.
    #[must_use]
    pub fn with_clock(self, clock: Now) -> Self {
        Self { clock, ..self }
    }

    /// Take in what ended, and start what is due; after how many milliseconds there is something to do again.
    pub async fn turn(self: &Arc<Self>, shift: &mut Shift, stop: &CancellationToken) -> Result<u64, BusError> {
        let (now, _) = (self.clock)();
        while let Some(ended) = shift.looks.try_join_next_with_id() {
            shift.take_in(ended, now);
        }
        if shift.asked.is_none_or(|at| now.saturating_sub(at) >= RENEW) {
            shift.asked = Some(now);
            self.ask_for_role(shift).await?;
        }
        let Some(plan) = &mut shift.plan else { return Ok(RENEW) };
        if shift.listed.is_none_or(|at| now.saturating_sub(at) >= LIST) {
            shift.listed = Some(now);
            let rows = self.fleet.rows(belongs);
            plan.keep(rows.iter().map(|row| &row.server.id), now);
            let there = |id: &ServerId| plan.interval(id).is_some();
            self.cache.retain(there);
            shift.marks.retain(|id, _| there(id));
        }
        while shift.looks.len() < self.settings.concurrency
            && let Some((id, number)) = plan.next(now)
        {
            let Some(row) = self.fleet.get(&id).filter(|row| at_rest(&row.server)) else {
                plan.later(&id, now);
                continue;
            };
            let interval = plan.interval(&id).unwrap_or_default();
            let visit = Visit { number, interval, mark: shift.marks.get(&id).cloned() };
            let look = self.clone().visit(row, visit, stop.clone());
            shift.at.insert(shift.looks.spawn(look).id(), id);
        }
        let wake = plan.wake().map_or(RENEW, |due| due.saturating_sub(now));
        let full = shift.looks.len() >= self.settings.concurrency;
        Ok(if full { RENEW } else { wake.clamp(10, LIST) })
    }

    async fn ask_for_role(&self, shift: &mut Shift) -> Result<(), BusError> {
        if !self.bus.elect(ROLE, TERM).await? {
            if shift.plan.take().is_some() {
                tracing::info!("another host looks at servers");
            }
            self.cache.lead(false);
            (shift.listed, shift.marks) = (None, HashMap::new());
        } else if shift.plan.is_none() {
            let (interval, slowest) = (self.settings.interval_ms, self.settings.slowest_ms);
            shift.plan = Some(Plan::new(interval, slowest, Box::new(rand::random::<f64>)));
            self.cache.lead(true);
            tracing::info!("this host looks at servers");
        }
        Ok(())
    }

    async fn visit(self: Arc<Self>, row: Arc<Row>, visit: Visit, stop: CancellationToken) -> Done {
        let server = &row.server;
        let before = match visit.mark {
            Some(mark) => Some(mark),
            None => match Mark::read(&*self.bus, &server.id).await {
                Ok(mark) => mark,
                Err(error) => {
                    tracing::warn!(server = server.label(), %error, "not looked at: how far its log was read is not known");
                    return Done::not();
                }
            },
        };
        let known = self.cache.get(&server.id);
        let inventory = visit.number.is_multiple_of(u64::from(self.settings.inventory_every.max(1)))
            || known.as_ref().is_some_and(|known| known.parts.is_none() && known.code.is_some());
        let wanted = Wanted { cursor: before.as_ref().map(|mark| mark.cursor.clone()), inventory };
        let (begun, _) = (self.clock)();
        let Some(looked) = stop.run_until_cancelled(self.eyes.look(server, &wanted)).await else { return Done::not() };
        let (ended, at) = (self.clock)();
        let took = ended.saturating_sub(begun);
        let mark = after(before.clone(), looked.as_ref().ok());
        let until = at.plus(visit.interval.saturating_mul(3).max(SHOWN));
        self.cache.put(&server.id, self.snapshot(server, known.as_deref(), &looked, (at, until, took), mark.as_ref()));
        let sample = Sample { server: server.id.clone(), at, took_ms: took, seen: looked.map(|looked| looked.seen) };
        let refused = sample.seen.as_ref().is_err_and(|fault| fault.code == "credentials-refused");
        for observer in &self.observers {
            observer.observe(server, &sample).await;
        }
        if let Err(error) = self.keep(server, &sample, before.as_ref(), mark.as_ref(), inventory).await {
            tracing::warn!(server = server.label(), %error, "a look is not kept; its log entries come again");
            return Done { took, refused, well: Some(sample.seen.is_ok()), mark: before };
        }
        Done { took, refused, well: Some(sample.seen.is_ok()), mark }
    }

    /// What the cache shows of the server from now on.
    fn snapshot(
        &self,
        server: &Server,
        known: Option<&Snapshot>,
        looked: &Result<Looked, Fault>,
        (at, until, took_ms): (Timestamp, Timestamp, u64),
        mark: Option<&Mark>,
    ) -> Snapshot {
        let entries = mark.map(|mark| mark.entries).unwrap_or_default();
        match looked {
            Ok(looked) => Snapshot {
                at,
                took_ms,
                code: None,
                seen: Some(at),
                until,
                points: self.cache.points(&looked.seen.readings),
                parts: looked
                    .seen
                    .inventory
                    .as_ref()
                    .map(|inventory| Arc::new(self.cache.parts(&server.facts, inventory)))
                    .or_else(|| known.and_then(|known| known.parts.clone())),
                entries,
            },
            Err(fault) => {
                let code = Some(self.cache.name(&fault.code));
                match known {
                    Some(known) => Snapshot { at, took_ms, code, entries, ..known.clone() },
                    None => Snapshot {
                        at,
                        took_ms,
                        code,
                        seen: None,
                        until: Timestamp::default(),
                        points: [].into(),
                        parts: None,
                        entries,
                    },
                }
            }
        }
    }

    /// Keep how far the log is read, and now and then the readings for people.
    async fn keep(
        &self,
        server: &Server,
        sample: &Sample,
        before: Option<&Mark>,
        mark: Option<&Mark>,
        inventory: bool,
    ) -> Result<(), BusError> {
        let Ok(seen) = &sample.seen else { return Ok(()) };
        if let Some(mark) = mark.filter(|mark| before != Some(mark)) {
            mark.keep(&*self.bus, &server.id).await?;
        }
        if inventory || !seen.events.is_empty() {
            evidence::refresh(&*self.bus, server, &seen.readings, &seen.events).await?;
        }
        Ok(())
    }
}

/// One look to come.
struct Visit {
    number: u64,
    interval: u64,
    mark: Option<Mark>,
}

/// How far the log is read after a look.
fn after(before: Option<Mark>, looked: Option<&Looked>) -> Option<Mark> {
    let Some((looked, cursor)) = looked.and_then(|looked| Some((looked, looked.cursor.clone()?))) else {
        return before;
    };
    let mut mark = before.unwrap_or_default();
    mark.cursor = cursor;
    mark.count(&looked.seen.events);
    Some(mark)
}

impl Shift {
    fn take_in(&mut self, ended: Result<(Id, Done), tokio::task::JoinError>, now: u64) {
        let (task, done) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let fault = Fault::new("host-panic", Retry::Backoff, Blame::Host, error.to_string());
                tracing::error!(%fault, "a look broke");
                (error.id(), Done { well: Some(false), ..Done::not() })
            }
        };
        let Some(id) = self.at.remove(&task) else { return };
        if let Some(mark) = done.mark {
            self.marks.insert(id.clone(), mark);
        }
        let Some(plan) = &mut self.plan else { return };
        match done.well {
            Some(_) if done.refused => plan.refused(&id, now),
            Some(well) => plan.done(&id, now, done.took, well),
            None => plan.later(&id, now),
        }
    }

    /// Wait until the looks under way have ended.
    pub async fn settle(&mut self, now: u64) {
        while let Some(ended) = self.looks.join_next_with_id().await {
            self.take_in(ended, now);
        }
    }
}

/// Look until `stop`; looks under way are left where they are, and what they found is passed on.
pub async fn run(monitor: Arc<Monitor>, stop: CancellationToken) {
    let mut shift = Shift::default();
    while !stop.is_cancelled() {
        let pause = match monitor.turn(&mut shift, &stop).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "the store does not serve; servers are looked at when it does");
                shift.asked = None;
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            Some(ended) = shift.looks.join_next_with_id() => shift.take_in(ended, (monitor.clock)().0),
        }
    }
    shift.settle((monitor.clock)().0).await;
}
