//! One remote system and one way to log in to it: what a call is lent.
//!
//! Promises, for each request: its turn, a login if there is none, the guard if it is not GET or HEAD, redirects on the same
//! origin only, one new login when a session ran out, and an answer without secrets.
//!
//! Not obvious: the guard is asked after the wait and the login, right before the request, and again for each hop, because
//! the server may become active in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::ACCEPT_ENCODING;
use tokio::sync::Mutex;

use super::images::{Images, Upload};
use super::line::{Answer, Line, OutBody, Outgoing};
use super::login::{self, Pass};
use super::mask::{mask, mask_text};
use super::request::{self, Granted};
use super::secrets::Secrets;
use super::{Login, Target, check};
use crate::egress::{Denied, Gate};
use crate::fault::Secret;
use crate::plugin::wit::http::{Blob, Body, HttpError, Method, Request, Response, TextOrSecret};
use crate::plugin::wit::metadata::AuthScheme;

const REDIRECTS: u32 = 3;
/// A logout must not hold up the end of the process.
const LOGOUT: Duration = Duration::from_secs(3);
/// Until a controller without a free session may have one, milliseconds.
const NO_SESSION: u32 = 30_000;
/// Session tokens and the like: the endpoint's own, never a plugin's.
const KEPT_BACK: [&str; 5] = ["set-cookie", "x-auth-token", "authorization", "www-authenticate", "connection"];

/// A POST to exactly one of these paths.
fn is_question(request: &Outgoing, questions: &[String]) -> bool {
    let (path, plain) = (request.url.path(), request.url.query().is_none());
    plain && request.method == reqwest::Method::POST && questions.iter().any(|question| question == path)
}

/// How one caller uses an endpoint.
pub struct Exchange<'a> {
    /// Asked before each request that is not GET or HEAD.
    pub gate: &'a Gate,
    /// What may be put into requests.
    pub secrets: &'a Secrets,
    /// Firmware images that may be sent.
    pub images: &'a Images,
    /// When the caller must be done.
    pub deadline: Instant,
    /// Paths whose POST only asks; the configuration names them, never a plugin.
    pub questions: &'a [String],
}

/// An answer to [`Endpoint::forward`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Its status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why a request was not answered, with what the guard said if it was the guard.
#[derive(Debug)]
pub struct Failure {
    /// In the contract's words.
    pub error: HttpError,
    /// The guard's own.
    pub denied: Option<Denied>,
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self { error, denied: None }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self { error: HttpError::Denied(format!("{}: {denied}", denied.code())), denied: Some(denied) }
    }
}

/// See the module.
pub struct Endpoint {
    line: Arc<Line>,
    scheme: AuthScheme,
    login: Option<Login>,
    pass: Mutex<Option<Pass>>,
}

impl Endpoint {
    pub(super) fn new(line: Arc<Line>, target: &Target) -> Self {
        Self { line, scheme: target.auth.clone(), login: target.login.clone(), pass: Mutex::default() }
    }

    /// The same way to log in?
    pub(super) fn serves(&self, target: &Target) -> bool {
        let same = match (&self.login, &target.login) {
            (Some(ours), Some(theirs)) => {
                ours.username == theirs.username && ours.password.expose() == theirs.password.expose()
            }
            (None, None) => true,
            _ => false,
        };
        same && self.scheme == target.auth
    }

    /// Scheme, address and port.
    pub fn origin(&self) -> &url::Url {
        &self.line.origin
    }

    /// The Redfish service root, read without a login, for choosing a driver. `None`: the system has none now.
    pub async fn probe_service_root(&self, timeout: Duration) -> Result<Option<serde_json::Value>, HttpError> {
        let deadline = Instant::now() + timeout;
        let _turn = self.line.turn(deadline).await?;
        login::root(&self.line, deadline).await
    }

