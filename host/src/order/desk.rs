//! Where orders are placed, looked at, approved and cancelled.
//!
//! Promises that everybody sees and changes only orders of their own tenant and sites, and that each decision is written down with
//! who made it. It gives nobody a server; that is the elected desk's (`run.rs`).

use std::fmt::Write as _;
use std::sync::Arc;

use farrier_lifecycle::{Event, Policy, Request, ServerId, Stage, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast};

use super::check::{allowed, check};
use super::fit::fits;
use super::log::{self, By};
use super::shelf::Shelf;
use super::view::time;
use super::{Order, OrderError, State, Wanted};
use crate::access::{Means, Permission, Principal};
use crate::bus::{self, Applied, ApplyError, Bus, Clock, Origin};
use crate::config::Orders;

/// Changes a slow listener may be behind before it misses some.
const BEHIND: usize = 1_024;
/// Tries to close an order the desk is busy with.
const TRIES: usize = 100;

/// What placing an order would come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Preview {
    /// Servers that are ready, free, and fit.
    pub matching: usize,
    /// Orders that are served before it.
    pub waiting_before: usize,
    /// Somebody must approve it.
    pub approval_needed: bool,
    /// The same in a line for people.
    pub say: String,
}

/// The desk of one host.
pub struct Desk {
    pub(super) bus: Arc<dyn Bus>,
    pub(super) shelf: Shelf,
    pub(super) orders: Orders,
    policy: Policy,
    clock: Clock,
    observe: bool,
    pub(super) wake: Notify,
    pub(super) changes: broadcast::Sender<Arc<Order>>,
}

impl Desk {
    /// On this store. An observing host shows orders and changes none.
    pub fn new(bus: Arc<dyn Bus>, orders: Orders, policy: Policy, observe: bool) -> Self {
        Self {
            shelf: Shelf::new(bus.clone()),
            bus,
            orders,
            policy,
            clock: Arc::new(crate::egress::now),
            observe,
            wake: Notify::new(),
            changes: broadcast::Sender::new(BEHIND),
        }
    }

