//! A simulated Jira: Cloud (API v3) or Data Center (API v2), strict and in memory.
//!
//! Promises: written from the facts and the documented shapes, never from the plugin; each flavour answers its own API and
//! refuses the other's; rich text is checked node by node (Cloud) or must be text (Data Center); a workflow whose
//! transitions and numbers depend on the status, with a screen that demands a resolution; an index that lags. Every
//! request a correct client would not send is a violation in the ledger: an unknown path, a wrong login, an invalid
//! document, a second open issue with the same label, a request before the `Retry-After` is over.

mod adf;
mod answers;
mod search;
mod workflow;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use adf::problem as document_problem;
pub use workflow::Category;

use crate::ledger::{Kind, Ledger};
use crate::web::{Ask, Handler, Outcome, Reply, serve};

/// The name Jira has in the ledger.
pub const SYSTEM: &str = "jira";

/// Which Jira.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `x.atlassian.net`: basic authentication with a mail address and an API token.
    Cloud,
    /// Data Center: a personal access token.
    DataCenter,
}

/// What a simulated Jira starts with.
#[derive(Clone, Debug)]
pub struct JiraConfig {
    /// Which it is.
    pub flavour: Flavour,
    /// Where it listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// The account; Cloud only.
    pub user: String,
    /// API token or personal access token.
    pub token: String,
    /// The one project's key.
    pub project: String,
    /// How long search does not find what was just created.
    pub index_lag: Duration,
}

impl JiraConfig {
    /// A Jira on any free loopback port with the project `DC`.
    pub fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            user: "farrier@example.test".to_owned(),
            token: "jira-token-0123456789".to_owned(),
            project: "DC".to_owned(),
            index_lag: Duration::ZERO,
        }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Connections are closed without an answer.
    pub away: bool,
    /// The next so many writes happen, and the connection is closed instead of an answer.
    pub drop_answers: u32,
    /// The next so many requests are answered 429 with `Retry-After` of this many seconds.
    pub limited: Option<(u32, u32)>,
    /// Logins are refused with the CAPTCHA challenge.
    pub captcha: bool,
}

/// An issue.
#[derive(Clone, Debug)]
pub struct Issue {
    /// `DC-1`.
    pub key: String,
    /// One line.
    pub summary: String,
    /// As sent: a document, or wiki markup.
    pub description: Value,
    /// Without spaces.
    pub labels: Vec<String>,
    /// Where it stands.
    pub category: Category,
    /// As sent, oldest first.
    pub comments: Vec<Value>,
    /// Set by the transition to done.
    pub resolution: Option<String>,
    pub(crate) made: Instant,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) issues: Vec<Issue>,
    pub(crate) limited_until: Option<Instant>,
}

pub(crate) struct Inner {
    pub(crate) config: JiraConfig,
    pub(crate) ledger: Ledger,
    pub(crate) base: Mutex<String>,
    state: Mutex<State>,
    faults: Mutex<Faults>,
    stop: CancellationToken,
}

/// A running simulated Jira; stops when dropped.
pub struct JiraHandle {
    inner: Arc<Inner>,
    address: SocketAddr,
}

impl Inner {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wrong(&self, ask: &Ask, why: &str) {
        self.ledger.violation(SYSTEM, format!("{}: {why}", ask.line()));
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, ask: &Ask) -> Outcome {
        let faults = *self.faults();
        if faults.away {
            return Outcome::Drop;
        }
        if faults.captcha {
            self.ledger.count(SYSTEM, Kind::LoginRefused, "captcha");
            let reply = Reply::text(403, "<html><body>CAPTCHA_CHALLENGE</body></html>");
            return Outcome::Answer(reply.header("x-seraph-loginreason", "AUTHENTICATION_DENIED"));
        }
        if let Some(reply) = self.limited(ask) {
            return Outcome::Answer(reply);
        }
        let anonymous = ask.path == "/rest/api/2/serverInfo" && ask.header("authorization").is_none();
        if !anonymous && !self.knows(ask) {
            self.wrong(ask, "a wrong login");
            self.ledger.count(SYSTEM, Kind::LoginRefused, &ask.path);
            let reply = Reply::text(401, "<html><body>Basic Authentication Failure</body></html>");
            return Outcome::Answer(reply.header("x-seraph-loginreason", "AUTHENTICATED_FAILED"));
        }
        let reply = answers::answer(self, ask);
        if ask.method == hyper::Method::POST && reply.status < 300 && !ask.path.contains("search") {
            let mut faults = self.faults();
            if faults.drop_answers > 0 {
                faults.drop_answers -= 1;
                return Outcome::Drop;
            }
        }
        Outcome::Answer(reply)
    }

    fn limited(&self, ask: &Ask) -> Option<Reply> {
        let mut state = self.state();
        if let Some(until) = state.limited_until {
            if Instant::now() < until {
                self.wrong(ask, "a request before the time of `Retry-After` is over");
            } else {
                state.limited_until = None;
            }
        }
        let mut faults = self.faults();
        let (times, seconds) = faults.limited?;
        faults.limited = (times > 1).then_some((times - 1, seconds));
        state.limited_until = Some(Instant::now() + Duration::from_secs(seconds.into()));
        let reply = Reply::empty(429).header("retry-after", seconds.to_string());
        Some(reply.header("x-ratelimit-remaining", "0").header("x-ratelimit-nearlimit", "true"))
    }

    fn knows(&self, ask: &Ask) -> bool {
        let config = &self.config;
        let right = match config.flavour {
            Flavour::Cloud => format!("Basic {}", STANDARD.encode(format!("{}:{}", config.user, config.token))),
            Flavour::DataCenter => format!("Bearer {}", config.token),
        };
        ask.header("authorization") == Some(right.as_str())
    }
}

/// Start a simulated Jira; it answers when this returns.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(config: JiraConfig, ledger: Ledger) -> std::io::Result<JiraHandle> {
    let (listen, stop) = (config.listen, CancellationToken::new());
    let inner = Arc::new(Inner {
        config,
        ledger,
        base: Mutex::default(),
        state: Mutex::default(),
        faults: Mutex::default(),
        stop: stop.clone(),
    });
    let handler: Handler = {
        let inner = Arc::clone(&inner);
        Arc::new(move |ask| inner.handle(ask))
    };
    let address = serve(listen, handler, stop).await?;
    *inner.base.lock().unwrap_or_else(PoisonError::into_inner) = format!("http://{address}");
    Ok(JiraHandle { inner, address })
}

impl JiraHandle {
    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Make things go wrong.
    pub fn set_faults(&self, faults: Faults) {
        *self.inner.faults() = faults;
    }

    /// Every issue, oldest first.
    pub fn issues(&self) -> Vec<Issue> {
        self.inner.state().issues.clone()
    }

    /// Those that are not done.
    pub fn open(&self) -> Vec<Issue> {
        self.issues().into_iter().filter(|issue| issue.category != Category::Done).collect()
    }

    /// Move an issue, as a person would.
    pub fn put(&self, key: &str, category: Category) {
        if let Some(issue) = self.inner.state().issues.iter_mut().find(|issue| issue.key == key) {
            issue.category = category;
        }
    }

    /// Stop answering.
    pub fn stop(&self) {
        self.inner.stop.cancel();
    }
}

impl Drop for JiraHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
