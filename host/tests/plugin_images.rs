//! Firmware images through the broker: streamed, named, checked, guarded, and never sent whole where something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod plugin_support;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request as Incoming;
use axum::http::{HeaderMap, StatusCode};
use farrier::config::Bmc;
use farrier::egress::{Denied, Effect, Gate, Standing};
use farrier::plugin::broker::Failure;
use farrier::plugin::wit::http::{
    Body, HttpError, Method, Part, PartContent, Request, Response, SecretRef, TextOrSecret,
};
use farrier::plugin::wit::metadata::AuthScheme;
use farrier::plugin::{Broker, Endpoint, Exchange, Images, Secrets};
use farrier_lifecycle::{Action, Lease, Server as Record, ServerId};
use futures_util::StreamExt as _;
use plugin_support::server::{Reply, Server};
use plugin_support::{broker_with, target};
use sha2::{Digest as _, Sha256};
use url::Url;

/// What an upload looked like on the controller's side.
#[derive(Clone, Debug, Default)]
struct Taken {
    headers: HeaderMap,
    bytes: u64,
    digest: String,
    whole: bool,
    /// The body, where it is small.
    body: Vec<u8>,
    /// KiB resident at most while it came in.
    resident: u64,
}

/// A controller that takes uploads at `/upload`, after `delay`, and logs anybody in.
async fn controller(delay: Duration) -> (Url, Arc<Mutex<Vec<Taken>>>) {
    let taken: Arc<Mutex<Vec<Taken>>> = Arc::default();
    let kept = Arc::clone(&taken);
    let router = Router::new().fallback(move |request: Incoming| {
        let kept = Arc::clone(&kept);
        async move {
            let (parts, body) = request.into_parts();
            if parts.uri.path() != "/upload" {
                return (StatusCode::CREATED, [("x-auth-token", "the-session-token")], "{}");
            }
            let mut seen = Taken { headers: parts.headers, whole: true, ..Taken::default() };
            let (mut sha, mut chunks) = (Sha256::new(), body.into_data_stream());
            while let Some(chunk) = chunks.next().await {
                let Ok(chunk) = chunk else {
                    seen.whole = false;
                    break;
                };
                seen.bytes += chunk.len() as u64;
                seen.resident = seen.resident.max(resident());
                sha.update(&chunk);
                if seen.bytes < 1 << 20 {
                    seen.body.extend_from_slice(&chunk);
                }
            }
            seen.digest = hex(sha);
            kept.lock().unwrap().push(seen);
            tokio::time::sleep(delay).await;
            (StatusCode::ACCEPTED, [("x-auth-token", "unused")], "{}")
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (origin, taken)
}

fn hex(sha: Sha256) -> String {
    format!("{:x}", sha.finalize())
}

/// KiB of this process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A file of so many MiB, and its digest. Written in pieces, so that writing it does not grow the process either.
fn image(path: &Path, mib: u64) -> String {
    let (mut sha, mut file) = (Sha256::new(), std::fs::File::create(path).unwrap());
    for number in 0..mib {
        let piece = vec![u8::try_from(number % 251).unwrap(); 1 << 20];
        sha.update(&piece);
        std::io::Write::write_all(&mut file, &piece).unwrap();
    }
    hex(sha)
}

fn broker(request_timeout_ms: u64) -> Broker {
    broker_with(&Bmc { request_timeout_ms, rate: 10_000, max_response_mib: 1, ..Bmc::default() })
}

fn endpoint(broker: &Broker, origin: &Url, auth: AuthScheme) -> Arc<Endpoint> {
    broker.endpoint(&target(origin, auth, "right")).unwrap()
}

async fn upload(endpoint: &Endpoint, body: Body, images: &Images, gate: &Gate) -> Result<Response, Failure> {
    upload_within(endpoint, body, images, gate, Duration::from_secs(30)).await
}

async fn upload_within(
    endpoint: &Endpoint,
    body: Body,
    images: &Images,
    gate: &Gate,
    time: Duration,
) -> Result<Response, Failure> {
    let cookie = TextOrSecret::Secret(SecretRef { prefix: "sessionKey=".to_owned(), name: "session".to_owned() });
    let form = matches!(&body, Body::Multipart(_));
    let request = Request {
        method: Method::Post,
        path: "/upload".to_owned(),
        headers: form.then(|| ("Cookie".to_owned(), cookie)).into_iter().collect(),
        body,
        timeout: None,
    };
    let secrets = Secrets::none();
    let exchange = Exchange { gate, secrets: &secrets, images, deadline: Instant::now() + time, questions: &[] };
    endpoint.send(&request, &exchange).await
}

fn may() -> Gate {
    Gate::detached(Effect::Act(Action::Firmware))
}

fn one(digest: &str, path: PathBuf) -> Images {
    Images::of([(digest.to_ascii_uppercase(), path)])
}

#[tokio::test]
async fn a_large_image_is_streamed_with_its_length_and_without_taking_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.bin");
    let digest = image(&path, 64);
    let (origin, taken) = controller(Duration::ZERO).await;
    let broker = broker(15_000);
    let before = resident();
    let endpoint = endpoint(&broker, &origin, AuthScheme::None);
    let answer = upload(&endpoint, Body::Image(digest.clone()), &one(&digest, path), &may()).await.unwrap();
    assert_eq!(answer.status, 202);
    let seen = taken.lock().unwrap()[0].clone();
    assert_eq!((seen.bytes, seen.whole, seen.digest), (64 << 20, true, digest));
    assert_eq!(seen.headers["content-length"], (64 << 20).to_string().as_str());
    assert_eq!(seen.headers["content-type"], "application/octet-stream");
    assert!(!seen.headers.contains_key("transfer-encoding") && !seen.headers.contains_key("expect"));
    let grown = seen.resident.saturating_sub(before);
    assert!(grown < 12 << 10, "{grown} KiB more for an upload of 64 MiB");
}

#[tokio::test]
async fn parts_go_out_in_order_with_the_files_own_name_and_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ilo5_311.fwpkg");
    std::fs::write(&path, b"the image").unwrap();
    let digest = hex(Sha256::new_with_prefix(b"the image"));
    let (origin, taken) = controller(Duration::ZERO).await;
    let broker = broker(15_000);
    let endpoint = endpoint(&broker, &origin, AuthScheme::RedfishSession);
    let part = |name: &str, filename: Option<&str>, content_type: &str, content: PartContent| Part {
        name: name.to_owned(),
        filename: filename.map(str::to_owned),
        content_type: content_type.to_owned(),
        content,
    };
    let session = SecretRef { prefix: String::new(), name: "session".to_owned() };
    let parts = vec![
        part("sessionKey", None, "", PartContent::Secret(session)),
        part("parameters", None, "application/json", PartContent::Text("{\"a\":1}".to_owned())),
        part("file", None, "application/octet-stream", PartContent::Image(digest.clone())),
        part("again", Some("other.exe"), "application/octet-stream", PartContent::Image(digest.clone())),
    ];
    upload(&endpoint, Body::Multipart(parts), &one(&digest, path), &may()).await.unwrap();
    let seen = taken.lock().unwrap()[0].clone();
    assert_eq!(seen.headers["cookie"], "sessionKey=the-session-token");
    assert_eq!(seen.headers["x-auth-token"], "the-session-token");
    assert_eq!(seen.headers["content-length"], seen.bytes.to_string().as_str());
    let body = String::from_utf8(seen.body).unwrap();
    let pieces = [
        "name=\"sessionKey\"\r\n\r\nthe-session-token\r\n",
        "name=\"parameters\"\r\nContent-Type: application/json\r\n\r\n{\"a\":1}\r\n",
        "name=\"file\"; filename=\"ilo5_311.fwpkg\"\r\nContent-Type: application/octet-stream\r\n\r\nthe image\r\n",
        "name=\"again\"; filename=\"other.exe\"\r\n",
    ];
    let places: Vec<usize> =
        pieces.iter().map(|piece| body.find(piece).unwrap_or_else(|| panic!("{piece} {body}"))).collect();
    assert!(places.is_sorted(), "{body}");
}

#[tokio::test]
async fn an_upload_that_needs_a_session_waits_for_one() {
    let refused = AtomicU32::new(1);
    let server = Server::start(move |seen| match seen.method.as_str() {
        "POST" if seen.path.ends_with("/Sessions") => {
            match refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
                Ok(_) => Reply::status(503),
                Err(_) => Reply::status(201).with("x-auth-token", "late-token"),
            }
        }
        _ => Reply::text("{}"),
    })
    .await;
    let broker = broker(15_000);
    let endpoint = endpoint(&broker, &server.origin, AuthScheme::RedfishSession);
    let form = || Body::Multipart(Vec::new());
    let failure = upload(&endpoint, form(), &Images::none(), &may()).await.unwrap_err();
    assert_eq!(failure.error, HttpError::Throttled(30_000));
    assert_eq!(server.count("POST /upload"), 0);
    assert!(upload(&endpoint, form(), &Images::none(), &may()).await.is_ok());
    assert_eq!(server.last().header("cookie"), Some("sessionKey=late-token"));
}

