//! Faults that are open, and silences: what is known to be worked on.
//!
//! Promises that a fault is seen by whoever sees its server, and a rack's by whoever sees its site. A silence is set for what one sees, has an
//! end and a reason, and stands in the audit log like every change.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Body, MAX_NAME, MAX_TEXT, Name, Params, line, maybe_line};
use super::page::Page;
use super::{Api, Problem, ProblemView};
use crate::access::Principal;
use crate::egress::now;
use crate::health::{LONGEST, Scope, Silence, Silences};
use crate::http::auth::Who;
use crate::http::view::time;
use crate::ticket::{Case, Cases, Subject};

/// A fault that lasts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Fault)]
pub struct FaultView {
    /// The server's name, or `rack A01`.
    pub name: String,
    /// The server's id, `rack/<site>/<rack>`, or `rack/<site>/<rack>/feed-a`.
    pub about: String,
    /// Slug of the site, where it is known.
    pub site: Option<String>,
    /// Names the kind of fault.
    pub code: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// The stage it stands in the way of; `null` for servers in service.
    pub stage: Option<String>,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
    /// Who must act.
    pub blame: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub since: String,
    /// The ticket's key, once there is one.
    pub ticket: Option<String>,
    /// The ticket's address.
    pub url: Option<String>,
}

impl FaultView {
    /// A case as people see it.
    pub fn of(case: Case, site: Option<String>) -> Self {
        let (ticket, url) = case.ticket.unzip();
        Self {
            name: case.name,
            about: case.about.to_string(),
            site,
            code: case.fault.code,
            severity: severity(case.warning).to_owned(),
            stage: case.stage.map(|stage| stage.to_string()),
            text: case.fault.text,
            hint: case.fault.hint,
            blame: case.fault.blame.as_str().to_owned(),
            since: time(case.since),
            ticket,
            url,
        }
    }
}

/// As people read it.
pub const fn severity(warning: bool) -> &'static str {
    if warning { "warning" } else { "critical" }
}

fn sees_site(who: &Principal, site: Option<&str>) -> bool {
    let covered = who.sites.as_ref().is_none_or(|sites| site.is_some_and(|site| sites.contains(site)));
    covered && who.tenant.is_none()
}

/// Those of the cases that are open and that they may see, each with its site; the one that has lasted longest comes first.
pub fn seen(api: &Api, who: &Principal, mut cases: Vec<Case>) -> Vec<(Case, Option<String>)> {
    cases.retain(|case| case.over.is_none());
    cases.sort_by_key(|case| (case.since, case.dedup_key()));
    let place = |case: Case| {
        let (theirs, site) = match &case.about {
            Subject::Server(id) => {
                let site = api.fleet.get(id).and_then(|row| row.server.facts.site.clone());
                (super::journal::sees(who, &api.fleet, id), site)
            }
            Subject::Rack { site, .. } => (sees_site(who, Some(site)), Some(site.clone())),
        };
        theirs.then_some((case, site))
    };
    cases.into_iter().filter_map(place).collect()
}

/// Which faults.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FaultsQuery {
    /// Only this server's, by name, id or BMC MAC
    #[param(max_length = 128)]
    server: Option<String>,
}

/// Open faults.
///
/// Of hardware in service, of warranties that end, and, where a ticket system is configured, of servers that failed in a stage. Those
/// that have lasted longest come first.
#[utoipa::path(get, path = "/api/v1/faults", tag = "servers", params(FaultsQuery),
    responses((status = 200, body = Page<FaultView>), (status = 404, description = "There is no such server that you may see",
        body = ProblemView, content_type = "application/problem+json")))]
pub async fn faults(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Params(query): Params<FaultsQuery>,
) -> Result<Json<Page<FaultView>>, Problem> {
    maybe_line("server", query.server.as_ref(), MAX_NAME)?;
    let kept = Cases(api.parts.bus.clone());
    let cases = match query.server {
        Some(name) => kept.of(&api.named(&who, &name).await?.id).await?,
        None => kept.all().await?,
    };
    let found = seen(&api, &who, cases);
    let items: Vec<FaultView> = found.into_iter().map(|(case, site)| FaultView::of(case, site)).collect();
    let total = u64::try_from(items.len()).unwrap_or(u64::MAX);
    Ok(Json(Page { items, next: None, total }))
}

