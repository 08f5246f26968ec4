//! Orders: what a tenant or an operator asks for becomes servers in service.
//!
//! Promises that no server is given to two orders, that waiting orders are served oldest first, and that a crash at any point
//! leaves nothing that the next pass of the desk does not mend. The decision that is not obvious: which order a server belongs to
//! is written in the server's record and nowhere else. An order's own list of servers is a copy of it, made anew in each pass.

mod check;
mod desk;
mod error;
mod fit;
mod floor;
mod log;
mod model;
mod pass;
mod run;
mod shelf;
mod survey;
mod view;

pub use desk::{Desk, Preview};
pub use error::{FieldProblem, OrderError};
pub use model::{Line, Order, State, Wanted};
pub use shelf::Shelf;
pub use view::{LineView, OrderView};
