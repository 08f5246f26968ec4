//! What stands beside the work: records, timers, journal, dead letters, numbers.

use farrier_lifecycle::{JournalEntry, Server, ServerId, Stage, Timestamp};
use redis::{Value, cmd};

use super::link::{list, number, pairs, text};
use super::work::stream;
use super::{BusError, RedisBus};
use crate::bus::shared::{fields_of, journal_entry, record, to_json};
use crate::bus::{BusStatus, DeadLetter, Due, Entry, StreamStatus};

/// Records read in one call.
const CHUNK: usize = 250;

/// Does this look like a stream's entry id?
fn is_entry_id(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.len() <= 20 && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(time, count)| digits(time) && digits(count))
}

/// Names and values.
type Fields = Vec<(String, String)>;

/// Entries of an XRANGE: id and fields.
fn range(value: Value) -> Result<Vec<(String, Fields)>, BusError> {
    let mut out = Vec::new();
    for item in list(value)? {
        let mut parts = list(item)?.into_iter();
        let id = text(&parts.next().unwrap_or_default())?;
        out.push((id, pairs(parts.next().unwrap_or_default())?));
    }
    Ok(out)
}

fn field(fields: &[(String, String)], name: &str) -> String {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

impl RedisBus {
    /// All records, by id.
    pub(super) async fn list_all(&self) -> Result<Vec<Server>, BusError> {
        let ids = self.ids().await?;
        let mut servers = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let mut call = self.library.call("records");
            call.arg(chunk);
            for (id, found) in chunk.iter().zip(list(self.call(&call).await?)?) {
                if found != Value::Nil {
                    servers.push(record(id, &text(&found)?)?);
                }
            }
        }
        Ok(servers)
    }

    /// Timers due, earliest first.
    pub(super) async fn due_now(&self, limit: usize) -> Result<Vec<Due>, BusError> {
        let mut query = cmd("ZRANGEBYSCORE");
        query.arg(self.library.key("farrier:timers")).arg("-inf").arg(self.host_now());
        query.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        let mut due = Vec::new();
        for (id, at) in pairs(self.main.query(&query).await?)? {
            let server: ServerId = id
                .parse()
                .map_err(|_| BusError::Corrupt { key: "farrier:timers".to_owned(), problem: format!("`{id}`") })?;
            due.push(Due { server, at: Timestamp(at.parse().unwrap_or_default()) });
        }
        Ok(due)
    }

    /// Journal entries after a place, and the place to wait at if there are none.
    pub(super) async fn journal_now(
        &self,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<(String, JournalEntry)>, String), BusError> {
        let mut found = Vec::new();
        for (id, fields) in self.after("farrier:journal", after, limit).await? {
            let entry = journal_entry(&id, &field(&fields, "d"))?;
            found.push((id, entry));
        }
        let last = if after.is_empty() { "0-0" } else { after };
        Ok((found, last.to_owned()))
    }

    /// The newest journal entries, oldest first.
    pub(super) async fn journal_last_now(&self, limit: usize) -> Result<Vec<(String, JournalEntry)>, BusError> {
        let mut query = cmd("XREVRANGE");
        query.arg(self.library.key("farrier:journal")).arg("+").arg("-").arg("COUNT").arg(limit);
        let mut found = Vec::new();
        for (id, fields) in range(self.main.query(&query).await?)?.into_iter().rev() {
            let entry = journal_entry(&id, &field(&fields, "d"))?;
            found.push((id, entry));
        }
        Ok(found)
    }

    /// The oldest and the newest place in the journal.
    pub(super) async fn journal_ends_now(&self) -> Result<Option<(String, String)>, BusError> {
        let key = self.library.key("farrier:journal");
        let mut ends = Vec::new();
        for (command, from, to) in [("XRANGE", "-", "+"), ("XREVRANGE", "+", "-")] {
            let mut query = cmd(command);
            query.arg(&key).arg(from).arg(to).arg("COUNT").arg(1);
            ends.extend(range(self.main.query(&query).await?)?.into_iter().next().map(|(id, _)| id));
        }
        let mut ends = ends.into_iter();
        Ok(ends.next().zip(ends.next()))
    }

    /// Decisions after a place.
    pub(super) async fn audits_now(&self, after: &str, limit: usize) -> Result<Vec<(String, String)>, BusError> {
        let found = self.after("farrier:audit", after, limit).await?;
        Ok(found.into_iter().map(|(id, fields)| (id, field(&fields, "d"))).collect())
    }

    /// Entries of a stream after a place; `""` is its beginning.
    async fn after(&self, stream: &str, after: &str, limit: usize) -> Result<Vec<(String, Fields)>, BusError> {
        if !after.is_empty() && !is_entry_id(after) {
            return Err(BusError::NotFound(format!("place `{after}` in this journal")));
        }
        let from = if after.is_empty() { "-".to_owned() } else { format!("({after}") };
        let mut query = cmd("XRANGE");
        query.arg(self.library.key(stream)).arg(from).arg("+").arg("COUNT").arg(limit);
        range(self.main.query(&query).await?)
    }

    /// The last transitions of one server.
    pub(super) async fn timeline_of(&self, server: &ServerId) -> Result<Vec<JournalEntry>, BusError> {
        let mut query = cmd("LRANGE");
        query.arg(self.library.key(&format!("farrier:timeline:{server}"))).arg(0).arg(-1);
        let entries = list(self.main.query(&query).await?)?;
        entries.iter().map(|entry| journal_entry(server.as_str(), &text(entry)?)).collect()
    }

    /// Dead letters, oldest first.
    pub(super) async fn dead_now(&self, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        let mut query = cmd("XRANGE");
        query.arg(self.library.key("farrier:dead")).arg("-").arg("+").arg("COUNT").arg(limit);
        let mut letters = Vec::new();
        for (id, raw) in range(self.main.query(&query).await?)? {
            let fields = serde_json::from_str(&field(&raw, "fields"))
                .map_err(|error| BusError::Corrupt { key: format!("dead letter {id}"), problem: error.to_string() })?;
            letters.push(DeadLetter {
                stream: field(&raw, "stream"),
                code: field(&raw, "code"),
                reason: field(&raw, "reason"),
                at: Timestamp(field(&raw, "at").parse().unwrap_or_default()),
                fields,
                id,
            });
        }
        Ok(letters)
    }

    /// Delete a foreign entry, and keep it with the reason.
    pub(super) async fn bury_one(&self, entry: &Entry, code: &str, reason: &str) -> Result<(), BusError> {
        let mut call = self.library.call("bury");
        call.arg(stream(entry.stage)).arg(&entry.id).arg(code).arg(reason).arg(self.host_now());
        call.arg(to_json(&fields_of(entry)?)?);
        self.call(&call).await?;
        self.hands.drop(entry.stage, &entry.id);
        Ok(())
    }

    /// Delete a foreign entry.
    pub(super) async fn discard_one(&self, entry: &Entry) -> Result<(), BusError> {
        let mut call = self.library.call("discard");
        call.arg(stream(entry.stage)).arg(&entry.id);
        self.call(&call).await?;
        self.hands.drop(entry.stage, &entry.id);
        Ok(())
    }

    /// Put a dead letter back on its stream.
    pub(super) async fn redrive_one(&self, letter: &str) -> Result<(), BusError> {
        let mut call = self.library.call("redrive");
        call.arg(letter);
        if is_entry_id(letter) && self.main.call(&self.library, &call).await? == Value::Int(1) {
            return Ok(());
        }
        Err(BusError::NotFound(format!("dead letter `{letter}`")))
    }

    /// Numbers for operators, of one moment.
    pub(super) async fn status_now(&self) -> Result<BusStatus, BusError> {
        let mut call = self.library.call("status");
        call.arg(Stage::WORKED.map(stream).as_slice());
        let numbers = list(self.call(&call).await?)?;
        let mut numbers = numbers.iter().map(number);
        let mut next = || numbers.next().unwrap_or(Ok(0));
        let mut streams = Vec::new();
        for stage in Stage::WORKED {
            let stream = self.library.key(stream(stage));
            streams.push(StreamStatus { stream, stage, length: next()?, in_flight: next()? });
        }
        let (timers, dead, journal, servers) = (next()?, next()?, next()?, next()?);
        Ok(BusStatus { store: self.store().await?, streams, timers, dead, journal, servers })
    }
}
