//! What the listener does with who asks too much, too slowly, or at too great length; and what every answer says to a browser.

use std::time::{Duration, Instant};

use super::support::{Site, bearer};
use farrier::access::Role;
use farrier::config::Api;
use farrier::http::serve::Patience;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the listener answers to these bytes, until it closes.
async fn raw(site: &Site, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    // It may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the listener keeps the connection open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn one_who_asks_too_much_waits_and_others_do_not() {
    let site = Site::with(Api { rate: 2, ..Api::default() }, Patience::new(64)).await;
    let ana = bearer(&site.token("ana", &[Role::Viewer]).await);
    let ben = bearer(&site.token("ben", &[Role::Viewer]).await);
    let mut refused = None;
    for _ in 0..50 {
        let answer = site.get("/test/me", &[("authorization", &ana)]).await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("fifty at once are more than two a second");
    assert_eq!(
        (refused.status, refused.code().as_str(), refused.header("retry-after")),
        (429, "too-many-requests", "1")
    );
    assert_eq!(site.get("/test/me", &[("authorization", &ben)]).await.status, 200);
}

#[tokio::test]
async fn guessing_is_slow() {
    let site = Site::with(Api { rate: 10_000, ..Api::default() }, Patience::new(64)).await;
    let good = bearer(&site.token("ana", &[Role::Viewer]).await);
    let guess = json!({ "token": format!("far_{}_{}", "0".repeat(12), "0".repeat(64)) });
    let mut statuses = Vec::new();
    for _ in 0..25 {
        statuses.push(site.post("/auth/token", &[], guess.clone()).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
    let wrong = site.get("/test/me", &[("authorization", "Bearer far_1_2")]).await;
    assert_eq!(wrong.status, 429, "a wrong bearer token is a guess as well");
    assert!(wrong.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(site.get("/test/me", &[("authorization", &good)]).await.status, 200, "who is right pays nothing");
}

#[tokio::test]
async fn a_head_or_a_body_that_is_too_long_is_refused() {
    let site = Site::start().await;
    let huge = format!("GET /open HTTP/1.1\r\nhost: x\r\nx-huge: {}\r\n\r\n", "a".repeat(64 * 1024));
    let answer = raw(&site, huge.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = (0..200).fold("GET /open HTTP/1.1\r\nhost: x\r\n".to_owned(), |head, n| head + &format!("x-{n}: 1\r\n"));
    let answer = raw(&site, (many + "\r\n").as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let path = format!("GET /open?{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "a".repeat(9 * 1024));
    assert!(raw(&site, path.as_bytes()).await.starts_with("HTTP/1.1 414"));

    let said = b"POST /open HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\nconnection: close\r\n\r\n";
    assert!(raw(&site, said).await.starts_with("HTTP/1.1 413"), "refused by its length, before it comes");
    let mut unsaid =
        b"POST /open HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".to_vec();
    for _ in 0..20 {
        unsaid.extend_from_slice(b"10000\r\n");
        unsaid.extend(std::iter::repeat_n(b'a', 0x10000));
        unsaid.extend_from_slice(b"\r\n");
    }
    unsaid.extend_from_slice(b"0\r\n\r\n");
    let answer = raw(&site, &unsaid).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(site.post("/open", &[], json!("fits")).await.body, "6");
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let patience = Patience { headers: Duration::from_millis(300), ..Patience::new(2) };
    let site = Site::with(Api::default(), patience).await;
    let started = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream.write_all(b"GET /open HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
        slow.push(stream);
    }
    assert_eq!(site.get("/open", &[]).await.status, 200, "both connections were taken, and given back");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    for mut stream in slow {
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
    }
}

#[tokio::test]
async fn who_does_not_read_is_not_waited_for() {
    let patience = Patience { stall: Duration::from_millis(300), ..Patience::new(1) };
    let site = Site::with(Api::default(), patience).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(b"GET /flood HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let other = tokio::time::timeout(Duration::from_secs(20), site.get("/open", &[]));
    assert_eq!(other.await.expect("the one connection is given back").status, 200);
}

/// A connection from this address that has had an answer; `None`: it was closed at once.
async fn held(site: &Site, from: &str) -> Option<TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(site.address).await.unwrap();
    let asked = stream.write_all(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut buffer = [0; 512];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut buffer)).await.unwrap();
    (asked.is_ok() && read.is_ok_and(|read| read > 0)).then_some(stream)
}

#[tokio::test]
async fn one_address_does_not_hold_every_connection() {
    let site = Site::with(Api::default(), Patience { per_address: 2, ..Patience::new(8) }).await;
    let (first, second) = (held(&site, "127.0.0.1").await, held(&site, "127.0.0.1").await);
    assert!(first.is_some() && second.is_some());
    assert!(held(&site, "127.0.0.1").await.is_none(), "the third is closed");
    assert!(held(&site, "127.0.0.2").await.is_some(), "others are not");
    drop(first);
    let until = Instant::now() + Duration::from_secs(20);
    while held(&site, "127.0.0.1").await.is_none() {
        assert!(Instant::now() < until, "a share that is given back can be had again");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stop_ends_the_listener_in_time() {
    let patience = Patience { grace: Duration::from_millis(300), ..Patience::new(8) };
    let site = Site::with(Api::default(), patience).await;
    let mut idle = TcpStream::connect(site.address).await.unwrap();
    idle.write_all(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 512];
    assert!(idle.read(&mut buffer).await.unwrap() > 0, "answered, and kept alive");
    site.stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), site.done).await.unwrap().unwrap();
    assert!(TcpStream::connect(site.address).await.is_err());
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_load() {
    let site = Site::start().await;
    for (path, status) in
        [("/open", 200), ("/page", 401), ("/nothing", 404), ("/api/v1/tokens", 401), ("/auth/means", 200)]
    {
        let answer = site.get(path, &[]).await;
        assert_eq!(answer.status, status, "{path}");
        let csp = answer.header("content-security-policy");
        assert!(csp.starts_with("default-src 'none'; script-src 'self'") && !csp.contains("unsafe"), "{path}: {csp}");
        assert!(csp.contains("frame-ancestors 'none'") && csp.contains("base-uri 'none'"), "{path}: {csp}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "{path}: not in plain HTTP");
        let private = path.starts_with("/api/") || path.starts_with("/auth/");
        assert_eq!(answer.header("cache-control"), if private { "no-store" } else { "" }, "{path}");
    }
}
