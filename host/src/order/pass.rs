//! One pass over the open orders, oldest first.
//!
//! Promises that two desks that pass at the same time, as two hosts may for a moment when the role moves, do no harm: a server is promised and
//! given by version-checked commits of its own record, an order is written only as it was read, and only servers in an order's written
//! list are given to it, as they were when that list was written. So neither a server is given twice nor an order more than it wants.
//!
//! After a crash at any point the next pass begins with the servers' records and makes the order's list anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use farrier_lifecycle::{Request, ServerId, Timestamp};

use super::desk::Desk;
use super::fit::fits;
use super::floor::Floor;
use super::log::{self, By, DESK};
use super::survey::{Standing, Survey, standing};
use super::{Order, OrderError, State, Wanted};
use crate::bus::{Applied, ApplyError, Origin};

/// What nothing free fits, with the number of offers at which that was so. A thousand orders for the same model search once.
#[derive(Default)]
struct Hopeless(HashMap<Wanted, u64>);

impl Hopeless {
    /// Is there something free for this order?
    fn is_hope(&mut self, order: &Order, floor: &Floor, now: Timestamp) -> bool {
        let wanted = Wanted { note: None, count: 0, partial: false, ..order.wanted.clone() };
        if self.0.get(&wanted) == Some(&floor.offers()) {
            return false;
        }
        let hope = floor.free(now).iter().any(|server| fits(server, &wanted));
        if !hope {
            self.0.insert(wanted, floor.offers());
        }
        hope
    }
}

impl Desk {
    /// Look at everything and serve every open order once. [`Desk::run`] does this as often as needed; it is for those who cannot
    /// wait, and changes nothing that is settled.
    pub async fn pass(&self) -> Result<(), OrderError> {
        let mut floor = Floor::load(&*self.bus).await?;
        let open = self.shelf.all(|_| false).await?.into_iter().filter(|order| order.state.is_open());
        let open: BTreeMap<_, _> = open.map(|order| (order.number(), order)).collect();
        self.round(&mut floor, open.values()).await
    }

    /// Serve these open orders, which are oldest first, from the floor.
    pub(super) async fn round(
        &self,
        floor: &mut Floor,
        open: impl Iterator<Item = &Order> + Clone,
    ) -> Result<(), OrderError> {
        let ids: BTreeSet<&str> = open.clone().map(|order| order.id.as_str()).collect();
        self.free_strays(floor, &ids).await?;
        let mut hopeless = Hopeless::default();
        for order in open {
            if self.is_settled(order, floor, &mut hopeless) {
                continue;
            }
            match self.serve(floor, order).await {
                // Somebody changed the order meanwhile: it comes again with the next pass.
                Err(OrderError::Contended(_) | OrderError::Closed { .. }) => {}
                served => served?,
            }
        }
        Ok(())
    }

    /// Free what is kept for an order that is closed: cancelled by a host that died before it gave its servers back. What is kept for
    /// something that is no order was kept by hand, and is left until its time is over.
    async fn free_strays(&self, floor: &mut Floor, open: &BTreeSet<&str>) -> Result<(), OrderError> {
        let strays = floor.promised().filter(|(order, _)| !open.contains(order));
        let strays: Vec<_> = strays.map(|(order, id)| (order.to_owned(), id.clone())).collect();
        for (order, id) in strays {
            if self.shelf.get(&order).await?.is_some_and(|order| !order.state.is_open()) {
                self.let_go(floor, &order, &id).await?;
            }
        }
        Ok(())
    }

    /// When promises made now end.
    fn until(&self, order: &Order, now: Timestamp) -> Timestamp {
        order.until.filter(|_| !order.is_approved()).unwrap_or_else(|| now.plus(self.orders.reserve_ms))
    }

    fn survey(&self, order: &Order, floor: &Floor, gone: &BTreeSet<ServerId>) -> Survey {
        let now = self.now();
        Survey::of(order, floor, gone, now, now.plus(self.orders.reserve_ms / 2))
    }

    /// Is there nothing to do for it?
    fn is_settled(&self, order: &Order, floor: &Floor, hopeless: &mut Hopeless) -> bool {
        let (survey, now) = (self.survey(order, floor, &BTreeSet::new()), self.now());
        let over = order.until.is_some_and(|until| until <= now);
        let idle = survey.loose.is_empty() && survey.renew.is_empty() && survey.deliverable(order).is_empty();
        let same = !survey.enter(&mut order.clone(), floor);
        !over && idle && same && (survey.missing(order) == 0 || !hopeless.is_hope(order, floor, now))
    }

