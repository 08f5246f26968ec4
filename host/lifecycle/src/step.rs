//! What an event means for a server.
//!
//! One function for leases, outcomes, timers, reports and requests. It answers with a transition to commit, with nothing,
//! or, to a request, with a refusal. A transition raises the version by one and carries the whole new record.

use crate::{Event, Lease, Note, NoteKind, Outcome, Server, Stage, Status, Timestamp, Token, Wait, WaitFor};
use crate::{Fault, Retry};

mod order;
mod outcome;
mod request;
mod update;

/// The numbers `step` needs from configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Failed attempts of one stage before a person must look.
    pub max_failures: u32,
    /// First backoff, milliseconds.
    pub backoff_base: u64,
    /// Longest backoff, milliseconds.
    pub backoff_cap: u64,
    /// Between tries for what is missing and may appear, milliseconds.
    pub slow_retry: u64,
    /// How long a reset server waits for a lease before it begins by itself, milliseconds.
    pub lease_wait: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_failures: 20,
            backoff_base: 5_000,
            backoff_cap: 600_000,
            slow_retry: 900_000,
            lease_wait: 86_400_000,
        }
    }
}

/// A change to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The record as it is to be; its version is one more than before.
    pub server: Server,
    /// A command to publish: there is a new outstanding one. `None` keeps or clears what is there.
    pub publish: Option<crate::Command>,
    /// The text of the journal entry, where people should read one.
    pub note: Option<Note>,
}

/// What an event means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, and why.
    Ignore(&'static str),
    /// This.
    Commit(Box<Transition>),
}

/// A request that cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// Kebab case.
    pub code: &'static str,
    /// What stands against it.
    pub text: String,
    /// What to do instead.
    pub hint: &'static str,
}

/// Say what `event` means for `server` at `now`.
///
/// Pure and total: no event panics in any state, and equal arguments give equal answers.
pub fn step(server: &Server, event: &Event, policy: &Policy, now: Timestamp) -> Result<Step, Refused> {
    let walk = Walk { before: server, policy, now };
    match event {
        Event::LeaseSeen(lease) => Ok(walk.lease_seen(lease)),
        Event::Outcome { token, outcome } => Ok(walk.outcome(*token, outcome)),
        Event::TimerFired { token } => Ok(walk.timer_fired(*token)),
        Event::ReportReceived { entered, report } => Ok(walk.report_received(*entered, report)),
        Event::ReportRefused { entered, code, problem } => Ok(walk.report_refused(*entered, code, problem)),
        Event::WorkerLost { token, takeovers } => Ok(walk.worker_lost(*token, *takeovers)),
        Event::Requested { by, request } => walk.requested(by, request),
    }
}

/// The state before, and what is needed to leave it.
struct Walk<'a> {
    before: &'a Server,
    policy: &'a Policy,
    now: Timestamp,
}

