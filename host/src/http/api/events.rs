//! Server-sent events: each committed transition once, in order, to everyone who may see its server.
//!
//! Promises that a reader who comes back with the id it saw last is given what it missed and nothing twice; where that cannot be
//! (pruned, replaced, too much) it is told `reset` and reads anew. A reader that is too slow is dropped, which is the same to it as a
//! lost connection. Progress lines have no id: they are news, not history.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use farrier_lifecycle::{JournalEntry, ServerId};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::extract::{MAX_NAME, Params, line};
use super::{Api, Problem};
use crate::access::{Permission, Principal};
use crate::bus::BusError;
use crate::config;
use crate::fleet::{Change, Place, Row, Transition};
use crate::http::auth::{LONGEST_STREAM, Who};
use crate::http::share::Share;
use crate::http::view::{EntryView, ServerView};
use crate::order::{Order, OrderView};

/// Between two comments on a quiet stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Entries read from the store at once.
const BATCH: usize = 256;
/// Entries given after a break; with more to catch up on, reading anew is cheaper.
const MOST: usize = 2_000;

/// Streams one principal may follow at once: a part of the listener's connections, since each holds one for as long as it lasts.
pub fn streams(api: Option<&config::Api>) -> usize {
    let connections = api.map_or_else(|| config::Api::default().connections, |api| api.connections);
    (connections / 8).max(8)
}

/// From where.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// The cursor that was read with the state to follow (`cursor` of `/api/v1/fleet`); `Last-Event-ID` goes before it. Absent: from now
    #[param(max_length = 64)]
    after: Option<String>,
}

/// The data of `event: transition`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TransitionEvent {
    /// What happened.
    pub entry: EntryView,
    /// The server at that version or a later one.
    pub server: ServerView,
}

/// The data of `event: progress`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProgressEvent {
    /// The server's id.
    pub server: String,
    /// What the running attempt says; null: it ended.
    pub line: Option<String>,
}

/// The data of `event: order`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderEvent {
    /// The order as it is now.
    pub order: OrderView,
}

/// One reader.
struct Reader {
    api: Arc<Api>,
    who: Principal,
    changes: Receiver<Change>,
    progress: Receiver<(ServerId, Option<String>)>,
    orders: Receiver<Arc<Order>>,
    /// Given up to here.
    sent: Place,
    /// To be read from the store, up to and with the place; `None`: caught up.
    behind: Option<(String, Place)>,
    read: VecDeque<(String, JournalEntry)>,
    ready: VecDeque<Event>,
    ends: Instant,
    _share: Share,
}

/// Where a reader begins.
enum Begin {
    /// With what comes.
    Now,
    /// After this entry.
    After(String),
    /// It must read anew.
    Anew,
}

async fn begin(api: &Api, after: Option<String>, now: Place) -> Result<Begin, Problem> {
    let Some(after) = after else { return Ok(Begin::Now) };
    if after.is_empty() {
        return Ok(Begin::After(after));
    }
    let Ok(place) = after.parse::<Place>() else { return Ok(Begin::Anew) };
    if place == now {
        return Ok(Begin::Now);
    }
    let kept = api.parts.bus.journal_ends().await?;
    let known = kept.is_some_and(|(oldest, newest)| Place::of(&oldest).follows(place) && place <= Place::of(&newest));
    Ok(if known { Begin::After(after) } else { Begin::Anew })
}

fn reset(cursor: &str) -> Event {
    let event = Event::default().event("reset").data(json!({ "cursor": cursor }).to_string());
    if cursor.is_empty() { event } else { event.id(cursor) }
}

