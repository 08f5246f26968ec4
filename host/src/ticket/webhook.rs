//! Signed notices of every transition and of every change of a case, to a receiver that is no ticket system.
//!
//! Promises: what happens from the day the receiver was configured is sent, transitions in their order and changes of cases in theirs, at
//! least once, as long as it is kept: what is older than seven days when a receiver comes back is not told. Each carries an HMAC-SHA256
//! of its time and body, so that the receiver knows who sent it and when.
//! Does not: send what is secret (journal and cases have none), follow redirects, or send to plain HTTP on another machine.
//!
//! Not obvious: one receiver gets one notice at a time. That keeps the order of each server without a queue for each, and
//! a receiver that refuses a notice for good (4xx, ten times) loses that one and not those behind it.

use std::sync::Arc;
use std::time::Duration;

use farrier_lifecycle::JournalEntry;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use url::Host;

use super::notice::{self, Change};
use crate::bus::{Bus, BusError};
use crate::config::Webhook;
use crate::egress::now;
use crate::fault::{Blame, Fault, Retry, Secret};
use crate::plugin::broker::web_client;

const BATCH: usize = 64;
const WAIT: Duration = Duration::from_secs(5);
const ROLE: Duration = Duration::from_mins(2);
const TIMEOUT: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Refusals of one notice before it is left out.
const REFUSALS: u32 = 10;

/// One receiver.
pub struct Hook {
    config: Webhook,
    client: reqwest::Client,
    bus: Arc<dyn Bus>,
    pause: Duration,
}

/// What is sent.
struct Notice {
    /// The same whenever it is sent again.
    id: String,
    body: String,
}

impl Notice {
    fn transition(entry: &JournalEntry) -> Self {
        let id = entry.transition.clone();
        let body = serde_json::json!({ "kind": "transition", "id": id, "entry": entry }).to_string();
        Self { id, body }
    }

    fn case(number: u64, change: &Change) -> Self {
        // With its time: a store that was lost begins to count anew.
        let id = format!("case:{number}:{}", change.at.0);
        let body = serde_json::json!({ "kind": "case", "id": id, "case": change }).to_string();
        Self { id, body }
    }
}

/// How a notice that was sent came out.
enum Sent {
    Taken,
    Refused(u16),
    Away(String),
}

