//! The laws of the health engine, and the rules that Farrier brings, against what controllers really say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod health_support;

use std::collections::BTreeSet;

use farrier::config::Health;
use farrier::fault::{Blame, Fault, Retry};
use farrier::health::{Engine, RuleError, Sample, Scope, Seen, Settings, Silence, Step, Verdict, Who, load};
use farrier::plugin::wit::bmc_driver::{Inventory, Nic};
use farrier::plugin::wit::event_log::Entry;
use farrier::plugin::wit::telemetry::{Quantity, Reading};
use farrier::plugin::wit::types::Health as Is;
use farrier_lifecycle::Timestamp;
use health_support::{inventory, supply};
use proptest::prelude::*;

const START: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

fn engine() -> Engine {
    Engine::new(load(&Health::default()).unwrap(), Settings { servers: 3, window_ms: MINUTE })
}

fn who(n: u8) -> Who {
    Who {
        id: format!("9440c90000{n:02x}").parse().unwrap(),
        name: format!("AMS-SRV-{n:03}"),
        site: Some("ams".to_owned()),
        rack: Some(if n < 6 { "A01" } else { "A02" }.to_owned()),
        driver: "hpe-ilo".to_owned(),
        quiet: false,
    }
}

/// What is wrong with a server, as a list of words.
fn sample(n: u8, at: u64, wrong: &[&str]) -> Sample {
    let seen = if wrong.contains(&"silent") {
        Err(Fault::new("unreachable", Retry::Backoff, Blame::Network, "connection refused"))
    } else {
        Ok(seen(wrong))
    };
    Sample { server: who(n).id, at: Timestamp(at), took_ms: 5, seen }
}

fn seen(wrong: &[&str]) -> Seen {
    let is = |word: &str, health: Is| if wrong.contains(&word) { health } else { Is::Ok };
    let reading = |sensor: &str, quantity: Quantity, value: f64, health: Is| Reading {
        sensor: sensor.to_owned(),
        quantity,
        value,
        health,
    };
    let hot = if wrong.contains(&"warm") { Is::Warning } else { is("hot", Is::Critical) };
    let readings = vec![
        reading("cpu1", Quantity::TemperatureCelsius, 50.0, hot),
        reading("fan1", Quantity::FanRpm, 9_000.0, is("fan1", Is::Critical)),
        reading("fan2", Quantity::FanRpm, 9_000.0, is("fan2", Is::Critical)),
        reading("psu1", Quantity::VoltageVolts, 230.0, is("psu1", Is::Critical)),
        reading("psu2", Quantity::VoltageVolts, 230.0, is("psu2", Is::Critical)),
        reading("system", Quantity::PowerWatts, if wrong.contains(&"off") { 9.0 } else { 300.0 }, Is::Ok),
    ];
    let supply = |number: u8| supply(number, is(&format!("psu{number}"), Is::Critical));
    let nic = |number: u8| Nic {
        name: format!("nic{number}"),
        mac: format!("88:e9:a4:00:00:{number:02x}"),
        speed: None,
        link_up: Some(!wrong.contains(&"off") && !wrong.contains(&format!("nic{number}").as_str())),
    };
    let present = (1..=2).filter(|number| *number != 2 || !wrong.contains(&"psu2-gone"));
    let inventory =
        Inventory { nics: vec![nic(1), nic(2)], power_supplies: present.map(supply).collect(), ..inventory() };
    let events = wrong.iter().filter_map(|word| word.strip_prefix("log:")).map(|text| entry(None, text)).collect();
    Seen { readings, events, inventory: Some(inventory) }
}

fn entry(at: Option<u64>, message: &str) -> Entry {
    Entry {
        id: "1".to_owned(),
        log: "iml".to_owned(),
        at,
        severity: Is::Critical,
        code: None,
        message: message.to_owned(),
    }
}

/// `step code about` of each.
fn said(verdicts: &[Verdict]) -> Vec<String> {
    let word = |step| match step {
        Step::Raise => "raise",
        Step::Grow => "grow",
        Step::Clear => "clear",
    };
    verdicts.iter().map(|one| format!("{} {} {}", word(one.step), one.fault.code, one.name)).collect()
}

/// A run of looks at one server, one each half minute, with ticks between.
fn run(engine: &mut Engine, n: u8, at: &mut u64, looks: usize, wrong: &[&str]) -> Vec<Verdict> {
    let mut out = Vec::new();
    for _ in 0..looks {
        *at += MINUTE / 2;
        out.extend(engine.observe(&who(n), &sample(n, *at, wrong)));
        out.extend(engine.tick(Timestamp(*at + 1)));
    }
    out
}