    /// Send a plugin's request.
    pub async fn send(&self, request: &Request, exchange: &Exchange<'_>) -> Result<Response, Failure> {
        let mut path = request.path.clone();
        check::path(&self.line.origin, &path).map_err(HttpError::Denied)?;
        let _turn = self.line.turn(exchange.deadline).await?;
        let mut pass = self.pass.lock().await;
        let (mut hops, mut renewed) = (0, false);
        loop {
            self.ensure(&mut pass, exchange.deadline).await?;
            self.session_or_wait(&mut pass, request)?;
            let url = check::path(&self.line.origin, &path).map_err(HttpError::Denied)?;
            let token = pass.as_ref().and_then(|pass| pass.token.as_ref());
            let granted = Granted { secrets: exchange.secrets, images: exchange.images, session: token };
            let mut outgoing = request::outgoing(request, url, &granted).map_err(HttpError::Denied)?;
            if let Some(pass) = pass.as_ref() {
                pass.apply(&mut outgoing.headers)?;
            }
            let mut answer = self.guarded(&outgoing, request.timeout, exchange).await?;
            // Some controllers do not give everything uncoded, and may where nothing is said of codings.
            if answer.status == 406
                && outgoing.method.is_safe()
                && outgoing.headers.remove(ACCEPT_ENCODING).is_some()
                && let Ok(unasked) = self.guarded(&outgoing, request.timeout, exchange).await
                && check::coding(&unasked.headers).is_none()
            {
                answer = unasked;
            }
            if answer.status == 401 && pass.is_some() {
                self.let_out(&mut pass, &mut renewed)?;
                continue;
            }
            if hops < REDIRECTS
                && let Some(next) = self.redirect(&outgoing, &answer)?
            {
                (hops, path) = (hops + 1, next);
                continue;
            }
            if let Some(coding) = check::coding(&answer.headers).filter(|_| !answer.body.is_empty()) {
                let text = format!("the answer is coded (`{}`), which was not asked for", coding.escape_debug());
                return Err(HttpError::Unreachable(text).into());
            }
            let token = pass.as_ref().and_then(|pass| pass.token.as_ref());
            return Ok(self.clean(&outgoing, answer, exchange.secrets, token));
        }
    }

