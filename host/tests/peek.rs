//! An observer beside programs that work on the same Redis: it sees their leases, and takes none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;

use std::sync::Mutex;
use std::time::Duration;

use bus::server::Server as Redis;
use bus::{LONG, NOW, Stepped};
use farrier::bus::{Bus as _, Peek};
use farrier::ingest::{Filter, LeaseSink, SinkError, peek};
use farrier_lifecycle::{Lease, Stage};
use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

const DISCOVERED: &str = "netbox:bmc:discovered";
const LISTS: [&str; 2] = ["bm:events:dhcp_lease", "netbox:dhcp:leases"];

async fn ask<T: redis::FromRedisValue>(link: &mut MultiplexedConnection, words: &[&str]) -> T {
    redis::cmd(words[0]).arg(&words[1..]).query_async(link).await.unwrap()
}

fn lease(last: u8) -> String {
    format!(r#"{{"mac_address":"94:40:c9:00:00:{last:02x}","ip_address":"10.0.0.{last}","timestamp":{last}}}"#)
}

/// Everything there is, and what has been read and by whom.
async fn all(link: &mut MultiplexedConnection) -> Vec<String> {
    let mut seen = Vec::new();
    for key in LISTS {
        seen.extend(ask::<Vec<String>>(link, &["LRANGE", key, "0", "-1"]).await);
    }
    for words in [["XINFO", "GROUPS", DISCOVERED].as_slice(), &["XRANGE", DISCOVERED, "-", "+"], &["FUNCTION", "LIST"]]
    {
        seen.push(format!("{:?}", ask::<redis::Value>(link, words).await));
    }
    let mut keys: Vec<String> = ask(link, &["KEYS", "*"]).await;
    keys.sort();
    seen.extend(keys);
    seen
}

/// Keeps the addresses, and ends the run at the last.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>, CancellationToken);

#[async_trait::async_trait]
impl LeaseSink for Kept {
    async fn deliver(&self, lease: &Lease) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(lease.ip.to_string());
        if lease.ip.to_string() == "10.0.0.9" {
            self.1.cancel();
        }
        Ok(())
    }
}

#[tokio::test]
async fn leases_on_a_redis_in_use_are_seen_and_stay() {
    let Some(redis) = Redis::start() else { return };
    let mut raw = redis.raw().await;
    // As a host left it that has one entry in hand.
    let host = redis.bus(&Stepped::default().settings());
    host.check().await.unwrap();
    ask::<String>(&mut raw, &["XADD", DISCOVERED, "*", "d", &lease(4)]).await;
    assert_eq!(host.take(&[Stage::Discover], 1, LONG).await.unwrap().len(), 1);
    ask::<String>(
        &mut raw,
        &["XADD", DISCOVERED, "*", "mac_address", "94:40:c9:00:00:03", "ip_address", "10.0.0.3", "timestamp", "3"],
    )
    .await;
    ask::<i64>(&mut raw, &["RPUSH", LISTS[0], &lease(1), "no lease"]).await;
    ask::<i64>(&mut raw, &["LPUSH", LISTS[1], &lease(2)]).await;
    let before = all(&mut raw).await;

    let mut look = Peek::new(redis.bus(&Stepped::default().settings()));
    let first = look.look(NOW).await.unwrap();
    assert_eq!(first.len(), 5, "{first:?}");
    assert_eq!(look.look(Duration::from_millis(1)).await.unwrap(), Vec::<Vec<_>>::new(), "what was seen is no news");
    assert_eq!(all(&mut raw).await, before, "nothing was written or consumed");

    let (sink, filter) = (Kept::default(), Filter::default());
    let other = Peek::new(redis.bus(&Stepped::default().settings()));
    let end = sink.1.clone();
    let follow = Box::pin(peek::follow(other, &filter, &sink, &end));
    let come = Box::pin(async {
        ask::<i64>(&mut raw, &["LPUSH", LISTS[1], &lease(5)]).await;
        ask::<String>(&mut raw, &["XADD", DISCOVERED, "*", "d", &lease(9)]).await;
    });
    tokio::time::timeout(LONG, async { tokio::join!(follow, come) }).await.expect("the last lease is seen");
    let mut seen = sink.0.lock().unwrap().clone();
    seen.sort();
    assert_eq!(seen, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.9"]);
    assert_eq!(ask::<i64>(&mut raw, &["XLEN", DISCOVERED]).await, 3);
    assert_eq!(ask::<i64>(&mut raw, &["LLEN", LISTS[1]]).await, 2);
}

#[tokio::test]
async fn a_list_with_the_streams_name_is_read_where_it_is() {
    let Some(redis) = Redis::start() else { return };
    let mut raw = redis.raw().await;
    let mut look = Peek::new(redis.bus(&Stepped::default().settings()));
    assert_eq!(look.look(NOW).await.unwrap().len(), 0, "nothing is there yet");
    ask::<i64>(&mut raw, &["LPUSH", DISCOVERED, &lease(1), &lease(2)]).await;
    assert_eq!(look.look(NOW).await.unwrap().len(), 2);
    ask::<String>(&mut raw, &["RPOP", DISCOVERED]).await;
    ask::<i64>(&mut raw, &["LPUSH", DISCOVERED, &lease(3)]).await;
    assert_eq!(look.look(NOW).await.unwrap(), [vec![("d".to_owned(), lease(3))]], "the worker's next one");
    assert_eq!(ask::<String>(&mut raw, &["TYPE", DISCOVERED]).await, "list");
}