#[test]
fn what_lasts_is_raised_once_and_cleared_once_with_its_readings() {
    let (mut engine, mut at) = (engine(), START);
    assert_eq!(run(&mut engine, 1, &mut at, 2, &[]), []);
    let raised = run(&mut engine, 1, &mut at, 5, &["hot"]);
    assert_eq!(said(&raised), ["raise temperature-critical AMS-SRV-001"]);
    assert_eq!(raised[0].fault.text, "too hot: cpu1 50 °C (critical)");
    assert_eq!(raised[0].since, Timestamp(START + 3 * MINUTE / 2));
    assert_eq!(raised[0].shown["sensors"][0]["name"], "cpu1");
    // A single good look in between is not the end of it.
    assert_eq!(run(&mut engine, 1, &mut at, 1, &[]), []);
    assert_eq!(run(&mut engine, 1, &mut at, 1, &["hot"]), []);
    assert_eq!(said(&run(&mut engine, 1, &mut at, 6, &[])), ["clear temperature-critical AMS-SRV-001"]);
}

#[test]
fn two_fans_are_one_fault_that_grows_and_a_warning_waits() {
    let (mut engine, mut at) = (engine(), START);
    assert_eq!(said(&run(&mut engine, 1, &mut at, 3, &["fan1"])), ["raise fan-failed AMS-SRV-001"]);
    assert_eq!(said(&run(&mut engine, 1, &mut at, 3, &["fan1", "fan2"])), ["grow fan-failed AMS-SRV-001"]);
    assert_eq!(said(&run(&mut engine, 1, &mut at, 4, &[])), ["clear fan-failed AMS-SRV-001"]);
    assert_eq!(run(&mut engine, 1, &mut at, 10, &["warm"]), []);
    assert_eq!(said(&run(&mut engine, 1, &mut at, 14, &["warm"])), ["raise sensor-warning AMS-SRV-001"]);
}

#[test]
fn a_dead_feed_is_one_fault_of_the_rack_and_one_dead_supply_the_servers() {
    let (mut engine, mut at) = (engine(), START);
    for n in 1..=4 {
        run(&mut engine, n, &mut at, 1, &[]);
    }
    let mut out = Vec::new();
    for n in 1..=4 {
        out.extend(engine.observe(&who(n), &sample(n, at + u64::from(n) * 10_000, &["psu1"])));
    }
    assert_eq!(out, [], "the others of the rack are looked at first");
    at += MINUTE;
    let out = engine.tick(Timestamp(at + 10_000));
    assert_eq!(said(&out), ["raise rack-power-feed rack A01"]);
    assert_eq!(out[0].about.to_string(), "rack/ams/A01/feed-a");
    assert!((1..=4).all(|n| out[0].fault.text.contains(&who(n).name)), "{}", out[0].fault.text);
    // A fifth comes late: it is said a window later, and nothing else is.
    assert_eq!(engine.observe(&who(5), &sample(5, at + 20_000, &["psu1"])), []);
    let more = engine.tick(Timestamp(at + 10_000 + MINUTE));
    assert_eq!(said(&more), ["grow rack-power-feed rack A01"]);
    assert!(more[0].fault.text.contains("AMS-SRV-005"));
    // All but the fourth come back: its supply is broken by itself.
    let mut out = Vec::new();
    for round in 1..=8_u64 {
        for n in 1..=5 {
            let wrong: &[&str] = if n == 4 { &["psu1"] } else { &[] };
            out.extend(engine.observe(&who(n), &sample(n, at + MINUTE * 2 + round * MINUTE / 2, wrong)));
        }
        out.extend(engine.tick(Timestamp(at + MINUTE * 2 + round * MINUTE / 2)));
    }
    assert_eq!(said(&out), ["clear rack-power-feed rack A01", "raise power-supply-failed AMS-SRV-004"]);
    at += 20 * MINUTE;
    assert_eq!(said(&run(&mut engine, 4, &mut at, 3, &[])), ["clear power-supply-failed AMS-SRV-004"]);
    // One alone, on the other side, waits for the window and is its own.
    let alone = run(&mut engine, 2, &mut at, 4, &["psu2-gone"]);
    assert_eq!(said(&alone), ["raise power-supply-failed AMS-SRV-002"]);
    assert!(alone[0].fault.text.contains("power supply 2 is gone"), "{}", alone[0].fault.text);
}