impl Hook {
    /// A receiver as configured; `pause` is the first after a failure.
    pub fn new(config: &Webhook, bus: Arc<dyn Bus>, pause: Duration) -> Result<Self, Fault> {
        let wrong = |text: String| Fault::new("no-service", Retry::Never, Blame::Operator, text);
        let here = match config.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if config.url.scheme() != "https" && !(config.url.scheme() == "http" && here) {
            let text = format!("webhook `{}`: only https, and http to this machine", config.name);
            return Err(wrong(text));
        }
        let client = web_client(config.ca_file.as_deref()).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { config: config.clone(), client, bus, pause })
    }

    fn key(&self) -> String {
        format!("webhook/{}/cursor", self.config.name)
    }

    fn case_key(&self) -> String {
        format!("webhook/{}/case", self.config.name)
    }

    /// Send what happened beyond the cursors. `false`: another process does, or there was nothing.
    pub async fn turn(&self) -> Result<bool, BusError> {
        if !self.bus.elect(&format!("webhook-{}", self.config.name), ROLE).await? {
            return Ok(false);
        }
        let cases = self.cases().await?;
        let wait = if cases { Duration::ZERO } else { WAIT };
        Ok(self.transitions(wait).await? || cases)
    }

    /// Changes of cases, some in a turn, so that transitions are not held up.
    async fn cases(&self) -> Result<bool, BusError> {
        let key = self.case_key();
        let Some(cursor) = self.bus.get(&key).await? else {
            let end = notice::end(&*self.bus).await?;
            self.bus.set(&key, Some(end.to_string().as_bytes()), None).await?;
            return Ok(false);
        };
        let mut cursor: u64 = String::from_utf8_lossy(&cursor)
            .parse()
            .map_err(|_| BusError::Corrupt { key: key.clone(), problem: "it is no number".to_owned() })?;
        for sent in 0..BATCH {
            let Some((number, change)) = notice::next(&*self.bus, cursor).await? else { return Ok(sent > 0) };
            self.deliver(&Notice::case(number, &change)).await?;
            self.bus.set(&key, Some(number.to_string().as_bytes()), None).await?;
            cursor = number;
        }
        Ok(true)
    }

    async fn transitions(&self, wait: Duration) -> Result<bool, BusError> {
        let Some(cursor) = self.bus.get(&self.key()).await? else { return self.begin().await };
        let cursor = String::from_utf8_lossy(&cursor).into_owned();
        let news = self.bus.journal(&cursor, BATCH, wait).await?;
        let any = !news.is_empty();
        for (next, entry) in news {
            self.deliver(&Notice::transition(&entry)).await?;
            self.bus.set(&self.key(), Some(next.as_bytes()), None).await?;
        }
        Ok(any)
    }

    /// Notices begin with the day the receiver was configured.
    async fn begin(&self) -> Result<bool, BusError> {
        let mut cursor = String::new();
        loop {
            let old = self.bus.journal(&cursor, 512, Duration::ZERO).await?;
            let Some((last, _)) = old.last() else { break };
            cursor.clone_from(last);
        }
        self.bus.set(&self.key(), Some(cursor.as_bytes()), None).await?;
        Ok(true)
    }

    async fn deliver(&self, notice: &Notice) -> Result<(), BusError> {
        let (mut refusals, mut failures) = (0_u32, 0_u32);
        loop {
            match self.send(notice).await {
                Sent::Taken => return Ok(()),
                Sent::Refused(status) => {
                    refusals += 1;
                    if refusals >= REFUSALS {
                        let (webhook, notice) = (&self.config.name, &notice.id);
                        tracing::error!(
                            webhook,
                            notice,
                            status,
                            "the receiver refuses a notice for good; it is left out"
                        );
                        return Ok(());
                    }
                }
                Sent::Away(cause) if failures == 0 => {
                    tracing::warn!(
                        webhook = self.config.name,
                        cause,
                        "the receiver does not take notices; they wait in the store for seven days"
                    );
                }
                Sent::Away(_) => {}
            }
            failures = failures.saturating_add(1);
            let pause = self.pause.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_PAUSE);
            tokio::time::sleep(pause).await;
            self.bus.elect(&format!("webhook-{}", self.config.name), ROLE.max(pause * 2)).await?;
        }
    }

    async fn send(&self, notice: &Notice) -> Sent {
        let secret = match self.config.secret().map(|reference| reference.read()) {
            Some(Ok(secret)) => secret,
            Some(Err(error)) => return Sent::Away(error.to_string()),
            None => return Sent::Away("no key is configured".to_owned()),
        };
        let seconds = (now().0 / 1000).to_string();
        let Some(signature) = sign(&secret, &seconds, &notice.body) else {
            return Sent::Away("the key cannot sign".to_owned());
        };
        let request = self
            .client
            .post(self.config.url.clone())
            .timeout(TIMEOUT)
            .header("content-type", "application/json")
            .header("user-agent", concat!("farrier/", env!("CARGO_PKG_VERSION")))
            .header("x-farrier-delivery", &notice.id)
            .header("x-farrier-timestamp", &seconds)
            .header("x-farrier-signature", format!("sha256={signature}"))
            .body(notice.body.clone());
        match request.send().await.map(|answer| answer.status().as_u16()) {
            Ok(200..=299) => Sent::Taken,
            // Not now, or a login that somebody will correct: not this notice's fault.
            Ok(status @ (401 | 403 | 408 | 425 | 429 | 500..=599)) => Sent::Away(format!("status {status}")),
            Ok(status) => Sent::Refused(status),
            Err(error) => Sent::Away(error.without_url().to_string()),
        }
    }
}

/// Lower-case hex of the HMAC-SHA256 of `timestamp.body`.
fn sign(secret: &Secret, seconds: &str, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    Some(format!("{:x}", mac.finalize().into_bytes()))
}

/// Send notices until the token is cancelled.
pub async fn run(hook: Hook, stop: CancellationToken) {
    while let Some(turn) = stop.run_until_cancelled(hook.turn()).await {
        let pause = match turn {
            Ok(true) => continue,
            Ok(false) => Duration::from_secs(1),
            Err(error) => {
                tracing::warn!(%error, webhook = hook.config.name, "notices: the store does not answer");
                WAIT
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_signature_is_what_a_receiver_computes() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let signature = sign(&Secret::new("key"), "1700000000", "{\"a\":1}").unwrap();
        assert_eq!(signature, "a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03");
    }
}
