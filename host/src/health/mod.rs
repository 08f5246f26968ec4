//! Health of servers in service: which faults a look at a controller means, and who is told.
//!
//! Promises: rules are data; the engine is a function of looks and time, without I/O or clock; a fault is raised once, as the server's own
//! or as its rack's, and cleared once. [`Watch`] alone does I/O: it keeps the engine's state in the store, where a restart finds it, and
//! makes cases of what the engine decides. Does not: ask controllers (`monitor` does) or open tickets (`ticket` does).

mod course;
mod engine;
mod judge;
mod patient;
mod rack;
mod rule;
mod sample;
mod silence;
mod verdict;
mod watch;

pub use engine::{Engine, Settings, Who};
pub use patient::Patient;
pub use rack::{Group, GroupKey};
pub use rule::{Rule, RuleError, Severity, load};
pub use sample::{MOST, SUPPLIES, Sample, Seen};
pub use silence::{LONGEST, Scope, Silence, Silences};
pub use verdict::{Step, Verdict};
pub use watch::Watch;
