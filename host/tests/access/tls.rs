//! TLS of the operators' listener: its own certificate, taken anew, and clients'.

use std::path::Path;

use super::support::{Site, ask, provider};
use farrier::access::Role;
use farrier::config::{Api, CertificateGrant};
use farrier::http::serve::Patience;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::json;

/// An authority.
struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    /// A certificate and its key, PEM.
    fn sign(&self, name: &str, others: &[SanType]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = others.to_vec();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

fn local() -> [SanType; 1] {
    [SanType::IpAddress("127.0.0.1".parse().unwrap())]
}

/// A client that trusts this authority, with this certificate.
fn client(authority: &Authority, own: Option<(String, String)>) -> reqwest::Client {
    provider();
    let root = reqwest::Certificate::from_pem(authority.1.as_bytes()).unwrap();
    let mut builder = reqwest::Client::builder().tls_certs_only([root]).redirect(reqwest::redirect::Policy::none());
    if let Some((certificate, key)) = own {
        builder = builder.identity(reqwest::Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

async fn site(folder: &Path, ours: &Authority, theirs: &Authority) -> Site {
    let (certificate, key) = ours.sign("farrier", &local());
    let grant = |subject: &str, role: &str, sites: Option<&str>| CertificateGrant {
        subject: subject.to_owned(),
        roles: vec![role.to_owned()],
        sites: sites.map(|site| vec![site.to_owned()]),
        tenant: None,
    };
    let api = Api {
        cert_file: Some(write(folder, "cert.pem", &certificate)),
        key_file: Some(write(folder, "key.pem", &key)),
        client_ca_file: Some(write(folder, "ca.pem", &theirs.1)),
        certificate: vec![grant("ci-runner", "operator", None), grant("rack@example.org", "technician", Some("ams"))],
        ..Api::default()
    };
    Site::with(api, Patience::new(16)).await
}

#[tokio::test]
async fn a_client_certificate_is_who_the_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let site = site(folder.path(), &ours, &theirs).await;
    let me = |client: reqwest::Client| {
        let url = site.url("/test/me");
        async move { ask(&client, "GET", &url, &[], None).await }
    };
    assert_eq!(me(client(&ours, None)).await.status, 401, "nobody must show one");

    let named = client(&ours, Some(theirs.sign("ci-runner", &[])));
    let answer = me(named.clone()).await.json();
    assert_eq!((&answer["who"]["name"], &answer["who"]["means"]), (&json!("cert:ci-runner"), &json!("certificate")));
    let mail = SanType::Rfc822Name("rack@example.org".try_into().unwrap());
    let answer = me(client(&ours, Some(theirs.sign("phone 7", &[mail])))).await.json();
    assert_eq!((&answer["who"]["roles"], &answer["who"]["sites"]), (&json!(["technician"]), &json!(["ams"])));
    let unknown = client(&ours, Some(theirs.sign("ci-runner-2", &[])));
    assert_eq!(me(unknown).await.status, 401, "verified, and nobody here");

    let change = |headers: Vec<(&'static str, &'static str)>| {
        let (client, url) = (named.clone(), site.url("/test/change"));
        async move { ask(&client, "POST", &url, &headers, Some(json!({}))).await.status }
    };
    assert_eq!(change(vec![]).await, 200, "a program");
    assert_eq!(change(vec![("sec-fetch-site", "cross-site")]).await, 403, "a browser shows it to every page that asks");

    let false_one = client(&ours, Some(Authority::new("theirs").sign("ci-runner", &[])));
    assert!(false_one.get(site.url("/test/me")).send().await.is_err(), "signed by another authority of the same name");
}

#[tokio::test]
async fn under_tls_cookies_are_for_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let site = site(folder.path(), &ours, &theirs).await;
    let token = site.token("ana", &[Role::Operator]).await;
    let client = client(&ours, None);
    let answer = ask(&client, "POST", &site.url("/auth/token"), &[], Some(json!({ "token": token }))).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-farrier_session="), "{cookie}");
    for part in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains("Domain"));
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    let pair = cookie.split(';').next().unwrap();
    let me = ask(&client, "GET", &site.url("/test/me"), &[("cookie", pair)], None).await;
    assert_eq!(me.status, 200);
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs, next) = (Authority::new("ours"), Authority::new("theirs"), Authority::new("next"));
    let site = site(folder.path(), &ours, &theirs).await;
    let tls = site.tls.clone().unwrap();
    let open = |authority: &Authority| {
        let (client, url) = (client(authority, None), site.url("/open"));
        async move { client.get(url).send().await.is_ok() }
    };
    assert!(open(&ours).await && !open(&next).await);
    assert!(!tls.reload().unwrap(), "nothing changed");
    write(folder.path(), "cert.pem", "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n");
    assert!(tls.reload().is_err());
    assert!(open(&ours).await, "the one before stays");
    let (certificate, key) = next.sign("farrier", &local());
    write(folder.path(), "cert.pem", &certificate);
    assert!(tls.reload().is_err(), "the key is of another certificate");
    write(folder.path(), "key.pem", &key);
    assert!(tls.reload().unwrap());
    assert!(open(&next).await && !open(&ours).await);
}

#[tokio::test]
async fn plain_text_is_not_answered_where_tls_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let site = site(folder.path(), &ours, &theirs).await;
    let plain = format!("http://{}/open", site.address);
    assert!(client(&ours, None).get(plain).send().await.is_err());
}
