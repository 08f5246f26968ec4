//! The host's configuration file, as the lab writes it.
//!
//! Promises the policy written out in full, and numbers that suit a simulated estate: short retries and a
//! short wait for a report. Any key can be changed by a table that is merged over it.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use toml::{Table, Value};

/// Where the host learns what should exist.
#[derive(Clone, Debug)]
pub enum Feed {
    /// From the inventory file.
    File(PathBuf),
    /// From a NetBox: its root and the file with the token.
    NetBox {
        /// `http://127.0.0.1:PORT`.
        url: String,
        /// The file with the token.
        token_file: PathBuf,
    },
}

/// One login: start of the driver's name, user, and the file with the password.
#[derive(Clone, Debug, Serialize)]
pub struct Credential {
    /// Start of the driver's name.
    #[serde(rename = "match")]
    pub matches: String,
    /// The account.
    pub username: String,
    /// The file with its password.
    pub password_file: PathBuf,
}

/// What goes into the file.
#[derive(Clone, Debug)]
pub struct HostFile {
    /// The host's own folder.
    pub state_dir: PathBuf,
    /// `bus.url`; none is the embedded store.
    pub bus: Option<String>,
    /// The spool.
    pub spool_dir: PathBuf,
    /// The plugin folder.
    pub plugins: PathBuf,
    /// The port of every controller.
    pub bmc_port: u16,
    /// Logins.
    pub credentials: Vec<Credential>,
    /// Port of callbacks and iPXE, on loopback.
    pub http_port: u16,
    /// What should exist.
    pub feed: Feed,
    /// The playbook; none is the drivers' own hardening.
    pub playbook: Option<PathBuf>,
    /// Merged over everything else.
    pub over: Table,
}

/// What every lab has; a simulated estate answers in milliseconds.
const NUMBERS: &str = r#"
[lifecycle]
lease_ms = 10_000
beat_ms = 1_500
max_failures = 8
backoff_base_ms = 500
backoff_cap_ms = 5_000
slow_retry_ms = 5_000

[bmc]
tls = "pin"
request_timeout_ms = 4_000

[policy.validate]
require = ["serial", "model", "nics", "cables"]
timeout_ms = 120_000
poll_ms = 250
"#;

/// The baseline of the lab, written out: id, desired value, whether it must hold.
fn baseline() -> Value {
    let control = |id: &str, desired: Value, require: bool, vendors: &[&str]| {
        let mut table = Table::new();
        table.insert("id".to_owned(), id.into());
        table.insert("desired".to_owned(), desired);
        if !require {
            table.insert("require".to_owned(), false.into());
        }
        if !vendors.is_empty() {
            let vendors = vendors.iter().map(|vendor| Value::from(*vendor)).collect();
            table.insert("match".to_owned(), Value::Array(vendors));
        }
        Value::Table(table)
    };
    Value::Array(vec![
        control("ipmi-over-lan", false.into(), true, &[]),
        control("snmp-v2c", false.into(), true, &[]),
        // Each of the two is asked of the vendors that have it.
        control("ssdp", false.into(), true, &["hpe", "supermicro"]),
        control("tls-minimum-version", "1.2".into(), true, &["hpe", "dell"]),
        control("session-timeout", 1800.into(), true, &[]),
        control("ntp-servers", Value::Array(vec!["192.0.2.1".into(), "192.0.2.2".into()]), true, &[]),
        // The factory's account is the only one a new server has: seen and reported, not required.
        control("default-account", false.into(), false, &[]),
    ])
}

/// `over` wins; tables are merged, everything else is replaced.
fn merge(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

impl HostFile {
    /// `http.public_url`.
    pub fn public_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// The file's text.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn text(&self) -> anyhow::Result<String> {
        let path =
            |path: &PathBuf| path.to_str().map(Value::from).with_context(|| format!("{} is not UTF-8", path.display()));
        let mut root: Table = toml::from_str(NUMBERS).context("the lab's own numbers")?;
        let section = |root: &mut Table, name: &str, entries: Vec<(&str, Value)>| {
            let table = root.entry(name).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(table) = table {
                table.extend(entries.into_iter().map(|(key, value)| (key.to_owned(), value)));
            }
        };
        root.insert("state_dir".to_owned(), path(&self.state_dir)?);
        if let Some(url) = &self.bus {
            section(&mut root, "bus", vec![("url", url.as_str().into())]);
        }
        section(&mut root, "ingest", vec![("spool_dir", path(&self.spool_dir)?)]);
        // Beside the drivers, so that every run of one build compiles them once.
        let cache = self.plugins.with_file_name("compiled-plugins");
        section(&mut root, "plugins", vec![("dir", path(&self.plugins)?), ("cache_dir", path(&cache)?)]);
        let credentials = Value::try_from(&self.credentials).context("writing the logins")?;
        section(&mut root, "bmc", vec![("port", i64::from(self.bmc_port).into()), ("credentials", credentials)]);
        let listen = format!("127.0.0.1:{}", self.http_port);
        section(&mut root, "http", vec![("listen", listen.into()), ("public_url", self.public_url().into())]);
        match &self.feed {
            Feed::File(file) => section(&mut root, "inventory", vec![("file", path(file)?)]),
            Feed::NetBox { url, token_file } => {
                section(&mut root, "netbox", vec![("url", url.as_str().into()), ("token_file", path(token_file)?)]);
            }
        }
        if let Some(playbook) = &self.playbook {
            section(&mut root, "ansible", vec![("playbook", path(playbook)?)]);
        }
        let mut harden = Table::new();
        harden.insert("control".to_owned(), baseline());
        section(&mut root, "policy", vec![("harden", Value::Table(harden))]);
        merge(&mut root, &self.over);
        toml::to_string(&root).context("writing the configuration as TOML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_merged_over_the_file() {
        let file = HostFile {
            state_dir: "/s".into(),
            bus: None,
            spool_dir: "/p".into(),
            plugins: "/w".into(),
            bmc_port: 18443,
            credentials: vec![Credential {
                matches: "hpe".into(),
                username: "Administrator".into(),
                password_file: "/x".into(),
            }],
            http_port: 8080,
            feed: Feed::File("/i.toml".into()),
            playbook: None,
            over: toml::toml! {
                [lifecycle]
                lease_ms = 900
                [policy]
                update = "off"
            },
        };
        let root: Table = toml::from_str(&file.text().unwrap()).unwrap();
        assert_eq!(root["lifecycle"]["lease_ms"].as_integer(), Some(900));
        assert_eq!(root["lifecycle"]["beat_ms"].as_integer(), Some(1500));
        assert_eq!(root["policy"]["update"].as_str(), Some("off"));
        assert_eq!(root["policy"]["validate"]["require"].as_array().unwrap().len(), 4);
        assert_eq!(root["bmc"]["credentials"][0]["match"].as_str(), Some("hpe"));
        assert!(root.get("bus").is_none() && root.get("netbox").is_none() && root.get("ansible").is_none());
    }
}
