//! What a file is, told from what stands in it.
//!
//! Promises an answer only from a line that no other kind of file has; the first such line decides. An empty file says nothing, and a
//! log that many programs write to is searched at both ends only.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::IpAddr;
use std::path::Path;

use clap::ValueEnum as _;
use farrier_lifecycle::Mac;

use super::{Format, TailError, dhcpd_log, fault};

/// How much of each end is looked at, bytes.
const ENOUGH: u64 = 256 * 1024;

impl Format {
    /// What this file is. [`TailError::Unknown`] where nothing in it says so.
    pub fn of(path: &Path) -> Result<Self, TailError> {
        let (begin, end) = ends(path).map_err(|problem| fault(path, problem))?;
        [begin, end]
            .iter()
            .find_map(|text| text.lines().find_map(told))
            .ok_or_else(|| TailError::Unknown { path: path.display().to_string(), formats: Self::names() })
    }

    /// The words for all formats, as the command line takes them.
    pub fn names() -> String {
        let names = Self::value_variants().iter().filter_map(Self::to_possible_value);
        names.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
    }
}

fn ends(path: &Path) -> io::Result<(String, String)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let begin = piece(&mut file)?;
    file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
    let end = piece(&mut file)?;
    // The first line is part of one, unless all of the file was read.
    let end = end.split_once('\n').map_or("", |(_, rest)| rest).to_owned();
    Ok((begin, end))
}

fn piece(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(ENOUGH).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn told(line: &str) -> Option<Format> {
    const DHCPD_LEASES: [&str; 5] = [
        "# The format of this file is documented in the dhcpd.leases",
        "authoring-byte-order ",
        "server-duid ",
        "lease ",
        "failover peer ",
    ];
    const KEA: &str = "[kea-dhcp4.";
    if line.starts_with("address,hwaddr,client_id,") {
        return Some(Format::KeaCsv);
    }
    if DHCPD_LEASES.iter().any(|begin| line.starts_with(begin)) {
        return Some(Format::DhcpdLeases);
    }
    if line.starts_with("Internet Systems Consortium DHCP Server") || dhcpd_log::message(line).is_some() {
        return Some(Format::DhcpdLog);
    }
    let words: Vec<&str> = line.split_ascii_whitespace().take(6).collect();
    if let [expiry, mac, ip, _, ..] = words.as_slice()
        && expiry.parse::<u64>().is_ok()
        && mac.parse::<Mac>().is_ok()
        && ip.parse::<IpAddr>().is_ok()
    {
        return Some(Format::DnsmasqLeases);
    }
    // Syslog's tag is at most the sixth word, and no client's.
    if words.iter().any(|word| word.starts_with("dnsmasq-dhcp[") || word.starts_with("dnsmasq[")) {
        return Some(Format::DnsmasqLog);
    }
    words.iter().any(|word| word.starts_with(KEA)).then_some(Format::KeaLog)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(text: &str) -> Result<Format, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Format::of(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_kind_of_file_is_known_by_a_line_of_its_own() {
        let syslog = "Nov 22 15:47:16 srv systemd[1]: Started something.\n";
        for (text, format) in [
            (format!("{syslog}Nov 22 15:47:17 srv dnsmasq-dhcp[77]: DHCPACK(eth0) 10.0.0.1 a0:36:9f:01:00:01\n"), Format::DnsmasqLog),
            ("dnsmasq[77]: started, version 2.90 DNS disabled\n".to_owned(), Format::DnsmasqLog),
            ("1795362999 a0:36:9f:01:00:00 10.77.3.69 ILOMXQ1234 01:a0:36:9f:01:00:00\n".to_owned(), Format::DnsmasqLeases),
            ("\nlease 10.77.0.5 {\n  starts 0 2026/11/22 15:41:16;\n}\n".to_owned(), Format::DhcpdLeases),
            ("# The format of this file is documented in the dhcpd.leases(5) manual page.\n".to_owned(), Format::DhcpdLeases),
            (format!("{syslog}Nov 22 15:47:17 srv dhcpd[7]: DHCPDISCOVER from a0:36:9f:01:00:00 via eth0\n"), Format::DhcpdLog),
            ("Internet Systems Consortium DHCP Server 4.4.3-P1\nCopyright\n".to_owned(), Format::DhcpdLog),
            ("address,hwaddr,client_id,valid_lifetime,expire,subnet_id\n".to_owned(), Format::KeaCsv),
            ("2026-11-22 15:47:17.352 INFO  [kea-dhcp4.leases/12982.140] DHCP4_LEASE_ALLOC [hwtype=1 a0:36:9f:01:00:00]\n".to_owned(), Format::KeaLog),
        ] {
            assert_eq!(of(&text), Ok(format), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_said_with_the_names_of_all_formats() {
        for text in ["", "Nov 22 15:47:16 srv systemd[1]: Started dhcpd.\n", "hello\n"] {
            let said = of(text).unwrap_err();
            assert!(said.contains("--format") && said.contains("dnsmasq-log, ") && said.ends_with("kea-log"), "{said}");
        }
    }

    #[test]
    fn the_end_of_a_long_log_is_looked_at_as_well() {
        let mut text = "Nov 22 15:47:16 srv cron[1]: nothing\n".repeat(20_000);
        text.push_str("Nov 22 15:47:17 srv dhcpd[7]: DHCPACK on 10.0.0.1 to a0:36:9f:01:00:00 via eth0\n");
        assert_eq!(of(&text), Ok(Format::DhcpdLog));
    }
}
