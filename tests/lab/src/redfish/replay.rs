//! A recorded tree, served as it was recorded.
//!
//! Promises GET and HEAD with lookups that ignore case and trailing slashes, recorded `?$skip=` pages, and a
//! login in front (sessions at the tree's own link, and Basic). Everything else is refused and counted: a
//! recording cannot change. It repairs nothing in the tree.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::config::{Kind, StartError};
use super::reply::Reply;
use super::resource::key;
use super::serve::{Ask, Handler, Outcome, serve};
use super::template::token;
use super::tls::Tls;
use crate::ledger::{Kind as Count, Ledger};

/// How a replay is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTPS with a self-signed certificate.
    Https,
    /// Plain HTTP; for loopback only.
    Http,
}

/// A running replay.
pub struct ReplayHandle {
    address: SocketAddr,
    stop: CancellationToken,
    resources: usize,
    name: String,
    scheme: Scheme,
}

impl ReplayHandle {
    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://ADDRESS:PORT`, or `http` when asked.
    pub fn url(&self) -> String {
        let scheme = if self.scheme == Scheme::Http { "http" } else { "https" };
        format!("{scheme}://{}", self.address)
    }

    /// How many resources the tree holds.
    pub fn resources(&self) -> usize {
        self.resources
    }

    /// The system it is counted under in the ledger: the folder's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stop listening and close every connection.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for ReplayHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Recording {
    name: String,
    files: BTreeMap<String, PathBuf>,
    sessions: String,
    username: String,
    password: String,
    ledger: Ledger,
    tokens: Mutex<BTreeMap<String, String>>,
    next: AtomicU64,
}

/// Serve the recording in `dir` (the folder that holds `redfish/v1/index.json`).
///
/// # Errors
/// When the folder is no recording, the address cannot be bound, or plain HTTP is asked for off loopback.
pub async fn replay(
    dir: &Path,
    listen: SocketAddr,
    scheme: Scheme,
    username: &str,
    password: &str,
    ledger: Ledger,
) -> Result<ReplayHandle, StartError> {
    let unusable = |reason: String| StartError::Recording { path: dir.to_owned(), reason };
    if scheme == Scheme::Http && !listen.ip().is_loopback() {
        return Err(unusable("plain HTTP is served on loopback only".to_owned()));
    }
    let mut files = BTreeMap::new();
    collect(&dir.join("redfish"), "/redfish", &mut files).map_err(|error| unusable(error.to_string()))?;
    let root = files.get("/redfish/v1").ok_or_else(|| unusable("redfish/v1/index.json is missing".to_owned()))?;
    let root = load(root).ok_or_else(|| unusable("redfish/v1/index.json is not JSON".to_owned()))?;
    let sessions =
        root.pointer("/Links/Sessions/@odata.id").and_then(Value::as_str).unwrap_or(super::profile::SESSIONS);
    let name = dir.file_name().map_or_else(|| "replay".to_owned(), |name| name.to_string_lossy().into_owned());
    let recording = Arc::new(Recording {
        name: name.clone(),
        sessions: sessions.to_owned(),
        username: username.to_owned(),
        password: password.to_owned(),
        ledger,
        tokens: Mutex::default(),
        next: AtomicU64::new(0),
        files,
    });
    let refused = |source| StartError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let stop = CancellationToken::new();
    let resources = recording.files.len();
    let handler: Handler = Arc::new(move |ask| {
        let recording = Arc::clone(&recording);
        Box::pin(async move { Outcome::Answer(recording.answer(&ask)) })
    });
    let tls = (scheme == Scheme::Https).then(|| (Arc::new(Tls::default()), name.clone()));
    tokio::spawn(serve(listener, tls, handler, stop.clone()));
    Ok(ReplayHandle { address, stop, resources, name, scheme })
}

fn collect(dir: &Path, path: &str, files: &mut BTreeMap<String, PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/{name}"), files)?;
        } else if name == "index.json" {
            files.insert(key(path), entry.path());
        }
    }
    Ok(())
}

