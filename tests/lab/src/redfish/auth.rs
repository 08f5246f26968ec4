//! Who asks: sessions, Basic, and what wrong passwords lead to.
//!
//! Promises each vendor's login refusal, session pool and lockout. Every refused login is counted; a request
//! without any credentials to a protected resource is a violation, one with an expired token is not.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::bmc::Bmc;
use super::config::Kind;
use super::profile::{Lockout, SESSIONS};
use super::reply::{Message, Reply};
use super::resource::at;
use super::serve::Ask;
use super::state::{Session, State};
use super::template::token;
use crate::ledger::Kind as Count;

impl Bmc {
    /// Let a known caller through, or answer 401.
    pub(super) fn admit(&self, ask: &Ask) -> Result<(), Reply> {
        if let Some(token) = ask.header("x-auth-token") {
            return self.by_token(ask, token);
        }
        let basic = ask.header("authorization").and_then(|value| value.strip_prefix("Basic "));
        let Some((username, password)) = basic.and_then(decode) else {
            self.violation(format!("{} {}: no credentials", ask.method, ask.path));
            return Err(self.unauthorized());
        };
        if self.check(&username, &password, ask.peer.ip()) {
            return Ok(());
        }
        self.count(Count::LoginRefused, "basic");
        Err(self.unauthorized())
    }

    fn by_token(&self, ask: &Ask, token: &str) -> Result<(), Reply> {
        let idle = self.idle_limit();
        let mut state = self.state();
        expire(&mut state, idle);
        if let Some(session) = state.sessions.iter_mut().find(|session| session.token == token) {
            session.last_used = Instant::now();
            return Ok(());
        }
        let once = state.old_tokens.contains(token);
        drop(state);
        if !once {
            self.violation(format!("{} {}: a token that never was", ask.method, ask.path));
        }
        Err(self.unauthorized())
    }

    /// 401 as the vendor says it. HPE does not advertise Basic.
    fn unauthorized(&self) -> Reply {
        let kind = self.kind();
        let name = match kind {
            Kind::DellIdrac9 | Kind::SupermicroX13 => "AccessDenied",
            Kind::Generic => "ResourceAtUriUnauthorized",
            Kind::HpeIlo5 | Kind::HpeIlo6 => return Reply::refuse_base(kind, 401, "NoValidSession", &[]),
        };
        Reply::refuse_base(kind, 401, name, &[]).header("WWW-Authenticate", "Basic realm=\"RedfishService\"")
    }

    /// Whether a user may log in, with the vendor's lockout.
    fn check(&self, username: &str, password: &str, from: IpAddr) -> bool {
        let wait = |seconds: u64| self.config.timing.lockout.unwrap_or(Duration::from_secs(seconds));
        let mut state = self.state();
        let now = Instant::now();
        let wrong = state.faults.wrong_password && password == self.config.password;
        let account = state.accounts.values_mut().find(|account| !username.is_empty() && account.username == username);
        let locked = account.as_ref().is_some_and(|account| account.locked_until.is_some_and(|until| now < until));
        let good = !wrong && account.as_ref().is_some_and(|account| account.enabled && account.password == password);
        if let (Lockout::Account(limit, seconds), Some(account)) = (self.profile.lockout, account) {
            if good && !locked {
                account.failures = 0;
            } else if !locked {
                account.failures += 1;
                if account.failures >= limit {
                    account.failures = 0;
                    account.locked_until = Some(now + wait(seconds));
                }
            }
        }
        if let Lockout::Source(limit, seconds) = self.profile.lockout {
            let strikes = state.strikes.entry(from).or_default();
            *strikes = if good { 0 } else { *strikes + 1 };
            if *strikes >= limit {
                *strikes = 0;
                state.blocked.insert(from, now + wait(seconds));
            }
        }
        good && !locked
    }

    /// `POST` to the sessions collection.
    pub(super) fn login(&self, ask: &Ask) -> Reply {
        let json = match self.json(ask) {
            Ok(json) => json,
            Err(reply) => return reply,
        };
        let field = |name: &str| json.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let (Some(username), Some(password)) = (field("UserName"), field("Password")) else {
            self.violation("login without UserName and Password");
            return Reply::refuse_base(self.kind(), 400, "PropertyMissing", &["UserName"]);
        };
        if !self.check(&username, &password, ask.peer.ip()) {
            self.count(Count::LoginRefused, "session");
            let (status, id) = self.profile.bad_login;
            return Reply::refuse(self.kind(), status, &[Message::full(id, &[])]);
        }
        let idle = self.idle_limit();
        let mut state = self.state();
        expire(&mut state, idle);
        if state.faults.pool_full || state.sessions.len() >= self.profile.session_limit {
            return Reply::refuse(self.kind(), 503, &[Message::full(self.profile.pool_full, &[])]);
        }
        let session = self.new_session(&mut state, &username);
        let body = super::read::dynamic(&state, self.kind(), "session", &session.id);
        drop(state);
        self.count(Count::Login, "session");
        let path = format!("{SESSIONS}/{}", session.id);
        let host = ask.header("host").map_or_else(|| self.config.listen.to_string(), str::to_owned);
        let location = if self.profile.absolute_location { format!("https://{host}{path}/") } else { path };
        Reply::json(201, body.unwrap_or_else(|| json!({})))
            .header("X-Auth-Token", session.token)
            .header("Location", location)
    }

    fn new_session(&self, state: &mut State, username: &str) -> Session {
        let number = state.serial();
        let secret = token(self.config.seed, &format!("session {number} {}", self.config.name), 32);
        let id = match self.kind() {
            Kind::HpeIlo5 | Kind::HpeIlo6 => format!("{}{:016x}", username.to_lowercase(), number),
            _ => number.to_string(),
        };
        let session = Session { id, token: secret, username: username.to_owned(), last_used: Instant::now() };
        state.old_tokens.insert(session.token.clone());
        state.sessions.push(session.clone());
        session
    }

    /// `DELETE` of a session. One that is gone already is answered 404 without blame.
    pub(super) fn logout(&self, ask: &Ask, id: &str) -> Reply {
        let mut state = self.state();
        let before = state.sessions.len();
        state.sessions.retain(|session| !session.id.eq_ignore_ascii_case(id));
        let found = state.sessions.len() < before;
        drop(state);
        if found { Reply::done(self.kind(), None, None) } else { self.absent(&ask.path) }
    }

    /// After how much idle time a session ends, from the setting the vendor keeps it in.
    fn idle_limit(&self) -> Duration {
        let (resource, path, unit) = match self.kind() {
            Kind::HpeIlo5 | Kind::HpeIlo6 => (self.profile.manager, "Oem/Hpe/IdleConnectionTimeoutMinutes", 60),
            Kind::DellIdrac9 => (
                "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/DellAttributes/iDRAC.Embedded.1",
                "Attributes/WebServer.1.Timeout",
                1,
            ),
            _ => ("/redfish/v1/SessionService", "SessionTimeout", 1),
        };
        let state = self.state();
        let body = state.resources.get(&super::resource::key(resource)).map(super::resource::Resource::body);
        let number = body.as_ref().and_then(|body| at(body, path)).and_then(serde_json::Value::as_u64);
        Duration::from_secs(number.unwrap_or(1800).max(1) * unit)
    }
}

fn expire(state: &mut State, idle: Duration) {
    let now = Instant::now();
    state.sessions.retain(|session| now.duration_since(session.last_used) < idle);
}

/// `user:password` from the Basic header.
pub(crate) fn decode(encoded: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}
