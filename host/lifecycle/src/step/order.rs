//! Who gets a ready server: promises to orders, and the delivery to a tenant.
//!
//! Promises that a server kept for an order is given to nobody else while the promise holds. It knows no orders, only their
//! names; which order comes first is decided elsewhere.

use super::request::{at, refused};
use super::{Refused, Step, Walk};
use crate::{Note, NoteKind, Reservation, Stage, Status, Timestamp};

impl Walk<'_> {
    pub(super) fn assign(&self, by: &str, tenant: &str, accept: bool, order: Option<&str>) -> Result<Step, Refused> {
        self.can_be_given(accept)?;
        match order {
            None => self.not_promised(None)?,
            Some(order) => self.promised_to(order, tenant)?,
        }
        let mut server = self.next();
        server.tenant = Some(tenant.to_owned());
        server.order = order.map(str::to_owned);
        self.run_again(&mut server);
        let for_order = order.map(|order| format!(" for order {order}")).unwrap_or_default();
        let text = format!("assign: to {tenant}{for_order}, requested by {by}");
        Ok(self.commit(server, Some(Note::new(NoteKind::Info, text))))
    }

    pub(super) fn reserve(
        &self,
        by: &str,
        order: &str,
        tenant: &str,
        until: Timestamp,
        accept: bool,
    ) -> Result<Step, Refused> {
        self.can_be_given(accept)?;
        self.not_promised(Some(order))?;
        if until <= self.now {
            return Err(refused("expired", "the reservation would already be over", "give it a time to come"));
        }
        let reservation = Reservation { order: order.to_owned(), tenant: tenant.to_owned(), until, by: by.to_owned() };
        if self.before.reserved(self.now) == Some(&reservation) {
            return Ok(Step::Ignore("it is reserved so already"));
        }
        let mut server = self.next();
        server.reservation = Some(reservation);
        let text = format!("reserved for order {order} of {tenant} until {}, requested by {by}", at(until));
        Ok(self.commit(server, Some(Note::new(NoteKind::Info, text))))
    }

    /// Allowed under a hold as well: a server that is held is given back, and the order looks for another.
    pub(super) fn unreserve(&self, by: &str, order: &str) -> Result<Step, Refused> {
        match &self.before.reservation {
            Some(reservation) if reservation.order == order && self.before.tenant.is_none() => {}
            _ => {
                return Err(refused(
                    "not-reserved",
                    format!("the server is not reserved for order {order}"),
                    "`farrier order show ID` lists the servers of an order",
                ));
            }
        }
        let mut server = self.next();
        server.reservation = None;
        let text = format!("not reserved for order {order} any more, requested by {by}");
        Ok(self.commit(server, Some(Note::new(NoteKind::Info, text))))
    }

    /// Ready, not held, and without marks nobody has accepted.
    fn can_be_given(&self, accept: bool) -> Result<(), Refused> {
        self.not_held()?;
        if self.before.stage != Stage::Assign || self.before.status != Status::Resting {
            return Err(refused(
                "not-ready",
                format!("the server is {}, not ready", self.before.lifecycle_state()),
                "`farrier server list --state ready` shows what can be assigned",
            ));
        }
        if !accept && !self.before.marks.is_empty() {
            let marks: Vec<_> = self.before.marks.keys().map(|mark| mark.as_str()).collect();
            return Err(refused(
                "not-fully-provisioned",
                format!("the server is {}", marks.join(" and ")),
                "change the policy and provision it again, or assign with `--accept`",
            ));
        }
        Ok(())
    }

    /// No promise holds, but perhaps one to this order.
    pub(super) fn not_promised(&self, order: Option<&str>) -> Result<(), Refused> {
        match self.before.reserved(self.now) {
            Some(other) if Some(other.order.as_str()) != order => Err(refused(
                "reserved",
                format!(
                    "the server is reserved for order {} of {} until {}",
                    other.order,
                    other.tenant,
                    at(other.until)
                ),
                "`farrier order cancel ID` frees the servers of an order",
            )),
            _ => Ok(()),
        }
    }

    /// The promise to this order, for this tenant, holds.
    fn promised_to(&self, order: &str, tenant: &str) -> Result<(), Refused> {
        self.not_promised(Some(order))?;
        match self.before.reserved(self.now) {
            Some(mine) if mine.tenant == tenant => Ok(()),
            _ => Err(refused(
                "not-reserved",
                format!("the server is not reserved for order {order} of {tenant}"),
                "`farrier order show ID` lists the servers of an order",
            )),
        }
    }
}
