//! The endpoint broker against a server on this machine: login, sessions, lockout, redirects, size, secrets, certificates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod plugin_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use farrier::config::Bmc;
use farrier::egress::{Effect, Gate};
use farrier::fault::Secret;
use farrier::plugin::wit::http::{
    Body, HttpError, Method, Part, PartContent, Request, Response, SecretRef, TextOrSecret,
};
use farrier::plugin::wit::metadata::{AuthScheme, LoginToken, Logout, Oauth2Client, SessionPath, TokenSource};
use farrier::plugin::{Broker, Endpoint, EndpointError, Exchange, FilePins, Images, Secrets, Target};
use farrier_lifecycle::Action;
use plugin_support::server::{Reply, Seen, Server};
use plugin_support::{broker, broker_with, target};

const SESSIONS: &str = "POST /redfish/v1/SessionService/Sessions";

fn request(method: Method, path: &str, body: Body) -> Request {
    Request { method, path: path.to_owned(), headers: Vec::new(), body, timeout: None }
}

async fn send(endpoint: &Endpoint, request: &Request, secrets: &Secrets) -> Result<Response, HttpError> {
    let gate = Gate::detached(Effect::Act(Action::Configure));
    let (images, deadline) = (Images::none(), Instant::now() + Duration::from_secs(5));
    let exchange = Exchange { gate: &gate, secrets, images: &images, deadline, questions: &[] };
    endpoint.send(request, &exchange).await.map_err(|failure| failure.error)
}

async fn get(endpoint: &Endpoint, path: &str) -> Result<Response, HttpError> {
    send(endpoint, &request(Method::Get, path, Body::None), &Secrets::none()).await
}

/// A service with sessions of its own making: the password is `right`, a token lasts for `uses` requests.
fn redfish(uses: u32) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let (made, left) = (AtomicU32::new(0), AtomicU32::new(0));
    move |seen| match (seen.line().as_str(), seen.header("x-auth-token")) {
        ("GET /redfish/v1/", _) => Reply::text(r#"{"Vendor":"Acme"}"#),
        (SESSIONS, _) if seen.body.contains("\"right\"") => {
            let number = made.fetch_add(1, Ordering::SeqCst) + 1;
            left.store(uses, Ordering::SeqCst);
            let location = format!("https://bmc.example/redfish/v1/SessionService/Sessions/{number}");
            Reply::status(201).with("x-auth-token", format!("token-{number}")).with("location", location)
        }
        (SESSIONS, _) => Reply::status(401),
        (_, Some(token)) if token == format!("token-{}", made.load(Ordering::SeqCst)) => {
            match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
                Ok(_) => Reply::text(format!("{{\"echo\":\"{token}\"}}")),
                Err(_) => Reply::status(401),
            }
        }
        _ => Reply::status(401),
    }
}

#[tokio::test]
async fn one_login_serves_many_calls_and_the_session_is_ended() {
    let server = Server::start(redfish(1_000)).await;
    let broker = broker();
    let wanted = target(&server.origin, AuthScheme::RedfishSession, "right");
    for _ in 0..3 {
        let endpoint = broker.endpoint(&wanted).unwrap();
        let response = get(&endpoint, "/redfish/v1/Systems").await.unwrap();
        assert_eq!(String::from_utf8_lossy(&response.body), r#"{"echo":"********"}"#, "the token does not come back");
    }
    assert_eq!(server.count(SESSIONS), 1);
    broker.close().await;
    assert_eq!(server.last().line(), "DELETE /redfish/v1/SessionService/Sessions/1");
    assert_eq!(server.last().header("x-auth-token"), Some("token-1"));
}

#[tokio::test]
async fn a_session_that_ran_out_is_begun_again_once_and_the_request_repeated() {
    let server = Server::start(redfish(2)).await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::RedfishSession, "right")).unwrap();
    for _ in 0..5 {
        assert_eq!(get(&endpoint, "/redfish/v1/Systems").await.unwrap().status, 200);
    }
    assert_eq!(server.count(SESSIONS), 3);
}

