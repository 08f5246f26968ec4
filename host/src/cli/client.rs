//! Asks the running host: over its socket, or over HTTPS where `--server` names one. Commands that only read fall back to the store.
//!
//! Promises that both ways are the same API, and that a token goes only to the server it was given for: no redirect is followed, and
//! without TLS only to this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Certificate, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Common, Remote};
use crate::bus::{self, Bus};
use crate::config::{self, Config};
use crate::fault::Secret;
use crate::http::SOCKET;
use crate::http::api::{Page, ProblemView};

/// Items of a list asked for at once: as many as the API gives.
const PAGE: usize = 1_000;
/// A request that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// A stream of events is never silent for this long.
const SILENCE: Duration = Duration::from_secs(45);

/// A refusal, with its code and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// Kebab case.
    pub code: String,
    /// What stands against it.
    pub text: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// A failure of the command line's own.
pub fn failure(code: &str, text: impl Into<String>, hint: &str) -> anyhow::Error {
    Failure { code: code.to_owned(), text: text.into(), hint: hint.to_owned() }.into()
}

/// Refuse `--server` for a command that works by this machine's configuration and files: it would do it here, and be taken for done there.
pub fn here_only(common: &Common, command: &str) -> anyhow::Result<()> {
    if common.remote.server.is_none() {
        return Ok(());
    }
    let text = format!(
        "`farrier {command}` works by the configuration of the machine it runs on, and does not go through `--server`"
    );
    Err(failure("local-command", text, "run it on the host's machine, or leave out `--server` and FARRIER_SERVER"))
}

/// Where the host is.
enum Way {
    /// Here, on this configuration.
    Socket { config: Box<Config>, socket: PathBuf },
    /// Elsewhere.
    Remote,
}

/// The way to a host.
pub struct Client {
    way: Way,
    base: String,
    token: Option<Secret>,
    http: reqwest::Client,
    streams: reqwest::Client,
}

impl Client {
    /// Read the configuration, or with `--server` nothing but the token; nothing is contacted yet.
    pub fn new(common: &Common) -> anyhow::Result<Self> {
        let Some(server) = &common.remote.server else { return Self::local(&common.config) };
        let base = checked(server)?;
        let token = common.remote.token_file.as_deref().map(Secret::read).transpose()?;
        let http = remote(&common.remote)?.timeout(PATIENCE).build()?;
        let streams = remote(&common.remote)?.read_timeout(SILENCE).build()?;
        Ok(Self { way: Way::Remote, base, token, http, streams })
    }

    fn local(config: &Path) -> anyhow::Result<Self> {
        let config = Box::new(config::load(config)?);
        let socket = config.state_dir.join(SOCKET);
        // No authority is needed for a socket; asking the system for its own fails where there are none, as in small images.
        let builder = || reqwest::Client::builder().unix_socket(socket.clone()).tls_certs_only([]).no_proxy();
        let (http, streams) = (builder().timeout(PATIENCE).build()?, builder().read_timeout(SILENCE).build()?);
        let base = "http://farrier".to_owned();
        Ok(Self { way: Way::Socket { config, socket }, base, token: None, http, streams })
    }

