//! Entries and leases: take, begin, beat, hand back, reap.
//!
//! Each function runs inside one job of the engine. An entry is waiting, taken (leased until its deadline) or parked; the
//! server's row holds the fence of the attempt under way. Re-adding gives an entry a new id, as on a Redis stream.

use farrier_lifecycle::{Command, Server, ServerId, Stage, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::shared::{MAX_TAKEOVERS, command_fields, entry, record, share, stage_of, to_json};
use super::super::{Begin, BusError, Entry, EntryBody, Fence};
use super::engine::sql;

/// Looked at by one reap at most.
const REAP_SCAN: usize = 1_000;

/// As SQLite holds a time.
pub fn int(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// As a time is held.
pub fn time(int: i64) -> Timestamp {
    Timestamp(u64::try_from(int).unwrap_or_default())
}

/// The row of an entry from its id.
pub fn row_id(id: &str) -> Result<i64, BusError> {
    id.parse().map_err(|_| BusError::NotFound(format!("entry `{id}`")))
}

/// Append an entry to a stage's stream.
pub fn append(db: &Connection, stage: Stage, fields: &[(String, String)]) -> Result<(), BusError> {
    let read = entry(String::new(), stage, fields.to_vec());
    let (server, token) = match &read.body {
        EntryBody::Command(command) => (Some(command.server.to_string()), Some(command.token.to_string())),
        EntryBody::Foreign(_) => (None, None),
    };
    let fields = to_json(&fields)?;
    db.prepare_cached("INSERT INTO entry (stage, server, token, fields) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut insert| insert.execute(params![stage.as_str(), server, token, fields]))
        .map(drop)
        .map_err(sql)
}

/// Delete an entry; whether it was there.
pub fn remove(db: &Connection, id: i64) -> Result<bool, BusError> {
    let mut delete = db.prepare_cached("DELETE FROM entry WHERE id = ?1").map_err(sql)?;
    delete.execute([id]).map(|gone| gone > 0).map_err(sql)
}

type Raw = (i64, String, String);

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn parse((id, stage, fields): Raw) -> Result<Entry, BusError> {
    let fields = serde_json::from_str(&fields)
        .map_err(|error| BusError::Corrupt { key: format!("entry {id}"), problem: error.to_string() })?;
    Ok(entry(id.to_string(), stage_of(&stage)?, fields))
}

fn select<P: rusqlite::Params>(db: &Connection, text: &str, params: P) -> Result<Vec<Entry>, BusError> {
    let mut select = db.prepare_cached(text).map_err(sql)?;
    let rows = select.query_map(params, raw).map_err(sql)?;
    rows.map(|row| parse(row.map_err(sql)?)).collect()
}

fn lease(db: &Connection, id: i64, deadline: Timestamp) -> Result<(), BusError> {
    db.prepare_cached("UPDATE entry SET state = 1, deadline = ?2 WHERE id = ?1")
        .and_then(|mut update| update.execute(params![id, int(deadline)]))
        .map(drop)
        .map_err(sql)
}

/// Lease up to `permits` waiting entries: first each stage its share, then what is left in order.
pub fn take(db: &Connection, stages: &[Stage], permits: usize, deadline: Timestamp) -> Result<Vec<Entry>, BusError> {
    let mut taken = Vec::new();
    for quota in [share(permits, stages.len()), permits] {
        for stage in stages {
            let limit = quota.min(permits - taken.len());
            if limit == 0 {
                continue;
            }
            let text = "SELECT id, stage, fields FROM entry WHERE stage = ?1 AND state = 0 ORDER BY id LIMIT ?2";
            for entry in select(db, text, params![stage.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)])? {
                lease(db, row_id(&entry.id)?, deadline)?;
                taken.push(entry);
            }
        }
    }
    Ok(taken)
}

/// All entries leased since the file was opened.
pub fn taken(db: &Connection) -> Result<Vec<Entry>, BusError> {
    select(db, "SELECT id, stage, fields FROM entry WHERE state = 1 AND deadline > 0 ORDER BY id", [])
}

/// What an earlier process had: not begun goes back on its stream, begun is for `reap` at once.
pub fn take_back(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "BEGIN;
         UPDATE entry SET state = 0, deadline = NULL
          WHERE state = 1 AND id NOT IN (SELECT current FROM server WHERE current IS NOT NULL);
         UPDATE entry SET deadline = 0 WHERE state = 1;
         DELETE FROM role;
         COMMIT;",
    )
}

/// The columns of a server's row that leases are about.
struct Holder {
    record: String,
    stage: Option<String>,
    token: Option<String>,
    epoch: i64,
    owner: String,
    current: Option<i64>,
    takeovers: u32,
}

impl Holder {
    fn read(db: &Connection, id: &ServerId) -> Result<Option<Self>, BusError> {
        let text = "SELECT record, stage, token, epoch, owner, current, takeovers FROM server WHERE id = ?1";
        let mut select = db.prepare_cached(text).map_err(sql)?;
        let row = select.query_row([id.as_str()], |row| {
            Ok(Self {
                record: row.get(0)?,
                stage: row.get(1)?,
                token: row.get(2)?,
                epoch: row.get(3)?,
                owner: row.get(4)?,
                current: row.get(5)?,
                takeovers: row.get(6)?,
            })
        });
        row.optional().map_err(sql)
    }

    fn wants(&self, stage: Stage, token: &str) -> bool {
        self.stage.as_deref() == Some(stage.as_str()) && self.token.as_deref() == Some(token)
    }

    fn held_by(&self, fence: &Fence) -> bool {
        u64::try_from(self.epoch) == Ok(fence.epoch)
            && self.owner == fence.owner
            && self.current.is_some_and(|id| id.to_string() == fence.entry)
    }
}

/// Is the fence's lease still its own?
pub fn is_held(db: &Connection, fence: &Fence) -> Result<bool, BusError> {
    Ok(Holder::read(db, &fence.server)?.is_some_and(|holder| holder.held_by(fence)))
}

/// End the attempt's lease and put what was parked behind it back on its stream.
pub fn release(db: &Connection, server: &ServerId) -> Result<(), BusError> {
    let end = "UPDATE server SET owner = '', current = NULL WHERE id = ?1";
    db.prepare_cached(end).and_then(|mut update| update.execute([server.as_str()])).map_err(sql)?;
    let parked = "SELECT id, stage, fields FROM entry WHERE server = ?1 AND state = 2 ORDER BY id";
    for entry in select(db, parked, [server.as_str()])? {
        re_add(db, &entry)?;
    }
    Ok(())
}

fn re_add(db: &Connection, entry: &Entry) -> Result<(), BusError> {
    remove(db, row_id(&entry.id)?)?;
    append(db, entry.stage, &super::super::shared::fields_of(entry)?)
}

/// Begin a taken entry under a new fence; `fence` comes with everything but its epoch.
pub fn begin(db: &Connection, fence: Fence, deadline: Timestamp) -> Result<Begin, BusError> {
    let id = row_id(&fence.entry)?;
    let state = db
        .prepare_cached("SELECT state FROM entry WHERE id = ?1")
        .and_then(|mut select| select.query_row([id], |row| row.get::<_, i64>(0)).optional())
        .map_err(sql)?;
    match state {
        Some(1) => {}
        Some(2) => return Ok(Begin::Parked),
        _ => return Ok(Begin::Stale),
    }
    let holder = Holder::read(db, &fence.server)?;
    let Some(holder) = holder.filter(|holder| holder.wants(fence.stage, &fence.token.to_string())) else {
        drop_stale(db, id, &fence.server)?;
        return Ok(Begin::Stale);
    };
    if !holder.owner.is_empty() && holder.current != Some(id) {
        db.execute("UPDATE entry SET state = 2, deadline = NULL WHERE id = ?1", [id]).map_err(sql)?;
        return Ok(Begin::Parked);
    }
    let epoch = holder.epoch + 1;
    db.prepare_cached("UPDATE server SET epoch = ?2, owner = ?3, current = ?4 WHERE id = ?1")
        .and_then(|mut update| update.execute(params![fence.server.as_str(), epoch, fence.owner, id]))
        .map_err(sql)?;
    lease(db, id, deadline)?;
    let fence = Fence { epoch: u64::try_from(epoch).unwrap_or_default(), ..fence };
    let server: Box<Server> = Box::new(record(fence.server.as_str(), &holder.record)?);
    if holder.takeovers > MAX_TAKEOVERS {
        return Ok(Begin::Poison { server, fence, takeovers: holder.takeovers });
    }
    Ok(Begin::Run { server, fence })
}

/// Delete an entry nobody wants any more, with the lease on it.
fn drop_stale(db: &Connection, id: i64, server: &ServerId) -> Result<(), BusError> {
    remove(db, id)?;
    if Holder::read(db, server)?.is_some_and(|holder| holder.current == Some(id)) {
        release(db, server)?;
    }
    Ok(())
}

/// Extend leases that are held and whose command is still wanted.
pub fn beat(db: &Connection, fences: &[Fence], deadline: Timestamp) -> Result<Vec<bool>, BusError> {
    let mut held = Vec::with_capacity(fences.len());
    for fence in fences {
        let holds = Holder::read(db, &fence.server)?
            .is_some_and(|holder| holder.held_by(fence) && holder.wants(fence.stage, &fence.token.to_string()));
        if holds {
            lease(db, row_id(&fence.entry)?, deadline)?;
        }
        held.push(holds);
    }
    Ok(held)
}

/// Give an attempt up: its command goes to the end of its stream if it is still wanted.
pub fn hand_back(db: &Connection, fence: &Fence) -> Result<(), BusError> {
    let Some(holder) = Holder::read(db, &fence.server)?.filter(|holder| holder.held_by(fence)) else { return Ok(()) };
    remove(db, row_id(&fence.entry)?)?;
    if holder.wants(fence.stage, &fence.token.to_string()) {
        let command = Command { server: fence.server.clone(), stage: fence.stage, token: fence.token };
        append(db, fence.stage, &command_fields(&command)?)?;
    }
    release(db, &fence.server)
}

/// Take over entries whose lease ran out: all that were not taken over before, or else one suspect.
pub fn reap(db: &Connection, permits: usize, now: Timestamp, deadline: Timestamp) -> Result<Vec<Entry>, BusError> {
    let text = "SELECT id, stage, fields FROM entry WHERE state = 1 AND deadline <= ?1 ORDER BY deadline, id LIMIT ?2";
    let expired = select(db, text, params![int(now), i64::try_from(REAP_SCAN).unwrap_or(i64::MAX)])?;
    let (mut fresh, mut suspects) = (Vec::new(), Vec::new());
    for entry in expired {
        let EntryBody::Command(command) = &entry.body else {
            fresh.push(entry);
            continue;
        };
        let holder = Holder::read(db, &command.server)?;
        let Some(holder) = holder.filter(|holder| holder.wants(command.stage, &command.token.to_string())) else {
            drop_stale(db, row_id(&entry.id)?, &command.server)?;
            continue;
        };
        if holder.takeovers == 0 { fresh.push(entry) } else { suspects.push((holder.takeovers, entry)) }
    }
    if fresh.is_empty() {
        // The least suspect goes first: what really brings workers down comes last, and does not take the others with it.
        let least = suspects.into_iter().min_by_key(|(takeovers, _)| *takeovers);
        fresh.extend(least.map(|(_, entry)| entry));
    }
    fresh.truncate(permits);
    for entry in &fresh {
        let id = row_id(&entry.id)?;
        lease(db, id, deadline)?;
        // Only an attempt that had begun can have brought its worker down.
        db.prepare_cached(
            "UPDATE server SET takeovers = takeovers + 1, owner = '', current = NULL WHERE id = ?1 AND current = ?2",
        )
        .and_then(|mut update| update.execute(params![server_of(entry), id]))
        .map_err(sql)?;
    }
    Ok(fresh)
}

/// Publish again what is outstanding and stands nowhere; first, what waits behind an attempt whose entry is gone is let go.
pub fn sweep(db: &Connection) -> Result<Vec<Command>, BusError> {
    let endless = "SELECT id, record FROM server WHERE current NOT IN (SELECT id FROM entry)";
    for (id, text) in records(db, endless)? {
        release(db, &record(&id, &text)?.id)?;
    }
    let nowhere = "SELECT id, record FROM server WHERE stage IS NOT NULL
                   AND (id, stage, token) NOT IN (SELECT server, stage, token FROM entry WHERE server IS NOT NULL)";
    let mut lost = Vec::new();
    for (id, text) in records(db, nowhere)? {
        let Some(command) = record(&id, &text)?.outstanding() else { continue };
        append(db, command.stage, &command_fields(&command)?)?;
        lost.push(command);
    }
    Ok(lost)
}

fn records(db: &Connection, text: &str) -> Result<Vec<(String, String)>, BusError> {
    let mut select = db.prepare_cached(text).map_err(sql)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(sql)?;
    rows.map(|row| row.map_err(sql)).collect()
}

fn server_of(entry: &Entry) -> Option<&str> {
    match &entry.body {
        EntryBody::Command(command) => Some(command.server.as_str()),
        EntryBody::Foreign(_) => None,
    }
}

/// Put what was taken and never begun back, and give up roles.
pub fn leave(db: &Connection, process: &str) -> Result<(), BusError> {
    let text = "SELECT id, stage, fields FROM entry WHERE state = 1 AND deadline > 0 AND id NOT IN
                (SELECT current FROM server WHERE current IS NOT NULL) ORDER BY id";
    for entry in select(db, text, [])? {
        re_add(db, &entry)?;
    }
    db.execute("DELETE FROM role WHERE owner = ?1", [process]).map(drop).map_err(sql)
}
