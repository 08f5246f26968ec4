//! The desk is killed between any two of its steps; the one after it finishes the work.
//!
//! A pass on a store with a thread of its own is polled once for each operation, so a pass that is dropped after `n` polls is a host that
//! died then: the operation under way may have happened, nothing after it has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod bus;
mod order_support;

use bus::Rig;
use farrier::config::Approve;
use farrier::order::{Order, State};
use farrier_lifecycle::Request;
use order_support::{
    KEPT, approver, desk, desk_on, ends, id, names, operator, order, ready, settle, sound, state, wanted,
};

/// After a crash: two orders for three servers of four, the older one whole.
async fn finishes(rig: &Rig, first: &Order, second: &Order) {
    let next = desk(rig);
    settle(rig, &next).await;
    assert_eq!(state(&next, first).await, State::Delivered);
    assert_eq!(state(&next, second).await, State::Delivered);
    assert_eq!(names(&order(&next, first).await).len(), 2);
    assert_eq!(names(&order(&next, second).await).len(), 1);
    sound(rig.bus(), &next).await;
    let free = rig.bus.list().await.unwrap().into_iter().filter(farrier_lifecycle::Server::is_ready);
    assert_eq!(free.map(|server| server.reservation).collect::<Vec<_>>(), [None], "one is left, and kept for nobody");
}

#[tokio::test]
async fn a_pass_that_dies_anywhere_is_finished_by_the_next() {
    let mut died = 0;
    for left in 1.. {
        let rig = Rig::sqlite_file();
        let old = desk(&rig);
        let first = old.place(&operator(), &wanted(2)).await.unwrap();
        let second = old.place(&operator(), &wanted(1)).await.unwrap();
        for n in 1..=4 {
            ready(&rig, n).await;
        }
        let ended = ends(left, old.pass()).await;
        drop(old);
        sound(rig.bus(), &desk(&rig)).await;
        finishes(&rig, &first, &second).await;
        if ended {
            break;
        }
        died += 1;
    }
    assert!(died > 15, "a pass has more steps than {died}");
}

/// Between any two steps of a pass somebody cancels the order it serves.
#[tokio::test]
async fn an_order_cancelled_in_a_pass_is_given_nothing_more_and_lists_what_it_was_given() {
    let mut cancelled_while_giving = 0;
    for left in 1.. {
        let rig = Rig::sqlite_file();
        let (old, other) = (desk(&rig), desk(&rig));
        let one = old.place(&operator(), &wanted(3)).await.unwrap();
        for n in 1..=4 {
            ready(&rig, n).await;
        }
        let mut pass = Box::pin(old.pass());
        let ended = ends(left, &mut pass).await;
        let given = async || {
            let all = rig.bus.list().await.unwrap().into_iter();
            all.filter(|server| server.order.as_deref() == Some(one.id.as_str()))
                .map(|server| server.id)
                .collect::<Vec<_>>()
        };
        let before = given().await;
        other.cancel(&operator(), &one.id).await.unwrap();
        if !ended {
            pass.await.unwrap();
        }
        let after = given().await;
        assert!(after.len() <= before.len() + 1, "at most what was in the desk's hand: {before:?}, then {after:?}");
        settle(&rig, &other).await;
        let closed = order(&other, &one).await;
        assert_eq!(closed.state, State::Cancelled);
        assert!(
            after.iter().all(|id| closed.lists(id)) && closed.servers.len() == after.len(),
            "{closed:?}: {after:?}"
        );
        cancelled_while_giving += usize::from(after.len() == 1 || after.len() == 2);
        if ended {
            break;
        }
    }
    assert!(cancelled_while_giving > 1, "some were cancelled in the middle of the giving");
}

#[tokio::test]
async fn a_cancellation_that_dies_anywhere_frees_every_server_or_none() {
    for left in 1.. {
        let rig = Rig::sqlite_file();
        let old = desk_on(&rig.bus, &rig.clock, Approve::Always);
        let first = old.place(&operator(), &wanted(2)).await.unwrap();
        for n in 1..=2 {
            ready(&rig, n).await;
        }
        settle(&rig, &old).await;
        let ended = ends(left, old.cancel(&operator(), &first.id)).await;
        drop(old);
        let next = desk_on(&rig.bus, &rig.clock, Approve::Always);
        settle(&rig, &next).await;
        let kept = rig.bus.list().await.unwrap().iter().filter(|server| server.reservation.is_some()).count();
        match state(&next, &first).await {
            State::Cancelled => assert_eq!(kept, 0),
            State::AwaitingApproval => assert_eq!(kept, 2),
            other => panic!("{other}"),
        }
        if ended {
            assert_eq!(state(&next, &first).await, State::Cancelled);
            break;
        }
    }
}

#[tokio::test]
async fn an_expiry_that_dies_anywhere_is_finished_by_the_next() {
    for left in 1.. {
        let rig = Rig::sqlite_file();
        let old = desk_on(&rig.bus, &rig.clock, Approve::Over(1));
        let first = old.place(&operator(), &wanted(2)).await.unwrap();
        for n in 1..=2 {
            ready(&rig, n).await;
        }
        settle(&rig, &old).await;
        let second = old.place(&operator(), &wanted(1)).await.unwrap();
        rig.clock.step(KEPT);
        let ended = ends(left, old.pass()).await;
        drop(old);
        let next = desk_on(&rig.bus, &rig.clock, Approve::Over(1));
        settle(&rig, &next).await;
        assert_eq!((state(&next, &first).await, state(&next, &second).await), (State::Expired, State::Delivered));
        assert!(next.approve(&approver(), &first.id).await.is_err());
        sound(rig.bus(), &next).await;
        if ended {
            break;
        }
    }
}

#[tokio::test]
async fn an_order_that_says_reserved_believes_its_servers() {
    let rig = Rig::sqlite_memory();
    let desk = desk_on(&rig.bus, &rig.clock, Approve::Always);
    let placed = desk.place(&operator(), &wanted(2)).await.unwrap();
    for n in 1..=2 {
        ready(&rig, n).await;
    }
    settle(&rig, &desk).await;
    // The order says that both are kept for it; one server knows better.
    rig.request(&id(1), Request::Unreserve { order: placed.id.clone() }).await.unwrap();
    let stolen = Request::Assign { tenant: "other".to_owned(), accept: false, order: None };
    rig.request(&id(1), stolen).await.unwrap();
    desk.approve(&approver(), &placed.id).await.unwrap();
    settle(&rig, &desk).await;
    let short = order(&desk, &placed).await;
    assert_eq!((short.state, names(&short)), (State::Waiting, vec!["SRV-002"]), "nothing goes before all are there");
    // A server says that it is kept for the order, which does not list it: the host died between the two.
    ready(&rig, 3).await;
    let until = rig.clock.now().plus(KEPT);
    let kept = Request::Reserve { order: placed.id.clone(), tenant: "acme".to_owned(), until, accept: false };
    rig.request(&id(3), kept).await.unwrap();
    settle(&rig, &desk).await;
    let done = order(&desk, &placed).await;
    assert_eq!((done.state, names(&done)), (State::Delivered, vec!["SRV-002", "SRV-003"]));
    sound(rig.bus(), &desk).await;
}
