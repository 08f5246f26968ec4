//! Logging in to an endpoint, by the scheme its plugin names.
//!
//! Promises that one login sends the credentials once: what the endpoint refuses is remembered by the line and not sent
//! again by anyone. A Redfish service without free sessions is used with basic authentication instead.
//!
//! Not obvious: old iLOs answer a wrong password with 400 and a message id, so the body is read before basic is tried;
//! otherwise each wrong password would count twice towards a lockout.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::Login;
use super::check;
use super::line::{Answer, Line, OutBody, Outgoing};
use super::request::base_headers;
use super::scheme;
use crate::fault::Secret;
use crate::plugin::wit::http::HttpError;
use crate::plugin::wit::metadata::{ApiVersion, AuthScheme, LoginToken, Logout, Oauth2Client, TokenSource};

const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
/// A token is asked for anew after this long, however long it was said to live.
const LONGEST: Duration = Duration::from_hours(24);

/// What a request carries to be let in.
pub struct Pass {
    /// Put on every request.
    headers: HeaderMap,
    /// A three-part key that signs each request anew.
    key: Option<Secret>,
    /// The session's token: masked in answers, lent by the name `session`.
    pub token: Option<Secret>,
    /// DELETE this to end the session.
    pub logout: Option<String>,
    /// Does a 401 mean that it ran out? Otherwise it means that the credentials are wrong.
    pub renewable: bool,
    /// When it runs out, where that is known.
    pub until: Option<Instant>,
}

impl Pass {
    const fn with(headers: HeaderMap) -> Self {
        Self { headers, key: None, token: None, logout: None, renewable: false, until: None }
    }

    fn one(name: HeaderName, value: &str) -> Result<Self, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(name, sensitive(value)?);
        Ok(Self::with(headers))
    }

    /// Put it on a request.
    pub fn apply(&self, headers: &mut HeaderMap) -> Result<(), HttpError> {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(key) = &self.key {
            headers.insert(AUTHORIZATION, sensitive(&oauth1(key)?)?);
        }
        Ok(())
    }
}

/// Get in. `login`'s credentials leave this machine at most once here.
pub async fn log_in(line: &Line, scheme: &AuthScheme, login: &Login, deadline: Instant) -> Result<Pass, HttpError> {
    if line.refused(login) {
        return Err(HttpError::Unauthenticated);
    }
    match scheme {
        AuthScheme::None => Ok(Pass::with(HeaderMap::new())),
        AuthScheme::Basic => basic(login),
        AuthScheme::Bearer => Pass::one(AUTHORIZATION, &format!("Bearer {}", login.password.expose())),
        AuthScheme::RedfishSession => redfish(line, login, deadline).await,
        AuthScheme::LoginToken(how) => by_token(line, how, login, deadline).await,
        AuthScheme::Oauth1Plaintext => {
            oauth1(&login.password)?;
            Ok(Pass { key: Some(login.password.clone()), ..Pass::with(HeaderMap::new()) })
        }
        AuthScheme::Oauth2ClientCredentials(how) => oauth2(line, how, login, deadline).await,
    }
}

fn basic(login: &Login) -> Result<Pass, HttpError> {
    Pass::one(AUTHORIZATION, &format!("Basic {}", pair(login)))
}

fn pair(login: &Login) -> String {
    let text = zeroize::Zeroizing::new(format!("{}:{}", login.username, login.password.expose()));
    STANDARD.encode(text.as_bytes())
}

/// What a system could repeat of a login: the password, the pair as a header carries it, the parts of a key. Short passwords are not in it:
/// they would be found everywhere.
pub fn echoes(scheme: &AuthScheme, login: &Login) -> Vec<Secret> {
    let password = login.password.expose();
    let parts = password.split(':').filter(|_| *scheme == AuthScheme::Oauth1Plaintext);
    let long = std::iter::once(password).chain(parts).filter(|text| text.len() >= 8).map(Secret::new);
    long.chain(std::iter::once(Secret::new(pair(login)))).collect()
}

async fn redfish(line: &Line, login: &Login, deadline: Instant) -> Result<Pass, HttpError> {
    if line.sessions.get().is_none() {
        root(line, deadline).await?;
    }
    let sessions = line.sessions.get().map_or(SESSIONS, String::as_str);
    let body = serde_json::json!({ "UserName": login.username, "Password": login.password.expose() });
    let request = json_post(line, sessions, &body)?;
    let answer = line.own(&request, deadline).await?;
    let token = answer.header("x-auth-token").map(Secret::new);
    match (answer.status, token) {
        (200..=299, Some(token)) => {
            let pass = Pass::one(HeaderName::from_static("x-auth-token"), token.expose())?;
            let logout = answer.header("location").and_then(|location| own_path(&request, location));
            Ok(Pass { token: Some(token), logout, renewable: true, ..pass })
        }
        (status, _) if refusal(status, &answer) => Err(refuse(line, login)),
        (status, _) => {
            tracing::info!(status, origin = %line.origin, "no session to be had; basic authentication instead");
            basic(login)
        }
    }
}

