//! The lease hook of dnsmasq, ISC dhcpd and Kea: writes one file for each lease and exits 0.
//!
//! Promises to return in about a millisecond whatever else is down: no network, no `PATH`, no configuration, no thread, no runtime. A
//! problem is a line on standard error and never an exit status, since ISC dhcpd waits for the hook before it answers the client.
//! It judges nothing; the reader of the spool does. The three servers differ only in how they pass an event; see `forms`.

mod forms;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

pub use forms::{DhcpServer, Note};

use super::spool;

/// Where leases are left if neither `FARRIER_SPOOL` nor [`SPOOL_LINK`] says.
pub const SPOOL: &str = "/var/spool/farrier";

/// A link beside the hook that leads to the spool folder: Kea gives its hook no environment to say it in.
pub const SPOOL_LINK: &str = "farrier-spool";

/// Reads a variable of the environment as bytes; DHCP clients decide what stands in some of them.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Answers as the hook if the file name of `argv0` is one of the hooks' names, else `None`. `args` are those after `argv0`.
///
/// To be called first in `main`, before arguments are parsed and a runtime is started.
pub fn run_if_hook(argv0: &OsStr, args: &[OsString], env: Env<'_>) -> Option<ExitCode> {
    let server = Path::new(argv0).file_name().and_then(OsStr::to_str).and_then(DhcpServer::of_hook)?;
    if let Err(problem) = record(server, Path::new(argv0), args, env) {
        // Not `eprintln!`: that panics if the DHCP server closed standard error.
        let _ = writeln!(std::io::stderr(), "{}: {problem}", server.hook_name());
    }
    Some(ExitCode::SUCCESS)
}

fn record(server: DhcpServer, argv0: &Path, args: &[OsString], env: Env<'_>) -> Result<(), String> {
    let now = now_millis();
    let dir = spool_dir(argv0, env);
    for note in forms::notes(server, args, env, now)? {
        let text = serde_json::to_vec(&note).map_err(|error| format!("the lease could not be written: {error}"))?;
        spool::write(&dir, note.at, &text)
            .map_err(|error| format!("the lease of {} was lost: write to `{}`: {error}", note.mac, dir.display()))?;
    }
    Ok(())
}

fn spool_dir(argv0: &Path, env: Env<'_>) -> PathBuf {
    let said = env("FARRIER_SPOOL").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    // Only beside an absolute path: the working directory is nobody's promise.
    let beside =
        || argv0.parent().filter(|dir| dir.is_absolute()).and_then(|dir| dir.join(SPOOL_LINK).read_link().ok());
    said.or_else(beside).unwrap_or_else(|| PathBuf::from(SPOOL))
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
