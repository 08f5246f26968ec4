//! The port: what a store must be able to do, each call one atomic step.
//!
//! Three numbers are never mixed: the *entered version* names a stage entry (with a step's name it is the token of external
//! effects), the *version* counts commits, the *fence* belongs to one attempt's lease on its command.

use std::time::Duration;

use async_trait::async_trait;
use farrier_lifecycle::{Command, JournalEntry, Lease, Server, ServerId, Stage, Timestamp, Token};
use serde::{Deserialize, Serialize};

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No connection, or it broke; the operation may or may not have happened. Every operation may be repeated.
    #[error("the store does not answer: {0}")]
    Unreachable(String),
    /// The store cannot keep the promises asked of it: version, persistence, eviction policy, a key of another type.
    #[error("the store cannot be used: {problem}")]
    Unusable {
        /// What is wrong.
        problem: String,
        /// What to change.
        hint: String,
    },
    /// What was read is not what was written.
    #[error("the store holds something unreadable at `{key}`: {problem}")]
    Corrupt {
        /// Where.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// What was asked for is not there.
    #[error("no {0}")]
    NotFound(String),
}

impl BusError {
    /// Kebab case, for faults and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "store-unreachable",
            Self::Unusable { .. } => "store-unusable",
            Self::Corrupt { .. } => "store-corrupt",
            Self::NotFound(_) => "not-found",
        }
    }
}

/// An entry taken from a work stream; leased to this process until it is committed, handed back, or its lease runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The store's id of the entry.
    pub id: String,
    /// Whose stream it stood on.
    pub stage: Stage,
    /// What it says.
    pub body: EntryBody,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryBody {
    /// Run this stage.
    Command(Command),
    /// Something put there from outside, by field name. On `netbox:bmc:discovered` it is a lease to be read by `ingest`;
    /// on any other stream it is not ours.
    Foreign(Vec<(String, String)>),
}

/// The lease of one attempt on its command: only its holder may commit the attempt's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The server whose command it is.
    pub server: ServerId,
    /// The stage, for the stream the entry stands on.
    pub stage: Stage,
    /// The attempt.
    pub token: Token,
    /// The entry.
    pub entry: String,
    /// Grows with each begin of this server's commands.
    pub epoch: u64,
    /// Random, of this begin: a failover can hand out an epoch twice.
    pub owner: String,
}

/// What beginning an entry came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Begin {
    /// Run it. The record is as committed last.
    Run {
        /// The server.
        server: Box<Server>,
        /// The lease on the command.
        fence: Fence,
    },
    /// The command is of an earlier attempt, or another process has it; the entry is not the caller's any more.
    Stale,
    /// Another attempt of this server still holds its lease; the entry comes again when that ends.
    Parked,
    /// Taken over too often. The entry is still leased to the caller, who commits `WorkerLost` with this fence.
    Poison {
        /// The server.
        server: Box<Server>,
        /// The lease on the command.
        fence: Fence,
        /// How often.
        takeovers: u32,
    },
}

/// One atomic change of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The version the change was decided on; 0: the server is new.
    pub expected: u64,
    /// The whole new record, at version `expected + 1`. Its timer and outstanding command are derived from it: the store sets or
    /// clears the timer, and remembers the outstanding token, in the same step.
    pub server: Server,
    /// A command to append to its stage's stream.
    pub publish: Option<Command>,
    /// Appended to the journal.
    pub journal: JournalEntry,
    /// The lease that must still be held; absent for events from outside of attempts.
    pub fence: Option<Fence>,
    /// Acknowledge and delete the fenced entry: the attempt is over. A checkpoint leaves it.
    pub ack: bool,
    /// A foreign entry (stage, id) to acknowledge and delete with it: the lease it said is taken in.
    pub ack_foreign: Option<(Stage, String)>,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Written.
    Done,
    /// The same transition was written before: the reply to it was lost.
    Already,
    /// The record has another version by now: read, decide and commit again.
    Conflict,
    /// The lease is not held any more: stop, without another effect.
    Fenced,
}

