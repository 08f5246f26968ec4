//! Who did what: every decision that is not about one server alone.
//!
//! Promises that what is refused cannot flood the log: of one principal, the first of a minute is written, the rest counted and written as a
//! number when the minute is over. Not obvious: an entry that cannot be written is an error in the log of the host and stops nobody;
//! otherwise a store that is away would lock out those who must mend it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use farrier_lifecycle::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Means, Principal};
use crate::bus::Bus;
use crate::egress::now;

/// Refusals of one principal within this are one entry and a number, milliseconds.
const MINUTE: u64 = 60_000;
/// So many principals are told apart; more share one count.
const MOST: usize = 1_024;
/// Longer texts are cut, bytes.
const LONGEST: usize = 512;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// How they had proved it.
    pub means: Means,
    /// The address it came from; absent: the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What: `sign-in`, `token-made`, or a method.
    pub what: String,
    /// On what: a path, a token's id.
    pub target: String,
    /// `ok`, or the code of what stood against it.
    pub result: String,
    /// More, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many such, where it is more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

impl Record {
    /// A decision about somebody, now.
    pub fn new(who: &Principal, what: impl Into<String>, target: impl Into<String>, result: impl Into<String>) -> Self {
        Self {
            at: now(),
            who: who.name.clone(),
            means: who.means,
            from: None,
            what: what.into(),
            target: target.into(),
            result: result.into(),
            detail: None,
            times: None,
        }
    }

    /// Where it came from.
    #[must_use]
    pub fn from(self, address: Option<String>) -> Self {
        Self { from: address, ..self }
    }

    /// More, in words.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// No text of a stranger is longer than this.
    fn bounded(mut self) -> Self {
        for text in [&mut self.who, &mut self.what, &mut self.target, &mut self.result] {
            cut(text);
        }
        if let Some(detail) = &mut self.detail {
            cut(detail);
        }
        self
    }
}

fn cut(text: &mut String) {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
}

/// Writes them.
pub struct Auditor {
    bus: Arc<dyn Bus>,
    refused: Mutex<HashMap<String, Refused>>,
}

/// What was refused to one principal in the minute under way.
struct Refused {
    since: Timestamp,
    more: u64,
    last: Record,
}

impl Auditor {
    /// Into this store.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, refused: Mutex::new(HashMap::new()) }
    }

    /// Something was done, or somebody let in.
    pub async fn done(&self, record: Record) {
        self.write(record).await;
    }

    /// Something was refused: written at once, or counted.
    pub async fn refused(&self, record: Record) {
        let at = record.at;
        let mut write = self.ended(at);
        {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            let own = format!("{} {}", record.who, record.from.as_deref().unwrap_or_default());
            let full = refused.len() >= MOST && !refused.contains_key(&own);
            let key = if full { String::new() } else { own };
            if let Some(count) = refused.get_mut(&key) {
                count.more = count.more.saturating_add(1);
                count.last = record.bounded();
            } else {
                refused.insert(key, Refused { since: at, more: 0, last: record.clone().bounded() });
                write.push(record);
            }
        }
        for record in write {
            self.write(record).await;
        }
    }

    /// Write the numbers of minutes that are over; called by the clock as well, so that the last one is not kept back.
    pub async fn flush(&self) {
        for record in self.ended(now()) {
            self.write(record).await;
        }
    }

    fn ended(&self, at: Timestamp) -> Vec<Record> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ended = Vec::new();
        refused.retain(|_, count| {
            let over = at.0.saturating_sub(count.since.0) >= MINUTE;
            if over && count.more > 0 {
                ended.push(Record { times: Some(count.more), ..count.last.clone() });
            }
            !over
        });
        ended
    }

    /// The one place where it reaches the store.
    async fn append(&self, text: &str) -> Result<(), crate::bus::BusError> {
        self.bus.audit(text).await
    }

    async fn write(&self, record: Record) {
        let record = record.bounded();
        let text = match serde_json::to_string(&record) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "a decision cannot be written as JSON");
                return;
            }
        };
        if let Err(error) = self.append(&text).await {
            let (who, what, target, result) = (&record.who, &record.what, &record.target, &record.result);
            tracing::error!(%error, who, what, target, result, "a decision is not in the audit log");
        }
    }
}
