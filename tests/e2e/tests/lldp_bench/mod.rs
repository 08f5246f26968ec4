//! A server and a switch with a real lldpd on each, and wires between them that can be moved.
//!
//! Promises that the collector of `examples/validation` runs as it is, in the server's namespace. DMI is the one thing a namespace
//! cannot have: a `dmidecode` on the collector's `PATH` answers for it.

#![allow(dead_code, clippy::unwrap_used, reason = "shared by test programs that each use a part")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use farrier_e2e::netns::{Daemon, Net, Space, find, until};
use serde_json::Value;
use tempfile::TempDir;

pub const PROGRAMS: [&str; 5] = ["ip", "lldpd", "lldpctl", "lldpcli", "curl"];
pub const LIMIT: Duration = Duration::from_secs(20);
pub const MAC_A: &str = "88:e9:a4:00:00:01";
pub const MAC_B: &str = "88:e9:a4:00:00:02";

/// A server with two interfaces, a switch with three ports, and a receiver of reports on the server's loopback.
pub struct Bench {
    daemons: Vec<Daemon>,
    pub server: Space,
    pub switch: Space,
    pub net: Net,
    dir: TempDir,
}

impl Bench {
    pub fn new() -> anyhow::Result<Self> {
        let mut net = Net::new();
        let (server, switch) = (net.space("srv")?, net.space("tor")?);
        let dir = tempfile::tempdir()?;
        let mut bench = Self { daemons: Vec::new(), server, switch, net, dir };
        bench.plug("ens1f0", MAC_A, "Ethernet1")?;
        bench.plug("ens2f0", MAC_B, "Ethernet2")?;
        let switch = bench.lldpd(&bench.switch, "tor.sock", "Ethernet*")?;
        let server = bench.lldpd(&bench.server, "srv.sock", "ens*")?;
        for setting in [
            &["system", "hostname", "ams-a01-tor-a"][..],
            &["lldp", "portidsubtype", "ifname"],
            &["lldp", "tx-interval", "1"],
            // On a machine that is busy a frame may be seconds late, and a neighbour must outlive that.
            &["lldp", "tx-hold", "30"],
        ] {
            bench.lldpcli(setting)?;
        }
        bench
            .script("lldpctl", &format!("exec {} -u {} \"$@\"", found("lldpctl"), bench.path("srv.sock").display()))?;
        bench.script(
            "dmidecode",
            "case $2 in system-manufacturer) echo HPE ;; system-product-name) echo 'ProLiant \"DL360\" Gen10 Plus' ;; \
             system-serial-number) echo MXQ00001 ;; esac",
        )?;
        std::fs::create_dir(bench.path("reports"))?;
        let mut receiver = bench.server.command(env!("CARGO_BIN_EXE_receiver"));
        receiver.arg("127.0.0.1:8089").arg(bench.path("reports"));
        let receiver = Daemon::start(receiver, &bench.path("receiver.log"))?;
        bench.daemons.extend([switch, server, receiver]);
        bench.introduced()?;
        Ok(bench)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn plug(&self, interface: &str, mac: &str, port: &str) -> anyhow::Result<()> {
        self.net.wire((&self.server, interface), (&self.switch, port))?;
        self.server.ip(&["link", "set", interface, "address", mac])
    }

    /// The server has heard the switch's name on both wires: what it was called before is kept for half a minute otherwise.
    fn introduced(&self) -> anyhow::Result<()> {
        until("the switch's name on both wires", Duration::from_mins(1), || {
            let mut command = self.server.command(self.path("bin/lldpctl"));
            let output = command.args(["-f", "keyvalue"]).output().ok()?;
            let heard = String::from_utf8_lossy(&output.stdout).into_owned();
            let named = |wire: &str| heard.contains(&format!("lldp.{wire}.chassis.name=ams-a01-tor-a"));
            (named("ens1f0") && named("ens2f0")).then_some(())
        })
    }

    /// A server under validation has just booted: it must not remember the wire that was there.
    pub fn unplug(&self, interface: &str) -> anyhow::Result<()> {
        self.server.ip(&["link", "del", interface])?;
        until("lldpd forgets the wire", LIMIT, || {
            let mut command = self.server.command(self.path("bin/lldpctl"));
            let output = command.args(["-f", "keyvalue"]).output().ok()?;
            (!String::from_utf8_lossy(&output.stdout).contains(&format!("lldp.{interface}."))).then_some(())
        })
    }

    fn lldpd(&self, space: &Space, socket: &str, interfaces: &str) -> anyhow::Result<Daemon> {
        let mut command = space.command(found("lldpd"));
        command.args(["-d", "-I", interfaces, "-u"]).arg(self.path(socket));
        let daemon = Daemon::start(command, &self.path(&format!("{socket}.log")))?;
        until("lldpd's socket", LIMIT, || self.path(socket).exists().then_some(()))?;
        Ok(daemon)
    }

    fn lldpcli(&self, setting: &[&str]) -> anyhow::Result<()> {
        until(&format!("lldpcli configure {setting:?}"), LIMIT, || {
            let mut command = self.switch.command(found("lldpcli"));
            command.arg("-u").arg(self.path("tor.sock")).arg("configure").args(setting);
            command.output().ok().filter(|output| output.status.success())
        })
        .map(drop)
    }

    fn script(&self, name: &str, body: &str) -> anyhow::Result<()> {
        let folder = self.path("bin");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
        Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
    }

    pub fn collect(&self, cmdline: &str, args: &[&str]) -> anyhow::Result<Output> {
        std::fs::write(self.path("cmdline"), format!("quiet {cmdline} ro\n"))?;
        let collector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/validation/collect.sh");
        let mut command = self.server.command(collector.canonicalize()?);
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH")?);
        command.args(args).env("PATH", path).env("CMDLINE", self.path("cmdline")).env("LLDP_WAIT", "45");
        Ok(command.output()?)
    }

    /// The newest report, once there are this many.
    pub fn report(&self, count: usize) -> anyhow::Result<(String, Value)> {
        let path = self.path("reports").join(format!("{}.json", count - 1));
        let text = until("a report", LIMIT, || std::fs::read(&path).ok())?;
        let kept: Value = serde_json::from_slice(&text)?;
        Ok((kept["path"].as_str().unwrap().to_owned(), serde_json::from_str(kept["body"].as_str().unwrap())?))
    }
}

fn found(program: &str) -> String {
    find(program).unwrap().display().to_string()
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