impl Reader {
    async fn new(api: Arc<Api>, who: Principal, after: Option<String>) -> Result<Self, Problem> {
        let share = api.streams.take(who.name.clone()).ok_or_else(|| {
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-streams",
                format!("{} follows enough already", who.name),
            )
            .hint("one stream has everything: close another one first")
            .retry_after(HEARTBEAT.as_secs())
        })?;
        let (progress, orders) = (api.parts.progress.watch(), api.desk.changes());
        let (cursor, changes) = api.fleet.watch();
        let now = Place::of(&cursor);
        let (mut ready, mut behind) = (VecDeque::new(), None);
        match begin(&api, after, now).await? {
            Begin::Now => {}
            Begin::After(after) => behind = Some((after, now)),
            Begin::Anew => ready.push_back(reset(&cursor)),
        }
        let ends = Instant::now() + LONGEST_STREAM;
        let read = VecDeque::new();
        Ok(Self { api, who, changes, progress, orders, sent: now, behind, read, ready, ends, _share: share })
    }

    /// The next event; `None`: the stream ends, and the reader may come back.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.behind.is_some() {
                if let Err(error) = self.catch_up().await {
                    tracing::warn!(%error, "a reader of events could not catch up");
                    return None;
                }
                continue;
            }
            let stop = self.api.stop.clone();
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.ends) => return None,
                change = self.changes.recv() => match change {
                    Ok(Change::Transition(transition)) => self.transition(&transition),
                    Ok(Change::Reset) => self.anew(),
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
                line = self.progress.recv() => match line {
                    Ok((server, line)) => self.say(&server, line),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                order = self.orders.recv() => match order {
                    Ok(order) => self.order(&order),
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
            }
        }
    }

    fn anew(&mut self) {
        let cursor = self.api.fleet.cursor();
        self.sent = Place::of(&cursor);
        self.behind = None;
        self.ready.push_back(reset(&cursor));
    }

    /// Read on from the store until what was "now" when the reader came.
    async fn catch_up(&mut self) -> Result<(), BusError> {
        let Some((after, until)) = self.behind.take() else { return Ok(()) };
        let mut after = after;
        while self.read.len() <= MOST && Place::of(&after) < until {
            let entries = self.api.parts.bus.journal(&after, BATCH, Duration::ZERO).await?;
            let Some((last, _)) = entries.last() else { break };
            after.clone_from(last);
            self.read.extend(entries);
        }
        // A tenant may have missed that a server is not theirs any more, and must not be told of others' servers.
        if self.read.len() > MOST || (self.who.tenant.is_some() && !self.read.is_empty()) {
            self.read.clear();
            self.anew();
            return Ok(());
        }
        for (cursor, entry) in std::mem::take(&mut self.read) {
            if Place::of(&cursor) > until {
                break;
            }
            let Some(row) = self.api.fleet.get(&entry.server).filter(|row| self.who.sees(&row.server)) else {
                continue;
            };
            let data = self.data(&entry, &row);
            self.ready.push_back(Event::default().event("transition").id(cursor).data(data));
        }
        Ok(())
    }

    fn data(&self, entry: &JournalEntry, row: &Row) -> String {
        let event = TransitionEvent { entry: EntryView::from(entry), server: self.api.see(row) };
        serde_json::to_string(&event).unwrap_or_default()
    }

    fn transition(&mut self, transition: &Transition) {
        let place = Place::of(&transition.cursor);
        if place <= self.sent {
            return;
        }
        self.sent = place;
        let row = &transition.row;
        if self.who.sees(&row.server) {
            let data = transition.said.get_or_init(|| self.data(&transition.entry, row));
            let event = Event::default().event("transition").id(&transition.cursor).data(data);
            self.ready.push_back(event);
        } else if self.saw(row, transition.entry.version) {
            let data = json!({ "server": row.server.id, "name": row.server.label() }).to_string();
            self.ready.push_back(Event::default().event("gone").id(&transition.cursor).data(data));
        }
    }

    /// Was it theirs until this version?
    fn saw(&self, row: &Row, version: u64) -> bool {
        row.moved.as_ref().is_some_and(|moved| {
            (moved.after + 1..=moved.until).contains(&version)
                && self.who.sees_site(moved.site.as_deref())
                && self.who.sees_tenant(moved.tenant.as_deref())
        })
    }

    fn order(&mut self, order: &Order) {
        let theirs = self.who.sees_tenant(Some(&order.tenant)) && self.who.sees_site(order.wanted.site.as_deref());
        if theirs && self.who.may(Permission::ReadOrders) {
            let event = OrderEvent { order: OrderView::from(order) };
            let data = serde_json::to_string(&event).unwrap_or_default();
            self.ready.push_back(Event::default().event("order").data(data));
        }
    }

    fn say(&mut self, server: &ServerId, line: Option<String>) {
        if self.api.fleet.get(server).is_some_and(|row| self.who.sees(&row.server)) {
            let event = ProgressEvent { server: server.to_string(), line };
            let data = serde_json::to_string(&event).unwrap_or_default();
            self.ready.push_back(Event::default().event("progress").data(data));
        }
    }
}

/// Follow what happens.
///
/// Server-sent events: `transition` (its `id` is the journal's cursor; data `TransitionEvent`), `progress` (no id; data `ProgressEvent`),
/// `order` (no id; data `OrderEvent`), `gone` (a server is not yours to see any more; data `{server, name}`), `reset` (what you know is of a journal that is gone, or too old:
/// read anew; data `{cursor}`). A comment comes each 15 seconds. The stream ends after 10 minutes, when the host stops, and when you are
/// too slow: come back with `Last-Event-ID`, as browsers do by themselves.
#[utoipa::path(get, path = "/api/v1/events", tag = "journal",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "The id that was seen last")),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub async fn events(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Params(query): Params<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let after = last.filter(|id| !id.is_empty()).or(query.after);
    if let Some(after) = after.as_ref().filter(|after| !after.is_empty()) {
        line("after", after, MAX_NAME)?;
    }
    let reader = Reader::new(api, who, after).await?;
    let events = stream::unfold(reader, |mut reader| async move {
        reader.next().await.map(|event| (Ok::<_, Infallible>(event), reader))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    // Some proxies hold back what they do not know to be a stream.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}
