//! Cases: faults that are to have, or have, a ticket.
//!
//! Promises that every change of a case is one write of one value, decided on the value it replaces, after it was noted for receivers of notices:
//! the desk and whoever finds faults write the same cases. Not obvious: `events` is a counter and `say` a list of what is still to be said, so that a
//! fault which comes a thousand times does not make a thousand comments.

use std::fmt;
use std::sync::Arc;

use farrier_lifecycle::{Fault, MacError, ServerId, Stage, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::notice::{self, Change, What};
use crate::bus::{Bus, BusError};

/// Where cases are kept in the store.
const PREFIX: &str = "ticket/case/";
/// Things still to be said of one case, at most; the last is replaced beyond that.
const SAYINGS: usize = 20;
/// Swaps in a row that may fail; each time somebody else's succeeded.
const TRIES: usize = 32;

/// What a case is about. As text: the server's id, `rack/<site>/<rack>`, or `rack/<site>/<rack>/feed-a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// A server.
    Server(ServerId),
    /// A rack, or one of its feeds.
    Rack {
        /// Slug of the site.
        site: String,
        /// Name of the rack.
        rack: String,
        /// `a` or `b`.
        feed: Option<String>,
    },
}

impl Subject {
    /// The server, if it is one.
    pub const fn server(&self) -> Option<&ServerId> {
        match self {
            Self::Server(id) => Some(id),
            Self::Rack { .. } => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(id) => id.fmt(f),
            Self::Rack { site, rack, feed: None } => write!(f, "rack/{site}/{rack}"),
            Self::Rack { site, rack, feed: Some(feed) } => write!(f, "rack/{site}/{rack}/feed-{feed}"),
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl TryFrom<String> for Subject {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        let Some((site, rest)) = text.strip_prefix("rack/").and_then(|rest| rest.split_once('/')) else {
            return text.parse().map(Self::Server);
        };
        let feed = ["a", "b"].into_iter().find_map(|feed| Some((rest.strip_suffix(&format!("/feed-{feed}"))?, feed)));
        let (rack, feed) = feed.map_or((rest, None), |(rack, feed)| (rack, Some(feed.to_owned())));
        Ok(Self::Rack { site: site.to_owned(), rack: rack.to_owned(), feed })
    }
}

/// A fault that does not stand in the way of a stage: of a server in service, or of a rack.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is about.
    pub about: Subject,
    /// What people call that.
    pub name: String,
    /// What is wrong.
    pub fault: Fault,
    /// Since when.
    pub since: Timestamp,
    /// When it was seen.
    pub at: Timestamp,
    /// Nothing is lost yet.
    pub warning: bool,
    /// Sensors and log lines, in the shape of the evidence that stages keep.
    pub shown: Option<Value>,
}

/// Something that is wrong with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The server.
    pub server: ServerId,
    /// Its name.
    pub name: String,
    /// Where in the lifecycle it stands in the way; `None`: nowhere, as a warranty that ends.
    pub stage: Option<Stage>,
    /// What is wrong.
    pub fault: Fault,
    /// Since when.
    pub at: Timestamp,
    /// Counts what was seen of the server: what is not newer than the last says nothing.
    pub version: u64,
    /// Nothing is lost yet.
    pub warning: bool,
}

/// What the ticket system was asked of a ticket and has not answered: it may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// To open it.
    Open,
    /// To close it.
    Close,
}

/// A fault, and how far its ticket is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// What it is about.
    #[serde(alias = "server")]
    pub about: Subject,
    /// Its name when the case was opened.
    pub name: String,
    /// Where it stands in the way.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// The latest that was said of it.
    pub fault: Fault,
    /// Since when.
    pub since: Timestamp,
    /// How often it was seen.
    pub events: u32,
    /// The version of the server's record that was seen last.
    pub version: u64,
    /// What the ticket system was asked last, until its answer is written down.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// The ticket's key and URL, once there is one.
    #[serde(default)]
    pub ticket: Option<(String, String)>,
    /// What is still to be said, in order.
    #[serde(default)]
    pub say: Vec<String>,
    /// It is over, and since when.
    #[serde(default)]
    pub over: Option<Timestamp>,
    /// Nothing is lost yet.
    #[serde(default)]
    pub warning: bool,
    /// Sensors and log lines as they were; absent: those that the stages kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Value>,
}

impl Case {
    /// One open ticket for each of these.
    pub fn dedup_key(&self) -> String {
        format!("{}/{}", self.about, self.fault.code)
    }

    pub(super) fn key(&self) -> String {
        format!("{PREFIX}{}", self.dedup_key())
    }

    fn add(&mut self, text: String) {
        if self.say.len() >= SAYINGS {
            self.say.pop();
        }
        self.say.push(text);
    }
}

/// The cases of a store.
#[derive(Clone)]
pub struct Cases(pub Arc<dyn Bus>);

impl Cases {
    /// A problem is there. Seen before, it is counted, and said again only where it changed.
    pub async fn raise(&self, problem: &Problem) -> Result<(), BusError> {
        let fresh = Case {
            about: Subject::Server(problem.server.clone()),
            name: problem.name.clone(),
            stage: problem.stage,
            fault: problem.fault.clone(),
            since: problem.at,
            events: 1,
            version: problem.version,
            asked: None,
            ticket: None,
            say: Vec::new(),
            over: None,
            warning: problem.warning,
            shown: None,
        };
        self.put(fresh, problem.at, problem.version).await
    }

