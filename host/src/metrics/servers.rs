//! The series of each server, family by family.

use std::fmt;

use farrier_lifecycle::{LifecycleState, Timestamp};
use prometheus_client::encoding::DescriptorEncoder;

use super::families as family;
use super::families::{Family, Samples};
use super::view::Line;
use crate::monitor::{Part, Snapshot, label};
use crate::plugin::wit::telemetry::Quantity;
use crate::plugin::wit::types::Health;

/// Families of sensors: what they measure, and the factor from the contract's unit to the base unit.
const SENSORS: [(Family, Quantity, f64); 8] = [
    (family::TEMPERATURE, Quantity::TemperatureCelsius, 1.0),
    (family::POWER, Quantity::PowerWatts, 1.0),
    (family::ENERGY, Quantity::EnergyJoules, 1.0),
    (family::FAN_SPEED, Quantity::FanRpm, 1.0),
    (family::FAN_RATIO, Quantity::FanPercent, 0.01),
    (family::VOLTAGE, Quantity::VoltageVolts, 1.0),
    (family::CURRENT, Quantity::CurrentAmperes, 1.0),
    (family::UTILIZATION, Quantity::UtilizationPercent, 0.01),
];

const fn grade(health: Health) -> Option<i64> {
    match health {
        Health::Ok => Some(0),
        Health::Warning => Some(1),
        Health::Critical => Some(2),
        Health::Unknown => None,
    }
}

/// The worst of what the controller says of the server and of its sensors.
fn health(snapshot: &Snapshot, now: Timestamp) -> Option<i64> {
    let whole = snapshot.parts.as_ref().and_then(|parts| grade(parts.health?));
    snapshot.shown(now).iter().filter_map(|point| grade(point.health)).chain(whole).max()
}

/// Seconds of milliseconds.
fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}

type Encoder<'a> = DescriptorEncoder<'a>;

/// Write all of them.
pub fn write(encoder: &mut Encoder<'_>, lines: &[Line], now: Timestamp) -> fmt::Result {
    family::SERVER.write(encoder, |samples| {
        lines.iter().try_for_each(|line| {
            let facts = &line.row.server.facts;
            let of = |text: Option<&String>| label(text.map(String::as_str).unwrap_or_default());
            let (rack, driver, model) = (of(facts.rack.as_ref()), of(facts.driver.as_ref()), of(facts.model.as_ref()));
            let tenant = of(line.row.server.tenant.as_ref());
            let state: LifecycleState = line.row.server.lifecycle_state();
            samples.info(&[&line.name, &line.site, &rack, &driver, &model, &tenant, state.as_str()])
        })
    })?;
    each(encoder, family::HEALTH, lines, |line| health(line.snapshot.as_deref()?, now))?;
    for (family, quantity, factor) in SENSORS {
        sensors(encoder, family, lines, now, quantity, factor)?;
    }
    family::SENSOR_HEALTH.write(encoder, |samples| ill(samples, lines, now))?;
    parts(encoder, lines)?;
    family::LOG.write(encoder, |samples| {
        seen(lines).try_for_each(|(line, snapshot)| {
            let counts = ["ok", "warning", "critical"].into_iter().zip(snapshot.entries);
            counts
                .into_iter()
                .try_for_each(|(severity, count)| samples.counter(&[&line.name, &line.site, severity], count))
        })
    })?;
    kept(encoder, lines, now)?;
    looks(encoder, lines, now)
}

fn seen(lines: &[Line]) -> impl Iterator<Item = (&Line, &Snapshot)> {
    lines.iter().filter_map(|line| Some((line, line.snapshot.as_deref()?)))
}

/// A family of one number for a server.
fn each<T: prometheus_client::encoding::EncodeGaugeValue>(
    encoder: &mut Encoder<'_>,
    family: Family,
    lines: &[Line],
    value: impl Fn(&Line) -> Option<T>,
) -> fmt::Result {
    family.write(encoder, |samples| {
        lines.iter().try_for_each(|line| match value(line) {
            Some(value) => samples.gauge(&[&line.name, &line.site], value),
            None => Ok(()),
        })
    })
}

fn sensors(
    encoder: &mut Encoder<'_>,
    family: Family,
    lines: &[Line],
    now: Timestamp,
    quantity: Quantity,
    factor: f64,
) -> fmt::Result {
    family.write(encoder, |samples| {
        seen(lines).try_for_each(|(line, snapshot)| {
            let points = snapshot.shown(now).iter().filter(|point| point.quantity == quantity);
            points.into_iter().try_for_each(|point| {
                let (values, value) = ([line.name.as_str(), &line.site, &point.sensor], point.value * factor);
                match quantity {
                    // A meter that counts backwards is no meter.
                    Quantity::EnergyJoules => samples.counter(&values, value.max(0.0)),
                    _ => samples.gauge(&values, value),
                }
            })
        })
    })
}

