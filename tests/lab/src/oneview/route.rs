//! Who asks, by which version, and for what.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::Method;
use serde_json::{Value, json};

use super::Versions;
use super::answers::error;
use super::state::State;
use crate::appliance::{Desk, Product};
use crate::redfish::reply::Reply;
use crate::redfish::serve::Ask;

/// An appliance.
pub(super) struct OneView {
    pub(super) desk: Desk,
    versions: Versions,
    state: Mutex<State>,
}

impl Product for OneView {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn is_session(&self, path: &str) -> bool {
        path == "/rest/login-sessions"
    }

    fn busy(&self) -> Reply {
        error(503, "LAB_STARTING", "The appliance is starting.")
    }

    fn answer(&self, ask: &Ask) -> Reply {
        let reply = self.route(ask);
        let effects = std::mem::take(&mut self.state().effects);
        for (kind, detail) in effects {
            self.desk.count(kind, &detail);
        }
        reply
    }
}

impl OneView {
    pub(super) fn new(desk: Desk, versions: Versions) -> Self {
        let state = Mutex::new(State::new(desk.setup.machines.clone()));
        Self { desk, versions, state }
    }

    /// The state, as it is now.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle();
        state
    }

    fn route(&self, ask: &Ask) -> Reply {
        if ask.path == "/rest/version" && ask.method == Method::GET {
            return Reply::json(
                200,
                json!({ "currentVersion": self.versions.current, "minimumVersion": self.versions.minimum }),
            );
        }
        if let Err(reply) = self.version(ask) {
            return reply;
        }
        if ask.path == "/rest/login-sessions" && ask.method == Method::POST {
            return self.login(ask);
        }
        let token = ask.header("auth");
        if !self.desk.admits(ask, token) {
            return error(401, "AUTHORIZATION", "The session is missing, invalid or expired.");
        }
        if ask.path == "/rest/login-sessions" && ask.method == Method::DELETE {
            self.desk.close(|pass| Some(pass.token.as_str()) == token);
            return Reply::none();
        }
        let parts: Vec<&str> = ask.path.trim_start_matches('/').split('/').collect();
        match (ask.method.as_str(), parts.as_slice()) {
            ("GET", ["rest", "server-hardware"]) => self.list_servers(ask),
            ("POST", ["rest", "server-hardware"]) => self.add(ask),
            ("POST", ["rest", "server-hardware", "firmware-compliance"]) => self.compliance(ask),
            ("GET", ["rest", "server-hardware", id]) => self.one_server(ask, id),
            ("DELETE", ["rest", "server-hardware", id]) => self.remove(ask, id),
            ("PATCH", ["rest", "server-hardware", id, "firmware", "settings"]) => self.update(ask, id),
            ("GET", ["rest", "server-profiles", id]) => self.one_profile(ask, id),
            ("PUT", ["rest", "server-profiles", id]) => self.put_profile(ask, id),
            ("GET", ["rest", "firmware-drivers"]) => self.list(ask, &[super::answers::bundle()], &[]),
            ("GET", ["rest", "tasks"]) => self.list_tasks(ask),
            ("GET", ["rest", "tasks", id]) => self.one_task(ask, id),
            _ => self.wrong(ask, 404, "LAB_NO_SUCH_PATH", "unknown path or method"),
        }
    }

    /// A violation and its answer.
    pub(super) fn wrong(&self, ask: &Ask, status: u16, code: &str, text: &str) -> Reply {
        self.desk.violation(format!("{} {}: {text}", ask.method, ask.path));
        error(status, code, text)
    }

    fn version(&self, ask: &Ask) -> Result<(), Reply> {
        let Some(text) = ask.header("x-api-version") else {
            return Err(self.wrong(ask, 400, "LAB_API_VERSION", "no X-API-Version"));
        };
        match text.parse::<u32>() {
            Ok(number) if (self.versions.minimum..=self.versions.current).contains(&number) => Ok(()),
            _ => Err(self.wrong(ask, 404, "LAB_API_VERSION", "an X-API-Version the appliance does not speak")),
        }
    }

    fn login(&self, ask: &Ask) -> Reply {
        let Some(body) = self.desk.json(ask) else { return error(400, "LAB_BODY", "The body is not JSON.") };
        if self.keys(ask, &body, &["userName", "password", "authLoginDomain", "loginMsgAck"]).is_some()
            || body.get("loginMsgAck") != Some(&Value::Bool(true))
        {
            return self.wrong(ask, 403, "LAB_LOGIN_MESSAGE", "the login message is not acknowledged");
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        if !self.desk.check(text("userName"), text("password")) {
            return error(400, "AUTHN_AUTH_FAIL", "Invalid username or password or directory.");
        }
        match self.desk.open() {
            Some(pass) => Reply::json(200, json!({ "sessionID": pass.token, "partnerData": {} })),
            None => error(503, "LAB_SESSIONS", "There are too many sessions."),
        }
    }

    /// A violation where an object has a key that is not in the list.
    pub(super) fn keys(&self, ask: &Ask, body: &Value, known: &[&str]) -> Option<Reply> {
        let unknown = body.as_object()?.keys().find(|key| !known.contains(&key.as_str()))?;
        Some(self.wrong(ask, 400, "LAB_UNKNOWN_KEY", &format!("unknown key `{unknown}`")))
    }
}
