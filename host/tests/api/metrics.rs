//! `/metrics` through the gate: every family with its labels and no other, the right values, and to each what they may see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use farrier::access::Role;
use farrier::metrics::families::{self, Kind};
use farrier::monitor::{Part, Parts, Snapshot};
use farrier::plugin::wit::telemetry::{Quantity, Reading};
use farrier::plugin::wit::types::Health;
use farrier::ticket::{Cases, Problem};
use farrier_lifecycle::{Blame, Fault, Retry, Server, Timestamp};
use serde_json::json;

use crate::rig::{Answer, PATIENCE, Rig, active, commit, failed, ready};

const DAY: u64 = 86_400_000;

/// A line of a scrape: name, labels, value.
type Sample = (String, BTreeMap<String, String>, f64);

fn samples(text: &str) -> Vec<Sample> {
    let line = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let pairs = labels.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty());
        let labels = pairs.map(|pair| {
            let (key, value) = pair.split_once("=\"").unwrap();
            (key.to_owned(), value.trim_end_matches('"').to_owned())
        });
        (name.to_owned(), labels.collect(), value.parse().unwrap())
    };
    text.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

fn value(all: &[Sample], name: &str, wanted: &[(&str, &str)]) -> Option<f64> {
    let fits = |labels: &BTreeMap<String, String>| {
        wanted.iter().all(|(key, value)| labels.get(*key).is_some_and(|is| is == value))
    };
    let found: Vec<_> = all.iter().filter(|(is, labels, _)| is == name && fits(labels)).collect();
    assert!(found.len() < 2, "{name} {wanted:?}: {found:?}");
    found.first().map(|(_, _, value)| *value)
}

async fn scrape(rig: &Rig, token: Option<&str>) -> Answer {
    let request = Request::get("/metrics").header("accept", "application/openmetrics-text;version=1.0.0");
    rig.ask(token, request, Body::empty()).await
}

/// Every quantity once, one of them not well.
fn readings() -> Vec<Reading> {
    let all = [
        ("inlet", Quantity::TemperatureCelsius, 21.5, Health::Ok),
        ("system", Quantity::PowerWatts, 240.0, Health::Unknown),
        ("psu1", Quantity::PowerWatts, 120.0, Health::Ok),
        ("system", Quantity::EnergyJoules, 5.0e6, Health::Ok),
        ("fan1", Quantity::FanRpm, 9_000.0, Health::Warning),
        ("fan2", Quantity::FanPercent, 45.0, Health::Ok),
        ("psu1", Quantity::VoltageVolts, 230.0, Health::Ok),
        ("psu1", Quantity::CurrentAmperes, 0.6, Health::Ok),
        ("cpu1", Quantity::UtilizationPercent, 12.5, Health::Ok),
    ];
    let one = |(sensor, quantity, value, health): (&str, _, _, _)| Reading {
        sensor: sensor.to_owned(),
        quantity,
        value,
        health,
    };
    all.map(one).into()
}

fn looked(rig: &Rig, server: &Server, code: Option<&str>) {
    let (cache, at) = (&rig.metrics.cache, farrier::egress::now());
    let part = |name: &str| cache.name(name);
    let parts = Parts {
        health: Some(Health::Ok),
        drives: vec![Part { name: part("bay1"), value: (Health::Critical, Some(0.97)) }],
        supplies: vec![Part { name: part("psu1"), value: Health::Ok }],
        links: vec![Part { name: part("nic1"), value: true }, Part { name: part("nic2"), value: false }],
        firmware: vec![Part { name: part("bios"), value: Timestamp(at.0 - 10 * DAY) }],
    };
    let snapshot = Snapshot {
        at,
        took_ms: 1_500,
        code: code.map(Into::into),
        seen: Some(Timestamp(at.0 - 30_000)),
        until: Timestamp(at.0 + DAY),
        points: cache.points(&readings()),
        parts: Some(Arc::new(parts)),
        entries: [7, 2, 1],
    };
    cache.lead(true);
    cache.put(&server.id, snapshot);
}

async fn set(rig: &Rig, key: String, value: serde_json::Value) {
    rig.bus.set(&key, Some(value.to_string().as_bytes()), None).await.unwrap();
}

