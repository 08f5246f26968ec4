//! The event bus and the store of lifecycle records, behind one port with two implementations.
//!
//! Promises that every operation of [`Bus`] is one atomic step: state, next command, timer, journal entry and
//! acknowledgement are committed together or not at all, in SQLite and in Redis alike. It knows nothing of stages'
//! work; what an event means is `farrier_lifecycle::step`, and [`apply`] is the one way to commit it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use farrier_lifecycle::{Server, ServerId};

use crate::config::{self, Config};
use crate::egress::Standing;

mod address;
mod decide;
mod lock;
mod port;
mod redis;
mod shared;
mod sqlite;
mod sweep;

pub use decide::{Applied, ApplyError, Origin, apply, apply_lease};
pub use port::{
    Begin, Bus, BusError, BusStatus, Commit, Committed, DeadLetter, Due, Entry, EntryBody, Fence, Observed,
    StreamStatus,
};
pub use redis::{Fields, Peek, RedisBus};
pub use shared::{ALIAS, Clock, JOURNAL_KEPT, MAX_TAKEOVERS, Settings};
pub use sqlite::SqliteBus;
pub use sweep::{SWEEP, run as sweep};

/// Open the store the configuration names, and see that it answers. [`Bus::check`] is the caller's next step.
pub async fn open(config: &Config) -> Result<Arc<dyn Bus>, BusError> {
    match &config.bus {
        Some(bus) => {
            let bus = redis(bus, &settings(config))?.as_host(&config.state_dir)?;
            bus.ping().await?;
            Ok(Arc::new(bus))
        }
        None => Ok(Arc::new(SqliteBus::open(&config.state_dir, &settings(config))?)),
    }
}

/// Open the store beside a running host or without one: to look at it, or, on Redis, to publish leases from elsewhere. The
/// embedded store refuses changes.
pub async fn open_readonly(config: &Config) -> Result<Arc<dyn Bus>, BusError> {
    match &config.bus {
        Some(bus) => {
            let bus = redis(bus, &settings(config))?;
            bus.ping().await?;
            Ok(Arc::new(bus))
        }
        None => Ok(Arc::new(SqliteBus::open_readonly(&config.state_dir, &settings(config))?)),
    }
}

fn redis(bus: &config::Bus, settings: &Settings) -> Result<RedisBus, BusError> {
    let password = bus.password().map(|secret| secret.read()).transpose().map_err(|error| BusError::Unusable {
        problem: error.to_string(),
        hint: "`bus.password_file` or `bus.password_env` must name the password".to_owned(),
    })?;
    RedisBus::new(&bus.url, bus.username.as_deref(), password.as_ref(), settings)
}

/// A store that ends with the process: for `serve --observe`, which keeps nothing. `state_dir` is its alone all the same.
pub fn in_memory(config: &Config) -> Result<Arc<dyn Bus>, BusError> {
    Ok(Arc::new(SqliteBus::memory(&settings(config))?.as_host(&config.state_dir)?))
}

/// The Redis in use where there is one, to be looked at: for `serve --observe`, which takes nothing from it.
pub async fn peek(config: &Config) -> Result<Option<Peek>, BusError> {
    let Some(bus) = &config.bus else { return Ok(None) };
    let peek = Peek::new(redis(bus, &settings(config))?);
    peek.ping().await?;
    Ok(Some(peek))
}

fn settings(config: &Config) -> Settings {
    Settings { lease: Duration::from_millis(config.lifecycle.lease_ms), site: config.site.clone(), clock: None }
}

/// The guard's view of the store.
#[derive(Clone)]
pub struct StandingOf(pub Arc<dyn Bus>);

#[async_trait]
impl Standing for StandingOf {
    async fn standing(&self, server: &ServerId) -> Result<Option<Server>, String> {
        let text = |error: BusError| error.to_string();
        let record = self.0.read(server).await.map_err(text)?;
        if let Some(record) = &record
            && let Some(other) = address::taken_by(&*self.0, record).await.map_err(text)?
        {
            let ip = record.lease.ip;
            return Err(format!(
                "its address {ip} was given to another controller, {other}, since; it needs a lease of its own"
            ));
        }
        Ok(record)
    }
}
