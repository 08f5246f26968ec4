//! From a request to an answer: routes, tokens, verbs.
//!
//! Promises NetBox's behaviour for every request, and that what no correct client sends (an unknown path, a
//! missing slash, an unknown filter, a field that would be ignored, broken JSON) is in the ledger as a violation.
//! Each request is one transaction under one lock.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::answer::{Answer, Body};
use super::auth::Tokens;
use super::collection::{Call, delete, many, one, read};
use super::schema::Endpoint;
use super::store::Store;
use super::{SYSTEM, Version, options, tables};
use crate::ledger::{Kind, Ledger};

/// A request as the API sees it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The path, from `/`.
    pub path: String,
    /// The query as it was written.
    pub query: String,
    /// The Host header.
    pub host: String,
    /// The Authorization header.
    pub authorization: Option<String>,
    /// The If-Match header.
    pub if_match: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is behind the lock.
pub struct State {
    /// All objects.
    pub store: Store,
    /// All tokens.
    pub tokens: Tokens,
}

/// The simulated NetBox without its socket.
pub struct Api {
    /// Which NetBox this is.
    pub version: Version,
    /// Statuses added to devices.
    pub extra_statuses: Vec<String>,
    /// Users and passwords.
    pub users: Vec<(String, String)>,
    /// Where effects and violations go.
    pub ledger: Ledger,
    /// Objects and tokens.
    pub state: Mutex<State>,
}

enum Route {
    Status,
    Provision,
    List(&'static Endpoint),
    Single(&'static Endpoint, u64),
}

impl Api {
    /// Answer one request.
    pub fn handle(&self, request: &Request) -> Answer {
        let writes = !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        if writes && !request.path.starts_with("/api/users/tokens/provision") {
            self.ledger.count(SYSTEM, Kind::Write, &format!("{} {}", request.method, request.path));
        }
        let Some(route) = self.route(&request.path) else { return self.unrouted(request) };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match self.allowed(&state, &route, request, writes) {
            Ok(()) => self.dispatch(&mut state, &route, request),
            Err(text) => {
                self.ledger.count(SYSTEM, Kind::LoginRefused, text);
                Answer::detail(403, text)
            }
        };
        let committed = if answer.status < 400 {
            state.store.commit()
        } else {
            state.store.rollback();
            Ok(())
        };
        drop(state);
        if let Err(error) = committed {
            return Answer::from(super::parse::Failure::Storage(error));
        }
        let answer = if answer.status == 500 { answer } else { answer.with("Allow", verbs(&route)) };
        self.dress(request, answer)
    }

    /// The headers every answer of the version has.
    fn dress(&self, request: &Request, answer: Answer) -> Answer {
        match self.version {
            // 3.7 names its version only in answers to requests with a body.
            Version::V3_7 if matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") => {
                answer.with("API-Version", "3.7")
            }
            Version::V3_7 => answer,
            Version::V4_6 => answer.with("API-Version", "4.6").with("Content-Language", "en"),
        }
    }

    fn route(&self, path: &str) -> Option<Route> {
        let rest = path.strip_prefix("/api/")?.strip_suffix('/')?;
        match rest {
            "status" => return Some(Route::Status),
            "users/tokens/provision" => return Some(Route::Provision),
            _ => {}
        }
        if let Some(endpoint) = tables::endpoint(self.version, rest) {
            return Some(Route::List(endpoint));
        }
        let (list, id) = rest.rsplit_once('/')?;
        Some(Route::Single(tables::endpoint(self.version, list)?, id.parse().ok()?))
    }

    /// A path that leads nowhere: with a slash it might.
    fn unrouted(&self, request: &Request) -> Answer {
        let slashed = format!("{}/", request.path);
        let asked = format!("{} {}", request.method, request.path);
        if request.path.ends_with('/') || self.route(&slashed).is_none() {
            self.ledger.violation(SYSTEM, format!("{asked}: there is no such path"));
            return self.dress(request, Answer::no_such_page());
        }
        self.ledger.violation(
            SYSTEM,
            format!("{asked}: the trailing slash is missing, NetBox redirects and the body is lost"),
        );
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let html = Answer { status: 301, headers: Vec::new(), body: Body::Html(String::new()) };
        html.with("Location", slashed + &query)
    }

    fn allowed(&self, state: &State, route: &Route, request: &Request, writes: bool) -> Result<(), &'static str> {
        match route {
            Route::Provision => Ok(()),
            // Status is open on 3.7 and closed on 4.6, where a login is required for everything.
            Route::Status if self.version == Version::V3_7 => Ok(()),
            _ => state.tokens.check(self.version, request.authorization.as_deref(), writes),
        }
    }

