//! The objects of the simulated NetBox, and their file.
//!
//! Promises one table of plain JSON objects for each endpoint, ids that are never used twice, timestamps
//! that never repeat, and undo: a failed bulk request leaves nothing behind. With a file, each committed
//! request is appended as lines, so that a killed lab goes on with all it had answered. It knows no field.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// One stored object: raw values, pointers as ids, choices as texts.
pub type Object = Map<String, Value>;

/// What objects are looked up by often: with a thousand servers a scan for each port shown would take seconds.
const INDEXED: &[(&str, &str)] = &[
    ("dcim/devices", "device_type"),
    ("dcim/devices", "role"),
    ("dcim/devices", "site"),
    ("dcim/devices", "name"),
    ("dcim/interfaces", "device"),
    ("dcim/interfaces", "primary_mac_address"),
    ("dcim/interfaces", "mac_address"),
    ("dcim/mac-addresses", "mac_address"),
    ("dcim/mac-addresses", "assigned_object_id"),
    ("dcim/cables", "a_terminations"),
    ("dcim/cables", "b_terminations"),
    ("ipam/ip-addresses", "assigned_object_id"),
];

/// Ids by endpoint, field and value.
type Index = BTreeMap<(&'static str, &'static str), BTreeMap<String, BTreeSet<u64>>>;

/// One change since the last commit: where, which, and what was there before.
struct Undo {
    path: String,
    id: u64,
    before: Option<Object>,
}

/// All objects by endpoint path and id.
#[derive(Default)]
pub struct Store {
    tables: BTreeMap<String, BTreeMap<u64, Object>>,
    index: Index,
    last_ids: BTreeMap<String, u64>,
    last_time: Option<Timestamp>,
    undo: Vec<Undo>,
    file: Option<File>,
}