/// What a lease meant to the store, before anything is decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// Known with this address, or an older lease; noted, nothing to decide. A foreign entry is acknowledged.
    Known,
    /// New (`None`), moved, or awaited: decide with `step` and commit.
    Changed(Option<Box<Server>>),
}

/// A timer that is due; firing it is a commit like any other, so that firing twice does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose.
    pub server: ServerId,
    /// When it was due.
    pub at: Timestamp,
}

/// An entry that could not be worked, kept with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The store's id of the letter.
    pub id: String,
    /// The stream it came from.
    pub stream: String,
    /// `not-ours`, `malformed-lease`, …
    pub code: String,
    /// What was wrong.
    pub reason: String,
    /// When it was buried.
    pub at: Timestamp,
    /// What it said.
    pub fields: Vec<(String, String)>,
}

/// Backlog of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStatus {
    /// Its name.
    pub stream: String,
    /// Whose commands.
    pub stage: Stage,
    /// Entries waiting or being worked.
    pub length: u64,
    /// Of these, being worked.
    pub in_flight: u64,
}

/// The state of the store, for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusStatus {
    /// `sqlite`, `redis 7.0.15`, `valkey 9.1.2`.
    pub store: String,
    /// Each work stream.
    pub streams: Vec<StreamStatus>,
    /// Timers set.
    pub timers: u64,
    /// Dead letters.
    pub dead: u64,
    /// Journal entries kept.
    pub journal: u64,
    /// Servers known.
    pub servers: u64,
}

