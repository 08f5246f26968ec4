//! A promise: this ready server is kept for one order, until a time.
//!
//! Promises nothing by itself; `step` refuses to give a promised server to anybody else. The decision that is not obvious: a
//! reservation that has run out needs nobody to take it away. It counts as none from that moment, in every decision.

use serde::{Deserialize, Serialize};

use crate::{Server, Stage, Status, Timestamp};

/// Which order a server is kept for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The order's id.
    pub order: String,
    /// Whose order it is.
    pub tenant: String,
    /// From then on it is worth nothing.
    pub until: Timestamp,
    /// In whose name it was made.
    pub by: String,
}

impl Server {
    /// The promise that holds now, if there is one.
    pub fn reserved(&self, now: Timestamp) -> Option<&Reservation> {
        self.reservation.as_ref().filter(|reservation| now < reservation.until)
    }

    /// Does it wait for a tenant, free of a hold? Marks and reservations are looked at elsewhere.
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Assign && self.status == Status::Resting && self.hold.is_none() && self.tenant.is_none()
    }
}
