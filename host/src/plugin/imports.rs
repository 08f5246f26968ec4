//! The contract's imports, as a guest sees them.
//!
//! Promises that a call reaches what it was lent and nothing else, and that what it collects at once stays below half of the memory it may
//! have: the other half takes the copy. While a plugin describes itself it was lent nothing, and every import but `log` and `clock` refuses.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;

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
/// Requests of one `send-many`.
const AT_ONCE: usize = 1_000;

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
        if requests.len() > AT_ONCE {
            return requests
                .iter()
                .map(|_| Err(HttpError::Denied(format!("more than {AT_ONCE} requests at once"))))
                .collect();
        }
        let in_flight = usize::try_from(max_in_flight).unwrap_or(IN_FLIGHT).clamp(1, IN_FLIGHT);
        let exchange = exchange(lent, self.deadline);
        let mut room = Room::new(self.limits.memory() / 2);
        let mut waiting = requests.iter();
        let mut under_way: FuturesOrdered<_> =
            waiting.by_ref().take(in_flight).map(|request| lent.endpoint.send(request, &exchange)).collect();
        let (mut answers, mut denied) = (Vec::new(), None);
        while let Some(answer) = under_way.next().await {
            answers.push(room.take(answer.map_err(|failure| {
                denied = failure.denied.or(denied.take());
                failure.error
            })));
            if let Some(request) = waiting.next().filter(|_| !room.spent()) {
                under_way.push_back(lent.endpoint.send(request, &exchange));
            }
        }
        // What was not sent any more.
        answers.resize_with(requests.len(), || Err(room.refusal()));
        self.waited = true;
        self.denied = denied.or(self.denied.take());
        answers
    }
}

/// What the answers of one `send-many` may still take.
struct Room {
    whole: usize,
    left: Option<usize>,
}

impl Room {
    const fn new(whole: usize) -> Self {
        Self { whole, left: Some(whole) }
    }

    /// Did an answer find none?
    const fn spent(&self) -> bool {
        self.left.is_none()
    }

    fn refusal(&self) -> HttpError {
        HttpError::TooLarge(u64::try_from(self.whole).unwrap_or(u64::MAX))
    }

    /// The answer, if it has room; after the first that has none, nothing has.
    fn take(&mut self, answer: Result<Response, HttpError>) -> Result<Response, HttpError> {
        let answer = answer?;
        let headers: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.left = self.left.and_then(|left| left.checked_sub(answer.body.len().saturating_add(headers)));
        if self.spent() { Err(self.refusal()) } else { Ok(answer) }
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
