//! The way to a server's controller, for stages and for whoever only looks: which account, which endpoint, which driver.
//!
//! Promises that stages and looks reach one controller by one endpoint, so that they share its session and wait for each other.

use std::net::IpAddr;
use std::sync::Arc;

use farrier_lifecycle::{Blame, Fault, Retry, Server};

use super::Parts;
use crate::bus::StandingOf;
use crate::config::{Config, for_driver};
use crate::egress::{Effect, Gate};
use crate::fault::SecretError;
use crate::plugin::{ControllerAuth, Driver, Endpoint, Lend, Login, Target};

/// The account configured for the controllers of this driver, with its password as it is now.
pub fn login(config: &Config, driver: &str, site: Option<&str>) -> Result<Login, Fault> {
    let credential = config
        .bmc
        .credentials
        .iter()
        .find(|one| for_driver(&one.matches, driver) && (one.site.is_none() || one.site.as_deref() == site))
        .ok_or_else(|| {
            Fault::new(
                "no-credentials",
                Retry::Never,
                Blame::Operator,
                format!("no login is configured for driver `{driver}`"),
            )
            .hint("add [[bmc.credentials]], restart the host, then `farrier server retry`")
        })?;
    let reference = credential.password().ok_or_else(|| unusable("a login for controllers has no password"))?;
    let password = reference.read().map_err(|error| secret(&error))?;
    Ok(Login { username: credential.username.clone(), password })
}

/// The server's controller, as nobody or with a login.
pub fn endpoint(
    parts: &Parts,
    server: &Server,
    auth: ControllerAuth,
    login: Option<Login>,
) -> Result<Arc<Endpoint>, Fault> {
    let ip = match server.lease.ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let origin = format!("https://{ip}:{}/", parts.config.bmc.port);
    let origin = origin.parse().map_err(|error| unusable(&format!("{origin}: {error}")))?;
    let target = Target { origin, pin: server.id.to_string(), auth: auth.into(), login };
    parts.broker.endpoint(&target).map_err(|error| unusable(&error.to_string()))
}

/// The plugin that discover confirmed.
pub fn driver(parts: &Parts, server: &Server) -> Result<Driver, Fault> {
    let name = server.facts.driver.as_deref().unwrap_or_default();
    parts.plugins.driver(name).ok_or_else(|| {
        Fault::new("no-driver", Retry::Backoff, Blame::Operator, format!("the plugin `{name}` is not loaded"))
            .hint("put it into the plugin folder and restart the host, or `farrier server reset`")
    })
}

/// The driver, lent the controller to look at it and nothing more, whoever works on the server meanwhile.
pub fn looking(parts: &Parts, server: &Server) -> Result<(Driver, Lend), Fault> {
    let driver = driver(parts, server)?;
    let login = login(&parts.config, driver.name(), server.facts.site.as_deref())?;
    let endpoint = endpoint(parts, server, ControllerAuth::of(&driver.plugin().info), Some(login))?;
    let gate = Gate {
        server: Some(server.id.clone()),
        grant: Effect::Look,
        observe: parts.observe,
        standing: Some(Arc::new(StandingOf(parts.bus.clone()))),
        lease: None,
    };
    Ok((driver, Lend::new(endpoint, gate)))
}

/// A secret that cannot be read now.
pub fn secret(error: &SecretError) -> Fault {
    Fault::new("no-credentials", Retry::Backoff, Blame::Operator, error.to_string())
        .hint("restore the secret file; the attempt is repeated by itself")
}

/// An endpoint that cannot be had.
pub fn unusable(text: &str) -> Fault {
    Fault::new("endpoint", Retry::Backoff, Blame::Operator, text)
}