/// Sensors that are not well. One name may have several quantities: the worst counts.
fn ill(samples: &mut Samples<'_>, lines: &[Line], now: Timestamp) -> fmt::Result {
    let mut worst: Vec<(&str, i64)> = Vec::new();
    for (line, snapshot) in seen(lines) {
        worst.clear();
        for point in snapshot.shown(now) {
            let Some(grade) = grade(point.health).filter(|grade| *grade > 0) else { continue };
            match worst.iter_mut().find(|(sensor, _)| *sensor == &*point.sensor) {
                Some((_, known)) => *known = grade.max(*known),
                None => worst.push((&point.sensor, grade)),
            }
        }
        for (sensor, grade) in &worst {
            samples.gauge(&[&line.name, &line.site, sensor], *grade)?;
        }
    }
    Ok(())
}

/// A family of one number for a part.
fn each_part<T, V: prometheus_client::encoding::EncodeGaugeValue>(
    encoder: &mut Encoder<'_>,
    family: Family,
    lines: &[Line],
    list: impl Fn(&Snapshot) -> &[Part<T>],
    value: impl Fn(&T) -> Option<V>,
) -> fmt::Result {
    family.write(encoder, |samples| {
        seen(lines).try_for_each(|(line, snapshot)| {
            list(snapshot).iter().try_for_each(|part| match value(&part.value) {
                Some(value) => samples.gauge(&[&line.name, &line.site, &part.name], value),
                None => Ok(()),
            })
        })
    })
}

fn parts(encoder: &mut Encoder<'_>, lines: &[Line]) -> fmt::Result {
    type Drive = (Health, Option<f64>);
    fn drives(snapshot: &Snapshot) -> &[Part<Drive>] {
        snapshot.parts.as_ref().map(|parts| parts.drives.as_slice()).unwrap_or_default()
    }
    fn supplies(snapshot: &Snapshot) -> &[Part<Health>] {
        snapshot.parts.as_ref().map(|parts| parts.supplies.as_slice()).unwrap_or_default()
    }
    fn links(snapshot: &Snapshot) -> &[Part<bool>] {
        snapshot.parts.as_ref().map(|parts| parts.links.as_slice()).unwrap_or_default()
    }
    each_part(encoder, family::SUPPLY_HEALTH, lines, supplies, |health| grade(*health))?;
    each_part(encoder, family::DRIVE_HEALTH, lines, drives, |(health, _)| grade(*health))?;
    each_part(encoder, family::ENDURANCE, lines, drives, |(_, left)| *left)?;
    each_part(encoder, family::LINK, lines, links, |up| Some(i64::from(*up)))
}

/// What stages and the warranty book know.
fn kept(encoder: &mut Encoder<'_>, lines: &[Line], now: Timestamp) -> fmt::Result {
    each(encoder, family::OUTDATED, lines, |line| line.known.as_ref()?.outdated)?;
    family::FIRMWARE_AGE.write(encoder, |samples| {
        lines.iter().try_for_each(|line| {
            // What a look saw is newer than what discover kept.
            let looked =
                line.snapshot.as_ref().and_then(|snapshot| snapshot.parts.as_ref()).map(|parts| &parts.firmware);
            let dated = looked.or_else(|| line.known.as_ref().map(|known| &known.firmware));
            dated.into_iter().flatten().try_for_each(|part| {
                samples.gauge(&[&line.name, &line.site, &part.name], seconds(now.since(part.value)))
            })
        })
    })?;
    each(encoder, family::COMPLIANT, lines, |line| {
        let known = line.known.as_ref()?;
        known.findings.map(|_| i64::from(known.compliant))
    })?;
    family::FINDINGS.write(encoder, |samples| {
        lines.iter().try_for_each(|line| {
            let findings = line.known.as_ref().and_then(|known| known.findings);
            let verdicts = ["compliant", "non-compliant", "not-applicable"];
            let counts = findings.into_iter().flat_map(|counts| verdicts.into_iter().zip(counts));
            counts.into_iter().try_for_each(|(verdict, count)| samples.gauge(&[&line.name, &line.site, verdict], count))
        })
    })?;
    each(encoder, family::WARRANTY, lines, |line| {
        const DAY: i64 = 86_400_000;
        let millis = |at: Timestamp| i64::try_from(at.0).unwrap_or(i64::MAX);
        let ends = line.known.as_ref()?.ends?;
        Some((millis(ends) - millis(now)).div_euclid(DAY))
    })
}

fn looks(encoder: &mut Encoder<'_>, lines: &[Line], now: Timestamp) -> fmt::Result {
    each(encoder, family::POLL_SUCCESS, lines, |line| Some(i64::from(line.snapshot.as_ref()?.code.is_none())))?;
    each(encoder, family::POLL_AGE, lines, |line| Some(seconds(now.since(line.snapshot.as_ref()?.seen?))))?;
    each(encoder, family::POLL_DURATION, lines, |line| Some(seconds(line.snapshot.as_ref()?.took_ms)))
}
