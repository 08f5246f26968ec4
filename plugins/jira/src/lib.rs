//! Jira as a ticket system: Cloud (API v3, ADF) and Data Center (API v2, wiki markup).
//!
//! Promises: one unresolved issue for each key, also where an answer was lost: it is looked for before it is created, and
//! after an attempt whose end is not known it is looked for until Jira's index must have it. Comments and transitions can
//! be asked for again in the same way. Does not: know statuses or transitions by name or number, since every workflow has
//! its own; it goes by status category.
//!
//! Not obvious: settings `project` and `issue-type` say where issues are made; the key is a label,
//! `farrier-<16 hex digits>`.

pub mod adf;
pub mod api;
pub mod issue;
pub mod markdown;
pub mod transition;
pub mod wiki;

use farrier_plugin_sdk::http::Host;
use farrier_plugin_sdk::services::HostSide;
use farrier_plugin_sdk::types::Error;
use farrier_world_ticketing::exports::farrier::provisioning::{metadata, ticketing};
use metadata::{AuthScheme, Capabilities, PluginInfo};

pub use farrier_plugin_sdk::bindings::farrier::provisioning::types::ServerRef;
pub use ticketing::{Draft, Priority, Ticket, TicketState};

use api::Jira;

/// What the host offers a call.
const SIDE: HostSide = HostSide(farrier_world_ticketing::farrier::provisioning::settings::get);

/// The exports.
pub struct Component;

impl metadata::Guest for Component {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: "jira".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Jira Cloud and Data Center: one issue for each fault".to_owned(),
            capabilities: Capabilities::empty(),
            matches: Vec::new(),
            // Cloud: mail address and API token. Data Center: a personal access token.
            auth: vec![AuthScheme::Basic, AuthScheme::Bearer],
        }
    }
}

impl ticketing::Guest for Component {
    fn open(draft: Draft) -> Result<Ticket, Error> {
        issue::open(&Jira::detect(&Host, &SIDE)?, &draft)
    }

    fn find(dedup_key: String) -> Result<Option<Ticket>, Error> {
        issue::find(&Jira::detect(&Host, &SIDE)?, &issue::label(&dedup_key))
    }

    fn comment(key: String, text: String) -> Result<(), Error> {
        issue::comment(&Jira::detect(&Host, &SIDE)?, &key, &text)
    }

    fn set_state(key: String, state: TicketState) -> Result<(), Error> {
        transition::set(&Jira::detect(&Host, &SIDE)?, &key, state)
    }
}

#[cfg(target_arch = "wasm32")]
farrier_world_ticketing::export!(Component with_types_in farrier_world_ticketing);
