//! Components that mean harm: each is stopped, is the plugin's fault, and the next call works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod plugin_support;

use std::time::{Duration, Instant};

use farrier::egress::{Effect, Gate};
use farrier::fault::Blame;
use farrier::plugin::wit::metadata::AuthScheme;
use farrier::plugin::wit::types::Error;
use farrier::plugin::{CallError, Driver, Lend, Plugins};
use plugin_support::component::Hostile;
use plugin_support::server::{Reply, Server};
use plugin_support::{broker, settings, target};

struct Rig {
    driver: Driver,
    lend: Lend,
    server: Server,
    _dir: tempfile::TempDir,
}

async fn rig(hostile: Hostile) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    hostile.write(dir.path());
    let (plugins, problems) = Plugins::open_uncached(&settings(dir.path())).await.unwrap();
    assert_eq!(problems, [], "{}", hostile.name);
    let server = Server::start(|_| Reply::text("{}")).await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    let lend = Lend::new(endpoint, Gate::detached(Effect::Look));
    Rig { driver: plugins.driver(hostile.name).unwrap(), lend, server, _dir: dir }
}

impl Rig {
    async fn call(&self) -> Result<usize, CallError> {
        self.driver.read_sensors(&self.lend).await.map(|readings| readings.len())
    }

    /// Stopped twice in the same way: the first time left nothing behind.
    async fn stopped(&self) -> CallError {
        let first = self.call().await.unwrap_err();
        let second = self.call().await.unwrap_err();
        assert_eq!(first.to_string(), second.to_string());
        let fault = second.fault();
        assert_eq!((fault.code.as_str(), fault.blame), ("plugin-fault", Blame::Plugin), "{fault}");
        second
    }
}

