//! Wires the parts together and runs the host until it is told to stop.

mod services;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use farrier_lifecycle::{Lease, Policy};
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Principal;
use crate::ansible::Runner;
use crate::bus::{self, Bus};
use crate::config::Config;
use crate::egress::now;
use crate::firmware::Catalogue;
use crate::fleet::Fleet;
use crate::http::auth::Auth;
use crate::ingest::spool::Spool;
use crate::inventory::Lag;
use crate::order::Desk;
use crate::plugin::{Broker, FilePins, Kv, Plugins};
use crate::stage::{Foreign, NotALease, Parts, ProgressBoard, Worker};
use crate::{drift, http, ingest, netbox};

/// Run the host until SIGTERM or SIGINT, then drain: reading stops first, attempts under way get their grace, sessions are closed.
pub async fn serve(config: Config, observe: bool) -> anyhow::Result<()> {
    let config = Arc::new(config);
    // First of all: as the first process of a container it would never see a signal that comes before.
    let shutdown = stop_signal()?;
    let (lag, projector) = tokio::sync::watch::channel(Lag::default());
    let parts = tokio::select! {
        parts = build(config.clone(), observe, projector) => Arc::new(parts?),
        () = shutdown.cancelled() => return Ok(()),
    };
    let tasks = TaskTracker::new();
    // What the worker still needs while it drains ends after it.
    let rest = CancellationToken::new();
    let fleet = Arc::new(Fleet::new(parts.bus.clone()));
    fleet.load().await?;
    tasks.spawn(fleet.clone().follow(rest.clone()));
    let desk = Arc::new(Desk::new(parts.bus.clone(), config.orders.clone(), parts.policy.clone(), observe));
    let api = Arc::new(http::api::Api::new(parts.clone(), fleet.clone(), desk.clone(), rest.clone()));
    let waves = api.waves.clone();
    services::watch(&config, &parts, &fleet, &api.metrics, &tasks, &rest)?;
    listen(&config, &parts, api, &tasks, &rest).await?;
    take_leases(&config, &parts, &tasks, &shutdown).await?;
    if observe {
        tasks.spawn(tell(parts.bus.clone(), rest.clone()));
    } else {
        tasks.spawn(bus::sweep(parts.bus.clone(), bus::SWEEP, rest.clone()));
        tasks.spawn(desk.run(rest.clone()));
        tasks.spawn(waves.run(rest.clone()));
        let journal = Arc::new(drift::Journal(parts.bus.clone()));
        let pace = netbox::projector::Pace::default();
        tasks.spawn(netbox::projector::run(journal, parts.inventory.clone(), pace, lag, ended(&rest)));
        let rounds = drift::Rounds::default();
        tasks.spawn(drift::run(parts.bus.clone(), parts.inventory.clone(), rounds, rest.clone()));
        services::start(&config, &parts, &tasks, &rest)?;
    }
    tracing::info!(
        store = parts.bus.status().await?.store,
        inventory = parts.inventory.describe(),
        plugins = parts.plugins.list().iter().map(|plugin| plugin.info.name.as_str()).collect::<Vec<_>>().join(", "),
        harden = if parts.ansible.is_some() { "ansible" } else { "drivers" },
        observe,
        "farrier serves"
    );
    Worker::new(parts.clone()).run(shutdown).await;
    rest.cancel();
    tasks.close();
    tasks.wait().await;
    parts.broker.close().await;
    parts.bus.leave().await?;
    tracing::info!("farrier stopped");
    Ok(())
}