    fn dispatch(&self, state: &mut State, route: &Route, request: &Request) -> Answer {
        let method = request.method.as_str();
        let refused = || {
            self.ledger.violation(SYSTEM, format!("{method} {}: this method is not allowed", request.path));
            Answer::detail(405, format!("Method \"{method}\" not allowed."))
        };
        let body = match self.body(request) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let base = format!("http://{}", request.host);
        if let (Route::Provision, "POST") = (route, method) {
            return self.provision(state, &base, &body);
        }
        let writable = state.tokens.check(self.version, request.authorization.as_deref(), true).is_ok();
        let mut call = Call::new(self, &mut state.store, request, &base);
        let answer = match (route, method) {
            (Route::Status, "GET" | "HEAD") => self.status(),
            (Route::List(endpoint), "OPTIONS") => {
                Answer::json(200, options::describe(self.version, endpoint, writable, &self.extra_statuses))
            }
            (Route::List(endpoint), "GET" | "HEAD") => many::list(&call, endpoint),
            (Route::Single(endpoint, id), "GET" | "HEAD") => read(&call, endpoint, *id),
            (Route::List(endpoint) | Route::Single(endpoint, _), _) if endpoint.model == "core.objectchange" => {
                refused()
            }
            (Route::List(endpoint), "POST") => match body {
                Value::Array(bodies) => many::create(&mut call, endpoint, &bodies),
                body => one::create(&mut call, endpoint, &body),
            },
            (Route::List(endpoint), "PATCH" | "PUT") => many::update(&mut call, endpoint, &body, method == "PATCH"),
            (Route::List(endpoint), "DELETE") => many::delete(&mut call, endpoint, &body),
            (Route::Single(endpoint, id), "PATCH" | "PUT") => {
                one::update(&mut call, endpoint, *id, &body, method == "PATCH")
            }
            (Route::Single(endpoint, id), "DELETE") => delete(&mut call, endpoint, *id),
            _ => refused(),
        };
        if answer.status < 400 {
            for (kind, detail) in call.into_effects() {
                self.ledger.count(SYSTEM, kind, &detail);
            }
        }
        answer
    }

    fn body(&self, request: &Request) -> Result<Value, Answer> {
        if request.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&request.body).map_err(|error| {
            self.ledger.violation(SYSTEM, format!("{} {}: the body is not JSON", request.method, request.path));
            Answer::detail(400, format!("JSON parse error - {}", python_error(&request.body, &error)))
        })
    }

    fn status(&self) -> Answer {
        let (django, netbox, python) = match self.version {
            Version::V3_7 => ("4.2.10", "3.7.3", "3.11.7"),
            Version::V4_6 => ("5.2.7", "4.6.8", "3.12.1"),
        };
        Answer::json(
            200,
            json!({"django-version": django, "installed-apps": {}, "netbox-version": netbox, "plugins": {},
                "python-version": python, "rq-workers-running": 0}),
        )
    }

    fn provision(&self, state: &mut State, base: &str, body: &Value) -> Answer {
        let given = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (user, password) = (given("username"), given("password"));
        if !self.users.contains(&(user.clone(), password)) {
            self.ledger.count(SYSTEM, Kind::LoginRefused, &user);
            return Answer::detail(403, "Invalid username/password");
        }
        self.ledger.count(SYSTEM, Kind::Login, &user);
        let now = state.store.now();
        let form = body.get("version").and_then(Value::as_u64).unwrap_or(2);
        Answer::json(201, state.tokens.provision(self.version, base, &user, form, &now))
    }
}

fn verbs(route: &Route) -> String {
    let list = match route {
        Route::Status => "GET, HEAD, OPTIONS",
        Route::Provision => "POST, OPTIONS",
        Route::List(endpoint) | Route::Single(endpoint, _) if endpoint.model == "core.objectchange" => {
            "GET, HEAD, OPTIONS"
        }
        Route::List(_) => "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
        Route::Single(..) => "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
    };
    let traced = matches!(route, Route::List(e) | Route::Single(e, _) if e.path == "dcim/interfaces");
    if traced { format!("{list}, TRACE") } else { list.to_owned() }
}

/// What Python's parser says about JSON that serde refused: same place, its own words.
fn python_error(body: &[u8], error: &serde_json::Error) -> String {
    let text = String::from_utf8_lossy(body);
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let said = error.to_string();
    let words = match said.as_str() {
        said if said.starts_with("key must be a string") => "Expecting property name enclosed in double quotes",
        said if said.starts_with("expected `:`") => "Expecting ':' delimiter",
        said if said.starts_with("expected `,`") => "Expecting ',' delimiter",
        said if said.starts_with("trailing characters") => "Extra data",
        _ => "Expecting value",
    };
    let column = error.column().max(1);
    format!("{words}: line {} column {column} (char {})", error.line(), before + column - 1)
}