fn body(body: &'static str) -> Hostile {
    Hostile { body, ..Hostile::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_one_answers() {
    assert_eq!(rig(Hostile::default()).await.call().await.unwrap(), 0);
}

#[tokio::test]
async fn a_loop_ends_with_its_budget_and_keeps_no_thread() {
    let rig = rig(body("(loop $on (br $on)) (unreachable)")).await;
    let begun = Instant::now();
    let (error, ticks) = tokio::join!(rig.stopped(), async {
        // One thread runs everything here: if the guest kept it, no tick would come before the end.
        let mut ticks = 0;
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        while begun.elapsed() < Duration::from_millis(100) {
            interval.tick().await;
            ticks += 1;
        }
        ticks
    });
    assert!(matches!(error, CallError::CpuBudget { millis: 100, .. }), "{error:?}");
    assert!(ticks >= 1, "no tick came while the guest computed");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn memory_without_end_is_refused() {
    let error =
        rig(body("(loop $on (drop (memory.grow (i32.const 16))) (br $on)) (unreachable)")).await.stopped().await;
    assert!(matches!(&error, CallError::OutOfMemory { limit, .. } if limit.contains("64 MiB")), "{error:?}");
}

#[tokio::test]
async fn a_trap_has_a_backtrace_with_names() {
    let helpers = "(func $deep (result i32) (unreachable))";
    let error = rig(Hostile { helpers, ..body("(call $deep)") }).await.stopped().await;
    let CallError::Trap { backtrace, message, .. } = &error else { panic!("{error:?}") };
    assert!(message.contains("unreachable"), "{message}");
    assert!(backtrace.contains("deep"), "{backtrace}");
}

#[tokio::test]
async fn recursion_without_end_is_a_trap() {
    let helpers = "(func $down (result i32) (i32.add (i32.const 1) (call $down)))";
    let error = rig(Hostile { helpers, ..body("(call $down)") }).await.stopped().await;
    assert!(error.to_string().contains("call stack exhausted"), "{error}");
}

#[tokio::test]
async fn another_origin_and_the_hosts_headers_are_denied_before_anything_is_sent() {
    for (path, header) in [
        ("https://127.0.0.2/redfish/v1/", "accept"),
        ("//127.0.0.2/redfish/v1/", "accept"),
        ("/redfish/../../etc/passwd", "accept"),
        ("/redfish/%2e%2e/x", "accept"),
        ("/redfish/v1/", "Authorization"),
        ("/redfish/v1/", "Host"),
        ("/redfish/v1/", "Cookie"),
    ] {
        let asks =
            Hostile { path, header, ..body("(call $ask (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))") };
        let rig = rig(asks).await;
        let error = rig.call().await.unwrap_err();
        assert!(matches!(&error, CallError::Plugin(Error::Denied(_))), "{path} {header}: {error:?}");
        assert_eq!(error.fault().blame, Blame::Plugin);
        assert_eq!(rig.server.lines(), [""; 0], "{path} {header}");
    }
}

#[tokio::test]
async fn a_function_that_looks_cannot_write_and_the_guard_names_it() {
    // Method 2 is POST; the plugin calls it reading sensors.
    let asks = body("(call $ask (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0))");
    let rig = rig(asks).await;
    let error = rig.call().await.unwrap_err();
    assert!(matches!(error, CallError::Refused(farrier::egress::Denied::LookOnly)), "{error:?}");
    assert_eq!(rig.server.lines(), [""; 0]);
}

#[tokio::test]
async fn asking_for_its_own_path_works() {
    let rig = rig(body("(call $ask (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))")).await;
    assert_eq!(rig.call().await.unwrap(), 0);
    assert_eq!(rig.server.lines(), ["GET /redfish/v1/"]);
}

/// GET `PATH` so many times at once; the answers' place is at 256. A request is 48 bytes, an answer 32.
const MANY: &str = "
  (func $many (param $count i32)
    (local $at i32) (local $left i32)
    (local.set $at (i32.const 0x10000)) (local.set $left (local.get $count))
    (loop $on
      (i32.store offset=4 (local.get $at) (i32.const 640)) (i32.store offset=8 (local.get $at) (i32.const PATHLEN))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $on (local.get $left)))
    (global.set $next (local.get $at))
    (call $send_many (i32.const 0x10000) (local.get $count) (i32.const 8) (i32.const 256)))
  (func $answer (param $index i32) (result i32)
    (i32.add (i32.load (i32.const 256)) (i32.mul (local.get $index) (i32.const 32))))";

#[tokio::test]
async fn more_requests_at_once_than_anybody_needs_are_denied() {
    let asks = "(drop (memory.grow (i32.const 8)))
        (call $many (i32.const 1001))
        (call $fail (i32.add (i32.load8_u offset=8 (call $answer (i32.const 1000))) (i32.const 9))
          (i32.load offset=16 (call $answer (i32.const 1000))) (i32.load offset=20 (call $answer (i32.const 1000))))";
    let rig = rig(Hostile { helpers: MANY, ..body(asks) }).await;
    let error = rig.call().await.unwrap_err();
    assert!(matches!(&error, CallError::Plugin(Error::Denied(text)) if text.contains("1000 requests")), "{error:?}");
    assert_eq!(rig.server.lines(), [""; 0]);
}

#[tokio::test]
async fn answers_collected_at_once_have_room_for_half_of_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    // The fourth fits, and from the sixth on nothing does: none of them may come.
    let asks = "(drop (memory.grow (i32.const 50)))
        (call $many (i32.const 100))
        (if (i32.load8_u (call $answer (i32.const 3))) (then (unreachable)))
        (if (i32.ne (i32.load8_u offset=8 (call $answer (i32.const 5))) (i32.const 4)) (then (unreachable)))
        (if (i32.ne (i32.load8_u offset=8 (call $answer (i32.const 99))) (i32.const 4)) (then (unreachable)))
        (call $nothing)";
    Hostile { helpers: MANY, ..body(asks) }.write(dir.path());
    let settings = farrier::config::Plugins { memory_mib: 4, ..settings(dir.path()) };
    let (plugins, _) = Plugins::open_uncached(&settings).await.unwrap();
    let server = Server::start(|_| Reply::text(vec![b'x'; 400 << 10])).await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    let lend = Lend::new(endpoint, Gate::detached(Effect::Look));
    assert_eq!(plugins.driver("hostile").unwrap().read_sensors(&lend).await.unwrap().len(), 0);
    assert!(server.lines().len() < 20, "{}", server.lines().len());
}

#[tokio::test]
async fn a_huge_copy_is_refused() {
    let grows = "(drop (memory.grow (i32.const 512)))
        (call $ask (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0x1400000))";
    let error = rig(body(grows)).await.stopped().await;
    assert!(error.to_string().contains("too much data"), "{error}");
}

#[tokio::test]
async fn there_is_no_environment() {
    let counts = "(call $environment (i32.const 256))
        (if (i32.load (i32.const 260)) (then (unreachable)))
        (call $nothing)";
    assert!(std::env::vars().next().is_some());
    assert_eq!(rig(body(counts)).await.call().await.unwrap(), 0);
}

#[tokio::test]
async fn sleeping_is_refused() {
    let error = rig(body("(drop (call $sleep (i64.const 1000000000))) (call $nothing)")).await.stopped().await;
    assert!(error.to_string().contains("cannot sleep"), "{error}");
}

#[tokio::test]
async fn waiting_for_a_slow_controller_is_not_the_plugins_fault() {
    let dir = tempfile::tempdir().unwrap();
    let asks = body("(call $ask (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))");
    asks.write(dir.path());
    let (plugins, _) = Plugins::open_uncached(&settings(dir.path())).await.unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    let endpoint = broker().endpoint(&target(&origin, AuthScheme::None, "x")).unwrap();
    let mut lend = Lend::new(endpoint, Gate::detached(Effect::Look));
    lend.timeout = Some(Duration::from_millis(300));
    let fault = plugins.driver("hostile").unwrap().read_sensors(&lend).await.unwrap_err().fault();
    assert_ne!(fault.code, "plugin-fault", "{fault}");
}
