//! Every family of `/metrics`: name, type, unit, labels, help. The one table; `docs/reference/metrics.md` has the same, and a test compares.
//!
//! Promises that a sample is written with the labels of its family and no other. Names are as scraped: the library adds `_total` and `_info`,
//! and the unit, so they are taken off before.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabel as _, EncodeLabelSet, EncodeMetric as _,
    LabelSetEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

/// What kind of numbers it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, and begins at 0 again with the process.
    Counter,
    /// How often in which range.
    Histogram,
    /// Always 1: the labels say it.
    Info,
}

/// One family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// As scraped, but for a histogram's `_bucket`, `_sum`, `_count`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The unit its name ends in, before `_total`.
    pub unit: Option<&'static str>,
    /// Names of its labels, in their order.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! families {
    ($($id:ident $name:literal $kind:ident $unit:expr, [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: Family =
                Family { name: $name, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], help: $help };
        )*
        /// All of them, in the order of a scrape.
        pub const ALL: &[Family] = &[$($id),*];
    };
}

families! {
    BUILD "farrier_build_info" Info None, ["version"] "The host's version";
    MEMORY "farrier_process_resident_memory_bytes" Gauge Some("bytes"), [] "Memory the host's process has";
    BUS_UP "farrier_bus_up" Gauge None, [] "1 while the store answers";
    LEADER "farrier_monitor_leader" Gauge None, [] "1 on the host that looks at servers";
    SERVER "farrier_server_info" Info None, ["server", "site", "rack", "driver", "model", "tenant", "state"] "Each server, with where it is and its lifecycle state";
    HEALTH "farrier_server_health" Gauge None, ["server", "site"] "The worst of the controller's own judgement and its sensors: 0 ok, 1 warning, 2 critical";
    TEMPERATURE "farrier_temperature_celsius" Gauge Some("celsius"), ["server", "site", "sensor"] "Temperature";
    POWER "farrier_power_watts" Gauge Some("watts"), ["server", "site", "sensor"] "Power drawn; sensor system is the whole server";
    ENERGY "farrier_energy_joules_total" Counter Some("joules"), ["server", "site", "sensor"] "Energy used, as the controller counts it";
    FAN_SPEED "farrier_fan_speed_rpm" Gauge Some("rpm"), ["server", "site", "sensor"] "Revolutions a minute of a fan";
    FAN_RATIO "farrier_fan_speed_ratio" Gauge Some("ratio"), ["server", "site", "sensor"] "Speed of a fan against its highest, 0 to 1";
    VOLTAGE "farrier_voltage_volts" Gauge Some("volts"), ["server", "site", "sensor"] "Voltage";
    CURRENT "farrier_current_amperes" Gauge Some("amperes"), ["server", "site", "sensor"] "Current";
    UTILIZATION "farrier_utilization_ratio" Gauge Some("ratio"), ["server", "site", "sensor"] "How busy a part is, 0 to 1, where the hardware says so";
    SENSOR_HEALTH "farrier_sensor_health" Gauge None, ["server", "site", "sensor"] "Sensors that are not well: 1 warning, 2 critical";
    SUPPLY_HEALTH "farrier_power_supply_health" Gauge None, ["server", "site", "slot"] "Health of a power supply: 0 ok, 1 warning, 2 critical";
    DRIVE_HEALTH "farrier_drive_health" Gauge None, ["server", "site", "slot"] "Health of a drive: 0 ok, 1 warning, 2 critical";
    ENDURANCE "farrier_drive_endurance_ratio" Gauge Some("ratio"), ["server", "site", "slot"] "What is left of a drive's rated endurance, 0 to 1";
    LINK "farrier_link_up" Gauge None, ["server", "site", "nic"] "1 while the link of a network interface is up";
    LOG "farrier_log_entries_total" Counter None, ["server", "site", "severity"] "New entries of the controller's logs";
    OUTDATED "farrier_firmware_outdated_components" Gauge None, ["server", "site"] "Components that differ from the catalogue or the fleet tool's baseline, as planned last";
    FIRMWARE_AGE "farrier_firmware_age_seconds" Gauge Some("seconds"), ["server", "site", "component"] "Age of a component's firmware, where the catalogue or its version says when it was released";
    COMPLIANT "farrier_hardening_compliant" Gauge None, ["server", "site"] "1 if no required control differed at the last audit";
    FINDINGS "farrier_hardening_findings" Gauge None, ["server", "site", "verdict"] "Findings of the last audit";
    WARRANTY "farrier_warranty_remaining_days" Gauge Some("days"), ["server", "site"] "Days until the vendor's support ends; negative once it is past";
    POLL_SUCCESS "farrier_poll_success" Gauge None, ["server", "site"] "1 if the last look at the controller went well";
    POLL_AGE "farrier_poll_age_seconds" Gauge Some("seconds"), ["server", "site"] "Time since the last look that went well";
    POLL_DURATION "farrier_poll_duration_seconds" Gauge Some("seconds"), ["server", "site"] "How long the last look took";
    POLLS "farrier_polls_total" Counter None, ["outcome"] "Looks at controllers: ok, or the code of the fault";
    STAGE_SERVERS "farrier_stage_servers" Gauge None, ["stage", "status"] "Servers in a stage";
    BACKLOG "farrier_stage_backlog" Gauge None, ["stage"] "Commands on a stage's stream that nobody works yet";
    IN_FLIGHT "farrier_stage_in_flight" Gauge None, ["stage"] "Commands being worked";
    OLDEST "farrier_stage_oldest_seconds" Gauge Some("seconds"), ["stage"] "How long the server that runs or waits longest in a stage has done so";
    SERVERS "farrier_servers" Gauge None, ["state", "site"] "Servers by lifecycle state";
    DEAD "farrier_dead_letters" Gauge None, [] "Entries that could not be worked";
    TIMERS "farrier_timers" Gauge None, [] "Timers set";
    DRIFT "farrier_drift_devices" Gauge None, [] "Servers in which NetBox and this host do not agree";
    LAG "farrier_netbox_lag_seconds" Gauge Some("seconds"), [] "Age of the oldest transition not yet written to NetBox; on the host that writes";
    TRANSITIONS "farrier_transitions_total" Counter None, ["stage", "event"] "Committed transitions, by the stage after them and what happened";
    FAILURES "farrier_stage_failures_total" Counter None, ["stage", "code"] "Attempts that failed, by the fault's code";
    STAGE_DURATION "farrier_stage_duration_seconds" Histogram Some("seconds"), ["stage"] "From entering a stage to leaving it";
    PLUGIN "farrier_plugin_info" Info None, ["plugin", "version"] "Plugins that are loaded";
    CALLS "farrier_plugin_calls_total" Counter None, ["plugin", "function", "outcome"] "Calls of plugins: ok, or the code of the error";
    CALL_DURATION "farrier_plugin_call_duration_seconds" Histogram Some("seconds"), ["plugin", "function"] "How long calls of plugins took";
    CASES "farrier_cases" Gauge None, ["code"] "Open cases, by the fault's code";
    ORDERS "farrier_orders" Gauge None, ["state"] "Orders";
    WAVE_SERVERS "farrier_wave_servers" Gauge None, ["wave", "state"] "Servers of firmware waves that are not done, by how they stand; halted is what a halted wave has not brought to its end";
    TENANT_SERVERS "farrier_tenant_servers" Gauge None, ["tenant", "site"] "Servers with a tenant";
    TENANT_POWER "farrier_tenant_power_watts" Gauge Some("watts"), ["tenant", "site"] "Power drawn by a tenant's servers";
}

