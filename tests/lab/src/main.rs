//! `farrier-lab`: a simulated bare-metal estate, and the demonstration that runs the host against it.
//!
//! Promises exit 0 when what it was asked for ended well, 1 when not, 2 for a mistake on the command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use farrier_lab::run::{demo, serve};

/// A simulated bare-metal estate over public protocols: Redfish controllers, network boot, LLDP, NetBox.
///
/// Start with `farrier-lab run`: it takes 24 simulated servers from their first DHCP lease to `ready`, with a
/// real host and four planted faults. The other commands serve one part each, for a host of your own.
#[derive(Parser)]
#[command(name = "farrier-lab", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take a simulated estate to its end, and show it
    ///
    /// Starts the estate, a store, a NetBox and the host (`FARRIER_BIN`, or `farrier` beside this program; its
    /// drivers from `FARRIER_PLUGINS`, or target/plugins), delivers every controller's lease, and follows until
    /// each server is ready or failed. Exit 1 unless all ended as planned.
    Run(demo::DemoOptions),
    /// Serve an estate without a host, and print how to point one at it
    ///
    /// Every controller listens on an address of its own in 127.0.0.0/8, all of which is this machine.
    Estate(serve::EstateOptions),
    /// Serve a recorded Redfish tree, with a login and nothing else: a write is 405, and counted
    Replay(serve::ReplayOptions),
    /// Serve an empty NetBox of one version
    Netbox(serve::NetBoxOptions),
}

#[allow(clippy::print_stderr, reason = "a command line tool's last word")]
fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<bool> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("FARRIER_LAB_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Run(options) => demo::run(options).await,
            Command::Estate(options) => serve::estate(options).await,
            Command::Replay(options) => serve::recording(options).await,
            Command::Netbox(options) => serve::netbox(options).await,
        }
    })
}
