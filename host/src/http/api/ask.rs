//! Requests in somebody's name: what may be asked, by whom, and of which version.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use farrier_lifecycle::{Action, Event, Request, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Body, MAX_NAME, MAX_TEXT, Name, line};
use super::{Api, Problem, etag};
use crate::access::{Permission, Principal};
use crate::bus::{Applied, Origin};
use crate::egress::now;
use crate::fleet::Row;
use crate::http::auth::{Who, no_permission};
use crate::http::view::ServerView;

/// An approval ends within a day.
const LONGEST: u64 = 86_400_000;

/// What is asked of a server.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schema(as = Request)]
pub enum Ask {
    /// Try the failed or waiting stage again, now.
    Retry,
    /// Deliver a ready server to a tenant.
    Assign {
        /// The tenant's name.
        #[schema(min_length = 1, max_length = 128)]
        tenant: String,
        /// Take it although policy left things undone.
        #[serde(default)]
        accept: bool,
    },
    /// Take an active server back, to be provisioned for another tenant.
    Release,
    /// Take a server out of the datacentre, for good.
    Retire,
    /// Vouch that the drives of a server being released or retired are erased.
    AttestErased,
    /// Start nothing on it.
    Hold {
        /// Why; it stands in the journal.
        #[schema(min_length = 1, max_length = 500)]
        reason: String,
    },
    /// Go on.
    Unhold,
    /// Back to `offline`, to begin at its next lease.
    Reset,
    /// Allow one kind of action on an active server, for a while.
    Approve {
        /// `power`, `boot`, `reset`, `firmware`, `harden` or `configure`.
        #[schema(value_type = ActionWord)]
        action: Action,
        /// Why; it stands in the journal.
        #[schema(min_length = 1, max_length = 500)]
        reason: String,
        /// Until when, milliseconds since the epoch; within a day.
        expires: u64,
    },
}

/// What an approval allows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Action)]
pub enum ActionWord {
    /// Power on, off, or a shutdown.
    Power,
    /// A boot override.
    Boot,
    /// A reset of the controller.
    Reset,
    /// A firmware image applied.
    Firmware,
    /// Settings changed to the baseline.
    Harden,
    /// Anything else that is changed.
    Configure,
}

impl Ask {
    /// Checked, as the lifecycle takes it.
    pub fn request(self) -> Result<Request, Problem> {
        Ok(match self {
            Self::Retry => Request::Retry,
            Self::Assign { tenant, accept } => {
                line("assign.tenant", &tenant, MAX_NAME)?;
                Request::Assign { tenant, accept, order: None }
            }
            Self::Release => Request::Release,
            Self::Retire => Request::Retire,
            Self::AttestErased => Request::AttestErased,
            Self::Hold { reason } => {
                line("hold.reason", &reason, MAX_TEXT)?;
                Request::Hold { reason }
            }
            Self::Unhold => Request::Unhold,
            Self::Reset => Request::Reset,
            Self::Approve { action, reason, expires } => {
                line("approve.reason", &reason, MAX_TEXT)?;
                let expires = Timestamp(expires);
                if expires.since(now()) > LONGEST {
                    return Err(Problem::input("approve.expires", "an approval lasts a day at most"));
                }
                Request::Approve { action, reason, expires }
            }
        })
    }
}

/// What asking for it takes.
pub const fn permission(request: &Request) -> Permission {
    match request {
        Request::Retry => Permission::Revalidate,
        Request::Approve { .. } => Permission::Approve,
        _ => Permission::Operate,
    }
}

/// May they ask for it at all?
pub fn may(who: &Principal, request: &Request) -> Result<(), Problem> {
    let needed = permission(request);
    if who.may(needed) { Ok(()) } else { Err(no_permission(who, needed)) }
}

/// Ask something of a server.
///
/// What may be asked is in the server's `requests`. `retry` takes the permission `revalidate`, `approve` takes `approve`, all others
/// take `operate`. The answer is the server after it.
#[utoipa::path(post, path = "/api/v1/servers/{name}/requests", tag = "servers", request_body = Ask,
    params(("name" = String, Path, description = "Name, id or BMC MAC", max_length = 128),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version this is meant for; 412 if it has another")),
    responses((status = 200, body = ServerView, headers(("ETag" = String, description = "The version after it")))))]
pub async fn request(
    State(api): State<Arc<Api>>,
    Who(who): Who,
    Name(name): Name,
    headers: HeaderMap,
    Body(ask): Body<Ask>,
) -> Result<Response, Problem> {
    let request = ask.request()?;
    may(&who, &request)?;
    let server = api.named(&who, &name).await?;
    api.may_change()?;
    let origin = etag::wanted(&headers)?.map_or(Origin::Outside, Origin::Seen);
    if request == Request::Retry {
        api.parts.broker.forgive(server.id.as_str());
    }
    let event = Event::Requested { by: who.name, request };
    let after = match api.parts.apply(&server.id, &event, origin).await? {
        Applied::Committed { transition, .. } => transition.server,
        Applied::Ignored(_) => server,
    };
    api.fleet.put(&after);
    let version = after.version;
    etag::written(version, &api.see(&Row::new(after, None)))
}