impl Family {
    /// The name without what the library adds to it.
    fn stem(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        let name = self.name.strip_suffix(suffix).unwrap_or(self.name);
        let bare = self.unit.and_then(|unit| name.strip_suffix(unit)?.strip_suffix('_'));
        bare.unwrap_or(name)
    }

    /// Write its head and its samples.
    pub fn write(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        samples: impl FnOnce(&mut Samples<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let unit = self.unit.map(|unit| Unit::Other(unit.to_owned()));
        let kind = match self.kind {
            Kind::Gauge => MetricType::Gauge,
            Kind::Counter => MetricType::Counter,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        let metric = encoder.encode_descriptor(self.stem(), self.help, unit.as_ref(), kind)?;
        samples(&mut Samples { metric, labels: self.labels })
    }
}

/// Where the samples of a family go.
pub struct Samples<'a> {
    metric: MetricEncoder<'a>,
    labels: &'static [&'static str],
}

/// Values for a family's labels, in their order; such that nothing in them has to be escaped.
struct Set<'a> {
    labels: &'static [&'static str],
    values: &'a [&'a str],
}

impl EncodeLabelSet for Set<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.labels.iter().zip(self.values).try_for_each(|label| (*label.0, *label.1).encode(encoder.encode_label()))
    }
}

impl Samples<'_> {
    /// A sample of a gauge.
    #[allow(clippy::needless_pass_by_value, reason = "a number")]
    pub fn gauge(&mut self, values: &[&str], value: impl EncodeGaugeValue) -> fmt::Result {
        if values.is_empty() {
            return self.metric.encode_gauge(&value);
        }
        self.metric.encode_family(&Set { labels: self.labels, values })?.encode_gauge(&value)
    }

    /// A sample of a counter.
    #[allow(clippy::needless_pass_by_value, reason = "a number")]
    pub fn counter(&mut self, values: &[&str], value: impl EncodeCounterValue) -> fmt::Result {
        let set = Set { labels: self.labels, values };
        self.metric.encode_family(&set)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    /// A line that says something by its labels.
    pub fn info(&mut self, values: &[&str]) -> fmt::Result {
        self.metric.encode_info(&Set { labels: self.labels, values })
    }

    /// The ranges of a histogram.
    pub fn histogram(&mut self, values: &[&str], histogram: &Histogram) -> fmt::Result {
        histogram.encode(self.metric.encode_family(&Set { labels: self.labels, values })?)
    }
}

/// The table of the reference, as Markdown.
pub fn table() -> String {
    let mut lines = vec!["| Name | Type | Labels | Says |".to_owned(), "|---|---|---|---|".to_owned()];
    for family in ALL {
        let kind = match family.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        lines.push(format!("| `{}` | {kind} | {} | {}. |", family.name, labels.join(" "), family.help));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_once_and_end_in_their_unit() {
        let mut names: Vec<_> = ALL.iter().map(|family| family.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for family in ALL {
            let suffix = if family.kind == Kind::Counter { "_total" } else { "" };
            let unit = family.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
            assert!(family.name.ends_with(&format!("{unit}{suffix}")), "{}", family.name);
            assert!(!family.help.ends_with('.') && !family.help.contains(['\n', '\\']), "{}", family.name);
        }
        assert_eq!(
            (ENERGY.stem(), SERVER.stem(), LAG.stem()),
            ("farrier_energy", "farrier_server", "farrier_netbox_lag")
        );
    }
}
