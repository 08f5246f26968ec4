//! What a GET shows: stored text plus what changes by itself.
//!
//! Promises that power, boot override, sessions, accounts, jobs and mirrored properties are always those of
//! the state, and that an `ETag` changes when, and only when, what is shown changes (clocks excepted).
//! Options that are not advertised by any simulated vendor are refused and kept as violations.

use serde_json::{Map, Value, json};

use super::bmc::Bmc;
use super::config::{Kind, Power};
use super::hardware::overlay;
use super::profile::{ACCOUNTS, JOBS, Profile, SESSIONS, TASKS, profile};
use super::reply::Reply;
use super::resource::{Resource, at, key, put};
use super::serve::Ask;
use super::state::State;
use super::template::{pattern, token};

impl Bmc {
    /// `GET` and `HEAD`.
    pub(super) fn read(&self, ask: &Ask) -> Reply {
        let at = key(&ask.path);
        if at == "/redfish" {
            return Reply::json(200, json!({"v1": "/redfish/v1/"}));
        }
        let state = self.state();
        let Some(mut body) = show(&state, self.kind(), &at) else {
            drop(state);
            let passing = [TASKS, SESSIONS, JOBS].iter().any(|parent| at.starts_with(&format!("{}/", key(parent))));
            return if passing { self.absent(&ask.path) } else { self.missing(ask) };
        };
        let etag = tag(self.kind(), &mut body);
        if let Some(query) = &ask.query
            && let Err(option) = options(&state, self.kind(), &mut body, query)
        {
            drop(state);
            self.violation(format!("GET {}: the option {option} is not supported", ask.path));
            return Reply::refuse_base(self.kind(), 400, "QueryNotSupported", &[]);
        }
        drop(state);
        page(self.profile, &mut body, ask);
        clock(self.kind(), &mut body);
        let reply = Reply::json(200, body);
        etag.into_iter().fold(reply, |reply, etag| reply.header("ETag", etag))
    }
}

/// The `ETag` a resource has now, when it has one.
pub(super) fn etag_of(state: &State, kind: Kind, at: &str) -> Option<String> {
    tag(kind, &mut show(state, kind, at)?)
}

/// A resource as shown, without `ETag` and clock.
pub(super) fn show(state: &State, kind: Kind, at: &str) -> Option<Value> {
    for (parent, name) in [(SESSIONS, "session"), (ACCOUNTS, "account"), (JOBS, "job"), (TASKS, "task")] {
        if let Some(id) = at.strip_prefix(&key(parent)).and_then(|rest| rest.strip_prefix('/')) {
            return dynamic(state, kind, name, id);
        }
    }
    let resource = state.resources.get(at)?;
    let mut body = resource.body();
    if resource.meta.collection {
        let members = members(state, kind, at);
        put(&mut body, "Members@odata.count", json!(members.len()));
        put(&mut body, "Members", Value::Array(members));
        if resource.meta.full {
            expand(state, kind, &mut body);
        }
    }
    for mirror in &resource.meta.mirror {
        let other = state.resources.get(&mirror.resource).map(Resource::body);
        if let Some(value) = other.as_ref().and_then(|other| self::at(other, &mirror.there)) {
            let value = if mirror.word { json!(value == "Enabled") } else { value.clone() };
            put(&mut body, &mirror.here, value);
        }
    }
    live(state, kind, at, &mut body);
    overlay(state, kind, at, &mut body);
    Some(body)
}