impl Store {
    /// A store kept in a file of JSON lines; what the file already holds is read first.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut store = Self::default();
        if path.exists() {
            for line in std::fs::read_to_string(path)?.lines() {
                // The last line may be cut off by a kill; its request was never answered.
                let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
                store.replay(&entry);
            }
        }
        let mut compact = String::new();
        for (table, id, object) in store.all() {
            compact.push_str(&line(table, *id, Some(object)));
        }
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, compact)?;
        std::fs::rename(&fresh, path)?;
        store.file = Some(OpenOptions::new().append(true).open(path)?);
        Ok(store)
    }

    fn replay(&mut self, entry: &Value) {
        let Some((path, id)) = entry.get("path").and_then(Value::as_str).zip(entry.get("id").and_then(Value::as_u64))
        else {
            return;
        };
        let last = self.last_ids.entry(path.to_owned()).or_default();
        *last = (*last).max(id);
        self.set(path, id, entry.get("object").and_then(Value::as_object).cloned());
    }

    /// Set or remove an object, and keep the index; what was there.
    fn set(&mut self, path: &str, id: u64, object: Option<Object>) -> Option<Object> {
        let table = self.tables.entry(path.to_owned()).or_default();
        let before = table.remove(&id);
        for (path, field) in INDEXED.iter().filter(|(indexed, _)| *indexed == path) {
            let keys = self.index.entry((path, field)).or_default();
            for key in before.iter().flat_map(|object| keys_of(object, field)) {
                if let Some(ids) = keys.get_mut(&key) {
                    ids.remove(&id);
                }
            }
            for key in object.iter().flat_map(|object| keys_of(object, field)) {
                keys.entry(key).or_default().insert(id);
            }
        }
        if let Some(object) = object {
            table.insert(id, object);
        }
        before
    }

    /// The objects whose field has this value, in order of id. For a list of a cable's ends the value is the
    /// id of an interface.
    pub fn having<'a>(&'a self, path: &'a str, field: &'a str, value: &Value) -> Vec<(u64, &'a Object)> {
        let indexed = INDEXED.contains(&(path, field));
        if !indexed {
            return self.list(path).filter(|(_, object)| object.get(field) == Some(value)).collect();
        }
        let keys = self.index.iter().find(|(known, _)| **known == (path, field)).map(|(_, keys)| keys);
        let ids = keys.and_then(|keys| keys.get(&value.to_string()));
        ids.into_iter().flatten().filter_map(|id| Some((*id, self.get(path, *id)?))).collect()
    }

    fn all(&self) -> impl Iterator<Item = (&str, &u64, &Object)> {
        self.tables.iter().flat_map(|(path, table)| table.iter().map(move |(id, object)| (path.as_str(), id, object)))
    }

    /// The objects of an endpoint in order of id.
    pub fn list(&self, path: &str) -> impl Iterator<Item = (u64, &Object)> {
        self.tables.get(path).into_iter().flat_map(|table| table.iter().map(|(id, object)| (*id, object)))
    }

    /// One object.
    pub fn get(&self, path: &str, id: u64) -> Option<&Object> {
        self.tables.get(path)?.get(&id)
    }

    /// The first object with this value in this field.
    pub fn find<'a>(&'a self, path: &'a str, field: &'a str, value: &Value) -> Option<&'a Object> {
        self.having(path, field, value).first().map(|(_, object)| *object)
    }

    /// The next unused id of an endpoint.
    pub fn next_id(&mut self, path: &str) -> u64 {
        let last = self.last_ids.entry(path.to_owned()).or_default();
        *last += 1;
        *last
    }

    /// Write an object under an id.
    pub fn put(&mut self, path: &str, id: u64, object: Object) {
        let before = self.set(path, id, Some(object));
        self.undo.push(Undo { path: path.to_owned(), id, before });
    }

    /// Take an object away.
    pub fn remove(&mut self, path: &str, id: u64) {
        if let Some(before) = self.set(path, id, None) {
            self.undo.push(Undo { path: path.to_owned(), id, before: Some(before) });
        }
    }

    /// Keep everything since the last commit, and append it to the file if there is one.
    pub fn commit(&mut self) -> std::io::Result<()> {
        let changes = std::mem::take(&mut self.undo);
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut lines = String::new();
        for change in &changes {
            let now = self.tables.get(&change.path).and_then(|table| table.get(&change.id));
            lines.push_str(&line(&change.path, change.id, now));
        }
        file.write_all(lines.as_bytes())
    }

    /// Undo everything since the last commit. Used ids stay used, as in a database.
    pub fn rollback(&mut self) {
        for change in std::mem::take(&mut self.undo).into_iter().rev() {
            self.set(&change.path, change.id, change.before);
        }
    }

    /// The time now, in microseconds and never the same twice: it is what an `ETag` is made of.
    pub fn now(&mut self) -> String {
        let now = Timestamp::now();
        let micros = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let step = SignedDuration::from_micros(1);
        let next = match self.last_time {
            Some(last) if last >= micros => last.checked_add(step).unwrap_or(micros),
            _ => micros,
        };
        self.last_time = Some(next);
        next.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }

    /// Everything, as `{path: [objects]}` with raw values.
    pub fn snapshot(&self) -> Value {
        let tables = self.tables.iter().map(|(path, table)| {
            let objects = table.values().cloned().map(Value::Object).collect();
            (path.clone(), Value::Array(objects))
        });
        Value::Object(tables.collect())
    }
}

/// What an object is found under: its value, or for a cable's end each interface.
fn keys_of(object: &Object, field: &str) -> Vec<String> {
    match object.get(field) {
        Some(Value::Array(ends)) => ends.iter().filter_map(|end| end.get("object_id")).map(Value::to_string).collect(),
        Some(value) => vec![value.to_string()],
        None => Vec::new(),
    }
}

fn line(path: &str, id: u64, object: Option<&Object>) -> String {
    let mut line = json!({"path": path, "id": id, "object": object}).to_string();
    line.push('\n');
    line
}
