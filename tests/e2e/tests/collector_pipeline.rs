//! The collector of `examples/validation` takes a server through validate, with real lldpd on both ends of its wires.
//!
//! Promises that the only report is the collector's: the lab's server finds no boot server. The server's namespace reaches the host by
//! the production port it boots from, through the switch. What the firmware and the image do is played by the test with curl: ask for
//! the boot script, hand its kernel line to the collector.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod lldp_bench;
mod pipeline;

use std::net::Ipv4Addr;

use anyhow::Context as _;
use farrier_e2e::netns::{Daemon, Space, skip, until};
use farrier_lab::estate::{Cable, Estate};
use farrier_lab::rig::ServerRow;
use lldp_bench::{Bench, MAC_A, MAC_B, PROGRAMS, said};
use pipeline::{PATIENCE, Provisioner, at_rest, lab, route};

const SWITCH: &str = "ams-a01-tor-a";
const HOST: &str = "10.79.1.2";
const CONTROLLER: Ipv4Addr = Ipv4Addr::new(10, 79, 2, 2);

/// The server of the bench, as planned: two ports on one switch.
fn estate() -> Estate {
    let mut estate = Estate::quick_start(CONTROLLER);
    let ports = ["Ethernet1", "Ethernet2", "Ethernet3"].map(str::to_owned);
    SWITCH.clone_into(&mut estate.switches[1].name);
    estate.switches[1].ports = ports.to_vec();
    estate.switches.truncate(2);
    let server = &mut estate.servers[0];
    "MXQ00001".clone_into(&mut server.serial);
    for ((nic, mac), port) in server.nics.iter_mut().zip([MAC_A, MAC_B]).zip(ports) {
        mac.clone_into(&mut nic.mac);
        nic.cable = Some(Cable { device: SWITCH.to_owned(), port });
    }
    estate
}

/// The bench, and a host and a controller reached through its switch.
struct Field {
    host: Provisioner,
    _lab: Daemon,
    bench: Bench,
}

impl Field {
    fn new() -> anyhow::Result<Self> {
        let mut bench = Bench::new()?;
        let (control, bmc) = (bench.net.space("ctl")?, bench.net.space("bmc")?);
        let wires: [(&Space, &str, &str, &str); 2] =
            [(&control, "up0", "10.79.1.1/24", "10.79.1.2/24"), (&bmc, "up1", "10.79.2.1/24", "10.79.2.2/24")];
        for (space, name, near, far) in wires {
            bench.net.wire((space, "eth0"), (&bench.switch, name))?;
            bench.switch.ip(&["addr", "add", near, "dev", name])?;
            space.ip(&["addr", "add", far, "dev", "eth0"])?;
            space.ip(&["route", "add", "default", "via", near.trim_end_matches("/24")])?;
        }
        route(&bench.switch)?;
        let (folder, estate) = (bench.path("host"), estate());
        let host = Provisioner::start(&control, folder.clone(), HOST, &estate, None)?;
        let lab = lab(&bmc, &folder, &estate, None)?;
        let field = Self { host, _lab: lab, bench };
        field.address("Ethernet1")?;
        let server = &estate.servers[0].bmc;
        let output = field.host.farrier(&["simulate", &server.mac, &server.address.to_string()])?;
        anyhow::ensure!(output.status.success(), "{}", said(&output));
        Ok(field)
    }

    /// The network that the server boots from is on this port of the switch.
    fn address(&self, port: &str) -> anyhow::Result<()> {
        self.bench.switch.ip(&["addr", "add", "10.79.0.1/24", "dev", port])?;
        self.bench.server.ip(&["addr", "add", "10.79.0.10/24", "dev", "ens1f0"])?;
        self.bench.server.ip(&["route", "replace", "default", "via", "10.79.0.1"])
    }

    /// The wire of the first port ends on another port of the switch from now on.
    fn rewire(&self, port: &str) -> anyhow::Result<()> {
        self.bench.unplug("ens1f0")?;
        self.bench.plug("ens1f0", MAC_A, port)?;
        self.address(port)
    }

    /// What firmware does: ask with the MAC of the port it boots from until there is a script.
    fn script(&self) -> anyhow::Result<String> {
        let url = format!("{}/boot/ipxe?mac={MAC_A}", self.host.url());
        until("a boot script", PATIENCE, || {
            let mut curl = self.bench.server.command("curl");
            let output = curl.args(["--silent", "--fail", "--max-time", "5", &url]).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        })
        .with_context(|| self.host.log())
    }

    /// One boot: the script's kernel line is what the collector finds in `/proc/cmdline`.
    fn boot(&self) -> anyhow::Result<()> {
        let awaited = |row: &ServerRow| (row.text("stage"), row.text("status")) == (Some("validate"), Some("waiting"));
        self.host.wait("switched on, and a report awaited", awaited)?;
        let script = self.script()?;
        let kernel = script.lines().find_map(|line| line.strip_prefix("kernel ")).context("a kernel line")?;
        let output = self.bench.collect(kernel, &[])?;
        anyhow::ensure!(output.status.success(), "{}\n{}", said(&output), self.host.log());
        Ok(())
    }
}

#[test]
fn a_report_of_the_collector_takes_a_server_to_update_and_on() {
    if skip(&PROGRAMS) {
        return;
    }
    let field = Field::new().unwrap();
    field.boot().unwrap();
    let row = field.host.wait("at rest", at_rest).unwrap();
    assert_eq!(row.state, "ready", "{row:?}\n{}", field.host.log());
    let name = row.name.as_deref().unwrap();
    let timeline = said(&field.host.farrier(&["server", "timeline", name, "--output", "json"]).unwrap());
    let entries: Vec<serde_json::Value> = serde_json::from_str(&timeline).unwrap();
    let stages: Vec<&str> = entries.iter().filter_map(|entry| entry["stage"].as_str()).collect();
    assert!(stages.contains(&"update"), "{timeline}");
    // Once said, the report is not asked for again: the script is gone, and so is its token.
    let mut curl = field.bench.server.command("curl");
    let url = format!("{}/boot/ipxe?mac={MAC_A}", field.host.url());
    let output =
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", &url]).output().unwrap();
    assert_eq!(said(&output), "404");
}

#[test]
fn a_moved_wire_is_found_and_named_and_put_right() {
    if skip(&PROGRAMS) {
        return;
    }
    let field = Field::new().unwrap();
    field.rewire("Ethernet3").unwrap();
    field.boot().unwrap();
    let row = field.host.wait("at rest", at_rest).unwrap();
    let reason = row.reason.as_deref().unwrap_or_default();
    assert_eq!((row.state.as_str(), row.text("stage")), ("failed", Some("validate")), "{row:?}\n{}", field.host.log());
    assert!(reason.starts_with("cable-swapped"), "{reason}");
    for named in ["ens1f0", "Ethernet3", "Ethernet1", SWITCH] {
        assert!(reason.contains(named), "{named} is not in: {reason}");
    }
    assert!(!reason.contains("ens2f0"), "the other wire is where it should be: {reason}");

    field.rewire("Ethernet1").unwrap();
    let output = field.host.farrier(&["server", "retry", row.name.as_deref().unwrap()]).unwrap();
    assert!(output.status.success(), "{}", said(&output));
    field.boot().unwrap();
    let row = field.host.wait("at rest", at_rest).unwrap();
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("ready", Some("")), "{row:?}");
}
