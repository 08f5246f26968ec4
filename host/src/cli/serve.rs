//! `farrier serve`: the host.

use std::process::ExitCode;

use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::Common;
use crate::{app, config, telemetry};

/// Open files, sockets among them, that the host may need: thousands of controllers are looked at each minute, and a connection is kept for
/// some seconds. Most systems allow a program 1,024 at first, and more where it asks.
const FILES: u64 = 65_536;

/// How to run the host.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Look at real leases, the inventory and the controllers, say what each stage would do, and change nothing
    #[arg(long)]
    observe: bool,
    /// Which log lines: error, warn, info, debug, or a filter such as `farrier=debug`
    #[arg(long, env = "FARRIER_LOG", default_value = "info")]
    log: String,
}

/// Run until SIGTERM or SIGINT, then drain.
pub fn command(common: &Common, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(&common.config)?;
    telemetry::init(config.log_format, &args.log);
    allow_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(app::serve(config, args.observe))?;
    Ok(ExitCode::SUCCESS)
}

/// Ask for as many open files as this machine allows, up to [`FILES`].
fn allow_files() {
    let wanted = getrlimit(Resource::RLIMIT_NOFILE).map(|(now, most)| (now, FILES.min(most), most));
    let done = wanted.and_then(
        |(now, wanted, most)| {
            if now < wanted { setrlimit(Resource::RLIMIT_NOFILE, wanted, most) } else { Ok(()) }
        },
    );
    if let Err(error) = done {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn more_files_are_asked_for_than_a_shell_gives() {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 256, most).unwrap();
        allow_files();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (FILES.min(most), most));
    }
}