async fn build(config: Arc<Config>, observe: bool, projector: Receiver<Lag>) -> anyhow::Result<Parts> {
    std::fs::create_dir_all(&config.state_dir)
        .with_context(|| format!("make state_dir `{}`", config.state_dir.display()))?;
    let bus = if observe { bus::in_memory(&config)? } else { bus::open(&config).await? };
    for warning in bus.check().await? {
        tracing::warn!(warning, "the store is usable, and could be better");
    }
    let inventory = netbox::open(&config)?;
    match inventory.check().await {
        Ok(missing) => {
            for line in missing {
                tracing::warn!(missing = line, "the inventory lacks something; `farrier netbox init` creates it");
            }
        }
        // A host that starts while NetBox is away, or does not let it in, still takes leases; stages wait for it.
        Err(fault) if fault.retry != crate::fault::Retry::Never => {
            let (code, cause, hint) = (&fault.code, &fault.text, fault.hint.as_deref());
            tracing::error!(code, cause, hint, "the inventory does not serve yet; leases are taken, and wait for it");
        }
        Err(fault) => {
            anyhow::bail!("{fault}{}", fault.hint.as_deref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default())
        }
    }
    let broker = Broker::new(&config.bmc, Arc::new(FilePins::new(&config.state_dir)))?;
    let (plugins, problems) =
        Plugins::open(&config.plugins, &config.state_dir, Some(Arc::new(BusKv(bus.clone())))).await?;
    for problem in &problems {
        let file = problem.file.display().to_string();
        tracing::error!(file, problem = problem.text, hint = problem.hint, "plugin not loaded");
    }
    anyhow::ensure!(
        !plugins.list().is_empty(),
        "no plugin was loaded from `{}`\nhint: `cargo xtask plugins` builds them; `plugins.dir` says where they are",
        config.plugins.dir.display()
    );
    let ansible = config.ansible.as_ref().map(Runner::new).transpose()?;
    let catalogue = Arc::new(Catalogue::open(&config).await?);
    Ok(Parts {
        policy: policy(&config),
        catalogue,
        foreign: Foreign(foreign_reader(&config)),
        config,
        bus,
        inventory,
        plugins,
        broker,
        ansible,
        observe,
        progress: ProgressBoard::default(),
        projector,
    })
}

fn policy(config: &Config) -> Policy {
    let settings = &config.lifecycle;
    Policy {
        max_failures: settings.max_failures,
        backoff_base: settings.backoff_base_ms,
        backoff_cap: settings.backoff_cap_ms,
        slow_retry: settings.slow_retry_ms,
        ..Policy::default()
    }
}

async fn listen(
    config: &Config,
    parts: &Arc<Parts>,
    api: Arc<http::api::Api>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let auth = Arc::new(Auth::new(parts.bus.clone(), config.api.as_ref(), http::api::ROUTES).context("[api.oidc]")?);
    let operators = http::operators(api, auth.clone());
    let (state_dir, routes, end) = (config.state_dir.clone(), operators.clone(), stop.clone());
    tasks.spawn(async move {
        if let Err(error) = http::serve_local(&state_dir, routes, end).await {
            tracing::error!(%error, "the local socket is not served; the command line cannot reach this host");
        }
    });
    if let Some(http) = &config.http {
        let listener =
            tokio::net::TcpListener::bind(http.listen).await.with_context(|| format!("listen on {}", http.listen))?;
        let (public, end) = (parts.clone(), stop.clone());
        tasks.spawn(http::serve_public(listener, public, end));
    }
    tasks.spawn(flush(auth.clone(), stop.clone()));
    if let Some(api) = &config.api {
        listen_api(api, operators, tasks, stop).await?;
        if api.listen.ip().is_loopback() {
            invite(&auth).await?;
        }
    }
    Ok(())
}

/// The listener for people and programs.
async fn listen_api(
    api: &crate::config::Api,
    operators: axum::Router,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let tls = http::tls::Tls::load(api).context("the certificate of [api]")?;
    let listener =
        tokio::net::TcpListener::bind(api.listen).await.with_context(|| format!("listen on {}", api.listen))?;
    tracing::info!(listen = %api.listen, tls = api.tls(), "the API is served");
    if let Some(tls) = tls.clone() {
        let end = stop.clone();
        tasks.spawn(async move {
            if let Err(error) = tls.follow(end).await {
                tracing::error!(%error, "the listener's certificate is not followed");
            }
        });
    }
    let patience = http::serve::Patience::of(api);
    tasks.spawn(http::serve::tcp(listener, tls, operators, patience, stop.clone()));
    Ok(())
}

/// A sign-in link for whoever started the host: to the terminal alone, never as a field of a log line.
async fn invite(auth: &Auth) -> anyhow::Result<()> {
    let link = auth.sign_in_link(&Principal::local(&http::serve::own_name())).await?;
    let _ = writeln!(std::io::stderr(), "sign in: {}", link.url);
    Ok(())
}

/// What was refused and only counted is written when its minute is over.
async fn flush(auth: Arc<Auth>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(10))).await.is_some() {
        auth.auditor.flush().await;
    }
}

