//! Sensor readings.
//!
//! Promises: base units, labels that are stable and unique, and no reading of a sensor that is absent or says null.
//! Does not: keep history.
//!
//! Not obvious: the old `Thermal` and `Power` resources are preferred where they are linked. They give in two requests
//! what `Sensors` gives in fifty, and a controller that is polled too often goes deaf.

use super::{Context, identity::severity};
use crate::json::Json;
use crate::text;
use crate::types::{Error, Quantity, Reading};
use serde_json::Value;

/// Read all sensors.
pub fn read(context: &Context<'_>) -> Result<Vec<Reading>, Error> {
    let Some(chassis) = context.chassis()? else { return Ok(Vec::new()) };
    let mut sheet = Sheet::default();
    if let Some(thermal) = context.redfish.find(chassis.link(&["Thermal"]).as_deref())? {
        sheet.thermal(&thermal);
    }
    if let Some(power) = context.redfish.find(chassis.link(&["Power"]).as_deref())? {
        sheet.power(&power);
    }
    if sheet.readings.is_empty() {
        let sensors = context.redfish.members(chassis.link(&["Sensors"]).as_deref())?;
        for sensor in sensors {
            sheet.sensor(&sensor);
        }
        if let Some(environment) = context.redfish.find(chassis.link(&["EnvironmentMetrics"]).as_deref())? {
            let watts = environment.number(&["PowerWatts", "Reading"]);
            sheet.add(&environment, "system", Quantity::PowerWatts, watts);
        }
    }
    Ok(sheet.readings)
}

/// Readings with labels that do not repeat.
#[derive(Default)]
struct Sheet {
    readings: Vec<Reading>,
    taken: Vec<String>,
}

impl Sheet {
    fn add(&mut self, source: &Value, label: &str, quantity: Quantity, value: Option<f64>) {
        let off = source.text(&["Status", "State"]).is_some_and(|state| {
            ["absent", "disabled", "unavailableoffline"].contains(&state.to_ascii_lowercase().as_str())
        });
        let (Some(value), false) = (value, off) else { return };
        // One label for several quantities of one thing, so uniqueness is for each quantity.
        let mut label = text::slug(label);
        let key = format!("{quantity:?}/{label}");
        let unique = text::unique(&key, &mut self.taken);
        if let Some((_, rest)) = unique.split_once('/') {
            rest.clone_into(&mut label);
        }
        let health = severity(source.text(&["Status", "Health"]).as_deref());
        self.readings.push(Reading { sensor: label, quantity, value, health });
    }

    fn thermal(&mut self, thermal: &Value) {
        for sensor in thermal.list(&["Temperatures"]) {
            let name = sensor.text(&["Name"]).or_else(|| sensor.text(&["MemberId"])).unwrap_or_default();
            let value = sensor.number(&["ReadingCelsius"]);
            self.add(sensor, temperature_label(&name), Quantity::TemperatureCelsius, value);
        }
        for fan in thermal.list(&["Fans"]) {
            let name = fan.text(&["Name"]).or_else(|| fan.text(&["FanName"])).unwrap_or_else(|| "fan".to_owned());
            let percent = fan.text(&["ReadingUnits"]).is_some_and(|units| units.eq_ignore_ascii_case("percent"));
            let quantity = if percent { Quantity::FanPercent } else { Quantity::FanRpm };
            let value = fan.number(&["Reading"]).or_else(|| fan.number(&["ReadingRPM"]));
            self.add(fan, &name, quantity, value);
        }
    }

    fn power(&mut self, power: &Value) {
        for control in power.list(&["PowerControl"]) {
            self.add(control, "system", Quantity::PowerWatts, control.number(&["PowerConsumedWatts"]));
        }
        for sensor in power.list(&["Voltages"]) {
            let name = sensor.text(&["Name"]).unwrap_or_else(|| "voltage".to_owned());
            self.add(sensor, &name, Quantity::VoltageVolts, sensor.number(&["ReadingVolts"]));
        }
        for (index, supply) in power.list(&["PowerSupplies"]).iter().enumerate() {
            let label = format!("psu{}", index + 1);
            let watts = ["PowerInputWatts", "LastPowerOutputWatts", "PowerOutputWatts"];
            let watts = watts.iter().find_map(|name| supply.number(&[name]));
            self.add(supply, &label, Quantity::PowerWatts, watts);
            self.add(supply, &label, Quantity::VoltageVolts, supply.number(&["LineInputVoltage"]));
        }
    }

    /// One member of `Sensors`. Its kind is in `ReadingType`, or only in the units.
    fn sensor(&mut self, sensor: &Value) {
        let kind = sensor.text(&["ReadingType"]).unwrap_or_default();
        let units = sensor.text(&["ReadingUnits"]).unwrap_or_default();
        let name = sensor.text(&["Name"]).or_else(|| sensor.text(&["Id"])).unwrap_or_default();
        let fan = name.to_ascii_lowercase().contains("fan");
        let (quantity, factor) = match (kind.as_str(), units.as_str()) {
            ("Temperature", _) | ("", "Cel" | "C") => (Quantity::TemperatureCelsius, 1.0),
            ("Power", _) | ("", "W") => (Quantity::PowerWatts, 1.0),
            ("Voltage", _) | ("", "V") => (Quantity::VoltageVolts, 1.0),
            ("Current", _) | ("", "A") => (Quantity::CurrentAmperes, 1.0),
            ("EnergyJoules", _) | ("", "J") => (Quantity::EnergyJoules, 1.0),
            ("EnergykWh", _) | ("", "kW.h") => (Quantity::EnergyJoules, 3_600_000.0),
            ("Rotational", _) | ("", "RPM" | "{rev}/min") => (Quantity::FanRpm, 1.0),
            ("Percent", _) | ("", "%") if fan => (Quantity::FanPercent, 1.0),
            _ => return,
        };
        let value = sensor.number(&["Reading"]).map(|reading| reading * factor);
        let label = if quantity == Quantity::TemperatureCelsius { temperature_label(&name) } else { &name };
        self.add(sensor, label, quantity, value);
    }
}

/// `inlet` for the sensor every dashboard looks for, under whatever number or name the vendor has it.
fn temperature_label(name: &str) -> &str {
    if name.to_ascii_lowercase().contains("inlet") { "inlet" } else { name }
}
