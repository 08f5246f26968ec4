//! What a server's record means for its device: status, custom fields, out-of-band address, tenant.
//!
//! Decides, and sends nothing. Only our own fields, only where they differ, and only custom fields that the device has:
//! `netbox init` makes them, `serve` never does.

use std::collections::BTreeMap;

use farrier_lifecycle::{JournalEntry, LifecycleState, Mark, Server, Stage, Timestamp};
use serde_json::{Map, Value, json};

use super::model::{Device, text};
use super::schema::Known;
use super::tenant::Tenancy;

/// Which transition the device's state is of; goes with other changes and never alone.
pub const MARKER: &str = "farrier_transition";
/// The custom field with one of the nine names.
pub const STATE: &str = "lifecycle_state";
/// The custom field with the day a server arrived; a delivery list makes it.
pub const RECEIVED: &str = "received_at";
/// NetBox's status of a server that was ordered and has not arrived.
const PLANNED: &str = "planned";
/// Our custom fields that are times.
pub const TIMES: [&str; 4] = ["discovered_at", "pxe_boot_initiated_at", "hardened_at", "last_monitored_at"];

/// Where NetBox has a device, if a server that the store does not know must not be taken from there: in use, held, failed, or leaving.
///
/// Our own field beside the status: a site may map states to statuses as it likes, and a hold is written as `offline`.
pub(super) fn claim(device: &Device) -> Option<String> {
    const STATUSES: [&str; 2] = ["active", "decommissioning"];
    const STATES: [LifecycleState; 5] = [
        LifecycleState::Active,
        LifecycleState::Maintenance,
        LifecycleState::Failed,
        LifecycleState::Decommissioning,
        LifecycleState::Decommissioned,
    ];
    let status = Some(device.status.value.as_str()).filter(|status| STATUSES.contains(status));
    let state = device.custom_fields.get(STATE).and_then(text);
    let state = state.filter(|state| STATES.iter().any(|one| one.as_str() == *state));
    state.map(|state| format!("{STATE} {state}")).or_else(|| status.map(|status| format!("status {status}")))
}

/// NetBox's status for a state; `None`: as it is found.
pub(super) fn status(state: LifecycleState, overrides: &BTreeMap<String, String>, known: &Known) -> Option<String> {
    if let Some(status) = overrides.get(state.as_str()) {
        return Some(status.clone()).filter(|status| !status.is_empty());
    }
    let status = match state {
        LifecycleState::Offline => return None,
        LifecycleState::Discovered if known.has_status("discovered") => "discovered",
        LifecycleState::Discovered | LifecycleState::Provisioning | LifecycleState::Ready => "staged",
        LifecycleState::Active => "active",
        LifecycleState::Failed => "failed",
        LifecycleState::Maintenance => "offline",
        LifecycleState::Decommissioning => "decommissioning",
        LifecycleState::Decommissioned => "inventory",
    };
    Some(status.to_owned())
}

/// What was found out before, by asking NetBox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The address object that should be the device's `oob_ip`.
    pub oob: Option<u64>,
    /// What becomes of its tenant.
    pub tenancy: Tenancy,
}

/// The fields that differ, ready to be sent; empty: nothing to write.
pub(super) fn changes(
    device: &Device,
    server: &Server,
    entries: &[JournalEntry],
    wanted: Wanted,
    overrides: &BTreeMap<String, String>,
    known: &Known,
) -> Map<String, Value> {
    let mut body = Map::new();
    let state = server.lifecycle_state();
    let arrived = arrived(device, state, entries);
    if let Some(status) = status(state, overrides, known).or_else(|| arrived.map(|_| "offline".to_owned()))
        && status != device.status.value
    {
        body.insert("status".to_owned(), status.into());
    }
    if let Some(id) = wanted.oob
        && device.oob_ip.as_ref().is_none_or(|address| address.id != id)
    {
        body.insert("oob_ip".to_owned(), id.into());
    }
    match wanted.tenancy {
        Tenancy::Set(id) if device.tenant.as_ref().is_none_or(|tenant| tenant.id != id) => {
            body.insert("tenant".to_owned(), id.into());
        }
        Tenancy::Clear if device.tenant.is_some() => {
            body.insert("tenant".to_owned(), Value::Null);
        }
        _ => {}
    }
    let mut fields = Map::new();
    let mut differs = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    if let Some(now) = device.custom_fields.get(STATE)
        && text(now) != Some(state.as_str())
    {
        differs(STATE, state.as_str().into());
    }
    for (name, at) in times(server, entries) {
        let only_date = known.fields.get(name).is_some_and(|kind| kind == "date");
        let Some(now) = device.custom_fields.get(name) else { continue };
        let wanted = iso(at, only_date);
        if text(now).is_none_or(|now| is_older(now, &wanted)) {
            differs(name, wanted.into());
        }
    }
    if let (Some(at), Some(now)) = (arrived, device.custom_fields.get(RECEIVED))
        && text(now).is_none()
    {
        let only_date = known.fields.get(RECEIVED).is_none_or(|kind| kind == "date");
        fields.insert(RECEIVED.to_owned(), iso(at, only_date).into());
    }
    if device.custom_fields.contains_key(MARKER) && !(fields.is_empty() && body.is_empty()) {
        fields.insert(MARKER.to_owned(), format!("{}:{}", server.id, server.version).into());
    }
    if !fields.is_empty() {
        body.insert("custom_fields".to_owned(), json!(fields));
    }
    body
}

