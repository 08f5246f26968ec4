//! What both stores share: settings, the form of entries, and what this process has in hand.
//!
//! Promises that both stores read the same entry the same way. No I/O. The decision that is not obvious is [`Hands`]: entries
//! that a dropped future or a lost reply kept from the caller are found again by reading what this process holds and taking
//! away what the caller is known to have.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use farrier_lifecycle::{Command, JournalEntry, Lease, Server, Stage, Timestamp};

use super::{BusError, Entry, EntryBody, Fence};

/// Where a store reads the time; tests step it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Taken over more often than this, a command is poison. High, because a host that something else kills again and again must not
/// condemn the commands that happened to be with it: with 5, a host killed every second or so condemned one attempt in thirty.
pub const MAX_TAKEOVERS: u32 = 20;
/// How long the journal is kept, milliseconds.
pub const JOURNAL_KEPT: u64 = 7 * 24 * 3_600_000;
/// How many transitions of each server are kept whatever their age.
pub const TIMELINE_KEPT: usize = 30;
/// A renewal within this of the last one noted is not even written down, milliseconds.
pub const TOUCH: u64 = 60_000;
/// Prefix of the keys of [`super::Bus::get`] that name another MAC of a known server: `alias/<12 hex digits>` holds its id.
pub const ALIAS: &str = "alias/";

/// What a store needs to know beside where it is.
#[derive(Clone)]
pub struct Settings {
    /// How long a silent worker keeps a command.
    pub lease: Duration,
    /// The site whose shard this is; `None`: the one shard, with bare names.
    pub site: Option<String>,
    /// `None`: the clock of the store's machine. The embedded store runs on this one; Redis has its own, which is the same
    /// for all hosts, so that a host whose clock is wrong neither loses leases nor steals them.
    pub clock: Option<Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lease: Duration::from_secs(30), site: None, clock: None }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = if self.clock.is_some() { "stepped" } else { "system" };
        f.debug_struct("Settings").field("lease", &self.lease).field("site", &self.site).field("clock", &clock).finish()
    }
}

/// Milliseconds of a duration; saturates.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A name nobody else has: of a process, of an attempt.
pub fn nonce() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// The fields of a command on its stream: `s` server, `q` token, `d` the command as JSON.
pub fn command_fields(command: &Command) -> Result<Vec<(String, String)>, BusError> {
    let data = to_json(command)?;
    Ok(vec![
        ("s".to_owned(), command.server.to_string()),
        ("q".to_owned(), command.token.to_string()),
        ("d".to_owned(), data),
    ])
}

/// An entry from its fields: ours if it carries exactly what we write, foreign otherwise.
pub fn entry(id: String, stage: Stage, fields: Vec<(String, String)>) -> Entry {
    let body = match command_of(stage, &fields) {
        Some(command) => EntryBody::Command(command),
        None => EntryBody::Foreign(fields),
    };
    Entry { id, stage, body }
}

fn command_of(stage: Stage, fields: &[(String, String)]) -> Option<Command> {
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let command = Command { server: field("s")?.parse().ok()?, stage, token: field("q")?.parse().ok()? };
    let data: Command = serde_json::from_str(field("d")?).ok()?;
    (fields.len() == 3 && data == command).then_some(command)
}

/// The fields of any entry, as they stand on the stream.
pub fn fields_of(entry: &Entry) -> Result<Vec<(String, String)>, BusError> {
    match &entry.body {
        EntryBody::Command(command) => command_fields(command),
        EntryBody::Foreign(fields) => Ok(fields.clone()),
    }
}

/// A lease as any program may publish it: the PoC's flat JSON, with the vendor class beside it.
pub fn lease_json(lease: &Lease) -> Result<String, BusError> {
    let at = i64::try_from(lease.at.0).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    to_json(&serde_json::json!({
        "event_type": "bmc_dhcp_lease",
        "timestamp": at.unwrap_or(jiff::Timestamp::MAX).to_string(),
        "mac_address": lease.mac,
        "ip_address": lease.ip,
        "hostname": lease.hostname,
        "vendor_class": lease.vendor_class,
        "source": lease.source,
    }))
}

