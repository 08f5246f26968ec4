//! Every decision about an order, in the store's log of decisions.
//!
//! Promises the same fields as the other entries of that log have. An entry that cannot be written is an error in the host's log
//! and undoes no decision: the servers' own journal has each reservation and delivery as well.

use farrier_lifecycle::Timestamp;

use super::Order;
use crate::access::{Means, Principal, Record};
use crate::bus::Bus;

/// What the desk does by itself, it does under this name.
pub const DESK: &str = "desk";

/// Who decided.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Somebody.
    Somebody(&'a Principal),
    /// The desk, as the order and the policy say.
    Desk,
}

fn record(by: By<'_>, at: Timestamp, what: &str, order: &Order, detail: Option<&str>) -> Record {
    let tail = detail.filter(|detail| !detail.is_empty()).map(|detail| format!(": {detail}")).unwrap_or_default();
    let detail = Some(format!("{} for {}{tail}", order.state, order.tenant));
    let record = |who: &Principal| Record { at, detail, ..Record::new(who, what, &order.id, "ok") };
    match by {
        By::Somebody(who) => record(who),
        By::Desk => record(&Principal { name: DESK.to_owned(), means: Means::Nothing, ..Principal::nobody() }),
    }
}

/// Write one down.
pub async fn write(bus: &dyn Bus, by: By<'_>, at: Timestamp, what: &str, order: &Order, detail: Option<&str>) {
    let record = record(by, at, what, order, detail);
    let (who, target, detail) = (record.who.as_str(), order.id.as_str(), record.detail.as_deref());
    tracing::info!(who, what, order = target, detail, "order decided");
    let written = match serde_json::to_string(&record) {
        Ok(entry) => bus.audit(&entry).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = written {
        tracing::error!(error, who, what, order = target, "a decision is not in the audit log");
    }
}
