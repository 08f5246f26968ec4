//! Golden walks: the lifecycle as an operator tells it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{World, fault, lease};
use farrier_lifecycle::{Action, Event, Facts, Mark, Outcome, Request, Retry, Stage, Status, Timestamp, Wait, WaitFor};

/// From the first lease to `ready`, with a validation report on the way.
fn to_ready() -> World {
    let mut world = World::seen();
    assert!(world.done());
    assert_eq!(world.state(), "discovered");
    assert!(world.outcome(Outcome::Checkpoint { memo: "{}".to_owned(), effect: true, facts: Box::default() }));
    assert_eq!(world.state(), "provisioning");
    let until = world.now.plus(900_000);
    assert!(world.outcome(Outcome::Wait { until, job: None, memo: "{}".to_owned() }));
    let entered = world.server.entered;
    assert!(world.event(Event::ReportReceived { entered, report: "{}".to_owned() }));
    for _ in 0..4 {
        assert!(world.done());
    }
    assert_eq!((world.server.stage, &world.server.status), (Stage::Assign, &Status::Running));
    assert!(world.outcome(Outcome::Rest));
    world
}

fn to_active() -> World {
    let mut world = to_ready();
    assert!(world.request(Request::Assign { tenant: "acme".to_owned(), accept: false, order: None }));
    assert!(world.done());
    world
}

#[test]
fn the_happy_walk_journals_each_name_once() {
    let world = to_active();
    let names: Vec<_> = world
        .log
        .iter()
        .filter_map(|transition| transition.note.as_ref())
        .filter_map(|note| note.text.lines().next().unwrap().strip_prefix("Lifecycle state changed: "))
        .collect();
    assert_eq!(names, ["offline → discovered", "discovered → provisioning", "provisioning → ready", "ready → active"]);
    assert_eq!(world.server.status, Status::Resting);
    assert_eq!(world.server.tenant.as_deref(), Some("acme"));
}

#[test]
fn a_passing_fault_is_retried_and_forgotten() {
    let mut world = World::seen();
    assert!(world.outcome(Outcome::Failed(fault(Retry::Backoff))));
    assert!(matches!(&world.server.status, Status::Waiting(Wait { for_: WaitFor::Retry(_), .. })));
    assert!(world.fire());
    assert_eq!(world.server.attempt, 2);
    assert!(world.done());
    assert_eq!((world.server.stage, world.server.failures), (Stage::Validate, 0));
}

#[test]
fn a_lasting_fault_stops_after_the_bound_and_waits_for_a_person() {
    let mut world = World::seen();
    for _ in 0..2 {
        assert!(world.outcome(Outcome::Failed(fault(Retry::Backoff))));
        assert!(world.fire());
    }
    assert!(world.outcome(Outcome::Failed(fault(Retry::Backoff))));
    assert_eq!(world.state(), "failed");
    assert!(!world.fire());
    assert!(world.request(Request::Retry));
    assert!(world.done());
    assert_eq!(world.state(), "discovered");
}

#[test]
fn a_refused_login_is_not_tried_again() {
    let mut world = World::seen();
    assert!(world.outcome(Outcome::Failed(fault(Retry::Never))));
    assert_eq!((world.state(), world.server.attempt), ("failed", 1));
}

#[test]
fn an_unknown_mac_is_told_once_and_tried_without_end() {
    let mut world = World::seen();
    for _ in 0..50 {
        assert!(world.outcome(Outcome::Failed(fault(Retry::Slowly))));
        assert!(world.fire());
    }
    let told = world.log.iter().filter(|transition| transition.note.is_some()).count();
    assert_eq!((told, world.state()), (1, "offline"));
}

#[test]
fn a_released_server_is_erased_or_attested_before_it_is_provisioned_again() {
    let mut world = to_active();
    assert!(!world.request(Request::Reset), "an active server is not reset");
    assert!(world.request(Request::Release));
    assert_eq!(world.state(), "decommissioning");
    assert!(world.outcome(Outcome::Failed(fault(Retry::Never))));
    assert_eq!(world.state(), "failed");
    assert!(world.request(Request::AttestErased));
    assert_eq!(world.server.erased_by.as_deref(), Some("ada"));
    assert!(world.done());
    assert_eq!((world.server.stage, &world.server.status), (Stage::Discover, &Status::Running));
    assert_eq!((world.server.tenant.clone(), world.server.erased_by.clone()), (None, None));
}

#[test]
fn a_retired_server_is_final() {
    let mut world = to_ready();
    assert!(world.request(Request::Retire));
    assert!(world.request(Request::AttestErased));
    assert!(world.done());
    assert_eq!(world.state(), "decommissioned");
    for request in [Request::Retry, Request::Reset, Request::Hold { reason: String::new() }, Request::Retire] {
        assert!(!world.request(request));
    }
    assert!(!world.event(Event::LeaseSeen(lease("10.0.0.9", 9_999_999))));
}

