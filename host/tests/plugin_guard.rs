//! Promise 1 at the broker: whatever is asked in whatever order, a server in service sees GET and HEAD only, unless a person
//! approved that very action and the approval is young.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod plugin_support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use farrier::egress::{Effect, Gate, Standing, now};
use farrier::plugin::wit::http::{Body, Method, Request};
use farrier::plugin::wit::metadata::AuthScheme;
use farrier::plugin::{Exchange, Images, Secrets};
use farrier_lifecycle::{Action, Approval, Lease, Server as Record, ServerId, Stage};
use plugin_support::server::{Reply, Server};
use plugin_support::{broker, target};
use proptest::prelude::*;

/// A store with one record, which changes between requests.
struct Store(Mutex<Result<Record, String>>);

#[async_trait]
impl Standing for Store {
    async fn standing(&self, _: &ServerId) -> Result<Option<Record>, String> {
        self.0.lock().unwrap().clone().map(Some)
    }
}

#[derive(Clone, Debug)]
enum Move {
    Stage(Stage),
    Approve(Action, bool),
    Lose,
    Ask(Method, Option<Action>),
}

fn action() -> impl Strategy<Value = Action> {
    prop::sample::select(Action::ALL.to_vec())
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let method =
        prop::sample::select(vec![Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete]);
    let stage = prop::sample::select(vec![Stage::Service, Stage::Service, Stage::Harden, Stage::Assign]);
    let one = prop_oneof![
        2 => stage.prop_map(Move::Stage),
        2 => (action(), any::<bool>()).prop_map(|(action, expired)| Move::Approve(action, expired)),
        1 => Just(Move::Lose),
        6 => (method, prop::option::of(action())).prop_map(|(method, action)| Move::Ask(method, action)),
    ];
    prop::collection::vec(one, 1..30)
}

fn record() -> Record {
    let lease = Lease {
        mac: "94:40:c9:00:00:01".parse().unwrap(),
        ip: "127.0.0.1".parse().unwrap(),
        hostname: None,
        vendor_class: None,
        at: now(),
        source: String::new(),
    };
    Record { stage: Stage::Service, ..Record::unseen(lease) }
}

async fn walk(moves: Vec<Move>) -> Result<(), TestCaseError> {
    let server = Server::start(|_| Reply::text("{}")).await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    let store = Arc::new(Store(Mutex::new(Ok(record()))));
    for step in moves {
        match step {
            Move::Stage(stage) => *store.0.lock().unwrap() = Ok(Record { stage, ..record() }),
            Move::Approve(action, expired) => {
                if let Ok(record) = store.0.lock().unwrap().as_mut() {
                    let end = if expired { now() } else { now().plus(60_000) };
                    let (reason, by) = (String::new(), String::new());
                    record.approvals.push(Approval { action, reason, by, expires: end, entered: record.entered });
                }
            }
            Move::Lose => *store.0.lock().unwrap() = Err("gone".to_owned()),
            Move::Ask(method, granted) => {
                let grant = granted.map_or(Effect::Look, Effect::Act);
                let standing: Arc<dyn Standing> = Arc::clone(&store) as Arc<dyn Standing>;
                let id = Some(record().id);
                let gate = Gate { server: id, grant, observe: false, standing: Some(standing), lease: None };
                let (none, images) = (Secrets::none(), Images::none());
                let exchange = Exchange {
                    gate: &gate,
                    secrets: &none,
                    images: &images,
                    deadline: Instant::now() + Duration::from_secs(5),
                    questions: &[],
                };
                let before = server.lines().len();
                let request =
                    Request { method, path: "/a".to_owned(), headers: Vec::new(), body: Body::None, timeout: None };
                let answered = endpoint.send(&request, &exchange).await.is_ok();
                let sent = server.lines().len() > before;
                prop_assert_eq!(sent, answered);
                let look = matches!(method, Method::Get | Method::Head);
                let allowed = look
                    || match (&*store.0.lock().unwrap(), granted) {
                        (Ok(record), Some(action)) => {
                            record.stage != Stage::Service
                                || record.approvals.iter().any(|held| held.action == action && held.expires > now())
                        }
                        _ => false,
                    };
                prop_assert_eq!(sent, allowed, "{:?} with {:?}", method, granted);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_server_in_service_is_only_looked_at(moves in moves()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(walk(moves))?;
    }
}
