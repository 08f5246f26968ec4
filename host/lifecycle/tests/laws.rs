//! The ten laws of `docs/architecture.md`, under random walks.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{World, fault, lease};
use farrier_lifecycle::{Action, Event, Mark, Outcome, Request, Retry, Server, Stage, Status, Timestamp, Token};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Move {
    Now(Outcome),
    Late(usize, Outcome),
    Fire,
    FireLate(usize),
    Lease(u8, u64),
    Report(bool),
    Refused(bool),
    Lost(bool),
    Ask(Request),
    Time(u64),
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        6 => Just(Outcome::done("ok")),
        1 => Just(Outcome::Done { facts: Box::default(), marks: vec![(Mark::Unhardened, "off".to_owned())], evidence: String::new() }),
        2 => any::<bool>().prop_map(|effect| Outcome::Checkpoint { memo: "{}".to_owned(), effect, facts: Box::default() }),
        2 => (0..50_000_u64, any::<bool>()).prop_map(|(until, job)| Outcome::Wait {
            until: Timestamp(until), job: job.then(|| "flash".to_owned()), memo: "{}".to_owned() }),
        1 => Just(Outcome::Rest),
        3 => prop_oneof![Just(Retry::Never), Just(Retry::Backoff), Just(Retry::Slowly), Just(Retry::After(10))]
            .prop_map(|retry| Outcome::Failed(fault(retry))),
    ]
}

fn orders() -> impl Strategy<Value = Option<String>> {
    prop::option::of((1..3_u8).prop_map(|order| format!("O{order}")))
}

fn requests() -> impl Strategy<Value = Request> {
    prop_oneof![
        3 => Just(Request::Retry),
        3 => (any::<bool>(), orders()).prop_map(|(accept, order)| Request::Assign { tenant: "acme".to_owned(), accept, order }),
        4 => (1..3_u8, 0..150_000_u64, any::<bool>()).prop_map(|(order, until, accept)| Request::Reserve {
            order: format!("O{order}"), tenant: "acme".to_owned(), until: Timestamp(until), accept }),
        1 => (1..3_u8).prop_map(|order| Request::Unreserve { order: format!("O{order}") }),
        2 => Just(Request::Release),
        1 => Just(Request::Retire),
        2 => Just(Request::AttestErased),
        1 => Just(Request::Hold { reason: "hands off".to_owned() }),
        2 => Just(Request::Unhold),
        1 => Just(Request::Reset),
        3 => (1..4_u8).prop_map(|wave| Request::Update { wave: format!("W{wave}") }),
        1 => (0..100_000_u64).prop_map(|expires| Request::Approve {
            action: Action::Power, reason: "why not".to_owned(), expires: Timestamp(expires) }),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        10 => outcomes().prop_map(Move::Now),
        2 => (0..20_usize, outcomes()).prop_map(|(back, outcome)| Move::Late(back, outcome)),
        3 => Just(Move::Fire),
        1 => (0..20_usize).prop_map(Move::FireLate),
        2 => (1..4_u8, 0..100_000_u64).prop_map(|(ip, at)| Move::Lease(ip, at)),
        2 => any::<bool>().prop_map(Move::Report),
        1 => any::<bool>().prop_map(Move::Refused),
        1 => any::<bool>().prop_map(Move::Lost),
        4 => requests().prop_map(Move::Ask),
        1 => (0..100_000_u64).prop_map(Move::Time),
    ]
}

/// Apply one move; tokens seen so far are in `seen`, oldest first.
fn apply(world: &mut World, step: &Move, seen: &[Token]) -> bool {
    let old = |back: usize| seen.iter().rev().nth(back + 1).copied();
    match step.clone() {
        Move::Now(outcome) => world.outcome(outcome),
        Move::Late(back, outcome) => old(back).is_some_and(|token| world.event(Event::Outcome { token, outcome })),
        Move::Fire => world.fire(),
        Move::FireLate(back) => old(back).is_some_and(|token| world.event(Event::TimerFired { token })),
        Move::Lease(ip, at) => world.event(Event::LeaseSeen(lease(&format!("10.0.0.{ip}"), at))),
        Move::Report(current) => {
            let entered = if current { world.server.entered } else { world.server.entered.saturating_sub(1) };
            world.event(Event::ReportReceived { entered, report: "{}".to_owned() })
        }
        Move::Refused(current) => {
            let entered = if current { world.server.entered } else { world.server.entered.saturating_sub(1) };
            let (code, problem) = ("malformed-report".to_owned(), "not JSON".to_owned());
            world.event(Event::ReportRefused { entered, code, problem })
        }
        Move::Lost(current) => {
            let token = if current { Some(world.server.token()) } else { old(0) };
            token.is_some_and(|token| world.event(Event::WorkerLost { token, takeovers: 6 }))
        }
        Move::Ask(request) => world.request(request),
        Move::Time(by) => {
            world.now = world.now.plus(by);
            false
        }
    }
}

