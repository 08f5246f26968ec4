//! `farrier-lab run`: an estate from first lease to rest, shown as it happens.
//!
//! Promises exit 1 unless every server ends as planned and no simulated system saw anything that a correct
//! client would not do. Under `--observe` the plan is other: nothing may be written anywhere.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::choice::Choice;
use super::show::Show;
use crate::estate::{DEFAULT_BASE, DEFAULT_SEED, DEFAULT_SERVERS, Estate, Server};
use crate::ledger::Kind;
use crate::rig::{Rig, RigConfig, ServerRow, StoreProcess};

/// Options of the demonstration.
#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct DemoOptions {
    /// How many servers; four of them get a planted fault (none of fewer than eight)
    #[arg(long, default_value_t = DEFAULT_SERVERS)]
    servers: usize,
    /// Another seed draws other serials, passwords and faults
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// An estate file instead of a drawn estate (`farrier-lab estate --write FILE` makes one)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["servers", "seed"])]
    estate: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// Run the host as `serve --observe`: it looks, and writes nothing
    #[arg(long)]
    observe: bool,
    /// Leave the run's folder: configuration, log, state, inventory
    #[arg(long)]
    keep: bool,
    /// At the end, leave everything running until Ctrl-C
    #[arg(long)]
    stay: bool,
    /// Give up after this many seconds
    #[arg(long, default_value_t = 300)]
    deadline: u64,
    /// text shows progress; json prints one line at the end and nothing else
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// For whom the end is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Serialize)]
struct End<'a> {
    seconds: f64,
    servers: Vec<EndRow<'a>>,
}

#[derive(Serialize)]
struct EndRow<'a> {
    name: &'a str,
    vendor: &'a str,
    site: &'a str,
    state: &'a str,
    reason: Option<&'a str>,
}

/// Run it. True when it ended as planned.
///
/// # Errors
/// When something could not be started; names the part.
pub async fn run(options: DemoOptions) -> anyhow::Result<bool> {
    let estate = match &options.estate {
        Some(file) => Estate::load(file)?,
        None => Estate::generate(options.seed, options.servers, DEFAULT_BASE),
    };
    let choices = options.choice.made()?;
    let quiet = options.output == Output::Json;
    if !quiet {
        let vendors: std::collections::BTreeSet<_> = estate.servers.iter().map(|server| server.vendor).collect();
        println!("{} servers of {} vendors in {} sites", estate.servers.len(), vendors.len(), estate.sites.len());
        println!("{}", choices.said.join("\n"));
    }
    let config = RigConfig {
        store: choices.store,
        netbox: choices.netbox,
        playbook: choices.playbook,
        keep: options.keep || options.stay,
        ..RigConfig::new(estate)
    };
    let mut rig = Rig::start(config).await?;
    // Dropping the rig on Ctrl-C ends what it started.
    tokio::select! {
        end = through(&mut rig, &options, quiet) => end,
        _ = tokio::signal::ctrl_c() => Ok(false),
    }
}

async fn through(rig: &mut Rig, options: &DemoOptions, quiet: bool) -> anyhow::Result<bool> {
    let started = Instant::now();
    rig.host.start(if options.observe { &["--observe"] } else { &[] }).await?;
    rig.lab.lease_all(0).await.context("delivering the leases")?;
    let mut show = Show::new(quiet);
    let rows = follow(rig, options, &mut show, started).await?;
    let seconds = started.elapsed().as_secs_f64();
    show.end();
    let wrong = judge(rig, options, &rows);
    if quiet {
        println!("{}", serde_json::to_string(&end(&rig.lab.estate(), &rows, seconds))?);
    } else {
        tell(rig, options, &rows, &wrong, seconds);
    }
    if options.stay {
        if !quiet {
            println!("everything runs on; Ctrl-C ends it (control API: {})", rig.lab.control_url());
        }
        tokio::signal::ctrl_c().await.context("waiting for Ctrl-C")?;
    }
    if !wrong.is_empty() {
        rig.keep();
    }
    Ok(wrong.is_empty())
}

