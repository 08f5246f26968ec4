//! Asks who knows, and keeps the answers.
//!
//! Promises one round a day over every server, a hundred serials in one question, and an answer for each: an end or a reason. Alerts
//! at 90, 30 and 7 days as one case that is said again, and cleared when the end moved away. Elected, so that several hosts ask once.
//!
//! Not obvious: the role ends long before the day does, so the last round is in the store: a host that has the role next
//! finds it there, and so does one that starts anew. Other sources, or another CSV, make a round of their own; servers that came since are
//! asked for within the hour.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use farrier_lifecycle::{Blame, Fault, Retry, Server, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Line, PREFIX, Support, of, parse};
use crate::bus::{Bus, BusError};
use crate::egress::{Effect, Gate, now};
use crate::plugin::wit::warranty::Entitlement;
use crate::plugin::{Broker, Service};

/// Days before the end at which somebody is told.
pub const ALERTS: [i64; 3] = [7, 30, 90];
/// With more days left than this there is time to renew: a warning.
const URGENT: i64 = 7;
/// The code of an end that is near.
pub const CODE: &str = "warranty-ending";
/// The operator's file, as a source.
const CSV: &str = "csv";
/// Where the last round is kept in the store.
const LAST: &str = "warranty:round";
/// Why nobody was asked for a server.
const NAMELESS: &str = "no serial is known yet";
const AT_ONCE: usize = 100;
const ROUND: Duration = Duration::from_hours(24);
const AGAIN: Duration = Duration::from_hours(1);
const ROLE: Duration = Duration::from_mins(10);

/// A vendor that can be asked.
pub struct Source {
    /// Start of the vendors' names it knows, lower case; `*`: all.
    pub matches: String,
    /// The plugin.
    pub service: Service,
}

/// A round that was made.
#[derive(Serialize, Deserialize)]
struct Last {
    /// When it began.
    at: Timestamp,
    /// Every source answered.
    whole: bool,
    /// Who was asked.
    asked: Vec<String>,
}

impl Last {
    /// Until the next: a source that did not answer is asked again sooner.
    const fn pause(&self) -> Duration {
        if self.whole { ROUND } else { AGAIN }
    }
}

/// See the module.
pub struct Book {
    bus: Arc<dyn Bus>,
    broker: Arc<Broker>,
    csv_file: Option<PathBuf>,
    sources: Vec<Source>,
}

impl Book {
    /// A book over these sources.
    pub const fn new(bus: Arc<dyn Bus>, broker: Arc<Broker>, csv_file: Option<PathBuf>, sources: Vec<Source>) -> Self {
        Self { bus, broker, csv_file, sources }
    }

    /// Ask for every server. What is known of each, and the faults of sources that did not answer.
    pub async fn round(&self) -> Result<(Vec<(Server, Support)>, Vec<Fault>), BusError> {
        self.about(self.bus.list().await?).await
    }

    async fn about(&self, servers: Vec<Server>) -> Result<(Vec<(Server, Support)>, Vec<Fault>), BusError> {
        let (nameless, servers): (Vec<Server>, Vec<Server>) =
            servers.into_iter().partition(|one| serial(one).is_empty());
        let mut faults = Vec::new();
        let (lines, unread) = match self.lines() {
            Ok(lines) => (lines, None),
            Err(fault) => (BTreeMap::new(), Some(fault)),
        };
        faults.extend(unread.clone());
        // Nothing to ask for yet: discover learns it.
        let unasked = |server| (server, Support::unknown(now(), NAMELESS));
        let mut answers: Vec<(Server, Support)> = nameless.into_iter().map(unasked).collect();
        let mut asked: BTreeMap<usize, Vec<Server>> = BTreeMap::new();
        for server in servers {
            // What the file said while it could be read stands.
            if let Some(fault) = &unread
                && (self.source(&server).is_none() || self.said_by_csv(&server).await?)
            {
                answers.extend(self.kept(std::slice::from_ref(&server), fault).await?);
                continue;
            }
            match (lines.get(&serial(&server)), self.source(&server)) {
                (Some(line), _) => answers.push((server, by_csv(line))),
                (None, Some(index)) => asked.entry(index).or_default().push(server),
                (None, None) => {
                    let support = Support::unknown(now(), nobody(&server, self.csv_file.is_some()));
                    answers.push((server, support));
                }
            }
        }
        for (index, servers) in asked {
            let Some(source) = self.sources.get(index) else { continue };
            for part in servers.chunks(AT_ONCE) {
                match self.ask(source, part).await {
                    Ok(found) => answers.extend(found),
                    Err(fault) => {
                        answers.extend(self.kept(part, &fault).await?);
                        faults.push(fault);
                    }
                }
            }
        }
        for (server, support) in &answers {
            self.keep(server, support).await?;
        }
        Ok((answers, faults))
    }

