//! Records: read, observe, commit.
//!
//! `commit` checks in the order repeated, fence, version, because a repeated commit has already given up its fence and moved
//! the version itself.

use farrier_lifecycle::{Lease, Server, ServerId};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::shared::{ALIAS, TIMELINE_KEPT, TOUCH, command_fields, interest, record, to_json};
use super::super::{BusError, Commit, Committed, Observed};
use super::engine::sql;
use super::work::{self, int, row_id};

/// The id under which this one's record stands: its own, or that of the server whose board it is now.
fn resolve(db: &Connection, id: &str) -> Result<String, BusError> {
    let text = "SELECT server.id FROM kv JOIN server ON server.id = CAST(kv.value AS TEXT) WHERE kv.key = ?1";
    let mut select = db.prepare_cached(text).map_err(sql)?;
    let alias = select.query_row([format!("{ALIAS}{id}")], |row| row.get::<_, String>(0)).optional().map_err(sql)?;
    Ok(alias.unwrap_or_else(|| id.to_owned()))
}

/// One record, by id or alias.
pub fn read(db: &Connection, id: &str) -> Result<Option<Server>, BusError> {
    let id = resolve(db, id)?;
    let mut select = db.prepare_cached("SELECT record FROM server WHERE id = ?1").map_err(sql)?;
    let text = select.query_row([&id], |row| row.get::<_, String>(0)).optional().map_err(sql)?;
    text.map(|text| record(&id, &text)).transpose()
}

/// All records.
pub fn list(db: &Connection) -> Result<Vec<Server>, BusError> {
    let mut select = db.prepare_cached("SELECT id, record FROM server ORDER BY id").map_err(sql)?;
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).map_err(sql)?;
    rows.map(|row| row.map_err(sql).and_then(|(id, text)| record(&id, &text))).collect()
}

/// Is this lease news?
pub fn observe(db: &Connection, lease: &Lease, foreign: Option<&str>) -> Result<Observed, BusError> {
    let id = resolve(db, ServerId::from(lease.mac).as_str())?;
    let text = "SELECT ip, leased_at, interest, record FROM server WHERE id = ?1";
    let mut select = db.prepare_cached(text).map_err(sql)?;
    let known = select
        .query_row([&id], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, String>(3)?))
        })
        .optional()
        .map_err(sql)?;
    let Some((ip, leased_at, interest, text)) = known else { return Ok(Observed::Changed(None)) };
    let at = int(lease.at);
    let moved = ip != lease.ip.to_string();
    if at >= leased_at && (interest == 2 || interest == 1 && moved) {
        return Ok(Observed::Changed(Some(Box::new(record(&id, &text)?))));
    }
    let touch = i64::try_from(TOUCH).unwrap_or(i64::MAX);
    if !moved && at >= leased_at.saturating_add(touch) {
        db.execute("UPDATE server SET leased_at = ?2 WHERE id = ?1", params![id, at]).map_err(sql)?;
    }
    if let Some(entry) = foreign {
        work::remove(db, row_id(entry)?)?;
    }
    Ok(Observed::Known)
}

/// Write one change of one server.
pub fn commit(db: &Connection, change: &Commit) -> Result<Committed, BusError> {
    let server = &change.server;
    let id = server.id.as_str();
    let entry = to_json(&change.journal)?;
    if written(db, id, server.version)?.is_some_and(|written| written == entry) {
        return Ok(Committed::Already);
    }
    if let Some(fence) = &change.fence
        && !work::is_held(db, fence)?
    {
        return Ok(Committed::Fenced);
    }
    let mut select = db.prepare_cached("SELECT version FROM server WHERE id = ?1").map_err(sql)?;
    let version = select.query_row([id], |row| row.get::<_, i64>(0)).optional().map_err(sql)?.unwrap_or(0);
    if version != number(change.expected) {
        return Ok(Committed::Conflict);
    }
    write_record(db, server, change.publish.is_some())?;
    if let Some(command) = &change.publish {
        work::append(db, command.stage, &command_fields(command)?)?;
    }
    if let Some(fence) = change.fence.as_ref().filter(|_| change.ack) {
        work::remove(db, row_id(&fence.entry)?)?;
        work::release(db, &fence.server)?;
    }
    if let Some((_, entry)) = &change.ack_foreign {
        work::remove(db, row_id(entry)?)?;
    }
    write_journal(db, change, &entry)?;
    Ok(Committed::Done)
}

fn written(db: &Connection, id: &str, version: u64) -> Result<Option<String>, BusError> {
    let mut select = db.prepare_cached("SELECT entry FROM timeline WHERE server = ?1 AND version = ?2").map_err(sql)?;
    select.query_row(params![id, number(version)], |row| row.get(0)).optional().map_err(sql)
}

fn write_record(db: &Connection, server: &Server, published: bool) -> Result<(), BusError> {
    let outstanding = server.outstanding();
    let text = "
        INSERT INTO server (id, version, record, stage, token, timer, ip, leased_at, interest)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
        ON CONFLICT (id) DO UPDATE SET
            version = excluded.version, record = excluded.record, stage = excluded.stage, token = excluded.token,
            timer = excluded.timer, ip = excluded.ip, leased_at = max(leased_at, excluded.leased_at),
            interest = excluded.interest, takeovers = iif(?10, 0, takeovers)";
    db.prepare_cached(text)
        .map_err(sql)?
        .execute(params![
            server.id.as_str(),
            number(server.version),
            to_json(server)?,
            outstanding.as_ref().map(|command| command.stage.as_str()),
            outstanding.as_ref().map(|command| command.token.to_string()),
            server.timer().map(int),
            server.lease.ip.to_string(),
            int(server.lease.at),
            interest(server),
            published,
        ])
        .map(drop)
        .map_err(sql)
}

fn write_journal(db: &Connection, change: &Commit, entry: &str) -> Result<(), BusError> {
    let (id, version) = (change.server.id.as_str(), number(change.server.version));
    db.prepare_cached("INSERT INTO journal (at, entry) VALUES (?1, ?2)")
        .and_then(|mut insert| insert.execute(params![int(change.journal.at), entry]))
        .map_err(sql)?;
    db.prepare_cached("INSERT INTO timeline (server, version, entry) VALUES (?1, ?2, ?3)")
        .and_then(|mut insert| insert.execute(params![id, version, entry]))
        .map_err(sql)?;
    let kept = i64::try_from(TIMELINE_KEPT).unwrap_or(i64::MAX);
    db.prepare_cached("DELETE FROM timeline WHERE server = ?1 AND version <= ?2")
        .and_then(|mut delete| delete.execute(params![id, version.saturating_sub(kept)]))
        .map(drop)
        .map_err(sql)
}

fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
