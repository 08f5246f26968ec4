//! One controller: faults first, then the path, then who asks, then what is asked.
//!
//! Promises that a request no correct client would send (an unknown path or method, broken JSON, no
//! credentials) is answered as the vendor does and kept as a violation. Wrong credentials are counted, not
//! violations: an operator's mistake, not a client's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hyper::Method;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::config::{BmcConfig, BmcEvent, EventKind, Hooks, Kind};
use super::hardware::Broken;
use super::profile::{ACCOUNTS, JOBS, Profile, SESSIONS, TASKS};
use super::reply::Reply;
use super::resource::key;
use super::serve::{Ask, Outcome};
use super::state::State;
use super::traffic::Traffic;
use crate::ledger::{Kind as Count, Ledger};

/// What all tasks of a controller share.
pub(super) struct Bmc {
    pub(super) config: BmcConfig,
    pub(super) profile: &'static Profile,
    pub(super) ledger: Ledger,
    pub(super) hooks: Hooks,
    pub(super) stop: CancellationToken,
    pub(super) traffic: Traffic,
    state: Mutex<State>,
}

impl Bmc {
    /// A controller with its first state.
    pub(super) fn new(
        config: BmcConfig,
        profile: &'static Profile,
        ledger: Ledger,
        hooks: Hooks,
        state: State,
    ) -> Self {
        Self {
            config,
            profile,
            ledger,
            hooks,
            stop: CancellationToken::new(),
            traffic: Traffic::default(),
            state: Mutex::new(state),
        }
    }

    /// The state; never hold it across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The vendor.
    pub(super) fn kind(&self) -> Kind {
        self.config.kind
    }

    /// Count an effect of this server.
    pub(super) fn count(&self, kind: Count, detail: &str) {
        self.ledger.count(&self.config.name, kind, detail);
    }

    /// Keep what a correct client would not have done.
    pub(super) fn violation(&self, text: impl Into<String>) {
        self.ledger.violation(&self.config.name, text);
    }

    /// Tell the estate.
    pub(super) fn emit(&self, kind: EventKind) {
        if let Some(hooks) = &self.hooks {
            // A closed channel means nobody listens any more, which is allowed.
            let _ = hooks.send(BmcEvent { server: self.config.name.clone(), kind });
        }
    }

    /// Answer one request.
    pub(super) async fn handle(self: Arc<Self>, ask: Ask) -> Outcome {
        let _inside = self.traffic.enter();
        let delay = self.config.timing.latency + self.state().faults.slow;
        // Half on the way in and half on the way out: a client that dies in the second half never learns of its effect.
        if !delay.is_zero() {
            tokio::time::sleep(delay / 2).await;
        }
        self.note(&ask);
        if let Some(outcome) = self.fault(&ask) {
            return outcome;
        }
        let reply = self.route(&ask);
        if !delay.is_zero() {
            tokio::time::sleep(delay / 2).await;
        }
        if State::spend(&mut self.state().faults.truncate) { Outcome::Cut(reply) } else { Outcome::Answer(reply) }
    }

    fn note(&self, ask: &Ask) {
        let reading = matches!(ask.method, Method::GET | Method::HEAD);
        let session = key(&ask.path).starts_with(&key(SESSIONS));
        if reading || (session && matches!(ask.method, Method::POST | Method::DELETE)) {
            return;
        }
        self.state().writes += 1;
        self.count(Count::Write, &format!("{} {}", ask.method, ask.path));
    }

    fn fault(&self, ask: &Ask) -> Option<Outcome> {
        let mut state = self.state();
        let now = Instant::now();
        let away = state.away_until.is_some_and(|until| now < until);
        let blocked = state.blocked.get(&ask.peer.ip()).is_some_and(|until| now < *until);
        let silent = state.hardware.broken.contains(&Broken::Silent);
        if away || blocked || silent || State::spend(&mut state.faults.drop) {
            return Some(Outcome::Drop);
        }
        if let Some((after, left)) = &mut state.faults.busy
            && State::spend(left)
        {
            let reply = Reply::refuse_base(self.kind(), 503, "ServiceTemporarilyUnavailable", &[&after.to_string()]);
            return Some(Outcome::Answer(reply.header("Retry-After", after.to_string())));
        }
        if let Some((status, left)) = &mut state.faults.error
            && State::spend(left)
        {
            return Some(Outcome::Answer(Reply::refuse_base(self.kind(), *status, "InternalError", &[])));
        }
        None
    }

