//! ISC dhcpd's log: the one place where a `host` with `fixed-address` shows, which has no lease in the lease file.
//!
//! Promises the addresses that were acknowledged, and what ended by release or decline; an expiry is not logged. A line counts only by
//! its beginning, as the daemon writes it or behind syslog's tag, since a client's name is part of the line and may say anything. The log
//! has no vendor classes. Times are taken where they are ISO 8601; else the order of lines is the order of leases.

use farrier_lifecycle::Timestamp;

use super::{Batch, Format, lease, lines};
use crate::ingest::Parsed;

/// Read complete lines.
pub fn read(fresh: &[u8], now: Timestamp) -> Batch {
    let (lines, consumed) = lines(fresh);
    Batch { consumed, leases: lines.iter().filter_map(|line| entry(line, now)).collect(), known: None }
}

/// What stands before the message, and the message; with `-d` it stands alone. The first word with a colon is syslog's tag.
pub fn message(line: &str) -> Option<(&str, &str)> {
    if line.starts_with("DHCP") {
        return Some(("", line));
    }
    let (head, message) = line.split_once(": ")?;
    let (prefix, tag) = head.rsplit_once(' ').unwrap_or(("", head));
    (tag == "dhcpd" || tag.starts_with("dhcpd[")).then_some((prefix, message))
}

fn entry(line: &str, now: Timestamp) -> Option<Parsed> {
    // An answer to DHCPINFORM is `DHCPACK to …`, and no lease.
    const ENTRIES: [(&str, &str, &str); 3] = [
        ("DHCPACK on ", " to ", "ack"),
        ("DHCPRELEASE of ", " from ", "release"),
        ("DHCPDECLINE of ", " from ", "declined"),
    ];
    let (prefix, message) = message(line)?;
    let (rest, before, event) = ENTRIES
        .into_iter()
        .find_map(|(begin, before, event)| message.strip_prefix(begin).map(|rest| (rest, before, event)))?;
    let (ip, client) = rest.split_once(before)?;
    let (mac, rest) = client.split_once(' ')?;
    // The last ` via `: the ones before it are the client's.
    let name = rest.strip_prefix('(').and_then(|rest| rest.rsplit_once(") via ")).map_or("", |(name, _)| name);
    let mut fields = vec![("event", event), ("mac", mac), ("ip", ip), ("hostname", name)];
    let time = prefix.split_ascii_whitespace().next().filter(|time| time.parse::<jiff::Timestamp>().is_ok());
    fields.extend(time.map(|time| ("timestamp", time)));
    lease(Format::DhcpdLog, &fields, now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_362_537_000);

    #[test]
    fn acknowledged_and_ended_leases_are_read_from_syslog_and_from_standard_error() {
        let log = b"Internet Systems Consortium DHCP Server 4.4.3-P1\n\
            DHCPDISCOVER from a0:36:9f:01:00:00 via vsrv\n\
            DHCPOFFER on 10.77.0.100 to a0:36:9f:01:00:00 (ILOMXQ1234) via vsrv\n\
            DHCPREQUEST for 10.77.0.100 (10.77.0.1) from a0:36:9f:01:00:00 (ILOMXQ1234) via vsrv\n\
            DHCPACK on 10.77.0.100 to a0:36:9f:01:00:00 (ILOMXQ1234) via vsrv\n\
            Nov 22 15:47:18 dhcpd-1 dhcpd[77]: DHCPACK on 10.77.0.77 to a0:36:9f:01:00:77 via 10.77.0.1\n\
            2026-11-22T14:00:00.5+00:00 srv dhcpd: DHCPACK on 10.77.0.101 to a0:36:9f:01:00:01 (idrac a) via vsrv\n\
            Nov 22 15:47:19 srv dhcpd[77]: DHCPRELEASE of 10.77.0.100 from a0:36:9f:01:00:00 (ILOMXQ1234) via vsrv (found)\n\
            Nov 22 15:47:19 srv dhcpd[77]: DHCPDECLINE of 10.77.0.101 from a0:36:9f:01:00:01 via vsrv: abandoned\n\
            Nov 22 15:47:19 srv dhcpd[77]: DHCPACK to 10.77.0.9 (a0:36:9f:01:00:09) via vsrv\n\
            DHCPACK on 10.77.0.102 to a0:36";
        let batch = read(log, NOW);
        assert_eq!(log.len() - batch.consumed, "DHCPACK on 10.77.0.102 to a0:36".len());
        let seen: Vec<_> =
            batch.leases.iter().map(|parsed| (parsed.lease.ip.to_string(), parsed.ended.as_deref())).collect();
        let expected = [
            ("10.77.0.100", None),
            ("10.77.0.77", None),
            ("10.77.0.101", None),
            ("10.77.0.100", Some("release")),
            ("10.77.0.101", Some("declined")),
        ];
        assert_eq!(seen, expected.map(|(ip, ended)| (ip.to_owned(), ended)));
        let [first, fixed, named, ..] = batch.leases.as_slice() else { panic!("{batch:?}") };
        assert_eq!(first.lease.hostname.as_deref(), Some("ILOMXQ1234"));
        assert_eq!(
            (fixed.lease.mac.to_string().as_str(), fixed.lease.hostname.as_deref()),
            ("a0:36:9f:01:00:77", None)
        );
        assert_eq!((named.lease.hostname.as_deref(), named.lease.at.0), (Some("idrac a"), 1_795_356_000_500));
        assert_eq!((first.lease.at, first.lease.source.as_str()), (NOW, "isc"));
    }

    #[test]
    fn neither_a_clients_name_nor_another_program_makes_a_lease() {
        let fake = "DHCPACK on 10.77.0.5 to 94:40:c9:00:00:01 (x) via y";
        let log = format!(
            "DHCPDISCOVER from a0:36:9f:01:00:00 ({fake}) via vsrv\n\
             Nov 22 15:47:18 srv dhcpd[77]: DHCPREQUEST for 10.77.0.6 from a0:36:9f:01:00:00 ( dhcpd[1]: {fake}) via vsrv\n\
             Nov 22 15:47:18 srv sshd[9]: Invalid user dhcpd[1]: {fake}\n\
             Nov 22 15:47:18 srv dhcpd[77]: DHCPACK on 10.77.0.6 to a0:36:9f:01:00:00 (a) via b) via vsrv\n"
        );
        let leases = read(log.as_bytes(), NOW).leases;
        assert_eq!(leases.len(), 1, "{leases:?}");
        assert_eq!(
            (leases[0].lease.ip.to_string().as_str(), leases[0].lease.hostname.as_deref()),
            ("10.77.0.6", Some("a) via b"))
        );
    }
}
