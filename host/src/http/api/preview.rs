//! What a request would do, in plain words, before anyone asks for it.
//!
//! Promises that the lifecycle itself is asked: `step` is run on the record and its answer thrown away. The words say what happens to
//! the hardware, not only to the record; of a server that is taken back, what the stage itself goes by.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use farrier_lifecycle::{Event, Purpose, Request, Server, Stage, Status, Step, step};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{Ask, may};
use super::extract::{Body, Name};
use super::{Api, Problem};
use crate::config::Config;
use crate::egress::now;
use crate::http::auth::{Recorded, Who};
use crate::http::view::time;
use crate::stage::{LeavePlan, leaving};

/// How the stage retire ends, whatever came before.
const ATTEST: &str = "It then waits until somebody attests that its drives are erased";

/// Why a request would not be granted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// Kebab case.
    pub code: String,
    /// What stands against it.
    pub detail: String,
    /// What to do instead.
    pub hint: String,
}

/// What would happen.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RequestPreview)]
pub struct Preview {
    /// What exactly will happen, and what will not; empty where it would be refused.
    pub text: String,
    /// What should be thought of first.
    pub warnings: Vec<String>,
    /// Why it would be refused; null where it would be granted.
    pub refused: Option<Refusal>,
}

/// What running its stage does to the server.
fn work(config: &Config, server: &Server) -> Cow<'static, str> {
    Cow::Borrowed(match server.stage {
        Stage::Discover => "its controller is asked who it is and what it has. Nothing is changed on it.",
        Stage::Validate => {
            "the server is switched off, set to boot once from the network, and switched on; the validation image checks hardware \
             and cabling. Drives are not written."
        }
        Stage::Update => {
            "its firmware is compared with the catalogue or the fleet tool, and what differs is installed where policy says so; for some \
             of it the server is switched off and on."
        }
        Stage::Harden => {
            "the settings of its controller are brought to the baseline and read back. The server itself is not touched."
        }
        Stage::Monitor => "its sensors and event log are read. Nothing is changed on it.",
        Stage::Assign => "it is handed to its tenant. Nothing is done to the hardware.",
        Stage::Retire => {
            return Cow::Owned(format!("all that leaving takes. {} {ATTEST}.", left_by(leaving(config, server))));
        }
        Stage::Service | Stage::Retired => "nothing is done to the hardware.",
    })
}