#[tokio::test]
async fn refused_credentials_are_sent_once_whoever_asks() {
    let server = Server::start(redfish(10)).await;
    let broker = broker();
    for scheme in [AuthScheme::RedfishSession, AuthScheme::Basic, AuthScheme::RedfishSession] {
        let endpoint = broker.endpoint(&target(&server.origin, scheme, "wrong")).unwrap();
        assert_eq!(get(&endpoint, "/redfish/v1/Systems").await, Err(HttpError::Unauthenticated));
    }
    assert_eq!(server.count(SESSIONS), 1);
    assert!(server.seen.lock().unwrap().iter().all(|seen| seen.header("authorization").is_none()));
    let endpoint = broker.endpoint(&target(&server.origin, AuthScheme::RedfishSession, "right")).unwrap();
    assert!(get(&endpoint, "/redfish/v1/Systems").await.is_ok(), "another password is another matter");
    broker.forgive("9440c9000001");
    let endpoint = broker.endpoint(&target(&server.origin, AuthScheme::RedfishSession, "wrong")).unwrap();
    assert_eq!(get(&endpoint, "/redfish/v1/Systems").await, Err(HttpError::Unauthenticated));
    assert_eq!(server.count(SESSIONS), 3, "an operator's retry tries again");
}

#[tokio::test]
async fn a_wrong_basic_password_is_sent_once() {
    let server = Server::start(|_| Reply::status(401)).await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::Basic, "wrong")).unwrap();
    for _ in 0..3 {
        assert_eq!(get(&endpoint, "/a").await, Err(HttpError::Unauthenticated));
    }
    assert_eq!(server.lines(), ["GET /a"]);
}

#[tokio::test]
async fn a_service_without_free_sessions_is_used_with_basic() {
    let server = Server::start(|seen| match seen.header("authorization") {
        Some(value) => Reply::text(value.to_owned()),
        None if seen.method == "POST" => Reply::status(503),
        None => Reply::text("{}"),
    })
    .await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::RedfishSession, "calvin")).unwrap();
    let response = get(&endpoint, "/redfish/v1/Systems").await.unwrap();
    assert_eq!(server.last().header("authorization"), Some("Basic cm9vdDpjYWx2aW4="));
    assert_eq!(String::from_utf8(response.body).unwrap(), "Basic ********", "the pair does not come back");
    get(&endpoint, "/redfish/v1/Systems").await.unwrap();
    assert_eq!(server.count(SESSIONS), 1, "asked for a session once");
}

#[tokio::test]
async fn an_old_ilo_says_in_the_body_of_a_400_that_the_password_is_wrong() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "POST" => {
            Reply { body: br#"{"MessageId":"iLO.0.10.UnauthorizedLoginAttempt"}"#.to_vec(), ..Reply::status(400) }
        }
        _ => Reply::text("{}"),
    })
    .await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::RedfishSession, "wrong")).unwrap();
    assert_eq!(get(&endpoint, "/a").await, Err(HttpError::Unauthenticated));
    assert_eq!(server.lines(), ["GET /redfish/v1/", SESSIONS], "no second try with basic");
}