/// The store. Cheap to clone behind an `Arc`; every call is one atomic step and may be repeated.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Check that the store can keep its promises, make what is missing (groups, function library, tables), take over legacy
    /// lists. What is doubtful but usable comes back as warnings.
    async fn check(&self) -> Result<Vec<String>, BusError>;

    /// Is this lease news? Deduplicates by state: a renewal of a known address costs this one call and writes no entry (`seen` is
    /// touched at most once a minute). `foreign` is the entry it came in, acknowledged here if the answer is `Known`.
    async fn observe(&self, lease: &Lease, foreign: Option<&Entry>) -> Result<Observed, BusError>;

    /// Put a lease on `netbox:bmc:discovered` as any program may.
    async fn publish_lease(&self, lease: &Lease) -> Result<(), BusError>;

    /// The record of one server, also by an alias of a replaced board: [`super::ALIAS`] followed by the board's id is a key of
    /// [`Bus::set`] whose value is the server's id.
    async fn read(&self, server: &ServerId) -> Result<Option<Server>, BusError>;

    /// All records, by id.
    async fn list(&self) -> Result<Vec<Server>, BusError>;

    /// Write one change of one server.
    async fn commit(&self, commit: &Commit) -> Result<Committed, BusError>;

    /// Up to `permits` entries of these stages' streams, waiting up to `wait` for the first; nothing is an answer. On each (re)connect
    /// the own unfinished entries come first.
    async fn take(&self, stages: &[Stage], permits: usize, wait: Duration) -> Result<Vec<Entry>, BusError>;

    /// Begin a command: check that it is current, take the lease.
    async fn begin(&self, entry: &Entry) -> Result<Begin, BusError>;

    /// Extend these leases; for each, whether it is still held and its command still wanted. The fence is checked before
    /// anything is extended. After `false` the attempt must stop; a `hand_back` then frees its server at once where the
    /// lease was still held, and does nothing where it was not.
    async fn beat(&self, fences: &[Fence]) -> Result<Vec<bool>, BusError>;

    /// Give up a command without penalty: it goes back on its stream at once (drain), or goes away if nobody wants it any more.
    /// What was parked behind it is free.
    async fn hand_back(&self, fence: &Fence) -> Result<(), BusError>;

    /// Take over entries whose lease ran out, up to `permits`; suspects (taken over before) come one at a time. Foreign entries
    /// whose taker vanished come this way too. Where a link to the store has just come back, nothing for one lease.
    async fn reap(&self, permits: usize) -> Result<Vec<Entry>, BusError>;

    /// Publish again what is outstanding and stands nowhere, and let go what waits behind an attempt that cannot end any more; how many.
    /// Each is a bug, or an entry that someone deleted.
    async fn sweep(&self) -> Result<u64, BusError>;

    /// Timers due by now, earliest first. A timer stays due until a commit clears it.
    async fn due(&self, limit: usize) -> Result<Vec<Due>, BusError>;

    /// Acknowledge and delete a foreign entry and keep it with the reason.
    async fn bury(&self, entry: &Entry, code: &str, reason: &str) -> Result<(), BusError>;

    /// Acknowledge and delete a foreign entry that means nothing to the host, and keep nothing of it.
    async fn discard(&self, entry: &Entry) -> Result<(), BusError>;

    /// Dead letters, oldest first.
    async fn dead(&self, limit: usize) -> Result<Vec<DeadLetter>, BusError>;

    /// Put a dead letter back on its stream, and take it out of the dead letters; [`BusError::NotFound`] if there is none of this id.
    async fn redrive(&self, letter: &str) -> Result<(), BusError>;

    /// Journal entries after the cursor (`""`: from the oldest kept), with the cursor that follows each; waits up to `wait` for the first.
    async fn journal(&self, after: &str, limit: usize, wait: Duration)
    -> Result<Vec<(String, JournalEntry)>, BusError>;

    /// The cursors of the oldest and the newest journal entry kept; `None`: there is none.
    async fn journal_ends(&self) -> Result<Option<(String, String)>, BusError>;

    /// The newest journal entries, oldest first, each with its cursor.
    async fn journal_last(&self, limit: usize) -> Result<Vec<(String, JournalEntry)>, BusError>;

    /// The journal of one server, oldest first, at least the last 30 transitions.
    async fn timeline(&self, server: &ServerId) -> Result<Vec<JournalEntry>, BusError>;

    /// Take or keep the named role (`projector`) for `ttl`; whether this process has it. Fenced by a random owner per process.
    async fn elect(&self, role: &str, ttl: Duration) -> Result<bool, BusError>;

    /// A small value by key: a plugin's `kv`, a projector's cursor. `None` if absent or expired.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BusError>;

    /// Set or, with `None`, delete a small value; `ttl` in whole seconds.
    async fn set(&self, key: &str, value: Option<&[u8]>, ttl: Option<Duration>) -> Result<(), BusError>;

    /// Replace a small value only if it is `expected` (`None`: absent, or expired); `None` as `value` deletes it. Whether it was so: of any
    /// number who swap from the same value at the same time, one is told `true`. `ttl` as in [`Bus::set`].
    ///
    /// Unlike other calls it is sent once: after [`BusError::Unreachable`] it may have happened, and only a value nobody else writes
    /// tells the caller so.
    async fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        ttl: Option<Duration>,
    ) -> Result<bool, BusError>;

    /// Append a decision that is about no server (a sign-in, a token, an order, a request refused) to the log, as one JSON text.
    /// Kept as long as the journal. A call whose answer was lost may stand twice.
    async fn audit(&self, entry: &str) -> Result<(), BusError>;

    /// Decisions after the cursor (`""`: from the oldest kept), oldest first, with the cursor that follows each.
    async fn audits(&self, after: &str, limit: usize) -> Result<Vec<(String, String)>, BusError>;

    /// Keys that begin with `prefix`, with the size of each value in bytes.
    async fn keys(&self, prefix: &str) -> Result<Vec<(String, u64)>, BusError>;

    /// Numbers for operators.
    async fn status(&self) -> Result<BusStatus, BusError>;

    /// Leave: release what is held without work in it, drop the consumer if it is empty.
    async fn leave(&self) -> Result<(), BusError>;
}
