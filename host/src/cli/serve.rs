//! `farrier serve`: the host.

use std::process::ExitCode;

use clap::Args;

use super::Common;
use crate::{app, config, telemetry};

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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(app::serve(config, args.observe))?;
    Ok(ExitCode::SUCCESS)
}
