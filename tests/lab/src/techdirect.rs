//! A simulated Dell `TechDirect`: `OAuth2` client credentials and entitlements.
//!
//! Promises a token only for the right client, a request only with a token that has not run out, at most a hundred tags;
//! everything else is a violation in the ledger. Written from documentation that could not be checked against Dell.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::ledger::{Kind, Ledger};
use crate::web::{Ask, Handler, Outcome, Reply, first, serve};

/// The name it has in the ledger.
pub const SYSTEM: &str = "techdirect";

/// What it starts with.
#[derive(Clone, Debug, Default)]
pub struct TechDirectConfig {
    /// The client's id.
    pub client: String,
    /// The client's secret.
    pub secret: String,
    /// By service tag: level, start and end as Dell writes them.
    pub assets: BTreeMap<String, Vec<(String, String, String)>>,
}

struct Inner {
    config: TechDirectConfig,
    ledger: Ledger,
    tokens: Mutex<Vec<String>>,
    stop: CancellationToken,
}

/// A running simulated `TechDirect`; stops when dropped.
pub struct TechDirectHandle {
    inner: Arc<Inner>,
    address: SocketAddr,
}

/// Start it; it answers when this returns.
///
/// # Errors
/// When no port can be bound.
pub async fn start(config: TechDirectConfig, ledger: Ledger) -> std::io::Result<TechDirectHandle> {
    let stop = CancellationToken::new();
    let inner = Arc::new(Inner { config, ledger, tokens: Mutex::default(), stop: stop.clone() });
    let handler: Handler = {
        let inner = Arc::clone(&inner);
        Arc::new(move |ask| Outcome::Answer(inner.answer(ask)))
    };
    let address = serve(SocketAddr::from(([127, 0, 0, 1], 0)), handler, stop).await?;
    Ok(TechDirectHandle { inner, address })
}

impl TechDirectHandle {
    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Let every token run out.
    pub fn end_tokens(&self) {
        self.inner.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for TechDirectHandle {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

impl Inner {
    fn wrong(&self, ask: &Ask, why: &str) {
        self.ledger.violation(SYSTEM, format!("{} {}: {why}", ask.method, ask.path));
    }

    fn answer(&self, ask: &Ask) -> Reply {
        match (&ask.method, ask.path.as_str()) {
            (&Method::POST, "/auth/oauth/v2/token") => self.token(ask),
            (&Method::GET, "/PROD/sbil/eapi/v5/asset-entitlements") => self.entitlements(ask),
            _ => {
                self.wrong(ask, "an unknown path");
                Reply::empty(404)
            }
        }
    }

    fn token(&self, ask: &Ask) -> Reply {
        let right = format!("Basic {}", STANDARD.encode(format!("{}:{}", self.config.client, self.config.secret)));
        let form = ask.form().unwrap_or_default();
        if first(&form, "grant_type") != Some("client_credentials") {
            self.wrong(ask, "a grant that is not `client_credentials`");
            return Reply::json(400, &json!({"error": "unsupported_grant_type"}));
        }
        if ask.header("authorization") != Some(right.as_str()) {
            self.wrong(ask, "a wrong client");
            self.ledger.count(SYSTEM, Kind::LoginRefused, "token");
            return Reply::json(401, &json!({"error": "invalid_client"}));
        }
        self.ledger.count(SYSTEM, Kind::Login, "token");
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let token = format!("td-token-{:032x}", rand::random::<u128>());
        tokens.push(token.clone());
        Reply::json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "oob"}))
    }

    fn entitlements(&self, ask: &Ask) -> Reply {
        let bearer = ask.header("authorization").and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        let known = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|token| token == bearer);
        if !known {
            return Reply::json(401, &json!({"error": "invalid_token"}));
        }
        let tags: Vec<&str> = ask.asked("servicetags").unwrap_or_default().split(',').collect();
        if tags.len() > 100 {
            self.wrong(ask, "more than a hundred tags");
            return Reply::json(400, &json!({"message": "too many service tags"}));
        }
        if tags.iter().any(|tag| tag.is_empty() || !tag.chars().all(|c| c.is_ascii_alphanumeric())) {
            self.wrong(ask, "a service tag that is none");
            return Reply::json(400, &json!({"message": "invalid service tag"}));
        }
        let assets: Vec<Value> = tags.iter().map(|tag| self.asset(tag)).collect();
        Reply::json(200, &Value::Array(assets))
    }

    fn asset(&self, tag: &str) -> Value {
        let Some(entitlements) = self.config.assets.get(tag) else {
            return json!({"id": null, "serviceTag": tag, "shipDate": null, "invalid": true, "entitlements": []});
        };
        let entitlements: Vec<Value> = entitlements
            .iter()
            .map(|(level, start, end)| {
                json!({"itemNumber": "1", "startDate": start, "endDate": end,
                "entitlementType": "INITIAL", "serviceLevelCode": "ND", "serviceLevelDescription": level})
            })
            .collect();
        json!({"id": 1, "serviceTag": tag, "shipDate": "2023-01-05T06:00:00Z", "invalid": false,
            "entitlements": entitlements})
    }
}
