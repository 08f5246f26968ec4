//! `farrier hook install|uninstall`: the links under which this program is a DHCP server's hook.
//!
//! Promises to change nothing but links and the spool folder, and to print what must be added to the DHCP server's configuration
//! instead of editing it. Links that point elsewhere, and files, are never replaced or removed.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::Common;
use super::output::{self, Format};
use crate::ingest::hook::{DhcpServer, SPOOL, SPOOL_LINK};
use crate::ingest::spool;

/// What to do with the hooks.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Make the links and the spool folder, and print the lines for the DHCP server
    Install(Install),
    /// Remove the links
    Uninstall(Links),
}

/// Which links.
#[derive(Clone, Debug, Args)]
pub struct Links {
    /// Folder of the links
    #[arg(long, default_value = "/usr/local/lib/farrier")]
    dir: PathBuf,
    /// Only for this DHCP server; may be given several times
    #[arg(long = "for", value_name = "SERVER")]
    servers: Vec<DhcpServer>,
}

impl Links {
    fn servers(&self) -> Vec<DhcpServer> {
        if self.servers.is_empty() { DhcpServer::ALL.to_vec() } else { self.servers.clone() }
    }

    fn path(&self, server: DhcpServer) -> PathBuf {
        self.dir.join(server.hook_name())
    }
}

/// Links to make.
#[derive(Clone, Debug, Args)]
pub struct Install {
    #[command(flatten)]
    links: Links,
    /// Folder in which the hooks leave leases; should belong to the user that reads it
    #[arg(long, default_value = SPOOL)]
    spool: PathBuf,
}

/// What was made, and what is left to do by hand.
#[derive(Debug, Serialize)]
struct Installed {
    /// Where leases are left.
    spool: PathBuf,
    links: Vec<PathBuf>,
    /// What to add to each DHCP server's configuration.
    lines: BTreeMap<&'static str, String>,
    /// What else must be said, and to whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
}

/// Run it; what to configure goes to standard output.
pub fn run(common: &Common, command: &Command) -> anyhow::Result<()> {
    match (command, common.output) {
        (Command::Install(install), Format::Json) => output::json(&do_install(install)?),
        (Command::Install(install), Format::Text) => {
            let made = do_install(install)?;
            output::line(&format!("# leases are left in {}", made.spool.display()));
            let remark = made.remark.map(|remark| format!("# {remark}"));
            for lines in made.lines.into_values().chain(remark) {
                output::line(&format!("\n{}", lines.trim_end()));
            }
            Ok(())
        }
        (Command::Uninstall(links), Format::Json) => {
            let mut removed = Vec::new();
            uninstall(links, |path| removed.push(path.to_owned()))?;
            output::json(&serde_json::json!({ "removed": removed }))
        }
        (Command::Uninstall(links), Format::Text) => uninstall(links, |path| {
            let path = path.display();
            output::line(&format!("removed {path}; take its lines out of the DHCP server's configuration"));
        }),
    }
}

fn do_install(install: &Install) -> anyhow::Result<Installed> {
    let program = std::env::current_exe().context("find this program's own path")?;
    let links = &install.links;
    std::fs::create_dir_all(&links.dir).with_context(|| format!("make folder `{}`", links.dir.display()))?;
    let dir = links.dir.canonicalize().with_context(|| format!("find folder `{}`", links.dir.display()))?;
    spool::create(&install.spool).with_context(|| format!("make spool folder `{}`", install.spool.display()))?;
    let spool = install.spool.canonicalize().with_context(|| format!("find `{}`", install.spool.display()))?;
    let mut made = Installed { spool, links: Vec::new(), lines: BTreeMap::new(), remark: None };
    for server in links.servers() {
        let hook = dir.join(server.hook_name());
        link(&program, &hook)?;
        made.lines.insert(server.as_str(), lines(server, &hook, &program));
        made.links.push(hook);
    }
    if made.spool != Path::new(SPOOL) {
        let beside = dir.join(SPOOL_LINK);
        link(&made.spool, &beside)?;
        made.links.push(beside);
        let spool = made.spool.display();
        made.remark =
            Some(format!("dnsmasq calls its hook without its folder, so its service must say: FARRIER_SPOOL={spool}"));
    }
    Ok(made)
}

fn link(target: &Path, path: &Path) -> anyhow::Result<()> {
    match std::os::unix::fs::symlink(target, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if std::fs::read_link(path).is_ok_and(|present| present == target) {
                return Ok(());
            }
            bail!(
                "`{}` exists and is not a link to `{}`; remove it or choose another --dir",
                path.display(),
                target.display()
            )
        }
        Err(error) => Err(error).with_context(|| format!("make link `{}`", path.display())),
    }
}

/// `removed` hears of each hook at once: what is gone stays gone when the next cannot be removed.
fn uninstall(links: &Links, mut removed: impl FnMut(&Path)) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("find this program's own path")?;
    for server in links.servers() {
        let path = links.path(server);
        match std::fs::read_link(&path) {
            Ok(target) if target == program => {
                std::fs::remove_file(&path).with_context(|| format!("remove link `{}`", path.display()))?;
                removed(&path);
            }
            Ok(target) => bail!("`{}` is a link to `{}`, not to this program", path.display(), target.display()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("read link `{}`", path.display())),
        }
    }
    let spool = links.dir.join(SPOOL_LINK);
    if links.servers.is_empty() && spool.is_symlink() {
        std::fs::remove_file(&spool).with_context(|| format!("remove link `{}`", spool.display()))?;
    }
    Ok(())
}

/// What to add to the configuration of the DHCP server. `AppArmor` judges the file a link leads to.
fn lines(server: DhcpServer, hook: &Path, program: &Path) -> String {
    let (hook, program) = (hook.display(), program.display());
    match server {
        DhcpServer::Dnsmasq => format!("# dnsmasq: /etc/dnsmasq.d/farrier.conf, then restart\ndhcp-script={hook}\n"),
        DhcpServer::Isc => format!(
            r#"# ISC dhcpd: /etc/dhcp/dhcpd.conf, then restart; where AppArmor is on, `{program} Ux,` in /etc/apparmor.d/local/usr.sbin.dhcpd
on commit {{
  set clip = binary-to-ascii(10, 8, ".", leased-address);
  set clhw = binary-to-ascii(16, 8, ":", substring(hardware, 1, 6));
  execute("{hook}", "commit", clip, clhw,
          pick-first-value(option vendor-class-identifier, "-"),
          pick-first-value(option host-name, "-"));
}}
on expiry {{ execute("{hook}", "expiry", clip, clhw); }}
on release {{ execute("{hook}", "release", clip, clhw); }}
"#
        ),
        DhcpServer::Kea => format!(
            r#"# Kea: "Dhcp4" in /etc/kea/kea-dhcp4.conf, then restart; 2.6.3 and later run only what lies in /usr/share/kea/scripts:
# use --dir for that; where AppArmor is on, `{program} Ux,` in the profile of kea-dhcp4
"hooks-libraries": [
  {{ "library": "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_run_script.so",
    "parameters": {{ "name": "{hook}", "sync": false }} }}
]
"#
        ),
    }
}