/// Leases come from the spool; what stands on the bus the worker takes, or, where the host only observes, is looked at.
async fn take_leases(
    config: &Config,
    parts: &Arc<Parts>,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let filter = ingest::Filter::new(&config.ingest);
    let open = if parts.observe { Spool::beside } else { Spool::new };
    let spool = open(&config.ingest.spool_dir, filter.clone());
    let (sink, end) = (StoreSink(parts.clone()), shutdown.clone());
    tasks.spawn(async move { ingest::spool::follow(spool, &sink, &end).await });
    if parts.observe
        && let Some(peek) = bus::peek(config).await?
    {
        let (sink, end) = (StoreSink(parts.clone()), shutdown.clone());
        tasks.spawn(async move { ingest::peek::follow(peek, &filter, &sink, &end).await });
    }
    Ok(())
}

fn stop_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let token = CancellationToken::new();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        tracing::info!("stopping: no new work, attempts under way may end");
        stop.cancel();
    });
    Ok(token)
}

/// An observing host writes nothing, so what each stage would do stands in its log.
async fn tell(bus: Arc<dyn Bus>, stop: CancellationToken) {
    let mut cursor = String::new();
    while let Some(read) = stop.run_until_cancelled(bus.journal(&cursor, 64, Duration::from_secs(1))).await {
        for (after, entry) in read.unwrap_or_default() {
            cursor = after;
            if let Some(note) = entry.note {
                tracing::info!(server = entry.name, stage = %entry.stage, note = note.text, "observed");
            }
        }
    }
}

/// The token as the projector takes it: true when it is over.
fn ended(token: &CancellationToken) -> tokio::sync::watch::Receiver<bool> {
    let (say, hear) = tokio::sync::watch::channel(false);
    let token = token.clone();
    tokio::spawn(async move {
        token.cancelled().await;
        let _ = say.send(true);
    });
    hear
}

fn foreign_reader(config: &Config) -> crate::stage::ForeignReader {
    let filter = ingest::Filter::new(&config.ingest);
    Box::new(move |fields| {
        let parsed = ingest::from_foreign(fields, now()).map_err(|error| NotALease::Malformed(error.to_string()))?;
        match filter.classify(&parsed) {
            ingest::Class::Candidate => Ok(parsed.lease),
            ingest::Class::Ignored(why) => Err(NotALease::Ignored(why.to_string())),
        }
    })
}

/// The host's own end of the spool: a lease is decided on at once.
struct StoreSink(Arc<Parts>);

#[async_trait]
impl ingest::LeaseSink for StoreSink {
    async fn deliver(&self, lease: &Lease) -> Result<(), ingest::SinkError> {
        match self.0.lease(lease, None).await {
            Ok(_) => Ok(()),
            Err(error) => Err(not_taken(error)),
        }
    }
}

/// What it means for the others that a lease was not taken in. Where the store answers and this server's record cannot be read, they go on.
fn not_taken(error: bus::ApplyError) -> ingest::SinkError {
    match error {
        bus::ApplyError::Bus(error @ bus::BusError::Corrupt { .. }) => ingest::SinkError::Refused(error.to_string()),
        bus::ApplyError::Bus(error) => error.into(),
        error => ingest::SinkError::Away(error.to_string()),
    }
}

/// Plugins' small values, in the store.
pub struct BusKv(pub Arc<dyn Bus>);

#[async_trait]
impl Kv for BusKv {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.0.get(key).await.map_err(|error| error.to_string())
    }

    async fn set(&self, key: &str, value: Option<&[u8]>, ttl: Option<Duration>) -> Result<(), String> {
        self.0.set(key, value, ttl).await.map_err(|error| error.to_string())
    }

    async fn count(&self, prefix: &str) -> Result<usize, String> {
        Ok(self.0.keys(prefix).await.map_err(|error| error.to_string())?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{ApplyError, BusError};

    #[test]
    fn one_record_that_cannot_be_read_stops_no_other_lease() {
        let problem = "expected value at line 1 column 1".to_owned();
        let corrupt = BusError::Corrupt { key: "server 9440c9000001".to_owned(), problem };
        let refused = not_taken(ApplyError::Bus(corrupt));
        assert!(matches!(&refused, ingest::SinkError::Refused(why) if why.contains("9440c9000001")), "{refused:?}");
        let away = not_taken(ApplyError::Bus(BusError::Unreachable("no route".to_owned())));
        assert!(matches!(away, ingest::SinkError::Away(_)), "{away:?}");
    }
}
