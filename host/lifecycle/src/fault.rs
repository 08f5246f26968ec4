//! Why something did not work, in a form that decides what happens next.
//!
//! A fault's code, retry rule and blame are data; its text is for people and decides nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happens after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Not by itself: a person must act. Repeating would do harm or change nothing.
    Never,
    /// With backoff and full jitter, a bounded number of times.
    Backoff,
    /// The remote side said when: this many milliseconds from now. Counts as an attempt.
    After(u64),
    /// Slowly and without end: what is missing may appear, and waiting for it is not a failure.
    Slowly,
}

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// A part is broken or wrong.
    Hardware,
    /// A cable is missing or in the wrong port.
    Cabling,
    /// The inventory does not say what should be, or says something else.
    Inventory,
    /// Configuration, a credential, or an approval that only an operator can give.
    Operator,
    /// The way to a system: refused, no route, timed out.
    Network,
    /// A remote system answered, and wrongly.
    Controller,
    /// The plugin is at fault.
    Plugin,
    /// This program is at fault.
    Host,
}

impl Blame {
    /// As written in journals and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Cabling => "cabling",
            Self::Inventory => "inventory",
            Self::Operator => "operator",
            Self::Network => "network",
            Self::Controller => "controller",
            Self::Plugin => "plugin",
            Self::Host => "host",
        }
    }
}

/// Why a stage did not get its work done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Kebab case, from a closed list in `docs/reference/errors.md`.
    pub code: String,
    /// What happens next.
    pub retry: Retry,
    /// Who must act.
    pub blame: Blame,
    /// For people; redacted.
    pub text: String,
    /// What to do about it, in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the journal says beside the text, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(code: impl Into<String>, retry: Retry, blame: Blame, text: impl Into<String>) -> Self {
        Self { code: code.into(), retry, blame, text: text.into(), hint: None, lines: Vec::new() }
    }

    /// The same fault with a line of advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same fault with more lines for the journal.
    #[must_use]
    pub fn lines(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.lines.extend(lines);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

impl std::error::Error for Fault {}
