//! The technician's list: what is wrong at a rack, and the steps that put it right.
//!
//! Made from the fault that stands and from what the stage found, and from the open cases of hardware that is past its stages. What a
//! technician cannot mend (policy, inventory, plugins) is not in it, unless nobody else would look.
//!
//! Not obvious: only a stage can be asked to look again. What the monitor found is off the list when its looks are good again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use farrier_lifecycle::{Blame, Fault, Server, ServerId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{MAX_NAME, Params, maybe_line};
use super::health::{seen, severity};
use super::racks::SiteQuery;
use super::servers::EvidenceView;
use super::{Api, Problem};
use crate::bus::BusError;
use crate::fleet::Row;
use crate::http::auth::Who;
use crate::http::view::{time, time_ms};
use crate::ticket::{Case, Cases, Subject};

/// Where stages keep what they found: `evidence/<server id>/<kind>`.
const EVIDENCE: &str = "evidence/";

/// As it stands in the store.
#[derive(Deserialize)]
struct Kept {
    at: Timestamp,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    attempt: String,
    #[serde(default)]
    data: serde_json::Value,
}

fn read(bytes: &[u8]) -> Option<EvidenceView> {
    let kept: Kept = serde_json::from_slice(bytes).ok()?;
    Some(EvidenceView { at: time_ms(kept.at), stage: kept.stage, attempt: kept.attempt, data: kept.data })
}

/// Everything that was found on a server, by kind. What cannot be read is left out, and said in the log.
pub async fn evidence_of(api: &Api, server: &ServerId) -> Result<BTreeMap<String, EvidenceView>, BusError> {
    let prefix = format!("{EVIDENCE}{server}/");
    let mut all = BTreeMap::new();
    for (key, _) in api.parts.bus.keys(&prefix).await? {
        let Some(bytes) = api.parts.bus.get(&key).await? else { continue };
        let kind = key.strip_prefix(&prefix).unwrap_or(&key).to_owned();
        if let Some(evidence) = read(&bytes) {
            all.insert(kind, evidence);
        } else {
            tracing::warn!(server = %server, kind, "evidence in the store is unreadable");
        }
    }
    Ok(all)
}

/// Something to do at a rack.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkItem {
    /// The server's name, or `rack A01`.
    pub server: String,
    /// The server's id, `rack/<site>/<rack>`, or `rack/<site>/<rack>/feed-a`; with `code` it names the item.
    pub id: String,
    /// Slug of its site.
    pub site: Option<String>,
    /// Its rack.
    pub rack: Option<String>,
    /// The lowest unit it fills.
    pub unit: Option<u32>,
    /// To find it by.
    pub serial: Option<String>,
    /// `cabling`, `part`, `identity`, `access` (its controller cannot be reached or logged in to), `other`.
    pub kind: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub since: String,
    /// What is wrong, in a line.
    pub headline: String,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// The fault's code.
    pub code: String,
    /// Can the stage be tried again (`retry`) to see whether it is right? Not where no stage stands still: a fault of hardware in
    /// service is off the list by itself, some looks after it is mended.
    #[serde(default)]
    pub check: bool,
    /// `warning` (nothing is lost yet) or `critical`, of a fault of hardware in service.
    #[serde(default)]
    pub severity: Option<String>,
    /// Whose server it is while it is in service: they are asked before it is switched off or unplugged.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// The list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkList {
    /// By site, rack and unit.
    pub items: Vec<WorkItem>,
}

/// What kind of work the fault makes for someone at the rack; `None`: it is not theirs.
fn kind(fault: &Fault) -> Option<&'static str> {
    match (fault.code.as_str(), fault.blame) {
        ("identity-mismatch" | "model-mismatch", _) => Some("identity"),
        ("credentials-refused", _) | (_, Blame::Network) => Some("access"),
        (_, Blame::Cabling) => Some("cabling"),
        (_, Blame::Hardware) => Some("part"),
        (_, Blame::Controller) => Some("other"),
        _ => None,
    }
}

fn steps(evidence: Option<&EvidenceView>) -> Vec<String> {
    let steps = evidence.and_then(|evidence| evidence.data.get("steps")).and_then(serde_json::Value::as_array);
    steps.into_iter().flatten().filter_map(|step| step.as_str().map(str::to_owned)).collect()
}

