//! Which tables a file has.
//!
//! Promises that a file of an older version is brought up to date once, by the host that has it, and that a newer one is not touched.

use std::path::Path;

use rusqlite::Connection;

use super::super::BusError;
use super::super::lock::unusable;
use super::engine::sql;

/// What brings an empty file to schema 1, that to schema 2, and so on.
const SCHEMAS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema2.sql")];
/// The last of them; a newer file is not touched.
const SCHEMA_VERSION: i64 = 2;
/// More than there are statements.
const STATEMENTS: usize = 64;

fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Refuse a file of another schema.
pub fn check(connection: &Connection, path: &Path) -> Result<(), BusError> {
    let version = version_of(connection).map_err(|error| unusable(path, &error))?;
    if version == SCHEMA_VERSION { Ok(()) } else { Err(other_schema(version)) }
}

fn other_schema(version: i64) -> BusError {
    BusError::Unusable {
        problem: format!("`bus.db` has schema {version}, this program knows {SCHEMA_VERSION}"),
        hint: if version < SCHEMA_VERSION {
            "start the host of this version once: it brings the file up to date".to_owned()
        } else {
            "run the version of farrier that wrote it, or a newer one".to_owned()
        },
    }
}

/// Bring a file up to date, from whichever version wrote it.
pub fn migrate(connection: &Connection) -> Result<(), BusError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let version = version_of(connection).map_err(sql)?;
    let done =
        usize::try_from(version).ok().filter(|done| *done <= SCHEMAS.len()).ok_or_else(|| other_schema(version))?;
    if done == SCHEMAS.len() {
        return Ok(());
    }
    let missing: String = SCHEMAS.iter().skip(done).copied().collect();
    let make = format!("BEGIN; {missing} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;");
    connection.execute_batch(&make).map_err(sql)
}
