//! What a server is against what it should be, requirement by requirement.
//!
//! Promises to fail closed: a requirement without an expectation, or without the means to check it, is the fault
//! `no-expectation`, never a pass. Every difference is named before the first fault is chosen.

use farrier_lifecycle::{Blame, Fault, Mark, Retry};

use super::cabling::{Port, Verdict as Wiring, cabling};
use super::report::Report;
use crate::config::Requirement;
use crate::inventory::{Expected, ExpectedNic};

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// One line for each thing that agreed.
    pub evidence: Vec<String>,
    /// What was not required, with the line of policy.
    pub marks: Vec<(Mark, String)>,
}

/// Compare a report with the inventory.
pub fn compare(report: &Report, expected: &Expected, require: &[Requirement]) -> Result<Verdict, Fault> {
    if let Some(failure) = report.failures.first() {
        return Err(
            stop("self-test-failed", Blame::Hardware, failure).hint("replace the part, then `farrier server retry`")
        );
    }
    let mut evidence = Vec::new();
    for requirement in require {
        evidence.push(match requirement {
            Requirement::Serial => serial(report.serial.as_deref(), expected)?,
            Requirement::Model => model(report.model.as_deref(), expected)?,
            Requirement::Nics => nics(report, expected)?,
            Requirement::Cables => cables(report, expected)?,
        });
    }
    let left: Vec<_> =
        Requirement::ALL.into_iter().filter(|one| !require.contains(one)).map(Requirement::as_str).collect();
    let marks = if left.is_empty() {
        Vec::new()
    } else {
        let required: Vec<_> = require.iter().map(|one| format!("\"{}\"", one.as_str())).collect();
        vec![(Mark::Unvalidated, format!("policy.validate.require = [{}]", required.join(", ")))]
    };
    Ok(Verdict { evidence, marks })
}

fn stop(code: &str, blame: Blame, text: impl Into<String>) -> Fault {
    Fault::new(code, Retry::Never, blame, text)
}

fn no_expectation(what: &str, hint: &str) -> Fault {
    stop("no-expectation", Blame::Inventory, format!("{what}, and policy requires it")).hint(hint)
}

fn same(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

/// The serial number of a controller or an image against the inventory's.
pub fn serial(found: Option<&str>, expected: &Expected) -> Result<String, Fault> {
    let Some(wanted) = expected.serial.as_deref().filter(|serial| !serial.is_empty()) else {
        return Err(no_expectation(
            "the inventory has no serial number",
            "enter the serial number, then `farrier server retry`",
        ));
    };
    let Some(found) = found else {
        return Err(no_expectation("the serial number could not be read", "look at the controller's inventory"));
    };
    if same(found, wanted) {
        return Ok(format!("serial {found}"));
    }
    Err(stop("identity-mismatch", Blame::Inventory, format!("serial is {found}, the inventory says {wanted}"))
        .hint("another server stands in this place: move it, or correct the inventory; then `farrier server retry`"))
}

/// Vendors and inventories write one model with more or fewer words: one must begin or end with the other.
pub fn model(found: Option<&str>, expected: &Expected) -> Result<String, Fault> {
    let Some(wanted) = expected.model.as_deref().filter(|model| !model.is_empty()) else {
        return Err(no_expectation("the inventory has no model", "set the device type, then `farrier server retry`"));
    };
    let Some(found) = found else {
        return Err(no_expectation("the model could not be read", "look at the controller's inventory"));
    };
    let squash = |text: &str| text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let (a, b) = (squash(found), squash(wanted));
    let related = |long: &str, short: &str| !short.is_empty() && (long.starts_with(short) || long.ends_with(short));
    if related(&a, &b) || related(&b, &a) {
        return Ok(format!("model {found}"));
    }
    Err(stop("model-mismatch", Blame::Inventory, format!("model is {found}, the inventory says {wanted}"))
        .hint("correct the device type, or the delivery; then `farrier server retry`"))
}

/// The interfaces that could not be compared, because the inventory does not say enough of them: nothing is passed over silently.
fn left_out(expected: &Expected, lacks: &str, is_stated: impl Fn(&ExpectedNic) -> bool) -> String {
    let names: Vec<&str> = expected.nics.iter().filter(|nic| !is_stated(nic)).map(|nic| nic.name.as_str()).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(" (not compared, {lacks} in the inventory: {})", names.join(", "))
    }
}

