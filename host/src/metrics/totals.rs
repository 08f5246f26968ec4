//! Numbers over the servers that are shown: by stage, state, site, tenant. Whoever sees some servers only gets the numbers of those.

use std::collections::BTreeMap;
use std::fmt;

use farrier_lifecycle::{Stage, Status, Timestamp};
use prometheus_client::encoding::DescriptorEncoder;

use super::families as family;
use super::view::Line;
use crate::monitor::{Snapshot, label};
use crate::plugin::wit::telemetry::Quantity;

/// The sensor of the whole server's power, as drivers call it.
const WHOLE: &str = "system";

#[derive(Default)]
struct Totals<'a> {
    stages: BTreeMap<(Stage, &'static str), u64>,
    oldest: BTreeMap<Stage, Timestamp>,
    states: BTreeMap<(&'static str, &'a str), u64>,
    tenants: BTreeMap<(String, &'a str), (u64, Option<f64>)>,
}

/// What the server draws: as a whole, or else by its power supplies together.
fn watts(snapshot: &Snapshot, now: Timestamp) -> Option<f64> {
    let power = || snapshot.shown(now).iter().filter(|point| point.quantity == Quantity::PowerWatts);
    if let Some(whole) = power().find(|point| &*point.sensor == WHOLE) {
        return Some(whole.value);
    }
    let supplies: Vec<f64> = power().filter(|point| point.sensor.starts_with("psu")).map(|point| point.value).collect();
    (!supplies.is_empty()).then(|| supplies.iter().sum())
}

fn total(lines: &[Line], now: Timestamp) -> Totals<'_> {
    let mut totals = Totals::default();
    for line in lines {
        let server = &line.row.server;
        *totals.stages.entry((server.stage, server.status.as_str())).or_default() += 1;
        *totals.states.entry((server.lifecycle_state().as_str(), &line.site)).or_default() += 1;
        if matches!(server.status, Status::Running | Status::Waiting(_)) {
            let oldest = totals.oldest.entry(server.stage).or_insert(server.since);
            *oldest = server.since.min(*oldest);
        }
        if let Some(tenant) = &server.tenant {
            let (count, power) = totals.tenants.entry((label(tenant), &line.site)).or_default();
            *count += 1;
            if let Some(watts) = line.snapshot.as_deref().and_then(|snapshot| watts(snapshot, now)) {
                *power = Some(power.unwrap_or_default() + watts);
            }
        }
    }
    totals
}

/// Write them.
pub fn write(encoder: &mut DescriptorEncoder<'_>, lines: &[Line], now: Timestamp) -> fmt::Result {
    let totals = total(lines, now);
    family::STAGE_SERVERS.write(encoder, |samples| {
        let mut all = totals.stages.iter();
        all.try_for_each(|((stage, status), count)| samples.gauge(&[stage.as_str(), status], *count))
    })?;
    family::OLDEST.write(encoder, |samples| {
        totals.oldest.iter().try_for_each(|(stage, since)| {
            let age = std::time::Duration::from_millis(now.since(*since)).as_secs_f64();
            samples.gauge(&[stage.as_str()], age)
        })
    })?;
    family::SERVERS.write(encoder, |samples| {
        totals.states.iter().try_for_each(|((state, site), count)| samples.gauge(&[state, site], *count))
    })?;
    family::TENANT_SERVERS.write(encoder, |samples| {
        totals.tenants.iter().try_for_each(|((tenant, site), (count, _))| samples.gauge(&[tenant, site], *count))
    })?;
    family::TENANT_POWER.write(encoder, |samples| {
        totals.tenants.iter().try_for_each(|((tenant, site), (_, power))| match power {
            Some(power) => samples.gauge(&[tenant, site], *power),
            None => Ok(()),
        })
    })
}
