//! The desk at work: elected, it serves orders as servers become ready; not elected, it tells its own host what changes.
//!
//! Promises that one host of a store serves orders at a time, but for the moment in which the role moves (see `pass.rs` for why that does no
//! harm). Not obvious: it reads the journal without waiting on it, a few times a second. A wait would be shared with everybody else
//! in this process who follows the journal.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::floor::Floor;
use super::{Order, OrderError};

/// The role's name.
const ROLE: &str = "orders";
/// A host that is silent for so long loses the role.
const TERM: Duration = Duration::from_secs(15);
/// Between two renewals of the role, and two tries for it.
const RENEW: Duration = Duration::from_secs(3);
/// Between two looks while orders are open.
const BUSY: Duration = Duration::from_millis(100);
/// Between two looks while none is.
const IDLE: Duration = Duration::from_millis(500);
/// Between two passes although nothing has changed: times run out.
const TICK: Duration = Duration::from_secs(1);
/// Between two readings of everything, whatever the journal and the stamp say.
const ANEW: Duration = Duration::from_mins(1);
/// Journal entries read at once.
const PAGE: usize = 1_000;
/// After a failure of the store.
const PAUSE: Duration = Duration::from_secs(1);

/// The orders as this host knows them.
#[derive(Default)]
struct Book {
    open: BTreeMap<u64, Order>,
    /// Nothing changes an order that is closed.
    closed: HashSet<String>,
    stamp: Option<Vec<u8>>,
    read: Option<Instant>,
}

/// What an elected desk knows.
struct Office {
    floor: Floor,
    cursor: String,
    read: Instant,
    passed: Option<Instant>,
}

/// One host's part in it.
#[derive(Default)]
struct Shift {
    book: Book,
    office: Option<Office>,
    asked: Option<Instant>,
}

impl Desk {
    /// Work until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut shift = Shift::default();
        loop {
            let turn = stop.run_until_cancelled(self.turn(&mut shift)).await;
            let pause = match turn {
                None => return,
                Some(Ok(pause)) => pause,
                Some(Err(error)) => {
                    tracing::warn!(%error, code = error.code(), "orders wait");
                    (shift.office, shift.asked) = (None, None);
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Look, and act if there is a reason to; how long to rest.
    async fn turn(&self, shift: &mut Shift) -> Result<Duration, OrderError> {
        let changed = self.read_book(&mut shift.book).await?;
        if shift.asked.is_none_or(|at| at.elapsed() >= RENEW) {
            shift.asked = Some(Instant::now());
            if !self.bus.elect(ROLE, TERM).await? {
                shift.office = None;
            } else if shift.office.is_none() {
                shift.office = Some(self.open_office().await?);
                tracing::info!("this host serves orders");
            }
        }
        let Some(office) = &mut shift.office else { return Ok(IDLE) };
        if office.read.elapsed() >= ANEW {
            *office = self.open_office().await?;
        }
        let moved = self.follow(office).await?;
        if changed || moved || office.passed.is_none_or(|at| at.elapsed() >= TICK) {
            self.round(&mut office.floor, shift.book.open.values()).await?;
            office.passed = Some(Instant::now());
        }
        Ok(if shift.book.open.is_empty() { IDLE } else { BUSY })
    }

    /// Read the orders again if somebody changed one; whether any is another than before.
    async fn read_book(&self, book: &mut Book) -> Result<bool, OrderError> {
        let stamp = self.shelf.stamp().await?;
        let fresh = book.read.is_some_and(|at| at.elapsed() < ANEW);
        if fresh && stamp == book.stamp {
            return Ok(false);
        }
        let first = book.read.is_none();
        let orders = self.shelf.all(|id| book.closed.contains(id)).await?;
        let mut changed = false;
        for order in orders {
            let number = order.number();
            if book.open.get(&number) == Some(&order) {
                continue;
            }
            changed = true;
            if !first {
                // Nobody may be listening.
                let _ = self.changes.send(Arc::new(order.clone()));
            }
            if order.state.is_open() {
                book.open.insert(number, order);
            } else {
                book.open.remove(&number);
                book.closed.insert(order.id);
            }
        }
        (book.stamp, book.read) = (stamp, Some(Instant::now()));
        Ok(changed)
    }

    /// Everything as it is now, and the place in the journal from which it is followed.
    async fn open_office(&self) -> Result<Office, OrderError> {
        let cursor = self.bus.journal_ends().await?.map(|(_, newest)| newest).unwrap_or_default();
        Ok(Office { floor: Floor::load(&*self.bus).await?, cursor, read: Instant::now(), passed: None })
    }

    /// Look again at the servers that moved; whether any concerns orders.
    async fn follow(&self, office: &mut Office) -> Result<bool, OrderError> {
        let mut moved = HashSet::new();
        loop {
            let page = self.bus.journal(&office.cursor, PAGE, Duration::ZERO).await?;
            let full = page.len() >= PAGE;
            for (cursor, entry) in page {
                if office.floor.has(&entry.server) || Floor::may_concern(entry.stage) {
                    moved.insert(entry.server);
                }
                office.cursor = cursor;
            }
            if !full {
                break;
            }
        }
        for id in &moved {
            office.floor.look(&*self.bus, id).await?;
        }
        Ok(!moved.is_empty())
    }
}
