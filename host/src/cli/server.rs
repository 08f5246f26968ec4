//! `farrier server …`: where servers stand, and requests to move them.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use farrier_lifecycle::{Action, JournalEntry, LifecycleState, Mac, Policy, Request, ServerId};

use super::Common;
use super::client::{Client, failure, segment};
use super::output::{self, Format};
use crate::egress::now;
use crate::fleet::{Filter, Fleet, Row, Sort};
use crate::http::api::Timeline;
use crate::http::view::{EntryView, ServerView, time, view as see};
use crate::http::warranty::WarrantyView;

/// What can be done with servers. NAME is the inventory's name, the id, or the BMC's MAC.
#[derive(Debug, Subcommand)]
pub enum ServerCommand {
    /// Where every server stands
    List {
        /// Only this lifecycle state, such as `ready` or `failed`
        #[arg(long)]
        state: Option<String>,
        /// Only this site
        #[arg(long)]
        site: Option<String>,
        /// Only those that need a person
        #[arg(long)]
        problem: bool,
        /// At most this many, in the order of names
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Everything known of one server
    Show {
        /// Its name, id or BMC MAC
        name: String,
    },
    /// What happened to one server, transition by transition
    Timeline {
        /// Its name, id or BMC MAC
        name: String,
    },
    /// What blocks one server, since when, who must act, what happens next
    Why {
        /// Its name, id or BMC MAC
        name: String,
    },
    /// Try a failed or waiting stage again, now
    Retry {
        /// Its name, id or BMC MAC
        name: String,
    },
    /// Allow one kind of action on an active server, for a while
    Approve {
        /// Its name, id or BMC MAC
        name: String,
        /// power, boot, reset, firmware, harden or configure
        #[arg(long)]
        action: Action,
        /// Why; it stands in the journal
        #[arg(long)]
        reason: String,
        /// For how long: 30m, 1h, 2h30m; a day at most
        #[arg(long)]
        expires: String,
    },
    /// Deliver a ready server to a tenant
    Assign {
        /// Its name, id or BMC MAC
        name: String,
        /// The tenant's name
        #[arg(long)]
        tenant: String,
        /// Take it although policy left things undone (unvalidated, unhardened)
        #[arg(long)]
        accept: bool,
    },
    /// Take an active server back from its tenant
    Release {
        /// Its name, id or BMC MAC
        name: String,
    },
    /// Take a server out of the datacentre, for good
    Retire {
        /// Its name, id or BMC MAC
        name: String,
    },
    /// Vouch, by name, that a released or retired server's drives are erased
    AttestErased {
        /// Its name, id or BMC MAC
        name: String,
    },
    /// Start nothing on a server; with --off, go on
    Hold {
        /// Its name, id or BMC MAC
        name: String,
        /// Why; it stands in the journal
        #[arg(long, required_unless_present = "off")]
        reason: Option<String>,
        /// End the hold
        #[arg(long, conflicts_with = "reason")]
        off: bool,
    },
    /// Back to `offline`, to begin again at the next lease; refused on an active server
    Reset {
        /// Its name, id or BMC MAC
        name: String,
    },
}

/// Run one of them.
pub async fn command(common: &Common, command: ServerCommand) -> anyhow::Result<ExitCode> {
    let client = Client::new(common)?;
    match command {
        ServerCommand::List { state, site, problem, limit } => {
            let filter = Filter {
                state: state.as_deref().map(known).transpose()?,
                site,
                problem: problem.then_some(true),
                ..Filter::default()
            };
            list(&client, common.output, &filter, limit.unwrap_or(usize::MAX)).await?;
        }
        ServerCommand::Show { name } => show(&client, common.output, &name).await?,
        ServerCommand::Timeline { name } => timeline(&client, common.output, &name).await?,
        ServerCommand::Why { name } => why(&client, common.output, &name).await?,
        ServerCommand::Approve { name, action, reason, expires } => {
            let expires = now().plus(period(&expires)?);
            ask(&client, common.output, &name, Request::Approve { action, reason, expires }).await?;
        }
        ServerCommand::Assign { name, tenant, accept } => {
            ask(&client, common.output, &name, Request::Assign { tenant, accept, order: None }).await?;
        }
        ServerCommand::Retry { name } => ask(&client, common.output, &name, Request::Retry).await?,
        ServerCommand::Release { name } => ask(&client, common.output, &name, Request::Release).await?,
        ServerCommand::Retire { name } => ask(&client, common.output, &name, Request::Retire).await?,
        ServerCommand::AttestErased { name } => ask(&client, common.output, &name, Request::AttestErased).await?,
        ServerCommand::Reset { name } => ask(&client, common.output, &name, Request::Reset).await?,
        ServerCommand::Hold { name, reason, .. } => {
            let request = reason.map_or(Request::Unhold, |reason| Request::Hold { reason });
            ask(&client, common.output, &name, request).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A period such as `1h30m`, in milliseconds.
fn period(text: &str) -> anyhow::Result<u64> {
    let wrong = || {
        failure(
            "invalid-input",
            format!("--expires: `{text}` is not a period"),
            "such as 30m, 1h or 2h30m; a day at most",
        )
    };
    let span: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    u64::try_from(span.as_millis()).ok().filter(|millis| (1..=86_400_000).contains(millis)).ok_or_else(wrong)
}

/// A record as it is shown where no host runs.
fn view(row: &Row) -> ServerView {
    see(row, None, &Policy::default(), now())
}

/// Everything in the store, where no host runs.
async fn stored(client: &Client) -> anyhow::Result<Fleet> {
    let fleet = Fleet::new(client.store().await?);
    fleet.load().await?;
    Ok(fleet)
}

async fn all(client: &Client, filter: &Filter, most: usize) -> anyhow::Result<Vec<ServerView>> {
    let query = [
        ("state", filter.state.map(|state| state.to_string())),
        ("site", filter.site.clone()),
        ("problem", filter.problem.map(|problem| problem.to_string())),
    ];
    if let Some(servers) = client.list("/api/v1/servers", &query, most).await? {
        return Ok(servers);
    }
    let found = stored(client).await?.find(filter, Sort::Name, most, None, |_| true)?;
    Ok(found.rows.iter().map(|row| view(row)).collect())
}

async fn one(client: &Client, name: &str) -> anyhow::Result<ServerView> {
    if let Some(server) = client.get(&format!("/api/v1/servers/{}", segment(name))).await? {
        return Ok(server);
    }
    let row = found(client, name).await?;
    let warranty = WarrantyView::of(&*client.store().await?, &row.server.id, now()).await?;
    Ok(ServerView { warranty, ..view(&row) })
}

/// By name, id or MAC, where no host runs.
async fn found(client: &Client, name: &str) -> anyhow::Result<Arc<Row>> {
    let fleet = stored(client).await?;
    let by_mac = name.parse::<Mac>().ok().and_then(|mac| fleet.get(&ServerId::from(mac)));
    by_mac.or_else(|| fleet.named(name)).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> anyhow::Error {
    let hint = "`farrier server list` shows the servers whose lease was seen";
    failure("no-server", format!("no server is called `{name}`"), hint)
}

fn known(state: &str) -> anyhow::Result<LifecycleState> {
    LifecycleState::ALL.into_iter().find(|known| known.as_str() == state).ok_or_else(|| {
        let known: Vec<_> = LifecycleState::ALL.iter().map(|known| known.as_str()).collect();
        failure("invalid-input", format!("--state: no lifecycle state is called `{state}`"), &known.join(", "))
    })
}

async fn list(client: &Client, format: Format, filter: &Filter, limit: usize) -> anyhow::Result<()> {
    let servers = all(client, filter, limit).await?;
    if format == Format::Json {
        return output::json(&servers);
    }
    let rows = servers
        .into_iter()
        .map(|one| {
            vec![
                one.name,
                one.site.unwrap_or_default(),
                one.vendor.unwrap_or_default(),
                one.state,
                one.stage,
                age(one.seconds),
                one.reason,
            ]
        })
        .collect();
    output::table(
        &["NAME", "SITE", "VENDOR", "STATE", "STAGE", "SINCE", "REASON"],
        rows,
        "no server's lease was seen yet",
    );
    Ok(())
}

/// A duration as people say it.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

async fn show(client: &Client, format: Format, name: &str) -> anyhow::Result<()> {
    let server = one(client, name).await?;
    if format == Format::Json {
        return output::json(&server);
    }
    for line in lines(&server)? {
        output::line(&line);
    }
    Ok(())
}

/// Every field that says something, a line each.
fn lines(server: &ServerView) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    let serde_json::Value::Object(fields) = serde_json::to_value(server)? else { return Ok(lines) };
    for (key, value) in fields {
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) if text.is_empty() => continue,
            serde_json::Value::String(text) => text,
            serde_json::Value::Array(list) if list.is_empty() => continue,
            serde_json::Value::Object(map) if map.is_empty() => continue,
            other => match &server.warranty {
                Some(warranty) if key == "warranty" => warranty.to_string(),
                _ => other.to_string(),
            },
        };
        lines.push(format!("{key:>12}  {text}"));
    }
    Ok(lines)
}

async fn timeline(client: &Client, format: Format, name: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/servers/{}/timeline", segment(name));
    let entries: Vec<JournalEntry> = if let Some(timeline) = client.get::<Timeline>(&path).await? {
        timeline.items.iter().filter_map(EntryView::entry).collect()
    } else {
        let id = found(client, name).await?.server.id.clone();
        client.store().await?.timeline(&id).await?
    };
    if format == Format::Json {
        return output::json(&entries);
    }
    let rows = entries
        .iter()
        .map(|entry| {
            let note = entry.note.as_ref().map(|note| note.text.replace('\n', "; ")).unwrap_or_default();
            let took = age(entry.at.since(entry.since) / 1_000);
            vec![
                time(entry.at),
                format!("{}/{}", entry.stage, entry.status),
                entry.to.to_string(),
                entry.event.clone(),
                took,
                note,
            ]
        })
        .collect();
    output::table(&["AT", "STAGE", "STATE", "EVENT", "AFTER", "NOTE"], rows, "nothing happened yet");
    Ok(())
}

async fn why(client: &Client, format: Format, name: &str) -> anyhow::Result<()> {
    let server = one(client, name).await?;
    if format == Format::Json {
        let ServerView { name, state, reason, since, who, next, marks, .. } = &server;
        return output::json(&serde_json::json!({
            "name": name, "state": state, "reason": reason, "since": since, "who": who, "next": next, "marks": marks,
        }));
    }
    output::line(&format!("{} is {} ({}, {})", server.name, server.state, server.stage, server.status));
    let reason = if server.reason.is_empty() { "nothing" } else { &server.reason };
    output::line(&format!("  blocked by  {reason}"));
    output::line(&format!("  since       {} ({})", server.since, age(server.seconds)));
    output::line(&format!("  who acts    {}", server.who));
    output::line(&format!("  next        {}", server.next));
    for (mark, line) in &server.marks {
        output::line(&format!("  {mark}: not required by {line}"));
    }
    Ok(())
}

async fn ask(client: &Client, format: Format, name: &str, request: Request) -> anyhow::Result<()> {
    let after: ServerView = client.post(&format!("/api/v1/servers/{}/requests", segment(name)), &request).await?;
    if format == Format::Json {
        return output::json(&after);
    }
    output::line(&format!(
        "{}: {} requested; it is {} ({}, {})",
        after.name,
        request.as_str(),
        after.state,
        after.stage,
        after.status
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_is_shown_with_its_warranty_in_words() {
        let lease = farrier_lifecycle::Lease {
            mac: "94:40:c9:00:00:01".parse().unwrap(),
            ip: "10.0.0.1".parse().unwrap(),
            hostname: None,
            vendor_class: None,
            at: farrier_lifecycle::Timestamp(0),
            source: "test".to_owned(),
        };
        let warranty = WarrantyView {
            ends: None,
            days_left: None,
            level: None,
            source: String::new(),
            reason: Some("no serial is known yet".to_owned()),
        };
        let row = Row::new(farrier_lifecycle::Server::unseen(lease), None);
        let server = ServerView { warranty: Some(warranty), ..view(&row) };
        let lines = lines(&server).unwrap();
        assert!(lines.contains(&"    warranty  unknown: no serial is known yet".to_owned()), "{lines:#?}");
        assert!(lines.contains(&"     bmc_mac  94:40:c9:00:00:01".to_owned()), "{lines:#?}");
    }
}
