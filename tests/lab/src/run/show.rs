//! Progress in the terminal: a line a server.
//!
//! Promises lines that stand still in a terminal (stage, blocker, time), one printed line for each change
//! elsewhere, and nothing at all when asked to be quiet.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::estate::Estate;
use crate::rig::ServerRow;

/// How progress is shown.
pub(super) enum Show {
    Quiet,
    Plain(BTreeMap<String, String>),
    Standing { all: MultiProgress, lines: BTreeMap<String, ProgressBar> },
}

/// What a line says of where a server stands; the blocker is what it waits for or failed with.
fn standing(row: &ServerRow) -> (String, String) {
    let blocker = row.reason.as_deref().or_else(|| row.text("blocker")).unwrap_or_default();
    let stage = match (row.state.as_str(), row.text("stage")) {
        (state @ ("ready" | "failed" | "active"), _) | (state, None) => state,
        (_, Some(stage)) => stage,
    };
    (stage.to_owned(), blocker.to_owned())
}

impl Show {
    /// Lines that stand still where stdout is a terminal.
    pub(super) fn new(quiet: bool) -> Self {
        if quiet {
            Self::Quiet
        } else if std::io::stdout().is_terminal() {
            Self::Standing { all: MultiProgress::new(), lines: BTreeMap::new() }
        } else {
            Self::Plain(BTreeMap::new())
        }
    }

    /// Show the list as it is now.
    pub(super) fn update(&mut self, estate: &Estate, rows: &[ServerRow], elapsed: Duration) {
        let time = elapsed.as_secs_f32();
        for server in &estate.servers {
            let row = rows.iter().find(|row| row.is_of(server));
            let (stage, blocker) = row.map_or_else(|| ("no lease yet".to_owned(), String::new()), standing);
            let rests = row.is_some_and(ServerRow::at_rest);
            match self {
                Self::Quiet => {}
                Self::Plain(last) => {
                    let line = format!("{stage:<12} {blocker}");
                    if last.get(&server.name) != Some(&line) {
                        println!("{time:>6.1} s  {:<12} {:<11} {line}", server.name, server.vendor.manufacturer());
                        last.insert(server.name.clone(), line);
                    }
                }
                Self::Standing { all, lines } => {
                    let bar = lines.entry(server.name.clone()).or_insert_with(|| all.add(line()));
                    if bar.is_finished() {
                        continue;
                    }
                    bar.set_prefix(format!("{:<12} {:<11}", server.name, server.vendor.manufacturer()));
                    let mark = if stage == "failed" {
                        "✗"
                    } else if rests {
                        "✓"
                    } else {
                        "·"
                    };
                    let text = format!("{mark} {stage:<12} {time:>5.1} s  {blocker}");
                    if rests { bar.finish_with_message(text) } else { bar.set_message(text) }
                }
            }
        }
    }

    /// No more changes: the lines stay.
    pub(super) fn end(&mut self) {
        if let Self::Standing { lines, .. } = self {
            lines.values().filter(|bar| !bar.is_finished()).for_each(ProgressBar::abandon);
        }
    }
}

fn line() -> ProgressBar {
    let bar = ProgressBar::no_length();
    // The template is a constant; were it wrong, the default style would show the same words.
    if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}
