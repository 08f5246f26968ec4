//! The generated part of the documentation.
//!
//! Promises that `--check` fails when a generated page is not what the program would write today. A page is
//! a file and the command that prints it; no page, nothing to check.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::sh;

/// Path under `docs/reference`, and the arguments of `farrier` that print it.
const PAGES: &[(&str, &[&str])] = &[("cli.md", &["reference"]), ("api.md", &["reference", "--api"])];

/// Write each page, or compare it.
pub fn run(check: bool) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for (page, arguments) in PAGES {
        let file = sh::root().join("docs/reference").join(page);
        let text = print(arguments)?;
        if std::fs::read_to_string(&file).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            stale.push(*page);
        } else {
            write(&file, &text)?;
        }
    }
    if !stale.is_empty() {
        bail!("stale: {} (run `cargo xtask docs`)", stale.join(", "));
    }
    Ok(())
}

fn print(arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(sh::target().join("debug/farrier"));
    command.args(arguments);
    sh::output(&mut command)
        .map(|text| text + "\n")
        .with_context(|| format!("`{}` printed nothing", sh::shown(&command)))
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    eprintln!("wrote {}", file.display());
    Ok(())
}