impl Walk<'_> {
    /// A copy to change, at the next version.
    fn next(&self) -> Server {
        let mut server = self.before.clone();
        server.version += 1;
        server
    }

    /// Close a transition: notice a new command, and write the lifecycle change into the note.
    fn commit(&self, server: Server, note: Option<Note>) -> Step {
        let publish = server.outstanding().filter(|command| self.before.outstanding().as_ref() != Some(command));
        let note = self.name_change(&server, note);
        Step::Commit(Box::new(Transition { server, publish, note }))
    }

    /// The journal text of `docs/guides/netbox.md`: a change of the name people see always has its line.
    fn name_change(&self, server: &Server, note: Option<Note>) -> Option<Note> {
        let (old, new) = (self.before.lifecycle_state(), server.lifecycle_state());
        if old == new {
            return note;
        }
        let line = format!("Lifecycle state changed: {old} → {new}");
        Some(match note {
            Some(note) => Note { kind: note.kind, text: format!("{line}\n{}", note.text) },
            None => Note::new(NoteKind::Success, line),
        })
    }

    fn set(&self, server: &mut Server, status: Status) {
        if server.status != status {
            server.since = self.now;
        }
        server.status = status;
    }

    /// Begin another attempt of the present stage.
    fn run_again(&self, server: &mut Server) {
        server.attempt = server.attempt.saturating_add(1);
        self.set(server, Status::Running);
    }

    /// Enter a stage: its memory is empty, its attempts count from one.
    fn enter(&self, server: &mut Server, stage: Stage) {
        server.stage = stage;
        server.entered = server.version;
        server.attempt = 0;
        server.failures = 0;
        server.effect = false;
        server.memo = None;
        server.report = None;
        server.told.clear();
        if stage != Stage::Assign {
            server.reservation = None;
        }
        server.since = self.now;
        if matches!(stage, Stage::Service | Stage::Retired) || server.hold.is_some() {
            self.set(server, Status::Resting);
        } else {
            self.run_again(server);
        }
    }

    fn lease_seen(&self, lease: &Lease) -> Step {
        let before = self.before;
        if before.stage == Stage::Retired {
            return Step::Ignore("the server is retired");
        }
        if before.version > 0 && lease.at < before.lease.at {
            return Step::Ignore("an older lease");
        }
        let moved = before.version > 0 && lease.ip != before.lease.ip;
        let begins = before.awaits_lease() && before.hold.is_none();
        if !moved && !begins {
            return Step::Ignore("a renewal");
        }
        let mut server = self.next();
        let note = moved.then(|| {
            let (old, new) = (before.lease.ip, lease.ip);
            if before.in_service() {
                Note::new(NoteKind::Warning, format!("BMC IP mismatch: NetBox record={old}, DHCP offered={new}"))
            } else {
                Note::new(NoteKind::Info, format!("IP address updated on {}: {old} → {new}", before.facts.interface()))
            }
        });
        server.lease = lease.clone();
        if begins {
            if before.version == 0 {
                server.entered = server.version;
            }
            self.run_again(&mut server);
        } else if let Status::Waiting(Wait { for_: WaitFor::Retry(fault), .. }) = &before.status
            && fault.retry != Retry::Never
        {
            // The address was what stood in the way, as likely as not: look again now.
            self.run_again(&mut server);
        }
        self.commit(server, note)
    }

    fn timer_fired(&self, token: Token) -> Step {
        let before = self.before;
        let due = before.timer().is_some_and(|until| until <= self.now);
        if token != before.token() || !due {
            return Step::Ignore("a timer of an earlier attempt");
        }
        let mut server = self.next();
        self.run_again(&mut server);
        self.commit(server, None)
    }

    fn report_received(&self, entered: u64, report: &str) -> Step {
        let before = self.before;
        let awaited = before.stage == Stage::Validate && before.entered == entered && before.report.is_none();
        if !awaited || matches!(before.status, Status::Failed(_)) {
            return Step::Ignore("no report is awaited");
        }
        let mut server = self.next();
        // A report comes once: while the server is held or waits for another attempt, it is kept for then.
        server.report = Some(report.to_owned());
        if matches!(&before.status, Status::Waiting(Wait { for_: WaitFor::Callback, .. })) {
            self.run_again(&mut server);
        }
        self.commit(server, None)
    }

    fn report_refused(&self, entered: u64, code: &str, problem: &str) -> Step {
        let before = self.before;
        // In any stage: a token that is replayed is news whenever it comes.
        if before.stage == Stage::Retired || before.entered != entered {
            return Step::Ignore("the server has moved on since");
        }
        let mut server = self.next();
        if !server.told.insert(code.to_owned()) {
            return Step::Ignore("it is in the journal already");
        }
        self.commit(server, Some(Note::new(NoteKind::Warning, format!("validate: {code}: {problem}"))))
    }

    fn worker_lost(&self, token: Token, takeovers: u32) -> Step {
        if self.before.outstanding().is_none_or(|command| command.token != token) {
            return Step::Ignore("an earlier attempt");
        }
        let fault = Fault::new(
            "crash-loop",
            Retry::Never,
            crate::Blame::Host,
            format!("{takeovers} workers were lost with this attempt"),
        )
        .hint("read the host's log around the crashes, then `farrier server retry`");
        self.fail(self.next(), &fault)
    }

    fn outcome(&self, token: Token, outcome: &Outcome) -> Step {
        if self.before.outstanding().is_none_or(|command| command.token != token) {
            return Step::Ignore("an outcome of an earlier attempt");
        }
        match outcome {
            Outcome::Done { facts, marks, evidence } => self.done(facts, marks, evidence),
            Outcome::Checkpoint { memo, effect, facts } => self.checkpoint(memo, *effect, facts),
            Outcome::Wait { until, job, memo } => self.wait(*until, job.as_deref(), memo),
            Outcome::Rest => self.rest(),
            Outcome::Failed(fault) => self.failed(fault),
        }
    }
}
