//! Why a plugin call gave no value, and what that means for the server.
//!
//! The table is `docs/reference/errors.md`. The case decides, never the text. What the guard refused counts as that, whatever
//! the plugin made of it.

use farrier_lifecycle::{Blame, Fault, Retry};

use super::wit::http::HttpError;
use super::wit::types;
use crate::egress::Denied;

/// When a controller is busy and does not say for how long, milliseconds.
const BUSY: u64 = 30_000;
/// Nobody is left alone for longer than this because of what it said, milliseconds.
const LONGEST: u64 = 3_600_000;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The plugin's own answer.
    #[error("{}", said(.0))]
    Plugin(types::Error),
    /// The guard refused a request of the call.
    #[error(transparent)]
    Refused(Denied),
    /// The component broke: a panic, a wrong access, a refused copy, an exhausted stack.
    #[error("the plugin broke: {message}{}", after(.stderr))]
    Trap {
        /// What the engine says.
        message: String,
        /// Where in the plugin, a line for each frame.
        backtrace: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// It computed for longer than it may.
    #[error("the plugin computed for more than {millis} ms without an answer{}", after(.stderr))]
    CpuBudget {
        /// Its budget.
        millis: u128,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// It took more memory or table space than it may.
    #[error("the plugin was stopped: {limit}{}", after(.stderr))]
    OutOfMemory {
        /// The limit.
        limit: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// The call's time was over, most of it spent waiting for the controller.
    #[error("no answer within the {millis} ms of the call")]
    Deadline {
        /// The time it had.
        millis: u128,
    },
    /// The plugin does not export the function's interface.
    #[error("the plugin exports no `{function}`")]
    Missing {
        /// `hardening.harden`.
        function: &'static str,
    },
}

fn after(stderr: &str) -> String {
    stderr.lines().last().map(|line| format!(" ({line})")).unwrap_or_default()
}

/// An error of the contract, for people.
pub fn said(error: &types::Error) -> String {
    use types::Error as E;
    match error {
        E::Unsupported(text) => format!("not supported: {text}"),
        E::InvalidInput(text) => format!("the plugin does not accept its input: {text}"),
        E::Unauthenticated => "the controller refused the credentials".to_owned(),
        E::Forbidden(text) => format!("the account lacks the privilege: {text}"),
        E::Unreachable(text) => format!("the controller does not answer: {text}"),
        E::TimedOut => "the controller accepted the request and did not finish it".to_owned(),
        E::Busy(busy) => format!("the controller is busy: {}", busy.reason),
        E::NotFound(text) => format!("not found: {text}"),
        E::Conflict(text) => format!("a precondition is false: {text}"),
        E::Rejected(remote) => {
            let code = remote.code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
            format!("the controller refused: {}{code}", remote.message)
        }
        E::Malformed(text) => format!("the controller's answer is not of the documented shape: {text}"),
        E::Denied(text) => format!("the host's policy refused: {text}"),
        E::Internal(text) => format!("a fault in the plugin: {text}"),
        E::Other(other) => format!("{}: {}", other.code, other.message),
    }
}

impl From<HttpError> for CallError {
    /// A request of the host's own that failed counts as a plugin's would.
    fn from(error: HttpError) -> Self {
        use types::Error as E;
        Self::Plugin(match error {
            HttpError::Unreachable(text) => E::Unreachable(text),
            HttpError::TimedOut => E::TimedOut,
            HttpError::Denied(text) => E::Denied(text),
            HttpError::Unauthenticated => E::Unauthenticated,
            HttpError::TooLarge(bytes) => E::Malformed(format!("an answer of {bytes} bytes")),
            HttpError::Throttled(millis) => E::Busy(types::Busy {
                retry_after: Some(millis.div_ceil(1000)),
                reason: "too many requests".to_owned(),
            }),
        })
    }
}

impl CallError {
    /// Kebab case, from the table.
    pub const fn code(&self) -> &'static str {
        use types::Error as E;
        match self {
            Self::Plugin(error) => match error {
                E::Unsupported(_) => "unsupported",
                E::InvalidInput(_) => "invalid-input",
                E::Unauthenticated => "credentials-refused",
                E::Forbidden(_) => "forbidden",
                E::Unreachable(_) => "unreachable",
                E::TimedOut => "timed-out",
                E::Busy(_) => "busy",
                E::NotFound(_) => "not-found",
                E::Conflict(_) => "conflict",
                E::Rejected(_) => "rejected",
                E::Malformed(_) => "malformed",
                E::Denied(_) => "denied",
                E::Internal(_) => "plugin-fault",
                E::Other(_) => "other",
            },
            Self::Refused(denied) => denied.code(),
            Self::Trap { .. } | Self::CpuBudget { .. } | Self::OutOfMemory { .. } => "plugin-fault",
            Self::Deadline { .. } => "timed-out",
            Self::Missing { .. } => "unsupported",
        }
    }

    /// What happens next.
    pub fn retry(&self) -> Retry {
        use types::Error as E;
        match self {
            Self::Plugin(E::Unreachable(_) | E::TimedOut | E::Conflict(_))
            | Self::Deadline { .. }
            | Self::Refused(Denied::LeaseUnconfirmed { .. } | Denied::Unknown { .. }) => Retry::Backoff,
            Self::Plugin(E::Busy(busy)) => {
                let said = busy.retry_after.map(|seconds| u64::from(seconds).saturating_mul(1000));
                Retry::After(said.unwrap_or(BUSY).min(LONGEST))
            }
            Self::Plugin(E::Other(other)) if other.retryable => Retry::Backoff,
            _ => Retry::Never,
        }
    }

    /// Who must act.
    pub const fn blame(&self) -> Blame {
        use types::Error as E;
        match self {
            Self::Plugin(error) => match error {
                E::InvalidInput(_) => Blame::Host,
                E::Unauthenticated | E::Forbidden(_) => Blame::Operator,
                E::Unreachable(_) => Blame::Network,
                E::Denied(_) | E::Internal(_) => Blame::Plugin,
                _ => Blame::Controller,
            },
            Self::Refused(Denied::LookOnly) => Blame::Plugin,
            Self::Refused(Denied::NeedsApproval { .. } | Denied::Observing { .. } | Denied::Image { .. }) => {
                Blame::Operator
            }
            Self::Refused(Denied::LeaseUnconfirmed { .. } | Denied::Unknown { .. }) => Blame::Host,
            Self::Deadline { .. } => Blame::Controller,
            Self::Trap { .. } | Self::CpuBudget { .. } | Self::OutOfMemory { .. } | Self::Missing { .. } => {
                Blame::Plugin
            }
        }
    }

    fn hint(&self) -> Option<String> {
        use types::Error as E;
        let hint = match self {
            Self::Plugin(E::Unauthenticated) => {
                "correct `[[bmc.credentials]]` or the account, then `farrier server retry`; it is not tried again before"
            }
            Self::Plugin(E::Rejected(remote)) => return remote.resolution.clone(),
            Self::Plugin(E::Malformed(_)) => "a quirk the plugin does not know: record the resource and report it",
            Self::Refused(Denied::NeedsApproval { .. }) => "`farrier server approve`, if it is meant",
            Self::Refused(Denied::Image { .. }) => "bring the file back as it was, or correct its digest",
            Self::Trap { .. } | Self::CpuBudget { .. } | Self::OutOfMemory { .. } => {
                "the log has the plugin's backtrace; try `farrier plugin call` against this controller"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// As the lifecycle takes it.
    pub fn fault(&self) -> Fault {
        let fault = Fault::new(self.code(), self.retry(), self.blame(), self.to_string());
        match self.hint() {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }
}