/// The service root, read by nobody in particular; `None` if there is none, or none yet: a controller that boots answers 404 for a while.
/// Of it the place of sessions is kept, and not the whole: there are ten thousand controllers.
pub async fn root(line: &Line, deadline: Instant) -> Result<Option<Value>, HttpError> {
    let root = read_root(line, deadline).await?;
    if let Some(root) = &root {
        let sessions = root.pointer("/Links/Sessions/@odata.id").and_then(Value::as_str).unwrap_or(SESSIONS);
        // An error: somebody was faster, and found the same.
        let _ = line.sessions.set(sessions.to_owned());
    }
    Ok(root)
}

async fn read_root(line: &Line, deadline: Instant) -> Result<Option<Value>, HttpError> {
    let url = check::path(&line.origin, "/redfish/v1/").map_err(HttpError::Denied)?;
    let request = Outgoing { method: reqwest::Method::GET, url, headers: base_headers(), body: OutBody::Empty };
    let mut answer = line.own(&request, deadline).await?;
    if matches!(answer.status, 301 | 302 | 307 | 308)
        && let Some(path) = answer.header("location").and_then(|to| check::same_origin(&line.origin, &request.url, to))
    {
        let url = check::path(&line.origin, &path).map_err(HttpError::Denied)?;
        answer = line.own(&Outgoing { url, ..request }, deadline).await?;
    }
    if answer.status >= 500 {
        return Err(HttpError::Unreachable(format!("the service root answers {}", answer.status)));
    }
    let document = serde_json::from_slice::<Value>(&answer.body).ok();
    Ok(document.filter(|document| answer.status == 200 && document.is_object()))
}

async fn by_token(line: &Line, how: &LoginToken, login: &Login, deadline: Instant) -> Result<Pass, HttpError> {
    let mut document: Value = serde_json::from_str(&how.document)
        .map_err(|error| HttpError::Denied(format!("the plugin's login document is not JSON: {error}")))?;
    fill(&mut document, login);
    let mut request = json_post(line, &how.path, &document)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &how.headers {
        headers.insert(header_name(name)?, sensitive(value)?);
    }
    if let Some(version) = &how.version {
        let number = agree(line, version, deadline).await?;
        headers.insert(header_name(&version.header)?, HeaderValue::from(number));
    }
    request.headers.extend(headers.clone());
    let answer = line.own(&request, deadline).await?;
    let token = match &how.token {
        TokenSource::Header(name) => answer.header(name).map(str::to_owned),
        TokenSource::JsonPointer(pointer) => pointed(&answer.body, pointer),
    };
    let Some(token) = token.filter(|_| (200..300).contains(&answer.status)) else {
        return Err(failed(line, login, &answer, &how.refusals));
    };
    headers.insert(header_name(&how.header)?, sensitive(&token)?);
    let logout = match &how.logout {
        Some(Logout::Path(path)) => Some(path.clone()),
        Some(Logout::Location) => answer.header("location").and_then(|location| own_path(&request, location)),
        Some(Logout::Session(session)) => pointed(&answer.body, &session.id).map(|id| session.path.replace("$id", &id)),
        None => None,
    };
    let logout = logout.filter(|path| scheme::ends(&how.path, path));
    Ok(Pass { token: Some(Secret::new(token)), logout, renewable: true, ..Pass::with(headers) })
}

async fn oauth2(line: &Line, how: &Oauth2Client, login: &Login, deadline: Instant) -> Result<Pass, HttpError> {
    let scope = how.scope.iter().map(|scope| ("scope", scope.as_str()));
    let fields = std::iter::once(("grant_type", "client_credentials")).chain(scope);
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let url = check::path(&line.origin, &how.token_path).map_err(HttpError::Denied)?;
    let mut headers = base_headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    basic(login)?.apply(&mut headers)?;
    let body = OutBody::Bytes(form.into_bytes());
    let answer = line.own(&Outgoing { method: reqwest::Method::POST, url, headers, body }, deadline).await?;
    let Some(token) = pointed(&answer.body, "/access_token").filter(|_| answer.status == 200) else {
        return Err(failed(line, login, &answer, &[]));
    };
    let seconds = serde_json::from_slice::<Value>(&answer.body)
        .ok()
        .and_then(|body| body.pointer("/expires_in").and_then(Value::as_u64));
    let pass = Pass::one(AUTHORIZATION, &format!("Bearer {token}"))?;
    let until = seconds.and_then(|seconds| {
        let life = Duration::from_secs(seconds.saturating_sub(30)).min(LONGEST);
        Instant::now().checked_add(life)
    });
    Ok(Pass { token: Some(Secret::new(token)), renewable: true, until, ..pass })
}

