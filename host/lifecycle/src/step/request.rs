//! What an operator's request means, and what stands against it.

use super::{Refused, Step, Walk};
use crate::{Action, Approval, Hold, Note, NoteKind, Purpose, Request, Stage, Status, Timestamp, Wait, WaitFor};

pub(super) fn refused(code: &'static str, text: impl Into<String>, hint: &'static str) -> Refused {
    Refused { code, text: text.into(), hint }
}

impl Walk<'_> {
    pub(super) fn requested(&self, by: &str, request: &Request) -> Result<Step, Refused> {
        if self.before.stage == Stage::Retired {
            return Err(refused(
                "retired",
                "the server is decommissioned, and stays so",
                "populate it as a new server",
            ));
        }
        match request {
            Request::Retry => self.retry(by),
            Request::Assign { tenant, accept, order } => self.assign(by, tenant, *accept, order.as_deref()),
            Request::Reserve { order, tenant, until, accept } => self.reserve(by, order, tenant, *until, *accept),
            Request::Unreserve { order } => self.unreserve(by, order),
            Request::Release => self.release(by),
            Request::Retire => self.retire(by),
            Request::AttestErased => self.attest_erased(by),
            Request::Hold { reason } => Ok(self.hold(by, reason)),
            Request::Unhold => self.unhold(by),
            Request::Reset => self.reset(by),
            Request::Update { wave } => self.update(by, wave),
            Request::Approve { action, reason, expires } => self.approve(by, *action, reason, *expires),
        }
    }

    pub(super) fn not_held(&self) -> Result<(), Refused> {
        match &self.before.hold {
            None => Ok(()),
            Some(hold) => Err(refused(
                "held",
                format!("the server is held by {}: {}", hold.by, hold.reason),
                "`farrier server hold --off NAME` first",
            )),
        }
    }

    /// The stage begins anew, without its memory. But harden's is kept: what it wrote reads as it should, and only the memory says that the
    /// controller was never restarted for it.
    fn retry(&self, by: &str) -> Result<Step, Refused> {
        self.not_held()?;
        if !matches!(self.before.status, Status::Failed(_) | Status::Waiting(_)) {
            return Err(refused(
                "nothing-to-retry",
                format!("the server is {} in {}", self.before.status.as_str(), self.before.stage),
                "`farrier server why NAME` says what happens next",
            ));
        }
        let mut server = self.next();
        server.failures = 0;
        if self.before.stage != Stage::Harden {
            server.memo = None;
        }
        server.report = None;
        server.told.clear();
        self.run_again(&mut server);
        let note = Note::new(NoteKind::Info, format!("{}: retry requested by {by}", self.before.stage));
        Ok(self.commit(server, Some(note)))
    }

    fn release(&self, by: &str) -> Result<Step, Refused> {
        if self.before.stage != Stage::Service {
            return Err(refused(
                "not-active",
                format!("the server is {}, not active", self.before.lifecycle_state()),
                "only a server in a tenant's hands can be released",
            ));
        }
        self.take_back(by, Purpose::Reuse, "release")
    }

    fn retire(&self, by: &str) -> Result<Step, Refused> {
        if self.before.stage == Stage::Retire {
            return Err(refused("retiring", "the server is being retired already", "`farrier server why NAME`"));
        }
        if self.before.stage == Stage::Service {
            return Err(refused("active", "the server is in a tenant's hands", "`farrier server release NAME` first"));
        }
        self.take_back(by, Purpose::Decommission, "retire")
    }

    fn take_back(&self, by: &str, purpose: Purpose, word: &str) -> Result<Step, Refused> {
        self.not_held()?;
        let mut server = self.next();
        server.purpose = Some(purpose);
        self.enter(&mut server, Stage::Retire);
        Ok(self.commit(server, Some(Note::new(NoteKind::Warning, format!("{word}: requested by {by}")))))
    }

    fn attest_erased(&self, by: &str) -> Result<Step, Refused> {
        self.not_held()?;
        if self.before.stage != Stage::Retire {
            return Err(refused(
                "not-retiring",
                format!("the server is {}, not being released or retired", self.before.lifecycle_state()),
                "`farrier server release NAME` first",
            ));
        }
        let mut server = self.next();
        server.erased_by = Some(by.to_owned());
        server.failures = 0;
        self.run_again(&mut server);
        let note = Note::new(NoteKind::Warning, format!("retire: {by} attests that the drives are erased"));
        Ok(self.commit(server, Some(note)))
    }

    fn hold(&self, by: &str, reason: &str) -> Step {
        let mut server = self.next();
        server.hold = Some(Hold { reason: reason.to_owned(), by: by.to_owned(), at: self.now });
        if !matches!(self.before.status, Status::Failed(_)) {
            // The attempt under way loses its number, so its outcome means nothing (law 5).
            if !self.before.stage.may_rest() || self.before.status != Status::Resting {
                server.attempt = server.attempt.saturating_add(1);
            }
            self.set(&mut server, Status::Resting);
        }
        self.commit(server, Some(Note::new(NoteKind::Warning, format!("held by {by}: {reason}"))))
    }

    fn unhold(&self, by: &str) -> Result<Step, Refused> {
        if self.before.hold.is_none() {
            return Err(refused("not-held", "the server is not held", "nothing to do"));
        }
        let mut server = self.next();
        server.hold = None;
        let idle = matches!(self.before.stage, Stage::Service) || self.rests_unasked();
        if self.before.status == Status::Resting && !idle {
            self.run_again(&mut server);
        }
        Ok(self.commit(server, Some(Note::new(NoteKind::Info, format!("hold ended by {by}")))))
    }

    /// In assign without an order: nothing was interrupted by the hold.
    fn rests_unasked(&self) -> bool {
        self.before.stage == Stage::Assign && self.before.tenant.is_none() && self.before.attempt > 0
    }

    fn reset(&self, by: &str) -> Result<Step, Refused> {
        self.not_held()?;
        if matches!(self.before.stage, Stage::Service | Stage::Retire) {
            return Err(refused(
                "active",
                format!("the server is {}", self.before.lifecycle_state()),
                "a server is reset only out of a tenant's hands: `farrier server release NAME`",
            ));
        }
        let mut server = self.next();
        self.enter(&mut server, Stage::Discover);
        server.attempt = server.attempt.saturating_add(1);
        server.marks.clear();
        server.tenant = None;
        server.order = None;
        server.wave = None;
        server.purpose = None;
        let until = self.now.plus(self.policy.lease_wait);
        self.set(&mut server, Status::Waiting(Wait { until, for_: WaitFor::Lease }));
        Ok(self.commit(server, Some(Note::new(NoteKind::Info, format!("reset to offline by {by}")))))
    }

    fn approve(&self, by: &str, action: Action, reason: &str, expires: Timestamp) -> Result<Step, Refused> {
        if self.before.stage != Stage::Service {
            return Err(refused(
                "not-active",
                format!("the server is {}; only an active server needs an approval", self.before.lifecycle_state()),
                "nothing to do",
            ));
        }
        if expires <= self.now {
            return Err(refused("expired", "the approval would already be over", "give `--expires` a time to come"));
        }
        let mut server = self.next();
        let now = self.now;
        server.approvals.retain(|old| old.action != action && now < old.expires);
        server.approvals.push(Approval {
            action,
            reason: reason.to_owned(),
            by: by.to_owned(),
            expires,
            entered: self.before.entered,
        });
        let text = format!("{action} approved by {by} until {}: {reason}", at(expires));
        Ok(self.commit(server, Some(Note::new(NoteKind::Warning, text))))
    }
}

/// A point in time as people read it, UTC.
pub(super) fn at(time: Timestamp) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| time.0.to_string(), |time| time.to_string())
}
