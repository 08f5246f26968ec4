//! Components and servers for the tests of the plugin engine.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod component;
pub mod server;

use std::path::Path;
use std::sync::Arc;

use farrier::config::{Bmc, Plugins as Settings};
use farrier::plugin::wit::metadata::AuthScheme;
use farrier::plugin::{Broker, Login, MemoryPins, Target};
use url::Url;

/// Limits a test can wait for.
pub fn settings(dir: &Path) -> Settings {
    Settings { dir: dir.to_owned(), call_timeout_ms: 5_000, cpu_ms: 100, memory_mib: 64, ..Settings::default() }
}

pub fn broker() -> Broker {
    broker_with(&Bmc { request_timeout_ms: 2_000, rate: 10_000, max_response_mib: 1, ..Bmc::default() })
}

pub fn broker_with(settings: &Bmc) -> Broker {
    Broker::new(settings, Arc::new(MemoryPins::default())).unwrap()
}

pub fn target(origin: &Url, auth: AuthScheme, password: &str) -> Target {
    let login = Login { username: "root".to_owned(), password: farrier::fault::Secret::new(password) };
    Target { origin: origin.clone(), pin: "9440c9000001".to_owned(), auth, login: Some(login) }
}
