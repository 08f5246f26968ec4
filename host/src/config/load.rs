//! Reads the configuration file and checks what types cannot.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Config, check, keys};

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where: `netbox.token_file`; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.text)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\n    hint: {}", self.hint) }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or not readable.
    #[error("read configuration `{path}` (`--config` or FARRIER_CONFIG names another file)")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("configuration `{path}` is not TOML:\n{text}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        text: String,
    },
    /// It says things that cannot be.
    #[error("configuration `{path}` has {} problem(s):\n{}", .problems.len(), list(.problems))]
    Problems {
        /// The file.
        path: PathBuf,
        /// All of them.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// What is wrong, one by one; a file that cannot be read is one problem.
    pub fn problems(&self) -> Vec<Problem> {
        let whole = |text: String, hint: &str| vec![Problem { path: String::new(), text, hint: hint.to_owned() }];
        match self {
            Self::Unreadable { path, source } => {
                let text = format!("read configuration `{}`: {source}", path.display());
                whole(text, "`--config` or FARRIER_CONFIG names another file")
            }
            Self::Syntax { text, .. } => whole(format!("not TOML: {}", text.trim_end()), ""),
            Self::Problems { problems, .. } => problems.clone(),
        }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n")
}

/// Load and check the file; relative paths in it are relative to its folder.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let table = toml::from_str(&text)
        .map_err(|error: toml::de::Error| ConfigError::Syntax { path: path.to_owned(), text: error.to_string() })?;
    let mut config = keys::read(table).map_err(|problems| ConfigError::Problems { path: path.to_owned(), problems })?;
    let base = path.parent().unwrap_or_else(|| Path::new("."));
    resolve(&mut config, base);
    let problems = check::problems(&config);
    if problems.is_empty() { Ok(config) } else { Err(ConfigError::Problems { path: path.to_owned(), problems }) }
}

fn resolve(config: &mut Config, base: &Path) {
    let fix = |path: &mut PathBuf| {
        if path.is_relative() {
            *path = base.join(&*path);
        }
    };
    fix(&mut config.state_dir);
    fix(&mut config.ingest.spool_dir);
    fix(&mut config.plugins.dir);
    config.plugins.cache_dir.iter_mut().for_each(fix);
    config.bmc.ca_file.iter_mut().for_each(fix);
    config.bmc.credentials.iter_mut().filter_map(|credential| credential.password_file.as_mut()).for_each(fix);
    config.fleet.iter_mut().filter_map(|fleet| fleet.password_file.as_mut()).for_each(fix);
    if let Some(netbox) = &mut config.netbox {
        let files = [&mut netbox.token_file, &mut netbox.ca_file, &mut netbox.webhook_secret_file];
        files.into_iter().flatten().for_each(fix);
    }
    if let Some(api) = &mut config.api {
        api.cert_file.iter_mut().chain(&mut api.key_file).chain(&mut api.client_ca_file).for_each(fix);
        if let Some(oidc) = &mut api.oidc {
            oidc.client_secret_file.iter_mut().chain(&mut oidc.ca_file).for_each(fix);
        }
    }
    config.inventory.iter_mut().map(|inventory| &mut inventory.file).for_each(fix);
    config.ansible.iter_mut().map(|ansible| &mut ansible.playbook).for_each(fix);
    config.firmware.iter_mut().flat_map(|firmware| &mut firmware.image).map(|image| &mut image.file).for_each(fix);
    let services = config.boot.iter_mut().chain(config.tickets.iter_mut().map(|tickets| &mut tickets.service));
    let sources =
        config.warranty.iter_mut().flat_map(|warranty| &mut warranty.source).map(|source| &mut source.service);
    for service in services.chain(sources) {
        service.secret_file.iter_mut().chain(service.ca_file.iter_mut()).for_each(fix);
    }
    config.warranty.iter_mut().filter_map(|warranty| warranty.csv_file.as_mut()).for_each(fix);
    config.health.rules_file.iter_mut().for_each(fix);
    for webhook in &mut config.webhook {
        webhook.secret_file.iter_mut().chain(webhook.ca_file.iter_mut()).for_each(fix);
    }
    config.bus.iter_mut().filter_map(|bus| bus.password_file.as_mut()).for_each(fix);
}
