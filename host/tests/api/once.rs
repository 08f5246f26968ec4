//! Idempotency: one key, one change.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use farrier::access::Role;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::rig::{Answer, Rig, ready};

async fn keyed(rig: &Rig, token: Option<&str>, key: &str, path: &str, body: &Value) -> Answer {
    let request = Request::post(path).header("content-type", "application/json").header("idempotency-key", key);
    rig.ask(token, request, Body::from(body.to_string())).await
}

const ORDERS: &str = "/api/v1/orders";

async fn orders(rig: &Rig) -> Value {
    rig.get(None, ORDERS).await.json()["total"].clone()
}

#[tokio::test]
async fn the_same_key_and_body_get_the_first_answer() {
    let rig = Rig::new().await;
    let body = json!({ "tenant": "ACME", "count": 2 });
    let first = keyed(&rig, None, "k1", ORDERS, &body).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (StatusCode::CREATED, ""), "{first:?}");
    let again = keyed(&rig, None, "k1", ORDERS, &body).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CREATED, "true"));
    assert_eq!(again.text, first.text);
    for name in ["etag", "location", "content-type"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(orders(&rig).await, 1);
    let other = keyed(&rig, None, "k1", ORDERS, &json!({ "tenant": "ACME", "count": 3 })).await;
    assert_eq!((other.status, other.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));
    assert_eq!(keyed(&rig, None, "k2", ORDERS, &body).await.header("idempotency-replayed"), "");
    assert_eq!(orders(&rig).await, 2);
}

#[tokio::test]
async fn a_key_is_its_callers_own() {
    let rig = Rig::new().await;
    let body = json!({ "tenant": "ACME", "count": 1 });
    let operator = rig.token(Role::Operator, None, None).await;
    keyed(&rig, None, "k", ORDERS, &body).await;
    let theirs = keyed(&rig, Some(&operator), "k", ORDERS, &body).await;
    assert_eq!((theirs.status, theirs.header("idempotency-replayed")), (StatusCode::CREATED, ""));
    assert_eq!(orders(&rig).await, 2);
}

#[tokio::test]
async fn refusals_are_kept_and_keys_are_checked() {
    let rig = Rig::new().await;
    rig.put(ready(1, "ams")).await;
    let path = "/api/v1/servers/AMS-SRV-00001/requests";
    let refused = keyed(&rig, None, "k", path, &json!("release")).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "not-active"));
    assert_eq!(keyed(&rig, None, "k", path, &json!("release")).await.header("idempotency-replayed"), "true");
    for key in ["", "two words", &"k".repeat(129)] {
        assert_eq!(keyed(&rig, None, key, path, &json!("release")).await.status, StatusCode::BAD_REQUEST, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_runs() {
    let rig = Arc::new(Rig::new().await);
    let body = json!({ "tenant": "ACME", "count": 1 });
    let all = (0..50).map(|_| {
        let (rig, body) = (rig.clone(), body.clone());
        tokio::spawn(async move { keyed(&rig, None, "same", ORDERS, &body).await })
    });
    let answers: Vec<Answer> = join_all(all).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(orders(&rig).await, 1);
    let first: Vec<_> = answers
        .iter()
        .filter(|one| one.header("idempotency-replayed").is_empty() && one.status == StatusCode::CREATED)
        .collect();
    assert_eq!(first.len(), 1);
    for answer in &answers {
        let said = answer.status == StatusCode::CREATED && answer.text == first[0].text;
        assert!(said || answer.code() == "in-progress", "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_its_answer_behind() {
    let rig = Rig::new().await;
    let body = json!({ "tenant": "ACME", "count": 1 });
    // Polled once and dropped: the request is on its way, and nobody waits for it.
    let gone = keyed(&rig, None, "gone", ORDERS, &body);
    tokio::select! { biased; _ = gone => {} () = async { tokio::task::yield_now().await; tokio::task::yield_now().await } => {} }
    let again = keyed(&rig, None, "gone", ORDERS, &body).await;
    assert!(again.status == StatusCode::CREATED || again.code() == "in-progress", "{again:?}");
    assert!(orders(&rig).await.as_u64().unwrap() <= 1);
}
