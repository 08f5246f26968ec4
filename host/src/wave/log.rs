//! Every decision about a wave, in the store's log of decisions.

use farrier_lifecycle::Timestamp;

use super::Wave;
use crate::access::{Means, Principal, Record};
use crate::bus::Bus;

/// What the desk does by itself, it does under this name.
const DESK: &str = "desk";

/// Write one down; without somebody, it is the desk's. One that cannot be written is an error in the log and undoes nothing.
pub async fn write(bus: &dyn Bus, who: Option<&Principal>, at: Timestamp, what: &str, wave: &Wave) {
    let desk = || Principal { name: DESK.to_owned(), means: Means::Nothing, ..Principal::nobody() };
    let who = who.cloned().unwrap_or_else(desk);
    let tail = wave.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let detail = format!("{} of {} server(s){tail}", wave.state, wave.members.len());
    tracing::info!(who = who.name, what, wave = wave.id, detail, "firmware wave");
    let record = Record { at, detail: Some(detail), ..Record::new(&who, what, &wave.id, "ok") };
    let written = match serde_json::to_string(&record) {
        Ok(entry) => bus.audit(&entry).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = written {
        tracing::error!(error, what, wave = wave.id, "a decision is not in the audit log");
    }
}
