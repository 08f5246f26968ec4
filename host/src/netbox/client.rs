//! Speaks to NetBox 3.7 and 4.x: token, trailing slashes, pages, statuses, at most so many requests at once.
//!
//! Does not repeat a request by itself: NetBox answers a handful of requests a second, and who asked knows whether to
//! ask again. Follows no redirect, since NetBox's own redirect of a POST loses the body, and takes from a page's `next`
//! only its query: the rest is built from a Host header and may name another origin.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, ETAG, HeaderValue, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};
use url::Url;

use super::error::{NetBoxError, explain};
use super::tls;
use crate::config;
use crate::fault::{Secret, chain};

/// Answers longer than this are refused: a page of a thousand devices is about 4 MiB.
const MOST_BYTES: usize = 64 << 20;
/// Objects asked for at once; NetBox's own limit is 1000.
const PAGE: &str = "500";
/// Pages of one list, at most.
const MOST_PAGES: usize = 1000;

/// NetBox's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The 3 of 3.7.3.
    pub major: u32,
    /// The 7 of 3.7.3.
    pub minor: u32,
}

impl Version {
    /// MAC addresses are objects of their own.
    pub fn has_mac_objects(self) -> bool {
        self >= Self { major: 4, minor: 2 }
    }

    /// A prefix has a scope rather than a site.
    pub fn has_prefix_scope(self) -> bool {
        self >= Self { major: 4, minor: 2 }
    }

    /// Custom fields name their models in `object_types` rather than `content_types`.
    pub fn has_object_types(self) -> bool {
        self.major >= 4
    }

