//! `cargo xtask dashboards`: the Grafana dashboards of `examples/grafana/dashboards`, out of a short description each.
//!
//! Promises that what is written passes [`check`], and that `--check` fails when a file is not what would be written today, or
//! is not one of ours. Does not: ask a Grafana, or say whether a query has an answer; `tests/e2e/tests/prometheus.rs` does.
//!
//! Not obvious: two hosts on one store tell the same counts of the estate, so queries take `max by` what is told of the estate,
//! and `sum` only what a host tells of itself.

mod board;
mod check;
mod fields;
mod fleet;
mod json;
mod pipeline;
mod plugins;
mod server;
mod site;
mod tenant;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::sh;

fn folder() -> PathBuf {
    sh::root().join("examples/grafana/dashboards")
}

/// All dashboards: file name and text.
fn all() -> anyhow::Result<Vec<(String, String)>> {
    let boards = [fleet::board(), site::board(), server::board(), pipeline::board(), plugins::board(), tenant::board()];
    let mut files = Vec::new();
    let mut uids = BTreeSet::new();
    for board in boards {
        let json = json::of(&board);
        let wrong = check::wrong(&json);
        if !wrong.is_empty() {
            bail!("{}: {}", board.uid, wrong.join("; "));
        }
        anyhow::ensure!(uids.insert(board.uid), "two dashboards are {}", board.uid);
        let text = serde_json::to_string_pretty(&json).context("writing JSON")?;
        files.push((format!("{}.json", board.uid), text + "\n"));
    }
    Ok(files)
}

/// Write each, or compare it.
pub fn run(check: bool) -> anyhow::Result<()> {
    let folder = folder();
    let files = all()?;
    let mut stale = Vec::new();
    for (name, text) in &files {
        let file = folder.join(name);
        if std::fs::read_to_string(&file).is_ok_and(|old| old == *text) {
            continue;
        }
        if check {
            stale.push(name.clone());
            continue;
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        eprintln!("wrote {}", file.display());
    }
    let known: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let name = entry.context("reading the dashboards' folder")?.file_name().to_string_lossy().into_owned();
        if !known.contains(name.as_str()) {
            stale.push(format!("{name}, which nothing writes"));
        }
    }
    if !stale.is_empty() {
        bail!("stale: {} (run `cargo xtask dashboards`)", stale.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    #[test]
    fn what_is_in_the_folder_is_what_would_be_written() {
        super::run(true).unwrap();
    }
}
