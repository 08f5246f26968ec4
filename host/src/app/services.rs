//! Starts what speaks to systems that are no controllers: the desk of tickets, notices, the warranty book.
//!
//! Promises that a configuration that cannot work (a plugin that is not loaded, a login it does not know) stops the start
//! with a hint. Where such a system is away is found out later and stops nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use farrier_lifecycle::Server;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bus::Bus;
use crate::config::{Bmc, Config, Monitor as MonitorSettings, TlsPolicy};
use crate::egress::now;
use crate::fault::{Fault, chain};
use crate::fleet::Fleet;
use crate::health::{self, Sample, Watch};
use crate::metrics::Metrics;
use crate::monitor::{self, DriverEyes, Monitor, Observer};
use crate::plugin::{Broker, MemoryPins, Service};
use crate::stage::Parts;
use crate::ticket::{Cases, Desk, Hook, Pace, ServiceTracker, notify};
use crate::warranty::{Book, Source};
use crate::{ticket, warranty};

/// First pause after a receiver of notices did not take one.
const NOTICE_PAUSE: Duration = Duration::from_secs(2);
/// Between two looks at what health waits for.
const ROUND: Duration = Duration::from_secs(5);

/// Start what is configured; it ends with the token.
pub fn start(config: &Config, parts: &Arc<Parts>, tasks: &TaskTracker, stop: &CancellationToken) -> anyhow::Result<()> {
    if let Some(boot) = &config.boot {
        Service::open(&parts.plugins, boot, "boot-provisioner").map_err(|fault| refused("boot", &fault))?;
    }
    // A way out of its own: these systems are trusted in another way than controllers, and nothing of theirs is pinned.
    let settings = Bmc { tls: TlsPolicy::Pin, ca_file: None, credentials: Vec::new(), ..config.bmc.clone() };
    let broker = Arc::new(Broker::new(&settings, Arc::new(MemoryPins::default()))?);
    if let Some(tickets) = &config.tickets {
        let service = Service::open(&parts.plugins, &tickets.service, "ticketing");
        let service = service.map_err(|fault| refused("tickets.service", &fault))?;
        let tracker = Arc::new(ServiceTracker::new(service, broker.clone()));
        let desk = Desk::new(parts.bus.clone(), parts.inventory.clone(), tracker, tickets.clone(), Pace::default());
        tasks.spawn(ticket::run(desk, stop.clone()));
    }
    for (index, webhook) in config.webhook.iter().enumerate() {
        let hook = Hook::new(webhook, parts.bus.clone(), NOTICE_PAUSE);
        let hook = hook.map_err(|fault| refused(&format!("webhook[{index}]"), &fault))?;
        tasks.spawn(notify(hook, stop.clone()));
    }
    if let Some(warranty) = &config.warranty {
        let mut sources = Vec::new();
        for (index, source) in warranty.source.iter().enumerate() {
            let service = Service::open(&parts.plugins, &source.service, "warranty");
            let service = service.map_err(|fault| refused(&format!("warranty.source[{index}]"), &fault))?;
            sources.push(Source { matches: source.matches.to_lowercase(), service });
        }
        let book = Book::new(parts.bus.clone(), broker, warranty.csv_file.clone(), sources);
        let (cases, desk) = (Cases(parts.bus.clone()), config.tickets.is_some());
        tasks.spawn(warranty::run(book, stop.clone(), move |server, support| {
            let cases = cases.clone();
            async move { ticket::support(&cases, desk, &server, &support, now()).await }
        }));
    }
    Ok(())
}

/// Look at servers, judge what is seen, and keep `/metrics` current; all end with the token.
pub fn watch(
    config: &Config,
    parts: &Arc<Parts>,
    fleet: &Arc<Fleet>,
    metrics: &Arc<Metrics>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let rules = health::load(&config.health).map_err(|error| anyhow!("[health]: {}", chain(&error)))?;
    tasks.spawn(metrics.clone().run(stop.clone()));
    if !config.monitor.enabled {
        return Ok(());
    }
    // Stages go first: looks have half of the plugin instances at most.
    let half = usize::try_from(config.plugins.instances / 2).unwrap_or(1).max(1);
    let settings = MonitorSettings { concurrency: config.monitor.concurrency.min(half), ..config.monitor.clone() };
    let eyes = Arc::new(DriverEyes::new(parts.clone(), Duration::from_millis(settings.timeout_ms)));
    let (bus, cache) = (parts.bus.clone(), metrics.cache.clone());
    let watch = Arc::new(Watch::new(parts.bus.clone(), rules, &config.health, config.tickets.is_some()));
    let observers: Vec<Arc<dyn Observer>> = vec![Arc::new(Nurse(watch.clone()))];
    let monitor = Monitor::new(bus, fleet.clone(), cache, eyes, observers, settings);
    tasks.spawn(monitor::run(Arc::new(monitor), stop.clone()));
    // A host that only observes tells nobody: its store is its own, and so are its cases.
    tasks.spawn(round(watch, parts.bus.clone(), stop.clone()));
    Ok(())
}

/// Hands each look to health.
struct Nurse(Arc<Watch>);

#[async_trait]
impl Observer for Nurse {
    async fn observe(&self, server: &Server, sample: &Sample) {
        if let Err(error) = self.0.look(server, sample).await {
            tracing::warn!(server = server.label(), %error, "what a look means is kept until the store answers");
        }
    }
}

/// Windows and silences end by the clock, on the host that looks.
async fn round(watch: Arc<Watch>, bus: Arc<dyn Bus>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
        let done = match bus.elect(monitor::ROLE, monitor::TERM).await {
            Ok(true) => watch.tick(now()).await,
            Ok(false) => {
                watch.pause().await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "health waits for the store");
        }
    }
}

fn refused(section: &str, fault: &Fault) -> anyhow::Error {
    let hint = fault.hint.as_deref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    anyhow!("{section}: {fault}{hint}")
}
