//! The middleware in front of every route: who is it, how often, may they, did they mean it.
//!
//! Promises that it fails closed: a route that is not in the table, a credential that does not serve, a store that does not answer, a changing
//! request of a session without its proof, all are refused before the handler runs. A credential that was shown and is wrong is
//! refused even where a weaker one beside it would do.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::StreamExt as _;

use super::origin::{From, origin};
use super::who::{Csrf, no_permission, not_signed_in};
use super::{Auth, COOKIE, Door, SECURE_COOKIE, Session, session};
use crate::access::{Means, Permission, Principal, Record};
use crate::egress::now;
use crate::http::problem::{Problem, Refused};

/// Bodies longer than this are refused.
const MAX_BODY: usize = 1024 * 1024;
/// Within this a body has come.
const BODY_TIME: Duration = Duration::from_secs(30);
/// What a stream of events is.
const EVENTS: &[u8] = b"text/event-stream";
/// Whoever was let in is asked again after this, where an answer has no end of its own: a token may be revoked meanwhile.
pub const LONGEST_STREAM: Duration = Duration::from_mins(10);
/// What a session's changing requests carry.
const CSRF_HEADER: &str = "x-farrier-csrf";
/// Paths longer than this are nobody's.
const MAX_URI: usize = 8 * 1024;

/// What the gate found out.
struct Known {
    who: Principal,
    session: Option<Session>,
}

/// In front of every route.
pub async fn gate(State(auth): State<Arc<Auth>>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let Some(route) = head.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()) else {
        return no_route().await.into_response();
    };
    let door = head.extensions.get::<Door>().cloned();
    let address = door.as_ref().and_then(Door::address);
    let changing = !head.method.is_safe();
    let target = head.uri.path().to_owned();
    let known = match admit(&auth, door.as_ref(), &head, &route).await {
        Ok(known) => known,
        Err((who, problem)) => {
            let record = Record::new(&who, head.method.as_str(), target, problem.code.clone());
            auth.auditor.refused(record.from(address).detail(problem.detail.clone())).await;
            return refuse(&auth, door.as_ref(), &head.method, &head.headers, &route, problem);
        }
    };
    let body = match whole(&head.headers, body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let csrf = known.session.map(|session| session.csrf);
    head.extensions.insert(Csrf(csrf));
    head.extensions.insert(known.who.clone());
    let method = head.method.clone();
    let response = next.run(Request::from_parts(head, body)).await;
    if changing && response.extensions().get::<Recorded>().is_none() {
        let (ok, result) = result(&response);
        let record = Record::new(&known.who, method.as_str(), target, result).from(address);
        if ok { auth.auditor.done(record).await } else { auth.auditor.refused(record).await }
    }
    bounded(response)
}

/// A stream of events ends after a while; browsers come again by themselves, and are asked again who they are.
fn bounded(response: Response) -> Response {
    let stream = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(EVENTS));
    if !stream {
        return response;
    }
    let (head, body) = response.into_parts();
    let body = body.into_data_stream().take_until(tokio::time::sleep(LONGEST_STREAM));
    Response::from_parts(head, Body::from_stream(body))
}

/// A handler that wrote its own, better record says so with this in the response's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Recorded;

/// What a changing request came to: whether it was done, and the code of what stood against it.
fn result(response: &Response) -> (bool, String) {
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return (true, "ok".to_owned());
    }
    let code = response.extensions().get::<Refused>().map(|refused| refused.0.to_string());
    (false, code.unwrap_or_else(|| status.as_u16().to_string()))
}

type Refusal = (Principal, Problem);

/// Everything that is asked before the handler.
async fn admit(
    auth: &Auth,
    door: Option<&Door>,
    head: &axum::http::request::Parts,
    route: &str,
) -> Result<Known, Refusal> {
    let stranger = |problem| (Principal::nobody(), problem);
    let needed = needed(auth, &head.method, route).map_err(stranger)?;
    if head.uri.path_and_query().is_some_and(|text| text.as_str().len() > MAX_URI) {
        return Err(stranger(Problem::new(StatusCode::URI_TOO_LONG, "uri-too-long", "the path is too long")));
    }
    let known = if needed == Permission::Public {
        Known { who: Principal::nobody(), session: None }
    } else {
        identify(auth, door, &head.headers).await.map_err(stranger)?
    };
    let Known { who, session } = &known;
    let refuse = |problem| (who.clone(), problem);
    if !matches!(door, Some(Door::Socket { .. })) {
        let limited = match who.means {
            Means::Nothing => {
                let key = door.map_or_else(|| "nowhere".to_owned(), Door::key);
                let look = needed == Permission::Public && head.method.is_safe();
                if look { auth.limits.open(&key) } else { auth.limits.request(&key) }
            }
            _ => auth.limits.request(&who.name),
        };
        if let Err(problem) = limited {
            return Err(refuse(problem));
        }
    }
    if !who.may(needed) {
        return Err(refuse(if who.means == Means::Nothing { not_signed_in() } else { no_permission(who, needed) }));
    }
    if !head.method.is_safe()
        && let Err(problem) = meant(auth, door, &head.headers, who, session.as_ref())
    {
        return Err(refuse(problem));
    }
    Ok(known)
}