#[test]
fn a_lease_storm_on_an_active_server_starts_nothing() {
    let mut world = to_active();
    let before = world.log.len();
    for n in 0..100_u64 {
        world.event(Event::LeaseSeen(lease("10.0.0.1", 2_000 + n)));
    }
    assert_eq!(world.log.len(), before);
    assert!(world.event(Event::LeaseSeen(lease("10.0.0.77", 5_000))));
    let last = world.log.last().unwrap();
    assert_eq!(last.note.as_ref().unwrap().text, "BMC IP mismatch: NetBox record=10.0.0.1, DHCP offered=10.0.0.77");
    assert_eq!((world.state(), last.publish.clone()), ("active", None));
}

#[test]
fn a_lease_that_was_overtaken_changes_nothing() {
    let mut world = World::seen();
    assert!(world.event(Event::LeaseSeen(lease("10.0.0.2", 5_000))));
    assert!(!world.event(Event::LeaseSeen(lease("10.0.0.1", 4_000))));
    assert_eq!(world.server.lease.ip.to_string(), "10.0.0.2");
}

#[test]
fn a_wave_takes_a_ready_server_through_update_and_back_once() {
    let mut world = to_ready();
    let update = |wave: &str| Request::Update { wave: wave.to_owned() };
    assert!(world.request(update("W000001")));
    assert_eq!((world.state(), world.server.stage), ("provisioning", Stage::Update));
    assert_eq!((world.server.wave.as_deref(), &world.server.memo), (Some("W000001"), &None));
    assert!(!world.request(update("W000002")), "it is not ready");
    for _ in 0..3 {
        assert!(world.done());
    }
    assert_eq!((world.server.stage, &world.server.status), (Stage::Assign, &Status::Running));
    assert!(world.outcome(Outcome::Rest));
    assert_eq!(world.state(), "ready");
    assert!(!world.request(update("W000001")), "a wave takes a server once");
    assert!(world.request(update("W000002")), "another wave is another matter");
    let notes = world.log.iter().filter_map(|transition| transition.note.as_ref());
    let told: Vec<_> = notes.filter(|note| note.text.contains("firmware wave")).map(|note| note.text.clone()).collect();
    let text =
        |wave| format!("Lifecycle state changed: ready → provisioning\nupdate: firmware wave {wave}, requested by ada");
    assert_eq!(told, [text("W000001"), text("W000002")]);
}

#[test]
fn a_wave_takes_no_server_that_is_promised_held_or_active() {
    let update = || Request::Update { wave: "W000001".to_owned() };
    let mut active = to_active();
    assert!(!active.request(update()));
    let mut held = to_ready();
    assert!(held.request(Request::Hold { reason: "hands off".to_owned() }));
    assert!(!held.request(update()));
    let mut promised = to_ready();
    let until = promised.now.plus(1_000);
    let reserve = Request::Reserve { order: "O1".to_owned(), tenant: "acme".to_owned(), until, accept: false };
    assert!(promised.request(reserve));
    assert!(!promised.request(update()));
    promised.now = until;
    assert!(promised.request(update()), "the promise is over");
    assert_eq!(promised.server.reservation, None);
}

#[test]
fn a_reset_server_begins_again_at_the_lease_it_had() {
    let mut world = to_ready();
    assert!(world.request(Request::Reset));
    assert_eq!((world.state(), world.server.awaits_lease()), ("offline", true));
    assert!(world.event(Event::LeaseSeen(lease("10.0.0.1", 99_000))));
    assert_eq!(world.server.status, Status::Running);
}

#[test]
fn what_policy_left_out_is_carried_and_must_be_accepted() {
    let mut world = World::seen();
    assert!(world.done());
    let marks = vec![(Mark::Unvalidated, "policy.validate = \"off\"".to_owned())];
    assert!(world.outcome(Outcome::Done { facts: Box::default(), marks, evidence: "skipped".to_owned() }));
    for _ in 0..3 {
        assert!(world.done());
    }
    assert!(world.outcome(Outcome::Rest));
    assert!(!world.request(Request::Assign { tenant: "acme".to_owned(), accept: false, order: None }));
    assert!(world.request(Request::Assign { tenant: "acme".to_owned(), accept: true, order: None }));
}

