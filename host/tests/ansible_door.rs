//! The door a playbook is given instead of a controller, seen from the playbook's side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod ansible_support;

use std::io::{BufRead, BufReader};

use ansible_support::{Controller, PASSWORD, at, free};
use farrier::ansible::Loopback;
use farrier::egress::Gate;
use farrier_lifecycle::Stage;

/// Takes any certificate, as the playbook does at this address.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn ask(door: &Loopback, method: &str, path: &str, body: &str) -> reqwest::Response {
    let method = method.parse().unwrap();
    let request = client().request(method, format!("{}{path}", door.url()));
    let request = request.basic_auth(door.username(), Some(door.password().expose()));
    request
        .header("If-Match", "\"7\"")
        .header("Content-Type", "application/json")
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn only_the_runs_own_credential_opens_it() {
    let controller = Controller::start(PASSWORD).await;
    let door = Loopback::start(controller.endpoint.clone(), free()).await.unwrap();
    let url = format!("{}/x/1", door.url());
    let other = Loopback::start(controller.endpoint.clone(), free()).await.unwrap();
    let given = [
        client().get(&url),
        client().get(&url).basic_auth(door.username(), Some("wrong")),
        client().get(&url).basic_auth("admin", Some(PASSWORD)),
        client().get(&url).bearer_auth(door.password().expose()),
        client().get(&url).basic_auth(other.username(), Some(other.password().expose())),
    ];
    for request in given {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(answer.headers().contains_key("www-authenticate"));
    }
    assert!(controller.seen().is_empty(), "{:?}", controller.seen());
    assert_eq!(ask(&door, "GET", "/x/1", "").await.status(), 200);
}

#[tokio::test]
async fn requests_and_answers_pass_without_what_is_the_hosts() {
    let controller = Controller::start(PASSWORD).await;
    let door = Loopback::start(controller.endpoint.clone(), free()).await.unwrap();
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        let body = if ["GET", "HEAD", "DELETE"].contains(&method) { "" } else { "{\"a\":1}" };
        let answer = ask(&door, method, "/x/Bios?$skip=50", body).await;
        assert_eq!(answer.status(), 200, "{method}");
        assert_eq!(answer.headers()["etag"], "\"7\"", "{method}");
        assert!(!answer.headers().contains_key("x-auth-token"), "{method}: a session is the host's own");
        let text = answer.text().await.unwrap();
        assert_eq!(text, if method == "HEAD" { String::new() } else { format!("{{\"method\":\"{method}\"}}") });
        let seen = controller.seen().pop().unwrap();
        assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.body.as_str()), (method, "/x/Bios?$skip=50", body));
        assert_eq!(seen.headers["if-match"], "\"7\"");
        if !body.is_empty() {
            assert_eq!(seen.headers["content-type"], "application/json");
        }
    }
    assert_eq!(ask(&door, "GET", "/x/teapot", "").await.status(), 418);
    assert_eq!(ask(&door, "OPTIONS", "/x/1", "").await.status(), 403);
    assert!(controller.seen().iter().all(|one| one.method != "OPTIONS"));
    assert!(door.refused().is_none());
}

#[tokio::test]
async fn the_guards_refusal_is_said_and_kept_and_nothing_leaves() {
    let observing = Gate { observe: true, ..at(Stage::Harden) };
    for (gate, code) in [(at(Stage::Service), "needs-approval"), (observing, "observing")] {
        let controller = Controller::start(PASSWORD).await;
        let door = Loopback::start(controller.endpoint.clone(), gate).await.unwrap();
        assert_eq!(ask(&door, "GET", "/x/1", "").await.status(), 200, "{code}: looking is permitted");
        let answer = ask(&door, "PATCH", "/x/1", "{}").await;
        assert_eq!(answer.status(), 403, "{code}");
        assert!(answer.text().await.unwrap().starts_with("refused by Farrier: "), "{code}");
        assert!(controller.seen().iter().all(|one| one.method == "GET"), "{code}: {:?}", controller.seen());
        assert_eq!(door.refused().map(|refused| refused.fault().code), Some(code.to_owned()));
    }
    let controller = Controller::start(PASSWORD).await;
    let door = Loopback::start(controller.endpoint.clone(), at(Stage::Harden)).await.unwrap();
    assert_eq!(ask(&door, "PATCH", "/x/1", "{}").await.status(), 200);
}

#[tokio::test]
async fn a_login_the_controller_refuses_is_kept_for_the_fault() {
    let controller = Controller::start("not-the-password").await;
    let door = Loopback::start(controller.endpoint.clone(), free()).await.unwrap();
    assert_eq!(ask(&door, "GET", "/x/1", "").await.status(), 502);
    assert_eq!(ask(&door, "GET", "/x/1", "").await.status(), 502);
    assert_eq!(door.refused().map(|refused| refused.fault().code).as_deref(), Some("credentials-refused"));
    assert_eq!(controller.seen().len(), 1, "a refused credential is not tried again");
}

#[tokio::test]
async fn a_door_closes_with_its_run() {
    let controller = Controller::start(PASSWORD).await;
    let door = Loopback::start(controller.endpoint.clone(), free()).await.unwrap();
    let (client, url) = (client(), format!("{}/x/1", door.url()));
    let password = door.password().expose().to_owned();
    // The second request would use the open connection of the first.
    let ask = || client.get(&url).basic_auth("farrier", Some(&password)).send();
    assert_eq!(ask().await.unwrap().status(), 200);
    drop(door);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while ask().await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "the door is still open");
        tokio::task::yield_now().await;
    }
}

/// Plays a host that is killed: opens a door, prints it, and waits for the end.
#[tokio::test]
#[ignore = "started by the test below"]
#[allow(clippy::print_stdout)]
async fn role_of_a_host() {
    let controller = Controller::start(PASSWORD).await;
    let door = Loopback::start(controller.endpoint.clone(), free()).await.unwrap();
    println!("\nDOOR {} {}", door.url(), door.password().expose());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_run_whose_host_was_killed_reaches_nothing() {
    let mut host = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["role_of_a_host", "--exact", "--ignored", "--nocapture"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| line.unwrap().strip_prefix("DOOR ").map(str::to_owned)).unwrap();
    let (url, password) = line.split_once(' ').unwrap();
    let ask = || client().get(format!("{url}/x/1")).basic_auth("farrier", Some(password)).send();
    assert_eq!(ask().await.unwrap().status(), 200);
    host.kill().unwrap();
    host.wait().unwrap();
    assert!(ask().await.unwrap_err().is_connect());
}