#[test]
fn what_is_silenced_or_held_is_raised_when_that_ends_if_it_lasts() {
    let (mut engine, mut at) = (engine(), START);
    let until = Timestamp(START + 10 * MINUTE);
    let silence = |scope| Silence {
        id: "S1".to_owned(),
        scope,
        from: Timestamp(START),
        until,
        reason: "work".to_owned(),
        by: "ana".to_owned(),
    };
    engine.silence(vec![silence(Scope::Rack { site: "ams".to_owned(), rack: "a01".to_owned() })]);
    assert_eq!(run(&mut engine, 1, &mut at, 6, &["hot", "fan1"]), []);
    // What is over before the silence is, nobody hears of.
    assert_eq!(run(&mut engine, 1, &mut at, 6, &["hot"]), []);
    let later = engine.tick(until);
    assert_eq!(said(&later), ["raise temperature-critical AMS-SRV-001"]);
    let held = Who { quiet: true, ..who(9) };
    let quiet: Vec<_> = (0..5).flat_map(|k| engine.observe(&held, &sample(9, at + k * MINUTE, &["hot"]))).collect();
    assert_eq!(quiet, []);
    let after = engine.observe(&who(9), &sample(9, at + 5 * MINUTE, &["hot"]));
    assert_eq!(said(&after), ["raise temperature-critical AMS-SRV-009"]);
}

#[test]
fn links_of_a_server_that_is_off_say_nothing() {
    let (mut engine, mut at) = (engine(), START);
    run(&mut engine, 1, &mut at, 1, &[]);
    assert_eq!(run(&mut engine, 1, &mut at, 3, &["off"]), []);
    assert_eq!(said(&run(&mut engine, 1, &mut at, 2, &["nic2"])), ["raise link-down AMS-SRV-001"]);
    assert_eq!(said(&run(&mut engine, 1, &mut at, 4, &[])), ["clear link-down AMS-SRV-001"]);
}

#[test]
fn a_storm_is_ten_entries_or_one_that_says_so() {
    let (mut engine, mut at) = (engine(), START);
    let one = "log:Corrected Memory Error (Processor 2, DIMM 4)";
    assert_eq!(run(&mut engine, 1, &mut at, 9, &[one]), []);
    let raised = run(&mut engine, 1, &mut at, 1, &[one]);
    assert_eq!(said(&raised), ["raise memory-errors AMS-SRV-001"]);
    assert!(raised[0].fault.text.ends_with("(10 entries): Processor 2, DIMM 4"), "{}", raised[0].fault.text);
    let storm = run(&mut engine, 2, &mut at, 1, &["log:Correctable memory error rate exceeded for DIMM_A1."]);
    assert_eq!(said(&storm), ["raise memory-errors AMS-SRV-002"]);
    at += 61 * MINUTE;
    assert_eq!(said(&run(&mut engine, 1, &mut at, 1, &[])), ["clear memory-errors AMS-SRV-001"]);
    // What stood in the log long before is history.
    let mut old = sample(3, at, &[]);
    old.seen.as_mut().unwrap().events =
        vec![entry(Some(START - 30 * 24 * 60 * MINUTE), "DIMM Failure - Uncorrectable Memory Error")];
    assert_eq!(engine.observe(&who(3), &old), []);
}