    /// With another clock than the system's.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Orders as they change, on whichever host: for those who watch. Comes from [`Desk::run`], elected or not.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Order>> {
        self.changes.subscribe()
    }

    /// Place an order. [`OrderError::Invalid`] names every wrong field.
    pub async fn place(&self, who: &Principal, wanted: &Wanted) -> Result<Order, OrderError> {
        let order = self.draft(who, wanted)?;
        if self.observe {
            return Err(OrderError::Observing);
        }
        let order = self.shelf.add(order).await?;
        log::write(&*self.bus, By::Somebody(who), order.created, "order-placed", &order, order.wanted.note.as_deref())
            .await;
        self.wake.notify_one();
        Ok(order)
    }

    fn draft(&self, who: &Principal, wanted: &Wanted) -> Result<Order, OrderError> {
        allowed(who, Permission::Order, "place orders")?;
        let (tenant, wanted) = check(who, wanted)?;
        let (created, approval) = (self.now(), self.orders.approve.needed(wanted.count));
        Ok(Order {
            id: String::new(),
            version: 0,
            tenant,
            by: who.name.clone(),
            created,
            approval,
            approved_by: None,
            until: approval.then(|| created.plus(self.orders.reserve_ms)),
            state: if approval { State::AwaitingApproval } else { State::Waiting },
            servers: Vec::new(),
            reason: None,
            wanted,
        })
    }

    /// What placing it now would come to; changes nothing.
    pub async fn preview(&self, who: &Principal, wanted: &Wanted) -> Result<Preview, OrderError> {
        let (order, now) = (self.draft(who, wanted)?, self.now());
        let servers = self.bus.list().await?;
        let free = servers.iter().filter(|server| server.is_ready() && server.reserved(now).is_none());
        let matching = free.filter(|server| fits(server, &order.wanted)).count();
        let open = |other: &Order| other.state.is_open() && other.servers.len() < other.count();
        let waiting_before = self.shelf.all(|_| false).await?.iter().filter(|other| open(other)).count();
        let mut say = format!("{matching} servers that fit are ready, {} are wanted", order.wanted.count);
        if waiting_before > 0 {
            let _ = write!(say, "; {waiting_before} earlier orders choose first");
        }
        if let Some(until) = order.until {
            let _ = write!(say, "; an approver must agree by {}", time(until));
        }
        Ok(Preview { matching, waiting_before, approval_needed: order.approval, say })
    }

    /// The orders `who` sees, oldest first.
    pub async fn list(&self, who: &Principal) -> Result<Vec<Order>, OrderError> {
        let mut orders = self.shelf.all(|_| false).await?;
        orders.retain(|order| sees(who, order));
        Ok(orders)
    }

    /// One order. One that `who` may not see is as unknown as one that does not exist.
    pub async fn get(&self, who: &Principal, id: &str) -> Result<Order, OrderError> {
        let order = self.shelf.get(id).await?.filter(|order| sees(who, order));
        order.ok_or_else(|| OrderError::Unknown(id.to_owned()))
    }

    /// End an order: what is kept for it goes back, what was delivered stays with its tenant.
    pub async fn cancel(&self, who: &Principal, id: &str) -> Result<Order, OrderError> {
        allowed(who, Permission::Order, "cancel orders")?;
        self.get(who, id).await?;
        if self.observe {
            return Err(OrderError::Observing);
        }
        let reason = format!("cancelled by {}", who.name);
        let (order, back) = self.close(id, (State::Cancelled, &reason), |_| true).await?;
        log::write(&*self.bus, By::Somebody(who), self.now(), "order-cancelled", &order, None).await;
        self.give_back(&order, &back, &who.name).await;
        self.wake.notify_one();
        self.get(who, id).await
    }

    /// Agree to an order that policy holds back. Whoever placed it may not, but on the host itself, where one person may be all there is.
    pub async fn approve(&self, who: &Principal, id: &str) -> Result<Order, OrderError> {
        allowed(who, Permission::Approve, "approve orders")?;
        if self.get(who, id).await?.by == who.name && who.means != Means::Socket {
            return Err(OrderError::Own(id.to_owned()));
        }
        if self.observe {
            return Err(OrderError::Observing);
        }
        let now = self.now();
        let order = self.shelf.change(id, |order| {
            // The desk may not have looked at the clock since.
            let over = order.until.is_some_and(|until| until <= now) && !order.is_approved();
            if over || !order.state.is_open() {
                let state = if over { State::Expired } else { order.state };
                return Err(OrderError::Closed { id: order.id.clone(), state });
            }
            if order.is_approved() {
                return Err(OrderError::NotAwaiting(order.id.clone()));
            }
            let full = order.servers.len() >= order.count();
            order.approved_by = Some(who.name.clone());
            order.until = None;
            order.state = if full { State::Reserved } else { State::Waiting };
            order.reason = Some(format!("approved by {}", who.name));
            Ok(true)
        });
        let order = order.await?;
        log::write(&*self.bus, By::Somebody(who), now, "order-approved", &order, None).await;
        self.wake.notify_one();
        Ok(order)
    }

    /// Close it with the servers it was given, if it `may` still be; [`OrderError::Closed`] if it is closed already. With the servers that
    /// were kept for it and are to be given back.
    pub(super) async fn close(
        &self,
        id: &str,
        (state, reason): (State, &str),
        may: impl Fn(&Order) -> bool,
    ) -> Result<(Order, Vec<ServerId>), OrderError> {
        for _ in 0..TRIES {
            match self.try_close(id, (state, reason), &may).await {
                Err(OrderError::Contended(_)) => {}
                closed => return closed,
            }
        }
        Err(OrderError::Contended(id.to_owned()))
    }

    async fn try_close(
        &self,
        id: &str,
        (state, reason): (State, &str),
        may: &impl Fn(&Order) -> bool,
    ) -> Result<(Order, Vec<ServerId>), OrderError> {
        let Some(seen) = self.shelf.get(id).await? else { return Err(OrderError::Unknown(id.to_owned())) };
        let (mut given, mut back) = (Vec::new(), Vec::new());
        for line in &seen.servers {
            let server = self.bus.read(&line.id).await?;
            let its = server.filter(|server| server.order.as_deref() == Some(id));
            if line.delivered || its.is_some() {
                let delivered = line.delivered || its.is_some_and(|server| server.stage == Stage::Service);
                given.push(super::Line { delivered, ..line.clone() });
            } else {
                back.push(line.id.clone());
            }
        }
        let close = |order: &mut Order| {
            if !order.state.is_open() || !may(order) {
                return Err(OrderError::Closed { id: order.id.clone(), state: order.state });
            }
            if order.version != seen.version {
                return Err(OrderError::Contended(order.id.clone()));
            }
            (order.state, order.until) = (state, None);
            order.reason = Some(reason.to_owned());
            order.servers.clone_from(&given);
            Ok(true)
        };
        Ok((self.shelf.change(id, close).await?, back))
    }

    /// Free what was kept for a closed order. What fails here the elected desk does again: it frees whatever is kept for an order that is
    /// closed.
    pub(super) async fn give_back(&self, order: &Order, back: &[ServerId], by: &str) {
        for server in back {
            let request = Request::Unreserve { order: order.id.clone() };
            if let Err(error) = self.ask(server, by, request, Origin::Outside).await {
                tracing::debug!(%error, %server, order = order.id, "not given back yet");
                if let Err(error) = self.keep_given(&order.id, server).await {
                    tracing::warn!(%error, %server, order = order.id, "what an order was given at its end is not in its list");
                }
            }
        }
    }

    /// A desk that was just giving when the order was closed may have been faster: what it gave stays with the tenant, and in the order's list.
    async fn keep_given(&self, order: &str, server: &ServerId) -> Result<(), OrderError> {
        let record = self.bus.read(server).await?;
        let Some(record) = record.filter(|record| record.order.as_deref() == Some(order)) else { return Ok(()) };
        let (id, name) = (server.clone(), record.label().to_owned());
        let line = super::Line { id, name, delivered: record.stage == Stage::Service };
        let add = |order: &mut Order| {
            let new = !order.lists(server);
            order.servers.extend(new.then(|| line.clone()));
            Ok(new)
        };
        self.shelf.change(order, add).await.map(drop)
    }

    /// Put a request to a server's lifecycle.
    pub(super) async fn ask(
        &self,
        server: &ServerId,
        by: &str,
        request: Request,
        origin: Origin<'_>,
    ) -> Result<Applied, ApplyError> {
        let event = Event::Requested { by: by.to_owned(), request };
        bus::apply(&*self.bus, server, &event, &self.policy, self.now(), origin).await
    }
}

fn sees(who: &Principal, order: &Order) -> bool {
    who.sees_tenant(Some(&order.tenant)) && who.sees_site(order.wanted.site.as_deref())
}
