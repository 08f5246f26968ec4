//! The line to one controller: one request at a time, no faster than configured, bounded in time and size.
//!
//! Promises that a GET or HEAD is repeated once after a broken connection (controllers reset idle ones) and nothing else is.
//! Knows nothing of login; keeps only the memory that credentials were refused.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use super::images::{Upload, upload_time};
use super::pins::Pin;
use super::{Login, Numbers};
use crate::egress::{Effect, Gate};
use crate::fault::chain;
use crate::plugin::wit::http::HttpError;

/// How long refused credentials are not tried again by anyone. A retry of an operator forgets it.
const REFUSED_FOR: Duration = Duration::from_mins(15);

/// Answers of login and service root are small.
const SMALL: usize = 1 << 20;

/// A request ready to be sent; kept so that it can be repeated.
pub struct Outgoing {
    /// GET, HEAD, …
    pub method: reqwest::Method,
    /// On the line's origin.
    pub url: Url,
    /// All but the login's.
    pub headers: HeaderMap,
    /// The body.
    pub body: OutBody,
}

/// A body that can be made again.
#[derive(Clone)]
pub enum OutBody {
    /// None.
    Empty,
    /// These bytes; their type is in the headers.
    Bytes(Vec<u8>),
    /// `multipart/form-data`, in this order.
    Multipart(Vec<OutPart>),
    /// A firmware image, streamed; its type is in the headers.
    Image(Upload),
}

/// One part of a form.
#[derive(Clone)]
pub struct OutPart {
    /// The field's.
    pub name: String,
    /// Where it is a file's.
    pub filename: Option<String>,
    /// Empty: the part says none.
    pub content_type: String,
    /// What is in it.
    pub content: Content,
}

/// What a part of a form holds.
#[derive(Clone)]
pub enum Content {
    /// This.
    Bytes(Vec<u8>),
    /// A firmware image, streamed.
    Image(Upload),
}

