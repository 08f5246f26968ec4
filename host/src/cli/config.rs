//! `farrier config …`: is the configuration sound, and what is it with its defaults?

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Common;
use super::output::{self, Format};
use crate::config::{self, Config, ConfigError, Problem};
use crate::{fault, health};

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Name every problem of the configuration at once
    Check,
    /// Print the configuration with its defaults; secrets stay references
    Show,
}

/// Run one of them.
pub fn command(common: &Common, command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&common.config).and_then(|config| rules(common, &config).map(|()| config));
    let config = match (loaded, command, common.output) {
        (Err(error), ConfigCommand::Check, Format::Json) => {
            output::json(&json!({ "config": common.config, "problems": error.problems() }))?;
            return Ok(ExitCode::FAILURE);
        }
        (loaded, _, _) => loaded?,
    };
    match (command, common.output) {
        (ConfigCommand::Check, Format::Text) => output::line(&format!("{} is sound", common.config.display())),
        (ConfigCommand::Check, Format::Json) => {
            output::json(&json!({ "config": common.config, "problems": [] }))?;
        }
        (ConfigCommand::Show, Format::Text) => output::line(toml::to_string_pretty(&config)?.trim_end()),
        (ConfigCommand::Show, Format::Json) => output::json(&config)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The rules file is the one file beside the configuration that is part of it: what is wrong in it stops `serve` too.
fn rules(common: &Common, config: &Config) -> Result<(), ConfigError> {
    let Err(error) = health::load(&config.health) else { return Ok(()) };
    let hint = "`farrier health rules` lists the rules in force; docs/guides/health.md has their keys".to_owned();
    let problem = Problem { path: "health".to_owned(), text: fault::chain(&error), hint };
    Err(ConfigError::Problems { path: common.config.clone(), problems: vec![problem] })
}
