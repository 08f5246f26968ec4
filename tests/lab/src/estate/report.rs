//! What a server reads from its boot script, and what it reports once it is up.
//!
//! Promises the two report shapes of the Python proof of concept, byte for byte in their names and types.
//! Nothing here does I/O.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::lldp;
use super::model::{Estate, Server};

/// The `kernel` line of an iPXE script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// Where the kernel is.
    pub image: String,
    /// `name=value` arguments; a flag has an empty value.
    pub arguments: BTreeMap<String, String>,
}

impl Kernel {
    /// The first `kernel` line of a script.
    ///
    /// # Errors
    /// Says what a boot ROM would stop at: no `#!ipxe`, no `kernel` line.
    pub fn parse(script: &str) -> Result<Self, String> {
        let mut lines = script.lines().map(str::trim);
        if lines.next() != Some("#!ipxe") {
            return Err("not an iPXE script: the first line is not #!ipxe".to_owned());
        }
        let line = lines.find_map(|line| line.strip_prefix("kernel ")).ok_or("the script has no kernel line")?;
        let mut words = line.split_whitespace();
        let image = words.find(|word| !word.starts_with("--")).ok_or("the kernel line names no kernel")?.to_owned();
        let arguments = words.map(|word| {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            (name.to_owned(), value.to_owned())
        });
        Ok(Self { image, arguments: arguments.collect() })
    }

    /// Where to report to: `bm.callback_url`.
    pub fn callback_url(&self) -> Option<&str> {
        self.arguments.get("bm.callback_url").map(|url| url.trim_end_matches('/'))
    }
}

/// Which of the two collectors the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportShape {
    /// `validate_server.sh`: `POST /api/v1/validation/report`, LLDP as `lldpctl` prints it.
    Validation,
    /// The PXE image's `05-report.sh`: `POST /api/event`, LLDP as plain strings.
    Event,
}

impl ReportShape {
    /// Even servers run the first, odd ones the second.
    pub fn of_index(index: usize) -> Self {
        if index.is_multiple_of(2) { Self::Validation } else { Self::Event }
    }

    /// Path under the callback URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Validation => "/api/v1/validation/report",
            Self::Event => "/api/event",
        }
    }

    /// The report of a server as it stands; `now` is RFC 3339.
    pub fn body(self, estate: &Estate, server: &Server, kernel: &Kernel, now: &str) -> Value {
        match self {
            Self::Validation => validation(estate, server, kernel, now),
            Self::Event => event(estate, server, kernel, now),
        }
    }
}

/// Both scripts take the id from the kernel line when it is there; a number where it is one.
fn device_id(kernel: &Kernel) -> Value {
    let given = kernel.arguments.get("device_id").or_else(|| kernel.arguments.get("bm.device_id"));
    match given {
        Some(text) => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
        None => json!(0),
    }
}

fn validation(estate: &Estate, server: &Server, kernel: &Kernel, now: &str) -> Value {
    let interfaces: Vec<Value> = server
        .nics
        .iter()
        .map(|nic| json!({ "name": nic.name, "mac": nic.mac, "state": link(nic.end().is_some()) }))
        .collect();
    json!({
        "device_id": device_id(kernel),
        "timestamp": now,
        "hardware": {
            "manufacturer": server.vendor.smbios(),
            "model": server.model,
            "serial": server.board_serial(),
        },
        "lldp": lldp::lldpctl(estate, server),
        "interfaces": interfaces,
    })
}

fn link(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

fn event(estate: &Estate, server: &Server, kernel: &Kernel, now: &str) -> Value {
    let nics: Vec<Value> = server
        .nics
        .iter()
        .map(|nic| {
            let end = nic.end();
            let switch = end.and_then(|end| estate.switch(&end.device));
            json!({
                "name": nic.name,
                "mac": nic.mac,
                "speed_mbps": if end.is_some() { "25000" } else { "" },
                "lldp_neighbor": end.map_or("", |end| end.device.as_str()),
                "lldp_port": end.map_or("", |end| end.port.as_str()),
                "lldp_mgmt_ip": switch.map(|switch| switch.address.to_string()).unwrap_or_default(),
            })
        })
        .collect();
    json!({
        "event": "server_live",
        "timestamp": now,
        "device_id": device_id(kernel),
        "device_name": server.name,
        "site": server.site,
        "hardware": {
            "vendor": server.vendor.smbios(),
            "model": server.model,
            "serial": server.board_serial(),
            "cpu_model": "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
            "cpu_count": 2,
            "memory_gb": 256,
            "disks": "nvme0n1 1.8T; nvme1n1 1.8T",
        },
        "tests": {
            "memory": { "result": "PASS", "details": "memtester 1 pass" },
            "disk_io": { "result": "PASS", "summary": "seq 3100 MB/s, rand 410k IOPS" },
        },
        "nics": nics,
        "overall_result": "PASS",
    })
}

#[cfg(test)]
mod tests {
    use super::super::generate::DEFAULT_BASE;
    use super::*;

    const SCRIPT: &str = "#!ipxe\n\nkernel http://10.0.0.1/vmlinuz initrd=initrd.img quiet bm.callback_url=http://10.0.0.1:8080/cb/abc/ device_id=12\ninitrd http://10.0.0.1/initrd.img\nboot\n";

    #[test]
    fn reads_the_kernel_line() {
        let kernel = Kernel::parse(SCRIPT).unwrap();
        assert_eq!(kernel.image, "http://10.0.0.1/vmlinuz");
        assert_eq!(kernel.callback_url(), Some("http://10.0.0.1:8080/cb/abc"));
        assert_eq!(kernel.arguments["quiet"], "");
    }

    #[test]
    fn stops_where_a_boot_rom_would() {
        assert!(Kernel::parse("<html>").unwrap_err().contains("#!ipxe"));
        assert!(Kernel::parse("#!ipxe\nboot\n").unwrap_err().contains("kernel"));
    }

    #[test]
    fn both_shapes_say_where_the_cables_really_end() {
        let estate = Estate::generate(7, 24, DEFAULT_BASE);
        let server = estate.servers.iter().find(|s| s.planted == Some(super::super::Fault::CableSwapped)).unwrap();
        let kernel = Kernel::parse(SCRIPT).unwrap();
        let plan = server.nics[1].cable.as_ref().unwrap();
        let one = ReportShape::Validation.body(&estate, server, &kernel, "2026-01-01T00:00:00Z");
        assert_eq!(one["device_id"], 12);
        assert!(one["lldp"]["lldp"]["interface"][0]["ens1f0"]["chassis"].get(&plan.device).is_some());
        let two = ReportShape::Event.body(&estate, server, &kernel, "2026-01-01T00:00:00Z");
        assert_eq!(two["nics"][0]["lldp_neighbor"], plan.device);
        assert_eq!(two["nics"][0]["speed_mbps"], "25000");
    }
}
