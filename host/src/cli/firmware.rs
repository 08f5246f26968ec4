//! `farrier firmware …`: what differs, and rolling it out in waves.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Deserialize;

use super::Common;
use super::client::{Client, failure, segment};
use super::output::{self, Format};
use crate::wave::{Plan, Preview, Standing, Wanted, WaveView};

/// Where the API has them.
const WAVES: &str = "/api/v1/waves";
const FIRMWARE: &str = "/api/v1/firmware";

/// What can be done about firmware.
#[derive(Debug, Subcommand)]
pub enum FirmwareCommand {
    /// What differs from the catalogue or the fleet tool's baseline, server by server; asks no controller
    Plan {
        /// Only this server, by name or id
        name: Option<String>,
        #[command(flatten)]
        of: Of,
    },
    /// Update many servers, a few at a time
    #[command(subcommand)]
    Wave(WaveCommand),
}

/// What can be done with waves. ID is such as `W000042`.
#[derive(Debug, Subcommand)]
pub enum WaveCommand {
    /// Update the selected servers that are ready, step by step
    Start(StartArgs),
    /// What such a wave would come to; changes nothing
    Preview(StartArgs),
    /// The waves you can see, latest first
    List,
    /// One wave with its servers
    Status {
        /// Its id
        id: String,
    },
    /// Start no further server; those under way finish
    Halt {
        /// Its id
        id: String,
    },
    /// Go on after a halt, without what still fails; or start a planned wave
    Resume {
        /// Its id
        id: String,
    },
}

/// Which servers; all that is given must hold.
#[derive(Debug, clap::Args)]
pub struct Of {
    /// Only of this site, by its slug
    #[arg(long)]
    site: Option<String>,
    /// Only of this rack, by its name
    #[arg(long)]
    rack: Option<String>,
    /// Start of the driver's name: `hpe`
    #[arg(long)]
    driver: Option<String>,
    /// Start of the model
    #[arg(long)]
    model: Option<String>,
}

/// Which servers, and how carefully.
#[derive(Debug, clap::Args)]
pub struct StartArgs {
    /// These servers, by name or id; none: all that the options select
    servers: Vec<String>,
    /// For people who read it
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    of: Of,
    /// Every ready server; needed where nothing else selects
    #[arg(long)]
    all: bool,
    /// The steps: a number, `rack` (the rest of the first one's), a part as `10%`, `rest`
    #[arg(long, value_delimiter = ',', default_value = "1,rack,10%,rest")]
    steps: Vec<String>,
    /// Servers that may fail before it halts
    #[arg(long, default_value_t = 0)]
    max_failures: u32,
    /// Servers updated at the same time
    #[arg(long, default_value_t = 8)]
    concurrency: u32,
    /// How long a server must have stayed well: 30s, 5m, 1h
    #[arg(long, default_value = "5m")]
    soak: String,
    /// How long a server may take to come back
    #[arg(long, default_value = "4h")]
    limit: String,
    /// Keep it as a plan; `resume` starts it
    #[arg(long)]
    planned: bool,
}

impl StartArgs {
    fn wanted(self) -> anyhow::Result<Wanted> {
        let Of { site, rack, driver, model } = self.of;
        let some = [&site, &rack, &driver, &model].into_iter().any(Option::is_some);
        if !(some || self.all || !self.servers.is_empty()) {
            let hint = "name servers, select with --site, --rack, --driver or --model, or say --all";
            return Err(failure("invalid-input", "nothing selects servers", hint));
        }
        Ok(Wanted {
            name: self.name,
            site,
            rack,
            driver,
            model,
            servers: self.servers,
            steps: self.steps,
            max_failures: self.max_failures,
            concurrency: self.concurrency,
            soak_ms: millis("soak", &self.soak)?,
            limit_ms: millis("limit", &self.limit)?,
            planned: self.planned,
        })
    }
}

fn millis(option: &str, text: &str) -> anyhow::Result<u64> {
    let wrong = || failure("invalid-input", format!("--{option}: `{text}` is no length of time"), "30s, 5m, 1h30m");
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    u64::try_from(span.as_millis()).map_err(|_| wrong())
}

#[derive(Deserialize)]
struct Plans {
    items: Vec<Plan>,
}

