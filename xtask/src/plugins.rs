//! The plugins of this workspace as WebAssembly components.
//!
//! Promises `target/plugins/<name>.wasm` for each folder `plugins/<name>` (package `farrier-plugin-<name>`) but the SDK's, rewritten only
//! when the content changed, so that the host's cache of compiled components stays good. There is no list to forget one in.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;

use crate::sh;

const TARGET: &str = "wasm32-wasip2";

/// What the plugins are written with, and is none itself: `sdk`, `sdk-fleet`.
const SDK: &str = "sdk";

/// Names of the plugins: the folders of `plugins/`, in order.
fn names() -> anyhow::Result<Vec<String>> {
    let folder = sh::root().join("plugins");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(SDK) && entry.path().join("Cargo.toml").is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The folder that `plugins.dir` of a development configuration names.
pub fn folder() -> PathBuf {
    sh::target().join("plugins")
}

/// Build and copy all of them.
pub fn build() -> anyhow::Result<()> {
    have_target()?;
    let started = Instant::now();
    let mut command = sh::cargo();
    command.args(["build", "--locked", "--profile", "plugin", "--target", TARGET]);
    let names = names()?;
    for name in &names {
        command.args(["--package", &package(name)]);
    }
    sh::run(&mut command)?;
    std::fs::create_dir_all(folder()).with_context(|| format!("making {}", folder().display()))?;
    for name in &names {
        copy(name)?;
    }
    eprintln!("plugins: {} in {} ({:.0} s)", names.len(), folder().display(), started.elapsed().as_secs_f32());
    Ok(())
}

fn package(name: &str) -> String {
    format!("farrier-plugin-{name}")
}

fn copy(name: &str) -> anyhow::Result<()> {
    let file = format!("{name}.wasm");
    let built = sh::target().join(TARGET).join("plugin").join(format!("{}.wasm", package(name).replace('-', "_")));
    let bytes = std::fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    let wanted = folder().join(&file);
    if std::fs::read(&wanted).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    // Renamed into place: a host that loads the folder meanwhile sees the old one or the new one.
    let part = folder().join(format!(".{file}.part"));
    std::fs::write(&part, bytes).with_context(|| format!("writing {}", part.display()))?;
    std::fs::rename(&part, &wanted).with_context(|| format!("writing {}", wanted.display()))
}

/// Have rustup fetch the standard library for the plugins' target when it is missing.
pub fn have_target() -> anyhow::Result<()> {
    let mut print = sh::command_rustc();
    let sysroot = sh::output(print.args(["--print", "sysroot"])).context("asking rustc for its sysroot")?;
    if PathBuf::from(sysroot).join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    eprintln!("the standard library for {TARGET} is missing: running `rustup target add {TARGET}`");
    sh::run(std::process::Command::new("rustup").current_dir(sh::root()).args(["target", "add", TARGET]))
        .context("without rustup, install the target by the means of your toolchain")
}
