#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

fn nic(name: &str, cable: Option<(&str, &str)>) -> ExpectedNic {
    let cable = cable.map(|(device, port)| (device.to_owned(), port.to_owned()));
    ExpectedNic { name: name.to_owned(), mac: None, cable }
}

fn heard(name: &str, at: Option<(&str, &str)>) -> Nic {
    let neighbour = at.map(|(switch, port)| Neighbour { switch: switch.to_owned(), ports: vec![port.to_owned()] });
    let mac: u32 = name.bytes().map(u32::from).sum();
    Nic {
        name: name.to_owned(),
        mac: format!("88:e9:a4:00:{:02x}:{:02x}", mac / 256, mac % 256).parse().unwrap(),
        neighbour,
    }
}

/// Interface, where its cable should end, where it ends.
type Case<'a> = (&'a str, Option<(&'a str, &'a str)>, Option<(&'a str, &'a str)>);

fn of(cases: &[Case<'_>]) -> Cabling {
    let expected =
        Expected { nics: cases.iter().map(|(name, cable, _)| nic(name, *cable)).collect(), ..Expected::default() };
    let report = Report { nics: cases.iter().map(|(name, _, at)| heard(name, *at)).collect(), ..Report::default() };
    cabling(&report, &expected)
}

fn words(cases: &[Case<'_>]) -> Vec<String> {
    of(cases).steps.iter().map(Step::to_string).collect()
}

const A: &str = "ams-a01-tor-a";
const B: &str = "ams-a01-tor-b";

#[test]
fn what_agrees_needs_nothing_done_whatever_the_switch_calls_itself() {
    let found = of(&[("ens1f0", Some((A, "Ethernet12")), Some(("AMS-A01-TOR-A.dc.example", "ethernet12")))]);
    assert!(found.agrees && found.steps.is_empty());
    assert_eq!(found.ports[0].say, "ens1f0 is in ams-a01-tor-a port Ethernet12, as it should be");
    assert_eq!(
        found.ports[0].found.as_ref().unwrap().device,
        "AMS-A01-TOR-A.dc.example",
        "evidence is as it was heard"
    );
    assert!(!of(&[]).agrees, "nothing to compare with is no agreement");
}

#[test]
fn each_kind_of_mistake_is_one_sentence() {
    let of = |cases: &[Case<'_>]| words(cases).join("\n");
    assert_eq!(
        of(&[("ens1f0", Some((A, "Ethernet14")), Some((A, "Ethernet12")))]),
        "Move the cable in ams-a01-tor-a port Ethernet12 to port Ethernet14"
    );
    assert_eq!(
        of(&[("ens1f0", Some((B, "Ethernet12")), Some((A, "Ethernet12")))]),
        "Move the cable in ams-a01-tor-a port Ethernet12 to ams-a01-tor-b port Ethernet12"
    );
    assert_eq!(
        of(&[
            ("ens1f0", Some((A, "Ethernet1")), Some((B, "Ethernet1"))),
            ("ens1f1", Some((B, "Ethernet1")), Some((A, "Ethernet1")))
        ]),
        "Swap the two cables: the one in ams-a01-tor-b port Ethernet1 and the one in ams-a01-tor-a port Ethernet1"
    );
    assert_eq!(
        of(&[
            ("a", Some((A, "1")), Some((A, "2"))),
            ("b", Some((A, "2")), Some((A, "3"))),
            ("c", Some((A, "3")), Some((A, "1")))
        ]),
        "Unplug these 3 cables, then move each one on: the one in ams-a01-tor-a port 2 to port 1, the one in ams-a01-tor-a port 1 to port 3, the one in ams-a01-tor-a port 3 to port 2"
    );
    assert_eq!(
        of(&[("ens1f0", Some((A, "1")), None)]),
        "No LLDP heard on ens1f0: plug the cable from ams-a01-tor-a port 1 in, or check that the port is up and sends LLDP"
    );
    assert_eq!(
        of(&[("ens1f0", Some((A, "1")), None), ("ens9f0", None, Some((A, "1")))]),
        "At the server, move the cable in ens9f0 to ens1f0: it comes from ams-a01-tor-a port 1"
    );
}

#[test]
fn a_chain_begins_where_a_port_is_free() {
    assert_eq!(
        words(&[("a", Some((A, "2")), Some((A, "1"))), ("b", Some((A, "3")), Some((A, "2")))]),
        ["Move the cable in ams-a01-tor-a port 2 to port 3", "Move the cable in ams-a01-tor-a port 1 to port 2"]
    );
}

#[test]
fn the_verdicts_tell_the_port_from_the_switch() {
    let verdicts = |cases: &[Case<'_>]| of(cases).ports.into_iter().map(|port| port.verdict).collect::<Vec<_>>();
    assert_eq!(
        verdicts(&[
            ("a", Some((A, "1")), Some((A, "1"))),
            ("b", Some((A, "2")), Some((A, "7"))),
            ("c", Some((A, "3")), Some((B, "3"))),
            ("d", Some((A, "4")), None),
            ("e", None, Some((B, "9"))),
            ("f", None, None),
        ]),
        [Verdict::Ok, Verdict::WrongPort, Verdict::WrongSwitch, Verdict::NothingHeard, Verdict::NotExpected]
    );
}

#[test]
fn two_interfaces_that_hear_one_port_are_traced_and_the_right_one_is_left_alone() {
    let found = of(&[("a", Some((A, "1")), Some((A, "1"))), ("b", Some((A, "2")), Some((A, "1")))]);
    assert_eq!(found.ports[0].verdict, Verdict::Ok);
    assert_eq!(found.steps.len(), 1);
    assert!(matches!(&found.steps[0], Step::Trace { nic, .. } if nic == "b"), "{:?}", found.steps);
}

#[test]
fn what_is_kept_has_the_shape_that_was_agreed() {
    let kept = serde_json::to_value(of(&[("ens1f0", Some((A, "2")), Some((A, "1")))])).unwrap();
    assert_eq!(
        kept,
        serde_json::json!({"agrees": false, "steps": ["Move the cable in ams-a01-tor-a port 1 to port 2"],
            "ports": [{"nic": "ens1f0", "mac": "88:e9:a4:00:02:0d", "expected": {"device": A, "port": "2"},
                "found": {"device": A, "ports": ["1"]}, "verdict": "wrong-port",
                "say": "ens1f0 is in ams-a01-tor-a port 1 and should be in port 2"}]})
    );
}

/// Carry out one step with one pair of hands.
fn carry_out(step: &Step, wiring: &mut BTreeMap<String, Place>) {
    let who = |wiring: &BTreeMap<String, Place>, at: &Place| {
        wiring.iter().find(|(_, place)| *place == at).map(|(nic, _)| nic.clone())
    };
    let put = |wiring: &mut BTreeMap<String, Place>, nic: &str, to: &Place| {
        assert_eq!(who(wiring, to), None, "{step}: the port is taken");
        wiring.insert(nic.to_owned(), to.clone());
    };
    let round = |wiring: &mut BTreeMap<String, Place>, places: &[Place]| {
        let nics: Vec<String> = places.iter().map(|place| who(wiring, place).expect("a cable is there")).collect();
        for nic in &nics {
            wiring.remove(nic);
        }
        for (nic, to) in nics.iter().zip(places.iter().cycle().skip(1)) {
            put(wiring, nic, to);
        }
    };
    match step {
        Step::Move { from, to } => {
            let nic = who(wiring, from).expect("a cable is there");
            wiring.remove(&nic);
            put(wiring, &nic, to);
        }
        Step::Swap(one, other) => round(wiring, &[one.clone(), other.clone()]),
        Step::Rotate(places) => round(wiring, places),
        Step::Plug { nic, to } => {
            assert!(!wiring.contains_key(nic), "{step}: it has a cable");
            put(wiring, nic, to);
        }
        Step::Unplug { from, nic } => assert_eq!(wiring.remove(nic).as_ref(), Some(from)),
        Step::AtServer { from, to, at } => {
            assert_eq!(wiring.remove(from).as_ref(), Some(at));
            put(wiring, to, at);
        }
        Step::Trace { .. } | Step::Correct { .. } => panic!("{step}: the wiring has no such thing"),
    }
}

/// Interfaces with two different ports each out of a few, or none.
fn wirings() -> impl Strategy<Value = Vec<(Option<u8>, Option<u8>)>> {
    let ports = || proptest::sample::subsequence((0..9_u8).collect::<Vec<_>>(), 9).prop_shuffle();
    (ports(), ports(), proptest::collection::vec((any::<bool>(), 0..4_u8), 1..8)).prop_map(|(wanted, found, kinds)| {
        let row = |((has, heard), (wanted, found)): ((bool, u8), (u8, u8))| {
            (has.then_some(wanted), (heard > 0).then_some(found))
        };
        kinds.into_iter().zip(wanted.into_iter().zip(found)).map(row).collect()
    })
}

proptest! {
    #[test]
    fn the_steps_lead_from_the_found_wiring_to_the_expected(rows in wirings()) {
        let place = |port: u8| Place { device: format!("tor-{}", port % 2), port: port.to_string() };
        let planned: Vec<Row> = rows.iter().enumerate().map(|(index, (wanted, found))| Row {
            nic: format!("ens{index}"),
            wanted: wanted.map(place),
            seen: found.map_or(Seen::Nothing, |port| Seen::At(place(port))),
        }).collect();
        let mut wiring: BTreeMap<String, Place> = planned.iter().filter_map(|row| match &row.seen {
            Seen::At(place) => Some((row.nic.clone(), place.clone())),
            _ => None,
        }).collect();
        let steps = plan(&planned);
        for step in &steps {
            carry_out(step, &mut wiring);
        }
        for row in planned.iter().filter(|row| row.wanted.is_some()) {
            prop_assert_eq!(wiring.get(&row.nic), row.wanted.as_ref(), "{}: {:?}", row.nic, steps);
        }
        let wrong = planned.iter().filter(|row| row.wanted.as_ref().is_some_and(|wanted| row.seen != Seen::At(wanted.clone()))).count();
        let in_the_way = planned.iter().filter(|row| row.wanted.is_none()).count();
        prop_assert!(steps.len() <= wrong + in_the_way, "no step is for nothing: {steps:?}");
    }

    #[test]
    fn any_report_has_a_plan(cases in proptest::collection::vec((0..4_u8, proptest::option::of(0..3_u8), proptest::option::of(0..3_u8)), 0..8)) {
        let port = |port: u8| Place { device: A.to_owned(), port: port.to_string() };
        let mut rows: Vec<Row> = cases.iter().map(|(nic, wanted, found)| Row {
            nic: nic.to_string(), wanted: wanted.map(port), seen: found.map_or(Seen::Nothing, |found| Seen::At(port(found))),
        }).collect();
        doubt(&mut rows);
        prop_assert!(plan(&rows).len() <= 2 * rows.len());
    }
}
