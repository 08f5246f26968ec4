//! What a transition says to people: the text of its one journal entry.

use serde::{Deserialize, Serialize};

/// NetBox's journal kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// For the record.
    Info,
    /// Something was achieved.
    Success,
    /// Someone should look.
    Warning,
    /// Someone must look.
    Danger,
}

/// The text of a journal entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// How serious.
    pub kind: NoteKind,
    /// One or more lines.
    pub text: String,
}

impl Note {
    /// A note of this kind.
    pub fn new(kind: NoteKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}