#[tokio::test]
async fn an_image_that_is_not_what_its_digest_says_never_arrives_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bin");
    let digest = image(&path, 3);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1 << 20] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let (origin, taken) = controller(Duration::ZERO).await;
    let broker = broker(15_000);
    let endpoint = endpoint(&broker, &origin, AuthScheme::None);
    let failure = upload(&endpoint, Body::Image(digest.clone()), &one(&digest, path), &may()).await.unwrap_err();
    let Some(Denied::Image { problem }) = &failure.denied else { panic!("{failure:?}") };
    assert!(problem.contains("x.bin") && problem.contains(&digest), "{problem}");
    assert!(matches!(&failure.error, HttpError::Denied(text) if text.starts_with("image-unusable")), "{failure:?}");
    let until = Instant::now() + Duration::from_secs(5);
    while taken.lock().unwrap().is_empty() {
        assert!(Instant::now() < until, "the controller never noticed");
        tokio::task::yield_now().await;
    }
    let seen = taken.lock().unwrap()[0].clone();
    assert!(!seen.whole && seen.bytes < 3 << 20, "{} bytes arrived", seen.bytes);
}

#[tokio::test]
async fn what_is_not_there_or_not_granted_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone.bin");
    let digest = image(&path, 1);
    let (origin, taken) = controller(Duration::ZERO).await;
    let broker = broker(15_000);
    let endpoint = endpoint(&broker, &origin, AuthScheme::None);
    let body = || Body::Image(digest.clone());
    let other = one(&"0".repeat(64), path.clone());
    for images in [Images::none(), other] {
        let failure = upload(&endpoint, body(), &images, &may()).await.unwrap_err();
        assert!(matches!(&failure.error, HttpError::Denied(text) if text.contains(&digest)), "{failure:?}");
        assert!(failure.denied.is_none(), "the plugin's own mistake");
    }
    let granted = one(&digest, path.clone());
    assert!(upload(&endpoint, body(), &granted, &Gate::detached(Effect::Look)).await.is_err());
    std::fs::remove_file(&path).unwrap();
    let failure = upload(&endpoint, body(), &granted, &may()).await.unwrap_err();
    assert!(matches!(failure.denied, Some(Denied::Image { .. })), "{failure:?}");
    assert!(granted.time().is_none() && taken.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_has_more_time_than_a_request_and_no_more_than_its_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bin");
    let digest = image(&path, 1);
    let (origin, _taken) = controller(Duration::from_secs(1)).await;
    let broker = broker(200);
    let endpoint = endpoint(&broker, &origin, AuthScheme::None);
    let images = one(&digest, path);
    assert!(images.time().unwrap() > Duration::from_mins(1));
    let send = |body: Body, time| upload_within(&endpoint, body, &images, &GATE, time);
    let long = Duration::from_secs(20);
    assert!(send(Body::Image(digest.clone()), long).await.is_ok());
    let ordinary = send(Body::Json("{}".to_owned()), long).await;
    assert_eq!(ordinary.unwrap_err().error, HttpError::TimedOut);
    let late = send(Body::Image(digest.clone()), Duration::from_millis(400)).await;
    assert_eq!(late.unwrap_err().error, HttpError::TimedOut);
}