fn nics(report: &Report, expected: &Expected) -> Result<String, Fault> {
    let wanted: Vec<&ExpectedNic> = expected.nics.iter().filter(|nic| nic.mac.is_some()).collect();
    if wanted.is_empty() {
        return Err(no_expectation("the inventory has no MAC of any interface", "enter the MACs of the interfaces"));
    }
    let missing: Vec<_> = wanted
        .iter()
        .filter(|nic| !report.nics.iter().any(|found| Some(found.mac) == nic.mac))
        .map(|nic| format!("{} ({})", nic.name, nic.mac.map(|mac| mac.to_string()).unwrap_or_default()))
        .collect();
    if missing.is_empty() {
        return Ok(format!("{} interface MACs{}", wanted.len(), left_out(expected, "no MAC", |nic| nic.mac.is_some())));
    }
    Err(stop("nic-missing", Blame::Hardware, format!("not found on the server: {}", missing.join(", ")))
        .hint("check the adapters, or correct the MACs in the inventory; then `farrier server retry`"))
}

fn cables(report: &Report, expected: &Expected) -> Result<String, Fault> {
    let wanted = expected.nics.iter().filter(|nic| nic.cable.is_some()).count();
    if wanted == 0 {
        return Err(no_expectation("the inventory has no cable of any interface", "enter the cables"));
    }
    if report.nics.iter().all(|nic| nic.neighbour.is_none()) {
        return Err(stop(
            "no-expectation",
            Blame::Cabling,
            "the report has no LLDP neighbour at all, and policy requires cables",
        )
        .hint("is LLDP on at the switches, and lldpd in the image?"));
    }
    let seen = cabling(report, expected);
    if seen.agrees {
        return Ok(format!("{wanted} cables{}", left_out(expected, "no cable", |nic| nic.cable.is_some())));
    }
    let steps: Vec<String> = seen.steps.iter().map(ToString::to_string).collect();
    let is_wrong = |port: &&Port| matches!(port.verdict, Wiring::WrongPort | Wiring::WrongSwitch);
    let wrong: Vec<&str> = seen.ports.iter().filter(is_wrong).map(|port| port.nic.as_str()).collect();
    if !wrong.is_empty() {
        return Err(stop("cable-swapped", Blame::Cabling, format!("{} ({})", steps.join("; "), wrong.join(", ")))
            .hint("move the cables, or correct them in the inventory; then `farrier server retry`")
            .lines(inversion(&seen.ports)));
    }
    Err(stop("cable-missing", Blame::Cabling, steps.join("; ")).hint("connect the cables; then `farrier server retry`"))
}

/// The words of the system this one replaces, with what should be and what is there.
fn inversion(ports: &[Port]) -> [String; 3] {
    let original = ports.iter().filter_map(|port| Some((&port.nic, port.expected.as_ref()?.to_string())));
    let detected = ports.iter().filter_map(|port| {
        let heard = port.found.as_ref()?;
        Some((&port.nic, format!("{} port {}", heard.device, heard.ports.first().map_or("?", String::as_str))))
    });
    [
        "Cable Inversion Detected - Phase 2 Validation Failed".to_owned(),
        format!("Original configuration: {}", map(original)),
        format!("Detected configuration: {}", map(detected)),
    ]
}

