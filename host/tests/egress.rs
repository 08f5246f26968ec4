//! The guard under random orders of leases, timers, retries, requests, late outcomes and crashes.
//!
//! Promise 1 in one sentence: no disruptive effect passes for a server in service without an unexpired approval of that very action,
//! given in this very service period. The test keeps its own book of approvals; it does not ask the record what it holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../lifecycle/tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use common::{World, fault, lease};
use farrier::egress::{Denied, Effect, Gate, LeaseClock, Standing, now, permit};
use farrier_lifecycle::{Action, Event, Outcome, Request, Retry, Server, ServerId, Stage, Timestamp, Token};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Move {
    Outcome(Outcome),
    LateOutcome,
    Fire,
    Lease(u8),
    Report,
    Lost,
    Ask(Request),
    Approve(usize, i64),
    Time(u64),
    /// Everything but the record is forgotten.
    Crash,
}

fn moves() -> impl Strategy<Value = Move> {
    let ask = prop_oneof![
        4 => Just(Request::Assign { tenant: "acme".to_owned(), accept: true, order: None }),
        2 => Just(Request::Retry),
        2 => Just(Request::Release),
        2 => Just(Request::AttestErased),
        1 => Just(Request::Reset),
        1 => Just(Request::Hold { reason: "hands off".to_owned() }),
        2 => Just(Request::Unhold),
    ];
    prop_oneof![
        12 => Just(Move::Outcome(Outcome::done("ok"))),
        2 => Just(Move::Outcome(Outcome::Rest)),
        2 => Just(Move::Outcome(Outcome::Failed(fault(Retry::Backoff)))),
        1 => Just(Move::LateOutcome),
        2 => Just(Move::Fire),
        2 => (0..4_u8).prop_map(Move::Lease),
        1 => Just(Move::Report),
        1 => Just(Move::Lost),
        8 => ask.prop_map(Move::Ask),
        5 => (0..Action::ALL.len(), -1_000..5_000_i64).prop_map(|(action, lasts)| Move::Approve(action, lasts)),
        2 => (0..3_000_u64).prop_map(Move::Time),
        2 => Just(Move::Crash),
    ]
}

/// What an auditor would write down: which service period it is, and what was approved in it until when.
#[derive(Default)]
struct Book {
    in_service: bool,
    approved: Vec<(Action, Timestamp)>,
}

impl Book {
    fn allows(&self, action: Action, now: Timestamp) -> bool {
        !self.in_service || self.approved.iter().any(|(one, until)| *one == action && now < *until)
    }
}

fn play(world: &mut World, book: &mut Book, step: &Move) {
    let stale = world.server.token();
    match step.clone() {
        Move::Outcome(outcome) => drop(world.outcome(outcome)),
        Move::LateOutcome => {
            let token = Token { number: stale.number.saturating_sub(1), ..stale };
            world.event(Event::Outcome { token, outcome: Outcome::done("late") });
        }
        Move::Fire => drop(world.fire()),
        Move::Lease(ip) => {
            let at = world.now.0;
            world.event(Event::LeaseSeen(lease(&format!("10.0.0.{ip}"), at)));
        }
        Move::Report => {
            let entered = world.server.entered;
            world.event(Event::ReportReceived { entered, report: "{}".to_owned() });
        }
        Move::Lost => drop(world.event(Event::WorkerLost { token: stale, takeovers: 9 })),
        Move::Ask(request) => drop(world.request(request)),
        Move::Approve(action, lasts) => {
            let action = Action::ALL[action];
            let expires = Timestamp(world.now.0.saturating_add_signed(lasts));
            let request = Request::Approve { action, reason: "test".to_owned(), expires };
            if world.request(request) {
                assert!(book.in_service && expires > world.now, "only an active server's, and only ahead");
                book.approved.retain(|(one, _)| *one != action);
                book.approved.push((action, expires));
            }
        }
        Move::Time(by) => world.now = world.now.plus(by),
        Move::Crash => {
            let kept = serde_json::to_string(&world.server).unwrap();
            world.server = serde_json::from_str(&kept).unwrap();
        }
    }
    let in_service = world.server.stage == Stage::Service;
    if in_service != book.in_service {
        *book = Book { in_service, approved: Vec::new() };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn nothing_disruptive_passes_for_a_server_in_service_without_its_own_approval(
        steps in prop::collection::vec(moves(), 1..120),
    ) {
        let (mut world, mut book) = (World::seen(), Book::default());
        for step in &steps {
            play(&mut world, &mut book, step);
            for action in Action::ALL {
                let passes = permit(Some(&world.server), Effect::Act(action), world.now).is_ok();
                prop_assert_eq!(passes, book.allows(action, world.now), "{} after {:?}: {:?}", action, step, world.server);
            }
            prop_assert!(permit(Some(&world.server), Effect::Look, world.now).is_ok(), "looking is free");
        }
    }
}

/// A store that knows one server, or does not answer.
struct Store(Result<Option<Server>, String>);

#[async_trait]
impl Standing for Store {
    async fn standing(&self, _: &ServerId) -> Result<Option<Server>, String> {
        self.0.clone()
    }
}

/// How long the lease holds, and for which attempt.
struct Clock(Option<Duration>, Token);

impl LeaseClock for Clock {
    fn holds_until(&self) -> Option<Instant> {
        self.0.map(|left| Instant::now() + left)
    }

    fn attempt(&self) -> Token {
        self.1
    }
}

/// A server with its tenant; power is approved for an hour.
fn in_service() -> Server {
    let mut world = World::seen();
    world.now = now();
    for _ in 0..5 {
        assert!(world.done());
    }
    assert!(world.outcome(Outcome::Rest));
    assert!(world.request(Request::Assign { tenant: "acme".to_owned(), accept: true, order: None }) && world.done());
    let expires = world.now.plus(3_600_000);
    assert!(world.request(Request::Approve { action: Action::Power, reason: "fan".to_owned(), expires }));
    world.server
}

/// A server with an attempt under way.
fn at_work() -> World {
    let world = World::seen();
    assert!(world.server.outstanding().is_some());
    world
}

/// Of the attempt under way.
fn gate(grant: Effect, standing: Result<Option<Server>, String>, lease: Option<Duration>) -> Gate {
    Gate {
        server: Some(in_service().id),
        grant,
        observe: false,
        standing: Some(Arc::new(Store(standing))),
        lease: Some(Arc::new(Clock(lease, at_work().server.token()))),
    }
}

fn code(passed: Result<(), Denied>) -> &'static str {
    passed.map_or_else(|denied| denied.code(), |()| "passed")
}

