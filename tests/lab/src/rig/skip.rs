//! A test that cannot run here says so.
//!
//! Promises that a skip is seen: on stderr as `SKIPPED: <test>: <reason>`, and in the file that
//! `FARRIER_SKIP_LOG` names, from which `cargo xtask test` takes it. It never decides whether a skip is
//! allowed: `tests/required.txt` does.

use std::io::Write as _;
use std::path::PathBuf;

/// Note that the running test is skipped. Return from the test after it.
#[allow(clippy::print_stderr, reason = "the one thing a skipped test prints")]
pub fn skip(reason: &str) {
    // The test harness names each test's thread after the test.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed");
    eprintln!("SKIPPED: {test}: {reason}");
    let Some(path) = std::env::var_os("FARRIER_SKIP_LOG") else { return };
    let line = format!("{test}\t{}\n", reason.replace(['\n', '\t'], " "));
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    // One small write to a file opened for appending: lines of parallel tests do not mix.
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("the skip log could not be written: {error}");
    }
}

/// A Python virtual environment that `cargo xtask test` made, by name.
pub fn venv(name: &str) -> Option<PathBuf> {
    let given = std::env::var_os("FARRIER_VENVS").map(PathBuf::from);
    let folder = given.or_else(|| Some(std::env::current_exe().ok()?.ancestors().nth(3)?.join("venvs")))?;
    let folder = folder.join(name);
    folder.join("installed.txt").is_file().then_some(folder)
}