    fn route(self: &Arc<Self>, ask: &Ask) -> Reply {
        let odd = ["..", "//", "%2f", "%2e", "\\"].iter().any(|part| ask.path.to_ascii_lowercase().contains(part));
        if !odd && let Some(reply) = self.push(ask, &key(&ask.path)) {
            return reply;
        }
        if odd || !key(&ask.path).starts_with("/redfish") {
            return self.missing(ask);
        }
        let at = key(&ask.path);
        let sessions = key(SESSIONS);
        if at == sessions && ask.method == Method::POST {
            return self.login(ask);
        }
        let open = matches!(at.as_str(), "/redfish" | "/redfish/v1");
        let anonymous = open && ask.header("authorization").is_none() && ask.header("x-auth-token").is_none();
        if !(anonymous && matches!(ask.method, Method::GET | Method::HEAD))
            && let Err(reply) = self.admit(ask)
        {
            return reply;
        }
        match ask.method {
            Method::GET | Method::HEAD => self.read(ask),
            Method::PATCH => self.patch(ask),
            Method::POST => self.post(ask, &at),
            Method::DELETE => self.delete(ask, &at),
            _ => self.bad_method(ask),
        }
    }

    fn post(self: &Arc<Self>, ask: &Ask, at: &str) -> Reply {
        let json = match self.json(ask) {
            Ok(json) => json,
            Err(reply) => return reply,
        };
        if at == key(ACCOUNTS) && !self.profile.account_slots {
            return self.create_account(&json);
        }
        if at == key(JOBS) && self.kind() == Kind::DellIdrac9 {
            return self.create_job(&json);
        }
        if at.contains("/actions/") {
            return self.act(ask, at, &json);
        }
        self.bad_method(ask)
    }

    fn delete(&self, ask: &Ask, at: &str) -> Reply {
        let child =
            |parent: &str| at.strip_prefix(&key(parent)).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
        if let Some(id) = child(SESSIONS) {
            return self.logout(ask, &id);
        }
        if let Some(id) = child(ACCOUNTS)
            && !self.profile.account_slots
        {
            return self.delete_account(ask, &id);
        }
        if let Some(id) = child(JOBS).or_else(|| child(TASKS)) {
            return self.delete_job(ask, &id);
        }
        self.bad_method(ask)
    }

    /// The body as a JSON object; an empty body is allowed only where the vendor allows it.
    pub(super) fn json(&self, ask: &Ask) -> Result<Value, Reply> {
        if !ask.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            self.violation(format!("{} {}: the body is not said to be JSON", ask.method, ask.path));
            return Err(Reply::refuse_base(self.kind(), 415, "GeneralError", &[]));
        }
        if let Ok(value @ Value::Object(_)) = serde_json::from_slice::<Value>(&ask.body) {
            return Ok(value);
        }
        self.violation(format!("{} {}: the body is not a JSON object", ask.method, ask.path));
        Err(Reply::refuse_base(self.kind(), 400, "MalformedJSON", &[]))
    }

    /// 404, kept as a violation.
    pub(super) fn missing(&self, ask: &Ask) -> Reply {
        self.violation(format!("{} {}: no such resource", ask.method, ask.path));
        self.absent(&ask.path)
    }

    /// 404 for something that once was or may come: a finished task, a closed session.
    pub(super) fn absent(&self, path: &str) -> Reply {
        let name = if matches!(self.kind(), Kind::HpeIlo5 | Kind::HpeIlo6) {
            "ResourceMissingAtURI"
        } else {
            "ResourceNotFound"
        };
        Reply::refuse_base(self.kind(), 404, name, &[path])
    }

    /// 405, kept as a violation; 404 when the path is unknown as well.
    pub(super) fn bad_method(&self, ask: &Ask) -> Reply {
        let at = key(&ask.path);
        if !self.state().resources.contains_key(&at) && !at.contains("/actions/") {
            return self.missing(ask);
        }
        self.violation(format!("{} {}: the method is not supported here", ask.method, ask.path));
        Reply::refuse_base(self.kind(), 405, "OperationNotAllowed", &[]).header("Allow", "GET, HEAD")
    }
}
