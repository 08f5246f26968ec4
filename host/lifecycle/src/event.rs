//! What can happen to a server. Facts and requests, nothing else moves it.

use serde::{Deserialize, Serialize};

use crate::{Action, Facts, Fault, Lease, Mark, Timestamp, Token};

/// A fact or a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Its controller has a lease that is new, or has another address.
    LeaseSeen(Lease),
    /// An attempt came to something.
    Outcome {
        /// Which attempt.
        token: Token,
        /// What it came to.
        outcome: Outcome,
    },
    /// The timer of this attempt fired.
    TimerFired {
        /// Which attempt.
        token: Token,
    },
    /// The validation image reported, under the one-time token of this stage entry.
    ReportReceived {
        /// The entered version the token was made for.
        entered: u64,
        /// The body, as it came.
        report: String,
    },
    /// A report came under a token of this server, and cannot be taken.
    ReportRefused {
        /// The entered version of the record that was looked at.
        entered: u64,
        /// Kebab case; each code is journalled once in a stage, since whoever has a token can send any number.
        code: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A worker with this attempt died or was lost too often.
    WorkerLost {
        /// Which attempt.
        token: Token,
        /// How often.
        takeovers: u32,
    },
    /// An operator, or a program in an operator's name, asks.
    Requested {
        /// Who.
        by: String,
        /// What.
        request: Request,
    },
}

impl Event {
    /// One word for logs and journals.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::LeaseSeen(_) => "lease-seen",
            Self::Outcome { outcome, .. } => outcome.as_str(),
            Self::TimerFired { .. } => "timer-fired",
            Self::ReportReceived { .. } => "report-received",
            Self::ReportRefused { .. } => "report-refused",
            Self::WorkerLost { .. } => "worker-lost",
            Self::Requested { request, .. } => request.as_str(),
        }
    }
}

/// What an attempt of a stage came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The stage's work is done.
    Done {
        /// What was learnt.
        #[serde(default)]
        facts: Box<Facts>,
        /// What policy left undone, with the line of policy.
        #[serde(default)]
        marks: Vec<(Mark, String)>,
        /// What was found or done, in a few lines, for the journal.
        evidence: String,
    },
    /// The attempt goes on; this is what it must find again after a crash.
    Checkpoint {
        /// JSON; replaces the memo.
        memo: String,
        /// Something outside is about to be changed, or has been.
        effect: bool,
        /// What was learnt so far.
        #[serde(default)]
        facts: Box<Facts>,
    },
    /// Nothing to do before the time or the report.
    Wait {
        /// The latest time to look again.
        until: Timestamp,
        /// `None`: the validation image's report. Otherwise a job elsewhere, in a line.
        job: Option<String>,
        /// JSON; replaces the memo.
        memo: String,
    },
    /// Nothing to do before someone asks; only where a server may rest.
    Rest,
    /// It did not work.
    Failed(Fault),
}

impl Outcome {
    /// One word for logs and journals.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Wait { .. } => "wait",
            Self::Rest => "rest",
            Self::Failed(_) => "failed",
        }
    }

    /// Done, with nothing learnt and nothing left out.
    pub fn done(evidence: impl Into<String>) -> Self {
        Self::Done { facts: Box::default(), marks: Vec::new(), evidence: evidence.into() }
    }
}

/// What an operator can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Try the failed or waiting stage again, now.
    Retry,
    /// Deliver a ready server to a tenant.
    Assign {
        /// The tenant's name.
        tenant: String,
        /// Take it although policy left things undone.
        accept: bool,
        /// The order it is delivered for, which must have it reserved; `None`: an operator's own decision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<String>,
    },
    /// Keep a ready server for an order, or keep it longer.
    Reserve {
        /// The order's id.
        order: String,
        /// The tenant's name.
        tenant: String,
        /// Until when.
        until: Timestamp,
        /// Take it although policy left things undone.
        #[serde(default)]
        accept: bool,
    },
    /// The order does not need it any more.
    Unreserve {
        /// The order's id.
        order: String,
    },
    /// Take an active server back, to be provisioned for another tenant.
    Release,
    /// Take a server out of the datacentre.
    Retire,
    /// The drives of a server being retired are erased; the person vouches for it.
    AttestErased,
    /// Start nothing on it.
    Hold {
        /// Why.
        reason: String,
    },
    /// Go on.
    Unhold,
    /// Back to `offline`, to begin at its next lease.
    Reset,
    /// Bring a ready server's firmware up to what the configuration says, and settings with it; then it is ready again.
    Update {
        /// The wave it is updated in; a wave updates a server once.
        wave: String,
    },
    /// Allow one kind of thing to be done to an active server.
    Approve {
        /// What.
        action: Action,
        /// Why.
        reason: String,
        /// Until when.
        expires: Timestamp,
    },
}

impl Request {
    /// One word for logs and journals.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Assign { .. } => "assign",
            Self::Reserve { .. } => "reserve",
            Self::Unreserve { .. } => "unreserve",
            Self::Release => "release",
            Self::Retire => "retire",
            Self::AttestErased => "attest-erased",
            Self::Hold { .. } => "hold",
            Self::Unhold => "unhold",
            Self::Reset => "reset",
            Self::Update { .. } => "update",
            Self::Approve { .. } => "approve",
        }
    }
}
