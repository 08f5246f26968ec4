//! `farrier bus …`: backlog, timers, dead letters.

use std::process::ExitCode;

use clap::Subcommand;

use super::Common;
use super::client::{Client, segment};
use super::output::{self, Format};
use crate::bus::{BusStatus, DeadLetter};
use crate::http::api::{DeadView, Page};
use crate::http::view::time;

/// What can be done with the bus.
#[derive(Debug, Subcommand)]
pub enum BusCommand {
    /// Backlog of each stream, timers, dead letters
    Status,
    /// Entries that could not be worked, with the reason
    Dead,
    /// Put a dead letter back on its stream
    Redrive {
        /// Its id, from `farrier bus dead`
        id: String,
    },
}

/// Run one of them.
pub async fn command(common: &Common, command: BusCommand) -> anyhow::Result<ExitCode> {
    let client = Client::new(common)?;
    match command {
        BusCommand::Status => status(&client, common.output).await?,
        BusCommand::Dead => dead(&client, common.output).await?,
        BusCommand::Redrive { id } => {
            let answer: serde_json::Value =
                client.post(&format!("/api/v1/bus/dead/{}/redrive", segment(&id)), &serde_json::Value::Null).await?;
            match common.output {
                Format::Json => output::json(&answer)?,
                Format::Text => output::line(&format!("{id} is back on its stream")),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(client: &Client, format: Format) -> anyhow::Result<()> {
    let status: BusStatus = match client.get("/api/v1/bus").await? {
        Some(status) => status,
        None => client.store().await?.status().await?,
    };
    if format == Format::Json {
        return output::json(&status);
    }
    output::line(&format!(
        "{}: {} servers, {} timers, {} dead letters, {} journal entries",
        status.store, status.servers, status.timers, status.dead, status.journal
    ));
    let rows = status
        .streams
        .into_iter()
        .map(|one| vec![one.stream, one.stage.to_string(), one.length.to_string(), one.in_flight.to_string()])
        .collect();
    output::table(&["STREAM", "STAGE", "ENTRIES", "IN FLIGHT"], rows, "no streams yet");
    Ok(())
}

async fn dead(client: &Client, format: Format) -> anyhow::Result<()> {
    let letters: Vec<DeadLetter> = match client.get::<Page<DeadView>>("/api/v1/bus/dead").await? {
        Some(letters) => letters.items.into_iter().map(DeadView::letter).collect(),
        None => client.store().await?.dead(1_000).await?,
    };
    if format == Format::Json {
        return output::json(&letters);
    }
    let rows = letters.into_iter().map(|one| vec![one.id, time(one.at), one.stream, one.code, one.reason]).collect();
    output::table(&["ID", "AT", "STREAM", "CODE", "REASON"], rows, "no dead letters");
    Ok(())
}
