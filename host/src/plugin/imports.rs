//! The contract's imports, as a guest sees them.
//!
//! Promises that a call reaches what it was lent and nothing else. While a plugin describes itself it was lent nothing, and
//! every import but `log` and `clock` refuses.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;

use super::broker::Exchange;
use super::state::{CallState, Lent};
use super::wit::http::{HttpError, Request, Response};
use super::wit::kv::KvError;
use super::wit::{clock, http, kv, log, progress, settings, types};
use crate::egress;

const LINES: u32 = 1_000;
const LINE: usize = 4_096;
/// Requests of one `send-many` under way. A controller's line lets one through; more would only wait there.
const IN_FLIGHT: usize = 8;

impl types::Host for CallState {}

impl http::Host for CallState {
    async fn send(&mut self, request: Request) -> Result<Response, HttpError> {
        let Some(lent) = &self.lent else { return Err(nothing_lent()) };
        let answer = lent.endpoint.send(&request, &exchange(lent, self.deadline)).await;
        self.waited = true;
        answer.map_err(|failure| {
            self.denied = failure.denied.or(self.denied.take());
            failure.error
        })
    }

    async fn send_many(&mut self, requests: Vec<Request>, max_in_flight: u32) -> Vec<Result<Response, HttpError>> {
        let Some(lent) = &self.lent else { return requests.iter().map(|_| Err(nothing_lent())).collect() };
        let in_flight = usize::try_from(max_in_flight).unwrap_or(IN_FLIGHT).clamp(1, IN_FLIGHT);
        let exchange = exchange(lent, self.deadline);
        let sends: Vec<_> = requests.iter().map(|request| lent.endpoint.send(request, &exchange)).collect();
        let answers: Vec<_> = futures_util::stream::iter(sends).buffered(in_flight).collect().await;
        self.waited = true;
        let take = |answer: Result<Response, super::broker::Failure>| {
            answer.map_err(|failure| {
                self.denied = failure.denied.or(self.denied.take());
                failure.error
            })
        };
        answers.into_iter().map(take).collect()
    }
}

const fn exchange(lent: &Lent, deadline: Instant) -> Exchange<'_> {
    Exchange {
        gate: &lent.gate,
        secrets: &lent.secrets,
        images: &lent.images,
        deadline,
        questions: lent.questions.as_slice(),
    }
}

fn nothing_lent() -> HttpError {
    HttpError::Denied("no endpoint while a plugin describes itself".to_owned())
}

impl kv::Host for CallState {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, KvError> {
        self.waited = true;
        self.drawer()?.get(&key).await
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl: Option<u32>) -> Result<(), KvError> {
        self.waited = true;
        self.drawer()?.set(&key, &value, ttl).await
    }

    async fn delete(&mut self, key: String) -> Result<(), KvError> {
        self.waited = true;
        self.drawer()?.delete(&key).await
    }
}

impl settings::Host for CallState {
    fn get(&mut self, key: String) -> Option<String> {
        self.lent.as_ref().and_then(|lent| lent.settings.get(&key).cloned())
    }
}

impl CallState {
    fn drawer(&self) -> Result<&super::kv::Drawer, KvError> {
        let drawer = self.lent.as_ref().and_then(|lent| lent.drawer.as_ref());
        drawer.ok_or_else(|| KvError::Unavailable("this call is about no server whose values are kept".to_owned()))
    }
}

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, message: String, fields: Vec<(String, String)>) {
        self.lines = self.lines.saturating_add(1);
        if self.lines > LINES {
            if self.lines == LINES + 1 {
                tracing::warn!(limit = LINES, "the plugin logs too much; the rest of the call is left out");
            }
            return;
        }
        let text = plain(&message);
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
        let fields = plain(&fields);
        match level {
            log::Level::Trace => tracing::trace!(text, fields, "plugin log"),
            log::Level::Debug => tracing::debug!(text, fields, "plugin log"),
            log::Level::Info => tracing::info!(text, fields, "plugin log"),
            log::Level::Warn => tracing::warn!(text, fields, "plugin log"),
            log::Level::Error => tracing::error!(text, fields, "plugin log"),
        }
    }
}

/// On one line and of bounded length: what controllers say ends up here.
fn plain(text: &str) -> String {
    text.chars().take(LINE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl clock::Host for CallState {
    fn now(&mut self) -> u64 {
        egress::now().0
    }

    fn remaining(&mut self) -> u32 {
        let left: Duration = self.deadline.saturating_duration_since(Instant::now());
        u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
    }
}

impl progress::Host for CallState {
    fn report(&mut self, percent: Option<u8>, message: String) {
        if let Some(sink) = self.lent.as_ref().and_then(|lent| lent.progress.as_ref()) {
            sink.report(percent.map(|percent| percent.min(100)), &plain(&message));
        }
    }
}
