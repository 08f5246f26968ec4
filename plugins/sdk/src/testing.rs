//! A recorded Redfish tree in place of the network, for tests of drivers.
//!
//! Promises: GETs are answered from `index.json` files, without regard to case or a trailing slash, 404 where the
//! recording ends; writes are kept for the test to look at, and applied to the tree where the test says so. Does not
//! exist in the sandbox: this module is not compiled for wasm.
//!
//! Not obvious: a write can be planted to lie (200 and no effect) or to be refused, as controllers do.

mod script;

use crate::Http;
use crate::types::{Body, HttpError, Method, Request, Response};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub use script::{Memory, Script, documented, recorded};

/// A step of a firmware plan for a component; the image's digest is all zeros.
pub fn step(component: &str, version: &str, uri: &str) -> crate::types::Step {
    let (component, version, sha256) = (component.to_owned(), version.to_owned(), "0".repeat(64));
    let image = crate::types::Image { component, version, sha256, uri: uri.to_owned() };
    crate::types::Step { image, current_version: String::new(), reset_after: None, disruptive: false }
}

/// A control without a secret.
pub fn control(id: &str, desired: crate::types::Value) -> crate::types::Control {
    crate::types::Control { id: id.to_owned(), desired, secret: None }
}

/// A baseline with all control ids of the contract, as a site would have it.
pub fn baseline() -> Vec<crate::types::Control> {
    use crate::types::Value::{Flag, Number, Text, Texts};
    vec![
        control("ipmi-over-lan", Flag(false)),
        control("snmp-v2c", Flag(false)),
        control("ssdp", Flag(false)),
        control("ntp-servers", Texts(vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()])),
        control("tls-minimum-version", Text("1.2".to_owned())),
        control("session-timeout", Number(900)),
        control("syslog-server", Text("10.0.0.9".to_owned())),
        control("login-banner", Text("Authorised use only.".to_owned())),
        control("ssh", Flag(false)),
        control("default-account", Flag(false)),
    ]
}

/// How a write to a path is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// 200, and a PATCH changes the tree.
    Obey,
    /// 200, and nothing changes.
    Lie,
    /// This status and body, and nothing changes.
    Say(u16, Value),
}

/// A request that would change something.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// PATCH or POST.
    pub method: Method,
    /// As sent.
    pub path: String,
    /// The JSON body, `Null` where it was none.
    pub body: Value,
    /// The `If-Match` header.
    pub if_match: Option<String>,
}

/// A recorded tree.
pub struct Replay {
    tree: RefCell<BTreeMap<String, Value>>,
    answers: RefCell<BTreeMap<String, Answer>>,
    writes: RefCell<Vec<Write>>,
    pushes: RefCell<Vec<Request>>,
    reads: RefCell<usize>,
}

impl Replay {
    /// The recording of a name, from `FARRIER_FIXTURES` or a folder `shared/fixtures` beside a parent folder. `None`,
    /// with a line that says so, where there is no such recording.
    pub fn open(name: &str) -> Option<Self> {
        let Some(folder) = fixtures() else {
            skipped(name, "no folder `shared/fixtures` here; set FARRIER_FIXTURES");
            return None;
        };
        let folder = folder.join(name);
        let mut tree = BTreeMap::new();
        load(&folder.join("redfish"), "/redfish", &mut tree);
        if tree.is_empty() {
            skipped(name, &format!("no recording in {}", folder.display()));
            return None;
        }
        Some(Self::of(tree))
    }

    /// A tree of given resources, by path.
    pub fn of(resources: impl IntoIterator<Item = (String, Value)>) -> Self {
        let tree = resources.into_iter().map(|(path, value)| (key(&path), value)).collect();
        Self {
            tree: RefCell::new(tree),
            answers: RefCell::default(),
            writes: RefCell::default(),
            pushes: RefCell::default(),
            reads: RefCell::new(0),
        }
    }

