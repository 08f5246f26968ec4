//! Who am I, and what may I do: what a page shows and hides by.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Permission;
use crate::http::auth::{Csrf, Who};

/// Somebody signed in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// As it stands in the journal.
    pub name: String,
    /// How they proved it: `socket`, `token`, `session`, `certificate`.
    pub means: String,
    /// What they are.
    pub roles: Vec<String>,
    /// Slugs of the sites they see; null: every site.
    pub sites: Option<Vec<String>>,
    /// The tenant whose servers and orders alone they see.
    pub tenant: Option<String>,
    /// What they may do.
    pub permissions: Vec<String>,
    /// What a browser's session must send as `X-Farrier-Csrf` to change something; null where there is no session.
    pub csrf: Option<String>,
}

/// A unit variant's word.
fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Who am I?
#[utoipa::path(get, path = "/api/v1/me", tag = "about", responses((status = 200, body = Me)))]
pub async fn me(Who(who): Who, Csrf(csrf): Csrf) -> Json<Me> {
    let permissions = Permission::ALL.into_iter().filter(|permission| who.may(*permission)).map(word).collect();
    Json(Me {
        means: word(who.means),
        roles: who.roles.iter().map(ToString::to_string).collect(),
        sites: who.sites.map(|sites| sites.into_iter().collect()),
        tenant: who.tenant,
        permissions,
        csrf,
        name: who.name,
    })
}
