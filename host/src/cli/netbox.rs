//! `farrier netbox init|populate|export-macs|check`: what an operator says to NetBox.
//!
//! Talks to NetBox itself and needs no running host, but for `drift`. Results go to standard output, progress and questions to standard
//! error, so that `--output json` is clean.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::client::{failure, here_only};
use super::output::Format;
use super::{Common, drift};
use crate::config;
use crate::inventory::{self, Inventory as _};
use crate::netbox::populate::deliveries::deliveries;
use crate::netbox::populate::{PopulateError, Progress, Report, populate};
use crate::netbox::{NetBoxInventory, export, init};

/// What to do with NetBox.
#[derive(Debug, Args)]
pub struct NetBoxArgs {
    #[command(subcommand)]
    command: NetBoxCommand,
}

#[derive(Debug, Subcommand)]
enum NetBoxCommand {
    /// Show which custom fields and choices are missing, and make them.
    Init {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Bring an inventory file (TOML, or the PoC's CSV) into NetBox; a second run has nothing to do.
    Populate {
        /// The inventory file.
        #[arg(required_unless_present = "deliveries")]
        file: Option<PathBuf>,
        /// A delivery list (CSV or TOML): what was ordered is `planned`, what arrived is `offline`; names what never arrived.
        #[arg(long, value_name = "FILE")]
        deliveries: Option<PathBuf>,
        /// Name only what was ordered so many days ago and has not arrived; exit code 1 if there is any.
        #[arg(long, value_name = "DAYS", requires = "deliveries")]
        overdue: Option<u32>,
    },
    /// Write the MACs NetBox knows as the PoC's CSV.
    ExportMacs {
        /// Where to; standard output when absent.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Reach NetBox, check the token, and say what is missing.
    Check,
    /// Show where NetBox and this host do not agree, and how far the projector is behind.
    Drift,
}

/// Do what was asked. Exit code 1: something is missing, or was not done.
pub async fn command(common: &Common, args: NetBoxArgs) -> anyhow::Result<ExitCode> {
    if matches!(args.command, NetBoxCommand::Drift) {
        return drift::command(common).await;
    }
    here_only(common, "netbox")?;
    let config = config::load(&common.config)?;
    let netbox = config.netbox.as_ref().context("the configuration has no [netbox] with `url` and `token_file`")?;
    match args.command {
        NetBoxCommand::Init { yes } => init_command(netbox, yes, common.output).await,
        NetBoxCommand::Populate { file, deliveries, overdue } => {
            let made = match file {
                Some(file) => Some(populate_command(netbox, &file, common.output).await?),
                None => None,
            };
            match (deliveries, made) {
                (Some(list), made) => deliveries_command(netbox, &list, overdue, common.output, made).await,
                (None, Some(made)) => show(common.output, &made, "").map(|()| ExitCode::SUCCESS),
                (None, None) => Ok(ExitCode::SUCCESS),
            }
        }
        NetBoxCommand::ExportMacs { out } => export_command(netbox, out, common.output).await,
        NetBoxCommand::Check => check_command(netbox, common.output).await,
        NetBoxCommand::Drift => drift::command(common).await,
    }
}

async fn init_command(netbox: &config::NetBox, yes: bool, output: Format) -> anyhow::Result<ExitCode> {
    let inventory = NetBoxInventory::new(netbox.clone())?;
    let steps = init::plan(inventory.client()).await.map_err(told)?;
    let texts: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
    if steps.is_empty() {
        show(output, &json!({"missing": texts, "done": 0}), "nothing is missing\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    if output == Format::Text {
        let list = listed(texts.iter().map(|text| format!("  {text}")));
        show(output, &json!(null), &format!("missing in {}:\n{list}", inventory.client().url()))?;
    }
    if !yes && !confirmed()? {
        show(output, &json!({"missing": texts, "done": 0}), "nothing was written; `--yes` does it\n")?;
        return Ok(ExitCode::FAILURE);
    }
    let mut lines = Vec::new();
    let done = init::apply(inventory.client(), |step| lines.push(format!("done: {}\n", step.text))).await;
    let done = done.map_err(told).with_context(|| lines.concat())?;
    show(output, &json!({"missing": texts, "done": done}), &lines.concat())?;
    Ok(ExitCode::SUCCESS)
}

/// Ask a person; without one, no.
fn confirmed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(std::io::stderr(), "make this? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// People read at once what was made; a program has it in one document with what comes after.
async fn populate_command(netbox: &config::NetBox, file: &std::path::Path, output: Format) -> anyhow::Result<Value> {
    let document = inventory::load(file)?;
    let inventory = NetBoxInventory::new(netbox.clone())?;
    let bar = Bar::new();
    let report = populate(inventory.client(), &document, &bar).await;
    bar.0.finish_and_clear();
    let report = report.map_err(refused)?;
    if output == Format::Text {
        show(output, &json!(null), &counted(&report, file))?;
    }
    Ok(serde_json::to_value(&report)?)
}

async fn deliveries_command(
    netbox: &config::NetBox,
    file: &std::path::Path,
    overdue: Option<u32>,
    output: Format,
    made: Option<Value>,
) -> anyhow::Result<ExitCode> {
    let today = jiff::Zoned::now().date();
    let list = inventory::delivery::load(file, today)?;
    let inventory = NetBoxInventory::new(netbox.clone())?;
    let bar = Bar::new();
    let done = deliveries(inventory.client(), &list, today, &bar).await;
    bar.0.finish_and_clear();
    let mut done = done.map_err(refused)?;
    done.outstanding.retain(|one| overdue.is_none_or(|days| one.days.is_some_and(|age| age > days)));
    let lines = done.outstanding.iter().map(|one| {
        let days = one.days.map_or_else(|| "to come".to_owned(), |days| format!("ordered {days} days ago"));
        format!("not arrived: {} (order {}, serial {}), {days}", one.name, one.purchase_order, one.serial)
    });
    let text = counted(&done.report, file) + &listed(lines);
    let mut told = serde_json::to_value(&done)?;
    if let (Some(made), Some(fields)) = (made, told.as_object_mut()) {
        fields.insert("estate".to_owned(), made);
    }
    show(output, &told, &text)?;
    let late = overdue.is_some() && !done.outstanding.is_empty();
    Ok(if late { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn refused(error: PopulateError) -> anyhow::Error {
    match error {
        PopulateError::NetBox(error) => {
            told(error).context("what was written stays; running it again goes on from there")
        }
        PopulateError::Contradictions(_) => {
            failure("netbox-contradicts", error.to_string(), "mend the file or NetBox, whichever is wrong")
        }
    }
}

fn counted(report: &Report, file: &std::path::Path) -> String {
    let counts = |title: &str, counts: &std::collections::BTreeMap<&str, usize>| -> String {
        listed(counts.iter().map(|(kind, count)| format!("{title} {count} × {kind}")))
    };
    if report.is_nothing() {
        return format!("nothing to do: {} is in NetBox as it stands\n", file.display());
    }
    counts("created", &report.created) + &counts("changed", &report.changed)
}

async fn export_command(netbox: &config::NetBox, out: Option<PathBuf>, output: Format) -> anyhow::Result<ExitCode> {
    let inventory = NetBoxInventory::new(netbox.clone())?;
    let lines = export::macs(inventory.client(), &netbox.bmc_interfaces).await.map_err(told)?;
    let mut text = Vec::new();
    inventory::csv::write(&lines, &mut text)?;
    match out {
        Some(path) => {
            std::fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
            let (count, path) = (lines.len(), path.display().to_string());
            show(output, &json!({"interfaces": count, "file": path}), &format!("{count} interfaces in {path}\n"))?;
        }
        None => show(output, &serde_json::to_value(&lines)?, std::str::from_utf8(&text)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn check_command(netbox: &config::NetBox, output: Format) -> anyhow::Result<ExitCode> {
    let inventory = NetBoxInventory::new(netbox.clone())?;
    let lines = inventory.check().await.map_err(fault)?;
    let name = inventory.describe();
    let list = listed(lines.iter().map(|line| format!("  {line}")));
    let text = match lines.len() {
        0 => format!("{name} at {}: nothing is missing\n", inventory.client().url()),
        _ => format!(
            "{name} at {}:\n{list}  hint: `farrier netbox init` makes what is missing\n",
            inventory.client().url()
        ),
    };
    show(output, &json!({"netbox": name, "problems": lines}), &text)?;
    Ok(if lines.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line each.
fn listed(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |text, line| text + &line + "\n")
}

/// With its code and hint.
fn told(error: crate::netbox::NetBoxError) -> anyhow::Error {
    fault(error.into())
}

fn fault(fault: crate::fault::Fault) -> anyhow::Error {
    failure(&fault.code, fault.text, &fault.hint.unwrap_or_default())
}

fn show(output: Format, json: &serde_json::Value, text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Format::Text => out.write_all(text.as_bytes())?,
        Format::Json => writeln!(out, "{json}")?,
    }
    Ok(())
}

/// A bar on standard error; hidden where that is no terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg:14} {bar:40} {pos}/{len}") {
            bar.set_style(style);
        }
        Self(bar)
    }
}

impl Progress for Bar {
    fn at(&self, kind: &'static str, done: usize, all: usize) {
        self.0.set_message(kind);
        self.0.set_length(u64::try_from(all).unwrap_or_default());
        self.0.set_position(u64::try_from(done).unwrap_or_default());
    }
}
