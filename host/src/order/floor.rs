//! The servers orders are about: those in assign, and those that were given to an order.
//!
//! Promises to hold what the store held when it was last asked about each server. Whatever is decided on it is decided again by the
//! store, on the record as it is then.

use std::collections::{BTreeMap, BTreeSet};

use farrier_lifecycle::{Server, ServerId, Stage, Timestamp};

use crate::bus::{Bus, BusError};

/// Them.
#[derive(Debug, Default)]
pub struct Floor {
    servers: BTreeMap<ServerId, Server>,
    /// By order: those kept for it or given to it.
    claims: BTreeMap<String, BTreeSet<ServerId>>,
    /// Grows whenever a server comes that somebody may get.
    offers: u64,
}

/// The order it is kept for or was given to.
fn order_of(server: &Server) -> Option<&str> {
    server.order.as_deref().or_else(|| server.reservation.as_ref().map(|reservation| reservation.order.as_str()))
}

/// Is it one of them?
fn concerns(server: &Server) -> bool {
    server.stage == Stage::Assign || server.reservation.is_some() || server.order.is_some()
}

impl Floor {
    /// All of them, as they are now.
    pub async fn load(bus: &dyn Bus) -> Result<Self, BusError> {
        let mut floor = Self::default();
        for server in bus.list().await? {
            let id = server.id.clone();
            floor.put(&id, Some(server));
        }
        Ok(floor)
    }

    /// Look at one again.
    pub async fn look(&mut self, bus: &dyn Bus, id: &ServerId) -> Result<(), BusError> {
        let found = bus.read(id).await?;
        self.put(id, found);
        Ok(())
    }

    /// This is how it is now.
    pub fn put(&mut self, id: &ServerId, server: Option<Server>) {
        let before = self.servers.remove(id);
        if let Some(order) = before.as_ref().and_then(order_of)
            && let Some(claims) = self.claims.get_mut(order)
        {
            claims.remove(id);
            if claims.is_empty() {
                self.claims.remove(order);
            }
        }
        let Some(server) = server.filter(concerns) else { return };
        if server.is_ready() && server.reservation.is_none() {
            self.offers += 1;
        }
        if let Some(order) = order_of(&server) {
            self.claims.entry(order.to_owned()).or_default().insert(id.clone());
        }
        self.servers.insert(id.clone(), server);
    }

    /// May a server that has come to this stage be one of them?
    pub fn may_concern(stage: Stage) -> bool {
        matches!(stage, Stage::Assign | Stage::Service)
    }

    /// Is it known here?
    pub fn has(&self, id: &ServerId) -> bool {
        self.servers.contains_key(id)
    }

    /// One of them.
    pub fn get(&self, id: &ServerId) -> Option<&Server> {
        self.servers.get(id)
    }

    /// Those that are kept for this order, or were given to it.
    pub fn claims(&self, order: &str) -> impl Iterator<Item = &ServerId> {
        self.claims.get(order).into_iter().flatten()
    }

    /// Those promised to some order, whether or not the promise holds, with the order.
    pub fn promised(&self) -> impl Iterator<Item = (&str, &ServerId)> {
        let promise = |server: &Server| server.reservation.is_some() && server.tenant.is_none();
        let one = move |(order, ids)| {
            let ids: &BTreeSet<ServerId> = ids;
            let order: &String = order;
            ids.iter().map(move |id| (order.as_str(), id))
        };
        self.claims.iter().flat_map(one).filter(move |(_, id)| self.get(id).is_some_and(promise))
    }

    /// While this number stays, who found nothing among the free finds nothing.
    pub fn offers(&self) -> u64 {
        self.offers
    }

    /// Those that are nobody's, longest ready first.
    pub fn free(&self, now: Timestamp) -> Vec<&Server> {
        let mut free: Vec<_> =
            self.servers.values().filter(|server| server.is_ready() && server.reserved(now).is_none()).collect();
        free.sort_by(|one, other| (one.since, &one.id).cmp(&(other.since, &other.id)));
        free
    }
}
