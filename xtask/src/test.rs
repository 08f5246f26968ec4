//! `cargo xtask test`: every check there is, and what was skipped.
//!
//! Promises one closing line, `N passed, N failed, N skipped`, that counts tests and checks, and a green end
//! only when nothing failed and no required test was skipped on a machine that can run it.

use std::path::Path;

use anyhow::Context as _;

use crate::checks::Checks;
use crate::results::{Results, required};
use crate::{dashboards, docs, lab, needs, plugins, sh, tools};

/// The check that is the tests themselves.
const TESTS: &str = "tests";

/// Run everything, or with `fast` what a developer waits for. True when all is green.
pub fn run(fast: bool) -> anyhow::Result<bool> {
    let mut checks = Checks::default();
    let notes = if fast { Vec::new() } else { tools::install() };
    checks.run("formatting", || sh::run(sh::cargo().args(["fmt", "--all", "--check"])));
    checks.run("drivers", plugins::build);
    checks.run("clippy", clippy);
    checks.run("programs", lab::build_programs);
    let skip_log = sh::target().join("skipped.txt");
    checks.run(TESTS, || tests(fast, &skip_log));
    if !fast {
        checks.run("doc tests", || sh::run(sh::cargo().args(["test", "--locked", "--quiet", "--workspace", "--doc"])));
        checks.run("documentation", documentation);
        checks.run("third-party plugins", third_parties);
        checks.run("licences and bans", licences);
        checks.run("generated pages", || docs::run(true).and_then(|()| dashboards::run(true)));
    }
    summary(&checks, &notes, fast, &skip_log)
}

fn clippy() -> anyhow::Result<()> {
    sh::run(sh::cargo().args(["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn tests(fast: bool, skip_log: &Path) -> anyhow::Result<()> {
    let _ = std::fs::remove_file(skip_log);
    let _ = std::fs::remove_file(junit());
    let mut command = tools::nextest()?;
    command.args(["run", "--locked", "--workspace", "--no-fail-fast"]);
    if fast {
        command.args(["--filterset", "not package(farrier-e2e)"]);
    }
    let programs = sh::target().join("debug");
    command.env("FARRIER_SKIP_LOG", skip_log).env("FARRIER_VENVS", tools::venvs()).env("FARRIER_NPM", tools::npm());
    command.env("FARRIER_DEBIAN", tools::debian());
    command.env("FARRIER_BIN", programs.join("farrier")).env("FARRIER_LAB_BIN", programs.join("farrier-lab"));
    command.env("FARRIER_PLUGINS", plugins::folder());
    sh::run(&mut command)
}

/// Where `.config/nextest.toml` has the runner write it.
fn junit() -> std::path::PathBuf {
    sh::target().join("nextest/default/junit.xml")
}

fn documentation() -> anyhow::Result<()> {
    sh::run(
        sh::cargo().args(["doc", "--locked", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// Plugins that stand outside the workspace, as a third party's would.
fn third_parties() -> anyhow::Result<()> {
    let folder = sh::root().join("examples/plugins");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(()) };
    for entry in entries {
        let manifest = entry.with_context(|| format!("reading {}", folder.display()))?.path().join("Cargo.toml");
        if manifest.is_file() {
            let mut command = sh::cargo();
            command.args(["build", "--release", "--target", "wasm32-wasip2", "--manifest-path"]).arg(&manifest);
            command.env("CARGO_TARGET_DIR", sh::target().join("third-party"));
            sh::run(&mut command)?;
        }
    }
    Ok(())
}

fn licences() -> anyhow::Result<()> {
    sh::run(tools::deny()?.args(["--locked", "--log-level", "error", "check", "bans", "licenses", "sources"]))
}

fn summary(checks: &Checks, notes: &[String], fast: bool, skip_log: &Path) -> anyhow::Result<bool> {
    let results = Results::load(&junit(), skip_log);
    let file = sh::root().join("tests/required.txt");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let unmet = if fast { Vec::new() } else { results.unmet(&required(&text), needs::missing) };
    println!();
    checks.print();
    for note in notes {
        println!("NOTE: {note}");
    }
    for (test, reason) in &results.skipped {
        println!("SKIPPED: {test}: {reason}");
    }
    for test in &results.failed {
        println!("FAILED: {test}");
    }
    for line in &unmet {
        println!("REQUIRED: {line}");
    }
    // The check `tests` stands for its tests; when it failed and no test did, it never ran.
    let tests = if checks.is_green(TESTS) { 0 } else { results.failed.len().max(1) };
    let failed = tests + checks.failed_but(TESTS) + unmet.len();
    println!("{} passed, {failed} failed, {} skipped", results.passed() + checks.passed(), results.skipped.len());
    Ok(failed == 0)
}
