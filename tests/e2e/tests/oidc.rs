//! Sign-in against npm's certified `oidc-provider`: leave, sign in there, consent, come back.
//!
//! Promises that the host and a provider that nobody here wrote understand each other, also after the provider's keys were changed and while it is
//! away. A provider that lies is in `host/tests/access/oidc.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use farrier::bus::{Settings, SqliteBus};
use farrier::config::Api;
use farrier::http::api::ROUTES;
use farrier::http::auth::{Auth, guard, routes};
use farrier::http::serve::{Patience, tcp};
use farrier_e2e::netns::find;
use farrier_lab::rig::skip;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Where `cargo xtask test` put the package.
fn modules() -> Option<PathBuf> {
    let given = std::env::var_os("FARRIER_NPM").map(PathBuf::from);
    let folder = given.or_else(|| Some(std::env::current_exe().ok()?.ancestors().nth(3)?.join("npm")))?;
    let folder = folder.join("oidc/node_modules");
    folder.join("oidc-provider/package.json").is_file().then_some(folder)
}

/// The provider, as a program.
struct Provider {
    child: Child,
    issuer: Url,
}

impl Provider {
    fn start(modules: &Path, port: u16, key: &str, redirect: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc_provider/provider.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(modules).args([&port.to_string(), key, redirect]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = lines.by_ref().map(Result::unwrap).find_map(|line| line.parse::<Url>().ok());
        // Whatever else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, issuer: issuer.expect("the provider ended before it served") }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.end();
    }
}

/// A browser: cookies by origin's port, redirects followed by hand.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<(u16, String), String>,
}

struct Page {
    status: u16,
    url: Url,
    to: Option<Url>,
    body: String,
}

impl Browser {
    async fn open(&mut self, url: Url, form: Option<&[(&str, &str)]>) -> Page {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).tls_certs_only([]);
        let client = client.build().unwrap();
        let port = url.port().unwrap();
        let jar: Vec<_> =
            self.cookies.iter().filter(|((of, _), _)| *of == port).map(|((_, k), v)| format!("{k}={v}")).collect();
        let request = match form {
            Some(form) => client.post(url.clone()).form(form),
            None => client.get(url.clone()),
        };
        let answer = request.header("cookie", jar.join("; ")).header("accept", "text/html").send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let key = (port, name.to_owned());
            if value.is_empty() {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        let to = answer.headers().get("location").map(|to| url.join(to.to_str().unwrap()).unwrap());
        Page { status: answer.status().as_u16(), url, to, body: answer.text().await.unwrap() }
    }

    /// Follow redirects until a page.
    async fn follow(&mut self, url: Url) -> Page {
        let mut page = self.open(url, None).await;
        for _ in 0..12 {
            // The page after signing in is the dashboard's, which this test does not serve.
            match page.to.take() {
                Some(to) if to.path() != "/work" => page = self.open(to, None).await,
                to => {
                    page.to = to;
                    return page;
                }
            }
        }
        panic!("redirected for ever: {}", page.url);
    }

    /// Sign in at the provider as `login`, consent, come back.
    async fn sign_in(&mut self, start: Url, login: &str) -> Page {
        let page = self.follow(start).await;
        assert_eq!(page.status, 200, "{}: {}", page.url, page.body);
        let form: &[(&str, &str)] = &[("prompt", "login"), ("login", login), ("password", "any")];
        let next = self.open(page.url, Some(form)).await.to.expect("signed in at the provider");
        let page = self.follow(next).await;
        if !page.url.path().starts_with("/interaction/") {
            return page;
        }
        let next = self.open(page.url, Some(&[("prompt", "consent")])).await.to.expect("consented");
        self.follow(next).await
    }
}

/// A listener with this provider.
fn host(listener: TcpListener, issuer: &Url, secret: &Path) -> CancellationToken {
    let (issuer, secret) = (issuer.as_str().trim_end_matches('/'), secret.display());
    let api: Api = toml::from_str(&format!(
        "public_url = \"http://{}\"\n[oidc]\nissuer = \"{issuer}\"\nclient_id = \"farrier\"\n\
         client_secret_file = \"{secret}\"\nscopes = [\"email\", \"groups\"]\n\
         [[oidc.role]]\nclaim = \"groups\"\nvalue = \"dc-ops\"\nroles = [\"operator\"]\n",
        listener.local_addr().unwrap()
    ))
    .unwrap();
    let bus = Arc::new(SqliteBus::memory(&Settings::default()).unwrap());
    let auth = Arc::new(Auth::new(bus, Some(&api), ROUTES).unwrap());
    let router = guard(routes(auth.clone()), auth);
    let stop = CancellationToken::new();
    tokio::spawn(tcp(listener, None, router, Patience::new(16), stop.clone()));
    stop
}

#[tokio::test]
async fn people_sign_in_at_a_certified_provider() {
    let Some(modules) = modules() else { return skip("npm's oidc-provider is not installed") };
    if find("node").is_none() {
        return skip("`node` is not installed");
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let redirect = format!("{base}auth/callback");
    let mut provider = Provider::start(&modules, 0, "first", &redirect);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "the-client-s-secret\n").unwrap();
    let _stop = host(listener, &provider.issuer, &folder.path().join("secret"));
    let start = base.join("/auth/oidc?next=/work").unwrap();

    let mut ana = Browser::default();
    let page = ana.sign_in(start.clone(), "ana+dc-ops").await;
    assert_eq!((page.status, page.to.as_ref().map(Url::path)), (303, Some("/work")), "{}: {}", page.url, page.body);
    let session =
        |browser: &Browser| browser.cookies.contains_key(&(base.port().unwrap(), "farrier_session".to_owned()));
    assert!(session(&ana));

    let mut ben = Browser::default();
    let page = ben.sign_in(start.clone(), "ben+interns").await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("no-role") && page.body.contains("ben@example.org"), "{}", page.body);
    assert!(!session(&ben));

    let port = provider.issuer.port().unwrap();
    provider.end();
    let mut provider = Provider::start(&modules, port, "second", &redirect);
    let mut cyd = Browser::default();
    let page = cyd.sign_in(start.clone(), "cyd+dc-ops").await;
    assert_eq!(page.status, 303, "the provider's keys were changed: {}", page.body);
    assert!(session(&cyd));

    // Its own page does not open; coming back with a code of before finds nobody who takes it.
    let mut dan = Browser::default();
    let left = dan.open(start.clone(), None).await.to.unwrap();
    let state = left.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    provider.end();
    let page = dan.open(base.join(&format!("/auth/callback?code=x&state={state}")).unwrap(), None).await;
    assert_eq!(page.status, 502);
    assert!(page.body.contains("provider-away"), "{}", page.body);
}
