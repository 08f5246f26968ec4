//! The simulated controllers, seen over the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod client;
mod common;
mod faults;
mod firmware;
mod hpe;
mod many;
mod replay;
mod vendors;