/// What taking a server back does to it and to those that know it.
fn left_by(plan: LeavePlan) -> String {
    let LeavePlan { fleet, eraser, provisioner } = plan;
    let forgets = |kind: &str, tool: &str| format!("The {kind} `{tool}` forgets it.");
    let drives = match eraser {
        Some(tool) => format!(
            "It is made known to `{tool}`, switched off, and booted from the network into an image of `{tool}` that erases its drives: \
             what is on them is lost."
        ),
        None => "It is not switched off and nothing is erased.".to_owned(),
    };
    let said = [
        fleet.map(|tool| forgets("fleet tool", tool)),
        Some(drives),
        provisioner.map(|tool| forgets("boot provisioner", tool)),
    ];
    said.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn attested(plan: LeavePlan, before: &Server) -> String {
    // Only then is leaving over; what is left of it goes before the word of a person counts.
    let over = matches!(&before.status, Status::Failed(fault) if fault.code == "no-eraser");
    let first = if over || plan == LeavePlan::default() {
        String::new()
    } else {
        format!(" Leaving is not over: what is left of this is done first. {}", left_by(plan))
    };
    format!(
        "You vouch, by name, that the drives of {} are erased; Farrier does not look.{first} {}",
        before.label(),
        if matches!(before.purpose, Some(Purpose::Decommission)) {
            "It is then decommissioned for good."
        } else {
            "It is then provisioned again from the start, which switches it off and boots it from the network."
        }
    )
}

fn text(config: &Config, before: &Server, after: &Server, request: &Request) -> String {
    let name = before.label();
    match request {
        Request::Retry => {
            format!("{} of {name} begins again now, from its start: {}", before.stage, work(config, after))
        }
        Request::Assign { tenant, .. } => format!(
            "{name} is delivered to {tenant} and becomes active. Its power, boot order and drives stay as they are. From then on nothing \
             is done to it without an approval."
        ),
        Request::Reserve { order, tenant, until, .. } => format!(
            "{name} is kept for order {order} of {tenant} until {}. Nothing is done to the hardware.",
            time(*until)
        ),
        Request::Unreserve { order } => {
            format!("{name} is not kept for order {order} any more. Nothing is done to the hardware.")
        }
        Request::Release => format!(
            "{name} is taken back{}, now. {} {ATTEST}, and is provisioned again from the start.",
            before.tenant.as_ref().map(|tenant| format!(" from {tenant}")).unwrap_or_default(),
            left_by(leaving(config, after))
        ),
        Request::Retire => format!(
            "{name} leaves the pipeline, now. {} {ATTEST}, and is decommissioned for good.",
            left_by(leaving(config, after))
        ),
        Request::AttestErased => attested(leaving(config, before), before),
        Request::Hold { .. } => match before.status {
            Status::Running => format!(
                "Nothing new is started on {name}; the attempt of {} that is under way is cancelled. What it has already done to the \
                 server stays, and its power is not changed.",
                before.stage
            ),
            _ => format!("Nothing is started on {name} until the hold ends. Nothing is done to the hardware."),
        },
        Request::Unhold => match after.status {
            Status::Running => {
                format!("The hold on {name} ends and {} begins again: {}", after.stage, work(config, after))
            }
            _ => format!("The hold on {name} ends. Nothing is started."),
        },
        Request::Reset => format!(
            "{name} goes back to `offline` and forgets what was validated, updated and hardened. Nothing is done to the hardware now; at \
             its controller's next lease, or after a day, it is provisioned again from the start, which switches it off and boots it \
             from the network."
        ),
        Request::Update { wave } => format!(
            "{name} is taken by firmware wave {wave}: {} Its settings are then brought to the baseline, and it is ready again.",
            work(config, after)
        ),
        Request::Approve { action, expires, .. } => format!(
            "Farrier may do `{action}` to {name} until {}, although it is with its tenant. Nothing is done by the approval itself.",
            time(*expires)
        ),
    }
}

fn warnings(config: &Config, before: &Server, after: &Server, request: &Request) -> Vec<String> {
    let mut warnings = Vec::new();
    let tenant = before.tenant.as_deref().unwrap_or("a tenant");
    if before.in_service() && !matches!(request, Request::Hold { .. } | Request::Unhold) {
        warnings.push(format!("{} is active: {tenant} works on it.", before.label()));
    }
    if after.stage == Stage::Retire
        && matches!(request, Request::Release | Request::Retire | Request::Retry)
        && let Some(tool) = leaving(config, after).eraser
    {
        warnings.push(format!(
            "`{tool}` begins to erase the drives without asking again. That cannot be taken back, and a hold does not stop an eraser that \
             has booted."
        ));
    }
    if before.stage == Stage::Validate && before.effect && !matches!(request, Request::Approve { .. }) {
        warnings.push("A validation boot is under way; its report will not count.".to_owned());
    }
    if let (Request::Assign { .. }, false) = (request, before.marks.is_empty()) {
        let marks: Vec<_> = before.marks.keys().map(|mark| mark.as_str()).collect();
        warnings.push(format!("It is {}.", marks.join(" and ")));
    }
    if matches!(request, Request::Retire) {
        warnings.push("A decommissioned server cannot come back: it would have to be entered anew.".to_owned());
    }
    if let (Request::Retry, Status::Failed(fault)) = (request, &before.status)
        && fault.code == "credentials-refused"
    {
        warnings.push("The password was refused; a further wrong one may lock the controller's account.".to_owned());
    }
    warnings
}

/// Say what a request would do.
///
/// Nothing is committed. It takes the same permission as the request itself.
#[utoipa::path(post, path = "/api/v1/servers/{name}/preview", tag = "servers", request_body = Ask,
    params(("name" = String, Path, description = "Name, id or BMC MAC", max_length = 128)),
    responses((status = 200, body = Preview)))]
pub async fn preview(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(name): Name,
    Body(ask): Body<Ask>,
) -> Result<(Extension<Recorded>, Json<Preview>), Problem> {
    let request = ask.request()?;
    may(&who, &request)?;
    let before = api.named(&who, &name).await?;
    let refuse = |code: &str, detail: String, hint: &str| Preview {
        text: String::new(),
        warnings: Vec::new(),
        refused: Some(Refusal { code: code.to_owned(), detail, hint: hint.to_owned() }),
    };
    if let Err(problem) = api.may_change() {
        return Ok((Extension(Recorded), Json(refuse(&problem.code, problem.detail, &problem.hint))));
    }
    let event = Event::Requested { by: who.name, request: request.clone() };
    let told = match step(&before, &event, &api.parts.policy, now()) {
        Ok(Step::Commit(after)) => Preview {
            text: text(&api.parts.config, &before, &after.server, &request),
            warnings: warnings(&api.parts.config, &before, &after.server, &request),
            refused: None,
        },
        Ok(Step::Ignore(why)) => refuse("nothing-to-do", why.to_owned(), "nothing to do"),
        Err(refused) => refuse(refused.code, refused.text, refused.hint),
    };
    // Nothing is decided, so nothing is noted.
    Ok((Extension(Recorded), Json(told)))
}
