//! What stands beside the work: timers, journal, dead letters, small values, roles, numbers.

use farrier_lifecycle::{JournalEntry, ServerId, Stage, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::shared::{JOURNAL_KEPT, fields_of, journal_entry, stage_of, to_json};
use super::super::{BusError, BusStatus, DeadLetter, Due, Entry, StreamStatus};
use super::engine::sql;
use super::work::{self, int, row_id, time};

fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn count(db: &Connection, table: &str) -> Result<u64, BusError> {
    // `table` is a literal of this file.
    let rows: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).map_err(sql)?;
    Ok(u64::try_from(rows).unwrap_or_default())
}

/// One write to the disk.
pub fn probe(db: &Connection) -> Result<(), BusError> {
    set(db, "farrier/probe", Some(b"1"), None, Timestamp(0))?;
    set(db, "farrier/probe", None, None, Timestamp(0))
}

/// Timers due, earliest first.
pub fn due(db: &Connection, now: Timestamp, most: usize) -> Result<Vec<Due>, BusError> {
    let text = "SELECT id, timer FROM server WHERE timer <= ?1 ORDER BY timer, id LIMIT ?2";
    let mut select = db.prepare_cached(text).map_err(sql)?;
    let rows = select
        .query_map(params![int(now), limit(most)], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .map_err(sql)?;
    rows.map(|row| {
        let (id, at) = row.map_err(sql)?;
        Ok(Due { server: server_id(&id)?, at: time(at) })
    })
    .collect()
}

/// An id the store wrote.
fn server_id(id: &str) -> Result<ServerId, BusError> {
    id.parse().map_err(|_| BusError::Corrupt { key: format!("server {id}"), problem: "not an id".to_owned() })
}

/// A place in the journal; `""` is its beginning.
pub fn cursor(after: &str) -> Result<i64, BusError> {
    if after.is_empty() {
        return Ok(0);
    }
    after.parse().map_err(|_| BusError::NotFound(format!("place `{after}` in this journal")))
}

/// Journal entries after a place.
pub fn journal(db: &Connection, after: i64, most: usize) -> Result<Vec<(String, JournalEntry)>, BusError> {
    let mut select =
        db.prepare_cached("SELECT seq, entry FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2").map_err(sql)?;
    let rows = select
        .query_map(params![after, limit(most)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
        .map_err(sql)?;
    rows.map(|row| {
        let (seq, text) = row.map_err(sql)?;
        Ok((seq.to_string(), journal_entry(&seq.to_string(), &text)?))
    })
    .collect()
}

/// The newest journal entries, oldest first.
pub fn journal_last(db: &Connection, most: usize) -> Result<Vec<(String, JournalEntry)>, BusError> {
    let text = "SELECT seq, entry FROM (SELECT seq, entry FROM journal ORDER BY seq DESC LIMIT ?1) ORDER BY seq";
    let mut select = db.prepare_cached(text).map_err(sql)?;
    let rows =
        select.query_map([limit(most)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).map_err(sql)?;
    rows.map(|row| {
        let (seq, text) = row.map_err(sql)?;
        Ok((seq.to_string(), journal_entry(&seq.to_string(), &text)?))
    })
    .collect()
}

/// The oldest and the newest place in the journal.
pub fn journal_ends(db: &Connection) -> Result<Option<(String, String)>, BusError> {
    let ends: (Option<i64>, Option<i64>) = db
        .query_row("SELECT (SELECT min(seq) FROM journal), (SELECT max(seq) FROM journal)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(sql)?;
    Ok(ends.0.zip(ends.1).map(|(oldest, newest)| (oldest.to_string(), newest.to_string())))
}

/// Forget journal entries older than the time they are kept; the timelines keep theirs.
pub fn prune(db: &Connection, now: Timestamp) -> Result<(), BusError> {
    let oldest = Timestamp(now.0.saturating_sub(JOURNAL_KEPT));
    db.execute("DELETE FROM journal WHERE at < ?1", [int(oldest)]).map_err(sql)?;
    db.execute("DELETE FROM kv WHERE expires <= ?1", [int(now)]).map(drop).map_err(sql)
}

/// The last transitions of one server.
pub fn timeline(db: &Connection, id: &str) -> Result<Vec<JournalEntry>, BusError> {
    let mut select = db.prepare_cached("SELECT entry FROM timeline WHERE server = ?1 ORDER BY version").map_err(sql)?;
    let rows = select.query_map([id], |row| row.get::<_, String>(0)).map_err(sql)?;
    rows.map(|row| row.map_err(sql).and_then(|text| journal_entry(id, &text))).collect()
}

/// Move an entry to the dead letters.
pub fn bury(db: &Connection, entry: &Entry, code: &str, reason: &str, now: Timestamp) -> Result<(), BusError> {
    if !work::remove(db, row_id(&entry.id)?)? {
        return Ok(());
    }
    let fields = to_json(&fields_of(entry)?)?;
    let text = "INSERT INTO dead (stage, code, reason, at, fields) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.execute(text, params![entry.stage.as_str(), code, reason, int(now), fields]).map(drop).map_err(sql)
}

type RawLetter = (i64, String, String, String, i64, String);

fn letter((id, stage, code, reason, at, fields): RawLetter) -> Result<(DeadLetter, Stage), BusError> {
    let stage = stage_of(&stage)?;
    let fields = serde_json::from_str(&fields)
        .map_err(|error| BusError::Corrupt { key: format!("dead letter {id}"), problem: error.to_string() })?;
    let stream = stage.stream().unwrap_or_default().to_owned();
    Ok((DeadLetter { id: id.to_string(), stream, code, reason, at: time(at), fields }, stage))
}

fn raw_letter(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawLetter> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

/// Dead letters, oldest first.
pub fn dead(db: &Connection, most: usize) -> Result<Vec<DeadLetter>, BusError> {
    let text = "SELECT id, stage, code, reason, at, fields FROM dead ORDER BY id LIMIT ?1";
    let mut select = db.prepare_cached(text).map_err(sql)?;
    let rows = select.query_map([limit(most)], raw_letter).map_err(sql)?;
    rows.map(|row| Ok(letter(row.map_err(sql)?)?.0)).collect()
}

/// Put a dead letter back on its stream.
pub fn redrive(db: &Connection, id: &str) -> Result<(), BusError> {
    let missing = || BusError::NotFound(format!("dead letter `{id}`"));
    let row: i64 = id.parse().map_err(|_| missing())?;
    let text = "DELETE FROM dead WHERE id = ?1 RETURNING id, stage, code, reason, at, fields";
    let raw = db.query_row(text, [row], raw_letter).optional().map_err(sql)?.ok_or_else(missing)?;
    let (letter, stage) = letter(raw)?;
    work::append(db, stage, &letter.fields)
}

/// Take or keep a role.
pub fn elect(db: &Connection, role: &str, owner: &str, now: Timestamp, until: Timestamp) -> Result<bool, BusError> {
    let text = "
        INSERT INTO role (name, owner, until) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
            WHERE owner = excluded.owner OR until <= ?4";
    db.execute(text, params![role, owner, int(until), int(now)]).map(|rows| rows > 0).map_err(sql)
}

/// A small value.
pub fn get(db: &Connection, key: &str, now: Timestamp) -> Result<Option<Vec<u8>>, BusError> {
    let mut select =
        db.prepare_cached("SELECT value FROM kv WHERE key = ?1 AND (expires IS NULL OR expires > ?2)").map_err(sql)?;
    select.query_row(params![key, int(now)], |row| row.get(0)).optional().map_err(sql)
}

/// Write or delete a small value.
pub fn set(
    db: &Connection,
    key: &str,
    value: Option<&[u8]>,
    expires: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), BusError> {
    db.execute("DELETE FROM kv WHERE key = ?1 OR expires <= ?2", params![key, int(now)]).map_err(sql)?;
    let Some(value) = value else { return Ok(()) };
    let text = "INSERT INTO kv (key, value, expires) VALUES (?1, ?2, ?3)";
    db.execute(text, params![key, value, expires.map(int)]).map(drop).map_err(sql)
}

/// Write or delete a small value if it is as expected.
pub fn swap(
    db: &Connection,
    key: &str,
    (expected, value): (Option<&[u8]>, Option<&[u8]>),
    expires: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, BusError> {
    let as_expected = get(db, key, now)?.as_deref() == expected;
    if as_expected {
        set(db, key, value, expires, now)?;
    }
    Ok(as_expected)
}

/// Append to the log of decisions, and forget what is older than the journal is kept.
pub fn audit(db: &Connection, entry: &str, now: Timestamp) -> Result<(), BusError> {
    let oldest = Timestamp(now.0.saturating_sub(JOURNAL_KEPT));
    db.execute("DELETE FROM audit WHERE at < ?1", [int(oldest)]).map_err(sql)?;
    db.execute("INSERT INTO audit (at, entry) VALUES (?1, ?2)", params![int(now), entry]).map(drop).map_err(sql)
}

/// Decisions after a place.
pub fn audits(db: &Connection, after: i64, most: usize) -> Result<Vec<(String, String)>, BusError> {
    let mut select =
        db.prepare_cached("SELECT seq, entry FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2").map_err(sql)?;
    let rows = select.query_map(params![after, limit(most)], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
    rows.map_err(sql)?.map(|row| row.map(|(seq, entry)| (seq.to_string(), entry)).map_err(sql)).collect()
}

/// Keys of small values, with their sizes.
pub fn keys(db: &Connection, prefix: &str, now: Timestamp) -> Result<Vec<(String, u64)>, BusError> {
    let text = "SELECT key, length(value) FROM kv
                WHERE substr(key, 1, length(?1)) = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY key";
    let mut select = db.prepare_cached(text).map_err(sql)?;
    let rows = select
        .query_map(params![prefix, int(now)], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .map_err(sql)?;
    rows.map(|row| row.map(|(key, size)| (key, u64::try_from(size).unwrap_or_default())).map_err(sql)).collect()
}

/// Numbers for operators.
pub fn status(db: &Connection) -> Result<BusStatus, BusError> {
    let mut streams = Vec::new();
    for stage in Stage::WORKED {
        let text = "SELECT count(*), coalesce(sum(state = 1), 0) FROM entry WHERE stage = ?1 AND state < 2";
        let row = db.query_row(text, [stage.as_str()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        let (length, in_flight) = row.map_err(sql)?;
        streams.push(StreamStatus {
            stream: stage.stream().unwrap_or_default().to_owned(),
            stage,
            length: u64::try_from(length).unwrap_or_default(),
            in_flight: u64::try_from(in_flight).unwrap_or_default(),
        });
    }
    Ok(BusStatus {
        store: "sqlite".to_owned(),
        streams,
        timers: count(db, "server WHERE timer IS NOT NULL")?,
        dead: count(db, "dead")?,
        journal: count(db, "journal")?,
        servers: count(db, "server")?,
    })
}
