//! What a ticket says, in `CommonMark`.
//!
//! Promises: what controllers and people wrote is shown as they wrote it: no text of theirs becomes a link or a heading.
//! Everything that somebody at the rack needs stands in the first lines. Does not: read anything; it is given all.

use farrier_lifecycle::{Fault, Server, Timestamp};
use serde_json::Value;
use url::Url;

use super::case::{Case, Subject};
use crate::inventory::Expected;
use crate::warranty::Support;

/// Readings and log lines shown.
const SHOWN: usize = 12;

/// What is known of a case's server when the ticket is written.
#[derive(Default)]
pub struct Known {
    /// Its record.
    pub server: Option<Server>,
    /// What the inventory says.
    pub expected: Option<Expected>,
    /// Sensors and log, as evidence keeps them.
    pub readings: Option<Value>,
    /// Its support.
    pub support: Option<Support>,
    /// Where people see servers.
    pub link: Option<Url>,
}

/// The first line.
pub fn summary(case: &Case) -> String {
    let stage = case.stage.map(|stage| format!(" in {stage}")).unwrap_or_default();
    let text: String = case.fault.text.chars().take(120).collect();
    format!("{}: {}{stage}: {text}", case.name, case.fault.code)
}

/// Where it is, as far as anybody knows.
pub fn site(case: &Case, known: &Known) -> Option<String> {
    if let Subject::Rack { site, .. } = &case.about {
        return Some(site.clone());
    }
    let expected = known.expected.as_ref().and_then(|one| one.site.clone());
    expected.or_else(|| known.server.as_ref()?.facts.site.clone())
}

/// The whole text.
pub fn description(case: &Case, known: &Known) -> String {
    let mut lines = vec![escape(&case.fault.text), String::new()];
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("- {name}: {value}"));
        }
    };
    let server = known.server.as_ref();
    let expected = known.expected.as_ref();
    let facts = server.map(|server| &server.facts);
    let rack = match &case.about {
        Subject::Server(_) => {
            say("Server", Some(escape(&case.name)));
            let known = facts.and_then(|facts| Some((facts.rack.clone()?, facts.unit)));
            expected.and_then(|one| one.rack.clone()).or(known)
        }
        Subject::Rack { rack, .. } => Some((rack.clone(), None)),
    };
    say("Site", site(case, known).map(|site| escape(&site)));
    say("Rack", rack.as_ref().map(place));
    if let Subject::Rack { feed: Some(feed), .. } = &case.about {
        say("Feed", Some(feed.to_uppercase()));
    }
    let serial = facts.and_then(|facts| facts.serial.clone()).or_else(|| expected?.serial.clone());
    say("Serial", serial.map(|serial| escape(&serial)));
    let model = facts.and_then(|facts| facts.model.clone()).or_else(|| expected?.model.clone());
    say("Model", model.map(|model| escape(&model)));
    let controller = server.map(|server| {
        let kind = server.facts.controller.as_deref().unwrap_or("controller");
        format!("{} at {}, {}", escape(kind), server.lease.ip, server.lease.mac)
    });
    say("Controller", controller);
    let stage = case.stage.map(|stage| format!("{stage}, ")).unwrap_or_default();
    say("What failed", Some(format!("{stage}`{}`", case.fault.code)));
    say("Since", Some(time(case.since)));
    say("Who must act", Some(case.fault.blame.as_str().to_owned()));
    say("Next", case.fault.hint.as_deref().map(escape));
    say("Warranty", known.support.as_ref().map(support));
    say(
        "Link",
        known.link.as_ref().filter(|_| case.about.server().is_some()).and_then(|link| linked(link, &case.name)),
    );
    if let Some(readings) = &known.readings {
        lines.extend(sensors(readings));
        lines.extend(log(readings));
    }
    lines.join("\n")
}

fn place((rack, unit): &(String, Option<u32>)) -> String {
    let unit = unit.map(|unit| format!(", unit {unit}")).unwrap_or_default();
    format!("{}{unit}", escape(rack))
}

/// The end of support, or why it is not known.
pub fn support(support: &Support) -> String {
    match (support.ends, &support.reason) {
        (Some(ends), _) => {
            let level = support.level.as_deref().map(|level| format!(", {}", escape(level))).unwrap_or_default();
            format!("until {}{level} ({})", day(ends), escape(&support.source))
        }
        (None, reason) => format!("not known: {}", escape(reason.as_deref().unwrap_or("nobody was asked yet"))),
    }
}

fn linked(link: &Url, name: &str) -> Option<String> {
    let mut url = link.clone();
    url.path_segments_mut().ok()?.pop_if_empty().push(name);
    Some(format!("<{url}>"))
}