/// Run one of them.
pub async fn command(common: &Common, command: FirmwareCommand) -> anyhow::Result<ExitCode> {
    let (client, format) = (Client::new(common)?, common.output);
    let nothing = serde_json::json!({});
    let path = |id: &str, rest: &str| format!("{WAVES}/{}{rest}", segment(id));
    match command {
        FirmwareCommand::Plan { name, of: Of { site, rack, driver, model } } => {
            let pairs = [("server", name), ("site", site), ("rack", rack), ("driver", driver), ("model", model)];
            let query: Vec<String> =
                pairs.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", segment(&value?)))).collect();
            let plans: Plans = get(&client, &format!("{FIRMWARE}?{}", query.join("&"))).await?;
            plan(format, &plans.items)?;
        }
        FirmwareCommand::Wave(WaveCommand::Start(args)) => show(format, &client.post(WAVES, &args.wanted()?).await?)?,
        FirmwareCommand::Wave(WaveCommand::Preview(args)) => {
            let told: Preview = client.post(&format!("{WAVES}/preview"), &args.wanted()?).await?;
            preview(format, &told)?;
        }
        FirmwareCommand::Wave(WaveCommand::List) => {
            let waves = client.list(WAVES, &[], usize::MAX).await?;
            list(format, &waves.ok_or_else(|| client.no_host())?)?;
        }
        FirmwareCommand::Wave(WaveCommand::Status { id }) => show(format, &get(&client, &path(&id, "")).await?)?,
        FirmwareCommand::Wave(WaveCommand::Halt { id }) => {
            show(format, &client.post(&path(&id, "/halt"), &nothing).await?)?;
        }
        FirmwareCommand::Wave(WaveCommand::Resume { id }) => {
            show(format, &client.post(&path(&id, "/resume"), &nothing).await?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn get<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> anyhow::Result<T> {
    client.get(path).await?.ok_or_else(|| client.no_host())
}

fn plan(format: Format, plans: &[Plan]) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&plans);
    }
    let mut rows = Vec::new();
    for plan in plans {
        let head = || vec![plan.server.clone(), plan.state.clone(), plan.source.clone()];
        for one in &plan.changes {
            let down = match one.disruptive {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not known",
            };
            rows.push(
                [head(), vec![one.component.clone(), one.current.clone(), one.target.clone(), down.to_owned()]]
                    .concat(),
            );
        }
        let none = |text: &str| [head(), vec![text.to_owned(), String::new(), String::new(), String::new()]].concat();
        match &plan.problem {
            Some(problem) => rows.push(none(problem)),
            None if plan.changes.is_empty() && plan.source == "none" => rows.push(none("nothing to compare with")),
            None if plan.changes.is_empty() => rows.push(none("up to date")),
            None => {}
        }
    }
    output::table(&["SERVER", "STATE", "SOURCE", "COMPONENT", "CURRENT", "TARGET", "SERVER DOWN"], rows, "no servers");
    Ok(())
}

fn preview(format: Format, told: &Preview) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(told);
    }
    output::line(&told.say);
    for (number, names) in told.steps.iter().enumerate() {
        output::line(&format!("  step {}  {}", number + 1, names.join(", ")));
    }
    for one in &told.left_out {
        output::line(&format!("  left out  {one}"));
    }
    Ok(())
}

fn list(format: Format, waves: &[WaveView]) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&waves);
    }
    let row = |wave: &WaveView| {
        let over = wave.servers.iter().filter(|one| one.standing.is_over()).count();
        vec![
            wave.id.clone(),
            wave.state.to_string(),
            format!("{}/{}", wave.step, wave.steps),
            format!("{over}/{}", wave.servers.len()),
            wave.wanted.name.clone().unwrap_or_default(),
            wave.by.clone(),
            wave.created.clone(),
            wave.reason.clone().unwrap_or_default(),
        ]
    };
    let rows = waves.iter().map(row).collect();
    output::table(&["ID", "STATE", "STEP", "OVER", "NAME", "BY", "BEGUN", "WHY"], rows, "no waves");
    Ok(())
}

fn show(format: Format, wave: &WaveView) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(wave);
    }
    output::line(&format!("{} is {}, step {} of {}", wave.id, wave.state, wave.step, wave.steps));
    let counts: Vec<_> = wave.counts.iter().map(|(standing, count)| format!("{count} {standing}")).collect();
    let lines = [
        ("name", wave.wanted.name.clone()),
        ("begun", Some(format!("{} by {}", wave.created, wave.by))),
        ("servers", Some(counts.join(", "))),
        ("why", wave.reason.clone()),
        ("next", wave.next.clone()),
    ];
    for (word, value) in lines.into_iter().filter_map(|(word, value)| Some((word, value?))) {
        output::line(&format!("  {word:<9} {value}"));
    }
    for one in wave.servers.iter().filter(|one| one.standing != Standing::Waiting) {
        let why = one.why.as_deref().map(|why| format!("  {why}")).unwrap_or_default();
        output::line(&format!("  {:<9} {} (step {}){why}", one.standing.as_str(), one.name, one.step));
    }
    Ok(())
}