/// Messages of recordings and message registries, and the one rule that each is for.
#[test]
fn recorded_messages_mean_what_they_mean() {
    let cases = [
        ("DIMM Failure - Uncorrectable Memory Error (Processor 2, DIMM 4)", "memory-failed"),
        ("Multi-bit memory errors detected on a memory device at location(s) DIMM_A1.", "memory-failed"),
        (
            "Uncorrectable Machine Check Exception (Processor 2, APIC ID 0x00000080, Bank 0x00000012, Status 0xEC000002'001000C1, Address 0x00000079'1938A780, Misc 0x08000346'9318B886). ",
            "processor-failed",
        ),
        ("CPU 1 has an internal error (IERR).", "processor-failed"),
        ("System BIOS has halted.", "server-halted"),
        ("The chassis is open while the power is off.", "chassis-open"),
        ("Intrusion Alert Detection - The server chassis hood was removed prior to this power on.", "chassis-open"),
        ("Slot 12 Storage - Drive at Port 2I Box 1 Bay 1 status changed to Erasing", ""),
        ("Firmware flashed (Success : Device in slot 2 : active fw [28.42.1000], pending fw [28.43.1014])", ""),
        ("The overall security status on security dashboard is at Risk.", ""),
        ("Server reset.", ""),
        ("Host server reset by: Administrator.", ""),
        ("iLO detected 3 unauthorized login attempts.", ""),
        (
            "Default configuration settings have been restored per user request. If Secure Boot was enabled, related security settings may have been lost.",
            "",
        ),
        ("[PWR-0003] PS5 Status, Power Supply input lost (AC/DC)", ""),
        ("[SA-0002] Invalid Username or Password", ""),
        ("The chassis is closed while the power is off.", ""),
        ("PCR Measurements Changed, Component Type BIOS PCR Index PCR6", ""),
    ];
    for (message, code) in cases {
        let (mut engine, mut at) = (engine(), START);
        let log = format!("log:{message}");
        let raised = run(&mut engine, 1, &mut at, 2, &[&log]);
        let codes: Vec<&str> = raised.iter().map(|one| one.fault.code.as_str()).collect();
        let wanted: Vec<&str> = [code].into_iter().filter(|code| !code.is_empty()).collect();
        assert_eq!(codes, wanted, "{message}");
    }
}

#[test]
fn a_file_sets_single_keys_adds_rules_and_is_refused_with_its_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("health.toml");
    let with = |text: &str, disable: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let disable = disable.iter().map(ToString::to_string).collect();
        load(&Health { rules_file: Some(file.clone()), disable, ..Health::default() })
    };
    let built_in = load(&Health::default()).unwrap();
    let text = "[[rule]]\ncode = \"fan-failed\"\nlooks = 7\n\
                [[rule]]\ncode = \"inlet-hot\"\nkind = \"sensor\"\nquantity = [\"temperature-celsius\"]\nsensor = \"^inlet$\"\nabove = 30.0\n\
                severity = \"warning\"\nblame = \"operator\"\ntext = \"the aisle is warm: {parts}\"\n";
    let rules = with(text, &["chassis-open"]).unwrap();
    assert_eq!(rules.len(), built_in.len());
    let fan = rules.iter().find(|rule| rule.code == "fan-failed").unwrap();
    assert_eq!((fan.looks, fan.clear_after_ms), (7, 60_000), "the other keys stay");
    assert!(rules.iter().any(|rule| rule.code == "inlet-hot") && !rules.iter().any(|rule| rule.code == "chassis-open"));
    let refused = |text: &str, disable: &[&str]| with(text, disable).unwrap_err().to_string();
    assert!(
        refused(
            "[[rule]]\ncode = \"x\"\nkind = \"moon\"\nseverity = \"warning\"\nblame = \"operator\"\ntext = \"x\"\n",
            &[]
        )
        .contains("`moon` is no kind")
    );
    assert!(
        refused("[[rule]]\ncode = \"fan-failed\"\nlook = 7\n", &[]).contains("rule `fan-failed`: unknown field `look`")
    );
    assert!(refused("[[rule]]\ncode = \"memory-failed\"\nmessage = \"(\"\n", &[]).contains("no regular expression"));
    assert!(matches!(with("", &["fan-faild"]), Err(RuleError::Unknown(_))));
}

/// Codes of stages' faults and of health's never meet in one case.
#[test]
fn no_rule_has_the_code_of_a_stages_fault() {
    let stages = [
        "sensor-critical",
        "no-readings",
        "unreachable",
        "timed-out",
        "credentials-refused",
        "crash-loop",
        "warranty-ending",
    ];
    for rule in load(&Health::default()).unwrap() {
        assert!(!stages.contains(&rule.code.as_str()), "{}", rule.code);
    }
}

const WRONGS: [&str; 10] = [
    "hot",
    "fan1",
    "psu1",
    "psu2",
    "silent",
    "nic2",
    "off",
    "psu2-gone",
    "log:CPU 1 has an internal error (IERR).",
    "warm",
];

/// Server, what is wrong, held, milliseconds since the step before, with a tick, after a restart.
type Move = (u8, Vec<&'static str>, bool, u64, bool);

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let wrong = prop::collection::vec(prop::sample::select(WRONGS.to_vec()), 0..4);
    let one = (0..9_u8, wrong, prop::bool::weighted(0.1), 500..40_000_u64, any::<bool>());
    prop::collection::vec(one, 1..250)
}

