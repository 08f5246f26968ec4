//! `farrier ship`: beside a DHCP server, from the spool or a log file to Redis.
//!
//! Promises that a lease stays where it was read until Redis has it, however long Redis is away. It needs no plugins, no inventory and
//! no other part of the host's configuration, and decides nothing: the host that takes the entry does. It connects on the first lease
//! and again after a failure, so that it may be started before Redis.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use clap::Args;
use farrier_lifecycle::Lease;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use super::{Common, DEFAULT_CONFIG};
use crate::bus::{self, Bus};
use crate::config::{self, Config};
use crate::ingest::spool::Spool;
use crate::ingest::tail::{Format, Tail};
use crate::ingest::{BusSink, Filter, LeaseSink, SinkError, spool, tail};
use crate::telemetry;

/// Longest wait for Redis to take one lease; a hung server must not hang the shipper.
const PATIENCE: Duration = Duration::from_secs(15);

/// What to ship where. Flags outrank the configuration file, of which `state_dir`, `site`, `log_format`, `[bus]` and `[ingest]` are
/// used; there need not be one.
#[derive(Clone, Debug, Args)]
pub struct ShipArgs {
    /// Redis to ship to: `redis://`, `rediss://` or `redis+unix://`
    #[arg(long, value_name = "URL")]
    redis: Option<Url>,
    /// File with the password of Redis
    #[arg(long, value_name = "FILE")]
    redis_password_file: Option<PathBuf>,
    /// User of Redis, where it has ACLs
    #[arg(long, value_name = "NAME")]
    redis_username: Option<String>,
    /// Site whose streams the leases go to
    #[arg(long)]
    site: Option<String>,
    /// Folder in which the hooks leave leases
    #[arg(long, value_name = "DIR", env = "FARRIER_SPOOL")]
    spool: Option<PathBuf>,
    /// Folder in which the place read to in `--tail` is kept
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Follow this log or lease file as well
    #[arg(long, value_name = "FILE")]
    tail: Option<PathBuf>,
    /// What the file is; told from what stands in it where this is left out
    #[arg(long, requires = "tail")]
    format: Option<Format>,
}

/// Ship until SIGTERM or SIGINT.
pub async fn command(common: &Common, args: &ShipArgs) -> anyhow::Result<ExitCode> {
    let config = configuration(&common.config, args)?;
    telemetry::init(config.log_format, "info");
    let filter = Filter::new(&config.ingest);
    let spool_dir = config.ingest.spool_dir.clone();
    // Made here it belongs to the user that must delete from it.
    if let Err(error) = spool::create(&spool_dir) {
        warn!(spool = %spool_dir.display(), %error, "the spool folder is missing and cannot be made; waiting for it");
    }
    let tailed = args.tail.as_ref().map(|path| {
        let format = args.format.map_or_else(|| Format::of(path), Ok)?;
        Tail::open(path, format, &config.state_dir, filter.clone())
    });
    let tailed = tailed.transpose()?;
    let sink = Late { config, sink: Mutex::new(None) };
    let shutdown = CancellationToken::new();
    let follow_file = async {
        match tailed {
            Some(tailed) => tail::follow(tailed, &sink, &shutdown).await,
            None => std::future::pending().await,
        }
    };
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // Dropped in the middle of a delivery, the lease is still in its file.
    tokio::select! {
        () = spool::follow(Spool::new(&spool_dir, filter), &sink, &shutdown) => {}
        () = follow_file => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("shipping ended; what was not delivered stays where it is");
    Ok(ExitCode::SUCCESS)
}

/// The parts of the configuration that shipping needs, with the flags over them.
fn configuration(path: &Path, args: &ShipArgs) -> anyhow::Result<Config> {
    // Flags alone will do; a file that was asked for by name and is not there is still an error.
    let optional = args.redis.is_some() && path == Path::new(DEFAULT_CONFIG) && !path.exists();
    let mut config = if optional { Config::default() } else { read(path)? };
    if let Some(url) = &args.redis {
        let before = config.bus.take().filter(|bus| bus.url == *url);
        config.bus = Some(before.unwrap_or_else(|| config::Bus {
            url: url.clone(),
            username: None,
            password_file: None,
            password_env: None,
        }));
    }
    let Some(bus) = &mut config.bus else {
        bail!(
            "there is no Redis to ship to; give --redis URL or a configuration with [bus] (a host with the embedded store reads the \
             spool folder itself)"
        );
    };
    if !matches!(bus.url.scheme(), "redis" | "rediss" | "redis+unix" | "unix") {
        bail!("`{}` is not a Redis URL; redis://, rediss:// or redis+unix://", bus.url.scheme());
    }
    if let Some(path) = &args.redis_password_file {
        (bus.password_file, bus.password_env) = (Some(path.clone()), None);
    }
    if let Some(password) = bus.password() {
        password.read()?;
    }
    bus.username = args.redis_username.clone().or_else(|| bus.username.take());
    config.site = args.site.clone().or(config.site);
    config.ingest.spool_dir = args.spool.clone().unwrap_or(config.ingest.spool_dir);
    config.state_dir = args.state_dir.clone().unwrap_or(config.state_dir);
    Ok(config)
}

/// Not [`config::load`]: that asks for what only the host needs.
fn read(path: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read configuration `{}`", path.display()))?;
    let mut config: Config =
        toml::from_str(&text).with_context(|| format!("configuration `{}` is not valid", path.display()))?;
    let base = path.parent().unwrap_or_else(|| Path::new("."));
    let password = config.bus.iter_mut().filter_map(|bus| bus.password_file.as_mut());
    for path in [&mut config.state_dir, &mut config.ingest.spool_dir].into_iter().chain(password) {
        *path = base.join(&*path);
    }
    Ok(config)
}

/// A bus that is opened when there is a lease for it.
struct Late {
    config: Config,
    sink: Mutex<Option<BusSink>>,
}

impl Late {
    async fn deliver_now(&self, lease: &Lease) -> Result<(), SinkError> {
        let mut slot = self.sink.lock().await;
        let sink = match slot.take() {
            Some(sink) => sink,
            None => BusSink::new(open(&self.config).await?),
        };
        sink.deliver(lease).await?;
        // Only what works is kept: after an error the connection is made anew.
        *slot = Some(sink);
        Ok(())
    }
}

async fn open(config: &Config) -> Result<Arc<dyn Bus>, SinkError> {
    // Not as a host: it takes no work, and a host on this machine keeps its lock.
    let bus = bus::open_readonly(config).await?;
    info!("connected to the bus");
    Ok(bus)
}

#[async_trait]
impl LeaseSink for Late {
    async fn deliver(&self, lease: &Lease) -> Result<(), SinkError> {
        tokio::time::timeout(PATIENCE, self.deliver_now(lease))
            .await
            .unwrap_or_else(|_| Err(SinkError::Away(format!("the bus did not answer in {} s", PATIENCE.as_secs()))))
    }
}
