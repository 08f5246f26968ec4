//! dnsmasq's log and lease file.
//!
//! Promises the addresses that were acknowledged. Times in the log have no year and no zone and are not used: the order of lines is
//! the order of leases, and a line counts as of when it is read, unless it begins with an ISO 8601 time.

use std::collections::{BTreeMap, HashMap};

use farrier_lifecycle::Timestamp;

use super::{Batch, Format, lease, lines};
use crate::ingest::Parsed;

/// Exchanges whose vendor class is kept until their end.
const MOST_EXCHANGES: usize = 4096;

/// What was said of exchanges that are not over, with `log-dhcp`.
#[derive(Debug, Default)]
pub struct Log {
    classes: HashMap<String, String>,
    /// Of the exchanges before these.
    older: HashMap<String, String>,
}

impl Log {
    /// Read complete lines.
    pub fn read(&mut self, fresh: &[u8], now: Timestamp) -> Batch {
        let (lines, consumed) = lines(fresh);
        Batch { consumed, leases: lines.iter().filter_map(|line| self.line(line, now)).collect(), known: None }
    }

    fn line(&mut self, line: &str, now: Timestamp) -> Option<Parsed> {
        let (prefix, rest) = line.split_once("dnsmasq-dhcp[")?;
        let (_, message) = rest.split_once("]: ")?;
        let mut words = message.split_ascii_whitespace().peekable();
        let exchange = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        let word = words.next()?;
        if let (Some(exchange), Some(class)) = (exchange, message.split_once(" vendor class: ").map(|(_, class)| class))
        {
            if self.classes.len() >= MOST_EXCHANGES {
                self.older = std::mem::take(&mut self.classes);
            }
            self.classes.insert(exchange.to_owned(), class.to_owned());
            return None;
        }
        let event = match word.split_once('(')?.0 {
            "DHCPACK" => "ack",
            "DHCPRELEASE" => "release",
            _ => return None,
        };
        let (ip, mac) = (words.next()?, words.next()?);
        // DHCPINFORM is acknowledged without a lease; another link layer than Ethernet is `06-…`.
        if mac.contains('-') {
            return None;
        }
        let class = exchange.and_then(|exchange| self.class(exchange)).unwrap_or_default().to_owned();
        let time = prefix.split_ascii_whitespace().next().filter(|time| time.parse::<jiff::Timestamp>().is_ok());
        let mut fields = vec![
            ("event", event),
            ("mac", mac),
            ("ip", ip),
            ("hostname", words.next().unwrap_or_default()),
            ("vendor_class", class.as_str()),
        ];
        fields.extend(time.map(|time| ("timestamp", time)));
        lease(Format::DnsmasqLog, &fields, now)
    }
}

impl Log {
    /// Not removed when it is used: what could not be delivered is read again.
    fn class(&self, exchange: &str) -> Option<&str> {
        self.classes.get(exchange).or_else(|| self.older.get(exchange)).map(String::as_str)
    }
}

/// Read a whole lease file: `<expiry> <mac> <ip> <host or *> <client id or *>`. What `known` has is not news; what is to be
/// known next comes with the leases. A line without end is being written.
pub fn read_leases(
    text: &[u8],
    known: &BTreeMap<String, String>,
    now: Timestamp,
) -> (Vec<Parsed>, BTreeMap<String, String>) {
    let (lines, _) = lines(text);
    let mut seen = BTreeMap::new();
    let mut leases = Vec::new();
    // IPv6 leases follow the server's DUID.
    for line in lines.iter().take_while(|line| !line.starts_with("duid ")) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [expiry, mac, ip, host, ..] = words.as_slice() else { continue };
        let expires = expiry.parse::<u64>().unwrap_or_default();
        let over = expires != 0 && expires.saturating_mul(1000) <= now.0;
        if over || mac.contains('-') {
            continue;
        }
        let word = format!("{expiry} {mac}");
        if known.get(*ip) != Some(&word) {
            leases.extend(lease(Format::DnsmasqLeases, &[("mac", mac), ("ip", ip), ("hostname", host)], now));
        }
        seen.insert((*ip).to_owned(), word);
    }
    (leases, seen)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_362_537_000);

    #[test]
    fn an_acknowledgement_is_a_lease_with_its_vendor_class() {
        let log = b"Nov 22 15:47:17 dnsmasq-dhcp[77]: 2918 available DHCP range: 10.77.0.100 -- 10.77.3.254\n\
            Nov 22 15:47:17 dnsmasq-dhcp[77]: 2918 vendor class: PXEClient:Arch:00007\n\
            Nov 22 15:47:17 dnsmasq-dhcp[77]: 2918 DHCPACK(eth0) 10.77.3.69 a0:36:9f:01:00:00 ILOMXQ1234\n\
            Nov 22 15:47:18 dnsmasq-dhcp[77]: DHCPACK(eth0) 10.77.3.70 a0:36:9f:01:00:01\n\
            Nov 22 15:47:18 dnsmasq-dhcp[77]: DHCPOFFER(eth0) 10.77.3.71 a0:36:9f:01:00:02\n\
            Nov 22 15:47:19 dnsmasq-dhcp[77]: DHCPRELEASE(eth0) 10.77.3.70 a0:36:9f:01:00:01\n\
            2026-11-22T14:00:00.5+00:00 h dnsmasq-dhcp[77]: DHCPACK(eth0) 10.77.3.72 a0:36:9f:01:00:03\n\
            Nov 22 15:47:19 dnsmasq-dhcp[77]: DHCPACK(eth0) 10.77";
        let batch = Log::default().read(log, NOW);
        assert_eq!(log.len() - batch.consumed, "Nov 22 15:47:19 dnsmasq-dhcp[77]: DHCPACK(eth0) 10.77".len());
        let leases = batch.leases;
        assert_eq!(leases.len(), 4);
        assert_eq!(leases[0].lease.hostname.as_deref(), Some("ILOMXQ1234"));
        assert_eq!(leases[0].lease.vendor_class.as_deref(), Some("PXEClient:Arch:00007"));
        assert_eq!((leases[1].lease.vendor_class.as_deref(), leases[1].lease.at), (None, NOW));
        assert_eq!(leases[2].ended.as_deref(), Some("release"));
        assert_eq!(leases[3].lease.at.0, 1_795_356_000_500);
    }

    #[test]
    fn a_lease_file_written_whole_tells_only_what_is_new() {
        let first = b"1795362999 a0:36:9f:01:00:00 10.77.3.69 ILOMXQ1234 01:a0:36:9f:01:00:00\n\
            1795362000 a0:36:9f:01:00:09 10.77.3.99 * *\n0 a0:36:9f:01:00:01 10.77.3.70 * *\n";
        let (leases, known) = read_leases(first, &BTreeMap::new(), NOW);
        let ips = |leases: &[Parsed]| leases.iter().map(|parsed| parsed.lease.ip.to_string()).collect::<Vec<_>>();
        assert_eq!(ips(&leases), ["10.77.3.69", "10.77.3.70"], "one is over");
        assert_eq!(leases[1].lease.hostname, None);
        assert_eq!(read_leases(first, &known, NOW), (vec![], known.clone()));
        let second = b"1795363999 a0:36:9f:01:00:00 10.77.3.69 * *\n0 a0:36:9f:01:00:01 10.77.3.71 * *\n\
            duid 00:01\n1795363999 1234 fd00::1 * 00:01\n";
        assert_eq!(ips(&read_leases(second, &known, NOW).0), ["10.77.3.69", "10.77.3.71"], "renewed, moved");
    }
}
