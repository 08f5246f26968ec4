//! Reads one lease, whoever wrote it: our hooks, the PoC's programs in their three JSON shapes, or flat stream fields.
//!
//! Promises that a lease that comes out has an address a controller can have and a time that is not in the future: one server
//! with a fast clock must not make every later lease look old. It does not judge whether the client is a controller; see
//! [`super::Filter`]. All shapes are read by the same code, by the names of fields, since writers mix them.

use std::net::IpAddr;

use farrier_lifecycle::{Lease, Mac, Timestamp};
use serde_json::{Map, Value};

use super::text::clean;

/// Numbers below this are seconds since the epoch, numbers above milliseconds.
const SECONDS_END: f64 = 1e11;

/// What a message about a lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The lease it is about.
    pub lease: Lease,
    /// The word for its end, if it is over: `release`, `expiry`, `del`.
    pub ended: Option<String>,
    /// The kind of network, where the writer says one: `bmc` or, of a server's own interface, `management`.
    pub network: Option<String>,
}

/// A message that is not a lease.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease's `{field}` cannot be read: {problem}; {fix}")]
pub struct LeaseError {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What the writer must change.
    pub fix: &'static str,
}

impl LeaseError {
    /// Kebab case, for dead letters and logs.
    pub const fn code(&self) -> &'static str {
        "malformed-lease"
    }
}

/// Read the fields of an entry that another program put on `netbox:bmc:discovered`: field `d` with JSON, or flat fields
/// `mac_address`, `ip_address`, `hostname`. `now` is the time of a lease that says none.
pub fn from_foreign(fields: &[(String, String)], now: Timestamp) -> Result<Parsed, LeaseError> {
    let json = fields.iter().find(|(name, _)| name == "d").map(|(_, text)| text.as_str());
    if let Some(text) = json {
        return from_json(text.as_bytes(), now);
    }
    let flat = fields.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    from_map(&flat, now)
}

/// Read a lease from JSON: a spool file, or one of the PoC's shapes.
pub fn from_json(text: &[u8], now: Timestamp) -> Result<Parsed, LeaseError> {
    let object = |problem: String| LeaseError {
        field: "d",
        problem,
        fix: "write one JSON object with `mac_address` and `ip_address`",
    };
    match serde_json::from_slice(text) {
        Ok(Value::Object(map)) => from_map(&map, now),
        Ok(_) => Err(object("it is JSON, but not an object".to_owned())),
        Err(error) => Err(object(error.to_string())),
    }
}

fn from_map(map: &Map<String, Value>, now: Timestamp) -> Result<Parsed, LeaseError> {
    // The PoC's `bm:events:dhcp_lease` keeps the lease one level down.
    let inner = map.get("data").and_then(Value::as_object);
    let find = |names: &[&str]| {
        let levels = inner.into_iter().chain(std::iter::once(map));
        levels.flat_map(|level| names.iter().filter_map(|name| level.get(*name))).find(|value| !value.is_null())
    };
    let text = |names: &[&str]| find(names).and_then(Value::as_str).and_then(|text| clean(text.as_bytes()));
    let event = text(&["event"]);
    let lease = Lease {
        mac: mac(find(&["mac_address", "mac"]))?,
        ip: ip(find(&["ip_address", "ip"]))?,
        hostname: text(&["hostname", "host"]),
        vendor_class: text(&["vendor_class"]),
        at: at(find(&["at", "timestamp"]), now)?,
        source: text(&["source"]).or_else(|| text(&["event_type"])).unwrap_or_else(|| "unknown".to_owned()),
    };
    Ok(Parsed { lease, ended: event.filter(|event| over(event)), network: text(&["network_type"]) })
}

fn mac(value: Option<&Value>) -> Result<Mac, LeaseError> {
    let error = |problem| LeaseError {
        field: "mac_address",
        problem,
        fix: "give the controller's MAC address, such as `94:40:c9:00:00:01`",
    };
    let text = string(value).map_err(error)?;
    text.parse().map_err(|cause: farrier_lifecycle::MacError| error(cause.to_string()))
}