/// Laws 1 to 7 and 9, for one committed transition.
fn check(before: &Server, world: &World, step: &Move, spent: &BTreeSet<Token>) -> Result<(), TestCaseError> {
    let transition = world.log.last().unwrap();
    let after = &transition.server;
    prop_assert_ne!(before.stage, Stage::Retired, "law 1: a retired server moved");
    prop_assert_eq!(after.version, before.version + 1, "law 2");
    match &after.status {
        Status::Running => prop_assert!(after.outstanding().is_some() && after.timer().is_none(), "law 3"),
        Status::Waiting(_) => prop_assert!(after.outstanding().is_none() && after.timer().is_some(), "law 3"),
        Status::Resting | Status::Failed(_) => {
            prop_assert!(after.outstanding().is_none() && after.timer().is_none(), "law 3");
        }
    }
    if after.status == Status::Resting {
        prop_assert!(after.stage.may_rest() || after.hold.is_some(), "law 4: rests in {}", after.stage);
    }
    if let Some(command) = &transition.publish {
        prop_assert!(!spent.contains(&command.token), "law 5: the token {} was spent before", command.token);
        prop_assert_eq!(Some(command.clone()), after.outstanding(), "law 3: published and outstanding differ");
    } else if after.outstanding().is_some() {
        prop_assert_eq!(after.outstanding(), before.outstanding(), "law 3: running without a command");
    }
    prop_assert!(after.failures <= world.policy.max_failures, "law 6");
    let written = serde_json::to_string(after).unwrap();
    prop_assert_eq!(&serde_json::from_str::<Server>(&written).unwrap(), after, "law 7");
    if before.in_service() && !matches!(step, Move::Ask(Request::Release | Request::Hold { .. })) {
        prop_assert!(after.in_service(), "law 9: {step:?} took an active server out of service");
        prop_assert!(transition.publish.is_none(), "law 9: {step:?} started work on an active server");
    }
    Ok(())
}

/// A wave takes a server once, from rest in assign, and never one that is promised, held or active.
fn wave(before: &Server, world: &World, step: &Move) -> Result<(), TestCaseError> {
    let after = &world.server;
    let Move::Ask(Request::Update { wave }) = step else {
        prop_assert!(after.wave == before.wave || after.wave.is_none(), "{step:?} wrote a wave");
        return Ok(());
    };
    prop_assert_ne!(before.wave.as_ref(), Some(wave), "taken twice by {}", wave);
    prop_assert!(before.is_ready() && before.hold.is_none() && before.reserved(world.now).is_none(), "{before:?}");
    prop_assert_eq!((after.stage, &after.status, after.wave.as_ref()), (Stage::Update, &Status::Running, Some(wave)));
    Ok(())
}

/// Law 10: a promise to an order is kept, or ended by that order, by its time, or by what takes the server out of assign.
fn promise(before: &Server, world: &World, step: &Move) -> Result<(), TestCaseError> {
    let after = &world.server;
    prop_assert!(after.reservation.is_none() || after.stage == Stage::Assign, "law 10: reserved in {}", after.stage);
    prop_assert!(after.order.is_none() || after.tenant.is_some(), "law 10: an order without its tenant");
    let Some(promised) = before.reserved(world.now).cloned() else {
        let given = before.tenant.is_none() && after.order.is_some();
        prop_assert!(!given, "law 10: given to an order that has no promise");
        return Ok(());
    };
    if before.tenant.is_none() && after.tenant.is_some() {
        prop_assert_eq!(after.order.as_ref(), Some(&promised.order), "law 10: given to another than promised");
        prop_assert_eq!(after.tenant.as_ref(), Some(&promised.tenant), "law 10: given to another tenant");
    }
    if let Some(now) = &after.reservation {
        prop_assert_eq!(&now.order, &promised.order, "law 10: promised twice");
    } else {
        let own = matches!(step, Move::Ask(Request::Unreserve { order }) if *order == promised.order);
        prop_assert!(own || after.stage != Stage::Assign, "law 10: {step:?} ended a promise");
    }
    Ok(())
}

/// Law 8: what a patient operator would do until the server rests.
fn come_to_rest(world: &mut World) -> bool {
    for _ in 0..200 {
        match world.server.status.clone() {
            Status::Resting if world.server.hold.is_none() => return world.server.stage.may_rest(),
            Status::Resting => world.request(Request::Unhold),
            Status::Failed(_) if world.server.hold.is_some() => world.request(Request::Unhold),
            Status::Failed(_) => world.request(Request::Retry),
            Status::Waiting(_) => world.fire(),
            Status::Running if world.server.stage == Stage::Assign && world.server.tenant.is_none() => {
                world.outcome(Outcome::Rest)
            }
            Status::Running => world.done(),
        };
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_walk_breaks_a_law(walk in prop::collection::vec(moves(), 1..80)) {
        let mut world = World::seen();
        let mut seen = vec![world.server.token()];
        let mut spent = BTreeSet::from([world.server.token()]);
        for step in &walk {
            let before = world.server.clone();
            if apply(&mut world, step, &seen) {
                check(&before, &world, step, &spent)?;
                promise(&before, &world, step)?;
                wave(&before, &world, step)?;
                if world.server.token() != before.token() {
                    seen.push(world.server.token());
                    spent.insert(before.token());
                    spent.extend(world.log.last().unwrap().publish.as_ref().map(|command| command.token));
                }
            }
        }
        prop_assert!(come_to_rest(&mut world), "law 8: {:?} does not come to rest", world.server);
    }

    #[test]
    fn what_is_late_is_never_applied(walk in prop::collection::vec(moves(), 1..60), back in 0..20_usize, outcome in outcomes()) {
        let mut world = World::seen();
        let mut seen = vec![world.server.token()];
        for step in &walk {
            apply(&mut world, step, &seen);
            if seen.last() != Some(&world.server.token()) {
                seen.push(world.server.token());
            }
        }
        let current = world.server.outstanding().map(|command| command.token);
        if let Some(token) = seen.iter().rev().nth(back + 1).copied().filter(|token| Some(*token) != current) {
            let outcome = world.event(Event::Outcome { token, outcome });
            prop_assert!(!outcome, "law 5: an outcome of {token} was applied");
        }
    }
}