/// A session, account, job or task.
pub(super) fn dynamic(state: &State, kind: Kind, name: &str, id: &str) -> Option<Value> {
    let mut vars = state.vars.clone();
    let mut set = |name: &str, value: &str| vars.insert(name.to_owned(), value.to_owned());
    match name {
        "session" => {
            let session = state.sessions.iter().find(|session| session.id.eq_ignore_ascii_case(id))?;
            set("id", &session.id);
            set("username", &session.username);
        }
        "account" => {
            let account = state.accounts.get(&id.parse::<u32>().ok()?)?;
            set("id", id);
            set("username", &account.username);
            set("role", &account.role);
            set("enabled", if account.enabled { "true" } else { "false" });
            let locked = account.locked_until.is_some_and(|until| std::time::Instant::now() < until);
            set("locked", if locked { "true" } else { "false" });
        }
        _ => {
            let job = state.jobs.iter().find(|job| job.id.eq_ignore_ascii_case(id))?;
            // The Redfish task is purged after success; the job stays.
            if name == "task" && kind == Kind::DellIdrac9 && job.state == "Completed" {
                return None;
            }
            set("id", &job.id);
            set("job_name", &job.name);
            set("job_state", job.state);
            let task_state = match job.state {
                "Scheduled" => "Pending",
                "Failed" => "Exception",
                other => other,
            };
            set("task_state", task_state);
            set("task_status", if job.state == "Failed" { "Critical" } else { "OK" });
            set("percent", &job.percent.to_string());
            let target = job.target.as_ref().map_or("null".to_owned(), |target| format!("\"{target}\""));
            set("target", &target);
        }
    }
    Some(pattern(kind, name)?.fill(&vars).1)
}

fn members(state: &State, kind: Kind, at: &str) -> Vec<Value> {
    let prefix = format!("{at}/");
    let child = |path: &str| path.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
    let mut paths: Vec<String> = state
        .resources
        .range(prefix.clone()..)
        .take_while(|(path, _)| path.starts_with(&prefix))
        .filter(|(path, _)| child(path))
        .map(|(_, resource)| resource.path.to_string())
        .collect();
    if at == key(SESSIONS) {
        paths.extend(state.sessions.iter().map(|session| format!("{SESSIONS}/{}", session.id)));
    } else if at == key(ACCOUNTS) {
        paths.extend(state.accounts.keys().map(|id| format!("{ACCOUNTS}/{id}")));
    } else if at == key(JOBS) {
        paths.extend(state.jobs.iter().map(|job| format!("{JOBS}/{}", job.id)));
    } else if at == key(TASKS) {
        let shown = state.jobs.iter().filter(|job| dynamic(state, kind, "task", &job.id).is_some());
        paths.extend(shown.map(|job| format!("{TASKS}/{}", job.id)));
    }
    // Numbers in counting order, as the vendors list them.
    paths.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    paths.into_iter().map(|path| json!({"@odata.id": path})).collect()
}

fn live(state: &State, kind: Kind, at: &str, body: &mut Value) {
    let profile = profile(kind);
    let power = if state.power == Power::On { "On" } else { "Off" };
    if at == key(profile.chassis) {
        put(body, "PowerState", json!(power));
    }
    if at == key(profile.bios_settings) {
        pending(state, kind, profile, body);
    }
    if at != key(profile.system) {
        return;
    }
    let shown = match (kind, state.heading) {
        (Kind::Generic, Some(Power::On)) if state.power == Power::Off => "PoweringOn",
        (Kind::Generic, Some(Power::Off)) if state.power == Power::On => "PoweringOff",
        _ => power,
    };
    put(body, "PowerState", json!(shown));
    put(body, "Boot/BootSourceOverrideEnabled", json!(state.boot.enabled));
    put(body, "Boot/BootSourceOverrideTarget", json!(state.boot.target));
    put(body, "Boot/BootSourceOverrideMode", json!(state.boot.mode));
    if let Some(target) = &state.boot.uefi_target {
        put(body, "Boot/UefiTargetBootSourceOverride", json!(target));
    }
    if let Some(uri) = &state.boot.http_uri {
        put(body, "Boot/HttpBootUri", json!(uri));
    }
    let (post, progress) = match (state.power, state.in_post()) {
        (Power::Off, _) => ("PowerOff", "None"),
        (Power::On, true) => ("InPost", "MemoryInitializationStarted"),
        (Power::On, false) => ("FinishedPost", "OSRunning"),
    };
    if body.pointer("/Oem/Hpe/PostState").is_some() {
        put(body, "Oem/Hpe/PostState", json!(post));
    }
    if body.get("BootProgress").is_some() {
        put(body, "BootProgress/LastState", json!(progress));
    }
}