fn load(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

impl Recording {
    fn answer(&self, ask: &Ask) -> Reply {
        let decoded = percent_decode_str(&ask.path).decode_utf8_lossy().into_owned();
        let at = key(&decoded);
        let sessions = key(&self.sessions);
        match ask.method {
            Method::POST if at == sessions => return self.login(ask),
            Method::DELETE if at.starts_with(&format!("{sessions}/")) => return self.logout(&at),
            Method::GET | Method::HEAD => {}
            _ => {
                self.ledger.count(&self.name, Count::Write, &format!("{} {}", ask.method, ask.path));
                self.violation(ask, "a recording cannot be written");
                return refuse(405, "OperationNotAllowed").header("Allow", "GET, HEAD");
            }
        }
        if at == "/redfish" && !self.files.contains_key(&at) {
            return Reply::json(200, json!({"v1": "/redfish/v1/"}));
        }
        if !matches!(at.as_str(), "/redfish" | "/redfish/v1") && !self.known(ask) {
            return refuse(401, "NoValidSession");
        }
        // Recorders name a page's folder after the whole address, query included.
        let paged = ask.query.as_deref().map(|query| {
            let query = percent_decode_str(query).decode_utf8_lossy().into_owned();
            format!("{at}?{}", query.to_ascii_lowercase())
        });
        let file = paged.and_then(|paged| self.files.get(&paged)).or_else(|| self.files.get(&at));
        match file.and_then(|file| load(file)) {
            Some(body) => {
                let etag = body.get("@odata.etag").and_then(Value::as_str).map(str::to_owned);
                let reply = Reply::json(200, body);
                etag.into_iter().fold(reply, |reply, etag| reply.header("ETag", etag))
            }
            // Links dangle in recordings on purpose, so this is not the client's mistake.
            None => refuse(404, "ResourceMissingAtURI"),
        }
    }

    fn violation(&self, ask: &Ask, why: &str) {
        self.ledger.violation(&self.name, format!("{} {}: {why}", ask.method, ask.path));
    }

    fn known(&self, ask: &Ask) -> bool {
        if let Some(given) = ask.header("x-auth-token") {
            return self.tokens.lock().unwrap_or_else(PoisonError::into_inner).contains_key(given);
        }
        let basic = ask.header("authorization").and_then(|value| value.strip_prefix("Basic "));
        let Some((username, password)) = basic.and_then(super::auth::decode) else {
            self.violation(ask, "no credentials");
            return false;
        };
        let good = username == self.username && password == self.password;
        if !good {
            self.ledger.count(&self.name, Count::LoginRefused, "basic");
        }
        good
    }

    fn login(&self, ask: &Ask) -> Reply {
        let json: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
        let field = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
        if field("UserName") != self.username || field("Password") != self.password {
            self.ledger.count(&self.name, Count::LoginRefused, "session");
            return refuse(401, "UnauthorizedLoginAttempt");
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let id = format!("replay{number}");
        let secret = token(number, &self.name, 32);
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.clone(), id.clone());
        self.ledger.count(&self.name, Count::Login, "session");
        let path = format!("{}/{id}", self.sessions.trim_end_matches('/'));
        let body = json!({"@odata.id": path, "@odata.type": "#Session.v1_0_0.Session", "Id": id, "Name": "User Session",
            "UserName": self.username});
        Reply::json(201, body).header("X-Auth-Token", secret).header("Location", path)
    }

    fn logout(&self, at: &str) -> Reply {
        let id = at.rsplit('/').next().unwrap_or_default();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let before = tokens.len();
        tokens.retain(|_, session| session != id);
        if tokens.len() < before { Reply::none() } else { refuse(404, "ResourceMissingAtURI") }
    }
}

fn refuse(status: u16, name: &str) -> Reply {
    Reply::refuse_base(Kind::Generic, status, name, &[])
}