static GATE: Gate = Gate::detached(Effect::Act(Action::Firmware));

/// A store that answers so many times.
struct Answers(AtomicU32, Record);

#[async_trait]
impl Standing for Answers {
    async fn standing(&self, _: &ServerId) -> Result<Option<Record>, String> {
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Ok(Some(self.1.clone())),
            Err(_) => Err("the store is gone".to_owned()),
        }
    }
}

#[tokio::test]
async fn the_guard_is_asked_again_before_the_last_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bin");
    let digest = image(&path, 2);
    let (origin, taken) = controller(Duration::ZERO).await;
    let broker = broker(15_000);
    let endpoint = endpoint(&broker, &origin, AuthScheme::None);
    let record = Record::unseen(Lease {
        mac: "94:40:c9:00:00:01".parse().unwrap(),
        ip: "127.0.0.1".parse().unwrap(),
        hostname: None,
        vendor_class: None,
        at: farrier::egress::now(),
        source: String::new(),
    });
    let gate = |answers| Gate {
        server: Some(record.id.clone()),
        standing: Some(Arc::new(Answers(AtomicU32::new(answers), record.clone()))),
        ..may()
    };
    let images = one(&digest, path);
    assert!(upload(&endpoint, Body::Image(digest.clone()), &images, &gate(2)).await.is_ok());
    let failure = upload(&endpoint, Body::Image(digest.clone()), &images, &gate(1)).await.unwrap_err();
    assert!(matches!(failure.denied, Some(Denied::Unknown { .. })), "{failure:?}");
    let taken = taken.lock().unwrap();
    assert_eq!(taken.iter().filter(|seen| seen.whole).count(), 1, "the second was broken off");
}
