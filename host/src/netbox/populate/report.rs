//! What a run did, or what keeps it from beginning.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::error::NetBoxError;

/// How a run goes on, for a progress bar.
pub trait Progress: Send + Sync {
    /// `done` of `all` objects of this kind exist and are right.
    fn at(&self, kind: &'static str, done: usize, all: usize);
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {
    fn at(&self, _: &'static str, _: usize, _: usize) {}
}

/// Objects by kind: `site`, `device`, `cable`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Made.
    pub created: BTreeMap<&'static str, usize>,
    /// Brought to what the file says.
    pub changed: BTreeMap<&'static str, usize>,
    /// As the file says already.
    pub unchanged: BTreeMap<&'static str, usize>,
}

impl Report {
    /// Was everything as the file says?
    pub fn is_nothing(&self) -> bool {
        self.created.is_empty() && self.changed.is_empty()
    }
}

/// A run that did not come to its end. What it wrote stays; running again goes on.
#[derive(Debug, thiserror::Error)]
pub enum PopulateError {
    /// NetBox says otherwise than the file in places only a person can decide; nothing was written.
    #[error("NetBox contradicts the file in {} place(s); nothing was written:\n{}", .0.len(), list(.0))]
    Contradictions(Vec<String>),
    /// NetBox did not do something.
    #[error(transparent)]
    NetBox(#[from] NetBoxError),
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  - {line}")).collect::<Vec<_>>().join("\n")
}
