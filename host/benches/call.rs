//! What the sandbox costs: a call of a real driver in a fresh instance, against wasmtime's bare instantiation of the same component.
//!
//! The call is `jobs.poll` for a job whose path climbs: the guest runs, is refused before anything is sent, and answers with a typed
//! error. The same call with one request that is answered shows what HTTP adds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use farrier::config::{Bmc, Plugins as Settings};
use farrier::egress::{Effect, Gate};
use farrier::plugin::wit::metadata::AuthScheme;
use farrier::plugin::wit::types::Job;
use farrier::plugin::{Broker, CallError, Driver, Lend, MemoryPins, Plugins, Target};
use support::{Limit, Report, Times};
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

const CALLS: usize = 2_000;
const TASK: &str =
    r#"{"@odata.id":"/redfish/v1/TaskService/Tasks/1","Id":"1","TaskState":"Running","PercentComplete":40}"#;

/// The component on an engine with the host's settings and nothing of the host's around it.
fn bare(wasm: &[u8]) -> (Engine, InstancePre<()>) {
    let mut pool = PoolingAllocationConfig::new();
    pool.linear_memory_keep_resident(64 << 10).max_memory_size(64 << 20).total_memories(128).total_core_instances(512);
    let mut config = Config::new();
    config.epoch_interruption(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, wasm).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&component).unwrap();
    let pre = linker.instantiate_pre(&component).unwrap();
    (engine, pre)
}

async fn instantiate(engine: &Engine, pre: &InstancePre<()>) -> Duration {
    let begin = Instant::now();
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    pre.instantiate_async(&mut store).await.unwrap();
    drop(store);
    begin.elapsed()
}

async fn call(driver: &Driver, lend: &Lend, id: &str) -> (Duration, bool) {
    let job = Job { id: id.to_owned(), title: "bench".to_owned(), poll_after: 1 };
    let begin = Instant::now();
    let answer = driver.poll(lend, &job).await;
    let time = begin.elapsed();
    match answer {
        Ok(_) => (time, true),
        Err(CallError::Plugin(_)) => (time, false),
        Err(other) => panic!("the call itself failed: {other}"),
    }
}

async fn lend() -> Lend {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let json = [("content-type", "application/json")];
    let router = Router::new().fallback(get(move || async move { (json, TASK) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let settings = Bmc { rate: 1_000_000, ..Bmc::default() };
    let broker = Broker::new(&settings, Arc::new(MemoryPins::default())).unwrap();
    let target = Target { origin, pin: "bench".to_owned(), auth: AuthScheme::None, login: None };
    Lend::new(broker.endpoint(&target).unwrap(), Gate::detached(Effect::Look))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut report = Report::new("call");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let dir = support::plugins(env!("CARGO_BIN_EXE_farrier"));
    let Ok(wasm) = std::fs::read(dir.join("redfish.wasm")) else {
        println!("SKIPPED: call: no redfish.wasm in {}; run `cargo xtask plugins`", dir.display());
        return ExitCode::SUCCESS;
    };
    let state = tempfile::tempdir().unwrap();
    let settings = Settings { dir, ..Settings::default() };
    let (loaded, problems) = Plugins::open(&settings, state.path(), None).await.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let (driver, lend) = (loaded.driver("redfish").unwrap(), lend().await);
    let (engine, pre) = bare(&wasm);

    let (mut bare, mut refused, mut answered) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..CALLS + 100 {
        let one = instantiate(&engine, &pre).await;
        let (no, sent) = call(&driver, &lend, "/redfish/v1/../Tasks/1").await;
        assert!(!sent, "a path that climbs is refused");
        let (yes, sent) = call(&driver, &lend, "/redfish/v1/TaskService/Tasks/1").await;
        assert!(sent, "the task is running");
        // The first rounds warm caches and the pool.
        if round >= 100 {
            bare.push(one);
            refused.push(no);
            answered.push(yes);
        }
    }
    let (bare, refused, answered) = (Times::new(bare), Times::new(refused), Times::new(answered));
    for (what, times) in
        [("bare instantiation", &bare), ("instance and call", &refused), ("the same with one request", &answered)]
    {
        report.figure(&format!("{what} p50"), times.p50() * 1e3, "us");
        report.figure(&format!("{what} p99"), times.p99() * 1e3, "us");
    }
    report.held("instance and call / bare instantiation, p50", refused.p50() / bare.p50(), "x", Limit::AtMost(6.0));
    report.held("instance and call, p99", refused.p99(), "ms", Limit::AtMost(2.0));
    report.end()
}