    /// As [`Cases::raise`], of what health found; what is shown with it is what is shown now.
    pub async fn find(&self, finding: &Finding) -> Result<(), BusError> {
        let fresh = Case {
            about: finding.about.clone(),
            name: finding.name.clone(),
            stage: None,
            fault: finding.fault.clone(),
            since: finding.since,
            events: 1,
            version: finding.at.0,
            asked: None,
            ticket: None,
            say: Vec::new(),
            over: None,
            warning: finding.warning,
            shown: finding.shown.clone(),
        };
        // Whoever finds says each thing once and in order; a clock that steps back must not hide it.
        self.put(fresh, finding.at, u64::MAX).await
    }

    async fn put(&self, fresh: Case, at: Timestamp, newness: u64) -> Result<(), BusError> {
        let seen = |there: Option<Case>| {
            let Some(mut case) = there else {
                return (Some(fresh.clone()), Change::of(&fresh, What::Raised, at, None));
            };
            if newness <= case.version {
                return (Some(case), None);
            }
            case.version = fresh.version.max(case.version.saturating_add(1));
            case.events = case.events.saturating_add(1);
            let other = case.fault.text != fresh.fault.text;
            let mut what = (other || case.warning != fresh.warning).then_some(What::Changed);
            if case.over.take().is_some() {
                case.add(super::text::back(&fresh.fault, at));
                what = Some(What::Raised);
            } else if other {
                case.add(super::text::changed(&fresh.fault, at));
            }
            let Case { fault, warning, shown, .. } = fresh.clone();
            let case = Case { fault, warning, shown, ..case };
            let told = what.and_then(|what| Change::of(&case, what, at, None));
            (Some(case), told)
        };
        self.alter(&fresh.key(), seen).await.map(drop)
    }

    /// The open or closing case of this code.
    pub async fn get(&self, about: &Subject, code: &str) -> Result<Option<Case>, BusError> {
        self.load(&format!("{PREFIX}{about}/{code}")).await
    }

    /// A problem is gone; `what` says what changed. Seen again since it was read, it is not.
    pub async fn clear(&self, case: Case, at: Timestamp, version: u64, what: &str) -> Result<(), BusError> {
        let gone = |there: Option<Case>| {
            let Some(mut case) = there else { return (None, None) };
            if case.over.is_some() || version <= case.version {
                return (Some(case), None);
            }
            let told = Change::of(&case, What::Over, at, Some(what));
            case.version = version;
            case.over = Some(at);
            case.add(super::text::recovered(&case, at, what));
            (Some(case), told)
        };
        self.alter(&case.key(), gone).await.map(drop)
    }

    /// As [`Cases::clear`], of what health or the warranty book found. Without a ticket to be closed, by a `desk` or one of an earlier
    /// configuration, it is forgotten at once.
    pub async fn end(&self, case: Case, desk: bool, at: Timestamp, what: &str) -> Result<(), BusError> {
        if !desk && case.ticket.is_none() {
            let forgotten = |there: Option<Case>| match there {
                Some(other) if other != case => (Some(other), None),
                _ => (None, Change::of(&case, What::Over, at, Some(what)).filter(|_| case.over.is_none())),
            };
            if self.alter(&case.key(), forgotten).await?.is_none() {
                return Ok(());
            }
        }
        let version = at.0.max(case.version.saturating_add(1));
        self.clear(case, at, version, what).await
    }

    /// Those of one server.
    pub async fn of(&self, server: &ServerId) -> Result<Vec<Case>, BusError> {
        self.below(&format!("{PREFIX}{server}/")).await
    }

    /// All of them, by server and code.
    pub async fn all(&self) -> Result<Vec<Case>, BusError> {
        self.below(PREFIX).await
    }

    /// Forget a case, unless it is not what was read any more; whether it is gone.
    pub async fn forget(&self, case: &Case) -> Result<bool, BusError> {
        let left = self.change(&case.key(), |there| there.filter(|there| there != case)).await?;
        Ok(left.is_none())
    }

    /// Change what is kept at a key: `decide` is given what is there and answers what is to be, again wherever somebody else was quicker. What is
    /// there then.
    pub(super) async fn change(
        &self,
        key: &str,
        mut decide: impl FnMut(Option<Case>) -> Option<Case>,
    ) -> Result<Option<Case>, BusError> {
        self.alter(key, |there| (decide(there), None)).await
    }

    /// As [`Cases::change`], with what receivers of notices are to be told: it is noted first, so that a crash in between tells it twice.
    async fn alter(
        &self,
        key: &str,
        mut decide: impl FnMut(Option<Case>) -> (Option<Case>, Option<Change>),
    ) -> Result<Option<Case>, BusError> {
        for _ in 0..TRIES {
            let bytes = self.0.get(key).await?;
            let there = bytes.as_deref().map(|bytes| read(key, bytes)).transpose()?;
            let (wanted, told) = decide(there.clone());
            if wanted == there {
                return Ok(there);
            }
            if let Some(change) = told {
                notice::append(&*self.0, &change).await?;
            }
            let new = wanted.as_ref().map(serde_json::to_vec).transpose().map_err(|error| corrupt(key, &error))?;
            if self.0.swap(key, bytes.as_deref(), new.as_deref(), None).await? {
                return Ok(wanted);
            }
        }
        Err(BusError::Unreachable(format!("`{key}` is changed faster than this can be decided")))
    }

    async fn below(&self, prefix: &str) -> Result<Vec<Case>, BusError> {
        let mut cases = Vec::new();
        for (key, _) in self.0.keys(prefix).await? {
            cases.extend(self.load(&key).await?);
        }
        Ok(cases)
    }

    async fn load(&self, key: &str) -> Result<Option<Case>, BusError> {
        self.0.get(key).await?.map(|bytes| read(key, &bytes)).transpose()
    }
}

fn read(key: &str, bytes: &[u8]) -> Result<Case, BusError> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(key, &error))
}

fn corrupt(key: &str, error: &serde_json::Error) -> BusError {
    BusError::Corrupt { key: key.to_owned(), problem: error.to_string() }
}