/// A hint's part that is done at the rack; its end, to ask for a retry, is what this list's own button does.
fn by_hand(hint: &str) -> String {
    let hint = hint.trim_end_matches('.').trim_end_matches("then `farrier server retry`");
    hint.trim_end_matches([' ', ',', ';']).to_owned()
}

async fn item(api: &Api, row: &Row) -> Result<Option<WorkItem>, BusError> {
    let Some((fault, kind)) = row.fault().and_then(|fault| Some((fault, kind(fault)?))) else { return Ok(None) };
    let server = &row.server;
    let mut todo = Vec::new();
    if kind == "cabling" {
        let bytes = api.parts.bus.get(&format!("{EVIDENCE}{}/cabling", server.id)).await?;
        todo = steps(bytes.as_deref().and_then(read).as_ref());
    }
    if todo.is_empty() {
        todo.extend(fault.hint.as_deref().map(by_hand));
    }
    Ok(Some(WorkItem {
        server: server.label().to_owned(),
        id: server.id.to_string(),
        site: server.facts.site.clone(),
        rack: row.rack().map(str::to_owned),
        unit: row.unit(),
        serial: server.facts.serial.clone(),
        kind: kind.to_owned(),
        since: time(server.since),
        headline: fault.text.lines().next().unwrap_or_default().to_owned(),
        steps: todo,
        code: fault.code.clone(),
        check: true,
        severity: None,
        tenant: None,
    }))
}

/// What the monitor found and hands can mend.
fn found(api: &Api, case: Case, site: Option<String>) -> Option<WorkItem> {
    let by_hands = matches!(case.fault.blame, Blame::Hardware | Blame::Cabling | Blame::Network | Blame::Controller);
    let kind = kind(&case.fault).filter(|_| by_hands && case.stage.is_none())?;
    let row = case.about.server().and_then(|id| api.fleet.get(id));
    let rack = match &case.about {
        Subject::Rack { rack, .. } => Some(rack.as_str()),
        Subject::Server(_) => row.as_ref().and_then(|row| row.rack()),
    };
    let server = row.as_ref().map(|row| &row.server);
    Some(WorkItem {
        server: server.map_or(case.name.as_str(), Server::label).to_owned(),
        id: case.about.to_string(),
        site,
        rack: rack.map(str::to_owned),
        unit: row.as_ref().and_then(|row| row.unit()),
        serial: server.and_then(|server| server.facts.serial.clone()),
        kind: kind.to_owned(),
        since: time(case.since),
        headline: case.fault.text.lines().next().unwrap_or_default().to_owned(),
        steps: case.fault.hint.as_deref().map(by_hand).into_iter().collect(),
        code: case.fault.code,
        check: false,
        severity: Some(severity(case.warning).to_owned()),
        tenant: server.filter(|server| server.in_service()).and_then(|server| server.tenant.clone()),
    })
}

/// What is to be done at the racks.
///
/// Servers that stand still in a stage for want of hands, and faults of hardware in service.
#[utoipa::path(get, path = "/api/v1/work", tag = "servers", params(SiteQuery),
    responses((status = 200, body = WorkList)))]
pub async fn work(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Params(query): Params<SiteQuery>,
) -> Result<Json<WorkList>, Problem> {
    maybe_line("site", query.site.as_ref(), MAX_NAME)?;
    let here = |row: &Row| query.site.is_none() || query.site == row.server.facts.site;
    let mut items = Vec::new();
    for row in api.fleet.rows(|row| row.problem() && who.sees(&row.server) && here(row)) {
        items.extend(item(&api, &row).await?);
    }
    let cases = Cases(api.parts.bus.clone()).all().await?;
    let lasting = seen(&api, &who, cases).into_iter().filter(|(_, site)| query.site.is_none() || query.site == *site);
    items.extend(lasting.filter_map(|(case, site)| found(&api, case, site)));
    items.sort_by(|a, b| (&a.site, &a.rack, b.unit, &a.server).cmp(&(&b.site, &b.rack, a.unit, &b.server)));
    Ok(Json(WorkList { items }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_what_hands_do() {
        assert_eq!(by_hand("move the cables; then `farrier server retry`"), "move the cables");
        assert_eq!(by_hand("set it by hand, then `farrier server retry`."), "set it by hand");
        assert_eq!(by_hand("replace the drive"), "replace the drive");
    }
}
