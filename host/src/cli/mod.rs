//! The command line: parses, asks the running host over its socket or over HTTPS, prints for people or as JSON.
//!
//! Without a running host, commands that read open the store read-only, and commands that change refuse. Exit codes: 0 done,
//! 1 refused or failed, 2 wrong usage.

mod bus;
mod client;
mod config;
mod drift;
mod firmware;
mod health;
mod hook;
mod netbox;
mod order;
mod output;
mod plugin;
mod reference;
mod serve;
mod server;
mod ship;
mod sign_in;
mod simulate;
mod token;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use output::Format;

/// The configuration file where none is named.
const DEFAULT_CONFIG: &str = "/etc/farrier/farrier.toml";

/// What every command shares.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// The configuration file
    #[arg(
        long,
        short,
        global = true,
        env = "FARRIER_CONFIG",
        default_value = DEFAULT_CONFIG,
        value_name = "FILE"
    )]
    pub config: PathBuf,
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// Which host, where it is not the one on this machine.
    #[command(flatten)]
    pub remote: Remote,
}

/// A host elsewhere.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Another host")]
pub struct Remote {
    /// Ask the host at this URL instead of the one on this machine
    #[arg(long, global = true, env = "FARRIER_SERVER", value_name = "URL")]
    pub server: Option<url::Url>,
    /// File with the token to show it
    #[arg(long, global = true, env = "FARRIER_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// File with the authority of its certificate, instead of the system's
    #[arg(long, global = true, env = "FARRIER_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Provisions bare-metal servers from their first DHCP lease to a tenant.
///
/// A server's BMC asks for a lease; Farrier finds it in NetBox, validates hardware and cabling, brings firmware and settings to a
/// baseline, and hands it over. `farrier serve` is the host; the other commands talk to it.
#[derive(Debug, Parser)]
#[command(
    name = "farrier",
    version,
    propagate_version = true,
    after_help = "Start here:\n  farrier config check            is the configuration sound?\n  farrier serve                   run the host\n  farrier simulate MAC IP         pretend a BMC got a lease\n  farrier server list             where every server stands\n  farrier server why NAME         what blocks one, who must act, what happens next"
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the host: bus, stages, plugins, callbacks
    Serve(serve::ServeArgs),
    /// Run beside a DHCP server: forward its leases to Redis, and nothing else
    Ship(ship::ShipArgs),
    /// Install the lease hooks of dnsmasq, ISC dhcpd and Kea
    #[command(subcommand)]
    Hook(hook::Command),
    /// Publish a lease to the running host, as if a BMC had got it
    Simulate(simulate::SimulateArgs),
    /// Look at servers and move them
    #[command(subcommand)]
    Server(server::ServerCommand),
    /// Follow what happens, as it happens
    Watch(watch::WatchArgs),
    /// Order ready servers for a tenant
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// What firmware differs, and rolling it out in waves
    #[command(subcommand)]
    Firmware(firmware::FirmwareCommand),
    /// What is wrong with servers in service, and silences
    #[command(subcommand)]
    Health(health::HealthCommand),
    /// Look at plugins and call them by hand
    Plugin(plugin::PluginArgs),
    /// Look at streams, timers and dead letters
    #[command(subcommand)]
    Bus(bus::BusCommand),
    /// Make, list and revoke tokens of the API
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Print a link that signs a browser in once
    SignIn,
    /// Prepare, fill and check NetBox
    Netbox(netbox::NetBoxArgs),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print a completion script for your shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print this reference as Markdown
    #[command(hide = true)]
    Reference {
        /// The HTTP API instead of the command line
        #[arg(long)]
        api: bool,
    },
}

/// Parse the arguments, run the command, print what failed with its causes and a hint.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let format = cli.common.output;
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            output::failure(format, &error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let common = cli.common;
    match cli.command {
        Command::Serve(args) => serve::command(&common, &args),
        Command::Ship(args) => block_on(ship::command(&common, &args)),
        Command::Hook(command) => hook::run(&common, &command).map(|()| ExitCode::SUCCESS),
        Command::Plugin(args) => plugin::command(&common, args),
        Command::Simulate(args) => block_on(simulate::command(&common, &args)),
        Command::Server(command) => block_on(server::command(&common, command)),
        Command::Watch(args) => block_on(watch::command(&common, &args)),
        Command::Order(command) => block_on(order::command(&common, command)),
        Command::Firmware(command) => block_on(firmware::command(&common, command)),
        Command::Health(command) => block_on(health::command(&common, command)),
        Command::Bus(command) => block_on(bus::command(&common, command)),
        Command::Token(command) => block_on(token::command(&common, command)),
        Command::SignIn => block_on(sign_in::command(&common)),
        Command::Netbox(args) => block_on(netbox::command(&common, args)),
        Command::Config(command) => config::command(&common, &command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "farrier", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Reference { api } => {
            output::line(&if api { reference::api()? } else { output::reference(&mut Cli::command()) });
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Clap finds out only when the command runs, and then panics.
    #[test]
    fn no_command_has_an_option_of_its_own_that_is_everybodys() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        let everybodys: BTreeSet<_> =
            cli.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().clone()).collect();
        assert!(everybodys.len() >= 5, "{everybodys:?}");
        let mut commands: Vec<_> = cli.get_subcommands().collect();
        while let Some(command) = commands.pop() {
            for arg in command.get_arguments() {
                assert!(!everybodys.contains(arg.get_id()), "`{}` has its own `{}`", command.get_name(), arg.get_id());
            }
            commands.extend(command.get_subcommands());
        }
    }
}