    /// Make a round if one is due, else ask for those who came since; and `tell` what is known of each. After how long there is something to do again.
    ///
    /// # Errors
    /// When the store does not answer; the round is made again.
    pub async fn turn<F, Told>(&self, at: Timestamp, tell: &F) -> Result<Duration, BusError>
    where
        F: Fn(Server, Support) -> Told + Send,
        Told: Future<Output = Result<(), BusError>> + Send,
    {
        if !self.bus.elect("warranty", ROLE).await? {
            return Ok(AGAIN);
        }
        let rest = self.rest(at).await?;
        let servers = if rest.is_some() { self.newcomers().await? } else { self.bus.list().await? };
        let (answers, faults) = self.about(servers).await?;
        for fault in &faults {
            let (code, cause, hint) = (&fault.code, &fault.text, fault.hint.as_deref());
            tracing::warn!(code, cause, hint, "a warranty source did not answer");
        }
        for (server, support) in answers {
            tell(server, support).await?;
        }
        if let Some(rest) = rest {
            return Ok(rest.min(AGAIN));
        }
        let last = Last { at, whole: faults.is_empty(), asked: self.asked() };
        let bytes = serde_json::to_vec(&last)
            .map_err(|error| BusError::Corrupt { key: LAST.to_owned(), problem: error.to_string() })?;
        self.bus.set(LAST, Some(&bytes), None).await?;
        Ok(last.pause().min(AGAIN))
    }

    /// Servers that came, or whose serial did, since the last round: nobody was asked for them.
    async fn newcomers(&self) -> Result<Vec<Server>, BusError> {
        let mut new = Vec::new();
        for server in self.bus.list().await?.into_iter().filter(|one| !serial(one).is_empty()) {
            let known = of(&*self.bus, &server.id).await?;
            if known.is_none_or(|support| support.reason.as_deref() == Some(NAMELESS)) {
                new.push(server);
            }
        }
        Ok(new)
    }

    /// How long the last round, whoever made it, is good for; `None`: one is due.
    async fn rest(&self, at: Timestamp) -> Result<Option<Duration>, BusError> {
        let Some(bytes) = self.bus.get(LAST).await? else { return Ok(None) };
        // Of another version's shape: a round too many.
        let Ok(last) = serde_json::from_slice::<Last>(&bytes) else { return Ok(None) };
        // A clock that was set back must not put off the next one for longer than a round is good for.
        let known = last.asked == self.asked() && last.at <= at;
        let rest = last.pause().checked_sub(Duration::from_millis(at.since(last.at)));
        Ok(rest.filter(|rest| known && !rest.is_zero()))
    }

    /// Who is asked: a source that was added, or another CSV, does not wait until tomorrow.
    fn asked(&self) -> Vec<String> {
        let digest = |path| format!("{:x}", Sha256::digest(std::fs::read(path).unwrap_or_default()));
        let csv = self.csv_file.as_ref().map(|path| format!("{CSV} {}", digest(path)));
        let source = |one: &Source| format!("{} {}", one.matches, one.service.driver().name());
        csv.into_iter().chain(self.sources.iter().map(source)).collect()
    }

    fn lines(&self) -> Result<BTreeMap<String, Line>, Fault> {
        let Some(path) = &self.csv_file else { return Ok(BTreeMap::new()) };
        let fault = |text: String| {
            Fault::new("warranty-csv", Retry::Backoff, Blame::Operator, text)
                .hint("correct the file; it is read again by itself")
        };
        let file = std::fs::File::open(path).map_err(|error| fault(format!("`{}`: {error}", path.display())))?;
        parse(file).map_err(|error| fault(error.to_string()))
    }

    async fn said_by_csv(&self, server: &Server) -> Result<bool, BusError> {
        Ok(of(&*self.bus, &server.id).await?.is_some_and(|support| support.source == CSV))
    }

    fn source(&self, server: &Server) -> Option<usize> {
        let vendor = server.facts.vendor.as_deref().unwrap_or_default().to_lowercase();
        self.sources.iter().position(|source| source.matches == "*" || vendor.starts_with(&source.matches))
    }

