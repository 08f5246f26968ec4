//! A simulated NetBox, 3.7.3 or 4.6.8, strict and in memory.
//!
//! Promises the answers real servers of both versions gave in the recordings (a test replays every one), kept in
//! tables rather than code: `tables/` says what an endpoint holds, the other modules what NetBox does with any
//! endpoint. Every write, journal entry and device change is counted in the ledger, and every request a correct
//! client would not send is a violation there. It has no web pages, no GraphQL, no permissions beyond four kinds
//! of token, and does not imitate NetBox's lost updates.

mod answer;
mod api;
mod auth;
mod changes;
mod choices;
mod collection;
mod custom;
mod filter;
mod links;
mod matches;
mod options;
mod order;
mod parse;
mod render;
mod rules;
mod schema;
mod server;
mod show;
mod store;
mod tables;
mod write;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use auth::Access;
pub use server::Fault;

use crate::ledger::Ledger;
use parse::Failure;

/// The name NetBox has in the ledger.
pub const SYSTEM: &str = "netbox";

/// Which NetBox is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Version {
    /// 3.7.3, the proof of concept's.
    #[serde(rename = "3.7")]
    V3_7,
    /// 4.6.8.
    #[serde(rename = "4.6")]
    V4_6,
}

/// What a simulated NetBox starts with.
#[derive(Clone, Debug)]
pub struct NetBoxConfig {
    /// Which NetBox it is.
    pub version: Version,
    /// Where it listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// The token with all rights: 40 hex digits, or on 4.6 also `nbt_<12>.<40>`.
    pub token: String,
    /// More tokens.
    pub more_tokens: Vec<(String, Access)>,
    /// Users and passwords for `users/tokens/provision`.
    pub users: Vec<(String, String)>,
    /// Statuses added to devices, as `FIELD_CHOICES` does.
    pub extra_statuses: Vec<String>,
    /// Objects to start with, in order: an endpoint such as `dcim/sites` and the body of a POST to it. Pointers
    /// may be attributes: `{"site": {"slug": "ams"}}`. Not used when the file already holds objects.
    pub seed: Vec<(String, Value)>,
    /// Where the objects are kept, so that a killed lab can go on; in memory only when absent.
    pub file: Option<PathBuf>,
}

impl NetBoxConfig {
    /// An empty NetBox on any free loopback port, with the user `admin`, password `admin`.
    pub fn new(version: Version, token: impl Into<String>) -> Self {
        Self {
            version,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: token.into(),
            more_tokens: Vec::new(),
            users: vec![("admin".into(), "admin".into())],
            extra_statuses: Vec::new(),
            seed: Vec::new(),
            file: None,
        }
    }
}

/// Why a simulated NetBox did not start, or refused a direct write.
#[derive(Debug, thiserror::Error)]
pub enum NetBoxError {
    /// The address is taken, or not this computer's.
    #[error("the simulated netbox cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be read or written.
    #[error("the simulated netbox cannot use {path} for its objects")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// NetBox would refuse this object.
    #[error("the simulated netbox refuses {endpoint} {body}: {answer}")]
    Refused {
        /// The endpoint.
        endpoint: String,
        /// What was to be written.
        body: Box<Value>,
        /// What NetBox would answer.
        answer: String,
    },
}

/// A running simulated NetBox; stops when dropped.
pub struct NetBoxHandle {
    api: Arc<api::Api>,
    fault: Arc<Mutex<Fault>>,
    stop: CancellationToken,
    address: SocketAddr,
}

