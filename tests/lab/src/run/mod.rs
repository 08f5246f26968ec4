//! A running estate, and the commands of `farrier-lab`.
//!
//! Promises that everything ends when [`Lab`] is dropped. [`Lab`] starts no host: that is [`crate::rig`]'s,
//! which the demonstration uses.

mod choice;
mod control;
pub mod demo;
mod lab;
pub mod serve;
mod show;
#[cfg(test)]
mod tests;

pub use control::{CableOrder, FaultOrder, FeedOrder, HardwareOrder, LeaseOrder, ServerView};
pub use lab::{Lab, LabConfig};
