//! A small client for the tests: accepts any certificate, logs in, and gives status, headers and body.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_lab::ledger::Ledger;
use farrier_lab::redfish::{BmcConfig, BmcEvent, BmcHandle, Kind, start};
use reqwest::{Method, RequestBuilder};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub const ALL: [Kind; 5] = [Kind::HpeIlo5, Kind::HpeIlo6, Kind::DellIdrac9, Kind::SupermicroX13, Kind::Generic];

#[derive(Debug)]
struct AcceptAny;

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

pub fn http() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny))
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(config).timeout(Duration::from_secs(10)).build().unwrap()
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
    /// The id of the first message, wherever the vendor puts it.
    pub fn message(&self) -> &str {
        for place in ["/error/@Message.ExtendedInfo/0/MessageId", "/@Message.ExtendedInfo/0/MessageId"] {
            if let Some(id) = self.body.pointer(place) {
                return id.as_str().unwrap();
            }
        }
        ""
    }
}

pub struct Client {
    pub http: reqwest::Client,
    pub base: String,
    pub token: Option<String>,
    pub session: Option<String>,
}

impl Client {
    pub fn new(base: &str) -> Self {
        Self { http: http(), base: base.to_owned(), token: None, session: None }
    }
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.header("X-Auth-Token", token),
            None => request,
        }
    }
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }
    pub async fn patch_if(&self, path: &str, etag: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).header("If-Match", etag).json(&body)).await
    }
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }
    pub async fn try_login(&self, username: &str, password: &str) -> Answer {
        let body = serde_json::json!({"UserName": username, "Password": password});
        self.send(self.http.post(format!("{}/redfish/v1/SessionService/Sessions", self.base)).json(&body)).await
    }
    pub async fn login(&mut self, username: &str, password: &str) {
        let answer = self.try_login(username, password).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        self.token = answer.header("x-auth-token").map(str::to_owned);
        self.session = answer.header("location").map(|location| {
            let path = location.find("/redfish").unwrap();
            location[path..].to_owned()
        });
    }
}

/// A running controller, a client logged in to it, its ledger and its events.
pub struct Rig {
    pub bmc: BmcHandle,
    pub client: Client,
    pub ledger: Ledger,
    pub events: UnboundedReceiver<BmcEvent>,
}

impl Rig {
    pub async fn new(kind: Kind) -> Self {
        Self::with(BmcConfig::new("LAB-SRV-001", kind)).await
    }
    /// With times long enough to look in between on a busy machine.
    pub async fn slow(kind: Kind) -> Self {
        let mut config = BmcConfig::new("LAB-SRV-001", kind);
        config.timing.power_on = Duration::from_millis(800);
        config.timing.post = Duration::from_secs(1);
        config.timing.manager_reset = Duration::from_secs(1);
        config.timing.lockout = Some(Duration::from_millis(1500));
        Self::with(config).await
    }
    pub async fn with(config: BmcConfig) -> Self {
        let ledger = Ledger::default();
        let (sender, events) = unbounded_channel();
        let (username, password) = (config.username.clone(), config.password.clone());
        let bmc = start(config, ledger.clone(), Some(sender)).await.unwrap();
        let mut client = Client::new(&bmc.url());
        client.login(&username, &password).await;
        Self { bmc, client, ledger, events }
    }
    pub fn count(&self, kind: farrier_lab::ledger::Kind) -> u64 {
        self.ledger.report().of("LAB-SRV-001", kind)
    }
    pub fn violations(&self) -> Vec<String> {
        self.ledger.report().violations.into_iter().map(|violation| violation.text).collect()
    }
    /// The address of the first member of a collection linked from the root.
    pub async fn first(&self, collection: &str) -> String {
        let answer = self.client.get(&format!("/redfish/v1/{collection}")).await;
        answer.body["Members"][0]["@odata.id"].as_str().unwrap().to_owned()
    }
    /// PATCH with the resource's own `ETag`, as a careful client does everywhere.
    pub async fn set(&self, path: &str, body: Value) -> Answer {
        let seen = self.client.get(path).await;
        match seen.header("etag") {
            Some(etag) => self.client.patch_if(path, etag, body).await,
            None => self.client.patch(path, body).await,
        }
    }
    pub async fn reset(&self, reset_type: &str) -> Answer {
        let system = self.first("Systems").await;
        let target = format!("{system}/Actions/ComputerSystem.Reset");
        self.client.post(&target, serde_json::json!({"ResetType": reset_type})).await
    }
    pub async fn power(&self) -> String {
        let system = self.first("Systems").await;
        self.client.get(&system).await.body["PowerState"].as_str().unwrap().to_owned()
    }
    pub async fn next_event(&mut self) -> BmcEvent {
        tokio::time::timeout(Duration::from_secs(20), self.events.recv()).await.expect("an event in time").unwrap()
    }
}

/// Poll until the condition holds; fails after twenty seconds.
pub async fn until<F, Fut>(what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "{what} did not happen in time");
        tokio::task::yield_now().await;
    }
}
