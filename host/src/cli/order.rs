//! `farrier order …`: what a tenant wants, and how far it is.

use std::process::ExitCode;

use clap::Subcommand;

use super::Common;
use super::client::{Client, segment};
use super::output::{self, Format};
use crate::order::{OrderView, Preview, State, Wanted};

/// Where the API has them.
const ORDERS: &str = "/api/v1/orders";

/// What is wanted. What is left out does not matter.
#[derive(Debug, clap::Args)]
pub struct WantedArgs {
    /// Whose servers they will be; not needed with a tenant's own token
    #[arg(long)]
    tenant: Option<String>,
    /// How many
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Only of this site, by its slug
    #[arg(long)]
    site: Option<String>,
    /// How the model begins, at any of its words: `DL360`, `PowerEdge R650`
    #[arg(long)]
    model: Option<String>,
    /// Text in the processor's name: `Xeon Gold 6338`
    #[arg(long)]
    cpu: Option<String>,
    /// Cores at least, of all processors together
    #[arg(long)]
    cores: Option<u32>,
    /// Memory at least, GiB
    #[arg(long, value_name = "GIB")]
    memory: Option<u32>,
    /// Drives at least
    #[arg(long)]
    drives: Option<u32>,
    /// Capacity at least, of all drives together, GiB
    #[arg(long, value_name = "GIB")]
    drive_capacity: Option<u64>,
    /// Deliver each server as soon as there is one, not all together
    #[arg(long)]
    partial: bool,
    /// Take servers on which policy left things undone (unvalidated, unhardened)
    #[arg(long)]
    accept: bool,
    /// For people who read the order
    #[arg(long)]
    note: Option<String>,
}

impl From<WantedArgs> for Wanted {
    fn from(args: WantedArgs) -> Self {
        Self {
            tenant: args.tenant,
            site: args.site,
            model: args.model,
            cpu: args.cpu,
            cores: args.cores,
            memory_gib: args.memory,
            drives: args.drives,
            drive_gib: args.drive_capacity,
            count: args.count,
            note: args.note,
            partial: args.partial,
            accept: args.accept,
        }
    }
}

/// What can be done with orders. ID is such as `O000042`.
#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// Order servers; orders are served oldest first
    Place(WantedArgs),
    /// What placing such an order would come to; changes nothing
    Preview(WantedArgs),
    /// The orders you can see, oldest first
    List {
        /// Only these: `waiting`, `awaiting-approval`, `delivered`, …
        #[arg(long)]
        state: Option<State>,
    },
    /// One order with its servers
    Show {
        /// Its id
        id: String,
    },
    /// End an order: what is kept for it goes back, what was delivered stays
    Cancel {
        /// Its id
        id: String,
    },
    /// Agree to an order that policy holds back
    Approve {
        /// Its id
        id: String,
    },
}

/// Run one of them.
pub async fn command(common: &Common, command: OrderCommand) -> anyhow::Result<ExitCode> {
    let (client, format) = (Client::new(common)?, common.output);
    let nothing = serde_json::json!({});
    match command {
        OrderCommand::Place(args) => show(format, &client.post(ORDERS, &Wanted::from(args)).await?)?,
        OrderCommand::Cancel { id } => show(format, &client.post(&path(&id, "/cancel"), &nothing).await?)?,
        OrderCommand::Approve { id } => show(format, &client.post(&path(&id, "/approve"), &nothing).await?)?,
        OrderCommand::Show { id } => show(format, &get(&client, &path(&id, "")).await?)?,
        OrderCommand::List { state } => list(&client, format, state).await?,
        OrderCommand::Preview(args) => {
            let preview: Preview = client.post(&format!("{ORDERS}/preview"), &Wanted::from(args)).await?;
            match format {
                Format::Json => output::json(&preview)?,
                Format::Text => output::line(&preview.say),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(id: &str, rest: &str) -> String {
    format!("{ORDERS}/{}{rest}", segment(id))
}

async fn get<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> anyhow::Result<T> {
    client.get(path).await?.ok_or_else(|| client.no_host())
}

async fn list(client: &Client, format: Format, state: Option<State>) -> anyhow::Result<()> {
    let query = [("state", state.map(|state| state.to_string()))];
    let orders = client.list(ORDERS, &query, usize::MAX).await?;
    let orders: Vec<OrderView> = orders.ok_or_else(|| client.no_host())?;
    if format == Format::Json {
        return output::json(&orders);
    }
    let there = |order: &OrderView| order.servers.iter().filter(|line| line.delivered).count();
    let row = |order: &OrderView| {
        let servers = format!("{}/{}", there(order), order.count);
        vec![
            order.id.clone(),
            order.state.to_string(),
            order.tenant.clone(),
            servers,
            asked(order),
            order.created.clone(),
        ]
    };
    let rows = orders.iter().map(row).collect();
    output::table(&["ID", "STATE", "TENANT", "DELIVERED", "WANTED", "PLACED"], rows, "no orders");
    Ok(())
}

/// What is wanted of each server, in a line.
fn asked(order: &OrderView) -> String {
    let least = |number: Option<u64>, unit: &str| number.map(|number| format!("{number}{unit}"));
    let parts = [
        order.site.clone(),
        order.model.clone(),
        order.cpu.clone(),
        least(order.cores.map(u64::from), " cores"),
        least(order.memory_gib.map(u64::from), " GiB memory"),
        least(order.drives.map(u64::from), " drives"),
        least(order.drive_gib, " GiB drives"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "any server".to_owned() } else { parts.join(", ") }
}

fn show(format: Format, order: &OrderView) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(order);
    }
    output::line(&format!("{} is {} for {}", order.id, order.state, order.tenant));
    output::line(&format!("  wanted    {} × {}", order.count, asked(order)));
    output::line(&format!("  placed    {} by {}", order.created, order.by));
    let others = [
        ("approved", order.approved_by.clone().map(|by| format!("by {by}"))),
        ("until", order.until.clone()),
        ("note", order.note.clone()),
        ("why", order.reason.clone()),
    ];
    for (word, value) in others.into_iter().filter_map(|(word, value)| Some((word, value?))) {
        output::line(&format!("  {word:<9} {value}"));
    }
    for line in &order.servers {
        let word = if line.delivered { "delivered" } else { "kept" };
        output::line(&format!("  {word:<9} {}", line.name));
    }
    Ok(())
}