/// A server that was only ordered has asked for an address: it has arrived, and this is when.
fn arrived(device: &Device, state: LifecycleState, entries: &[JournalEntry]) -> Option<Timestamp> {
    let first = entries.iter().find(|entry| entry.event == "lease-seen")?;
    (state == LifecycleState::Offline && device.status.value == PLANNED).then_some(first.at)
}

/// The times these transitions set; of two of one kind the later stands.
fn times(server: &Server, entries: &[JournalEntry]) -> BTreeMap<&'static str, Timestamp> {
    let mut times = BTreeMap::new();
    for entry in entries {
        let done = entry.event == "done";
        match (entry.from, entry.to) {
            (LifecycleState::Offline, LifecycleState::Discovered | LifecycleState::Provisioning) => {
                times.insert("discovered_at", entry.at);
            }
            (LifecycleState::Discovered, LifecycleState::Provisioning) if entry.stage == Stage::Validate => {
                times.insert("pxe_boot_initiated_at", entry.at);
            }
            _ => {}
        }
        if done && entry.stage == Stage::Monitor && !server.marks.contains_key(&Mark::Unhardened) {
            times.insert("hardened_at", entry.at);
        }
        if done && entry.stage == Stage::Assign {
            times.insert("last_monitored_at", entry.at);
        }
    }
    times
}

/// UTC with milliseconds, or only the day.
pub(super) fn iso(at: Timestamp, only_date: bool) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let Ok(time) = jiff::Timestamp::from_millisecond(millis) else { return String::new() };
    let format = if only_date { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M:%S%.3fZ" };
    time.strftime(format).to_string()
}

/// NetBox gives times back as `Z` or `+00:00`, with or without fractions.
fn is_older(now: &str, wanted: &str) -> bool {
    match (now.parse::<jiff::Timestamp>(), wanted.parse::<jiff::Timestamp>()) {
        (Ok(now), Ok(wanted)) => now < wanted,
        _ => now < wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_compared_as_times() {
        assert!(!is_older("2026-11-22T16:10:49.100000+00:00", "2026-11-22T16:10:49.100Z"));
        assert!(is_older("2026-11-22T16:10:49Z", "2026-11-22T16:10:49.100Z"));
        assert!(!is_older("2026-11-22", "2026-11-22"));
        assert_eq!(iso(Timestamp(1_795_363_849_100), false), "2026-11-22T16:10:49.100Z");
        assert_eq!(iso(Timestamp(1_795_363_849_100), true), "2026-11-22");
    }

    #[test]
    fn a_state_has_the_status_the_site_has() {
        let none = BTreeMap::new();
        let plain = Known::default();
        let extended = Known { statuses: vec!["discovered".to_owned()], ..Known::default() };
        assert_eq!(status(LifecycleState::Offline, &none, &plain), None);
        assert_eq!(status(LifecycleState::Discovered, &none, &plain).as_deref(), Some("staged"));
        assert_eq!(status(LifecycleState::Discovered, &none, &extended).as_deref(), Some("discovered"));
        assert_eq!(status(LifecycleState::Maintenance, &none, &plain).as_deref(), Some("offline"));
        let own = BTreeMap::from([("ready".to_owned(), "planned".to_owned())]);
        assert_eq!(status(LifecycleState::Ready, &own, &plain).as_deref(), Some("planned"));
    }
}