/// Which leases are news to a server in this state; the rule of `step`, in a form that a store can compare.
pub fn interest(server: &Server) -> i64 {
    match server.stage {
        Stage::Retired => 0,
        _ if server.awaits_lease() && server.hold.is_none() => 2,
        _ => 1,
    }
}

/// Write JSON.
pub fn to_json<T: serde::Serialize>(value: &T) -> Result<String, BusError> {
    serde_json::to_string(value)
        .map_err(|error| BusError::Corrupt { key: "a new value".to_owned(), problem: error.to_string() })
}

/// Read a record.
pub fn record(id: &str, text: &str) -> Result<Server, BusError> {
    serde_json::from_str(text)
        .map_err(|error| BusError::Corrupt { key: format!("server {id}"), problem: error.to_string() })
}

/// Read a journal entry.
pub fn journal_entry(key: &str, text: &str) -> Result<JournalEntry, BusError> {
    serde_json::from_str(text)
        .map_err(|error| BusError::Corrupt { key: format!("journal {key}"), problem: error.to_string() })
}

/// A stage from its name or the name of its stream without the site.
pub fn stage_of(text: &str) -> Result<Stage, BusError> {
    Stage::WORKED.into_iter().find(|stage| stage.as_str() == text || stage.stream() == Some(text)).ok_or_else(|| {
        BusError::Corrupt { key: "entry".to_owned(), problem: format!("no stage has the stream `{text}`") }
    })
}

/// How many entries each of `stages` streams may give at first, so that a storm on one does not starve the others.
pub fn share(permits: usize, stages: usize) -> usize {
    permits.div_ceil(stages.max(1)).max(1)
}

/// What the worker of this process has been given and not finished, and whether something may have got lost on the way to it.
#[derive(Default)]
pub struct Hands {
    held: Mutex<HashSet<(Stage, String)>>,
    fetch: tokio::sync::Mutex<Doubt>,
}

/// May the store hold entries for this process that its worker never saw? Set before each fetch, cleared after.
#[derive(Default)]
pub struct Doubt(pub bool);

impl Hands {
    /// One fetch at a time: with two, one would take the other's entries for lost.
    pub async fn fetch(&self) -> tokio::sync::MutexGuard<'_, Doubt> {
        self.fetch.lock().await
    }

    /// The worker gets these.
    pub fn give(&self, entries: &[Entry]) {
        self.lock().extend(entries.iter().map(|entry| (entry.stage, entry.id.clone())));
    }

    /// The worker is done with it, or has lost it.
    pub fn drop(&self, stage: Stage, id: &str) {
        self.lock().remove(&(stage, id.to_owned()));
    }

    /// The worker's attempt is over.
    pub fn drop_fence(&self, fence: &Fence) {
        self.drop(fence.stage, &fence.entry);
    }

    /// Does the worker have it?
    pub fn holds(&self, stage: Stage, id: &str) -> bool {
        self.lock().contains(&(stage, id.to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(Stage, String)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_what_we_wrote_is_a_command() {
        let command =
            Command { server: "9440c9000001".parse().unwrap(), stage: Stage::Harden, token: "7.2".parse().unwrap() };
        let ours = command_fields(&command).unwrap();
        assert_eq!(entry("1".into(), Stage::Harden, ours.clone()).body, EntryBody::Command(command));
        assert!(
            matches!(entry("1".into(), Stage::Update, ours).body, EntryBody::Foreign(_)),
            "moved to another stream"
        );
        let public = fields(&[("d", "{}")]);
        assert_eq!(entry("1".into(), Stage::Discover, public.clone()).body, EntryBody::Foreign(public));
    }

    #[test]
    fn a_permit_is_shared_between_streams() {
        assert_eq!((share(1, 7), share(64, 7), share(5, 0)), (1, 10, 5));
    }
}