/// What the route needs.
fn needed(auth: &Auth, method: &Method, route: &str) -> Result<Permission, Problem> {
    let asked = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut there = false;
    for (method, path, permission) in auth.routes {
        if *path == route {
            there = true;
            if *method == asked {
                return Ok(*permission);
            }
        }
    }
    if there {
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-method", format!("not with {asked}")));
    }
    tracing::error!(method = asked, route, "a route is not in the table of permissions, and is refused to everyone");
    Err(Problem::new(StatusCode::FORBIDDEN, "no-permission", "nobody may do this"))
}

/// Who it is. The strongest credential that was shown counts, and must serve.
async fn identify(auth: &Auth, door: Option<&Door>, headers: &HeaderMap) -> Result<Known, Problem> {
    if let Some(shown) = headers.get(header::AUTHORIZATION) {
        return bearer(auth, door, shown).await.map(|who| Known { who, session: None });
    }
    let secure = door.is_some_and(|door| door.secure(headers, auth.behind_proxy));
    if let Some(secret) = session::shown(headers, secure)
        && let Some(found) = auth.sessions.find(&secret, &auth.tokens, now()).await?
    {
        return Ok(Known { who: found.principal.clone(), session: Some(found) });
    }
    let who = match door {
        Some(Door::Socket { user }) => Principal::local(user),
        Some(Door::Tls { names, .. }) => auth.certified(names).unwrap_or_else(Principal::nobody),
        _ => Principal::nobody(),
    };
    Ok(Known { who, session: None })
}

async fn bearer(auth: &Auth, door: Option<&Door>, shown: &axum::http::HeaderValue) -> Result<Principal, Problem> {
    let text = shown.to_str().ok().and_then(|text| text.split_once(' '));
    let token = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let verified = match token {
        Some(token) => auth.tokens.verify(token, now()).await?,
        None => Err(crate::access::Refusal::Malformed),
    };
    match verified {
        Ok(token) => Ok(token.principal(Means::Token)),
        Err(refusal) => {
            auth.limits.sign_in(&door.map_or_else(|| "nowhere".to_owned(), Door::key))?;
            tracing::info!(reason = refusal.as_str(), "a token was refused");
            Err(wrong_token())
        }
    }
}

/// The same words for every token that does not serve.
pub fn wrong_token() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "wrong-token", "the token is unknown, revoked or expired")
        .hint("`farrier token list` shows which serve; `farrier token create` makes another")
}

impl Auth {
    /// With which methods the path may be asked.
    fn methods(&self, route: &str) -> String {
        let methods: Vec<_> =
            self.routes.iter().filter(|(_, path, _)| *path == route).map(|(method, _, _)| *method).collect();
        methods.join(", ")
    }

    /// Whose certificate holds one of these names.
    fn certified(&self, names: &[String]) -> Option<Principal> {
        self.certificates.iter().find(|(subject, _)| names.contains(subject)).map(|(_, who)| who.clone())
    }
}

/// Did they mean it? What a browser sends by itself proves nothing.
fn meant(
    auth: &Auth,
    door: Option<&Door>,
    headers: &HeaderMap,
    who: &Principal,
    session: Option<&Session>,
) -> Result<(), Problem> {
    let refused = |text: &str| Err(Problem::new(StatusCode::FORBIDDEN, "csrf", text));
    let secure = door.is_some_and(|door| door.secure(headers, auth.behind_proxy));
    let from = origin(headers, &auth.base, secure);
    // A bearer token is never sent by a browser on its own.
    if from == From::Elsewhere && who.means != Means::Token {
        return refused("the request comes from another site's page");
    }
    let Some(session) = session else { return Ok(()) };
    if from != From::Ours {
        return refused("a session's changes come from our own pages: `Origin` or `Sec-Fetch-Site` must say so");
    }
    if !headers.get(CSRF_HEADER).is_some_and(|shown| session.has_csrf(shown.as_bytes())) {
        return refused("`X-Farrier-Csrf` is not what GET /api/v1/me says");
    }
    Ok(())
}

/// The whole body, in time: a sender that trickles holds no handler.
async fn whole(headers: &HeaderMap, body: Body) -> Result<Body, Problem> {
    if !headers.contains_key(header::CONTENT_LENGTH) && !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(body);
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is longer than 1 MiB");
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(long());
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(Body::from(bytes)),
        Ok(Err(_)) => Err(long()),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body did not come in 30 s")),
    }
}

/// A person who opens a page is led to sign in; everyone else is told.
fn refuse(
    auth: &Auth,
    door: Option<&Door>,
    method: &Method,
    headers: &HeaderMap,
    route: &str,
    problem: Problem,
) -> Response {
    let api = route.starts_with("/api/") || route.starts_with("/auth/");
    let html =
        headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|a| a.contains("text/html"));
    let strange = problem.status == StatusCode::UNAUTHORIZED;
    let wrong_method = problem.status == StatusCode::METHOD_NOT_ALLOWED;
    let mut response = if strange && html && !api && *method == Method::GET {
        Redirect::to("/sign-in").into_response()
    } else {
        problem.into_response()
    };
    if wrong_method && let Ok(value) = auth.methods(route).parse() {
        response.headers_mut().insert(header::ALLOW, value);
    }
    let secure = door.is_some_and(|door| door.secure(headers, auth.behind_proxy));
    if strange && session::shown(headers, secure).is_some() {
        // It ended; a browser that keeps it would show it for ever.
        let cookie = session::gone(COOKIE, SECURE_COOKIE, secure).to_string();
        if let Ok(value) = cookie.parse() {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// 404.
pub async fn no_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-route", "there is nothing at this path").hint("GET /api/v1/openapi.json")
}
