//! What an attempt's outcome means: the next stage, a wait, a retry, a stop.

use std::fmt::Write as _;

use super::{Step, Walk};
use crate::{
    Blame, Facts, Fault, Lease, Mark, Note, NoteKind, Purpose, Retry, Server, Stage, Status, Timestamp, Wait, WaitFor,
};

impl Walk<'_> {
    pub(super) fn done(&self, facts: &Facts, marks: &[(Mark, String)], evidence: &str) -> Step {
        let mut server = self.next();
        server.facts.merge(facts.clone());
        server.marks.retain(|mark, _| mark.stage() != self.before.stage);
        server.marks.extend(marks.iter().cloned());
        let stage = self.after(&mut server);
        self.enter(&mut server, stage);
        let text = self.achieved(&server.facts, marks, evidence);
        self.commit(server, Some(Note::new(NoteKind::Success, text)))
    }

    /// The stage that follows, with what leaving this one changes in the record.
    fn after(&self, server: &mut Server) -> Stage {
        match self.before.stage {
            Stage::Discover => Stage::Validate,
            Stage::Validate => Stage::Update,
            Stage::Update => Stage::Harden,
            Stage::Harden => Stage::Monitor,
            Stage::Monitor => Stage::Assign,
            Stage::Assign | Stage::Service => Stage::Service,
            Stage::Retire => after_retire(server),
            Stage::Retired => Stage::Retired,
        }
    }

    fn achieved(&self, facts: &Facts, marks: &[(Mark, String)], evidence: &str) -> String {
        let mut text = match self.before.stage {
            Stage::Discover => {
                let Lease { mac, ip, .. } = &self.before.lease;
                let assigned = format!("IP address {ip} assigned to interface {}", facts.interface());
                format!("BMC discovered via DHCP - MAC: {mac}, IP: {ip}\n{assigned}\n{evidence}")
            }
            stage => format!("{stage}: {evidence}"),
        };
        for (mark, line) in marks {
            let _ = write!(text, "\n{}: not required by {line}", mark.as_str());
        }
        text
    }

    pub(super) fn checkpoint(&self, memo: &str, effect: bool, facts: &Facts) -> Step {
        let mut server = self.next();
        server.memo = Some(memo.to_owned());
        server.effect |= effect;
        server.facts.merge(facts.clone());
        self.commit(server, None)
    }

    pub(super) fn wait(&self, until: Timestamp, job: Option<&str>, memo: &str) -> Step {
        let mut server = self.next();
        server.memo = Some(memo.to_owned());
        server.failures = 0;
        let for_ = job.map_or(WaitFor::Callback, |job| WaitFor::Job(job.to_owned()));
        if for_ == WaitFor::Callback && server.report.is_some() {
            // The report was quicker than the attempt that asked for it.
            self.run_again(&mut server);
        } else {
            self.set(&mut server, Status::Waiting(Wait { until, for_ }));
        }
        self.commit(server, None)
    }

    pub(super) fn rest(&self) -> Step {
        let mut server = self.next();
        if !self.before.stage.may_rest() {
            let text = format!("the {} stage asked to rest, and may not", self.before.stage);
            return self.fail(server, &Fault::new("host-error", Retry::Never, Blame::Host, text));
        }
        self.set(&mut server, Status::Resting);
        self.commit(server, None)
    }

    pub(super) fn failed(&self, fault: &Fault) -> Step {
        let mut server = self.next();
        if fault.retry == Retry::Never {
            // Judged, and found wanting: the next attempt needs another. After a passing fault the same report is judged again.
            server.report = None;
        }
        if fault.retry == Retry::Slowly {
            return self.try_later(server, fault, self.policy.slow_retry);
        }
        server.failures = server.failures.saturating_add(1);
        if fault.retry == Retry::Never || server.failures >= self.policy.max_failures {
            return self.fail(server, fault);
        }
        let delay = match fault.retry {
            Retry::After(millis) => millis.clamp(1, self.policy.backoff_cap),
            _ => self.backoff(&server),
        };
        self.try_later(server, fault, delay)
    }

    /// Full jitter: anywhere between nothing and the exponential bound, by a hash of id and version.
    fn backoff(&self, server: &Server) -> u64 {
        let doublings = server.failures.saturating_sub(1).min(20);
        let bound = self.policy.backoff_base.saturating_mul(1 << doublings).min(self.policy.backoff_cap).max(1);
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ server.version;
        for byte in server.id.as_str().bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        1 + (hash >> 11) % bound
    }

    fn try_later(&self, mut server: Server, fault: &Fault, delay: u64) -> Step {
        let note = server.told.insert(fault.code.clone()).then(|| {
            let next = if fault.retry == Retry::Slowly { "tried again slowly" } else { "tried again" };
            let text = format!("{}: {fault} ({next})", self.before.stage);
            Note::new(NoteKind::Warning, with_lines(text, fault))
        });
        let until = self.now.plus(delay);
        self.set(&mut server, Status::Waiting(Wait { until, for_: WaitFor::Retry(fault.clone()) }));
        self.commit(server, note)
    }

    pub(super) fn fail(&self, mut server: Server, fault: &Fault) -> Step {
        let text = format!("ERROR: {}: {fault} (blame: {})", self.before.stage, fault.blame.as_str());
        let mut text = with_lines(text, fault);
        if let Some(hint) = &fault.hint {
            let _ = write!(text, "\nNext: {hint}");
        }
        self.set(&mut server, Status::Failed(fault.clone()));
        self.commit(server, Some(Note::new(NoteKind::Danger, text)))
    }
}

/// A note's text with what else the fault has for the journal.
fn with_lines(text: String, fault: &Fault) -> String {
    fault.lines.iter().fold(text, |text, line| format!("{text}\n{line}"))
}

/// The tenant and everything given for the tenant's time is gone; what comes next is what the server was taken back for.
fn after_retire(server: &mut Server) -> Stage {
    server.tenant = None;
    server.order = None;
    server.approvals.clear();
    server.erased_by = None;
    match server.purpose.take() {
        Some(Purpose::Reuse) => {
            server.marks.clear();
            server.wave = None;
            Stage::Discover
        }
        Some(Purpose::Decommission) | None => Stage::Retired,
    }
}
