//! Why a wave was not begun, changed or shown.

use super::State;
use crate::bus::BusError;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum WaveError {
    /// These fields are wrong: name and what is wrong with it.
    #[error("the wave cannot be begun: {}", list(.0))]
    Invalid(Vec<(String, String)>),
    /// There is none of this id, or none the caller may see.
    #[error("no wave is called `{0}`")]
    Unknown(String),
    /// It stands where this cannot be done.
    #[error("wave {id} is {state}")]
    State {
        /// Which.
        id: String,
        /// Where it stands.
        state: State,
    },
    /// The caller's roles do not allow it.
    #[error("`{who}` may not {what}")]
    NotAllowed {
        /// Who.
        who: String,
        /// What.
        what: &'static str,
    },
    /// The configuration updates nothing.
    #[error("firmware is not updated here: {0}")]
    Off(String),
    /// This host changes nothing.
    #[error("the host only observes")]
    Observing,
    /// Others changed it first, again and again.
    #[error("wave {0} is changed faster than this can be decided")]
    Contended(String),
    /// The store failed; the change may have happened.
    #[error(transparent)]
    Store(#[from] BusError),
}

impl WaveError {
    /// Kebab case, for the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid-input",
            Self::Unknown(_) => "no-wave",
            Self::State { .. } => "wave-state",
            Self::NotAllowed { .. } => "no-permission",
            Self::Off(_) => "update-off",
            Self::Observing => "observing",
            Self::Contended(_) => "contended",
            Self::Store(error) => error.code(),
        }
    }

    /// What to do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "correct the fields named; `farrier firmware plan` shows servers and what differs",
            Self::Unknown(_) => "`farrier firmware wave list` shows the waves you can see",
            Self::State { .. } => "`farrier firmware wave status ID` says where it stands",
            Self::NotAllowed { .. } => "ask somebody with the role operator",
            Self::Off(_) => "configure a catalogue (`[firmware]`) or a fleet tool, and leave `policy.update` on",
            Self::Observing => "start it without `--observe`",
            Self::Contended(_) => "try again",
            Self::Store(_) => {
                "`farrier bus status` says how the store is; look whether it happened before you repeat it"
            }
        }
    }

    /// The wrong fields, where that is why.
    pub fn fields(&self) -> &[(String, String)] {
        match self {
            Self::Invalid(fields) => fields,
            _ => &[],
        }
    }
}

fn list(fields: &[(String, String)]) -> String {
    fields.iter().map(|(field, problem)| format!("{field}: {problem}")).collect::<Vec<_>>().join("; ")
}