    /// Plant an answer to writes of a path; without one a write is obeyed.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.answers.borrow_mut().insert(key(path), answer);
    }

    /// Change a resource of the tree.
    pub fn alter(&self, path: &str, change: &Value) {
        crate::json::merge(self.tree.borrow_mut().entry(key(path)).or_insert_with(|| json!({})), change);
    }

    /// The writes since the last time asked.
    pub fn writes(&self) -> Vec<Write> {
        std::mem::take(&mut self.writes.borrow_mut())
    }

    /// Writes whose body was no JSON, whole, since the last time asked: what was pushed.
    pub fn pushes(&self) -> Vec<Request> {
        std::mem::take(&mut self.pushes.borrow_mut())
    }

    /// Requests that read, so far.
    pub fn reads(&self) -> usize {
        *self.reads.borrow()
    }

    fn write(&self, request: &Request) -> Response {
        let body = if let Body::Json(text) = &request.body {
            serde_json::from_str(text).unwrap_or(Value::Null)
        } else {
            self.pushes.borrow_mut().push(request.clone());
            Value::Null
        };
        let if_match = request.headers.iter().find(|(name, _)| name == "If-Match").map(|(_, value)| match value {
            crate::types::TextOrSecret::Text(text) => text.clone(),
            crate::types::TextOrSecret::Secret(_) => String::new(),
        });
        self.writes.borrow_mut().push(Write {
            method: request.method,
            path: request.path.clone(),
            body: body.clone(),
            if_match,
        });
        match self.answers.borrow().get(&key(&request.path)).cloned().unwrap_or(Answer::Obey) {
            Answer::Say(status, said) => response(status, &said),
            Answer::Lie => response(200, &json!({})),
            Answer::Obey => {
                if request.method == Method::Patch {
                    self.alter(&request.path, &body);
                }
                response(200, &json!({}))
            }
        }
    }
}

impl Http for Replay {
    fn send(&self, request: Request) -> Result<Response, HttpError> {
        if !matches!(request.method, Method::Get | Method::Head) {
            return Ok(self.write(&request));
        }
        *self.reads.borrow_mut() += 1;
        Ok(self
            .tree
            .borrow()
            .get(&key(&request.path))
            .map_or_else(|| response(404, &Value::Null), |v| response(200, v)))
    }
}

fn response(status: u16, body: &Value) -> Response {
    Response { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

fn key(path: &str) -> String {
    path.trim_end_matches('/').to_ascii_lowercase()
}

fn load(folder: &Path, path: &str, tree: &mut BTreeMap<String, Value>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "index.json" {
            let text = std::fs::read(entry.path()).unwrap_or_default();
            if let Ok(value) = serde_json::from_slice(&text) {
                tree.insert(key(path), value);
            }
        } else {
            load(&entry.path(), &format!("{path}/{name}"), tree);
        }
    }
}

/// The folder of recordings.
fn fixtures() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("FARRIER_FIXTURES") {
        return Some(PathBuf::from(folder));
    }
    let start = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    start.ancestors().map(|folder| folder.join("shared/fixtures")).find(|folder| folder.is_dir())
}

/// One recorded JSON document, `oneview-4.10/ServerHardware.json`. `None`, with a line that says so, where there is none.
pub fn document(name: &str) -> Option<Value> {
    let text = fixtures().and_then(|folder| std::fs::read(folder.join(name)).ok());
    let value = text.and_then(|text| serde_json::from_slice(&text).ok());
    if value.is_none() {
        skipped(name, "no such recording here; FARRIER_FIXTURES names the folder of recordings");
    }
    value
}

/// One line past the test harness, which keeps back what a passing test prints.
fn skipped(recording: &str, reason: &str) {
    let thread = std::thread::current();
    let line = format!("\nSKIPPED: {}: {recording}: {reason}\n", thread.name().unwrap_or("test"));
    // Nothing can be done about a closed stderr.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
