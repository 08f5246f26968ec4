//! `farrier simulate MAC IP`: a lease published to a running host, as if a BMC had got it.

use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;
use farrier_lifecycle::Mac;

use super::Common;
use super::client::Client;
use super::output::{self, Format};
use crate::http::api::LeaseBody;

/// A lease to pretend.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  farrier simulate A0:36:9F:01:00:00 10.0.100.50\n  farrier server why A0:36:9F:01:00:00"
)]
pub struct SimulateArgs {
    /// The controller's MAC, in any spelling
    mac: Mac,
    /// The address it got
    ip: IpAddr,
    /// What it calls itself
    #[arg(long)]
    hostname: Option<String>,
    /// DHCP option 60
    #[arg(long)]
    vendor_class: Option<String>,
}

/// Publish it.
pub async fn command(common: &Common, args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(common)?;
    let lease = LeaseBody {
        mac: args.mac.to_string(),
        ip: args.ip.to_string(),
        hostname: args.hostname.clone(),
        vendor_class: args.vendor_class.clone(),
        at: None,
        source: Some("simulate".to_owned()),
    };
    let answer: serde_json::Value = client.post("/api/v1/leases", &lease).await?;
    if common.output == Format::Json {
        output::json(&answer)?;
    } else {
        output::line(&format!(
            "lease of {} for {} published; watch it with `farrier server why {}`",
            args.ip, args.mac, args.mac
        ));
    }
    Ok(ExitCode::SUCCESS)
}