const LASTING: Duration = Duration::from_secs(5);
const HELD: Option<Duration> = Some(Duration::from_secs(30));

#[tokio::test]
async fn an_approval_opens_the_gate_for_its_action_alone() {
    let server = in_service();
    // No attempt works on a server in service.
    let gate = |action, server| Gate { lease: None, ..gate(Effect::Act(action), Ok(Some(server)), None) };
    for action in Action::ALL {
        let passed = gate(action, server.clone()).pass(false, LASTING).await;
        assert_eq!(passed.is_ok(), action == Action::Power, "{action}: {passed:?}");
    }
    let mut next_tenant = server.clone();
    next_tenant.entered += 1;
    let denied = gate(Action::Power, next_tenant).pass(false, LASTING).await;
    assert!(matches!(denied, Err(Denied::NeedsApproval { .. })), "{denied:?}");
}

#[tokio::test]
async fn what_is_not_known_or_not_held_does_not_pass() {
    let power = Effect::Act(Action::Power);
    let record = || Ok(Some(at_work().server));
    assert_eq!(code(gate(power, record(), HELD).pass(false, LASTING).await), "passed");
    assert_eq!(code(gate(power, Err("away".to_owned()), HELD).pass(false, LASTING).await), "standing-unknown");
    assert_eq!(code(gate(power, record(), None).pass(false, LASTING).await), "lease-unconfirmed");
    let short = Some(Duration::from_secs(1));
    assert_eq!(code(gate(power, record(), short).pass(false, LASTING).await), "lease-unconfirmed");
    assert_eq!(code(gate(Effect::Look, record(), HELD).pass(false, LASTING).await), "look-only");
    let observing = Gate { observe: true, ..gate(power, record(), HELD) };
    assert_eq!(code(observing.pass(false, LASTING).await), "observing");
    assert_eq!(code(observing.pass(true, LASTING).await), "passed", "looking is free");
}

#[tokio::test]
async fn an_attempt_that_is_not_wanted_any_more_changes_nothing() {
    let mut world = at_work();
    let pass = async |server: &Server, look| {
        code(gate(Effect::Act(Action::Power), Ok(Some(server.clone())), HELD).pass(look, LASTING).await)
    };
    assert_eq!(pass(&world.server, false).await, "passed");
    for request in [Request::Hold { reason: "hands off".to_owned() }, Request::Unhold, Request::Retire] {
        assert!(world.request(request.clone()));
        assert_eq!(pass(&world.server, false).await, "lease-unconfirmed", "{request:?}");
        assert_eq!(pass(&world.server, true).await, "passed", "looking is free");
    }
    // Of a server that the store does not know, no attempt is wanted.
    assert_eq!(code(gate(Effect::Act(Action::Power), Ok(None), HELD).pass(false, LASTING).await), "lease-unconfirmed");
}
