//! Orders from placing to delivery, on a store under a stepped clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bus;
mod order_support;

use bus::Rig;
use farrier::access::Role;
use farrier::config::Approve;
use farrier::order::{Desk, OrderError, State, Wanted};
use farrier_lifecycle::{Mark, Request};
use order_support::{
    KEPT, approver, desk, desk_on, id, names, operator, order, ready, ready_with, settle, somebody, sound, state,
    wanted, work,
};

async fn decisions(rig: &Rig) -> Vec<String> {
    let entries = rig.bus.audits("", 1_000).await.unwrap();
    let entry = |(_, text): &(String, String)| serde_json::from_str::<serde_json::Value>(text).unwrap();
    entries
        .iter()
        .map(entry)
        .map(|one| format!("{} {}", one["who"].as_str().unwrap(), one["what"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn an_order_becomes_servers_in_service() {
    let rig = Rig::sqlite_memory();
    let desk = desk(&rig);
    for n in 1..=3 {
        ready(&rig, n).await;
        rig.clock.step(1);
    }
    let placed = desk.place(&operator(), &wanted(2)).await.unwrap();
    assert_eq!((placed.id.as_str(), placed.version, placed.state), ("O000001", 1, State::Waiting));
    desk.pass().await.unwrap();
    let going = order(&desk, &placed).await;
    assert_eq!((going.state, names(&going)), (State::Delivering, vec!["SRV-001", "SRV-002"]), "longest ready first");
    settle(&rig, &desk).await;
    let done = order(&desk, &placed).await;
    assert_eq!(done.state, State::Delivered);
    assert!(done.servers.iter().all(|line| line.delivered));
    let server = rig.read(&id(1)).await;
    assert_eq!((server.lifecycle_state().as_str(), server.tenant.as_deref()), ("active", Some("acme")));
    assert_eq!((server.order.as_deref(), &server.reservation), (Some("O000001"), &None));
    assert!(rig.read(&id(3)).await.is_ready());
    let expected = ["ana order-placed", "desk order-reserved", "desk order-delivering", "desk order-delivered"];
    assert_eq!(decisions(&rig).await, expected);
    let journal = rig.bus.status().await.unwrap().journal;
    desk.pass().await.unwrap();
    assert_eq!(rig.bus.status().await.unwrap().journal, journal, "what is settled stays as it is");
    sound(rig.bus(), &desk).await;
}

#[tokio::test]
async fn waiting_orders_are_served_oldest_first() {
    let rig = Rig::sqlite_memory();
    let desk = desk(&rig);
    let big = desk.place(&operator(), &Wanted { model: Some("dl360".to_owned()), ..wanted(2) }).await.unwrap();
    let any = desk.place(&operator(), &wanted(1)).await.unwrap();
    ready(&rig, 1).await;
    settle(&rig, &desk).await;
    assert_eq!(names(&order(&desk, &big).await), ["SRV-001"]);
    assert_eq!((state(&desk, &big).await, state(&desk, &any).await), (State::Waiting, State::Waiting));
    ready_with(&rig, 2, |server| server.facts.model = Some("PowerEdge R650".to_owned())).await;
    settle(&rig, &desk).await;
    assert_eq!(state(&desk, &any).await, State::Delivered, "the older order does not want this one");
    let late = desk.place(&operator(), &wanted(1)).await.unwrap();
    ready(&rig, 3).await;
    settle(&rig, &desk).await;
    assert_eq!((state(&desk, &big).await, state(&desk, &late).await), (State::Delivered, State::Waiting));
    ready(&rig, 4).await;
    settle(&rig, &desk).await;
    assert_eq!(names(&order(&desk, &late).await), ["SRV-004"]);
}

#[tokio::test]
async fn what_needs_an_approver_is_kept_until_then_and_no_longer() {
    let rig = Rig::sqlite_memory();
    let desk = desk_on(&rig.bus, &rig.clock, Approve::Over(1));
    for n in 1..=2 {
        ready(&rig, n).await;
    }
    let seen = desk.preview(&operator(), &wanted(2)).await.unwrap();
    assert_eq!((seen.matching, seen.waiting_before, seen.approval_needed), (2, 0, true));
    let first = desk.place(&operator(), &wanted(2)).await.unwrap();
    settle(&rig, &desk).await;
    let kept = order(&desk, &first).await;
    assert_eq!(
        (kept.state, kept.servers.len(), kept.until),
        (State::AwaitingApproval, 2, Some(rig.clock.now().plus(KEPT)))
    );
    assert!(matches!(desk.approve(&operator(), &first.id).await, Err(OrderError::NotAllowed { .. })));
    let small = desk.place(&operator(), &wanted(1)).await.unwrap();
    assert_eq!((small.approval, desk.preview(&operator(), &wanted(1)).await.unwrap().matching), (false, 0));
    rig.clock.step(KEPT);
    let late = desk.approve(&approver(), &first.id).await;
    assert!(matches!(late, Err(OrderError::Closed { state: State::Expired, .. })), "{late:?}");
    settle(&rig, &desk).await;
    let over = order(&desk, &first).await;
    assert_eq!((over.state, over.servers.len()), (State::Expired, 0));
    assert_eq!(state(&desk, &small).await, State::Delivered, "the next in the queue gets what went back");
    ready(&rig, 3).await;
    let again = desk.place(&operator(), &wanted(2)).await.unwrap();
    settle(&rig, &desk).await;
    let both = somebody("ana", &[Role::Operator, Role::Approver], None);
    assert!(matches!(desk.approve(&both, &again.id).await, Err(OrderError::Own(_))), "four eyes");
    assert_eq!(desk.approve(&approver(), &again.id).await.unwrap().state, State::Reserved);
    assert!(matches!(desk.approve(&approver(), &again.id).await, Err(OrderError::NotAwaiting(_))));
    settle(&rig, &desk).await;
    let done = order(&desk, &again).await;
    assert_eq!((done.state, done.approved_by.as_deref(), done.until), (State::Delivered, Some("ben"), None));
    assert!(decisions(&rig).await.contains(&"ben order-approved".to_owned()));
    assert!(decisions(&rig).await.contains(&"desk order-expired".to_owned()));
}

#[tokio::test]
async fn a_cancelled_order_gives_back_what_it_has_not_given() {
    let rig = Rig::sqlite_memory();
    let desk = desk(&rig);
    ready(&rig, 1).await;
    let placed = desk.place(&operator(), &Wanted { partial: true, ..wanted(3) }).await.unwrap();
    settle(&rig, &desk).await;
    assert_eq!(state(&desk, &placed).await, State::Delivering, "a partial order has its first server");
    let other = desk.place(&operator(), &wanted(2)).await.unwrap();
    ready(&rig, 2).await;
    let whole = desk.place(&operator(), &wanted(2)).await.unwrap();
    desk.cancel(&operator(), &placed.id).await.unwrap();
    settle(&rig, &desk).await;
    let gone = order(&desk, &placed).await;
    assert_eq!((gone.state, names(&gone)), (State::Cancelled, vec!["SRV-001"]));
    assert_eq!(rig.read(&id(1)).await.tenant.as_deref(), Some("acme"), "what was delivered stays");
    assert_eq!(names(&order(&desk, &other).await), ["SRV-002"]);
    desk.cancel(&operator(), &other.id).await.unwrap();
    assert!(rig.read(&id(2)).await.reservation.is_none(), "at once, without the desk");
    settle(&rig, &desk).await;
    assert_eq!(names(&order(&desk, &whole).await), ["SRV-002"]);
    let again = desk.cancel(&operator(), &other.id).await;
    assert!(matches!(again, Err(OrderError::Closed { state: State::Cancelled, .. })), "{again:?}");
}

#[tokio::test]
async fn an_order_is_its_tenants_alone() {
    let rig = Rig::sqlite_memory();
    let desk = desk(&rig);
    let (acme, other) = (somebody("t1", &[Role::Tenant], Some("acme")), somebody("t2", &[Role::Tenant], Some("other")));
    let placed = desk.place(&acme, &Wanted::default()).await.unwrap();
    assert_eq!(placed.tenant, "acme");
    assert!(matches!(desk.get(&other, &placed.id).await, Err(OrderError::Unknown(_))));
    assert!(matches!(desk.cancel(&other, &placed.id).await, Err(OrderError::Unknown(_))));
    assert_eq!((desk.list(&acme).await.unwrap().len(), desk.list(&other).await.unwrap().len()), (1, 0));
    let viewer = somebody("v", &[Role::Viewer], None);
    assert!(matches!(desk.place(&viewer, &wanted(1)).await, Err(OrderError::NotAllowed { .. })));
    let wrong = desk.place(&acme, &Wanted { count: 0, tenant: Some("other".to_owned()), ..Wanted::default() }).await;
    let fields: Vec<_> = wrong.unwrap_err().fields().iter().map(|one| one.field.clone()).collect();
    assert_eq!(fields, ["count", "tenant"]);
    assert!(matches!(desk.get(&acme, "O000001/x").await, Err(OrderError::Unknown(_))));
    let observing = Desk::new(rig.bus.clone(), farrier::config::Orders::default(), rig.policy.clone(), true);
    assert!(matches!(observing.place(&acme, &Wanted::default()).await, Err(OrderError::Observing)));
}

#[tokio::test]
async fn what_policy_left_undone_is_given_only_to_who_accepts_it() {
    let rig = Rig::sqlite_memory();
    let desk = desk(&rig);
    let strict = desk.place(&operator(), &wanted(1)).await.unwrap();
    let easy = desk.place(&operator(), &Wanted { accept: true, ..wanted(1) }).await.unwrap();
    ready_with(&rig, 1, |server| drop(server.marks.insert(Mark::Unhardened, "policy.harden".to_owned()))).await;
    settle(&rig, &desk).await;
    assert_eq!((state(&desk, &strict).await, state(&desk, &easy).await), (State::Waiting, State::Delivered));
}

#[tokio::test]
async fn an_order_gets_another_server_for_one_that_is_lost_on_the_way() {
    let rig = Rig::sqlite_memory();
    let desk = desk(&rig);
    let placed = desk.place(&operator(), &wanted(3)).await.unwrap();
    for n in 1..=2 {
        ready(&rig, n).await;
    }
    settle(&rig, &desk).await;
    rig.request(&id(1), Request::Reset).await.unwrap();
    rig.request(&id(2), bus::hold()).await.unwrap();
    settle(&rig, &desk).await;
    assert_eq!((state(&desk, &placed).await, order(&desk, &placed).await.servers.len()), (State::Waiting, 0));
    assert!(rig.read(&id(2)).await.reservation.is_none(), "a held server is given back");
    for n in 3..=5 {
        ready(&rig, n).await;
    }
    desk.pass().await.unwrap();
    assert_eq!(state(&desk, &placed).await, State::Delivering);
    rig.request(&id(4), Request::Reset).await.unwrap();
    settle(&rig, &desk).await;
    let short = order(&desk, &placed).await;
    assert_eq!((short.state, names(&short)), (State::Delivering, vec!["SRV-003", "SRV-005"]));
    let later = desk.place(&operator(), &wanted(1)).await.unwrap();
    ready(&rig, 6).await;
    settle(&rig, &desk).await;
    assert_eq!(names(&order(&desk, &placed).await), ["SRV-003", "SRV-005", "SRV-006"], "it is still the oldest");
    assert_eq!((state(&desk, &placed).await, state(&desk, &later).await), (State::Delivered, State::Waiting));
    rig.request(&id(3), Request::Release).await.unwrap();
    desk.pass().await.unwrap();
    assert_eq!(state(&desk, &placed).await, State::Delivered, "what was delivered was delivered");
}

#[tokio::test]
async fn a_promise_is_renewed_while_an_order_waits_and_ends_when_no_desk_is_left() {
    let rig = Rig::sqlite_memory();
    let desk = desk(&rig);
    ready(&rig, 1).await;
    let placed = desk.place(&operator(), &wanted(2)).await.unwrap();
    desk.pass().await.unwrap();
    let first = rig.read(&id(1)).await.reservation.unwrap().until;
    rig.clock.step(KEPT / 2 + 1);
    desk.pass().await.unwrap();
    let second = rig.read(&id(1)).await.reservation.unwrap().until;
    assert!(second > first, "renewed at half its time");
    rig.clock.step(KEPT);
    assert!(rig.read(&id(1)).await.reserved(rig.clock.now()).is_none(), "no host for an hour: it counts for nothing");
    desk.pass().await.unwrap();
    assert!(rig.read(&id(1)).await.reserved(rig.clock.now()).is_some(), "and is made again in the order of the queue");
    rig.clock.step(KEPT);
    let assign = Request::Assign { tenant: "other".to_owned(), accept: false, order: None };
    rig.request(&id(1), assign).await.unwrap();
    settle(&rig, &desk).await;
    assert_eq!((state(&desk, &placed).await, order(&desk, &placed).await.servers.len()), (State::Waiting, 0));
}

#[tokio::test]
async fn a_promise_made_by_hand_holds_until_its_time_is_over() {
    let rig = Rig::sqlite_memory();
    let desk = desk(&rig);
    ready(&rig, 1).await;
    let until = rig.clock.now().plus(KEPT);
    let by_hand =
        |order: &str| Request::Reserve { order: order.to_owned(), tenant: "somebody".to_owned(), until, accept: false };
    rig.request(&id(1), by_hand("for-the-fair")).await.unwrap();
    let placed = desk.place(&operator(), &wanted(1)).await.unwrap();
    settle(&rig, &desk).await;
    assert_eq!(state(&desk, &placed).await, State::Waiting);
    // In an order's name, but for somebody else: it could not be delivered, and is given back.
    ready(&rig, 2).await;
    rig.request(&id(2), by_hand(&placed.id)).await.unwrap();
    let second = desk.place(&operator(), &wanted(1)).await.unwrap();
    settle(&rig, &desk).await;
    assert_eq!(names(&order(&desk, &placed).await), ["SRV-002"]);
    rig.clock.step(KEPT);
    settle(&rig, &desk).await;
    assert_eq!(names(&order(&desk, &second).await), ["SRV-001"]);
    assert_eq!(work(rig.bus(), &rig.clock).await, 0);
}

#[tokio::test]
async fn a_promise_to_a_closed_order_is_ended() {
    let rig = Rig::sqlite_memory();
    let desk = desk(&rig);
    let gone = desk.place(&operator(), &wanted(1)).await.unwrap();
    desk.cancel(&operator(), &gone.id).await.unwrap();
    ready(&rig, 1).await;
    let until = rig.clock.now().plus(KEPT);
    let late = Request::Reserve { order: gone.id, tenant: "acme".to_owned(), until, accept: false };
    rig.request(&id(1), late).await.unwrap();
    desk.pass().await.unwrap();
    assert!(rig.read(&id(1)).await.is_ready() && rig.read(&id(1)).await.reservation.is_none());
}
