//! A configured system that a plugin speaks to for the host: MAAS, Jira, `TechDirect`.
//!
//! Promises that its secret is read each time it is used, never kept, so that a renewed one is taken up without a restart;
//! and that the plugin is one that exports what it is used for. Does not decide what a call may do: the gate is the caller's.

use std::sync::Arc;

use farrier_lifecycle::Server;

use super::broker::{Broker, Login, Target, auth_word};
use super::call::{Driver, Lend};
use super::error::CallError;
use super::registry::Plugins;
use super::state::Settings;
use super::wit::metadata::AuthScheme;
use super::wit::types::ServerRef;
use crate::config;
use crate::egress::Gate;
use crate::fault::{Blame, Fault, Retry};

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    driver: Driver,
    config: Arc<config::Service>,
    settings: Arc<Settings>,
    scheme: AuthScheme,
}

impl Service {
    /// The configured plugin, which must export `interface`.
    pub fn open(plugins: &Plugins, config: &config::Service, interface: &'static str) -> Result<Self, Fault> {
        let wrong = |text: String| Fault::new("no-service", Retry::Never, Blame::Operator, text);
        let name = &config.plugin;
        let driver = plugins.driver(name).ok_or_else(|| {
            wrong(format!("the plugin `{name}` is not loaded"))
                .hint("`farrier plugin list` shows what is in `plugins.dir`")
        })?;
        if !driver.plugin().interfaces.iter().any(|one| one == interface) {
            return Err(wrong(format!("the plugin `{name}` exports no `{interface}`")));
        }
        let schemes = &driver.plugin().info.auth;
        let scheme = match &config.auth {
            None => schemes.first().cloned().unwrap_or(AuthScheme::None),
            Some(wanted) => schemes.iter().find(|scheme| auth_word(scheme) == wanted).cloned().ok_or_else(|| {
                let known: Vec<&str> = schemes.iter().map(auth_word).collect();
                wrong(format!("the plugin `{name}` cannot log in by `{wanted}`; it can by {}", known.join(", ")))
            })?,
        };
        let settings = Arc::new(config.settings.clone());
        Ok(Self { driver, config: Arc::new(config.clone()), settings, scheme })
    }

    /// The plugin.
    pub const fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Its endpoint under this gate, with the secret as it is now.
    pub fn lend(&self, broker: &Broker, gate: Gate) -> Result<Lend, Fault> {
        let fault = |text: String| Fault::new("endpoint", Retry::Backoff, Blame::Operator, text);
        let password = self.config.secret().map(|reference| reference.read()).transpose().map_err(|error| {
            Fault::new("no-credentials", Retry::Backoff, Blame::Operator, error.to_string())
                .hint("restore the secret file; it is read again by itself")
        })?;
        let login =
            password.map(|password| Login { username: self.config.username.clone().unwrap_or_default(), password });
        let target = Target {
            origin: self.config.url.clone(),
            pin: format!("service-{}", self.config.plugin),
            auth: self.scheme.clone(),
            login,
        };
        let endpoint =
            broker.service(&target, self.config.ca_file.as_deref()).map_err(|error| fault(error.to_string()))?;
        Ok(Lend { settings: Arc::clone(&self.settings), ..Lend::new(endpoint, gate) })
    }
}

impl CallError {
    /// The fault of a call to a service: what is said of a controller is said of the service, and its login is not a
    /// controller's.
    pub fn service_fault(&self, service: &str) -> Fault {
        let fault = self.fault();
        let text = fault.text.replace("the controller", &format!("`{service}`"));
        let hint = (fault.code == "credentials-refused")
            .then(|| format!("correct the login of `{service}` in the configuration, then restart the host"))
            .or(fault.hint);
        Fault { text, hint, ..fault }
    }
}

/// The server as plugins know it.
pub fn server_ref(server: &Server) -> ServerRef {
    ServerRef {
        id: server.id.to_string(),
        name: server.label().to_owned(),
        serial: server.facts.serial.clone(),
        bmc_mac: Some(server.lease.mac.to_string()),
        bmc_address: Some(server.lease.ip.to_string()),
        site: server.facts.site.clone(),
    }
}