impl Outgoing {
    /// The firmware images in the body.
    pub fn images(&self) -> impl Iterator<Item = &Upload> {
        let (whole, parts) = match &self.body {
            OutBody::Image(upload) => (Some(upload), None),
            OutBody::Multipart(parts) => (None, Some(parts)),
            OutBody::Empty | OutBody::Bytes(_) => (None, None),
        };
        let parts = parts.into_iter().flatten().filter_map(|part| match &part.content {
            Content::Image(upload) => Some(upload),
            Content::Bytes(_) => None,
        });
        whole.into_iter().chain(parts)
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// That a controller refused a login, and when.
pub type Refusal = (String, [u8; 32]);

/// See the module.
pub struct Line {
    /// Scheme, address, port.
    pub origin: Url,
    /// Numbers of the broker.
    pub numbers: Numbers,
    pin_key: String,
    client: reqwest::Client,
    pin: Option<Arc<Pin>>,
    turn: Semaphore,
    next: Mutex<Option<Instant>>,
    refused: Mutex<HashMap<Refusal, Instant>>,
    /// Where a Redfish login is sent, by the service root; once found, kept while the process lives.
    pub sessions: OnceLock<String>,
}

impl Line {
    pub(super) fn new(
        origin: Url,
        pin_key: String,
        client: reqwest::Client,
        pin: Option<Arc<Pin>>,
        numbers: Numbers,
    ) -> Self {
        Self {
            origin,
            numbers,
            pin_key,
            client,
            pin,
            turn: Semaphore::new(1),
            next: Mutex::default(),
            refused: Mutex::default(),
            sessions: OnceLock::new(),
        }
    }

    /// Whose certificate is kept.
    pub fn pin_key(&self) -> &str {
        &self.pin_key
    }

    /// Wait for the controller to be free.
    pub async fn turn(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, HttpError> {
        match tokio::time::timeout_at(deadline.into(), self.turn.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(HttpError::TimedOut),
        }
    }

    /// Were these credentials refused a short while ago?
    pub fn refused(&self, login: &Login) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(&key(login)).is_some_and(|since| since.elapsed() < REFUSED_FOR)
    }

    /// Remember that they were.
    pub fn refuse(&self, login: &Login) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(key(login), Instant::now());
    }

    /// Forget it.
    pub fn forgive(&self) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How long one request that begins now may take.
    pub fn allowance(&self, asked: Option<u32>, deadline: Instant) -> Duration {
        let asked = asked.map_or(self.numbers.request_timeout, |millis| Duration::from_millis(millis.into()));
        asked.min(self.numbers.request_timeout).min(deadline.saturating_duration_since(Instant::now()))
    }

    /// The same for a request that carries so many bytes of firmware images: bounded by their size.
    pub fn upload_allowance(&self, asked: Option<u32>, bytes: u64, deadline: Instant) -> Duration {
        let most = self.numbers.request_timeout + upload_time(bytes);
        let asked = asked.map_or(most, |millis| Duration::from_millis(millis.into()));
        asked.min(most).min(deadline.saturating_duration_since(Instant::now()))
    }

    /// One exchange, in the caller's turn. `gate` is asked while a firmware image is on its way.
    pub async fn exchange(
        &self,
        request: &Outgoing,
        gate: &Gate,
        timeout: Duration,
        deadline: Instant,
    ) -> Result<Answer, HttpError> {
        let look = request.method.is_safe();
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.pace(deadline).await?;
            let begun = Instant::now();
            let outcome = self.once(request, gate, timeout.min(deadline.saturating_duration_since(begun))).await;
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (method, path) = (request.method.as_str(), request.url.path());
            match outcome {
                Ok(answer) => {
                    tracing::debug!(method, path, status = answer.status, millis, "request");
                    return Ok(answer);
                }
                Err(Broken { error, again }) => {
                    tracing::debug!(method, path, ?error, millis, attempt, "request failed");
                    if !(look && again && attempt == 1) {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn once(&self, request: &Outgoing, gate: &Gate, timeout: Duration) -> Result<Answer, Broken> {
        if timeout.is_zero() {
            return Err(Broken { error: HttpError::TimedOut, again: false });
        }
        let mut builder = self
            .client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .timeout(timeout);
        builder = match request.body.clone() {
            OutBody::Empty => builder,
            OutBody::Bytes(bytes) => builder.body(bytes),
            OutBody::Multipart(parts) => builder.multipart(form(parts, gate)?),
            OutBody::Image(upload) => builder
                .header(CONTENT_LENGTH, upload.length)
                .body(reqwest::Body::wrap_stream(upload.stream(gate.clone()))),
        };
        let response = builder.send().await.map_err(|error| self.broken(&error))?;
        let limit = self.numbers.max_response;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = self.body(response, limit, request.method == reqwest::Method::HEAD).await?;
        Ok(Answer { status, headers, body })
    }

    async fn body(&self, mut response: reqwest::Response, limit: usize, head: bool) -> Result<Vec<u8>, Broken> {
        let too_large = |size: u64| Broken { error: HttpError::TooLarge(size), again: false };
        if head {
            return Ok(Vec::new());
        }
        if let Some(length) =
            response.content_length().filter(|length| usize::try_from(*length).unwrap_or(usize::MAX) > limit)
        {
            return Err(too_large(length));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > limit {
                return Err(too_large(u64::try_from(limit).unwrap_or(u64::MAX)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// A transport's failure in the contract's words. The certificate's problem is looked up: on its way through the
    /// client it becomes one more refused connection.
    fn broken(&self, error: &reqwest::Error) -> Broken {
        if let Some(problem) = self.pin.as_ref().filter(|_| error.is_connect()).and_then(|pin| pin.problem()) {
            return Broken { error: HttpError::Denied(problem), again: false };
        }
        // The client's own line names the address, which is not the plugin's to know.
        let text = error.source().map(chain).unwrap_or_default();
        let error = match (error.is_timeout(), error.is_connect()) {
            (true, false) => HttpError::TimedOut,
            (true, true) => HttpError::Unreachable("no answer to the connection".to_owned()),
            _ => HttpError::Unreachable(text),
        };
        let again = matches!(error, HttpError::Unreachable(_));
        Broken { error, again }
    }

    /// Wait until the controller's rate allows one more request; a second's worth may come at once.
    async fn pace(&self, deadline: Instant) -> Result<(), HttpError> {
        let wait = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let due = next.map_or(now, |next| next.max(now)) + Duration::from_secs(1) / self.numbers.rate;
            let wait = due.saturating_duration_since(now).saturating_sub(Duration::from_secs(1));
            if now + wait >= deadline {
                let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
                return Err(if wait.is_zero() { HttpError::TimedOut } else { HttpError::Throttled(millis) });
            }
            *next = Some(due);
            wait
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// A small exchange of the host's own: the service root, a login, a logout.
    pub async fn own(&self, request: &Outgoing, deadline: Instant) -> Result<Answer, HttpError> {
        // Nothing of the host's own carries an image, so this gate is never asked.
        let gate = Gate::detached(Effect::Look);
        let answer = self.exchange(request, &gate, self.allowance(None, deadline), deadline).await?;
        if answer.body.len() > SMALL {
            return Err(HttpError::TooLarge(u64::try_from(answer.body.len()).unwrap_or(u64::MAX)));
        }
        Ok(answer)
    }
}

struct Broken {
    error: HttpError,
    again: bool,
}

fn key(login: &Login) -> Refusal {
    (login.username.clone(), Sha256::digest(login.password.expose()).into())
}

fn form(parts: Vec<OutPart>, gate: &Gate) -> Result<reqwest::multipart::Form, Broken> {
    let mut form = reqwest::multipart::Form::new();
    for OutPart { name, filename, content_type, content } in parts {
        let mut part = match content {
            Content::Bytes(bytes) => reqwest::multipart::Part::bytes(bytes),
            Content::Image(upload) => reqwest::multipart::Part::stream_with_length(
                reqwest::Body::wrap_stream(upload.stream(gate.clone())),
                upload.length,
            ),
        };
        if let Some(filename) = filename {
            part = part.file_name(filename);
        }
        if !content_type.is_empty() {
            part = part.mime_str(&content_type).map_err(|_| Broken {
                error: HttpError::Denied(format!("`{content_type}` is no content type")),
                again: false,
            })?;
        }
        form = form.part(name, part);
    }
    Ok(form)
}