    /// GET from the host; `None` if none runs here.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        match self.send(self.request(&self.http, reqwest::Method::GET, path)).await? {
            Some(response) => Ok(Some(response.json().await?)),
            None => Ok(None),
        }
    }

    /// The first `most` items of a list, page by page; `query` is a key and a value each. `None` if no host runs here.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, Option<String>)],
        most: usize,
    ) -> anyhow::Result<Option<Vec<T>>> {
        let asked = query.iter().filter_map(|(key, value)| Some(format!("&{key}={}", segment(value.as_ref()?))));
        let asked: String = asked.collect();
        let (mut items, mut cursor) = (Vec::new(), String::new());
        while items.len() < most {
            let limit = most.saturating_sub(items.len()).min(PAGE);
            let Some(page) = self.get::<Page<T>>(&format!("{path}?limit={limit}{asked}{cursor}")).await? else {
                return Ok(None);
            };
            items.extend(page.items);
            let Some(next) = page.next else { break };
            cursor = format!("&cursor={}", segment(&next));
        }
        Ok(Some(items))
    }

    /// POST to the host; refuses if none runs.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let request = self.request(&self.http, reqwest::Method::POST, path).json(body);
        Ok(self.send(request).await?.ok_or_else(|| self.no_host())?.json().await?)
    }

    /// DELETE at the host; refuses if none runs.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        let request = self.request(&self.http, reqwest::Method::DELETE, path);
        self.send(request).await?.map(drop).ok_or_else(|| self.no_host())
    }

    /// The body of a stream of events, after the event with this id; `None`: from now.
    pub async fn events(&self, last: Option<&str>) -> anyhow::Result<Option<reqwest::Response>> {
        let after = last.map(|last| format!("?after={}", segment(last))).unwrap_or_default();
        self.send(self.request(&self.streams, reqwest::Method::GET, &format!("/api/v1/events{after}"))).await
    }

    /// The store, to look at, when no host runs here.
    pub async fn store(&self) -> anyhow::Result<Arc<dyn Bus>> {
        match &self.way {
            Way::Socket { config, .. } => Ok(bus::open_readonly(config).await?),
            Way::Remote => Err(self.no_host()),
        }
    }

    /// Nothing answers where a host should be.
    pub fn no_host(&self) -> anyhow::Error {
        match &self.way {
            Way::Socket { socket, .. } => {
                let hint = "start it with `farrier serve`; without it, commands can look and not change";
                failure("no-host", format!("no host answers at {}", socket.display()), hint)
            }
            Way::Remote => {
                let hint = "`--server` (or FARRIER_SERVER) is the host's `[api] public_url`";
                failure("no-host", format!("no host answers at {}", self.base), hint)
            }
        }
    }

    fn request(&self, http: &reqwest::Client, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Option<reqwest::Response>> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return match self.way {
                    Way::Socket { .. } => Ok(None),
                    Way::Remote => Err(anyhow::Error::from(error).context(self.no_host())),
                };
            }
            Err(error) => return Err(error.into()),
        };
        if response.status().is_success() {
            return Ok(Some(response));
        }
        let status = response.status();
        let problem = response.json::<ProblemView>().await.unwrap_or_else(|_| ProblemView {
            code: "host-error".to_owned(),
            detail: format!("the host answered {status}"),
            hint: "read its log".to_owned(),
            ..ProblemView::default()
        });
        let hint = match status {
            StatusCode::UNAUTHORIZED => "`--token-file` (or FARRIER_TOKEN_FILE) names a file with a token of that host",
            _ => problem.hint.as_str(),
        };
        Err(failure(&problem.code, problem.detail, hint))
    }
}

/// The server's URL without a slash at its end.
fn checked(server: &Url) -> anyhow::Result<String> {
    let local = match server.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if server.scheme() != "https" && !(server.scheme() == "http" && local) {
        let hint = "use https://; without TLS a token is sent to this machine only";
        return Err(failure("invalid-input", format!("--server: `{server}` is not taken"), hint));
    }
    Ok(server.as_str().trim_end_matches('/').to_owned())
}

fn remote(remote: &Remote) -> anyhow::Result<reqwest::ClientBuilder> {
    let mut roots = Vec::new();
    if let Some(file) = &remote.ca_file {
        let pem = std::fs::read(file).with_context(|| format!("read `{}`", file.display()))?;
        roots = Certificate::from_pem_bundle(&pem).with_context(|| format!("certificates in `{}`", file.display()))?;
    }
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let builder = builder.user_agent(concat!("farrier/", env!("CARGO_PKG_VERSION")));
    // With an authority of one's own, that one alone: a public one must not be able to stand in for it.
    Ok(if remote.ca_file.is_some() || remote.plain() { builder.tls_certs_only(roots) } else { builder })
}

impl Remote {
    fn plain(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.scheme() == "http")
    }
}

/// A name as one segment of a path, or as a value of a query.
pub fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
