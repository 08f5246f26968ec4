//! The project's own chores: `cargo xtask plugins | lab | test | docs | dashboards`.
//!
//! Promises that a machine with rustup alone can run each of them: what is missing is fetched, and said to
//! be. It uses crates that the tree has anyway, so that the first `cargo xtask` costs seconds.
#![allow(clippy::print_stderr, reason = "progress goes to stderr: stdout belongs to what is run")]

mod checks;
mod dashboards;
mod docs;
mod lab;
mod needs;
mod plugins;
mod results;
mod sh;
mod test;
mod tools;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Farrier's chores", version)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the plugins as WebAssembly components into target/plugins
    Plugins,
    /// Build everything and take a simulated estate to its end: `cargo xtask lab --help` has the options
    #[command(disable_help_flag = true)]
    Lab {
        /// Handed on to `farrier-lab run`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Everything that must be green before a change lands
    ///
    /// Formatting, clippy, the plugin contract, the drivers, all tests, documentation, licences. Installs what
    /// tests need (as root, with apt-get; Python tools in virtual environments) and lists what was skipped,
    /// with the reason. Exit 1 when anything failed, or when a test of tests/required.txt was skipped on a
    /// machine that can run it.
    Test {
        /// Only formatting, clippy, and tests without the whole-system ones; installs nothing
        #[arg(long)]
        fast: bool,
    },
    /// Write the generated part of docs/reference
    Docs {
        /// Write nothing; fail when a page is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Write the Grafana dashboards of examples/grafana; `docs --check` compares them too
    Dashboards,
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    let green = match Cli::parse().chore {
        Chore::Plugins => plugins::build().map(|()| true),
        Chore::Lab { arguments } => lab::run(&arguments),
        Chore::Test { fast } => test::run(fast),
        Chore::Docs { check } => docs::run(check).and_then(|()| dashboards::run(check)).map(|()| true),
        Chore::Dashboards => dashboards::run(false).map(|()| true),
    }?;
    Ok(if green { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE })
}
