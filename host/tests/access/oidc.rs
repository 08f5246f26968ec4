//! Sign-in against a provider that lies: every token that proves nothing signs nobody in.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use farrier::config::{Api, ClaimGrant, Oidc};
use farrier::http::serve::Patience;
use hmac::Mac as _;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::support::{Answer, Site, now};

const SECRET: &str = "the-client-s-secret";

/// What the provider says, and how it lies.
struct Says {
    key: KeyPair,
    kid: &'static str,
    algorithm: &'static str,
    /// Over the claims of a sound token.
    claims: Value,
    userinfo: Value,
    jwks_uri: Option<String>,
    nonce: String,
    challenge: String,
    down: bool,
}

struct Provider {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
}

impl Provider {
    async fn start() -> Self {
        let says = Arc::new(Mutex::new(Says {
            key: KeyPair::generate_for(&PKCS_ED25519).unwrap(),
            kid: "first",
            algorithm: "EdDSA",
            claims: json!({}),
            userinfo: json!({ "sub": "77", "groups": ["dc-ops"], "email": "ana@example.org", "email_verified": true }),
            jwks_uri: None,
            nonce: String::new(),
            challenge: String::new(),
            down: false,
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state((address, says.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, says }
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    fn lie(&self, how: impl FnOnce(&mut Says)) {
        how(&mut self.says.lock().unwrap());
    }

    async fn site(&self) -> (Site, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, SECRET).unwrap();
        let grant = ClaimGrant {
            claim: "groups".to_owned(),
            value: "dc-ops".to_owned(),
            roles: vec!["operator".to_owned()],
            sites: Some(vec!["ams".to_owned()]),
            tenant: None,
        };
        let oidc = Oidc {
            issuer: self.issuer().parse().unwrap(),
            client_id: "farrier".to_owned(),
            client_secret_file: Some(file),
            client_secret_env: None,
            name: "Corporate".to_owned(),
            ca_file: None,
            scopes: vec!["email".to_owned()],
            name_claim: "email".to_owned(),
            role: vec![grant],
        };
        let api = Api { oidc: Some(oidc), ..Api::default() };
        (Site::with(api, Patience::new(16)).await, folder)
    }
}

type Shared = State<(SocketAddr, Arc<Mutex<Says>>)>;

async fn discovery(State((address, says)): Shared) -> Response {
    let says = says.lock().unwrap();
    if says.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let base = format!("http://{address}");
    Json(json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "userinfo_endpoint": format!("{base}/userinfo"),
        "jwks_uri": says.jwks_uri.clone().unwrap_or_else(|| format!("{base}/jwks")),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA", "HS256", "none"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    }))
    .into_response()
}

async fn jwks(State((_, says)): Shared) -> Json<Value> {
    let says = says.lock().unwrap();
    let x = URL_SAFE_NO_PAD.encode(says.key.der_bytes());
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": says.kid, "x": x });
    Json(json!({ "keys": [key] }))
}

#[derive(serde::Deserialize)]
struct Exchange {
    code: String,
    code_verifier: String,
    redirect_uri: String,
}

async fn token(State((address, says)): Shared, headers: HeaderMap, Form(exchange): Form<Exchange>) -> Response {
    let says = says.lock().unwrap();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("farrier:{SECRET}"));
    let proven = URL_SAFE_NO_PAD.encode(Sha256::digest(&exchange.code_verifier)) == says.challenge;
    let asked = headers[header::AUTHORIZATION] == format!("Basic {basic}") && exchange.code == "good";
    if !proven || !asked || !exchange.redirect_uri.ends_with("/auth/callback") {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    }
    let at = now().0 / 1_000;
    let mut claims = json!({ "iss": format!("http://{address}"), "sub": "77", "aud": "farrier", "iat": at,
        "exp": at + 300, "nonce": says.nonce });
    for (name, value) in says.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", text(&json!({ "alg": says.algorithm, "kid": says.kid })), text(&claims));
    let signature = match says.algorithm {
        "none" => Vec::new(),
        "HS256" => {
            let mut mac = hmac::Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
            mac.update(signed.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        _ => says.key.sign(signed.as_bytes()).unwrap(),
    };
    let id_token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    Json(json!({ "access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": id_token }))
        .into_response()
}

async fn userinfo(State((_, says)): Shared) -> Json<Value> {
    Json(says.lock().unwrap().userinfo.clone())
}

/// Leave for the provider: the cookie that was set, and the state that must come back.
async fn leave(site: &Site, provider: &Provider) -> (String, String) {
    let answer = site.get("/auth/oidc?next=/work", &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let url: Url = answer.header("location").parse().unwrap();
    let of = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    assert_eq!(of("code_challenge_method"), "S256");
    assert_eq!(of("redirect_uri"), "http://127.0.0.1:8640/auth/callback");
    provider.lie(|says| {
        says.nonce = of("nonce");
        says.challenge = of("code_challenge");
    });
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("farrier_leaving=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    (cookie.split(';').next().unwrap().to_owned(), of("state"))
}

async fn arrive(site: &Site, cookie: &str, query: &str) -> Answer {
    site.get(&format!("/auth/callback?{query}"), &[("cookie", cookie)]).await
}

async fn sign_in(site: &Site, provider: &Provider) -> Answer {
    let (cookie, state) = leave(site, provider).await;
    arrive(site, &cookie, &format!("code=good&state={state}")).await
}

#[tokio::test]
async fn who_comes_back_with_a_sound_token_is_signed_in_once() {
    let provider = Provider::start().await;
    let (site, _folder) = provider.site().await;
    assert_eq!(site.get("/auth/means", &[]).await.json()["oidc_name"], "Corporate");
    let (cookie, state) = leave(&site, &provider).await;
    let query = format!("code=good&state={state}&iss={}", provider.issuer());
    let answer = arrive(&site, &cookie, &query).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/work"), "{answer:?}");
    let session =
        answer.headers.iter().find(|(name, value)| name == "set-cookie" && value.starts_with("farrier_session"));
    let session = session.unwrap().1.split(';').next().unwrap().to_owned();
    let me = site.get("/test/me", &[("cookie", &session)]).await.json();
    assert_eq!(me["who"]["name"], "ana@example.org");
    assert_eq!((&me["who"]["roles"], &me["who"]["sites"]), (&json!(["operator"]), &json!(["ams"])));
    let again = arrive(&site, &cookie, &query).await;
    assert_eq!((again.status, again.code().as_str()), (401, "stale-sign-in"), "used once");
    let log = site.audits().await;
    assert!(log.iter().any(|one| one["what"] == "sign-in" && one["who"] == "ana@example.org" && one["result"] == "ok"));
}

#[tokio::test]
async fn coming_back_needs_the_browser_that_left() {
    let provider = Provider::start().await;
    let (site, _folder) = provider.site().await;
    let (cookie, state) = leave(&site, &provider).await;
    let query = format!("code=good&state={state}");
    let stale = |answer: Answer| assert_eq!((answer.status, answer.code().as_str()), (401, "stale-sign-in"));
    stale(site.get(&format!("/auth/callback?{query}"), &[]).await);
    stale(arrive(&site, &format!("farrier_leaving={}", "0".repeat(64)), &query).await);
    stale(arrive(&site, &cookie, "code=good&state=another").await);
    stale(arrive(&site, &cookie, &query).await);
    let (cookie, state) = leave(&site, &provider).await;
    let mixed = arrive(&site, &cookie, &format!("code=good&state={state}&iss=https://evil.org")).await;
    assert_eq!((mixed.status, mixed.code().as_str()), (401, "wrong-issuer"));
    let (cookie, state) = leave(&site, &provider).await;
    let refused =
        arrive(&site, &cookie, &format!("error=access_denied&error_description=%3Cb%3Eno&state={state}")).await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "sign-in-refused"));
    let (cookie, state) = leave(&site, &provider).await;
    let page = site
        .get(
            &format!("/auth/callback?error=x&error_description=%3Cb%3Eno&state={state}"),
            &[("cookie", &cookie), ("accept", "text/html")],
        )
        .await;
    assert!(page.body.contains("&lt;b&gt;no") && !page.body.contains("<b>"), "{}", page.body);
    let (cookie, state) = leave(&site, &provider).await;
    let wrong = arrive(&site, &cookie, &format!("code=bad&state={state}")).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (401, "sign-in-refused"));
}

#[tokio::test]
async fn a_token_that_proves_nothing_signs_nobody_in() {
    let at = now().0 / 1_000;
    let refused = [
        ("expired", json!({ "exp": at - 90, "iat": at - 600 })),
        ("from the future", json!({ "iat": at + 180 })),
        ("for another client", json!({ "aud": "another" })),
        ("for another client as well", json!({ "aud": ["farrier", "another"] })),
        ("of another issuer", json!({ "iss": "https://evil.org" })),
        ("of another sign-in", json!({ "nonce": "another" })),
        ("without a nonce", json!({ "nonce": null })),
    ];
    for (what, claims) in refused {
        let provider = Provider::start().await;
        let (site, _folder) = provider.site().await;
        provider.lie(|says| says.claims = claims);
        let answer = sign_in(&site, &provider).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "sign-in-refused"), "{what}: {answer:?}");
    }
    for (what, claims) in
        [("a clock behind", json!({ "exp": at - 10, "iat": at - 300 })), ("a clock ahead", json!({ "iat": at + 30 }))]
    {
        let provider = Provider::start().await;
        let (site, _folder) = provider.site().await;
        provider.lie(|says| says.claims = claims);
        assert_eq!(sign_in(&site, &provider).await.status, 303, "{what}");
    }
}

#[tokio::test]
async fn a_signature_is_by_a_key_of_the_provider_or_none() {
    for algorithm in ["none", "HS256"] {
        let provider = Provider::start().await;
        let (site, _folder) = provider.site().await;
        provider.lie(|says| says.algorithm = algorithm);
        let answer = sign_in(&site, &provider).await;
        assert_ne!(answer.status, 303, "{algorithm}");
        assert!(["sign-in-refused", "provider-away"].contains(&answer.code().as_str()), "{algorithm}: {answer:?}");
    }
    let provider = Provider::start().await;
    let (site, _folder) = provider.site().await;
    assert_eq!(sign_in(&site, &provider).await.status, 303);
    provider.lie(|says| {
        says.key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        says.kid = "second";
    });
    assert_eq!(sign_in(&site, &provider).await.status, 303, "its keys were changed, and are fetched anew");
    provider.lie(|says| says.key = KeyPair::generate_for(&PKCS_ED25519).unwrap());
    let forged = sign_in(&site, &provider).await;
    assert_eq!((forged.status, forged.code().as_str()), (401, "sign-in-refused"), "another key of the same name");
}

#[tokio::test]
async fn who_has_no_role_is_told_so() {
    let provider = Provider::start().await;
    let (site, _folder) = provider.site().await;
    provider.lie(|says| says.userinfo = json!({ "sub": "77", "email": "ben@example.org", "email_verified": true }));
    let answer = sign_in(&site, &provider).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "no-role"));
    assert!(answer.headers.iter().all(|(name, value)| name != "set-cookie" || !value.starts_with("farrier_session")));
    assert!(answer.json()["detail"].as_str().unwrap().contains("ben@example.org"));
    provider.lie(|says| says.userinfo = json!({ "sub": "78", "groups": ["dc-ops"] }));
    let answer = sign_in(&site, &provider).await;
    assert_ne!(answer.status, 303, "what is said of another is not theirs");
}

#[tokio::test]
async fn a_provider_that_is_away_or_in_plain_text_is_named() {
    let provider = Provider::start().await;
    let (site, _folder) = provider.site().await;
    provider.lie(|says| says.down = true);
    let away = site.get("/auth/oidc", &[]).await;
    assert_eq!((away.status, away.code().as_str()), (502, "provider-away"));
    provider.lie(|says| {
        says.down = false;
        says.jwks_uri = Some("http://sso.example.org/jwks".to_owned());
    });
    let plain = site.get("/auth/oidc", &[]).await;
    assert_eq!((plain.status, plain.code().as_str()), (502, "provider-away"));
    assert!(plain.json()["detail"].as_str().unwrap().contains("is not https"), "{plain:?}");
    provider.lie(|says| says.jwks_uri = None);
    assert_eq!(sign_in(&site, &provider).await.status, 303);
    let without = Site::start().await;
    assert_eq!(without.get("/auth/oidc", &[]).await.code(), "no-provider");
}
