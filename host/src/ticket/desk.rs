//! The desk: takes cases in, and brings them to the ticket system.
//!
//! Promises that each step (open, each comment, close) is written down before the next, so that a crash repeats at most
//! one, which the plugin finds done. To open and to close is written down before it is asked as well: what became of the
//! fault while nobody knew the answer leaves no ticket open, and no fault with a closed one. While the ticket system as a
//! whole does not work, nothing is tried but one case after growing pauses; a case that it refuses does not hold up the
//! others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_lifecycle::{Blame, LifecycleState, Mac, Retry, ServerId};
use tokio_util::sync::CancellationToken;

use super::case::{Asked, Case, Cases, Subject};
use super::follow;
use super::text::{self, Known};
use super::tracker::Tracker;
use crate::bus::{Bus, BusError};
use crate::config::Tickets;
use crate::egress::now;
use crate::fault::Fault;
use crate::inventory::{Expected, Found, Inventory};
use crate::plugin::server_ref;
use crate::plugin::wit::ticketing::{Draft, Priority};
use crate::plugin::wit::types::ServerRef;

/// Numbers of the desk.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long one wait for news lasts.
    pub wait: Duration,
    /// How long the role of the one desk is held without word.
    pub role: Duration,
    /// First pause after a failure of the ticket system as a whole.
    pub backoff: Duration,
    /// Longest pause.
    pub backoff_cap: Duration,
    /// Between two tries of a case that was refused.
    pub refused_retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(5),
            role: Duration::from_mins(2),
            backoff: Duration::from_secs(2),
            backoff_cap: Duration::from_mins(5),
            refused_retry: Duration::from_mins(15),
        }
    }
}

/// See the module.
pub struct Desk {
    cases: Cases,
    inventory: Arc<dyn Inventory>,
    tracker: Arc<dyn Tracker>,
    settings: Tickets,
    pace: Pace,
    /// The ticket system is left alone until then, after so many failures.
    away: Option<(Instant, u32)>,
    /// Cases that it refused, and until when each is left alone.
    refused: BTreeMap<String, Instant>,
}

