//! Real DHCP servers and clients in network namespaces: a lease reaches the bus through hook, spool and `farrier ship`.
//!
//! Promises that what BMCs will meet is met here: the three servers as Debian ships them, two clients, hostile options, restarts, and
//! Redis stopped and hung. Redis is reached by a unix socket, which is seen from every namespace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod dhcp_site;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dhcp_site::{Kind, LIMIT, Site};
use farrier_e2e::netns::{Daemon, farrier, skip, until};
use nix::sys::signal::Signal;
use serde_json::Value;

fn pipeline(kind: Kind) {
    if skip(&kind.programs()) {
        return;
    }
    let mut site = Site::new(kind).unwrap();
    let ship = site.start_ship(&[]).unwrap();
    site.lease("a0:36:9f:01:00:00", OsStr::new("CPQRIB3"), "ILOMXQ1234").unwrap();
    let entry = site.arrives("a0:36:9f:01:00:00").unwrap();
    assert!(entry["ip_address"].as_str().unwrap().starts_with("10.77."), "{entry}");
    assert_eq!(entry["source"], kind.source());
    assert!(entry["hostname"].as_str().unwrap().eq_ignore_ascii_case("ILOMXQ1234"), "{entry}");
    if kind != Kind::Kea {
        assert_eq!(entry["vendor_class"], "CPQRIB3");
    }
    // The server's own restart: leases before it are not lost, leases after it arrive.
    site.start_server().unwrap();
    site.lease("a0:36:9f:01:00:01", OsStr::new("iDRAC"), "idrac-abc").unwrap();
    site.arrives("a0:36:9f:01:00:01").unwrap();
    // A server booting from the network on the same wire is not a controller; Kea's hook does not see what it is.
    if kind != Kind::Kea {
        site.lease("a0:36:9f:01:00:02", OsStr::new("PXEClient:Arch:00007:UNDI:003000"), "boot").unwrap();
        site.lease("a0:36:9f:01:00:03", OsStr::new("iDRAC"), "last").unwrap();
        site.arrives("a0:36:9f:01:00:03").unwrap();
        let macs: Vec<Value> = site.entries().unwrap().iter().map(|entry| entry["mac_address"].clone()).collect();
        assert!(!macs.contains(&"a0:36:9f:01:00:02".into()), "{macs:?}");
    }
    // The shipper's end: what comes meanwhile waits in the spool for the next one.
    drop(ship);
    site.lease("a0:36:9f:01:00:04", OsStr::new("iDRAC"), "while-away").unwrap();
    until("the hook's file", LIMIT, || (!site.waiting().is_empty()).then_some(())).unwrap();
    let _ship = site.start_ship(&[]).unwrap();
    site.arrives("a0:36:9f:01:00:04").unwrap();
    until("the spool is empty", LIMIT, || site.waiting().is_empty().then_some(())).unwrap();
}

#[test]
fn dnsmasq_delivers_a_lease_to_the_bus() {
    pipeline(Kind::Dnsmasq);
}

#[test]
fn isc_dhcpd_delivers_a_lease_to_the_bus() {
    pipeline(Kind::Isc);
}

#[test]
fn kea_delivers_a_lease_to_the_bus() {
    pipeline(Kind::Kea);
}

fn hostile(kind: Kind) {
    if skip(&kind.programs()) {
        return;
    }
    let site = Site::new(kind).unwrap();
    let _ship = site.start_ship(&[]).unwrap();
    let class = OsString::from_vec(b"x$(touch /tmp/farrier-e2e-harm);\"'\n\x1b[31m\xff".to_vec());
    site.lease("a0:36:9f:01:00:00", &class, "ok").unwrap();
    let entry = site.arrives("a0:36:9f:01:00:00").unwrap();
    let kept = entry["vendor_class"].as_str().unwrap();
    assert!(kept.starts_with("x$(touch") && kept.ends_with("[31m\u{fffd}"), "{kept:?}");
    assert!(!kept.chars().any(char::is_control), "{kept:?}");
    assert!(!Path::new("/tmp/farrier-e2e-harm").exists());
}

#[test]
fn a_hostile_vendor_class_does_no_harm_through_dnsmasq() {
    hostile(Kind::Dnsmasq);
}

#[test]
fn a_hostile_vendor_class_does_no_harm_through_isc_dhcpd() {
    hostile(Kind::Isc);
}

/// p50 and p99 of the hook as dhcpd calls it.
fn hook_times(site: &Site) -> (Duration, Duration) {
    times(&site.hook(), &site.path("spool-timed"))
}

/// p50 and p99 of a program from its start to its end.
fn times(program: &Path, spool: &Path) -> (Duration, Duration) {
    const RUNS: usize = 200;
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let mut command = Command::new(program);
            command.args(["expiry", "10.77.9.9", "a0:36:9f:9:9:9"]).env("FARRIER_SPOOL", spool);
            let begin = Instant::now();
            assert!(command.status().unwrap().success());
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[RUNS / 2], times[RUNS * 99 / 100])
}

