//! `cargo xtask lab`: build, then run the demonstration.
//!
//! Promises that stdout is the lab's alone (`--output json` prints one line), and that build and run are
//! timed apart: the first build takes minutes, the run does not.

use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;

use crate::{plugins, sh};

/// Build plugins, host and lab; run the lab with `arguments`. True when it ended as planned.
pub fn run(arguments: &[String]) -> anyhow::Result<bool> {
    let started = Instant::now();
    if !arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        plugins::build()?;
    }
    build_programs()?;
    let built = started.elapsed();
    eprintln!("build: {:.0} s", built.as_secs_f32());
    let started = Instant::now();
    let programs = sh::target().join("debug");
    let mut lab = Command::new(programs.join("farrier-lab"));
    lab.arg("run").args(arguments);
    lab.env("FARRIER_BIN", programs.join("farrier")).env("FARRIER_PLUGINS", plugins::folder());
    let status = lab.status().with_context(|| format!("starting `{}`", sh::shown(&lab)))?;
    eprintln!("build {:.0} s, run {:.0} s", built.as_secs_f32(), started.elapsed().as_secs_f32());
    Ok(status.success())
}

/// The two programs, where whole-system tests look for them.
pub fn build_programs() -> anyhow::Result<()> {
    sh::run(sh::cargo().args(["build", "--locked", "--package", "farrier", "--package", "farrier-lab", "--bins"]))
}