    async fn serve(&self, floor: &mut Floor, order: &Order) -> Result<(), OrderError> {
        let Some(order) = self.shelf.get(&order.id).await?.filter(|order| order.state.is_open()) else {
            return Ok(());
        };
        if !order.is_approved() && order.until.is_some_and(|until| until <= self.now()) {
            return self.expire(&order).await;
        }
        let mut gone = BTreeSet::new();
        let survey = self.survey(&order, floor, &gone);
        for id in &survey.renew {
            self.reserve(floor, &order, id).await?;
        }
        for id in survey.loose {
            let kept = standing(floor.get(&id), &order, self.now()) == Standing::Kept;
            if !(kept && survey.renew.contains(&id)) && self.let_go(floor, &order.id, &id).await? {
                gone.insert(id);
            }
        }
        self.fill(floor, &order, &mut gone).await?;
        let order = self.enter(floor, &order, &gone).await?;
        // Only what stands in the list now written: another desk that sees less than this one gives away less.
        let deliver = self.survey(&order, floor, &gone).deliverable(&order);
        let mut given = false;
        for id in deliver.iter().filter(|id| order.lists(id)) {
            // Cancelled since: it is given nothing more.
            if self.shelf.get(&order.id).await?.is_none_or(|now| now.version != order.version) {
                return Err(OrderError::Contended(order.id));
            }
            given |= self.give(floor, &order, id).await?;
        }
        if given {
            self.enter(floor, &order, &gone).await?;
        }
        Ok(())
    }

    /// Nobody agreed in time.
    async fn expire(&self, order: &Order) -> Result<(), OrderError> {
        // Not if somebody agrees at this moment.
        let may = |order: &Order| !order.is_approved();
        let (order, back) = self.close(&order.id, (State::Expired, "nobody approved it in time"), may).await?;
        log::write(&*self.bus, By::Desk, self.now(), "order-expired", &order, None).await;
        self.give_back(&order, &back, DESK).await;
        Ok(())
    }

    /// Promise it what it lacks, of what is free and fits.
    async fn fill(&self, floor: &mut Floor, order: &Order, gone: &mut BTreeSet<ServerId>) -> Result<(), OrderError> {
        let mut missing = self.survey(order, floor, gone).missing(order);
        if missing == 0 {
            return Ok(());
        }
        let free = floor.free(self.now()).into_iter().filter(|server| fits(server, &order.wanted));
        let free: Vec<_> = free.map(|server| server.id.clone()).collect();
        for id in free {
            if missing == 0 {
                break;
            }
            if self.reserve(floor, order, &id).await? {
                gone.remove(&id);
                missing -= 1;
            }
        }
        Ok(())
    }

    /// Write the order as its servers stand; [`OrderError::Contended`] if it is not as it was read.
    async fn enter(&self, floor: &Floor, seen: &Order, gone: &BTreeSet<ServerId>) -> Result<Order, OrderError> {
        let survey = self.survey(seen, floor, gone);
        let order = self.shelf.change(&seen.id, |order| {
            if order.version != seen.version {
                return Err(OrderError::Contended(order.id.clone()));
            }
            // A list that is about to be kept is written though it stays as it was: whoever read it earlier loses.
            let about_to_give = !survey.deliverable(order).is_empty();
            Ok(survey.enter(order, floor) || about_to_give)
        });
        let order = order.await?;
        if order.state != seen.state || order.servers != seen.servers {
            let what =
                if order.state == seen.state { "order-servers".to_owned() } else { format!("order-{}", order.state) };
            let names: Vec<_> = order.servers.iter().map(|line| line.name.as_str()).collect();
            log::write(&*self.bus, By::Desk, self.now(), &what, &order, Some(&names.join(", "))).await;
        }
        Ok(order)
    }

    /// Keep a server for the order, or keep it longer; whether it is kept now.
    async fn reserve(&self, floor: &mut Floor, order: &Order, id: &ServerId) -> Result<bool, OrderError> {
        let until = self.until(order, self.now());
        let (order_id, tenant, accept) = (order.id.clone(), order.tenant.clone(), order.wanted.accept);
        self.put(floor, id, (&order.by, Origin::Outside), Request::Reserve { order: order_id, tenant, until, accept })
            .await
    }

    /// Give a server that is kept for the order to its tenant; whether it is on its way now.
    async fn give(&self, floor: &mut Floor, order: &Order, id: &ServerId) -> Result<bool, OrderError> {
        let (tenant, accept) = (order.tenant.clone(), order.wanted.accept);
        let given = Request::Assign { tenant, accept, order: Some(order.id.clone()) };
        // As it was kept when the list was written: taken away and kept again, it may be in another list than this one by now.
        let origin = floor.get(id).map_or(Origin::Outside, |server| Origin::Seen(server.version));
        self.put(floor, id, (&order.by, origin), given).await
    }

    /// End the promise of a server to an order; whether the order has nothing to do with it any more.
    async fn let_go(&self, floor: &mut Floor, order: &str, id: &ServerId) -> Result<bool, OrderError> {
        let done = self.put(floor, id, (DESK, Origin::Outside), Request::Unreserve { order: order.to_owned() }).await?;
        // Refused: there is no promise, or it has been kept.
        Ok(done || !floor.claims(order).any(|claimed| claimed == id))
    }

    /// Put a request to a server, and see how it is then; whether it was granted.
    async fn put(
        &self,
        floor: &mut Floor,
        id: &ServerId,
        (by, origin): (&str, Origin<'_>),
        request: Request,
    ) -> Result<bool, OrderError> {
        match self.ask(id, by, request, origin).await {
            Ok(Applied::Committed { transition, .. }) => {
                floor.put(id, Some(transition.server));
                Ok(true)
            }
            Ok(Applied::Ignored(_)) => {
                floor.look(&*self.bus, id).await?;
                Ok(true)
            }
            Err(ApplyError::Bus(error)) => Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, server = %id, "the server was not to be had");
                floor.look(&*self.bus, id).await?;
                Ok(false)
            }
        }
    }
}
