//! Why an order was not taken, changed or shown.

use serde::{Deserialize, Serialize};

use super::State;
use crate::bus::BusError;

/// One field of an order that cannot be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// Which field.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// These fields are wrong; all of them, not the first.
    #[error("the order cannot be placed: {}", list(.0))]
    Invalid(Vec<FieldProblem>),
    /// There is none of this id, or none the caller may see.
    #[error("no order is called `{0}`")]
    Unknown(String),
    /// Nothing can be changed any more.
    #[error("order {id} is {state}")]
    Closed {
        /// Which.
        id: String,
        /// How it ended.
        state: State,
    },
    /// There is nothing to approve.
    #[error("order {0} does not wait for an approval")]
    NotAwaiting(String),
    /// Whoever placed an order does not approve it.
    #[error("order {0} was placed by the one who would approve it")]
    Own(String),
    /// The caller's roles do not allow it.
    #[error("`{who}` may not {what}")]
    NotAllowed {
        /// Who.
        who: String,
        /// What.
        what: &'static str,
    },
    /// This host changes nothing.
    #[error("the host only observes")]
    Observing,
    /// Others changed it first, again and again.
    #[error("order {0} is changed faster than this can be decided")]
    Contended(String),
    /// The store failed; the change may have happened.
    #[error(transparent)]
    Store(#[from] BusError),
}

impl OrderError {
    /// Kebab case, for the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid-input",
            Self::Unknown(_) => "no-order",
            Self::Closed { .. } => "order-closed",
            Self::NotAwaiting(_) => "not-awaiting-approval",
            Self::Own(_) => "own-order",
            Self::NotAllowed { .. } => "no-permission",
            Self::Observing => "observing",
            Self::Contended(_) => "contended",
            Self::Store(error) => error.code(),
        }
    }

    /// What to do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "correct the fields named, then place it again",
            Self::Unknown(_) => "`farrier order list` shows the orders you can see",
            Self::Closed { .. } => "place a new order",
            Self::NotAwaiting(_) => "`farrier order show ID` says what it waits for",
            Self::Own(_) => "ask another approver",
            Self::NotAllowed { .. } => {
                "ask somebody with the role for it: operator or tenant to order, approver to approve"
            }
            Self::Observing => "start it without `--observe`",
            Self::Contended(_) => "try again",
            Self::Store(_) => {
                "`farrier bus status` says how the store is; look whether it happened before you repeat it"
            }
        }
    }

    /// The wrong fields, where that is why.
    pub fn fields(&self) -> &[FieldProblem] {
        match self {
            Self::Invalid(fields) => fields,
            _ => &[],
        }
    }
}

fn list(fields: &[FieldProblem]) -> String {
    fields.iter().map(|one| format!("{}: {}", one.field, one.problem)).collect::<Vec<_>>().join("; ")
}