/// Those that are not well first.
fn sensors(readings: &Value) -> Vec<String> {
    let all = readings.get("sensors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let well = |one: &&Value| one.get("status").and_then(Value::as_str) == Some("ok");
    let (good, bad): (Vec<&Value>, Vec<&Value>) = all.iter().partition(well);
    let shown: Vec<String> = bad
        .into_iter()
        .chain(good)
        .take(SHOWN)
        .map(|one| {
            let text = |name: &str| one.get(name).and_then(Value::as_str).map(escape).unwrap_or_default();
            let value = one.get("value").map(ToString::to_string).unwrap_or_default();
            format!("- {}: {value} {} ({})", text("name"), text("unit"), text("status"))
        })
        .collect();
    headed("## Readings", shown)
}

/// The latest last.
fn log(readings: &Value) -> Vec<String> {
    let all = readings.get("events").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let shown = all.iter().skip(all.len().saturating_sub(SHOWN)).map(|one| {
        let text = |name: &str| one.get(name).and_then(Value::as_str).map(escape).unwrap_or_default();
        let at =
            one.get("at").and_then(Value::as_u64).map(|at| format!("{} ", time(Timestamp(at)))).unwrap_or_default();
        format!("- {at}{}: {}", text("severity"), text("message"))
    });
    headed("## Log", shown.collect())
}

fn headed(heading: &str, lines: Vec<String>) -> Vec<String> {
    if lines.is_empty() {
        return lines;
    }
    [String::new(), heading.to_owned(), String::new()].into_iter().chain(lines).collect()
}

/// It is not what it was.
pub fn changed(fault: &Fault, at: Timestamp) -> String {
    format!("{}: now `{}`: {}", time(at), fault.code, escape(&fault.text))
}

/// It was over, and is there again.
pub fn back(fault: &Fault, at: Timestamp) -> String {
    format!("{}: it is back. `{}`: {}", time(at), fault.code, escape(&fault.text))
}

/// It is over.
pub fn recovered(case: &Case, at: Timestamp, what: &str) -> String {
    let seconds = at.since(case.since) / 1000;
    let lasted = match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    };
    format!("{}: recovered after {lasted}, seen {} times. {}", time(at), case.events, escape(what))
}

fn time(at: Timestamp) -> String {
    let parsed = i64::try_from(at.0).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    parsed.map_or_else(|| at.0.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn day(at: Timestamp) -> String {
    time(at).chars().take(10).collect()
}

/// On one line, and without meaning to a reader of `CommonMark`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use farrier_lifecycle::{Blame, Retry, Stage};

    use super::*;

    fn case() -> Case {
        Case {
            about: Subject::Server("9440c9000001".parse().unwrap()),
            name: "AMS-SRV-001".to_owned(),
            stage: Some(Stage::Monitor),
            fault: Fault::new("sensor-critical", Retry::Never, Blame::Hardware, "critical: [fan3](http://evil) `x`")
                .hint("replace the part"),
            since: Timestamp(1_700_000_000_000),
            events: 3,
            version: 7,
            asked: None,
            ticket: None,
            say: Vec::new(),
            over: None,
            warning: false,
            shown: None,
        }
    }

    #[test]
    fn everything_known_is_said_and_no_text_of_others_means_anything() {
        let known = Known {
            expected: Some(Expected {
                site: Some("ams".to_owned()),
                rack: Some(("A01".to_owned(), Some(10))),
                serial: Some("MXQ00001".to_owned()),
                ..Expected::default()
            }),
            readings: Some(serde_json::json!({
                "sensors": [{"name": "inlet", "value": 21.0, "unit": "°C", "status": "ok"},
                    {"name": "fan3", "value": 0, "unit": "rpm", "status": "critical"}],
                "events": [{"at": 1_700_000_000_000_u64, "severity": "critical", "message": "Fan 3 <failed>"}],
            })),
            support: Some(Support::unknown(Timestamp(1), "no source is configured for `HPE`")),
            link: Some("https://farrier.example.test/servers/".parse().unwrap()),
            server: None,
        };
        let text = description(&case(), &known);
        for line in [
            "critical: \\[fan3\\](http://evil) \\`x\\`",
            "- Site: ams",
            "- Rack: A01, unit 10",
            "- Serial: MXQ00001",
            "- What failed: monitor, `sensor-critical`",
            "- Since: 2023-11-14 22:13:20 UTC",
            "- Who must act: hardware",
            "- Next: replace the part",
            "- Warranty: not known: no source is configured for \\`HPE\\`",
            "- Link: <https://farrier.example.test/servers/AMS-SRV-001>",
            "- 2023-11-14 22:13:20 UTC critical: Fan 3 \\<failed\\>",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\nin\n{text}");
        }
        assert!(text.find("fan3: 0 rpm").unwrap() < text.find("inlet").unwrap(), "what is not well comes first");
    }

    #[test]
    fn a_recovery_says_how_long_it_took_and_what_changed() {
        let text = recovered(&case(), Timestamp(1_700_000_000_000 + 3_725_000), "monitor is done");
        assert!(text.ends_with("recovered after 1 h 2 min, seen 3 times. monitor is done"), "{text}");
    }
}
