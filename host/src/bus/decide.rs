//! The one way in which events become commits: read, `step`, commit.
//!
//! Promises that an event is decided on the record it is committed against, however many others write at the same time, and
//! that the entry it came in is acknowledged in the same commit or, where the event means nothing, by itself. It does no
//! stage's work. The decision that is not obvious: only a checkpoint leaves its command on the stream; every other outcome is
//! the end of the attempt, even one that came too late to mean anything.

use farrier_lifecycle::{
    Event, JournalEntry, Lease, Outcome, Policy, Refused, Server, ServerId, Stage, Step, Timestamp, Transition, step,
};

use super::{Bus, BusError, Commit, Committed, Entry, Fence, Observed, address};

/// Conflicts in a row before giving up: each means that someone else's commit succeeded.
const TRIES: usize = 32;

/// How the event came.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// From an operator, a timer, a callback, or a lease that stands on no stream.
    Outside,
    /// The same, decided by someone who saw this version and wants it for no other.
    Seen(u64),
    /// From the attempt that holds this lease.
    Attempt(&'a Fence),
    /// From a lease on `netbox:bmc:discovered`.
    Foreign(&'a Entry),
}

/// What became of the event.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// A transition was committed.
    Committed {
        /// The record before it; version 0 for a server seen for the first time.
        before: Box<Server>,
        /// The transition, with the record as it is now.
        transition: Box<Transition>,
    },
    /// It meant nothing, and why; its entry is acknowledged.
    Ignored(&'static str),
}

impl Applied {
    /// The record after a commit.
    pub fn server(&self) -> Option<&Server> {
        match self {
            Self::Committed { transition, .. } => Some(&transition.server),
            Self::Ignored(_) => None,
        }
    }
}

/// Why the event was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The store failed; the event may be applied again.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// An operator's request that cannot be granted.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The attempt's lease is not held any more: another has it. Stop, without another effect.
    #[error("the lease on {0} is not held any more")]
    Fenced(ServerId),
    /// No such server.
    #[error("no server {0}")]
    Unknown(ServerId),
    /// It is not as the asker saw it any more.
    #[error("{server} is at version {now}, not {seen}")]
    Moved {
        /// Which.
        server: ServerId,
        /// The version that was seen.
        seen: u64,
        /// The version it has.
        now: u64,
    },
    /// Others committed first, again and again.
    #[error("{0} is changed faster than this event can be decided")]
    Contended(ServerId),
}

impl ApplyError {
    /// Kebab case, for faults, logs and the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Bus(error) => error.code(),
            Self::Refused(refused) => refused.code,
            Self::Fenced(_) => "fenced",
            Self::Unknown(_) => "unknown-server",
            Self::Moved { .. } => "version-mismatch",
            Self::Contended(_) => "contended",
        }
    }
}

/// Say what `event` means for the server at `now`, and commit it.
///
/// A [`Event::LeaseSeen`] is looked at by `observe` first, which answers renewals by itself and knows servers never seen.
pub async fn apply(
    bus: &dyn Bus,
    id: &ServerId,
    event: &Event,
    policy: &Policy,
    now: Timestamp,
    origin: Origin<'_>,
) -> Result<Applied, ApplyError> {
    for _ in 0..TRIES {
        let before = match look(bus, id, event, origin).await? {
            Ok(before) => before,
            Err(why) => return Ok(Applied::Ignored(why)),
        };
        if let Origin::Seen(seen) = origin
            && before.version != seen
        {
            return Err(ApplyError::Moved { server: before.id, seen, now: before.version });
        }
        let transition = match step(&before, event, policy, now)? {
            Step::Commit(transition) => transition,
            // The record changed between observe and this: observe now knows the lease, and acknowledges it.
            Step::Ignore(_) if matches!(origin, Origin::Foreign(_)) => continue,
            Step::Ignore(why) => {
                if let (Origin::Attempt(fence), true) = (origin, ends_attempt(event)) {
                    bus.hand_back(fence).await?;
                }
                return Ok(Applied::Ignored(why));
            }
        };
        let commit = commit_of(&before, event, &transition, now, origin);
        match bus.commit(&commit).await? {
            Committed::Done | Committed::Already => {
                report(&commit);
                return Ok(Applied::Committed { before: Box::new(before), transition });
            }
            Committed::Conflict => {}
            Committed::Fenced => return Err(ApplyError::Fenced(before.id)),
        }
    }
    Err(ApplyError::Contended(id.clone()))
}

/// Apply a lease; the entry it came in, if any, is acknowledged with it.
pub async fn apply_lease(
    bus: &dyn Bus,
    lease: &Lease,
    policy: &Policy,
    now: Timestamp,
    entry: Option<&Entry>,
) -> Result<Applied, ApplyError> {
    let origin = entry.map_or(Origin::Outside, Origin::Foreign);
    address::note(bus, lease).await?;
    apply(bus, &ServerId::from(lease.mac), &Event::LeaseSeen(lease.clone()), policy, now, origin).await
}

/// The record to decide on, or why there is nothing to decide.
async fn look(
    bus: &dyn Bus,
    id: &ServerId,
    event: &Event,
    origin: Origin<'_>,
) -> Result<Result<Server, &'static str>, ApplyError> {
    let Event::LeaseSeen(lease) = event else {
        return bus.read(id).await?.map(Ok).ok_or_else(|| ApplyError::Unknown(id.clone()));
    };
    let entry = match origin {
        Origin::Foreign(entry) => Some(entry),
        Origin::Outside | Origin::Seen(_) | Origin::Attempt(_) => None,
    };
    Ok(match bus.observe(lease, entry).await? {
        Observed::Known => Err("a renewal"),
        Observed::Changed(Some(server)) => Ok(*server),
        Observed::Changed(None) => Ok(Server::unseen(lease.clone())),
    })
}

/// Is the attempt over with this event?
const fn ends_attempt(event: &Event) -> bool {
    !matches!(event, Event::Outcome { outcome: Outcome::Checkpoint { .. }, .. })
}

fn commit_of(before: &Server, event: &Event, transition: &Transition, now: Timestamp, origin: Origin<'_>) -> Commit {
    let (fence, foreign) = match origin {
        Origin::Outside | Origin::Seen(_) => (None, None),
        Origin::Attempt(fence) => (Some(fence.clone()), None),
        Origin::Foreign(entry) => (None, Some((Stage::Discover, entry.id.clone()))),
    };
    Commit {
        expected: before.version,
        server: transition.server.clone(),
        publish: transition.publish.clone(),
        journal: JournalEntry::of(before, event, transition, now),
        ack: fence.is_some() && ends_attempt(event),
        fence,
        ack_foreign: foreign,
    }
}

fn report(commit: &Commit) {
    let entry = &commit.journal;
    tracing::info!(
        server = %entry.server,
        name = entry.name,
        event = entry.event,
        from = %entry.from,
        to = %entry.to,
        stage = %entry.stage,
        status = entry.status,
        version = entry.version,
        "transition committed"
    );
}
