//! From the journal to cases.
//!
//! Promises: a fault that a person must act on is a case; it is over when the server got past the stage it failed in, was
//! begun anew, or left. A second try that runs is no recovery, and another fault in the same stage is none either.
//!
//! Not obvious: on its first day it does not read the journal from the beginning, which would open and close tickets for
//! faults of last year. It goes to the end and takes the servers that stand failed now.

use std::time::Duration;

use farrier_lifecycle::{JournalEntry, Retry, Stage, Status};

use super::case::{Case, Cases, Problem};
use crate::bus::BusError;

/// Where the cursor is kept in the store.
pub const CURSOR: &str = "ticket:cursor";
const BATCH: usize = 256;
/// Letters of a note that are said in a ticket.
const SAID: usize = 600;

/// Take in what the journal has beyond the cursor, waiting up to `wait` for news. Whether there was any.
pub async fn turn(cases: &Cases, wait: Duration) -> Result<bool, BusError> {
    let Some(cursor) = cases.0.get(CURSOR).await? else {
        begin(cases).await?;
        return Ok(true);
    };
    let cursor = String::from_utf8_lossy(&cursor).into_owned();
    let news = cases.0.journal(&cursor, BATCH, wait).await?;
    for (_, entry) in &news {
        take(cases, entry).await?;
    }
    let Some((last, _)) = news.last() else { return Ok(false) };
    cases.0.set(CURSOR, Some(last.as_bytes()), None).await?;
    Ok(true)
}

async fn begin(cases: &Cases) -> Result<(), BusError> {
    let mut cursor = String::new();
    loop {
        let news = cases.0.journal(&cursor, BATCH, Duration::ZERO).await?;
        let Some((last, _)) = news.last() else { break };
        cursor.clone_from(last);
    }
    // After the end was found: a server that fails meanwhile is in the list, or in the journal, or in both.
    for server in cases.0.list().await? {
        if let Status::Failed(fault) = &server.status {
            let problem = Problem {
                server: server.id.clone(),
                name: server.label().to_owned(),
                stage: Some(server.stage),
                fault: fault.clone(),
                at: server.since,
                version: server.version,
                warning: false,
            };
            cases.raise(&problem).await?;
        }
    }
    cases.0.set(CURSOR, Some(cursor.as_bytes()), None).await
}

/// One transition.
pub async fn take(cases: &Cases, entry: &JournalEntry) -> Result<(), BusError> {
    let needs_somebody = |retry: Retry| matches!(retry, Retry::Never | Retry::Slowly) || entry.status == "failed";
    if let Some(fault) = entry.fault.as_ref().filter(|fault| needs_somebody(fault.retry)) {
        let problem = Problem {
            server: entry.server.clone(),
            name: entry.name.clone(),
            stage: Some(entry.stage),
            fault: fault.clone(),
            at: entry.at,
            version: entry.version,
            warning: false,
        };
        cases.raise(&problem).await?;
    }
    for case in cases.of(&entry.server).await? {
        if let Some(what) = ended(&case, entry) {
            cases.clear(case, entry.at, entry.version, &what).await?;
        }
    }
    Ok(())
}

/// Why the case is over with this transition, if it is.
fn ended(case: &Case, entry: &JournalEntry) -> Option<String> {
    let stage = case.stage?;
    match entry.event.as_str() {
        "reset" => return Some("an operator began the server anew".to_owned()),
        "retire" => return Some("the server is being retired".to_owned()),
        _ => {}
    }
    if entry.stage == stage {
        return None;
    }
    let note = entry.note.as_ref().map(|note| note.text.as_str()).unwrap_or_default();
    let said: String = note.lines().collect::<Vec<_>>().join("; ").chars().take(SAID).collect();
    Some(if entry.stage == Stage::Retired {
        "the server left the datacentre".to_owned()
    } else if said.is_empty() {
        format!("{stage} is done; the server is in {}", entry.stage)
    } else {
        format!("{stage} is done; the server is in {}. {said}", entry.stage)
    })
}
