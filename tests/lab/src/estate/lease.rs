//! A controller asks for its address: the host's own hook is run as dnsmasq runs it.
//!
//! Promises dnsmasq's argument and environment form as seen on the wire (2.90): `add MAC IP [HOSTNAME]`,
//! the vendor class in the environment, nothing else inherited. It delivers nothing itself.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};

use super::model::Server;

/// The real hook, and where it puts what it was told.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The host's binary under the name `farrier-lease-dnsmasq`.
    pub program: PathBuf,
    /// The spool folder it writes to.
    pub spool: PathBuf,
}

/// The first argument of the hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEvent {
    /// A new lease.
    Add,
    /// The same client again: a reboot, a renewal, a restart of dnsmasq.
    Old,
    /// Released or expired.
    Del,
}

impl LeaseEvent {
    fn argument(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Old => "old",
            Self::Del => "del",
        }
    }
}

/// What dnsmasq knows of one lease.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Lower case with colons.
    pub mac: String,
    /// The address given.
    pub address: String,
    /// Host name the client sent.
    pub hostname: Option<String>,
    /// DHCP option 60.
    pub vendor_class: Option<String>,
}

impl Lease {
    /// The lease of a server's controller.
    pub fn of_controller(server: &Server) -> Self {
        Self {
            mac: server.bmc.mac.clone(),
            address: server.bmc.address.to_string(),
            hostname: server.dhcp_hostname(),
            vendor_class: Some(server.vendor.dhcp_class().to_owned()),
        }
    }
}

/// Write `farrier-lease-dnsmasq` into `folder`, a link to the host's binary.
///
/// # Errors
/// When the link cannot be made.
pub fn link_hook(farrier: &Path, folder: &Path, spool: &Path) -> anyhow::Result<Hook> {
    let program = folder.join("farrier-lease-dnsmasq");
    let _ = std::fs::remove_file(&program);
    std::os::unix::fs::symlink(farrier, &program).with_context(|| format!("linking the hook {}", program.display()))?;
    Ok(Hook { program, spool: spool.to_owned() })
}

impl Hook {
    /// Run the hook once.
    ///
    /// # Errors
    /// When it cannot be started, or does not exit 0; with what it said.
    pub async fn run(&self, event: LeaseEvent, lease: &Lease) -> anyhow::Result<()> {
        let mut command = tokio::process::Command::new(&self.program);
        command.arg(event.argument()).arg(&lease.mac).arg(&lease.address).args(lease.hostname.as_deref());
        command.env_clear().env("FARRIER_SPOOL", &self.spool).current_dir("/").stdin(Stdio::null());
        command.env("DNSMASQ_INTERFACE", "lo").env("DNSMASQ_TIME_REMAINING", "86400");
        let expires = jiff::Timestamp::now().as_second() + 86_400;
        command.env("DNSMASQ_LEASE_EXPIRES", expires.to_string());
        command.env("DNSMASQ_CLIENT_ID", format!("01:{}", lease.mac));
        if let Some(class) = &lease.vendor_class {
            command.env("DNSMASQ_VENDOR_CLASS", class);
        }
        if let Some(hostname) = &lease.hostname {
            command.env("DNSMASQ_SUPPLIED_HOSTNAME", hostname);
        }
        let output = command.output().await.with_context(|| format!("running the hook {}", self.program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("the hook {} ended with {}: {}", self.program.display(), output.status, said.trim());
        }
        Ok(())
    }

    /// The lease of a server's controller, followed by `renewals` more of the same.
    ///
    /// # Errors
    /// As [`Hook::run`].
    pub async fn lease(&self, server: &Server, renewals: usize) -> anyhow::Result<()> {
        let lease = Lease::of_controller(server);
        self.run(LeaseEvent::Add, &lease).await?;
        for _ in 0..renewals {
            self.run(LeaseEvent::Old, &lease).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::generate::DEFAULT_BASE;
    use super::super::model::{Estate, Vendor};
    use super::*;

    /// A hook that writes down how it was called.
    fn witness(folder: &Path) -> Hook {
        let program = folder.join("farrier-lease-dnsmasq");
        let log = folder.join("log");
        let script = format!(
            "#!/bin/sh\necho \"$# $* class=$DNSMASQ_VENDOR_CLASS home=$HOME spool=$FARRIER_SPOOL\" >> {}\n",
            log.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Hook { program, spool: folder.join("spool") }
    }

    #[tokio::test]
    async fn the_hook_is_called_as_dnsmasq_calls_it() {
        let folder = tempfile::tempdir().unwrap();
        let hook = witness(folder.path());
        let estate = Estate::sound(7, 3, DEFAULT_BASE);
        let of = |vendor| estate.servers.iter().find(|s| s.vendor == vendor).unwrap();
        hook.lease(of(Vendor::Hpe), 1).await.unwrap();
        hook.lease(of(Vendor::Supermicro), 0).await.unwrap();
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        let hpe = of(Vendor::Hpe);
        let spool = folder.path().join("spool");
        let spool = spool.display();
        let rest = format!("{} {} ILO{} class=CPQRIB3 home= spool={spool}", hpe.bmc.mac, hpe.bmc.address, hpe.serial);
        assert_eq!(lines[0], format!("4 add {rest}"));
        assert_eq!(lines[1], format!("4 old {rest}"));
        assert!(lines[2].starts_with("3 add 7c:c2:55:"), "no host name, no fourth argument: {}", lines[2]);
    }

    #[tokio::test]
    async fn a_hook_that_fails_is_an_error_with_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let hook = witness(folder.path());
        std::fs::write(&hook.program, "#!/bin/sh\necho no spool >&2\nexit 3\n").unwrap();
        let estate = Estate::sound(7, 1, DEFAULT_BASE);
        let error = hook.lease(&estate.servers[0], 0).await.unwrap_err().to_string();
        assert!(error.contains("no spool"), "{error}");
    }
}