/// A silence to set: of a server, of a rack (with its site), or of a site.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// The server's name, id or BMC MAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Slug of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Name of the rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// How long, seconds; 90 days at most.
    pub seconds: u64,
    /// Why.
    pub reason: String,
}

/// A silence.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Silence)]
pub struct SilenceView {
    /// Names it.
    pub id: String,
    /// `server AMS-SRV-001`, `rack A01 at ams`, `site ams`.
    pub scope: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub from: String,
    /// Its end.
    #[schema(format = DateTime)]
    pub until: String,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub by: String,
}

impl From<Silence> for SilenceView {
    fn from(silence: Silence) -> Self {
        let Silence { id, scope, from, until, reason, by } = silence;
        Self { id, scope: scope.to_string(), from: time(from), until: time(until), reason, by }
    }
}

fn sees(who: &Principal, api: &Api, silence: &Silence) -> bool {
    match &silence.scope {
        Scope::Server { id, .. } => super::journal::sees(who, &api.fleet, id),
        other => sees_site(who, other.site()),
    }
}

/// Silences that hold.
///
/// The next to end first.
#[utoipa::path(get, path = "/api/v1/silences", tag = "servers", responses((status = 200, body = Page<SilenceView>)))]
pub async fn silences(State(api): State<Arc<Api>>, Who(who): Who) -> Result<Json<Page<SilenceView>>, Problem> {
    let found = Silences(api.parts.bus.clone()).list(now()).await?;
    let items: Vec<SilenceView> =
        found.into_iter().filter(|silence| sees(&who, &api, silence)).map(SilenceView::from).collect();
    let total = u64::try_from(items.len()).unwrap_or(u64::MAX);
    Ok(Json(Page { items, next: None, total }))
}

/// Set a silence.
///
/// Nothing new is raised of what it is about until it ends. What lasts then is raised then; what is open already stays open.
#[utoipa::path(post, path = "/api/v1/silences", tag = "servers", request_body = NewSilence,
    responses((status = 201, body = SilenceView, headers(("Location" = String, description = "The silence's path")))))]
pub async fn silence(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Body(new): Body<NewSilence>,
) -> Result<Response, Problem> {
    api.may_change()?;
    line("reason", &new.reason, MAX_TEXT)?;
    for (field, text) in [("server", &new.server), ("site", &new.site), ("rack", &new.rack)] {
        maybe_line(field, text.as_ref(), MAX_NAME)?;
    }
    let millis = new.seconds.saturating_mul(1000);
    if !(1..=LONGEST).contains(&millis) {
        return Err(Problem::input("seconds", format!("is a number from 1 to {}", LONGEST / 1000)));
    }
    let scope = match (new.server, new.site, new.rack) {
        (Some(name), None, None) => {
            let server = api.named(&who, &name).await?;
            Scope::Server { name: server.label().to_owned(), site: server.facts.site.clone(), id: server.id }
        }
        (None, Some(site), Some(rack)) => Scope::Rack { site, rack },
        (None, Some(site), None) => Scope::Site { site },
        _ => return Err(Problem::input("server", "name a server, a site, or a rack with its site")),
    };
    if matches!(scope, Scope::Rack { .. } | Scope::Site { .. }) && !sees_site(&who, scope.site()) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-your-site", format!("{scope} is not among your sites")));
    }
    let from = now();
    let id = format!("S{:x}{:04x}", from.0, rand::random::<u16>());
    let silence = Silence { id, scope, from, until: from.plus(millis), reason: new.reason, by: who.name.clone() };
    Silences(api.parts.bus.clone()).set(&silence).await?;
    let place = format!("/api/v1/silences/{}", silence.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(SilenceView::from(silence))).into_response())
}

/// End a silence now.
#[utoipa::path(delete, path = "/api/v1/silences/{id}", tag = "servers",
    params(("id" = String, Path, description = "Its id", max_length = 128)),
    responses((status = 204, description = "It has ended")))]
pub async fn unsilence(State(api): State<Arc<Api>>, Who(who): Who, Name(id): Name) -> Result<StatusCode, Problem> {
    api.may_change()?;
    let silences = Silences(api.parts.bus.clone());
    let found = silences.list(now()).await?.into_iter().find(|one| one.id == id && sees(&who, &api, one));
    let Some(silence) = found else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no-silence", format!("no silence is called `{id}`"))
            .hint("`farrier health silences` lists those that hold"));
    };
    silences.remove(&silence.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
