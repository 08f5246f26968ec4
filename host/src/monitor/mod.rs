//! Looks at servers after they are provisioned: sensors, logs, parts.
//!
//! Promises: one host of a store looks (elected); a controller has one look at a time, and the broker sends one request at a time; every look
//! goes through the server's driver with a grant that passes GET and HEAD only, so that servers in service are looked at like all others;
//! looks are spread over the interval, and a controller that is slow or does not answer is left alone for longer. What was seen goes to the
//! [`Cache`] and to each [`Observer`], failures too. Does not: judge (`health` does), or move a server.
//!
//! Not obvious: a host that only observes looks as well. Its store is its own, so it elects itself; looking is all it does.

mod cache;
mod look;
mod plan;
mod run;

use async_trait::async_trait;
use farrier_lifecycle::Server;

pub use cache::{Cache, Part, Parts, Point, Snapshot, label};
pub use look::{DriverEyes, Eyes, Looked, Wanted};
pub use plan::Plan;
pub use run::{Monitor, Now, ROLE, Shift, TERM, run};

use crate::health;

/// Told of each look, in the order in which looks at one server end.
#[async_trait]
pub trait Observer: Send + Sync {
    /// `server` is the record when the look began; `sample` says what was seen, or why nothing was.
    async fn observe(&self, server: &Server, sample: &health::Sample);
}