/// What is open by what was said; panics where a thing is said twice.
fn follow(open: &mut BTreeSet<String>, verdicts: &[Verdict]) {
    for verdict in verdicts {
        let key = format!("{} {}", verdict.about, verdict.fault.code);
        match verdict.step {
            Step::Raise => assert!(open.insert(key.clone()), "raised twice: {key}"),
            Step::Grow => assert!(open.contains(&key), "grew unraised: {key}"),
            Step::Clear => assert!(open.remove(&key), "cleared unraised: {key}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn one_fault_is_open_once_and_closes_when_all_is_well(moves in moves()) {
        let (mut engine, mut at, mut open) = (engine(), START, BTreeSet::new());
        for (n, wrong, quiet, millis, tick) in moves {
            at += millis;
            let verdicts = engine.observe(&Who { quiet, ..who(n) }, &sample(n, at, &wrong));
            follow(&mut open, &verdicts);
            if tick {
                follow(&mut open, &engine.tick(Timestamp(at)));
            }
            // A server's fault is its own or its rack's.
            for (id, patient) in engine.known() {
                for (key, group) in engine.groups() {
                    prop_assert!(!group.members.contains(id) || patient.open().all(|(code, _)| code != key.code));
                }
            }
        }
        // A log's entry is good when it is a day old, everything else long before.
        for step in [MINUTE, MINUTE, 25 * 60 * MINUTE, 20 * MINUTE, 20 * MINUTE] {
            at += step;
            for n in 0..9 {
                let good = engine.observe(&who(n), &sample(n, at, &[]));
                follow(&mut open, &good);
            }
            follow(&mut open, &engine.tick(Timestamp(at)));
        }
        prop_assert!(open.is_empty(), "{open:?}");
        prop_assert!(engine.groups().next().is_none());
        prop_assert!(engine.known().all(|(_, patient)| patient.is_well()));
    }

    #[test]
    fn flapping_faster_than_the_hysteresis_opens_and_closes_once(
        bad in prop::collection::vec(any::<bool>(), 1..200),
        code in prop::sample::select(vec![("hot", 120_000_u64), ("fan1", 60_000), ("psu1", 30_000)]),
    ) {
        let (mut engine, mut at) = (engine(), START);
        let (wrong, clear_after) = code;
        let mut all = Vec::new();
        for bad in bad {
            // Never good for as long as the rule asks.
            at += clear_after / 4;
            let list: &[&str] = if bad || at % clear_after < clear_after / 4 { &[wrong] } else { &[] };
            all.extend(engine.observe(&who(1), &sample(1, at, list)));
            all.extend(engine.tick(Timestamp(at)));
        }
        for _ in 0..20 {
            at += MINUTE;
            all.extend(engine.observe(&who(1), &sample(1, at, &[])));
        }
        let raised = all.iter().filter(|one| one.step == Step::Raise).count();
        prop_assert!(raised <= 1, "{:?}", said(&all));
        prop_assert_eq!(all.iter().filter(|one| one.step == Step::Clear).count(), raised);
    }

    #[test]
    fn a_restart_changes_nothing(moves in moves(), cut in 0..250_usize) {
        let (mut one, mut other, mut at) = (engine(), engine(), START);
        for (index, (n, wrong, quiet, millis, tick)) in moves.into_iter().enumerate() {
            at += millis;
            // What was there is learnt from a good look, once.
            if index == 0 {
                for n in 0..9 {
                    let good = sample(n, at, &[]);
                    prop_assert_eq!(one.observe(&who(n), &good), other.observe(&who(n), &good));
                }
            }
            if index == cut {
                let patients: Vec<_> = other.known().filter_map(|(_, one)| one.kept()).collect();
                let text = serde_json::to_string(&patients).unwrap();
                let groups: Vec<_> = other.groups().map(|(key, group)| (key.clone(), group.clone())).collect();
                let kept = serde_json::to_string(&groups).unwrap();
                other = engine();
                other.restore(serde_json::from_str(&text).unwrap(), serde_json::from_str(&kept).unwrap());
            }
            let (who, sample) = (Who { quiet, ..who(n) }, sample(n, at, &wrong));
            prop_assert_eq!(said(&one.observe(&who, &sample)), said(&other.observe(&who, &sample)));
            if tick {
                prop_assert_eq!(said(&one.tick(Timestamp(at))), said(&other.tick(Timestamp(at))));
            }
        }
    }
}