fn ip(value: Option<&Value>) -> Result<IpAddr, LeaseError> {
    let error = |problem| LeaseError {
        field: "ip_address",
        problem,
        fix: "give the address the controller was leased, such as `10.0.100.50`, without a prefix length",
    };
    let text = string(value).map_err(error)?;
    let shown = clean(text.as_bytes()).unwrap_or_default();
    let ip: IpAddr = text.trim().parse().map_err(|_| error(format!("`{shown}` is not an IP address")))?;
    let broadcast = matches!(ip, IpAddr::V4(four) if four.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(error(format!("`{shown}` is not the address of one controller")));
    }
    Ok(ip)
}

fn string(value: Option<&Value>) -> Result<&str, String> {
    match value {
        None => Err("it is missing".to_owned()),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err("it is not a text".to_owned()),
    }
}

/// ISO 8601 with seconds or microseconds, with or without an offset (UTC then: the PoC's Python writes none), or a number of seconds
/// or milliseconds since the epoch. Never later than `now`.
fn at(value: Option<&Value>, now: Timestamp) -> Result<Timestamp, LeaseError> {
    let error = |problem| LeaseError {
        field: "timestamp",
        problem,
        fix: "give UTC as ISO 8601, such as `2026-01-31T12:00:00Z`, or leave it out",
    };
    let read = match value {
        None => return Ok(now),
        Some(Value::Number(number)) => number.as_f64().and_then(from_number),
        Some(Value::String(text)) => from_text(text.trim()),
        Some(_) => None,
    };
    let read = read.ok_or_else(|| {
        let shown = value.map(ToString::to_string).and_then(|text| clean(text.as_bytes())).unwrap_or_default();
        error(format!("`{shown}` is not a time"))
    })?;
    Ok(read.min(now))
}

fn from_number(number: f64) -> Option<Timestamp> {
    let millis = if number < SECONDS_END { number * 1000.0 } else { number };
    // The range is checked first; the fraction of a millisecond is meant to go.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (millis.is_finite() && (0.0..1e15).contains(&millis)).then_some(Timestamp(millis as u64))
}

fn from_text(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number);
    }
    let zoned = text.parse::<jiff::Timestamp>().ok();
    let instant = zoned.or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp)
}