/// Show the list until every server is at rest, or under `--observe` until it has not changed for a while.
async fn follow(rig: &Rig, options: &DemoOptions, show: &mut Show, started: Instant) -> anyhow::Result<Vec<ServerRow>> {
    const STILL: Duration = Duration::from_secs(10);
    let estate = rig.lab.estate();
    let deadline = Duration::from_secs(options.deadline);
    let mut rows: Vec<ServerRow> = Vec::new();
    let mut changed = Instant::now();
    while started.elapsed() < deadline {
        let now = rig.host.servers().await.with_context(|| format!("the host's log ends:\n{}", rig.host.tail()))?;
        if !now.iter().map(ServerRow::standing).eq(rows.iter().map(ServerRow::standing)) {
            changed = Instant::now();
        }
        rows = now;
        show.update(&estate, &rows, started.elapsed());
        let of = |server: &Server| rows.iter().find(|row| row.is_of(server));
        let done = if options.observe {
            changed.elapsed() > STILL && estate.servers.iter().all(|server| of(server).is_some())
        } else {
            estate.servers.iter().all(|server| of(server).is_some_and(ServerRow::at_rest))
        };
        if done {
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(rows)
}

/// What is not as planned, a line each.
fn judge(rig: &Rig, options: &DemoOptions, rows: &[ServerRow]) -> Vec<String> {
    let report = rig.lab.ledger().report();
    let mut wrong = if options.observe {
        let writes = rig.counted(Kind::Write);
        if writes == 0 { Vec::new() } else { vec![format!("--observe wrote {writes} times: {:?}", rig.effects())] }
    } else {
        rig.differences(rows)
    };
    wrong.extend(report.violations.iter().map(|seen| format!("{}: {}", seen.system, seen.text)));
    wrong
}

/// What the host does not know of a server, the estate does: a refused login leaves name and vendor open.
fn end<'a>(estate: &'a Estate, rows: &'a [ServerRow], seconds: f64) -> End<'a> {
    let row = |server: &'a Server| {
        let row = rows.iter().find(|row| row.is_of(server));
        EndRow {
            name: &server.name,
            vendor: row.and_then(|row| row.vendor.as_deref()).unwrap_or_else(|| server.vendor.manufacturer()),
            site: row.and_then(|row| row.site.as_deref()).unwrap_or(&server.site),
            state: row.map_or("unknown", |row| &row.state),
            reason: row.and_then(|row| row.reason.as_deref()).filter(|reason| !reason.is_empty()),
        }
    };
    End { seconds: (seconds * 10.0).round() / 10.0, servers: estate.servers.iter().map(row).collect() }
}

fn tell(rig: &Rig, options: &DemoOptions, rows: &[ServerRow], wrong: &[String], seconds: f64) {
    let count = |state: &str| rows.iter().filter(|row| row.state == state).count();
    println!("\n{} ready, {} failed in {seconds:.0} s", count("ready"), count("failed"));
    for server in rig.lab.estate().servers {
        if let Some(row) = rows.iter().find(|row| row.state == "failed" && row.is_of(&server)) {
            println!("  {:<12} {}", server.name, row.reason.as_deref().unwrap_or("no reason given"));
        }
    }
    println!(
        "the simulated systems counted {} writes, {} power transitions, {} settings changes, {} journal entries",
        rig.counted(Kind::Write),
        rig.counted(Kind::PowerTransition),
        rig.counted(Kind::SettingsChange),
        rig.counted(Kind::JournalEntry),
    );
    if wrong.is_empty() {
        println!("as planned");
    } else {
        println!("not as planned:");
        for line in wrong {
            println!("  {line}");
        }
    }
    // A server that failed, by a name the host knows.
    let named = |row: &&ServerRow| row.name.as_deref().is_some_and(|name| rig.lab.estate().server(name).is_some());
    let failed = rows.iter().filter(named).find(|row| row.state == "failed");
    let name = failed.or_else(|| rows.iter().find(named)).and_then(|row| row.name.as_deref()).unwrap_or("NAME");
    let left = match (options.stay, options.keep || !wrong.is_empty()) {
        (true, _) => Left::Running,
        (false, true) if options.observe => Left::Log,
        (false, true) => Left::Files(rig.store.as_ref().map(StoreProcess::command_line)),
        (false, false) => Left::Nothing,
    };
    println!("\nto look closer:");
    for line in closer(&left, name, rig.host.config(), rig.folder()) {
        println!("  {line}");
    }
}

/// What there is when this program has ended.
enum Left {
    /// Everything, until Ctrl-C.
    Running,
    /// The run's folder; where the store is a server, the command that starts it again.
    Files(Option<String>),
    /// The same of a host that kept its records in memory.
    Log,
    Nothing,
}

/// How a person looks closer, a line each: only what works with what is left.
fn closer(left: &Left, name: &str, config: &Path, folder: &Path) -> Vec<String> {
    let (config, folder) = (config.display(), folder.display());
    let ask = ["why", "timeline"].map(|what| format!("farrier server {what} {name} --config {config}"));
    let files = format!("the host's log, state and inventory are in {folder}");
    match left {
        Left::Running | Left::Files(None) => ask.into_iter().chain([files]).collect(),
        Left::Files(Some(store)) => {
            let again = [format!("{store}     # the store ended with this run")];
            again.into_iter().chain(ask).chain([files]).collect()
        }
        Left::Log => vec![
            format!("the host only observed, and its records ended with it: its log and the inventory are in {folder}"),
            format!(
                "run it again with --stay, which leaves it running, and ask: farrier server why {name} --config FILE"
            ),
        ],
        Left::Nothing => vec![
            "run it again with --stay, which leaves everything running, or --keep, which leaves the files;".to_owned(),
            format!("then `farrier server why {name}` and `farrier server timeline {name}` tell a server's story"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_at_the_end_works_with_what_is_left() {
        let told =
            |left: &Left| closer(left, "AMS-SRV-001", Path::new("/run/farrier.toml"), Path::new("/run")).join("\n");
        let why = "farrier server why AMS-SRV-001 --config /run/farrier.toml";
        assert!(told(&Left::Running).starts_with(why) && told(&Left::Files(None)).starts_with(why));
        let redis = told(&Left::Files(Some("redis-server --dir /run/redis".to_owned())));
        let (first, rest) = redis.split_once('\n').unwrap_or_default();
        assert!(
            first.starts_with("redis-server --dir /run/redis") && rest.starts_with(why),
            "the store first: {redis}"
        );
        for left in [Left::Log, Left::Nothing] {
            let said = told(&left);
            assert!(said.contains("--stay") && !said.starts_with("farrier"), "{said}");
        }
    }
}
