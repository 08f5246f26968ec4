//! `farrier sign-in`: a one-time link for a browser.

use std::process::ExitCode;

use super::Common;
use super::client::Client;
use super::output::{self, Format};
use crate::http::auth::Link;

/// Ask the host for one and print it.
pub async fn command(common: &Common) -> anyhow::Result<ExitCode> {
    let client = Client::new(common)?;
    let link: Link = client.post("/auth/links", &serde_json::Value::Null).await?;
    match common.output {
        Format::Json => output::json(&link)?,
        Format::Text => {
            output::line(&link.url);
            output::line(&format!("good once, for {} minutes", link.seconds / 60));
        }
    }
    Ok(ExitCode::SUCCESS)
}
