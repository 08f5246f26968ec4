//! `farrier-lab estate`, `replay` and `netbox`: one part of a lab, for a host that somebody else starts.
//!
//! Promises to print how to point a host at it, to serve until Ctrl-C, and then to say what was counted.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::{Lab, LabConfig};
use crate::estate::lease::Hook;
use crate::estate::{DEFAULT_BASE, DEFAULT_SEED, DEFAULT_SERVERS, Estate};
use crate::ledger::Ledger;
use crate::netbox::{NetBoxConfig, Version};
use crate::redfish::{Scheme, replay};

/// Options of `farrier-lab estate`.
#[derive(Args, Clone, Debug)]
pub struct EstateOptions {
    /// An estate file; without it an estate is drawn
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How many servers to draw
    #[arg(long, default_value_t = DEFAULT_SERVERS)]
    servers: usize,
    /// Another seed draws other serials, passwords and faults
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Draw an estate with nothing wrong in it
    #[arg(long)]
    sound: bool,
    /// The quick start's one server, with the controller A0:36:9F:01:00:00 at this address
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.100.50")]
    quick_start: Option<std::net::Ipv4Addr>,
    /// Write the estate file here and end
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Write the inventory of the estate here: for `farrier netbox populate`, or as `inventory.file`
    #[arg(long, value_name = "FILE")]
    inventory: Option<PathBuf>,
    /// The port of every controller: the host's `bmc.port`
    #[arg(long, default_value_t = 18443)]
    bmc_port: u16,
    /// Where servers boot from: the host's `http.public_url`
    #[arg(long, value_name = "URL")]
    boot_url: Option<String>,
    /// The host's binary under the name farrier-lease-dnsmasq (`farrier hook install` makes it)
    #[arg(long, value_name = "FILE", requires = "spool")]
    hook: Option<PathBuf>,
    /// The folder the hook writes to: the host's `ingest.spool_dir`
    #[arg(long, value_name = "FOLDER")]
    spool: Option<PathBuf>,
    /// Where the control API listens
    #[arg(long, default_value = "127.0.0.1:18080")]
    control: SocketAddr,
}

/// Options of `farrier-lab replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayOptions {
    /// A recorded tree: the folder that holds redfish/v1/index.json
    dir: PathBuf,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// The one user that may log in
    #[arg(long, default_value = "admin")]
    username: String,
    /// That user's password
    #[arg(long, default_value = "password", env = "FARRIER_REPLAY_PASSWORD")]
    password: String,
    /// Plain HTTP, on loopback only
    #[arg(long)]
    http: bool,
}

/// Options of `farrier-lab netbox`.
#[derive(Args, Clone, Debug)]
pub struct NetBoxOptions {
    /// Which version to be
    #[arg(long, value_enum, default_value_t = NetBoxVersion::V37)]
    version: NetBoxVersion,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// The token to accept; without it one is made and printed
    #[arg(long, env = "FARRIER_LAB_NETBOX_TOKEN")]
    token: Option<String>,
}

/// The versions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NetBoxVersion {
    #[value(name = "3.7")]
    V37,
    #[value(name = "4.6")]
    V46,
}

async fn until_interrupted(ledger: &Ledger) -> anyhow::Result<bool> {
    tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")?;
    let report = ledger.report();
    println!("\ncounted: {}", serde_json::to_string(&report.counts)?);
    for seen in &report.violations {
        println!("violation: {}: {}", seen.system, seen.text);
    }
    Ok(report.violations.is_empty())
}

/// Serve an estate.
///
/// # Errors
/// When the file is not an estate, or an address cannot be bound.
pub async fn estate(options: EstateOptions) -> anyhow::Result<bool> {
    let estate = match (&options.file, options.quick_start) {
        (Some(file), _) => Estate::load(file)?,
        (None, Some(address)) => Estate::quick_start(address),
        (None, None) if options.sound => Estate::sound(options.seed, options.servers, DEFAULT_BASE),
        (None, None) => Estate::generate(options.seed, options.servers, DEFAULT_BASE),
    };
    if let Some(file) = &options.inventory {
        std::fs::write(file, estate.inventory_toml()?).with_context(|| format!("writing {}", file.display()))?;
        println!("inventory: {}", file.display());
    }
    if let Some(file) = &options.write {
        std::fs::write(file, estate.to_toml()?).with_context(|| format!("writing {}", file.display()))?;
        println!("estate: {}", file.display());
        return Ok(true);
    }
    let mut config = LabConfig::new(estate, options.bmc_port);
    config.boot.url.clone_from(&options.boot_url);
    config.control = options.control;
    config.hook = options.hook.zip(options.spool).map(|(program, spool)| Hook { program, spool });
    let lab = Lab::start(config).await?;
    guide(&lab, options.bmc_port, options.boot_url.as_deref());
    until_interrupted(lab.ledger()).await
}

fn guide(lab: &Lab, port: u16, boot_url: Option<&str>) {
    let estate = lab.estate();
    println!("servers: {}; the host's configuration needs:\n", estate.servers.len());
    println!("[bmc]\nport = {port}\ntls = \"pin\"");
    let mut vendors = std::collections::BTreeMap::new();
    for server in estate.servers.iter().filter(|server| server.planted.is_none()) {
        vendors.entry(server.vendor.driver()).or_insert(&server.bmc);
    }
    for (driver, bmc) in vendors {
        println!("[[bmc.credentials]]\nmatch = \"{driver}\"\nusername = \"{}\"", bmc.username);
        println!("password_file = \"secrets/{driver}\"    # a file with this line: {}", bmc.password);
    }
    match boot_url {
        Some(url) => println!("[http]\npublic_url = \"{url}\""),
        None => println!("\nservers boot nowhere; give --boot-url with the host's http.public_url"),
    }
    println!("\nthen hand a lease to the host, for each server or by its control API:");
    for server in estate.servers.iter().take(3) {
        println!("  farrier simulate {} {}    # {}", server.bmc.mac, server.bmc.address, server.name);
    }
    let control = lab.control_url();
    println!("\ncontrol API: {control}/lab/servers, {control}/lab/report; Ctrl-C ends the estate");
}

/// Serve a recorded tree.
///
/// # Errors
/// When the folder is no recording, or the address cannot be bound.
pub async fn recording(options: ReplayOptions) -> anyhow::Result<bool> {
    let ledger = Ledger::default();
    let scheme = if options.http { Scheme::Http } else { Scheme::Https };
    let (dir, user, password) = (&options.dir, &options.username, &options.password);
    let handle = replay(dir, options.listen, scheme, user, password, ledger.clone()).await?;
    println!("{} with {} resources at {}", handle.name(), handle.resources(), handle.url());
    println!("  farrier plugin call FILE identify --endpoint {} --username {user} --password-file F", handle.url());
    until_interrupted(&ledger).await
}

/// Serve a NetBox.
///
/// # Errors
/// When the address cannot be bound.
pub async fn netbox(options: NetBoxOptions) -> anyhow::Result<bool> {
    let ledger = Ledger::default();
    let version = match options.version {
        NetBoxVersion::V37 => Version::V3_7,
        NetBoxVersion::V46 => Version::V4_6,
    };
    let token = options.token.unwrap_or_else(crate::rig::random_token);
    println!("token: {token}");
    let config = NetBoxConfig { listen: options.listen, ..NetBoxConfig::new(version, token) };
    let handle = crate::netbox::start(config, ledger.clone()).await?;
    println!(
        "NetBox {version:?} at {}; fill it with `farrier netbox init` and `farrier netbox populate FILE`",
        handle.url()
    );
    until_interrupted(&ledger).await
}
