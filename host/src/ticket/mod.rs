//! Faults become tickets: one open ticket for each fault, however many events it makes.
//!
//! Promises: a fault is a *case* in the store before anybody is told of it, so that a ticket system that is away for a day
//! loses none; a case has one ticket, is updated when what is said of it changes, and is closed with what changed when the
//! server got past the stage it failed in. One process does this, elected, following the journal with a cursor.
//! Does not: decide what a fault is (the lifecycle does, and whoever calls [`Cases::raise`]), or speak to a product (a
//! plugin does).
//!
//! Not obvious: the journal is followed and tickets are written in one loop, cases first. So a case is gone only after the
//! cursor passed what it was made of, and nothing read again after a crash makes a second ticket.

mod case;
mod desk;
mod follow;
mod merge;
mod notice;
mod support;
mod text;
mod tracker;
mod webhook;

pub use case::{Asked, Case, Cases, Finding, Problem, Subject};
pub use desk::{Desk, Pace, run};
pub use notice::{Change, What};
pub use support::support;
pub use tracker::{ServiceTracker, Tracker};
pub use webhook::{Hook, run as notify};
