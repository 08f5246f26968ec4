//! Firmware waves: an update rolled out over many servers, a few at a time, halted by the first that does not come back well.
//!
//! Promises that after a breach of the budget at most one more server is started, that each server is started once in a wave, and that a
//! wave goes on after a crash where it was: everything it knows is in the store. Where the firmware comes from, catalogue or fleet tool, is the
//! update stage's matter. The decision that is not obvious: before a server is started the wave says so in its own record, by a swap that
//! fails where another host halted it.

mod desk;
mod error;
mod gate;
mod log;
mod model;
mod pass;
mod plan;
mod run;
mod select;
mod shelf;
mod view;

pub use desk::{Desk, Preview};
pub use error::WaveError;
pub use model::{Member, Size, Standing, State, Wanted, Wave};
pub use plan::{Change, Plan, Plans};
pub use shelf::Shelf;
pub use view::{MemberView, WaveView};