#[test]
fn leases_wait_while_redis_is_stopped_or_hung_and_clients_do_not() {
    // The strictest server: dhcpd waits for its hook before it answers.
    if skip(&Kind::Isc.programs()) {
        return;
    }
    let mut site = Site::new(Kind::Isc).unwrap();
    let _ship = site.start_ship(&[]).unwrap();
    site.lease("a0:36:9f:01:00:00", OsStr::new("iDRAC"), "up").unwrap();
    site.arrives("a0:36:9f:01:00:00").unwrap();
    let up = hook_times(&site);

    site.redis.as_ref().unwrap().signal(Signal::SIGSTOP).unwrap();
    let hung_client = site.lease("a0:36:9f:01:00:01", OsStr::new("iDRAC"), "hung").unwrap();
    let hung = hook_times(&site);
    assert_eq!(site.waiting().len(), 1, "the lease waits in the spool");
    site.redis.as_ref().unwrap().signal(Signal::SIGCONT).unwrap();
    site.arrives("a0:36:9f:01:00:01").unwrap();

    site.redis = None;
    let stopped_client = site.lease("a0:36:9f:01:00:02", OsStr::new("iDRAC"), "stopped").unwrap();
    let stopped = hook_times(&site);
    assert_eq!(site.waiting().len(), 1, "the lease waits in the spool");
    site.start_redis().unwrap();
    site.arrives("a0:36:9f:01:00:02").unwrap();
    until("the spool is empty", LIMIT, || site.waiting().is_empty().then_some(())).unwrap();

    // What starting any program costs on this machine at this time.
    let nothing = times(Path::new("/bin/true"), &site.path("spool-timed"));
    println!("/bin/true p50, p99: {nothing:?}");
    println!("hook p50, p99: redis up {up:?}, hung {hung:?}, stopped {stopped:?}");
    println!("client's exchange: redis hung {hung_client:?}, stopped {stopped_client:?}");
    for (_, p99) in [up, hung, stopped] {
        assert!(p99 < Duration::from_millis(250), "the hook waited for something: {p99:?}");
    }
}

/// The shipper of a site that may not run hooks: nobody reads the hooks' folder.
fn ship_file(site: &Site, file: &str, more: &[&str]) -> Daemon {
    let mut command = site.ship.command(farrier().unwrap());
    command.args(["ship", "--redis", &site.redis_url(), "--state-dir"]).arg(site.path("state"));
    command.arg("--tail").arg(site.path(file)).arg("--spool").arg(site.path("unused")).args(more);
    Daemon::start(command, &site.path("ship.log")).unwrap()
}

fn tailed(kind: Kind, file: &str, format: &str) {
    if skip(&kind.programs()) {
        return;
    }
    let mut site = Site::new(kind).unwrap();
    let start = |site: &Site| ship_file(site, file, &["--format", format]);
    let ship = start(&site);
    site.lease("a0:36:9f:01:00:00", OsStr::new("iDRAC"), "first").unwrap();
    site.arrives("a0:36:9f:01:00:00").unwrap();
    drop(ship);
    site.lease("a0:36:9f:01:00:01", OsStr::new("iDRAC"), "second").unwrap();
    site.start_server().unwrap();
    let _ship = start(&site);
    let entry = site.arrives("a0:36:9f:01:00:01").unwrap();
    assert_eq!(entry["source"], kind.source());
}

#[test]
fn the_log_of_dnsmasq_is_followed() {
    tailed(Kind::Dnsmasq, "server.log", "dnsmasq-log");
}

#[test]
fn the_lease_file_of_dnsmasq_is_followed() {
    tailed(Kind::Dnsmasq, "leases", "dnsmasq-leases");
}

#[test]
fn the_lease_file_of_isc_dhcpd_is_followed() {
    tailed(Kind::Isc, "leases", "dhcpd-leases");
}

#[test]
fn the_log_of_isc_dhcpd_is_followed() {
    tailed(Kind::Isc, "server.log", "dhcpd-log");
}

#[test]
fn a_fixed_address_shows_in_the_log_of_isc_dhcpd_alone() {
    if skip(&Kind::Isc.programs()) {
        return;
    }
    let site = Site::new(Kind::Isc).unwrap();
    let log = || std::fs::read_to_string(site.path("server.log")).ok();
    let started = || log().filter(|text| text.contains("Internet Systems Consortium"));
    until("dhcpd writes its log", LIMIT, started).unwrap();
    let _ship = ship_file(&site, "server.log", &[]);
    site.lease("a0:36:9f:01:00:77", OsStr::new("iDRAC"), "reserved").unwrap();
    let entry = site.arrives("a0:36:9f:01:00:77").unwrap();
    assert_eq!((entry["ip_address"].as_str(), entry["source"].as_str()), (Some("10.77.0.77"), Some("isc")), "{entry}");
    let leases = std::fs::read_to_string(site.path("leases")).unwrap();
    assert!(!leases.contains("10.77.0.77"), "{leases}");
}

#[test]
fn the_lease_file_of_kea_is_followed() {
    tailed(Kind::Kea, "leases", "kea-csv");
}

#[test]
fn the_log_of_kea_is_followed() {
    tailed(Kind::Kea, "kea.log", "kea-log");
}
