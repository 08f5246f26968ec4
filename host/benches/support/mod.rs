//! What the benches share: times in order, figures against limits, one JSON line at the end.
//!
//! Promises that a ratio has both of its sides from the same run: on a shared machine nothing else means anything. A limit that is
//! missed is said; with `FARRIER_BENCH_STRICT` set it also fails the run.
#![allow(dead_code, reason = "shared by programs that each use a part")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

/// Where the drivers are: `FARRIER_PLUGINS`, or where `cargo xtask plugins` puts them, seen from the host's program.
pub fn plugins(farrier: &str) -> PathBuf {
    let target = Path::new(farrier).ancestors().nth(2).unwrap_or(Path::new("."));
    std::env::var_os("FARRIER_PLUGINS").map_or_else(|| target.join("plugins"), PathBuf::from)
}

/// What a figure must keep to.
#[derive(Clone, Copy)]
pub enum Limit {
    /// At most this much.
    AtMost(f64),
    /// At least this much.
    AtLeast(f64),
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {limit}"),
            Self::AtLeast(limit) => format!(">= {limit}"),
        }
    }
}

/// The figures of one bench.
pub struct Report {
    bench: &'static str,
    load: f64,
    lines: Vec<Value>,
    missed: bool,
}

/// The one-minute load: what other programs took from the figures.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

impl Report {
    /// None yet.
    pub fn new(bench: &'static str) -> Self {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let load = load();
        println!("# {bench} ({profile}, load {load})");
        Self { bench, load, lines: Vec::new(), missed: false }
    }

    /// A figure that stands for itself.
    pub fn figure(&mut self, what: &str, value: f64, unit: &str) {
        println!("{what:<58} {value:>12.3} {unit}");
        self.lines.push(json!({ "what": what, "value": value, "unit": unit }));
    }

    /// A figure with a limit; `x` is the unit of ratios.
    pub fn held(&mut self, what: &str, value: f64, unit: &str, limit: Limit) {
        let held = limit.holds(value);
        self.missed |= !held;
        let word = if held { "held" } else { "MISSED" };
        println!("{what:<58} {value:>12.3} {unit:<9} limit {} {word}", limit.text());
        self.lines.push(json!({ "what": what, "value": value, "unit": unit, "limit": limit.text(), "held": held }));
    }

    /// The last line, for programs.
    pub fn end(self) -> ExitCode {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let all = json!({
            "bench": self.bench, "profile": profile, "load_before": self.load, "load_after": load(), "figures": self.lines
        });
        println!("{all}");
        let strict = std::env::var_os("FARRIER_BENCH_STRICT").is_some();
        if strict && self.missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Durations in order, in milliseconds.
pub struct Times(Vec<f64>);

impl Times {
    /// Sort them.
    pub fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut all: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        all.sort_unstable_by(f64::total_cmp);
        Self(all)
    }

    /// The value below which this many per cent lie.
    pub fn at(&self, percent: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last.min(self.0.len() * percent / 100)).copied().unwrap_or(f64::NAN)
    }

    /// The middle one.
    pub fn p50(&self) -> f64 {
        self.at(50)
    }

    /// One in a hundred is longer.
    pub fn p99(&self) -> f64 {
        self.at(99)
    }
}
