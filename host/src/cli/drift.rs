//! `farrier netbox drift`: where NetBox and this host do not agree.
//!
//! Asks the running host, which also says how far its projector is; without one, reads the store. Exit code 1: there is drift.

use std::process::ExitCode;

use super::Common;
use super::client::Client;
use super::output::{self, Format};
use crate::http::api::{DriftItem, DriftView};

/// Show it.
pub async fn command(common: &Common) -> anyhow::Result<ExitCode> {
    let client = Client::new(common)?;
    let view: DriftView = if let Some(view) = client.get("/api/v1/drift").await? {
        view
    } else {
        let items = crate::drift::list(&client.store().await?).await?;
        DriftView { items: items.into_iter().map(DriftItem::from).collect(), projector: None }
    };
    let code = if view.items.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if common.output == Format::Json {
        output::json(&view)?;
        return Ok(code);
    }
    let hints: Vec<String> = view
        .items
        .iter()
        .filter_map(|item| Some(format!("hint: {} {}: {}", item.server, item.field, item.hint.as_deref()?)))
        .collect();
    let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let rows = view.items.into_iter().map(|item| {
        let by = item.by.unwrap_or_default();
        vec![item.server, item.field, shown(&item.ours), shown(&item.theirs), by, item.since]
    });
    output::table(&["SERVER", "FIELD", "OURS", "NETBOX", "BY", "SINCE"], rows.collect(), "no drift");
    for hint in &hints {
        output::line(hint);
    }
    if let Some(lag) = view.projector.filter(|lag| lag.elected) {
        output::line(&format!("projector: {} s behind, {} server(s) refused", lag.behind_ms / 1000, lag.drifts));
        if let Some(fault) = lag.blocked {
            output::line(&format!("projector: blocked: {fault}"));
        }
    }
    Ok(code)
}
