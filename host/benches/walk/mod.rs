//! The library's functions called without the host: the most that the store can do.
//!
//! Promises the calls of one lifecycle (observe, commit, then six times take, begin, commit) with records and journal entries of real
//! length. Nothing is decided, written as JSON or read from it here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use farrier_lifecycle::{Server, Stage};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value, cmd};
use tokio::sync::Semaphore;

const TEXT: &str = include_str!("../../src/bus/redis/bus.lua");

/// What one commit writes.
struct Change {
    record: String,
    journal: String,
    /// Stream, token and text of the command that follows.
    next: Option<(&'static str, String, String)>,
}

/// The changes of one lifecycle, the same for every server.
pub struct Walk {
    connection: MultiplexedConnection,
    changes: Arc<Vec<Change>>,
}

fn call(function: &str) -> Cmd {
    let mut call = cmd("FCALL");
    call.arg(format!("farrier_bench_{function}")).arg(1).arg("farrier:journal").arg("");
    call
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        other => panic!("no text: {other:?}"),
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        other => panic!("no list: {other:?}"),
    }
}

impl Walk {
    /// Load the library; `records` are those of one server, from unseen to rest.
    pub async fn load(url: &str, records: &[Server]) -> Self {
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let library = TEXT.replace("@ID@", "bench");
        let _: String = cmd("FUNCTION").arg("LOAD").arg(library).query_async(&mut connection).await.unwrap();
        let changes = records.iter().skip(1).map(|server| {
            let command = server.outstanding();
            Change {
                record: serde_json::to_string(server).unwrap(),
                // As long as a journal entry with a note.
                journal: "j".repeat(400),
                next: command.map(|command| {
                    let data = serde_json::to_string(&command).unwrap();
                    (command.stage.stream().unwrap_or_default(), command.token.to_string(), data)
                }),
            }
        });
        Self { connection, changes: Arc::new(changes.collect()) }
    }

    /// The `at`-th change of a server (from 1), with its fence and whether that ends the attempt.
    async fn commit(connection: &mut MultiplexedConnection, change: &Change, id: &str, at: usize, fence: &[String]) {
        let (stream, token, data) = change.next.clone().unwrap_or_default();
        let mut commit = call("commit");
        commit.arg(id).arg(at - 1).arg(at).arg(&change.record).arg(stream).arg(token).arg("");
        commit.arg("10.0.0.1").arg(1).arg("0").arg(format!("{id}{at}{}", change.journal)).arg(30).arg(604_800_000);
        commit.arg(data).arg(if fence.is_empty() { "" } else { "1" }).arg("").arg("").arg(fence);
        let answer: Value = commit.query_async(connection).await.unwrap();
        assert_eq!(text(&answer), "done");
    }

    async fn lease(connection: &mut MultiplexedConnection, changes: &[Change], id: &str) {
        let _: Value = call("observe")
            .arg(id)
            .arg("10.0.0.1")
            .arg(1)
            .arg(60_000)
            .arg("")
            .arg("")
            .query_async(connection)
            .await
            .unwrap();
        Self::commit(connection, &changes[0], id, 1, &[]).await;
    }

    /// Begin and commit one entry; whether its server rests now.
    async fn work(connection: &mut MultiplexedConnection, changes: &[Change], entry: Value) -> bool {
        let mut parts = list(entry).into_iter();
        let (stream, entry, fields) =
            (text(&parts.next().unwrap()), text(&parts.next().unwrap()), list(parts.next().unwrap()));
        let (id, token, data) = (text(&fields[1]), text(&fields[3]), text(&fields[5]));
        let mut begin = call("begin");
        begin
            .arg("walk")
            .arg("")
            .arg(30_000)
            .arg(&stream)
            .arg(&entry)
            .arg(&id)
            .arg(&token)
            .arg(data)
            .arg("owner")
            .arg(5);
        let answer = list(begin.query_async(connection).await.unwrap());
        assert_eq!(text(&answer[0]), "run");
        let at =
            changes.iter().position(|change| change.next.as_ref().is_some_and(|next| next.1 == token)).unwrap() + 2;
        let fence = [id.clone(), stream, token, text(&answer[1]), "owner".to_owned(), entry];
        Self::commit(connection, &changes[at - 1], &id, at, &fence).await;
        at == changes.len()
    }

    /// Every server from its lease to rest; lifecycles per second.
    pub async fn through(self, servers: usize, permits: usize) -> f64 {
        let streams: Vec<&str> = Stage::WORKED.into_iter().filter_map(Stage::stream).collect();
        let (all, rested) = (Arc::new(Semaphore::new(permits)), Arc::new(AtomicUsize::new(0)));
        let begin = Instant::now();
        let (mut feed, changes) = (self.connection.clone(), Arc::clone(&self.changes));
        let feeder = tokio::spawn(async move {
            for n in 0..servers {
                Self::lease(&mut feed, &changes, &format!("{n:012x}")).await;
            }
        });
        let mut reader = self.connection.clone();
        while rested.load(Ordering::Relaxed) < servers {
            let mut held = vec![all.clone().acquire_owned().await.unwrap()];
            while let Ok(more) = all.clone().try_acquire_owned() {
                held.push(more);
            }
            let mut take = call("take");
            take.arg("walk").arg("").arg(30_000).arg(held.len()).arg(held.len().div_ceil(streams.len())).arg(&streams);
            let answer = list(take.query_async(&mut reader).await.unwrap());
            for (entry, permit) in list(answer[0].clone()).into_iter().zip(held) {
                let (mut connection, changes, rested) =
                    (reader.clone(), Arc::clone(&self.changes), Arc::clone(&rested));
                tokio::spawn(async move {
                    if Self::work(&mut connection, &changes, entry).await {
                        rested.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(permit);
                });
            }
        }
        let rate = servers as f64 / begin.elapsed().as_secs_f64();
        feeder.await.unwrap();
        rate
    }
}
