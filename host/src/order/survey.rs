//! What an order has, what it lacks, and how it stands, told from the servers' records alone.
//!
//! Promises no I/O and no decision that binds: whoever acts on it is asked again by the store. Not obvious: a server in an order's own
//! list whose record does not say so any more is `loose`, not gone. It may be on its way by another host's hand, so it is let go first.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use farrier_lifecycle::{Purpose, Reservation, Server, ServerId, Stage, Status, Timestamp};

use super::floor::Floor;
use super::view::time;
use super::{Line, Order, State};

/// How a server stands to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In service for it, now or once.
    Delivered,
    /// Given to it, not in service yet.
    Coming,
    /// Kept for it.
    Kept,
    /// Kept for it until a time that is over, and still ready.
    Lapsed,
    /// Not its server.
    None,
}

/// How does this server stand to this order?
pub fn standing(server: Option<&Server>, order: &Order, now: Timestamp) -> Standing {
    let Some(server) = server else { return Standing::None };
    if server.order.as_deref() == Some(order.id.as_str()) {
        return match server.stage {
            Stage::Assign => Standing::Coming,
            Stage::Service => Standing::Delivered,
            // Only a server in service is released, only one that is not is retired.
            Stage::Retire if server.purpose == Some(Purpose::Reuse) => Standing::Delivered,
            _ => Standing::None,
        };
    }
    // One made by hand in the order's name for somebody else could never be kept.
    let own = |kept: &Reservation| kept.order == order.id && kept.tenant == order.tenant;
    let its = server.reservation.as_ref().is_some_and(own);
    match (its && server.is_ready(), server.reserved(now).is_some()) {
        (true, true) => Standing::Kept,
        (true, false) => Standing::Lapsed,
        (false, _) => Standing::None,
    }
}

/// An order's servers, as the floor has them.
#[derive(Debug, Default)]
pub struct Survey {
    /// Its servers, those in its own list first.
    pub has: Vec<(Line, Standing)>,
    /// Those it must let go: more than it wants, held, or not its own any more.
    pub loose: Vec<ServerId>,
    /// Those whose time must be made longer.
    pub renew: Vec<ServerId>,
}

impl Survey {
    /// Of `order`; `gone` have been let go. A promise that ends before `enough` is to be renewed.
    pub fn of(order: &Order, floor: &Floor, gone: &BTreeSet<ServerId>, now: Timestamp, enough: Timestamp) -> Self {
        let mut survey = Self::default();
        let listed = order.servers.iter().map(|line| &line.id);
        let claims = floor.claims(&order.id).filter(|id| !order.lists(id));
        for id in listed.chain(claims).filter(|id| !gone.contains(*id)) {
            survey.add(order, floor, id, now, enough);
        }
        survey
    }

    fn add(&mut self, order: &Order, floor: &Floor, id: &ServerId, now: Timestamp, enough: Timestamp) {
        let (server, line) = (floor.get(id), order.servers.iter().find(|line| line.id == *id));
        let once = line.is_some_and(|line| line.delivered);
        let standing = if once { Standing::Delivered } else { standing(server, order, now) };
        let full = self.has.len() >= order.count();
        match standing {
            Standing::None => self.loose.push(id.clone()),
            Standing::Kept | Standing::Lapsed if full => self.loose.push(id.clone()),
            Standing::Lapsed => {
                self.renew.push(id.clone());
                self.loose.push(id.clone());
            }
            standing => {
                let name = server.map_or_else(|| line.map(|line| line.name.clone()), |s| Some(s.label().to_owned()));
                let short = standing == Standing::Kept
                    && server.and_then(|server| server.reserved(now)).is_some_and(|kept| kept.until < enough);
                if short && order.is_approved() {
                    self.renew.push(id.clone());
                }
                let delivered = standing == Standing::Delivered;
                let name = name.unwrap_or_else(|| id.to_string());
                self.has.push((Line { id: id.clone(), name, delivered }, standing));
            }
        }
    }

    fn count(&self, of: Standing) -> usize {
        self.has.iter().filter(|(_, standing)| *standing == of).count()
    }

    /// How many servers it still needs.
    pub fn missing(&self, order: &Order) -> usize {
        order.count().saturating_sub(self.has.len())
    }

    /// The servers to deliver now.
    pub fn deliverable(&self, order: &Order) -> Vec<ServerId> {
        if !order.is_approved() || !(order.wanted.partial || self.missing(order) == 0) {
            return Vec::new();
        }
        let kept = self.has.iter().filter(|(_, standing)| *standing == Standing::Kept);
        kept.map(|(line, _)| line.id.clone()).collect()
    }

    /// The order as it stands with these servers.
    pub fn state(&self, order: &Order) -> State {
        let (delivered, coming) = (self.count(Standing::Delivered), self.count(Standing::Coming));
        if delivered >= order.count() {
            State::Delivered
        } else if delivered + coming > 0 {
            State::Delivering
        } else if !order.is_approved() {
            State::AwaitingApproval
        } else if self.missing(order) == 0 {
            State::Reserved
        } else {
            State::Waiting
        }
    }

    /// Why, in a line for people.
    pub fn reason(&self, order: &Order, floor: &Floor) -> String {
        let (has, count) = (self.has.len(), order.count());
        let kept = format!("{has} of {count} servers are kept for it");
        let mut text = match self.state(order) {
            State::AwaitingApproval => {
                let until = order.until.map(time).unwrap_or_default();
                format!("an approver must agree by {until}; {kept}")
            }
            State::Waiting => format!("{kept}; it gets the next that are ready and fit"),
            State::Delivering => {
                let there = self.count(Standing::Delivered);
                format!("{there} of {count} servers are in service, {} on their way", self.count(Standing::Coming))
            }
            State::Delivered => "all its servers are in service".to_owned(),
            _ => kept,
        };
        for (line, _) in self.has.iter().filter(|(_, standing)| *standing == Standing::Coming) {
            let Some(server) = floor.get(&line.id) else { continue };
            if let Some(hold) = &server.hold {
                let _ = write!(text, "; {} is held by {}: {}", line.name, hold.by, hold.reason);
            } else if let Status::Failed(fault) = &server.status {
                let _ = write!(text, "; {} failed: {fault}", line.name);
            }
        }
        text
    }

    /// Write it into the order; whether that changes anything.
    pub fn enter(&self, order: &mut Order, floor: &Floor) -> bool {
        let servers: Vec<_> = self.has.iter().map(|(line, _)| line.clone()).collect();
        let (state, reason) = (self.state(order), Some(self.reason(order, floor)));
        let changed = order.servers != servers || order.state != state || order.reason != reason;
        (order.servers, order.state, order.reason) = (servers, state, reason);
        if order.is_approved() {
            order.until = None;
        }
        changed
    }
}