#[test]
fn an_approval_covers_its_action_its_time_and_its_service_period() {
    let mut world = to_active();
    let expires = world.now.plus(1_000);
    let approve = Request::Approve { action: Action::Power, reason: "memory swap".to_owned(), expires };
    assert!(world.request(approve));
    assert!(world.server.approval(Action::Power, world.now).is_some());
    assert!(world.server.approval(Action::Reset, world.now).is_none());
    assert!(world.server.approval(Action::Power, expires).is_none());
    assert!(world.request(Request::Release));
    assert!(world.server.approval(Action::Power, world.now).is_none());
}

#[test]
fn a_hold_makes_the_attempt_under_way_late() {
    let mut world = World::seen();
    let token = world.server.token();
    assert!(world.request(Request::Hold { reason: "power works".to_owned() }));
    assert_eq!((world.state(), &world.server.status), ("maintenance", &Status::Resting));
    assert!(!world.event(Event::Outcome { token, outcome: Outcome::done("late") }));
    assert!(world.request(Request::Unhold));
    assert_eq!(world.server.status, Status::Running);
}

#[test]
fn a_report_before_the_wait_is_not_lost() {
    let mut world = World::seen();
    assert!(world.done());
    let entered = world.server.entered;
    assert!(world.event(Event::ReportReceived { entered, report: "quick".to_owned() }));
    assert!(!world.event(Event::ReportReceived { entered, report: "replayed".to_owned() }));
    let until = world.now.plus(1_000);
    assert!(world.outcome(Outcome::Wait { until, job: None, memo: "{}".to_owned() }));
    assert_eq!((world.server.status.clone(), world.server.report.as_deref()), (Status::Running, Some("quick")));
}

#[test]
fn the_journal_names_the_interface_as_the_inventory_does_and_has_what_else_a_fault_says() {
    let said = |world: &World| world.log.last().unwrap().note.as_ref().unwrap().text.clone();
    let mut world = World::seen();
    assert!(world.event(Event::LeaseSeen(lease("10.0.0.2", 2_000))));
    assert_eq!(said(&world), "IP address updated on bmc: 10.0.0.1 → 10.0.0.2", "nobody has looked yet");
    let facts = Facts { bmc_interface: Some("ilo".to_owned()), ..Facts::default() };
    let found = Outcome::Done { facts: Box::new(facts), marks: Vec::new(), evidence: "an iLO 6".to_owned() };
    assert!(world.outcome(found));
    let lines = "BMC discovered via DHCP - MAC: 94:40:c9:00:00:01, IP: 10.0.0.2\nIP address 10.0.0.2 assigned to interface ilo\nan iLO 6";
    assert!(said(&world).ends_with(lines), "{}", said(&world));
    assert!(world.event(Event::LeaseSeen(lease("10.0.0.3", 3_000))));
    assert_eq!(said(&world), "IP address updated on ilo: 10.0.0.2 → 10.0.0.3");
    let lines = ["Cable Inversion Detected - Phase 2 Validation Failed".to_owned(), "Original".to_owned()];
    assert!(world.outcome(Outcome::Failed(fault(Retry::Never).lines(lines))));
    assert!(
        said(&world).contains("\nCable Inversion Detected - Phase 2 Validation Failed\nOriginal"),
        "{}",
        said(&world)
    );
}

#[test]
fn a_refused_report_is_one_note_and_moves_nothing_in_any_stage_but_the_last() {
    let mut world = World::seen();
    let refused = |world: &mut World| {
        let (entered, code) = (world.server.entered, "replayed-report".to_owned());
        world.event(Event::ReportRefused { entered, code, problem: "it was used".to_owned() })
    };
    for stage in Stage::WORKED {
        let before = world.server.clone();
        assert_eq!(before.stage, stage);
        assert!(refused(&mut world));
        assert!(!refused(&mut world), "once in {stage}");
        let after = &world.server;
        assert_eq!(
            (&after.status, after.outstanding(), after.since),
            (&before.status, before.outstanding(), before.since)
        );
        assert!(world.log.last().unwrap().note.as_ref().unwrap().text.contains("replayed-report"));
        match stage {
            Stage::Assign => {
                world.outcome(Outcome::Rest);
                assert!(world.request(Request::Retire));
            }
            _ => assert!(world.done()),
        }
    }
    assert_eq!(world.server.stage, Stage::Retired);
    assert!(!refused(&mut world), "a retired server is final");
}

#[test]
fn a_worker_lost_too_often_is_a_fault_of_the_host() {
    let mut world = World::seen();
    let token = world.server.token();
    assert!(world.event(Event::WorkerLost { token, takeovers: 6 }));
    assert!(matches!(&world.server.status, Status::Failed(fault) if fault.code == "crash-loop"));
    assert_eq!(world.server.since, Timestamp(1_000));
}