#[tokio::test]
async fn tokens_of_fleet_tools() {
    let server = Server::start(|seen| match seen.line().as_str() {
        "POST /rest/login-sessions" => Reply::text(r#"{"sessionID":"abcdefgh"}"#),
        "POST /oauth/token" => Reply::text(r#"{"access_token":"tttttttt","expires_in":3600}"#),
        _ => Reply::text("{}"),
    })
    .await;
    let broker = broker();
    let how = LoginToken {
        path: "/rest/login-sessions".to_owned(),
        document: r#"{"userName":"$username","password":"$password","loginMsgAck":true}"#.to_owned(),
        headers: vec![("x-api-version".to_owned(), "800".to_owned())],
        token: TokenSource::JsonPointer("/sessionID".to_owned()),
        header: "auth".to_owned(),
        logout: Some(Logout::Path("/rest/login-sessions".to_owned())),
        refusals: Vec::new(),
        version: None,
    };
    let endpoint = broker.endpoint(&target(&server.origin, AuthScheme::LoginToken(how), "pw")).unwrap();
    get(&endpoint, "/rest/x").await.unwrap();
    let login = server.seen.lock().unwrap()[0].clone();
    assert_eq!(login.body, r#"{"loginMsgAck":true,"password":"pw","userName":"root"}"#);
    assert_eq!(login.header("x-api-version"), Some("800"));
    assert_eq!((server.last().header("auth"), server.last().header("x-api-version")), (Some("abcdefgh"), Some("800")));

    let how = Oauth2Client { token_path: "/oauth/token".to_owned(), scope: Some("oob".to_owned()) };
    let endpoint = broker.endpoint(&target(&server.origin, AuthScheme::Oauth2ClientCredentials(how), "pw")).unwrap();
    get(&endpoint, "/w").await.unwrap();
    assert_eq!(server.last().header("authorization"), Some("Bearer tttttttt"));

    let endpoint = broker.endpoint(&target(&server.origin, AuthScheme::Oauth1Plaintext, "c:t:s")).unwrap();
    get(&endpoint, "/MAAS").await.unwrap();
    let value = server.last().header("authorization").unwrap().to_owned();
    assert!(value.contains(r#"oauth_consumer_key="c""#) && value.contains(r#"oauth_signature="%26s""#), "{value}");
}

#[tokio::test]
async fn a_key_does_not_come_back_in_parts() {
    let server = Server::start(|seen| Reply::text(seen.header("authorization").unwrap_or_default().to_owned())).await;
    let wanted = target(&server.origin, AuthScheme::Oauth1Plaintext, "consumer1:tokentoken:signature");
    let response = get(&broker().endpoint(&wanted).unwrap(), "/MAAS").await.unwrap();
    let echo = String::from_utf8(response.body).unwrap();
    assert!(echo.contains(r#"oauth_token="********""#) && echo.contains("%26********"), "{echo}");
    assert!(!echo.contains("consumer1"), "{echo}");
}

#[tokio::test]
async fn a_token_said_to_live_for_ever_is_used_like_any_other() {
    let server = Server::start(|seen| match seen.line().as_str() {
        "POST /token" => Reply::text(format!(r#"{{"access_token":"tttttttt","expires_in":{}}}"#, u64::MAX)),
        _ => Reply::text("{}"),
    })
    .await;
    let how = Oauth2Client { token_path: "/token".to_owned(), scope: None };
    let auth = AuthScheme::Oauth2ClientCredentials(how);
    let endpoint = broker().endpoint(&target(&server.origin, auth, "pw")).unwrap();
    for _ in 0..2 {
        assert_eq!(get(&endpoint, "/x").await.unwrap().status, 200);
    }
    assert_eq!(server.count("POST /token"), 1);
}

#[tokio::test]
async fn a_logout_goes_where_the_login_went_or_nowhere() {
    let volume = "/redfish/v1/Systems/1/Storage/1/Volumes/1";
    let server = Server::start(move |seen| match seen.method.as_str() {
        "POST" => Reply::text(r#"{"token":"abcdefgh","id":"7"}"#).with("location", volume),
        _ => Reply::text("{}"),
    })
    .await;
    let session = |path: &str| Logout::Session(SessionPath { id: "/id".to_owned(), path: path.to_owned() });
    for (logout, ends) in [
        (Logout::Path(volume.to_owned()), None),
        (Logout::Location, None),
        (session("/redfish/v1/Systems/$id"), None),
        (session("/sessions('$id')"), Some("DELETE /sessions('7')")),
        (Logout::Path("/sessions".to_owned()), Some("DELETE /sessions")),
    ] {
        let how = LoginToken {
            path: "/sessions".to_owned(),
            document: r#"{"password":"$password"}"#.to_owned(),
            headers: Vec::new(),
            token: TokenSource::JsonPointer("/token".to_owned()),
            header: "auth".to_owned(),
            logout: Some(logout),
            refusals: Vec::new(),
            version: None,
        };
        let broker = broker();
        let endpoint = broker.endpoint(&target(&server.origin, AuthScheme::LoginToken(how), "pw")).unwrap();
        get(&endpoint, "/x").await.unwrap();
        broker.close().await;
        assert_eq!(server.last().line(), ends.unwrap_or("GET /x"));
    }
}

#[tokio::test]
async fn redirects_stay_on_the_origin_and_keep_method_and_body() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/308" => Reply::status(308).with("location", "/there/"),
        "/302" => Reply::status(302).with("location", "/there/"),
        "/away" => Reply::status(307).with("location", "http://127.0.0.2/there/"),
        "/circle" => Reply::status(307).with("location", "/circle"),
        _ => Reply::text(seen.body.clone()),
    })
    .await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    let patch = |path: &str| request(Method::Patch, path, Body::Json("{\"a\":1}".to_owned()));
    let none = Secrets::none();
    let response = send(&endpoint, &patch("/308"), &none).await.unwrap();
    assert_eq!((server.last().line().as_str(), response.body.as_slice()), ("PATCH /there/", br#"{"a":1}"#.as_slice()));
    assert_eq!(get(&endpoint, "/302").await.unwrap().status, 200);
    assert_eq!(send(&endpoint, &patch("/302"), &none).await.unwrap().status, 302, "not repeated as something else");
    assert!(matches!(get(&endpoint, "/away").await, Err(HttpError::Denied(_))));
    assert_eq!(get(&endpoint, "/circle").await.unwrap().status, 307);
    assert_eq!(server.count("GET /circle"), 4);
}

#[tokio::test]
async fn an_answer_longer_than_the_limit_is_refused() {
    let server = Server::start(|_| Reply::text(vec![b'x'; 3 << 20])).await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    assert_eq!(get(&endpoint, "/a").await, Err(HttpError::TooLarge(3 << 20)));
}

#[tokio::test]
async fn secrets_go_in_by_name_and_do_not_come_back() {
    let echo = |seen: &Seen| Reply::text(seen.body.clone()).with("x-echo", seen.body.replace(['\r', '\n'], " "));
    let server = Server::start(echo).await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    let granted = Secrets::none().grant("new-password", Secret::new("hunter22"));
    let body = Body::Json(r#"{"Password":{"$secret":"new-password"}}"#.to_owned());
    let response = send(&endpoint, &request(Method::Patch, "/a", body.clone()), &granted).await.unwrap();
    assert_eq!(server.last().body, r#"{"Password":"hunter22"}"#);
    assert_eq!(response.body, br#"{"Password":"********"}"#);
    assert!(response.headers.iter().all(|(_, value)| !value.contains("hunter22")));
    let refused = send(&endpoint, &request(Method::Patch, "/a", body), &Secrets::none()).await;
    assert!(matches!(refused, Err(HttpError::Denied(text)) if text.contains("new-password")));
    assert_eq!(server.lines().len(), 1);

    let secret = |prefix: &str| SecretRef { prefix: prefix.to_owned(), name: "new-password".to_owned() };
    let form = Body::Form(vec![("p".to_owned(), TextOrSecret::Secret(secret("")))]);
    let mut asked = request(Method::Post, "/form", form);
    asked.headers = vec![("Cookie".to_owned(), TextOrSecret::Secret(secret("key=")))];
    send(&endpoint, &asked, &granted).await.unwrap();
    assert_eq!((server.last().body.as_str(), server.last().header("cookie")), ("p=hunter22", Some("key=hunter22")));

    let part = |name: &str, content| Part {
        name: name.to_owned(),
        filename: None,
        content_type: "text/plain".to_owned(),
        content,
    };
    let parts = vec![part("a", PartContent::Text("b".to_owned())), part("k", PartContent::Secret(secret("")))];
    send(&endpoint, &request(Method::Post, "/parts", Body::Multipart(parts)), &granted).await.unwrap();
    assert!(server.last().header("content-type").unwrap().starts_with("multipart/form-data; boundary="));
    assert!(server.last().body.contains("name=\"a\"") && server.last().body.contains("hunter22"));
    let image = Body::Image("00ff".to_owned());
    let refused = send(&endpoint, &request(Method::Post, "/image", image), &granted).await;
    assert!(matches!(refused, Err(HttpError::Denied(text)) if text.contains("image")));
}

#[tokio::test]
async fn requests_carry_what_controllers_need_and_answers_hide_the_address() {
    let server = Server::start(|seen| {
        let host = seen.header("host").unwrap_or_default();
        Reply::status(202).with("location", format!("http://{host}/redfish/v1/Tasks/1")).with("set-cookie", "a=b")
    })
    .await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    let response = get(&endpoint, "/a?$skip=50").await.unwrap();
    let seen = server.last();
    assert_eq!(seen.path, "/a?$skip=50");
    assert_eq!((seen.header("accept-encoding"), seen.header("odata-version")), (Some("identity"), Some("4.0")));
    let location = response.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.as_str());
    assert_eq!(location, Some("/redfish/v1/Tasks/1"));
    assert!(response.headers.iter().all(|(name, _)| name != "set-cookie"));
}

#[tokio::test]
async fn an_answer_in_which_a_secret_could_not_be_masked_is_refused() {
    let server = Server::start(|seen| match (seen.path.as_str(), seen.header("accept-encoding")) {
        ("/plain", _) => Reply::text("{}").with("content-encoding", "identity"),
        ("/registry" | "/squeezed", Some(_)) => Reply::status(406),
        ("/registry", None) => Reply::text("{}"),
        _ => Reply::text("hunter22").with("content-encoding", "x-reversed"),
    })
    .await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    assert_eq!(get(&endpoint, "/plain").await.unwrap().status, 200);
    let refused = get(&endpoint, "/coded").await;
    assert!(matches!(&refused, Err(HttpError::Unreachable(text)) if text.contains("`x-reversed`")), "{refused:?}");
    assert_eq!(get(&endpoint, "/registry").await.unwrap().status, 200, "asked again without a word of codings");
    assert_eq!(get(&endpoint, "/squeezed").await.unwrap().status, 406, "the second answer is no better");
    let before = server.lines().len();
    for name in ["Accept-Encoding", "Range", "TE", "Accept-Charset"] {
        let text = TextOrSecret::Text("bytes=1-".to_owned());
        let asks = Request { headers: vec![(name.to_owned(), text)], ..request(Method::Get, "/a", Body::None) };
        assert!(matches!(send(&endpoint, &asks, &Secrets::none()).await, Err(HttpError::Denied(_))), "{name}");
    }
    assert_eq!(server.lines().len(), before);
}

#[tokio::test]
async fn one_request_at_a_time_and_no_faster_than_the_rate() {
    let server = Server::start(|_| Reply::text("{}")).await;
    let broker = broker_with(&Bmc { rate: 20, ..Bmc::default() });
    let endpoint = broker.endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    let begun = Instant::now();
    let gets = (0..30).map(|_| get(&endpoint, "/a"));
    for answer in futures_util::future::join_all(gets).await {
        answer.unwrap();
    }
    // A second's worth at once, the other ten at twenty a second.
    assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_first_certificate_is_kept_and_another_one_denied() {
    let dir = tempfile::tempdir().unwrap();
    let pinned = || Broker::new(&Bmc::default(), Arc::new(FilePins::new(dir.path()))).unwrap();
    let (server, stop) = Server::start_tls(0, redfish(10)).await;
    let wanted = target(&server.origin, AuthScheme::RedfishSession, "right");
    assert_eq!(get(&pinned().endpoint(&wanted).unwrap(), "/a").await.unwrap().status, 200);
    assert_eq!(get(&pinned().endpoint(&wanted).unwrap(), "/a").await.unwrap().status, 200, "the same after a restart");
    stop.now().await;
    let (other, _stop) = Server::start_tls(server.origin.port().unwrap(), redfish(10)).await;
    let denied = get(&pinned().endpoint(&wanted).unwrap(), "/a").await;
    let Err(HttpError::Denied(text)) = denied else { panic!("{denied:?}") };
    assert!(text.contains("changed") && text.contains("9440c9000001.sha256"), "{text}");
    assert_eq!(other.lines(), [""; 0], "nothing was sent");
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_plain_http_is_for_this_machine() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let origin = format!("http://127.0.0.1:{port}").parse().unwrap();
    let endpoint = broker().endpoint(&target(&origin, AuthScheme::None, "x")).unwrap();
    assert!(matches!(get(&endpoint, "/a").await, Err(HttpError::Unreachable(_))));
    for url in ["http://192.0.2.1/", "ftp://127.0.0.1/", "https://root:pw@127.0.0.1/"] {
        let wanted = Target { origin: url.parse().unwrap(), ..target(&origin, AuthScheme::None, "x") };
        assert!(matches!(broker().endpoint(&wanted), Err(EndpointError::Origin { .. })), "{url}");
    }
}

#[tokio::test]
async fn the_service_root_is_read_by_nobody_and_once_for_logins() {
    let server = Server::start(redfish(10)).await;
    let broker = broker();
    let endpoint = broker.endpoint(&target(&server.origin, AuthScheme::Basic, "wrong")).unwrap();
    let root = endpoint.probe_service_root(Duration::from_secs(2)).await.unwrap();
    assert_eq!(root.unwrap()["Vendor"], "Acme");
    let same = broker.endpoint(&target(&server.origin, AuthScheme::RedfishSession, "right")).unwrap();
    assert!(server.last().header("authorization").is_none());
    assert_eq!(get(&same, "/redfish/v1/Systems").await.unwrap().status, 200);
    assert_eq!(server.lines(), ["GET /redfish/v1/", SESSIONS, "GET /redfish/v1/Systems"]);
}

#[tokio::test]
async fn a_service_root_is_read_again_and_may_not_be_there_yet() {
    let asked = AtomicU32::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(404),
        1 => Reply::text("<html>starting</html>"),
        _ => Reply::text(r#"{"Vendor":"Acme"}"#),
    })
    .await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    // A controller's firmware may be another one since.
    for found in [false, false, true, true] {
        assert_eq!(endpoint.probe_service_root(Duration::from_secs(2)).await.unwrap().is_some(), found);
    }
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn a_forwarded_request_is_checked_and_logged_in_like_any_other() {
    let server = Server::start(redfish(10)).await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::RedfishSession, "right")).unwrap();
    let gate = Gate::detached(Effect::Act(Action::Harden));
    let (none, images, deadline) = (Secrets::none(), Images::none(), Instant::now() + Duration::from_secs(5));
    let exchange = Exchange { gate: &gate, secrets: &none, images: &images, deadline, questions: &[] };
    let headers = [
        ("Authorization", "Basic b25lLXRpbWU="),
        ("Host", "127.0.0.1:1"),
        ("Content-Type", "application/json"),
        ("If-Match", "\"1\""),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer =
        endpoint.forward("PATCH", "/redfish/v1/Managers/1", &headers, b"{}".to_vec(), &exchange).await.unwrap();
    assert_eq!(answer.status, 200);
    let seen = server.last();
    assert_eq!((seen.line().as_str(), seen.body.as_str()), ("PATCH /redfish/v1/Managers/1", "{}"));
    assert_eq!((seen.header("authorization"), seen.header("if-match")), (None, Some("\"1\"")));
    assert!(endpoint.forward("GET", "/a/../b", &headers, Vec::new(), &exchange).await.is_err());
    assert!(endpoint.forward("TRACE", "/a", &headers, Vec::new(), &exchange).await.is_err());
}

#[tokio::test]
async fn only_a_post_to_the_very_path_of_a_question_passes_where_looking_is_allowed() {
    let server = Server::start(|_| Reply::text("{}")).await;
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::None, "x")).unwrap();
    let (gate, none, questions) = (Gate::detached(Effect::Look), Secrets::none(), ["/ask".to_owned()]);
    for (method, path, passes) in [
        (Method::Post, "/ask", true),
        (Method::Post, "/ask?reset=1", false),
        (Method::Post, "/ask/", false),
        (Method::Post, "/ASK", false),
        (Method::Put, "/ask", false),
        (Method::Delete, "/ask", false),
    ] {
        let deadline = Instant::now() + Duration::from_secs(5);
        let images = Images::none();
        let exchange = Exchange { gate: &gate, secrets: &none, images: &images, deadline, questions: &questions };
        let sent = endpoint.send(&request(method, path, Body::Json("{}".to_owned())), &exchange).await;
        assert_eq!(sent.is_ok(), passes, "{method:?} {path}");
    }
    assert_eq!(server.lines(), ["POST /ask"]);
}
