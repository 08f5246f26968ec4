//! Looking at leases on a Redis in use without taking them, for `serve --observe`.
//!
//! Promises that nothing is written and nothing consumed: TYPE, XREAD and LRANGE are all that is sent, so a user that may only read is
//! enough. How far it has read is in memory. It does not see what another program takes from a list before the next look, nor more than
//! the newest [`MOST`] elements of a list that nobody drains.

use std::collections::HashSet;
use std::time::Duration;

use farrier_lifecycle::Stage;
use redis::{Value, cmd};

use super::check::LEGACY;
use super::link::{list, pairs, text};
use super::work::stream;
use super::{BLOCK, BusError, RedisBus};
use crate::bus::EntryBody;
use crate::bus::shared::{entry, millis};

/// Entries, or elements, of one place that one look reads.
const MOST: isize = 1000;

/// A key that leases may stand on, stream or list, and how far it was read.
struct Place {
    key: String,
    /// Whether the newest elements of a list are at its right end.
    newest_right: bool,
    /// Of a stream: the last entry that was seen.
    after: String,
    /// Of a list: what it held at the last look.
    held: HashSet<String>,
}

impl Place {
    fn new(key: String, oldest: &str) -> Self {
        Self { key, newest_right: oldest == "left", after: "0-0".to_owned(), held: HashSet::new() }
    }
}

/// The fields of an entry, as another program wrote them.
pub type Fields = Vec<(String, String)>;

/// Someone who looks at the bus.
pub struct Peek {
    bus: RedisBus,
    places: Vec<Place>,
}

impl Peek {
    /// At the stream of leases of this bus, and at every list a host would take leases over from.
    pub fn new(bus: RedisBus) -> Self {
        let (bare, key) = (stream(Stage::Discover), bus.library.key(stream(Stage::Discover)));
        let mut places: Vec<Place> = LEGACY.iter().map(|(key, oldest)| Place::new((*key).to_owned(), oldest)).collect();
        for name in [bare, key.as_str()].into_iter().take(if bare == key { 1 } else { 2 }) {
            places.push(Place::new(format!("{name}:legacy"), "right"));
            places.push(Place::new(name.to_owned(), "right"));
        }
        Self { bus, places }
    }

    /// Does the server answer, to this user?
    pub async fn ping(&self) -> Result<(), BusError> {
        self.bus.ping().await
    }

    /// What is there and was not seen before, waiting up to `wait` for the first. An element of a list is one field `d`, as it is when a
    /// host takes it over; commands of hosts are left out.
    pub async fn look(&mut self, wait: Duration) -> Result<Vec<Fields>, BusError> {
        let mut found = Vec::new();
        let mut streams = Vec::new();
        for (index, place) in self.places.iter_mut().enumerate() {
            match text(&self.bus.main.query(cmd("TYPE").arg(&place.key)).await?)?.as_str() {
                "list" => found.extend(elements(&self.bus, place).await?),
                // One that is not there yet is waited for.
                "stream" | "none" => streams.push(index),
                _ => {}
            }
        }
        let wait = if found.is_empty() { wait } else { Duration::ZERO };
        if streams.is_empty() {
            tokio::time::sleep(wait).await;
        } else {
            found.extend(self.entries(&streams, wait).await?);
        }
        Ok(found)
    }

    async fn entries(&mut self, streams: &[usize], wait: Duration) -> Result<Vec<Fields>, BusError> {
        let read: Vec<&Place> = streams.iter().filter_map(|index| self.places.get(*index)).collect();
        let mut call = cmd("XREAD");
        call.arg("COUNT").arg(MOST);
        if !wait.is_zero() {
            call.arg("BLOCK").arg(millis(wait.min(BLOCK)).max(1));
        }
        call.arg("STREAMS");
        for place in &read {
            call.arg(&place.key);
        }
        for place in &read {
            call.arg(&place.after);
        }
        let mut found = Vec::new();
        for answer in list(self.bus.main.query(&call).await?)? {
            let mut parts = list(answer)?.into_iter();
            let key = text(&parts.next().unwrap_or_default())?;
            let Some(place) = self.places.iter_mut().find(|place| place.key == key) else { continue };
            found.extend(foreign(place, parts.next().unwrap_or_default())?);
        }
        Ok(found)
    }
}

/// Entries of one stream that are no commands; the place remembers the last.
fn foreign(place: &mut Place, entries: Value) -> Result<Vec<Fields>, BusError> {
    let mut found = Vec::new();
    for item in list(entries)? {
        let mut parts = list(item)?.into_iter();
        place.after = text(&parts.next().unwrap_or_default())?;
        // Deleted while it was read.
        let fields = parts.next().filter(|fields| *fields != Value::Nil);
        let Some(fields) = fields else { continue };
        if let EntryBody::Foreign(fields) = entry(place.after.clone(), Stage::Discover, pairs(fields)?).body {
            found.push(fields);
        }
    }
    Ok(found)
}

/// The elements of one list that it did not hold before.
async fn elements(bus: &RedisBus, place: &mut Place) -> Result<Vec<Fields>, BusError> {
    let (from, to) = if place.newest_right { (-MOST, -1) } else { (0, MOST - 1) };
    let answer = bus.main.query(cmd("LRANGE").arg(&place.key).arg(from).arg(to)).await?;
    let held: HashSet<String> = list(answer)?.iter().map(text).collect::<Result<_, _>>()?;
    let new = held.difference(&place.held).map(|raw| vec![("d".to_owned(), raw.clone())]).collect();
    place.held = held;
    Ok(new)
}
