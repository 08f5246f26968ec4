//! `farrier health …`: what is wrong with servers in service, and what nobody wants to hear of now.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use super::Common;
use super::client::{Client, segment};
use super::output::{self, Format};
use crate::health::{Silences, load};
use crate::http::api::{FaultView, NewSilence, Page, SilenceView};
use crate::ticket::{Cases, Subject};

/// What can be asked about health.
#[derive(Debug, Subcommand)]
pub enum HealthCommand {
    /// Open faults: what, since when, who must act
    List,
    /// Raise nothing of a server, rack or site for a while; what lasts at the end is raised then
    Silence(SilenceArgs),
    /// Silences that hold, with their ends
    Silences,
    /// End a silence now
    Unsilence {
        /// Its id
        id: String,
    },
    /// The rules in force, as this machine's configuration has them
    Rules,
}

/// What is silenced.
#[derive(Debug, clap::Args)]
pub struct SilenceArgs {
    /// A server, by name, id or BMC MAC
    #[arg(conflicts_with_all = ["rack", "site"], required_unless_present = "site")]
    name: Option<String>,
    /// A rack of the site
    #[arg(long, requires = "site")]
    rack: Option<String>,
    /// A site, by its slug
    #[arg(long)]
    site: Option<String>,
    /// How long: `30m`, `2h`, `3d`
    #[arg(long = "for", value_name = "TIME", value_parser = super::token::life)]
    time: Duration,
    /// Why
    #[arg(long)]
    reason: String,
}

/// Run one of them.
pub async fn command(common: &Common, command: HealthCommand) -> anyhow::Result<ExitCode> {
    match command {
        HealthCommand::List => list(common).await?,
        HealthCommand::Silence(args) => silence(common, args).await?,
        HealthCommand::Silences => silences(common).await?,
        HealthCommand::Unsilence { id } => {
            Client::new(common)?.delete(&format!("/api/v1/silences/{}", segment(&id))).await?;
            match common.output {
                Format::Json => output::json(&serde_json::json!({ "ended": id }))?,
                Format::Text => output::line(&format!("{id} has ended")),
            }
        }
        HealthCommand::Rules => rules(common)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(common: &Common) -> anyhow::Result<()> {
    let client = Client::new(common)?;
    let faults: Vec<FaultView> = if let Some(page) = client.get::<Page<FaultView>>("/api/v1/faults").await? {
        page.items
    } else {
        let cases = Cases(client.store().await?).all().await?;
        let open = cases.into_iter().filter(|case| case.over.is_none());
        open.map(|case| {
            let site = match &case.about {
                Subject::Rack { site, .. } => Some(site.clone()),
                Subject::Server(_) => None,
            };
            FaultView::of(case, site)
        })
        .collect()
    };
    if common.output == Format::Json {
        return output::json(&faults);
    }
    let rows = faults.into_iter().map(|one| {
        let ticket = one.ticket.unwrap_or_else(|| "-".to_owned());
        vec![one.name, one.severity, one.code, one.since, one.blame, ticket, one.text]
    });
    output::table(&["NAME", "SEVERITY", "CODE", "SINCE", "WHO", "TICKET", "CAUSE"], rows.collect(), "no faults");
    Ok(())
}

async fn silence(common: &Common, args: SilenceArgs) -> anyhow::Result<()> {
    let SilenceArgs { name, rack, site, time, reason } = args;
    let new = NewSilence { server: name, site, rack, seconds: time.as_secs(), reason };
    let made: SilenceView = Client::new(common)?.post("/api/v1/silences", &new).await?;
    match common.output {
        Format::Json => output::json(&made)?,
        Format::Text => output::line(&format!("{}: {} is silenced until {}", made.id, made.scope, made.until)),
    }
    Ok(())
}

async fn silences(common: &Common) -> anyhow::Result<()> {
    let client = Client::new(common)?;
    let found: Vec<SilenceView> = if let Some(page) = client.get::<Page<SilenceView>>("/api/v1/silences").await? {
        page.items
    } else {
        let kept = Silences(client.store().await?).list(crate::egress::now()).await?;
        kept.into_iter().map(SilenceView::from).collect()
    };
    if common.output == Format::Json {
        return output::json(&found);
    }
    let rows = found.into_iter().map(|one| vec![one.id, one.scope, one.until, one.by, one.reason]).collect();
    output::table(&["ID", "WHAT", "UNTIL", "BY", "REASON"], rows, "no silences");
    Ok(())
}

fn rules(common: &Common) -> anyhow::Result<()> {
    let config = crate::config::load(&common.config)?;
    let rules = load(&config.health)?;
    if common.output == Format::Json {
        let one = |rule: &crate::health::Rule| {
            serde_json::json!({
                "code": rule.code, "severity": rule.severity, "blame": rule.blame, "looks": rule.looks,
                "for_ms": rule.for_ms, "clear_after_ms": rule.clear_after_ms, "text": rule.text, "hint": rule.hint,
            })
        };
        return output::json(&rules.iter().map(one).collect::<Vec<_>>());
    }
    let rows = rules.into_iter().map(|rule| {
        let (for_, clear) = (format!("{} s", rule.for_ms / 1000), format!("{} s", rule.clear_after_ms / 1000));
        vec![rule.code, rule.severity.as_str().to_owned(), rule.looks.to_string(), for_, clear, rule.text]
    });
    output::table(&["CODE", "SEVERITY", "LOOKS", "FOR", "CLEAR AFTER", "TEXT"], rows.collect(), "no rules");
    Ok(())
}