/// The highest version of the API that the system and the plugin both know.
async fn agree(line: &Line, how: &ApiVersion, deadline: Instant) -> Result<u32, HttpError> {
    let url = check::path(&line.origin, &how.path).map_err(HttpError::Denied)?;
    let request = Outgoing { method: reqwest::Method::GET, url, headers: base_headers(), body: OutBody::Empty };
    let answer = line.own(&request, deadline).await?;
    let document: Option<Value> = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200);
    let number = |pointer: &str| document.as_ref()?.pointer(pointer)?.as_u64();
    let (Some(current), Some(minimum)) = (number(&how.current), number(&how.minimum)) else {
        return Err(HttpError::Unreachable(format!("`{}` answers {} and no versions", how.path, answer.status)));
    };
    let chosen = current.min(u64::from(how.highest));
    match u32::try_from(chosen) {
        Ok(number) if chosen >= minimum && number >= how.lowest => Ok(number),
        _ => Err(HttpError::Denied(format!(
            "the system speaks API versions {minimum} to {current}, the plugin {} to {}",
            how.lowest, how.highest
        ))),
    }
}

/// `consumer:token:secret`, as MAAS prints its keys.
fn oauth1(key: &Secret) -> Result<String, HttpError> {
    let mut parts = key.expose().split(':');
    let (Some(consumer), Some(token), Some(secret), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HttpError::Denied("the key is not of the form `consumer:token:secret`".to_owned()));
    };
    let (nonce, seconds) = (rand::random::<u64>(), jiff::Timestamp::now().as_second());
    Ok(format!(
        "OAuth oauth_version=\"1.0\", oauth_signature_method=\"PLAINTEXT\", oauth_consumer_key=\"{consumer}\", \
         oauth_token=\"{token}\", oauth_signature=\"%26{secret}\", oauth_nonce=\"{nonce:016x}\", \
         oauth_timestamp=\"{seconds}\""
    ))
}

/// Does this answer to a login say that the credentials are wrong?
fn refusal(status: u16, answer: &Answer) -> bool {
    let says = |text: &str| answer.body.windows(text.len()).any(|window| window == text.as_bytes());
    matches!(status, 401 | 403)
        || status == 400
            && ["UnauthorizedLoginAttempt", "InsufficientPrivilege", "AccountLocked"].iter().any(|id| says(id))
}

fn failed(line: &Line, login: &Login, answer: &Answer, refusals: &[String]) -> HttpError {
    let body = String::from_utf8_lossy(&answer.body);
    let named = answer.status == 400 && refusals.iter().any(|text| !text.is_empty() && body.contains(text.as_str()));
    if named || refusal(answer.status, answer) {
        return refuse(line, login);
    }
    if matches!(answer.status, 429 | 503) {
        let seconds = answer.header("retry-after").and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(30);
        return HttpError::Throttled(seconds.saturating_mul(1000));
    }
    HttpError::Unreachable(format!("the login was answered with {} and no token", answer.status))
}

/// Remember and say that the credentials were refused.
pub fn refuse(line: &Line, login: &Login) -> HttpError {
    line.refuse(login);
    tracing::warn!(origin = %line.origin, username = login.username, "the credentials were refused; they are not tried again");
    HttpError::Unauthenticated
}

fn json_post(line: &Line, path: &str, body: &Value) -> Result<Outgoing, HttpError> {
    let url = check::path(&line.origin, path).map_err(HttpError::Denied)?;
    let mut headers = base_headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Outgoing { method: reqwest::Method::POST, url, headers, body: OutBody::Bytes(body.to_string().into_bytes()) })
}

/// The path of a session's `Location`. Its authority does not count: the DELETE goes to our origin whatever it says.
fn own_path(request: &Outgoing, location: &str) -> Option<String> {
    request.url.join(location).ok().map(|url| url.path().to_owned())
}

fn fill(value: &mut Value, login: &Login) {
    match value {
        Value::String(text) if text == "$username" => text.clone_from(&login.username),
        Value::String(text) if text == "$password" => login.password.expose().clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, login)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, login)),
        _ => {}
    }
}

fn pointed(body: &[u8], pointer: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.pointer(pointer)?.as_str().map(str::to_owned)
}

fn header_name(name: &str) -> Result<HeaderName, HttpError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| HttpError::Denied(format!("`{name}` is no header name")))
}

fn sensitive(value: &str) -> Result<HeaderValue, HttpError> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| HttpError::Denied("a credential holds a character no header can carry".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