    /// The guard, then the request. An image's upload is guarded for an ordinary request's time; it asks again by itself.
    async fn guarded(
        &self,
        outgoing: &Outgoing,
        asked: Option<u32>,
        exchange: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        let ordinary = self.line.allowance(asked, exchange.deadline);
        let allowance = match outgoing.images().map(|upload| upload.length).sum() {
            0 => ordinary,
            bytes => self.line.upload_allowance(asked, bytes, exchange.deadline),
        };
        let problem = || outgoing.images().find_map(Upload::problem);
        let look = outgoing.method.is_safe() || is_question(outgoing, exchange.questions);
        exchange.gate.pass(look, ordinary).await?;
        if let Some(denied) = problem() {
            return Err(denied.into());
        }
        match self.line.exchange(outgoing, exchange.gate, allowance, exchange.deadline).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(problem().map_or_else(|| error.into(), Failure::from)),
        }
    }

    /// Carry an HTTP request of another program here: the loopback door of a playbook. Headers that belong to its own
    /// connection and login are left out, not refused; `body`'s type is in `headers`.
    pub async fn forward(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
        exchange: &Exchange<'_>,
    ) -> Result<Forwarded, Failure> {
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            other => return Err(HttpError::Denied(format!("the method `{other}` is not forwarded")).into()),
        };
        let named = |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let content_type = named("content-type").map_or("application/json", |(_, value)| value).to_owned();
        let own = |name: &str| name.eq_ignore_ascii_case("content-type") || check::header(name, false).is_err();
        let passed = headers.iter().filter(|(name, _)| !own(name));
        let request = Request {
            method,
            path: path.to_owned(),
            headers: passed.map(|(name, value)| (name.clone(), TextOrSecret::Text(value.clone()))).collect(),
            body: if body.is_empty() { Body::None } else { Body::Bytes(Blob { content_type, data: body }) },
            timeout: None,
        };
        let Response { status, headers, body } = self.send(&request, exchange).await?;
        Ok(Forwarded { status, headers, body })
    }

    /// End the session, if there is one.
    pub async fn logout(&self) {
        let deadline = Instant::now() + LOGOUT;
        let Ok(_turn) = self.line.turn(deadline).await else { return };
        let Some(pass) = self.pass.lock().await.take() else { return };
        let Some(path) = &pass.logout else { return };
        let Ok(url) = check::path(&self.line.origin, path) else { return };
        let mut headers = request::base_headers();
        if pass.apply(&mut headers).is_ok() {
            let request = Outgoing { method: reqwest::Method::DELETE, url, headers, body: OutBody::Empty };
            if let Err(error) = self.line.own(&request, deadline).await {
                tracing::debug!(origin = %self.line.origin, ?error, "logout failed; the session ends by itself");
            }
        }
    }

    async fn ensure(&self, pass: &mut Option<Pass>, deadline: Instant) -> Result<(), HttpError> {
        if let Some(until) = pass.as_ref().and_then(|pass| pass.until)
            && until <= Instant::now()
        {
            *pass = None;
        }
        match &self.login {
            Some(login) if self.line.refused(login) => Err(HttpError::Unauthenticated),
            Some(login) if pass.is_none() && self.scheme != AuthScheme::None => {
                *pass = Some(login::log_in(&self.line, &self.scheme, login, deadline).await?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Where a request needs the session itself, basic authentication in its place does not help: a session is asked for again
    /// later.
    fn session_or_wait(&self, pass: &mut Option<Pass>, request: &Request) -> Result<(), HttpError> {
        let without =
            self.scheme == AuthScheme::RedfishSession && pass.as_ref().is_some_and(|pass| pass.token.is_none());
        if !(without && request::wants_session(request)) {
            return Ok(());
        }
        *pass = None;
        Err(HttpError::Throttled(NO_SESSION))
    }

    /// A 401: a session that ran out is begun again once; anything else means that the credentials are wrong.
    fn let_out(&self, pass: &mut Option<Pass>, renewed: &mut bool) -> Result<(), HttpError> {
        let renewable = pass.take().is_some_and(|pass| pass.renewable);
        if renewable && !*renewed {
            *renewed = true;
            return Ok(());
        }
        match &self.login {
            Some(login) => Err(login::refuse(&self.line, login)),
            None => Err(HttpError::Unauthenticated),
        }
    }

    /// Where to go on, if the answer says so and we may: any redirect for GET and HEAD, 307 and 308 for the others.
    fn redirect(&self, request: &Outgoing, answer: &Answer) -> Result<Option<String>, HttpError> {
        let follows = match answer.status {
            307 | 308 => true,
            301..=303 => request.method.is_safe(),
            _ => false,
        };
        let Some(location) = answer.header("location").filter(|_| follows) else { return Ok(None) };
        match check::same_origin(&self.line.origin, &request.url, location) {
            Some(path) => Ok(Some(path)),
            None => Err(HttpError::Denied("the controller redirects to another origin".to_owned())),
        }
    }

    fn clean(&self, request: &Outgoing, answer: Answer, secrets: &Secrets, token: Option<&Secret>) -> Response {
        let own = self.login.as_ref().map(|login| login::echoes(&self.scheme, login)).unwrap_or_default();
        let masked = || secrets.all().chain(token).chain(&own);
        let mut headers = Vec::with_capacity(answer.headers.len());
        for (name, value) in &answer.headers {
            if KEPT_BACK.contains(&name.as_str()) {
                continue;
            }
            let mut value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            // A plugin has no use for the address and could not ask for it.
            if name == "location"
                && let Some(path) = check::same_origin(&self.line.origin, &request.url, &value)
            {
                value = path;
            }
            headers.push((name.as_str().to_owned(), mask_text(value, masked())));
        }
        Response { status: answer.status, headers, body: mask(answer.body, masked()) }
    }
}