fn map<'a>(ends: impl Iterator<Item = (&'a String, String)>) -> String {
    ends.map(|(nic, end)| format!("{nic} → {end}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::report::{Neighbour, Nic};

    fn expected() -> Expected {
        let nic = |name: &str, mac: &str, port: &str| ExpectedNic {
            name: name.to_owned(),
            mac: Some(mac.parse().unwrap()),
            cable: Some(("tor-a".to_owned(), port.to_owned())),
        };
        Expected {
            serial: Some("MXQ1".to_owned()),
            model: Some("ProLiant DL360 Gen10 Plus".to_owned()),
            nics: vec![
                nic("ens1f0", "88:e9:a4:00:00:01", "Ethernet1"),
                nic("ens2f0", "88:e9:a4:00:00:02", "Ethernet2"),
            ],
            ..Expected::default()
        }
    }

    fn report(ports: [&str; 2]) -> Report {
        let nic = |name: &str, mac: &str, port: &str| Nic {
            name: name.to_owned(),
            mac: mac.parse().unwrap(),
            neighbour: (!port.is_empty())
                .then(|| Neighbour { switch: "TOR-A.dc1.example".to_owned(), ports: vec![port.to_owned()] }),
        };
        let [first, second] = ports;
        Report {
            serial: Some("mxq1".to_owned()),
            model: Some("DL360 Gen10 Plus".to_owned()),
            nics: vec![nic("eth0", "88:e9:a4:00:00:01", first), nic("eth1", "88:e9:a4:00:00:02", second)],
            failures: Vec::new(),
        }
    }

    fn code(report: &Report, expected: &Expected, require: &[Requirement]) -> String {
        compare(report, expected, require).map_or_else(|fault| fault.code, |_| "passed".to_owned())
    }

    #[test]
    fn what_agrees_passes_with_evidence_for_each_requirement() {
        let verdict = compare(&report(["Ethernet1", "ethernet2"]), &expected(), &Requirement::ALL).unwrap();
        assert_eq!(verdict.evidence, ["serial mxq1", "model DL360 Gen10 Plus", "2 interface MACs", "2 cables"]);
        assert!(verdict.marks.is_empty());
    }

    #[test]
    fn what_the_inventory_does_not_say_is_named_as_not_compared() {
        let mut partly = expected();
        partly.nics[1] = ExpectedNic { mac: None, cable: None, ..partly.nics[1].clone() };
        let verdict = compare(&report(["Ethernet1", "Ethernet2"]), &partly, &Requirement::ALL).unwrap();
        assert_eq!(
            verdict.evidence[2..],
            [
                "1 interface MACs (not compared, no MAC in the inventory: ens2f0)",
                "1 cables (not compared, no cable in the inventory: ens2f0)"
            ]
        );
    }

    #[test]
    fn swapped_cables_are_named_in_words_a_technician_can_follow() {
        let fault = compare(&report(["Ethernet2", "Ethernet1"]), &expected(), &Requirement::ALL).unwrap_err();
        assert_eq!(fault.code, "cable-swapped");
        assert!(
            fault
                .text
                .contains("Swap the two cables: the one in tor-a port Ethernet2 and the one in tor-a port Ethernet1")
        );
        assert_eq!(
            fault.lines,
            [
                "Cable Inversion Detected - Phase 2 Validation Failed",
                "Original configuration: ens1f0 → tor-a port Ethernet1, ens2f0 → tor-a port Ethernet2",
                "Detected configuration: ens1f0 → TOR-A.dc1.example port Ethernet2, ens2f0 → TOR-A.dc1.example port Ethernet1",
            ]
        );
    }

    #[test]
    fn each_difference_has_its_code() {
        let all = &Requirement::ALL;
        assert_eq!(code(&report(["Ethernet1", ""]), &expected(), all), "cable-missing");
        assert_eq!(code(&report(["", ""]), &expected(), all), "no-expectation");
        let mut other = report(["Ethernet1", "Ethernet2"]);
        other.serial = Some("MXQ2".to_owned());
        assert_eq!(code(&other, &expected(), all), "identity-mismatch");
        let mut other = report(["Ethernet1", "Ethernet2"]);
        other.model = Some("PowerEdge R750".to_owned());
        assert_eq!(code(&other, &expected(), all), "model-mismatch");
        let mut other = report(["Ethernet1", "Ethernet2"]);
        other.nics.pop();
        assert_eq!(code(&other, &expected(), all), "nic-missing");
        let mut other = report(["Ethernet1", "Ethernet2"]);
        other.failures.push("memory: bit 7".to_owned());
        assert_eq!(code(&other, &expected(), all), "self-test-failed");
    }

    #[test]
    fn required_without_an_expectation_never_passes() {
        for requirement in Requirement::ALL {
            let fault = compare(&report(["Ethernet1", "Ethernet2"]), &Expected::default(), &[requirement]).unwrap_err();
            assert_eq!(fault.code, "no-expectation", "{requirement:?}");
        }
    }

    #[test]
    fn what_is_not_required_is_carried_as_a_mark() {
        let verdict = compare(&report(["", ""]), &expected(), &[Requirement::Serial]).unwrap();
        assert_eq!(verdict.marks, [(Mark::Unvalidated, "policy.validate.require = [\"serial\"]".to_owned())]);
    }
}