    async fn ask(&self, source: &Source, servers: &[Server]) -> Result<Vec<(Server, Support)>, Fault> {
        let lend = source.service.lend(&self.broker, Gate::detached(Effect::Look))?;
        let serials: Vec<String> = servers.iter().map(serial).collect();
        let name = source.service.driver().name();
        let answer = source.service.driver().entitlements(&lend, &serials).await;
        let answer = answer.map_err(|error| error.service_fault(name))?;
        Ok(servers
            .iter()
            .map(|server| (server.clone(), by_vendor(server, name, &answer.found, &answer.unknown)))
            .collect())
    }

    /// What was known before, or why nothing is.
    async fn kept(&self, servers: &[Server], fault: &Fault) -> Result<Vec<(Server, Support)>, BusError> {
        let mut kept = Vec::new();
        for server in servers {
            let before =
                of(&*self.bus, &server.id).await?.filter(|support| support.ends.is_some() || support.source == CSV);
            let support =
                before.unwrap_or_else(|| Support::unknown(now(), format!("the source does not answer: {fault}")));
            kept.push((server.clone(), support));
        }
        Ok(kept)
    }

    async fn keep(&self, server: &Server, support: &Support) -> Result<(), BusError> {
        let key = format!("{PREFIX}{}", server.id);
        let bytes = serde_json::to_vec(support)
            .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
        self.bus.set(&key, Some(&bytes), None).await
    }
}

fn serial(server: &Server) -> String {
    server.facts.serial.as_deref().unwrap_or_default().trim().to_ascii_uppercase()
}

fn nobody(server: &Server, csv: bool) -> String {
    let vendor = server.facts.vendor.as_deref().unwrap_or("an unknown vendor");
    let file = if csv { "it is not in the csv, and " } else { "" };
    format!("{file}no source is configured for {vendor}")
}

fn by_csv(line: &Line) -> Support {
    let level = Some(line.level.clone()).filter(|level| !level.is_empty());
    let reason = line.ends.is_none().then(|| format!("the csv says: {}", level.as_deref().unwrap_or("no end")));
    Support { at: now(), ends: line.ends, level, source: CSV.to_owned(), reason }
}

fn by_vendor(server: &Server, source: &str, found: &[Entitlement], unknown: &[String]) -> Support {
    let serial = serial(server);
    let latest = found.iter().filter(|one| one.serial.eq_ignore_ascii_case(&serial)).max_by_key(|one| one.ends);
    if let Some(one) = latest {
        return Support {
            at: now(),
            ends: Some(Timestamp(one.ends)),
            level: Some(one.level.clone()),
            source: source.to_owned(),
            reason: None,
        };
    }
    let reason = if unknown.iter().any(|one| one.eq_ignore_ascii_case(&serial)) {
        format!("`{source}` does not know the serial {serial}")
    } else {
        format!("`{source}` knows the serial {serial}, and no entitlement of it")
    };
    Support { source: source.to_owned(), ..Support::unknown(now(), reason) }
}

/// An end that somebody must hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What is said of it.
    pub fault: Fault,
    /// There is time to renew.
    pub warning: bool,
}

/// The alert an end is due for: at 90 and 30 days a warning, at 7 days and when it is past none any more.
pub fn alert(support: &Support, at: Timestamp) -> Option<Alert> {
    let left = support.days_left(at)?;
    let within = ALERTS.into_iter().find(|days| left <= *days)?;
    let text = if left < 0 {
        "the vendor's support is over".to_owned()
    } else {
        format!("the vendor's support ends within {within} days")
    };
    let fault = Fault::new(CODE, Retry::Slowly, Blame::Operator, text)
        .hint("renew the contract, or plan the server's replacement; the end is read again each day");
    Some(Alert { fault, warning: left > URGENT })
}

/// Ask once a day until the token is cancelled; what is near its end goes to `tell`.
pub async fn run<F, Told>(book: Book, stop: CancellationToken, tell: F)
where
    F: Fn(Server, Support) -> Told + Send,
    Told: Future<Output = Result<(), BusError>> + Send,
{
    loop {
        let pause = match stop.run_until_cancelled(book.turn(now(), &tell)).await {
            None => return,
            Some(Ok(pause)) => pause,
            Some(Err(error)) => {
                tracing::warn!(%error, "warranty: the store does not answer");
                AGAIN
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}
