//! Sessions and planted faults of one appliance.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Fault, Setup};
use crate::ledger::{Kind as Count, Ledger};
use crate::redfish::serve::Ask;
use crate::redfish::tls::Tls;

/// A session's id and token.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    pub(crate) id: String,
    pub(crate) token: String,
}

struct Session {
    pass: Pass,
    used: Instant,
}

#[derive(Default)]
struct Planted {
    busy: Option<(u32, u32)>,
    slow: Duration,
    lose: u32,
    fails: Option<(String, u32)>,
    lies: u32,
}

#[derive(Default)]
struct Sessions {
    open: Vec<Session>,
    /// Every token that ever was: an old one is no violation.
    issued: BTreeSet<String>,
}

/// What both tools keep beside their own state.
pub(crate) struct Desk {
    pub(crate) setup: Setup,
    pub(crate) ledger: Ledger,
    pub(crate) stop: CancellationToken,
    pub(super) tls: Arc<Tls>,
    planted: Mutex<Planted>,
    sessions: Mutex<Sessions>,
}

/// One less, if there was one.
pub(crate) fn spend(left: &mut u32) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

impl Desk {
    pub(super) fn new(setup: Setup, ledger: Ledger) -> Self {
        let (stop, tls) = (CancellationToken::new(), Arc::default());
        Self { setup, ledger, stop, tls, planted: Mutex::default(), sessions: Mutex::default() }
    }

    /// The certificate the appliance shows, as PEM.
    ///
    /// # Errors
    /// When none can be made.
    pub(crate) fn certificate(&self) -> std::io::Result<String> {
        self.tls.certificate(self.setup.listen, &self.setup.name).map_err(std::io::Error::other)
    }

    fn planted(&self) -> MutexGuard<'_, Planted> {
        self.planted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plant a fault; `Purge` is the product's.
    pub(crate) fn plant(&self, fault: Fault) {
        let mut planted = self.planted();
        match fault {
            Fault::Busy { after, times } => planted.busy = Some((after, times)),
            Fault::Slow(by) => planted.slow = by,
            Fault::LoseAnswer(times) => planted.lose = times,
            Fault::WorkFails { code, times } => planted.fails = Some((code, times)),
            Fault::WorkLies(times) => planted.lies = times,
            Fault::SessionsLost => self.sessions().open.clear(),
            Fault::Purge => {}
        }
    }

    pub(super) fn delay(&self) -> Duration {
        self.planted().slow
    }

    pub(super) fn is_busy(&self) -> Option<u32> {
        let mut planted = self.planted();
        let (after, times) = planted.busy.as_mut()?;
        let after = *after;
        spend(times).then_some(after)
    }

    pub(super) fn loses_answer(&self) -> bool {
        spend(&mut self.planted().lose)
    }

    /// The code the next work fails with.
    pub(crate) fn failing(&self) -> Option<String> {
        let mut planted = self.planted();
        let (code, times) = planted.fails.as_mut()?;
        let code = code.clone();
        spend(times).then_some(code)
    }

    /// Whether the next work says it failed and did not.
    pub(crate) fn lying(&self) -> bool {
        spend(&mut self.planted().lies)
    }

    /// Count an effect.
    pub(crate) fn count(&self, kind: Count, detail: &str) {
        self.ledger.count(&self.setup.name, kind, detail);
    }

    /// Keep what a correct client would not have done.
    pub(crate) fn violation(&self, text: impl Into<String>) {
        self.ledger.violation(&self.setup.name, text);
    }

    /// The body as JSON; a violation where it is none or holds what only the host may have put in its place.
    pub(crate) fn json(&self, ask: &Ask) -> Option<Value> {
        let text = String::from_utf8_lossy(&ask.body);
        if text.contains("$secret") || text.contains("$json") || text.contains("********") {
            self.violation(format!("{} {}: a secret's place and not the secret", ask.method, ask.path));
        }
        let value = serde_json::from_slice(&ask.body).ok();
        if value.is_none() {
            self.violation(format!("{} {}: the body is not JSON", ask.method, ask.path));
        }
        value
    }

    /// Whether these are the account's credentials; counted either way.
    pub(crate) fn check(&self, username: Option<&str>, password: Option<&str>) -> bool {
        let good = username == Some(self.setup.username.as_str()) && password == Some(self.setup.password.as_str());
        self.count(if good { Count::Login } else { Count::LoginRefused }, "");
        good
    }

    /// A new session; `None`, and a violation, where there are too many.
    pub(crate) fn open(&self) -> Option<Pass> {
        let mut sessions = self.sessions();
        let life = self.setup.session_life;
        sessions.open.retain(|session| session.used.elapsed() < life);
        if sessions.open.len() >= self.setup.sessions {
            drop(sessions);
            self.violation(format!("more than {} sessions at once", self.setup.sessions));
            return None;
        }
        let mut dice = rand::rng();
        let pass =
            Pass { id: format!("{:032x}", dice.random::<u128>()), token: format!("{:032x}", dice.random::<u128>()) };
        sessions.issued.insert(pass.token.clone());
        sessions.open.push(Session { pass: pass.clone(), used: Instant::now() });
        Some(pass)
    }

    /// Whether a token's session is open; a token that never was, or none, is a violation.
    pub(crate) fn admits(&self, ask: &Ask, token: Option<&str>) -> bool {
        let Some(token) = token else {
            self.violation(format!("{} {}: no credentials", ask.method, ask.path));
            return false;
        };
        let mut sessions = self.sessions();
        let life = self.setup.session_life;
        sessions.open.retain(|session| session.used.elapsed() < life);
        if let Some(session) = sessions.open.iter_mut().find(|session| session.pass.token == token) {
            session.used = Instant::now();
            return true;
        }
        let known = sessions.issued.contains(token);
        drop(sessions);
        if !known {
            self.violation(format!("{} {}: a token that never was", ask.method, ask.path));
        }
        false
    }

    /// End the sessions this holds of.
    pub(crate) fn close(&self, which: impl Fn(&Pass) -> bool) -> bool {
        let mut sessions = self.sessions();
        let before = sessions.open.len();
        sessions.open.retain(|session| !which(&session.pass));
        sessions.open.len() < before
    }

    /// Sessions open now.
    pub(crate) fn opened(&self) -> usize {
        let life = self.setup.session_life;
        self.sessions().open.iter().filter(|session| session.used.elapsed() < life).count()
    }
}