/// Whether the hook's word for an event means that the lease is over.
fn over(event: &str) -> bool {
    matches!(
        event,
        "del" | "expiry" | "release" | "lease4_release" | "lease4_expire" | "lease4_decline" | "deleted" | "declined"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_362_537_000);

    fn read(text: &str) -> Result<Parsed, LeaseError> {
        from_json(text.as_bytes(), NOW)
    }

    fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_three_shapes_of_the_poc_say_the_same() {
        let flat = r#"{"event_type":"bmc_dhcp_lease","timestamp":"2026-01-31T12:00:00Z","mac_address":"A0:36:9F:01:00:00",
            "ip_address":"10.0.100.50","hostname":"ilo-1","source":"test_script"}"#;
        let nested = r#"{"event_type":"dhcp_lease_assigned","timestamp":"2026-01-31T12:00:00.000000Z",
            "data":{"ip":"10.0.100.50","mac":"a0:36:9f:1:0:0","hostname":"ilo-1"},"source":"test_script"}"#;
        let site = r#"{"event_type":"dhcp_lease","network_type":"bmc","mac_address":"a0369f010000","ip_address":"10.0.100.50",
            "site":"DC-East","hostname":"ilo-1","timestamp":"2026-01-31T12:00:00","source":"test_script"}"#;
        let expected = read(flat).unwrap();
        assert_eq!(expected.lease.mac.to_string(), "a0:36:9f:01:00:00");
        assert_eq!(expected.lease.at, Timestamp(1_769_860_800_000));
        assert_eq!(expected.lease.source, "test_script");
        assert_eq!(read(nested).unwrap(), expected);
        assert_eq!(read(site).unwrap(), Parsed { network: Some("bmc".to_owned()), ..expected });
    }

    #[test]
    fn flat_fields_and_the_d_field_are_read() {
        let flat = pairs(&[("mac_address", "94:40:c9:00:00:01"), ("ip_address", "10.1.2.3"), ("hostname", "ILOMX1")]);
        let parsed = from_foreign(&flat, NOW).unwrap();
        assert_eq!((parsed.lease.at, parsed.lease.hostname.as_deref()), (NOW, Some("ILOMX1")));
        let json = pairs(&[("d", r#"{"mac":"94:40:c9:00:00:01","ip":"10.1.2.3","hostname":"ILOMX1"}"#)]);
        assert_eq!(from_foreign(&json, NOW).unwrap(), parsed);
    }

    #[test]
    fn what_the_bus_publishes_is_read_back() {
        let lease = Lease {
            mac: "94:40:c9:00:00:01".parse().unwrap(),
            ip: "10.1.2.3".parse().unwrap(),
            hostname: Some("h".to_owned()),
            vendor_class: Some("CPQRIB3".to_owned()),
            at: Timestamp(1_795_362_530_123),
            source: "kea".to_owned(),
        };
        assert_eq!(from_json(&serde_json::to_vec(&lease).unwrap(), NOW).unwrap().lease, lease);
    }

    #[test]
    fn a_time_with_microseconds_in_seconds_or_in_the_future_is_read() {
        let at = |time: &str| {
            read(&format!(r#"{{"mac":"94:40:c9:00:00:01","ip":"10.1.2.3","timestamp":{time}}}"#)).unwrap().lease.at.0
        };
        assert_eq!(at(r#""2026-01-31T12:00:00.123456Z""#), 1_769_860_800_123);
        assert_eq!(at(r#""2026-01-31T12:00:00.123456""#), 1_769_860_800_123);
        assert_eq!(at(r#""2026-01-31T13:00:00+01:00""#), 1_769_860_800_000);
        assert_eq!(at("1769860800"), 1_769_860_800_000);
        assert_eq!(at("\"1769860800123\""), 1_769_860_800_123);
        assert_eq!(at(r#""2199-01-01T00:00:00Z""#), NOW.0, "a clock that is ahead must not outrank later leases");
    }

    #[test]
    fn malformed_leases_name_the_field_and_the_fix() {
        for (text, field) in [
            ("{", "d"),
            ("[]", "d"),
            (r#"{"ip":"10.0.0.1"}"#, "mac_address"),
            (r#"{"mac":5,"ip":"10.0.0.1"}"#, "mac_address"),
            (r#"{"mac":"ff:ff:ff:ff:ff:ff","ip":"10.0.0.1"}"#, "mac_address"),
            (r#"{"mac":"94:40:c9:00:00:01"}"#, "ip_address"),
            (r#"{"mac":"94:40:c9:00:00:01","ip":"10.0.0.300"}"#, "ip_address"),
            (r#"{"mac":"94:40:c9:00:00:01","ip":"0.0.0.0"}"#, "ip_address"),
            (r#"{"mac":"94:40:c9:00:00:01","ip":"224.0.0.1"}"#, "ip_address"),
            (r#"{"mac":"94:40:c9:00:00:01","ip":"10.0.0.1","timestamp":"soon"}"#, "timestamp"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!((error.field, error.code()), (field, "malformed-lease"), "{text}");
            assert!(!error.fix.is_empty());
        }
    }

    #[test]
    fn the_end_of_a_lease_is_known_as_such() {
        for (event, over) in
            [("add", false), ("commit", false), ("del", true), ("expiry", true), ("lease4_release", true)]
        {
            let text = format!(r#"{{"event":"{event}","mac":"94:40:c9:00:00:01","ip":"10.1.2.3"}}"#);
            assert_eq!(read(&text).unwrap().ended.is_some(), over, "{event}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_texts_stay_clean(bytes in proptest::collection::vec(any::<u8>(), 0..200), name in ".{0,400}") {
            let _ = from_json(&bytes, NOW);
            let text = serde_json::json!({"mac":"94:40:c9:00:00:01","ip":"10.1.2.3","hostname":name}).to_string();
            let hostname = read(&text).unwrap().lease.hostname.unwrap_or_default();
            prop_assert!(hostname.len() <= 255 && !hostname.chars().any(char::is_control));
        }
    }
}