#[test]
fn a_report_that_comes_at_a_bad_moment_is_judged_later() {
    let mut world = World::seen();
    assert!(world.done());
    let entered = world.server.entered;
    assert!(world.outcome(Outcome::Failed(fault(Retry::Backoff))));
    assert!(world.event(Event::ReportReceived { entered, report: "early".to_owned() }));
    assert!(world.fire());
    assert_eq!(world.server.report.as_deref(), Some("early"));
    assert!(world.outcome(Outcome::Failed(fault(Retry::Backoff))), "NetBox is away while it is judged");
    assert_eq!(world.server.report.as_deref(), Some("early"), "and it is judged again");
    assert!(world.request(Request::Hold { reason: "power works".to_owned() }));
    assert!(world.request(Request::Unhold));
    assert!(world.outcome(Outcome::Failed(fault(Retry::Never))));
    assert_eq!(world.server.report, None, "what was found wanting is not judged twice");
}

fn reserve(order: &str, until: Timestamp) -> Request {
    Request::Reserve { order: order.to_owned(), tenant: "acme".to_owned(), until, accept: false }
}

fn assign_for(order: Option<&str>) -> Request {
    Request::Assign { tenant: "acme".to_owned(), accept: false, order: order.map(str::to_owned) }
}

#[test]
fn a_reserved_server_is_given_to_its_order_alone() {
    let mut world = to_ready();
    let until = world.now.plus(60_000);
    assert!(!world.request(assign_for(Some("O1"))), "an order has reserved what it takes");
    assert!(world.request(reserve("O1", until)));
    assert_eq!((world.state(), &world.server.status), ("ready", &Status::Resting));
    assert!(!world.request(reserve("O1", until)), "the same again is nothing new");
    assert!(world.request(reserve("O1", until.plus(1))), "its own order may keep it longer");
    assert!(!world.request(reserve("O2", until)));
    assert!(!world.request(assign_for(None)));
    assert!(!world.request(assign_for(Some("O2"))));
    let other = Request::Assign { tenant: "other".to_owned(), accept: false, order: Some("O1".to_owned()) };
    assert!(!world.request(other), "and to its order's tenant alone");
    assert!(world.request(assign_for(Some("O1"))));
    assert!(!world.request(Request::Unreserve { order: "O1".to_owned() }), "it is on its way");
    assert!(world.done());
    assert_eq!(
        (world.state(), world.server.order.as_deref(), &world.server.reservation),
        ("active", Some("O1"), &None)
    );
    assert!(world.request(Request::Release) && world.request(Request::AttestErased) && world.done());
    assert_eq!((world.server.stage, &world.server.order), (Stage::Discover, &None));
}

#[test]
fn a_reservation_that_has_run_out_is_none() {
    let mut world = to_ready();
    let until = world.now.plus(60_000);
    assert!(!world.request(reserve("O1", world.now)), "it would be over at once");
    assert!(world.request(reserve("O1", until)));
    world.now = until;
    assert!(world.server.reserved(world.now).is_none());
    assert!(!world.request(assign_for(Some("O1"))), "not even its order's");
    assert!(world.request(reserve("O2", until.plus(1))));
    world.now = until.plus(1);
    assert!(world.request(assign_for(None)), "an operator may give it to anybody");
}

#[test]
fn a_promise_ends_where_the_server_leaves_or_its_order_lets_it_go() {
    let mut world = to_ready();
    let until = world.now.plus(600_000);
    assert!(world.request(reserve("O1", until)));
    assert!(!world.request(Request::Unreserve { order: "O2".to_owned() }));
    assert!(world.request(Request::Hold { reason: "power works".to_owned() }));
    assert!(!world.request(assign_for(Some("O1"))));
    assert!(world.request(Request::Unreserve { order: "O1".to_owned() }), "a held server can be given back");
    assert!(world.request(Request::Unhold) && world.request(reserve("O2", until)));
    assert!(world.request(Request::Reset));
    assert_eq!((world.state(), &world.server.reservation), ("offline", &None));
}

#[test]
fn a_reservation_needs_the_same_consent_as_an_assignment() {
    let mut world = World::seen();
    let marks = vec![(Mark::Unhardened, "policy.harden = \"off\"".to_owned())];
    assert!(world.done() && world.done() && world.done());
    assert!(world.outcome(Outcome::Done { facts: Box::default(), marks, evidence: "skipped".to_owned() }));
    let until = world.now.plus(600_000);
    let accepted = Request::Reserve { order: "O1".to_owned(), tenant: "acme".to_owned(), until, accept: true };
    assert!(world.done());
    assert!(!world.request(accepted.clone()), "it does not rest yet");
    assert!(world.outcome(Outcome::Rest));
    assert!(!world.request(reserve("O1", until)));
    assert!(world.request(accepted));
}
