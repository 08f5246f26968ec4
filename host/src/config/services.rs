//! The sections about systems that plugins speak to for the host, and about webhooks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::SecretRef;

/// A system, the plugin that speaks to it, and the login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The plugin's name: `maas`, `jira`, `warranty-dell`.
    pub plugin: String,
    /// Scheme, name and port of the system; the plugin knows the paths.
    pub url: Url,
    /// The account, where the login has one: a mail address (Jira Cloud), a client id (`OAuth2`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password, token or key, in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Its password, token or key, in an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// How to log in, where the plugin knows several ways: `basic`, `bearer`. Absent: its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// PEM file of an authority to trust beside the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// What the plugin asks for by name; its guide lists the keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl Service {
    /// Where the secret is; `None` if neither or both keys are given.
    pub fn secret(&self) -> Option<SecretRef> {
        SecretRef::one(self.secret_file.as_ref(), self.secret_env.as_ref())
    }
}

/// The ticket system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tickets {
    /// The system.
    pub service: Service,
    /// Where people see a server; its name follows. Absent: tickets carry no link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Url>,
    /// How long a fault must last before it is a ticket, milliseconds.
    #[serde(default = "Tickets::default_after")]
    pub after_ms: u64,
    /// Put on every ticket.
    #[serde(default = "Tickets::default_labels")]
    pub labels: Vec<String>,
}

impl Tickets {
    const fn default_after() -> u64 {
        0
    }

    fn default_labels() -> Vec<String> {
        vec!["farrier".to_owned()]
    }
}

/// A receiver of signed notices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Names it in the store and the log; unique.
    pub name: String,
    /// Where notices are sent.
    pub url: Url,
    /// The key they are signed with, in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The key, in an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// PEM file of an authority to trust beside the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

impl Webhook {
    /// Where the key is; `None` if neither or both keys are given, which loading refuses.
    pub fn secret(&self) -> Option<SecretRef> {
        SecretRef::one(self.secret_file.as_ref(), self.secret_env.as_ref())
    }
}

/// Where the end of a server's support is known from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Warranty {
    /// A CSV the operator keeps: `serial,level,starts,ends`. It is asked first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv_file: Option<PathBuf>,
    /// Vendors that can be asked.
    pub source: Vec<WarrantySource>,
}

/// A vendor that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarrantySource {
    /// Start of the server's vendor it knows (`dell`), or `*`; letter case does not count.
    #[serde(rename = "match")]
    pub matches: String,
    /// The system.
    pub service: Service,
}

/// Which faults of servers in service are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// Rules that change single keys of those Farrier brings, or stand beside them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules_file: Option<PathBuf>,
    /// Codes of rules that are off.
    pub disable: Vec<String>,
    /// So many servers of a rack with the same fault are one fault of the rack.
    pub rack_servers: usize,
    /// If they show within this of each other, milliseconds; about the time between two looks at one server.
    pub rack_window_ms: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self { rules_file: None, disable: Vec::new(), rack_servers: 3, rack_window_ms: 60_000 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_guides_examples_are_read() {
        let config: Config = toml::from_str(
            r#"
            [tickets]
            link = "https://farrier.example.com/servers/"
            [tickets.service]
            plugin = "jira"
            url = "https://example.atlassian.net"
            username = "farrier@example.com"
            secret_file = "/etc/farrier/secrets/jira"
            [tickets.service.settings]
            project = "DC"
            issue-type = "Task"
            [[webhook]]
            name = "chat"
            url = "https://hooks.example.com/farrier"
            secret_env = "CHAT_KEY"
            [warranty]
            csv_file = "/etc/farrier/warranty.csv"
            [[warranty.source]]
            match = "dell"
            service = { plugin = "warranty-dell", url = "https://apigtwb2c.us.dell.com", secret_env = "KEY" }
            "#,
        )
        .unwrap();
        let tickets = config.tickets.unwrap();
        assert_eq!((tickets.after_ms, tickets.labels), (0, vec!["farrier".to_owned()]));
        assert_eq!(tickets.service.settings["issue-type"], "Task");
        assert!(matches!(tickets.service.secret(), Some(SecretRef::File(_))));
        assert!(matches!(config.webhook[0].secret(), Some(SecretRef::Env(_))));
        assert_eq!(config.warranty.unwrap().source[0].service.plugin, "warranty-dell");
        let both = Service { secret_env: Some("X".to_owned()), ..tickets.service };
        assert!(both.secret().is_none(), "two places for one secret are none");
    }
}
