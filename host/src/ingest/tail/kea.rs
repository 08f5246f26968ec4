//! Kea's lease file (memfile CSV) and log.
//!
//! Promises the leases that were given; rows and lines of released, declined and expired ones come out as ended. The columns are
//! taken by place: Kea only ever appended some. Times in the log are local without a zone and are not used.

use farrier_lifecycle::Timestamp;

use super::{Batch, Format, lease, lines};
use crate::ingest::Parsed;

/// Places of the columns.
const ADDRESS: usize = 0;
const HWADDR: usize = 1;
const LIFETIME: usize = 3;
const EXPIRE: usize = 4;
const HOSTNAME: usize = 8;
const STATE: usize = 9;

/// Read complete rows.
pub fn read_csv(fresh: &[u8], now: Timestamp) -> Batch {
    let (lines, consumed) = lines(fresh);
    Batch { consumed, leases: lines.iter().filter_map(|line| row(line, now)).collect(), known: None }
}

fn row(line: &str, now: Timestamp) -> Option<Parsed> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let row = reader.records().next()?.ok()?;
    let field = |index: usize| row.get(index).map(str::trim).filter(|field| !field.is_empty());
    // A declined address has no MAC any more; the header's first word is no address.
    let (ip, mac) = (field(ADDRESS).filter(|ip| *ip != "address")?, field(HWADDR)?);
    let lifetime = field(LIFETIME)?.parse::<u64>().ok()?;
    let expire = field(EXPIRE)?.parse::<u64>().ok()?;
    let state = field(STATE).unwrap_or("0");
    let event = match (lifetime, state) {
        (0, _) => "release",
        (_, "0") if expire.saturating_mul(1000) > now.0 => "ack",
        (_, "0" | "2") => "expiry",
        _ => "declined",
    };
    let at = expire.saturating_sub(lifetime).saturating_mul(1000).to_string();
    let hostname = field(HOSTNAME).unwrap_or_default().replace("&#x2c", ",");
    let fields = [("event", event), ("mac", mac), ("ip", ip), ("hostname", &hostname), ("at", &at)];
    lease(Format::KeaCsv, &fields, now)
}

/// Read complete lines.
pub fn read_log(fresh: &[u8], now: Timestamp) -> Batch {
    let (lines, consumed) = lines(fresh);
    Batch { consumed, leases: lines.iter().filter_map(|line| entry(line, now)).collect(), known: None }
}

fn entry(line: &str, now: Timestamp) -> Option<Parsed> {
    const ENTRIES: [(&str, &str, &str); 3] = [
        (" DHCP4_LEASE_ALLOC ", ": lease ", "ack"),
        (" DHCP4_LEASE_REUSE ", ": lease ", "ack"),
        (" DHCP4_RELEASE ", ": address ", "release"),
    ];
    let (rest, before, event) = ENTRIES
        .into_iter()
        .find_map(|(name, before, event)| line.split_once(name).map(|(_, rest)| (rest, before, event)))?;
    let (client, message) = rest.split_once(before)?;
    let (_, hardware) = client.split_once("hwtype=1 ")?;
    let mac = hardware.split(']').next()?;
    let ip = message.split_ascii_whitespace().next()?;
    lease(Format::KeaLog, &[("event", event), ("mac", mac), ("ip", ip)], now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_362_537_000);

    #[test]
    fn rows_are_leases_given_or_ended() {
        let csv =
            b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n\
            10.77.16.0,a0:36:9f:01:00:00,01:a0:36:9f:01:00:00,3600,1795364000,77,0,0,ilo&#x2c1,0,\n\
            10.77.16.1,a0:36:9f:01:00:01,,0,1795362000,77,0,0,,0,\n\
            10.77.16.2,,,3600,1795364000,77,0,0,,1,\n\
            10.77.16.3,a0:36:9f:01:00:03,,3600,1795362000,77,0,0,,2,\n\
            10.77.16.4,a0:36:9f:01";
        let batch = read_csv(csv, NOW);
        assert_eq!(csv.len() - batch.consumed, "10.77.16.4,a0:36:9f:01".len());
        let seen: Vec<_> =
            batch.leases.iter().map(|parsed| (parsed.lease.ip.to_string(), parsed.ended.as_deref())).collect();
        let expected = [("10.77.16.0", None), ("10.77.16.1", Some("release")), ("10.77.16.3", Some("expiry"))];
        assert_eq!(seen, expected.map(|(ip, ended)| (ip.to_owned(), ended)));
        let lease = &batch.leases[0].lease;
        assert_eq!((lease.hostname.as_deref(), lease.at.0), (Some("ilo,1"), 1_795_360_400_000));
    }

    #[test]
    fn log_lines_are_leases_given_or_released() {
        let log = b"2026-11-22 15:47:17.352 INFO  [kea-dhcp4.leases/12982.1401] DHCP4_LEASE_ADVERT [hwtype=1 a0:36:9f:01:00:00], \
            cid=[no info], tid=0x8387ab52: lease 10.77.16.0 will be advertised\n\
            2026-11-22 15:47:17.352 INFO  [kea-dhcp4.leases/12982.1401] DHCP4_LEASE_ALLOC [hwtype=1 a0:36:9f:01:00:00], \
            cid=[01:a0:36:9f:01:00:00], tid=0x8387ab52: lease 10.77.16.0 has been allocated for 20 seconds\n\
            2026-11-22 15:47:18.352 INFO  [kea-dhcp4.leases/12982.1401] DHCP4_RELEASE [hwtype=1 a0:36:9f:01:00:00], \
            cid=[no info], tid=0x8387ab53: address 10.77.16.0 was released properly.\n";
        let batch = read_log(log, NOW);
        assert_eq!((batch.consumed, batch.leases.len()), (log.len(), 2));
        assert_eq!(batch.leases[0].lease.mac.to_string(), "a0:36:9f:01:00:00");
        assert_eq!(batch.leases[1].ended.as_deref(), Some("release"));
    }
}