/// Keep a desk until the token is cancelled.
pub async fn run(mut desk: Desk, stop: CancellationToken) {
    while let Some(turn) = stop.run_until_cancelled(desk.turn()).await {
        let pause = match turn {
            Ok(true) => continue,
            Ok(false) => desk.pace.wait,
            Err(error) => {
                tracing::warn!(%error, "the desk cannot read the store");
                desk.pace.backoff
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

impl Desk {
    /// A desk of this store and ticket system.
    pub fn new(
        bus: Arc<dyn Bus>,
        inventory: Arc<dyn Inventory>,
        tracker: Arc<dyn Tracker>,
        settings: Tickets,
        pace: Pace,
    ) -> Self {
        Self { cases: Cases(bus), inventory, tracker, settings, pace, away: None, refused: BTreeMap::new() }
    }

    /// Take in what is new, then bring what is due to the ticket system. `false`: another process is the desk.
    pub async fn turn(&mut self) -> Result<bool, BusError> {
        if !self.cases.0.elect("tickets", self.pace.role).await? {
            return Ok(false);
        }
        follow::turn(&self.cases, self.pace.wait).await?;
        if self.away.is_some_and(|(until, _)| Instant::now() < until) {
            return Ok(true);
        }
        let due: Vec<Case> = self.cases.all().await?.into_iter().filter(|case| self.is_due(case)).collect();
        for case in due {
            if !self.cases.0.elect("tickets", self.pace.role).await? {
                return Ok(false);
            }
            // As it is now: others write cases while those before it are brought.
            let case = self.cases.get(&case.about, &case.fault.code).await?;
            let Some(case) = case.filter(|case| self.is_due(case)) else { continue };
            let key = case.dedup_key();
            match self.bring(case).await? {
                Ok(()) => {
                    self.away = None;
                    self.refused.remove(&key);
                }
                Err(fault) if is_away(&fault) => {
                    self.leave_alone(&fault);
                    break;
                }
                Err(fault) => {
                    let (code, cause, hint) = (&fault.code, &fault.text, fault.hint.as_deref());
                    tracing::error!(
                        case = key,
                        code,
                        cause,
                        hint,
                        "the ticket system refuses a case; it is tried again later"
                    );
                    self.refused.insert(key, Instant::now() + self.pace.refused_retry);
                }
            }
        }
        Ok(true)
    }

    fn is_due(&self, case: &Case) -> bool {
        let something = case.ticket.is_none() || !case.say.is_empty() || case.over.is_some();
        let left_alone = self.refused.get(&case.dedup_key()).is_some_and(|until| Instant::now() < *until);
        let lasted = case.ticket.is_some() || now().since(case.since) >= self.settings.after_ms || case.over.is_some();
        something && lasted && !left_alone
    }

    fn leave_alone(&mut self, fault: &Fault) {
        let failures = self.away.map_or(0, |(_, failures)| failures).saturating_add(1);
        let doubled = self.pace.backoff.saturating_mul(1 << (failures - 1).min(16)).min(self.pace.backoff_cap);
        let pause = match fault.retry {
            Retry::After(millis) => Duration::from_millis(millis).max(doubled),
            // Credentials: a person corrects them and restarts the host.
            Retry::Never => self.pace.backoff_cap,
            Retry::Backoff | Retry::Slowly => doubled,
        };
        let (code, cause) = (&fault.code, &fault.text);
        tracing::warn!(
            code,
            cause,
            failures,
            seconds = pause.as_secs(),
            "the ticket system is left alone; cases wait in the store"
        );
        self.away = Some((Instant::now() + pause, failures));
    }

    /// Bring one case as far as it goes.
    async fn bring(&self, case: Case) -> Result<Result<(), Fault>, BusError> {
        let mut left = Some(case);
        while let Some(case) = left {
            left = match self.step(&case).await? {
                Ok(left) => left,
                Err(fault) => {
                    if fault.code == "rejected" {
                        self.cases.refused(&case).await?;
                    }
                    return Ok(Err(fault));
                }
            };
        }
        Ok(Ok(()))
    }

    /// The next step of a case. It goes on from what others made of the case meanwhile; `None`: this is all for now.
    async fn step(&self, case: &Case) -> Result<Result<Option<Case>, Fault>, BusError> {
        let Some((key, _)) = &case.ticket else { return self.open(case).await };
        // It may be closed already, and then it is no ticket of what is back.
        let closing = case.asked == Some(Asked::Close);
        if let Some(text) = case.say.first().filter(|_| !closing) {
            return Ok(match self.tracker.comment(&case.about, key, text).await {
                Ok(()) => Ok(self.cases.said(case, text).await?),
                Err(fault) if fault.code == "not-found" => {
                    self.cases.deleted(case).await?;
                    Ok(None)
                }
                Err(fault) => Err(fault),
            });
        }
        if !closing && case.over.is_none() {
            return Ok(Ok(None));
        }
        let asked = self.cases.asking(case, Asked::Close).await?;
        if asked.as_ref().is_none_or(|case| case.asked != Some(Asked::Close)) {
            return Ok(Ok(asked));
        }
        match self.tracker.close(&case.about, key).await {
            Ok(()) => {}
            Err(fault) if fault.code == "not-found" => {}
            Err(fault) => return Ok(Err(fault)),
        }
        tracing::info!(server = case.name, code = case.fault.code, ticket = key, "ticket closed");
        self.cases.closed(case).await?;
        Ok(Ok(None))
    }

    async fn open(&self, case: &Case) -> Result<Result<Option<Case>, Fault>, BusError> {
        let lasted = case.over.map(|over| over.since(case.since));
        if lasted.is_some_and(|lasted| lasted < self.settings.after_ms) && case.asked.is_none() {
            self.cases.forget(case).await?;
            return Ok(Ok(None));
        }
        let draft = self.draft(case).await?;
        let asked = self.cases.asking(case, Asked::Open).await?;
        if asked.as_ref().is_none_or(|case| case.asked != Some(Asked::Open)) {
            return Ok(Ok(asked));
        }
        Ok(match self.tracker.open(&case.about, &draft).await {
            Ok(ticket) => {
                tracing::info!(server = case.name, code = case.fault.code, ticket = ticket.0, "ticket opened");
                Ok(self.cases.opened(case, &ticket).await?)
            }
            Err(fault) => Err(fault),
        })
    }

    async fn draft(&self, case: &Case) -> Result<Draft, BusError> {
        let known = self.known(case).await?;
        let in_service = known.server.as_ref().is_some_and(|server| server.lifecycle_state() == LifecycleState::Active);
        let rack = case.about.server().is_none();
        let priority = match case.fault.blame {
            _ if case.warning => Priority::Medium,
            _ if in_service || rack => Priority::Urgent,
            Blame::Hardware => Priority::High,
            Blame::Host | Blame::Plugin => Priority::Low,
            _ => Priority::Medium,
        };
        let mut labels = self.settings.labels.clone();
        labels.push(case.fault.code.clone());
        labels.extend(text::site(case, &known).map(|site| format!("site-{site}")));
        Ok(Draft {
            dedup_key: case.dedup_key(),
            server: known.server.as_ref().map_or_else(|| bare(case), server_ref),
            summary: text::summary(case),
            description: text::description(case, &known),
            priority,
            labels,
        })
    }

    async fn known(&self, case: &Case) -> Result<Known, BusError> {
        let link = self.settings.link.clone();
        let Some(id) = case.about.server() else {
            return Ok(Known { link, readings: case.shown.clone(), ..Known::default() });
        };
        let server = self.cases.0.read(id).await?;
        let expected = match &server {
            Some(server) => self.expected(server.lease.mac).await,
            None => None,
        };
        let readings = match &case.shown {
            Some(shown) => Some(shown.clone()),
            None => self.readings(id).await?,
        };
        Ok(Known { readings, support: crate::warranty::of(&*self.cases.0, id).await?, link, server, expected })
    }

    /// A ticket without rack and unit is better than none while the inventory is away.
    async fn expected(&self, mac: Mac) -> Option<Expected> {
        match self.inventory.find(mac).await {
            Ok(Found::Server(expected)) => Some(*expected),
            Ok(_) => None,
            Err(fault) => {
                tracing::warn!(%fault, "the ticket goes without what the inventory says");
                None
            }
        }
    }

    /// What the stages kept of sensors and log.
    async fn readings(&self, server: &ServerId) -> Result<Option<serde_json::Value>, BusError> {
        let kept = self.cases.0.get(&format!("evidence/{server}/readings")).await?;
        let value = kept.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
        Ok(value.and_then(|value| value.get("data").cloned()))
    }
}

fn bare(case: &Case) -> ServerRef {
    ServerRef {
        id: case.about.to_string(),
        name: case.name.clone(),
        serial: None,
        bmc_mac: None,
        bmc_address: None,
        site: match &case.about {
            Subject::Rack { site, .. } => Some(site.clone()),
            Subject::Server(_) => None,
        },
    }
}

/// Is it the ticket system as a whole that does not work, and not this case?
fn is_away(fault: &Fault) -> bool {
    fault.retry != Retry::Never || matches!(fault.code.as_str(), "credentials-refused" | "forbidden" | "plugin-fault")
}