/// The pending BIOS object: HPE and the standard show all values, Dell only pending ones, and Supermicro
/// leaves `Attributes` out when nothing pends.
fn pending(state: &State, kind: Kind, profile: &Profile, body: &mut Value) {
    let mut shown = Map::new();
    if matches!(kind, Kind::HpeIlo5 | Kind::HpeIlo6 | Kind::Generic) {
        let current = state.resources.get(&key(profile.bios)).map(Resource::body);
        if let Some(Value::Object(attributes)) = current.as_ref().and_then(|body| body.get("Attributes")) {
            shown.clone_from(attributes);
        }
    }
    shown.extend(state.bios_pending.clone());
    if kind == Kind::SupermicroX13 && shown.is_empty() {
        return;
    }
    put(body, "Attributes", Value::Object(shown));
}

fn tag(kind: Kind, body: &mut Value) -> Option<String> {
    let marked = body.get("@odata.etag").is_some();
    if !marked && !profile(kind).etag_everywhere {
        return None;
    }
    body.as_object_mut()?.remove("@odata.etag");
    let digest = token(0, &body.to_string(), 32);
    let cut = |digits: usize| digest.get(..digits).unwrap_or_default();
    let etag = match kind {
        Kind::HpeIlo5 | Kind::HpeIlo6 => format!("W/\"{}\"", cut(8).to_uppercase()),
        Kind::DellIdrac9 => format!("\"{}\"", u64::from_str_radix(cut(9), 16).unwrap_or_default()),
        Kind::SupermicroX13 => format!("\"{digest}\""),
        Kind::Generic => format!("\"{}\"", cut(12)),
    };
    put(body, "@odata.etag", json!(etag));
    Some(etag)
}

/// Clocks run; they are added after the `ETag` is taken.
fn clock(kind: Kind, body: &mut Value) {
    if body.get("DateTime").is_some_and(Value::is_string) {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let zone = if matches!(kind, Kind::HpeIlo5 | Kind::HpeIlo6 | Kind::SupermicroX13) { "Z" } else { "+00:00" };
        put(body, "DateTime", json!(format!("{now}{zone}")));
    }
}

/// `$expand` one level of members, `$select` of first-level properties, `only`; paging is elsewhere.
fn options(state: &State, kind: Kind, body: &mut Value, query: &str) -> Result<(), String> {
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "$expand" => expand(state, kind, body),
            "$select" => {
                let wanted: Vec<&str> = value.split(',').map(|path| path.split('/').next().unwrap_or(path)).collect();
                if let Some(map) = body.as_object_mut() {
                    map.retain(|name, _| name.starts_with('@') || wanted.contains(&name.as_str()));
                }
            }
            "$skip" | "$top" if value.parse::<usize>().is_ok() => {}
            "only" => {
                let only = body.get("Members").and_then(Value::as_array).filter(|members| members.len() == 1);
                let path = only.and_then(|members| members.first()?.get("@odata.id")?.as_str().map(key));
                if let Some(member) = path.and_then(|path| show(state, kind, &path)) {
                    *body = member;
                }
            }
            other => return Err(other.to_owned()),
        }
    }
    Ok(())
}

fn expand(state: &State, kind: Kind, body: &mut Value) {
    let Some(members) = body.get_mut("Members").and_then(Value::as_array_mut) else { return };
    for member in members {
        let path = member.get("@odata.id").and_then(Value::as_str).map(key);
        if let Some(full) = path.and_then(|path| show(state, kind, &path)) {
            *member = full;
        }
    }
}

/// Cut a collection to the page asked for; a longer one gets a link to the rest.
fn page(profile: &Profile, body: &mut Value, ask: &Ask) {
    let number = |wanted: &str| {
        let query = ask.query.as_deref().unwrap_or_default();
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == wanted).and_then(|(_, value)| value.parse::<usize>().ok())
    };
    let skip = number("$skip").unwrap_or(0);
    let top = number("$top").into_iter().chain(profile.page).min();
    let Some(members) = body.get_mut("Members").and_then(Value::as_array_mut) else { return };
    let whole = members.len();
    members.drain(..skip.min(whole));
    let Some(top) = top.filter(|top| members.len() > *top) else { return };
    members.truncate(top);
    let next = format!("{}?$skip={}", ask.path.trim_end_matches('/'), skip + top);
    put(body, "Members@odata.nextLink", json!(next));
}
