//! The lifecycle of a server, as a pure function.
//!
//! [`step`] says what an [`Event`] means for a [`Server`]: a [`Transition`] to commit, or nothing. It holds the
//! laws of `docs/architecture.md` (see `tests/laws.rs`). It does no I/O, reads no clock and rolls no dice: the time is
//! an argument and jitter comes from the server's id and version, so that any walk can be replayed.
//!
//! The decision that is not obvious: whether a command is outstanding and whether a timer is set are *derived* from the
//! status ([`Server::outstanding`], [`Server::timer`]), so a store that writes what it is given cannot break law 3.

mod approval;
mod event;
mod facts;
mod fault;
mod id;
mod journal;
mod note;
mod reservation;
mod server;
mod stage;
mod step;

pub use approval::{Action, Approval};
pub use event::{Event, Outcome, Request};
pub use facts::{Facts, Hardware};
pub use fault::{Blame, Fault, Retry};
pub use id::{Mac, MacError, ServerId, Timestamp};
pub use journal::JournalEntry;
pub use note::{Note, NoteKind};
pub use reservation::Reservation;
pub use server::{Command, Hold, Lease, Mark, Purpose, Server, Token};
pub use stage::{LifecycleState, Stage, Status, Wait, WaitFor};
pub use step::{Policy, Refused, Step, Transition, step};
