//! What the validation image reports: two shapes, one meaning.
//!
//! Evidence, not verdict: what the image says of a test that failed counts, what it says of success decides nothing. Both shapes
//! of the system this one replaces are read (`docs/guides/from-the-python-poc.md`); unknown fields are passed over.

use farrier_lifecycle::Mac;
use serde_json::Value;

/// The largest body that is accepted, bytes; a real report is a tenth of it.
pub const MAX_BYTES: usize = 256 * 1024;

/// A report, whatever its shape was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// System serial number, as the firmware tells the operating system.
    pub serial: Option<String>,
    /// Product name.
    pub model: Option<String>,
    /// Interfaces with their neighbours.
    pub nics: Vec<Nic>,
    /// Tests that the image ran and that failed, in its words.
    pub failures: Vec<String>,
}

/// One interface as the image found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// The operating system's name for it.
    pub name: String,
    /// Its MAC.
    pub mac: Mac,
    /// What LLDP heard on it.
    pub neighbour: Option<Neighbour>,
}

/// An LLDP neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// System name of the switch.
    pub switch: String,
    /// What may name the port: id, then description. Switches send either, or both.
    pub ports: Vec<String>,
}

/// A body that is not a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the report is malformed: {field}: {problem}")]
pub struct Malformed {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

fn malformed(field: &'static str, problem: impl Into<String>) -> Malformed {
    Malformed { field, problem: problem.into() }
}

/// Read a report of either shape.
pub fn parse(body: &str) -> Result<Report, Malformed> {
    if body.len() > MAX_BYTES {
        return Err(malformed("body", format!("{} bytes, more than {MAX_BYTES}", body.len())));
    }
    let value: Value = serde_json::from_str(body).map_err(|error| malformed("body", error.to_string()))?;
    let hardware = value.get("hardware").ok_or_else(|| malformed("hardware", "is missing"))?;
    let mut report = Report { serial: text(hardware, "serial"), model: text(hardware, "model"), ..Report::default() };
    if let Some(nics) = value.get("nics") {
        report.nics = list("nics", nics)?.iter().map(server_live_nic).collect::<Result<_, _>>()?;
        report.failures = failures(&value);
    } else {
        let interfaces =
            value.get("interfaces").ok_or_else(|| malformed("interfaces", "is missing, and so is nics"))?;
        let lldp = value.get("lldp").unwrap_or(&Value::Null);
        for interface in list("interfaces", interfaces)? {
            report.nics.extend(reported_interface(interface, lldp)?);
        }
    }
    Ok(report)
}

fn list<'a>(field: &'static str, value: &'a Value) -> Result<&'a Vec<Value>, Malformed> {
    value.as_array().ok_or_else(|| malformed(field, "is not a list"))
}

/// A string that says something; the image writes quoted, padded and placeholder texts.
fn text(value: &Value, key: &str) -> Option<String> {
    let text = value.get(key)?.as_str()?.trim().trim_matches('"').trim();
    let empty = ["", "none", "null", "n/a", "unknown", "not specified"];
    (!empty.contains(&text.to_lowercase().as_str())).then(|| text.to_owned())
}

fn server_live_nic(nic: &Value) -> Result<Nic, Malformed> {
    let neighbour = text(nic, "lldp_neighbor")
        .map(|switch| Neighbour { switch, ports: text(nic, "lldp_port").into_iter().collect() });
    Ok(Nic { name: text(nic, "name").unwrap_or_default(), mac: mac("nics.mac", nic)?, neighbour })
}

fn mac(field: &'static str, value: &Value) -> Result<Mac, Malformed> {
    let text = text(value, "mac").ok_or_else(|| malformed(field, "is missing"))?;
    text.parse().map_err(|error: farrier_lifecycle::MacError| malformed(field, error.to_string()))
}

/// Loopback and virtual interfaces have no MAC a device could have; they are passed over.
fn reported_interface(interface: &Value, lldp: &Value) -> Result<Option<Nic>, Malformed> {
    let name = text(interface, "name").ok_or_else(|| malformed("interfaces.name", "is missing"))?;
    let Some(address) = text(interface, "mac") else { return Ok(None) };
    let Ok(mac) = address.parse() else { return Ok(None) };
    let neighbour = lldp_neighbour(lldp, &name);
    Ok(Some(Nic { name, mac, neighbour }))
}

/// `lldpctl -f json` gives a list of one-key objects, or, with one neighbour, the object itself.
fn lldp_neighbour(lldp: &Value, interface: &str) -> Option<Neighbour> {
    let interfaces = lldp.get("lldp").unwrap_or(lldp).get("interface")?;
    let entry = match interfaces {
        Value::Array(list) => list.iter().find_map(|entry| entry.get(interface))?,
        other => other.get(interface)?,
    };
    let chassis = entry.get("chassis")?;
    // The chassis is keyed by system name where there is one, else it is the object itself.
    let switch = match chassis.as_object()?.iter().next()? {
        (name, Value::Object(inner)) if name != "id" && !inner.contains_key("value") => name.clone(),
        _ => chassis.get("id").and_then(|id| text(id, "value"))?,
    };
    let port = entry.get("port")?;
    let id = port.get("id").and_then(|id| text(id, "value"));
    Some(Neighbour { switch, ports: id.into_iter().chain(text(port, "descr")).collect() })
}

fn failures(value: &Value) -> Vec<String> {
    let mut failures = Vec::new();
    for (name, test) in value.get("tests").and_then(Value::as_object).into_iter().flatten() {
        if text(test, "result").is_some_and(|result| result.eq_ignore_ascii_case("fail")) {
            let detail = text(test, "details").or_else(|| text(test, "summary")).unwrap_or_default();
            failures.push(format!("{name}: {detail}"));
        }
    }
    if failures.is_empty() && text(value, "overall_result").is_some_and(|result| result.eq_ignore_ascii_case("fail")) {
        failures.push("the image reports FAIL without saying which test".to_owned());
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(switch: &str, ports: &[&str]) -> Neighbour {
        Neighbour { switch: switch.to_owned(), ports: ports.iter().map(|port| (*port).to_owned()).collect() }
    }

    #[test]
    fn the_first_shape_is_read_with_its_lldp_json() {
        let body = r#"{"device_id":"1","timestamp":"2026-11-22T10:00:00Z",
            "hardware":{"manufacturer":"HPE","model":"ProLiant DL360 Gen10","serial":"MXQ1"},
            "lldp":{"lldp":{"interface":[{"ens1f0":{"chassis":{"tor-a":{"id":{"type":"mac","value":"00:1c:73:00:00:01"}}},
                "port":{"id":{"type":"ifname","value":"Ethernet1"},"descr":"to server"}}}]}},
            "interfaces":[{"name":"lo","mac":"00:00:00:00:00:00","state":"UNKNOWN"},{"name":"ens1f0","mac":"88:E9:A4:00:00:01","state":"UP"}]}"#;
        let report = parse(body).unwrap();
        assert_eq!(report.serial.as_deref(), Some("MXQ1"));
        assert_eq!(report.nics.len(), 1);
        assert_eq!(report.nics[0].neighbour, Some(neighbour("tor-a", &["Ethernet1", "to server"])));
    }

    #[test]
    fn one_neighbour_alone_is_an_object_and_not_a_list() {
        let lldp: Value = serde_json::from_str(
            r#"{"lldp":{"interface":{"eno1":{"chassis":{"id":{"type":"mac","value":"00:1c:73:00:00:01"}},"port":{"id":{"type":"local","value":"7"}}}}}}"#,
        )
        .unwrap();
        assert_eq!(lldp_neighbour(&lldp, "eno1"), Some(neighbour("00:1c:73:00:00:01", &["7"])));
        assert_eq!(lldp_neighbour(&lldp, "eno2"), None);
    }

    #[test]
    fn the_second_shape_is_read_and_its_failed_tests_count() {
        let body = r#"{"event":"server_live","device_id":3,"hardware":{"vendor":"Dell","model":"\"PowerEdge R750\"","serial":" ABC1234 "},
            "tests":{"memory":{"result":"FAIL","details":"bit 7"},"disk_io":{"result":"PASS","summary":"ok"}},
            "nics":[{"name":"ens1f0","mac":"88:e9:a4:00:00:01","speed_mbps":"25000","lldp_neighbor":"tor-a","lldp_port":"Ethernet1"},
                    {"name":"ens2f0","mac":"88:e9:a4:00:00:02","lldp_neighbor":"none","lldp_port":""}],"overall_result":"PASS"}"#;
        let report = parse(body).unwrap();
        assert_eq!((report.model.as_deref(), report.serial.as_deref()), (Some("PowerEdge R750"), Some("ABC1234")));
        assert_eq!(report.failures, ["memory: bit 7"]);
        assert_eq!(report.nics[1].neighbour, None);
    }

    #[test]
    fn what_is_no_report_names_its_field() {
        for (body, field) in [
            ("", "body"),
            ("[]", "hardware"),
            (r#"{"hardware":{}}"#, "interfaces"),
            (r#"{"hardware":{},"nics":7}"#, "nics"),
            (r#"{"hardware":{},"nics":[{"mac":"nonsense"}]}"#, "nics.mac"),
            (r#"{"hardware":{},"interfaces":[{}]}"#, "interfaces.name"),
        ] {
            assert_eq!(parse(body).unwrap_err().field, field, "{body}");
        }
        assert_eq!(parse(&" ".repeat(MAX_BYTES + 1)).unwrap_err().field, "body");
    }
}