    /// Oldest version this program was tried with.
    pub fn is_supported(self) -> bool {
        self >= Self { major: 3, minor: 7 }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(['.', '-']);
        Some(Self { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
    }
}

/// An object and, where NetBox gives one, what names this state of it.
#[derive(Clone, Debug)]
pub struct Tagged<T> {
    /// The object.
    pub value: T,
    /// For `If-Match`; NetBox 4.6 and later.
    pub etag: Option<HeaderValue>,
}

/// A NetBox.
pub struct Client {
    http: reqwest::Client,
    root: Url,
    token: Secret,
    gate: Semaphore,
    version: OnceCell<(Version, String)>,
}

impl Client {
    /// Read the token and the authority; nothing is sent.
    pub fn new(config: &config::NetBox) -> Result<Self, NetBoxError> {
        let token = config.token().ok_or_else(|| NetBoxError::Setup("no token is configured".to_owned()))?;
        let token = token.read().map_err(|error| NetBoxError::Setup(error.to_string()))?;
        let mut root = config.url.clone();
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(config.ca_file.as_deref())?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_millis(config.request_timeout_ms))
            .connect_timeout(Duration::from_millis(config.request_timeout_ms.min(10_000)))
            .pool_max_idle_per_host(config.connections)
            .user_agent(concat!("farrier/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| NetBoxError::Setup(error.to_string()))?;
        Ok(Self { http, root, token, gate: Semaphore::new(config.connections.max(1)), version: OnceCell::new() })
    }

    /// Where it is, for people.
    pub fn url(&self) -> &Url {
        &self.root
    }

    /// Its version and the text it gave for it; asked once.
    pub async fn version(&self) -> Result<(Version, &str), NetBoxError> {
        let ask = || async {
            let what = "GET /api/status/".to_owned();
            let status: Value = self.get("status", &[]).await?.value;
            let text = status.get("netbox-version").and_then(Value::as_str).unwrap_or_default().to_owned();
            let version = Version::parse(&text)
                .ok_or(NetBoxError::NotNetBox { what, text: "`netbox-version` is missing".to_owned() })?;
            Ok((version, text))
        };
        let (version, text) = self.version.get_or_try_init(ask).await?;
        Ok((*version, text))
    }

    /// One object. `path` is below `/api/`, without slashes at its ends.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<Tagged<T>, NetBoxError> {
        self.send(Method::GET, path, query, None, None).await
    }

    /// All objects of a list, page by page. A filter NetBox does not know is ignored by it: compare what comes back.
    pub async fn list<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<T>, NetBoxError> {
        let mut all = Vec::new();
        let mut query: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        query.push(("limit".to_owned(), PAGE.to_owned()));
        for _ in 0..MOST_PAGES {
            let borrowed: Vec<(&str, &str)> =
                query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let page: Page<T> = self.get(path, &borrowed).await?.value;
            all.extend(page.results);
            let Some(next) = page.next.and_then(|next| self.root.join(&next).ok()) else { return Ok(all) };
            let next: Vec<(String, String)> = next.query_pairs().into_owned().collect();
            if next == query || next.is_empty() {
                return Ok(all);
            }
            query = next;
        }
        Err(NetBoxError::NotNetBox { what: format!("GET /api/{path}/"), text: "the pages have no end".to_owned() })
    }

    /// Make an object, or several in one transaction with a list.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, NetBoxError> {
        Ok(self.send(Method::POST, path, &[], Some(body), None).await?.value)
    }

    /// Change some fields of an object; with `etag`, only if nobody changed it since.
    pub async fn patch(&self, path: &str, body: &Value, etag: Option<&HeaderValue>) -> Result<Value, NetBoxError> {
        Ok(self.send(Method::PATCH, path, &[], Some(body), etag).await?.value)
    }

    /// Delete an object.
    pub async fn delete(&self, path: &str) -> Result<(), NetBoxError> {
        self.send::<Value>(Method::DELETE, path, &[], None, None).await.map(drop)
    }

    /// What may be written to a list; choices of fields are in it.
    pub async fn options(&self, path: &str) -> Result<Value, NetBoxError> {
        Ok(self.send(Method::OPTIONS, path, &[], None, None).await?.value)
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        etag: Option<&HeaderValue>,
    ) -> Result<Tagged<T>, NetBoxError> {
        let what = format!("{method} /api/{path}/");
        let url = self.root.join(&format!("api/{path}/")).map_err(|error| NetBoxError::Setup(error.to_string()))?;
        let mut request = self.http.request(method, url).query(query).header(AUTHORIZATION, self.authorization()?);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(etag) = etag {
            request = request.header(IF_MATCH, etag);
        }
        let unreachable =
            |error: &dyn std::error::Error| NetBoxError::Unreachable { what: what.clone(), cause: chain(error) };
        let _permit = self.gate.acquire().await.map_err(|error| unreachable(&error))?;
        let mut response = request.send().await.map_err(|error| unreachable(&error.without_url()))?;
        let status = response.status();
        let etag = response.headers().get(ETAG).cloned();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error.without_url()))? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err(NetBoxError::NotNetBox { what, text: format!("longer than {MOST_BYTES} bytes") });
            }
            bytes.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(refusal(what, status, &bytes));
        }
        // Whose object is gone has nothing to say.
        let text = if status == StatusCode::NO_CONTENT { b"null".as_slice() } else { bytes.as_slice() };
        let value =
            serde_json::from_slice(text).map_err(|error| NetBoxError::NotNetBox { what, text: error.to_string() })?;
        Ok(Tagged { value, etag })
    }

    /// NetBox 4.5 and later have tokens that name themselves and go under another word.
    fn authorization(&self) -> Result<HeaderValue, NetBoxError> {
        let token = self.token.expose().trim();
        let scheme = if token.starts_with("nbt_") { "Bearer" } else { "Token" };
        let mut value = HeaderValue::from_str(&format!("{scheme} {token}"))
            .map_err(|_| NetBoxError::Setup("the token has characters that no token has".to_owned()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[derive(serde::Deserialize)]
struct Page<T> {
    next: Option<String>,
    results: Vec<T>,
}

fn refusal(what: String, status: StatusCode, bytes: &[u8]) -> NetBoxError {
    let body: Option<Value> = serde_json::from_slice(bytes).ok();
    let text = body.as_ref().map(explain).unwrap_or_default();
    let code = status.as_u16();
    match (code, body) {
        (401 | 403, _) => NetBoxError::Forbidden { what, text },
        (404, Some(_)) => NetBoxError::NotFound { what },
        (412, _) => NetBoxError::Changed { what },
        (429 | 500..=599, _) => NetBoxError::Failing { what, status: code, text },
        (300..=399, _) => NetBoxError::NotNetBox { what, text: format!("it redirects ({code})") },
        (_, None) => NetBoxError::NotNetBox { what, text: format!("it answers {code} without JSON") },
        (_, Some(_)) => NetBoxError::Refused { what, status: code, text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text| Version::parse(text);
        assert_eq!(version("3.7.3"), Some(Version { major: 3, minor: 7 }));
        assert_eq!(version("4.6.8-Docker-4.0.1"), Some(Version { major: 4, minor: 6 }));
        assert_eq!(version("nonsense"), None);
        assert!(version("4.10.0") > version("4.2.0"));
    }

    #[test]
    fn a_status_is_told_from_another() {
        let code = |status: u16, body: &str| {
            StatusCode::from_u16(status).map(|status| refusal(String::new(), status, body.as_bytes()).code())
        };
        for (status, body, expected) in [
            (403, r#"{"detail":"Invalid token"}"#, "netbox-forbidden"),
            (404, r#"{"detail":"Not found."}"#, "netbox-not-found"),
            (404, "<html>", "not-netbox"),
            (301, "", "not-netbox"),
            (412, r#"{"detail":"Precondition failed."}"#, "netbox-changed"),
            (409, r#"{"detail":"x"}"#, "netbox-refused"),
            (500, "{}", "netbox-failing"),
            (502, "<html>", "netbox-failing"),
        ] {
            assert_eq!(code(status, body).ok(), Some(expected), "{status}");
        }
    }
}