/// What stages, the warranty book and the desk keep of a server.
async fn kept(rig: &Rig, server: &Server) {
    let id = &server.id;
    let evidence = |data| json!({ "at": 1, "stage": "harden", "attempt": "1.1", "data": data });
    let audit = json!({ "by": "driver", "findings": [
        { "control": "ssdp", "verdict": "compliant" }, { "control": "ssh", "verdict": "non-compliant" } ] });
    set(rig, format!("evidence/{id}/audit"), evidence(audit)).await;
    let plan = json!({ "catalogue": 4, "steps": [{ "component": "bios" }, { "component": "bmc" }] });
    set(rig, format!("evidence/{id}/firmware"), evidence(plan)).await;
    let ends = farrier::egress::now().0 + 40 * DAY + 60_000;
    set(rig, format!("warranty/{id}"), json!({ "at": 1, "ends": ends, "source": "csv" })).await;
    let problem = Problem {
        server: id.clone(),
        name: "x".to_owned(),
        stage: None,
        fault: Fault::new("psu-lost", Retry::Never, Blame::Hardware, "as a test has it"),
        at: Timestamp(1),
        version: 1,
        warning: false,
    };
    Cases(rig.bus.clone()).raise(&problem).await.unwrap();
}

/// A rig with one of everything, and the scrape of somebody who sees it all.
async fn filled() -> (Rig, Answer) {
    let rig = Rig::new().await;
    let server = rig.put(active(1, "ams", "ACME")).await;
    rig.put(ready(2, "fra")).await;
    rig.put(failed(3, "fra", "cable-swapped", Blame::Cabling)).await;
    kept(&rig, &server).await;
    tokio::spawn(rig.metrics.clone().run(rig.stop.clone()));
    let begin = Instant::now();
    loop {
        let answer = scrape(&rig, None).await;
        let all = samples(&answer.text);
        if value(&all, "farrier_cases", &[]).is_some() && value(&all, "farrier_warranty_remaining_days", &[]).is_some()
        {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{}", answer.text);
        tokio::task::yield_now().await;
    }
    looked(&rig, &server, None);
    commit(&*rig.bus, server).await;
    rig.metrics.counts().called("redfish", "telemetry.read-sensors", "ok", Duration::from_millis(80));
    loop {
        let answer = scrape(&rig, None).await;
        if value(&samples(&answer.text), "farrier_transitions_total", &[]).is_some() {
            return (rig, answer);
        }
        assert!(begin.elapsed() < PATIENCE, "{}", answer.text);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_family_has_its_labels_and_the_reference_has_every_family() {
    let (_rig, answer) = filled().await;
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.text.ends_with("# EOF\n"));
    let reference = include_str!("../../../docs/reference/metrics.md");
    assert!(reference.contains(&families::table()), "docs/reference/metrics.md should have:\n{}", families::table());
    let mut seen = BTreeSet::new();
    for (name, labels, _) in samples(&answer.text) {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        let family = families::ALL.iter().find(|family| family.name == name || family.name == base);
        let family = family.unwrap_or_else(|| panic!("`{name}` is in no table"));
        let is: BTreeSet<&str> = labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
        assert_eq!(is, family.labels.iter().copied().collect(), "{name}");
        seen.insert(family.name);
    }
    // No plugin is loaded here, no server changed its stage, no host writes NetBox, and no wave is under way.
    let absent = [
        "farrier_plugin_info",
        "farrier_stage_duration_seconds",
        "farrier_netbox_lag_seconds",
        "farrier_wave_servers",
        "farrier_stage_failures_total",
        "farrier_stage_oldest_seconds",
    ];
    for family in families::ALL.iter().filter(|family| !absent.contains(&family.name)) {
        assert!(seen.contains(family.name), "{} has no sample", family.name);
    }
    let heads = families::ALL.iter().filter(|family| family.kind != Kind::Histogram);
    assert!(heads.count() + 2 == answer.text.lines().filter(|line| line.starts_with("# TYPE ")).count());
}

#[tokio::test]
async fn what_was_seen_and_kept_is_what_is_shown() {
    let (_rig, answer) = filled().await;
    let all = samples(&answer.text);
    let one = ("server", "AMS-SRV-00001");
    let of = |name: &str, more: &[(&str, &str)]| {
        let labels: Vec<_> = [one, ("site", "ams")].into_iter().chain(more.iter().copied()).collect();
        value(&all, name, &labels)
    };
    assert_eq!(of("farrier_temperature_celsius", &[("sensor", "inlet")]), Some(21.5));
    assert_eq!(of("farrier_fan_speed_ratio", &[]), Some(0.45));
    assert_eq!(of("farrier_utilization_ratio", &[]), Some(0.125));
    assert_eq!(of("farrier_energy_joules_total", &[]), Some(5.0e6));
    assert_eq!(of("farrier_sensor_health", &[]), Some(1.0), "only the fan is not well");
    assert_eq!(of("farrier_server_health", &[]), Some(1.0));
    assert_eq!(of("farrier_drive_health", &[]), Some(2.0));
    assert_eq!(of("farrier_drive_endurance_ratio", &[]), Some(0.97));
    assert_eq!(
        (of("farrier_link_up", &[("nic", "nic1")]), of("farrier_link_up", &[("nic", "nic2")])),
        (Some(1.0), Some(0.0))
    );
    assert_eq!(of("farrier_log_entries_total", &[("severity", "warning")]), Some(2.0));
    assert_eq!(of("farrier_firmware_outdated_components", &[]), Some(2.0));
    let age = of("farrier_firmware_age_seconds", &[("component", "bios")]).unwrap();
    assert!((864_000.0..864_100.0).contains(&age), "{age}");
    assert_eq!(of("farrier_hardening_compliant", &[]), Some(0.0));
    assert_eq!(of("farrier_hardening_findings", &[("verdict", "non-compliant")]), Some(1.0));
    assert_eq!(of("farrier_warranty_remaining_days", &[]), Some(40.0));
    assert_eq!((of("farrier_poll_success", &[]), of("farrier_poll_duration_seconds", &[])), (Some(1.0), Some(1.5)));
    assert!((30.0..60.0).contains(&of("farrier_poll_age_seconds", &[]).unwrap()));
    assert_eq!(
        value(&all, "farrier_tenant_power_watts", &[("tenant", "ACME")]),
        Some(240.0),
        "the whole, not its supplies too"
    );
    assert_eq!(value(&all, "farrier_cases", &[("code", "psu-lost")]), Some(1.0));
    assert_eq!(value(&all, "farrier_servers", &[("state", "failed"), ("site", "fra")]), Some(1.0));
    assert_eq!(
        (value(&all, "farrier_bus_up", &[]), value(&all, "farrier_monitor_leader", &[])),
        (Some(1.0), Some(1.0))
    );
    assert!(value(&all, "farrier_process_resident_memory_bytes", &[]).unwrap() > 1e6);
    let calls = [("plugin", "redfish"), ("function", "telemetry.read-sensors")];
    assert_eq!(value(&all, "farrier_plugin_calls_total", &calls), Some(1.0));
}

#[tokio::test]
async fn who_sees_some_servers_sees_theirs_and_nothing_of_the_host() {
    let (rig, _) = filled().await;
    let fra = rig.token(Role::Viewer, Some("fra"), None).await;
    let acme = rig.token(Role::Tenant, None, Some("ACME")).await;
    for (token, mine, others) in [(&fra, "FRA-SRV-00002", "AMS-SRV-00001"), (&acme, "AMS-SRV-00001", "FRA-SRV-00002")] {
        let answer = scrape(&rig, Some(token)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.text.contains(mine) && !answer.text.contains(others), "{}", answer.text);
        for host in [
            "farrier_build_info",
            "farrier_cases",
            "farrier_transitions",
            "farrier_plugin",
            "farrier_orders",
            "farrier_bus_up",
        ] {
            assert!(!answer.text.contains(host), "{host}");
        }
    }
    let all = samples(&scrape(&rig, Some(&fra)).await.text);
    assert_eq!(all.iter().filter(|(name, _, _)| name == "farrier_servers").count(), 2);
    assert_eq!(value(&all, "farrier_tenant_servers", &[]), None, "the tenant's server stands elsewhere");
}

#[tokio::test]
async fn others_get_the_older_format_and_a_dead_controller_is_shown_as_such() {
    let (rig, _) = filled().await;
    let answer = rig.get(None, "/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.text.contains("# TYPE farrier_energy_joules_total counter\n") && !answer.text.contains("# EOF"));
    assert!(answer.text.contains("# TYPE farrier_server_info gauge\n"));
    let server = rig.fleet.named("AMS-SRV-00001").unwrap();
    looked(&rig, &server.server, Some("unreachable"));
    let all = samples(&scrape(&rig, None).await.text);
    assert_eq!(value(&all, "farrier_poll_success", &[]), Some(0.0));
    assert_eq!(value(&all, "farrier_polls_total", &[("outcome", "unreachable")]), Some(1.0));
    let readings = rig.get(None, "/api/v1/servers/AMS-SRV-00001/readings").await.json();
    assert_eq!((readings["live"].clone(), readings["code"].clone()), (json!(true), json!("unreachable")));
    assert_eq!(readings["sensors"].as_array().map(Vec::len), Some(9));
    rig.metrics.cache.lead(false);
    let all = samples(&scrape(&rig, None).await.text);
    assert_eq!(value(&all, "farrier_poll_success", &[]), None, "a host that does not look shows nothing it saw");
    assert_eq!(value(&all, "farrier_monitor_leader", &[]), Some(0.0));
    assert_eq!(rig.get(None, "/api/v1/servers/AMS-SRV-00001/readings").await.code(), "no-readings");
}