/// Start a simulated NetBox; it answers when this returns.
pub async fn start(config: NetBoxConfig, ledger: Ledger) -> Result<NetBoxHandle, NetBoxError> {
    let store = match &config.file {
        None => store::Store::default(),
        Some(path) => store::Store::open(path).map_err(|source| NetBoxError::File { path: path.clone(), source })?,
    };
    let fresh = store.snapshot().as_object().is_none_or(serde_json::Map::is_empty);
    let mut tokens = auth::Tokens::default();
    tokens.add(config.token, Access::Full);
    for (key, access) in config.more_tokens {
        tokens.add(key, access);
    }
    let listen = config.listen;
    let bound = server::bind(listen).await;
    let (listener, address) = bound.map_err(|source| NetBoxError::Listen { address: listen, source })?;
    let api = Arc::new(api::Api {
        version: config.version,
        extra_statuses: config.extra_statuses,
        users: config.users,
        ledger,
        state: Mutex::new(api::State { store, tokens }),
    });
    let (fault, stop) = (Arc::new(Mutex::new(Fault::None)), CancellationToken::new());
    let handle = NetBoxHandle { api: api.clone(), fault: fault.clone(), stop: stop.clone(), address };
    if fresh {
        for (endpoint, body) in config.seed {
            handle.create(&endpoint, &body)?;
        }
    }
    tokio::spawn(server::serve(listener, server::Shared { api, fault, stop }));
    Ok(handle)
}

impl NetBoxHandle {
    /// Where it is: `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Make something go wrong, or stop it going wrong.
    pub fn set_fault(&self, fault: Fault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Stop answering and close every connection. The objects stay readable through this handle.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Every object as it is stored: `{"dcim/devices": [{...}]}`, pointers as ids and choices as texts.
    pub fn snapshot(&self) -> Value {
        self.with(|state| state.store.snapshot())
    }

    /// One object as GET shows it; null when it is not there.
    pub fn get(&self, endpoint: &str, id: u64) -> Value {
        let base = self.url();
        self.with(|state| {
            let view = schema::View {
                store: &state.store,
                version: self.api.version,
                base: &base,
                writing: false,
                unseen_cable: None,
                extra_statuses: &self.api.extra_statuses,
            };
            show::object(&view, endpoint, id)
        })
    }

    /// The stored objects of an endpoint whose field has this raw value.
    pub fn find(&self, endpoint: &str, field: &str, value: &Value) -> Vec<Value> {
        self.with(|state| {
            let all = state.store.list(endpoint).filter(|(_, object)| object.get(field) == Some(value));
            all.map(|(_, object)| Value::Object(object.clone())).collect()
        })
    }

    /// Create an object as an operator at NetBox's web pages would: checked, logged, not in the ledger. Its id.
    pub fn create(&self, endpoint: &str, body: &Value) -> Result<u64, NetBoxError> {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is bound to one lifetime")]
        self.write(endpoint, body, |writer, endpoint, body| writer.create(endpoint, body))
    }

    /// Change an object as an operator would.
    pub fn patch(&self, endpoint: &str, id: u64, body: &Value) -> Result<(), NetBoxError> {
        self.write(endpoint, body, |writer, endpoint, body| writer.update(endpoint, id, body, true).map(|_| ()))
    }

    /// Delete an object as an operator would.
    pub fn delete(&self, endpoint: &str, id: u64) -> Result<(), NetBoxError> {
        self.write(endpoint, &serde_json::json!({}), |writer, endpoint, _| writer.delete(endpoint, id))
    }

    fn with<T>(&self, act: impl FnOnce(&mut api::State) -> T) -> T {
        act(&mut self.api.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(
        &self,
        endpoint: &str,
        body: &Value,
        act: impl FnOnce(&mut write::Writer<'_>, &'static schema::Endpoint, &store::Object) -> Result<T, Failure>,
    ) -> Result<T, NetBoxError> {
        let refused = |answer: String| NetBoxError::Refused {
            endpoint: endpoint.to_owned(),
            body: Box::new(body.clone()),
            answer,
        };
        let Some(table) = tables::endpoint(self.api.version, endpoint) else {
            return Err(refused("no such endpoint".into()));
        };
        let Some(object) = body.as_object() else { return Err(refused("not an object".into())) };
        self.with(|state| {
            let mut writer = write::Writer {
                store: &mut state.store,
                version: self.api.version,
                extra_statuses: &self.api.extra_statuses,
                request_id: "lab".into(),
            };
            let done = act(&mut writer, table, object);
            match done {
                Ok(done) => state.store.commit().map(|()| done).map_err(|error| refused(error.to_string())),
                Err(failure) => {
                    state.store.rollback();
                    Err(refused(format!("{failure:?}")))
                }
            }
        })
    }
}

impl Drop for NetBoxHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
