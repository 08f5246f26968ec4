//! A server as people and programs see it: where it stands, what blocks it, who must act, what happens next.
//!
//! Promise 3 lives here: every server has a `why`. The stage's memo and the report are left out; they hold one-time tokens.

use std::collections::BTreeMap;

use farrier_lifecycle::{
    Hardware, JournalEntry, LifecycleState, Note, NoteKind, Policy, Server, Stage, Status, Timestamp, WaitFor,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::warranty::WarrantyView;
use crate::fleet::Row;

/// One line of `farrier server list`, and the head of `farrier server show`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Server)]
pub struct ServerView {
    /// The id: twelve hex digits.
    pub id: String,
    /// The inventory's name, or the id.
    pub name: String,
    /// The lifecycle state: one of nine.
    pub state: String,
    /// What is being done with it.
    pub stage: String,
    /// `running`, `waiting`, `resting`, `failed`.
    pub status: String,
    /// What stands in the way, beginning with the fault's code where there is one; empty when nothing does.
    pub reason: String,
    /// Who must act: a blame, or `nobody`.
    pub who: String,
    /// What happens next.
    pub next: String,
    /// Since when the status holds, RFC 3339.
    #[schema(format = DateTime)]
    pub since: String,
    /// The same in seconds until now.
    pub seconds: u64,
    /// As the controller reports it.
    pub vendor: Option<String>,
    /// As the controller reports it.
    pub model: Option<String>,
    /// As the controller reports it.
    pub serial: Option<String>,
    /// The controller and its version.
    pub controller: Option<String>,
    /// The plugin that drives it.
    pub driver: Option<String>,
    /// The inventory's site.
    pub site: Option<String>,
    /// The controller's address.
    pub ip: String,
    /// The controller's MAC.
    pub bmc_mac: String,
    /// Whose it is, or will be.
    pub tenant: Option<String>,
    /// What policy left out, with its line.
    pub marks: BTreeMap<String, String>,
    /// Commits so far.
    pub version: u64,
    /// The latest attempt of the stage.
    pub attempt: u32,
    /// Approvals in force: action, until, by, reason.
    pub approvals: Vec<String>,
    /// The inventory's rack.
    #[serde(default)]
    pub rack: Option<String>,
    /// The lowest unit it fills.
    #[serde(default)]
    pub unit: Option<u32>,
    /// What is in it, in numbers.
    #[serde(default)]
    pub hardware: Option<HardwareView>,
    /// The order it is kept for.
    #[serde(default)]
    pub reservation: Option<ReservationView>,
    /// Must a person look?
    #[serde(default)]
    pub problem: bool,
    /// What the running attempt said last.
    #[serde(default)]
    pub progress: Option<String>,
    /// The fault's code, where one stands.
    #[serde(default)]
    pub code: Option<String>,
    /// What may be asked of it now.
    #[serde(default)]
    pub requests: Vec<String>,
    /// Its support by the vendor; only where one server is asked for, and once somebody was asked about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warranty: Option<WarrantyView>,
}

/// The size of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Hardware)]
pub struct HardwareView {
    /// Model of the first processor; they are alike.
    pub cpu_model: String,
    /// Processors.
    pub sockets: u32,
    /// Cores of all processors.
    pub cores: u32,
    /// Memory of all modules, GiB.
    pub memory_gib: u32,
    /// Drives.
    pub drives: u32,
    /// Capacity of all drives, GiB.
    pub drive_gib: u64,
    /// Network interfaces, without the controller's.
    pub nics: u32,
}

impl From<&Hardware> for HardwareView {
    fn from(hardware: &Hardware) -> Self {
        let Hardware { cpu_model, sockets, cores, memory_gib, drives, drive_gib, nics } = hardware.clone();
        Self { cpu_model, sockets, cores, memory_gib, drives, drive_gib, nics }
    }
}

/// A promise to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Reservation)]
pub struct ReservationView {
    /// The order's id.
    pub order: String,
    /// Whose order it is.
    pub tenant: String,
    /// Until when it holds.
    #[schema(format = DateTime)]
    pub until: String,
}

/// Milliseconds since the epoch as RFC 3339, whole seconds.
pub fn time(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| at.0.to_string(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The same to the millisecond, for what must be put in order or read back.
pub fn time_ms(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| at.0.to_string(), |time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

/// RFC 3339 as milliseconds since the epoch.
pub fn read_time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok().map(Timestamp)
}

/// See a server at `now`; `progress` is what a running attempt said last.
pub fn view(row: &Row, progress: Option<&str>, policy: &Policy, now: Timestamp) -> ServerView {
    let server = &row.server;
    let (reason, who, next) = why(server, progress, now);
    let facts = &server.facts;
    ServerView {
        id: server.id.to_string(),
        name: server.label().to_owned(),
        state: server.lifecycle_state().to_string(),
        stage: server.stage.to_string(),
        status: server.status.as_str().to_owned(),
        reason,
        who,
        next,
        since: time(server.since),
        seconds: now.since(server.since) / 1000,
        vendor: facts.vendor.clone(),
        model: facts.model.clone(),
        serial: facts.serial.clone(),
        controller: facts.controller.clone(),
        driver: facts.driver.clone(),
        site: facts.site.clone(),
        ip: server.lease.ip.to_string(),
        bmc_mac: server.lease.mac.to_string(),
        tenant: server.tenant.clone(),
        marks: server.marks.iter().map(|(mark, line)| (mark.as_str().to_owned(), line.clone())).collect(),
        version: server.version,
        attempt: server.attempt,
        approvals: server
            .approvals
            .iter()
            .filter(|approval| now < approval.expires && approval.entered == server.entered)
            .map(|one| format!("{} until {} by {}: {}", one.action, time(one.expires), one.by, one.reason))
            .collect(),
        rack: row.rack().map(str::to_owned),
        unit: row.unit(),
        hardware: facts.hardware.as_ref().map(HardwareView::from),
        reservation: server.reserved(now).map(|one| ReservationView {
            order: one.order.clone(),
            tenant: one.tenant.clone(),
            until: time(one.until),
        }),
        problem: row.problem(),
        progress: progress.map(str::to_owned),
        code: row.fault().map(|fault| fault.code.clone()),
        requests: row.requests(policy, now).into_iter().map(str::to_owned).collect(),
        // Of the store, not of the record: whoever shows one server adds it.
        warranty: None,
    }
}

/// What a transition says to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Note)]
pub struct NoteView {
    /// `info`, `success`, `warning`, `danger`.
    pub kind: String,
    /// One or more lines.
    pub text: String,
}

/// A committed transition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Transition)]
pub struct EntryView {
    /// `<server id>:<version>`: the same for ever.
    pub transition: String,
    /// The server's id.
    pub server: String,
    /// Its name then.
    pub name: String,
    /// The version this transition made.
    pub version: u64,
    /// When, RFC 3339 with milliseconds.
    #[schema(format = DateTime)]
    pub at: String,
    /// Since when the state before held.
    #[schema(format = DateTime)]
    pub since: String,
    /// How long the state before held.
    pub seconds: u64,
    /// What happened, one word.
    pub event: String,
    /// The lifecycle state before.
    pub from: String,
    /// And after.
    pub to: String,
    /// The stage after.
    pub stage: String,
    /// `running`, `waiting`, `resting`, `failed`.
    pub status: String,
    /// What people should read, where they should.
    pub note: Option<NoteView>,
}

const KINDS: [(NoteKind, &str); 4] = [
    (NoteKind::Info, "info"),
    (NoteKind::Success, "success"),
    (NoteKind::Warning, "warning"),
    (NoteKind::Danger, "danger"),
];

impl From<&JournalEntry> for EntryView {
    fn from(entry: &JournalEntry) -> Self {
        let kind = |kind| KINDS.iter().find(|(one, _)| *one == kind).map_or("info", |(_, word)| word).to_owned();
        Self {
            transition: entry.transition.clone(),
            server: entry.server.to_string(),
            name: entry.name.clone(),
            version: entry.version,
            at: time_ms(entry.at),
            since: time_ms(entry.since),
            seconds: entry.at.since(entry.since) / 1_000,
            event: entry.event.clone(),
            from: entry.from.to_string(),
            to: entry.to.to_string(),
            stage: entry.stage.to_string(),
            status: entry.status.clone(),
            note: entry.note.as_ref().map(|note| NoteView { kind: kind(note.kind), text: note.text.clone() }),
        }
    }
}

impl EntryView {
    /// The entry as the store has it; `None` if a later version of the program wrote words that this one does not know.
    pub fn entry(&self) -> Option<JournalEntry> {
        let state = |word: &str| LifecycleState::ALL.into_iter().find(|state| state.as_str() == word);
        let kind = |word: &str| KINDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind);
        let note = match &self.note {
            Some(note) => Some(Note::new(kind(&note.kind)?, note.text.clone())),
            None => None,
        };
        Some(JournalEntry {
            transition: self.transition.clone(),
            server: self.server.parse().ok()?,
            name: self.name.clone(),
            version: self.version,
            at: read_time(&self.at)?,
            event: self.event.clone(),
            from: state(&self.from)?,
            to: state(&self.to)?,
            stage: self.stage.parse().ok()?,
            status: self.status.clone(),
            since: read_time(&self.since)?,
            note,
            // The view has it in words only, in the note.
            fault: None,
        })
    }
}

/// Blocker, who must act, what happens next.
fn why(server: &Server, progress: Option<&str>, now: Timestamp) -> (String, String, String) {
    let nobody = "nobody".to_owned();
    if let (Some(hold), false) = (&server.hold, matches!(server.status, Status::Failed(_))) {
        return (
            format!("held by {}: {}", hold.by, hold.reason),
            "operator".to_owned(),
            "it goes on after `farrier server hold --off`".to_owned(),
        );
    }
    match &server.status {
        Status::Running => {
            let doing = progress.map_or_else(|| format!("{} is running", server.stage), str::to_owned);
            (doing, nobody, "the stage ends by itself".to_owned())
        }
        Status::Failed(fault) => {
            let next = fault.hint.clone().unwrap_or_else(|| "`farrier server retry` once the cause is gone".to_owned());
            (fault.to_string(), fault.blame.as_str().to_owned(), next)
        }
        Status::Resting => match server.stage {
            Stage::Assign => {
                let next = server.reserved(now).map_or_else(
                    || "it waits for a tenant: `farrier server assign`".to_owned(),
                    |kept| format!("it is kept for order {} of {} until {}", kept.order, kept.tenant, time(kept.until)),
                );
                (String::new(), nobody, next)
            }
            Stage::Service => (String::new(), nobody, "it is with its tenant".to_owned()),
            _ => (String::new(), nobody, "nothing".to_owned()),
        },
        Status::Waiting(wait) => {
            let until = time(wait.until);
            let left = wait.until.since(now) / 1000;
            match &wait.for_ {
                WaitFor::Retry(fault) => (
                    fault.to_string(),
                    fault.blame.as_str().to_owned(),
                    format!("tried again in {left} s ({until}); `farrier server retry` does it now"),
                ),
                WaitFor::Callback => (
                    "the validation image has not reported yet".to_owned(),
                    nobody,
                    format!("its report, or another boot in {left} s ({until})"),
                ),
                WaitFor::Job(job) => (job.clone(), nobody, format!("looked at again in {left} s ({until})")),
                WaitFor::Lease => (
                    "it was reset and waits for a DHCP lease of its controller".to_owned(),
                    nobody,
                    format!("its next lease, or {until}"),
                ),
            }
        }
    }
}
