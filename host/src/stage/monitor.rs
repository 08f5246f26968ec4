//! monitor: first readings, so that a server is never called ready without having been seen well.

use farrier_lifecycle::{Blame, Fault, Outcome, Retry};

use super::evidence::{self, Kind};
use super::{Mark, Stop, Work};
use crate::plugin::wit::telemetry::{Quantity, Reading};
use crate::plugin::wit::types::Health;

/// Read the sensors and the latest of the event log.
pub async fn run(work: &Work) -> Result<Outcome, Stop> {
    let (driver, lend) = work.driver()?;
    work.say("reading sensors");
    let readings = driver.read_sensors(&lend).await?;
    if readings.is_empty() {
        return Err(Fault::new("no-readings", Retry::Backoff, Blame::Controller, "the controller reports no sensor")
            .hint("is the server powered? some controllers read nothing before the first start")
            .into());
    }
    // Before they are judged; the event log follows where it is read.
    work.keep(Kind::Readings, evidence::readings(&readings, &[])).await?;
    let critical: Vec<_> = readings
        .iter()
        .filter(|reading| reading.health == Health::Critical)
        .map(|reading| reading.sensor.as_str())
        .collect();
    if !critical.is_empty() {
        return Err(Fault::new(
            "sensor-critical",
            Retry::Never,
            Blame::Hardware,
            format!("critical: {}", critical.join(", ")),
        )
        .hint("replace or reseat the part, then `farrier server retry`")
        .into());
    }
    work.say("reading the event log");
    let log = driver.read_log(&lend, None).await?;
    work.keep(Kind::Readings, evidence::readings(&readings, &log.entries)).await?;
    // From here on entries are news: whoever looks at the server later begins where this ended.
    let (bus, id) = (&*work.parts.bus, work.server().id);
    if Mark::read(bus, &id).await?.is_none() {
        Mark::at(log.cursor).keep(bus, &id).await?;
    }
    let bad = log.entries.iter().filter(|entry| entry.severity == Health::Critical).count();
    let evidence = format!(
        "{} readings ({}); event log: {} entries, {bad} critical",
        readings.len(),
        summary(&readings),
        log.entries.len()
    );
    Ok(Outcome::done(evidence))
}

/// The hottest temperature and the power drawn.
fn summary(readings: &[Reading]) -> String {
    let of =
        |quantity| readings.iter().filter(move |reading| reading.quantity == quantity).map(|reading| reading.value);
    let hottest = of(Quantity::TemperatureCelsius).fold(f64::NEG_INFINITY, f64::max);
    let watts = of(Quantity::PowerWatts).fold(0.0, f64::max);
    let mut parts = Vec::new();
    if hottest.is_finite() {
        parts.push(format!("hottest {hottest:.0} °C"));
    }
    if watts > 0.0 {
        parts.push(format!("{watts:.0} W"));
    }
    if parts.is_empty() { "no temperature or power".to_owned() } else { parts.join(", ") }
}
