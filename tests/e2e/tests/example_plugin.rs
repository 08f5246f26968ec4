//! A third party's first step: the driver outside the workspace, built and run as its page says.
//!
//! Promises that every command of `docs/guides/write-a-plugin.md` works and prints what the page shows, and that the driver
//! takes a server through the whole pipeline, with nothing switched off. Offline where cargo's cache has the SDK's dependencies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod example_plugin_page;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use example_plugin_page::Page;
use farrier_lab::estate::Estate;
use farrier_lab::rig::{Programs, Rig, RigConfig};

const EXAMPLE: &str = "examples/plugins/hello-bmc";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Cargo's folder: this program is target/debug/deps/NAME.
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

/// The component, built where `cargo xtask test` and the page build it, so that it is built once.
fn build() -> PathBuf {
    let folder = target().join("third-party");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--release", "--target", "wasm32-wasip2", "--target-dir"]).arg(&folder);
    cargo.arg("--manifest-path").arg(root().join(EXAMPLE).join("Cargo.toml")).env_remove("CARGO_TARGET_DIR");
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("wasm32-wasip2/release/hello_bmc.wasm")
}

#[test]
fn every_command_of_the_page_works() {
    let logs = tempfile::tempdir().unwrap();
    // What an earlier run left is not what a reader starts with.
    let _ = std::fs::remove_dir_all(target().join("hello-bmc"));
    Page::run(&root(), "docs/guides/write-a-plugin.md", &target(), logs.path()).unwrap();
}

#[tokio::test]
async fn the_driver_takes_a_server_through_every_stage() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::copy(build(), plugins.join("hello-bmc.wasm")).unwrap();
    let estate = Estate::load(&root().join(EXAMPLE).join("estate.toml")).unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, &estate.servers[0].bmc.password).unwrap();
    let mut config = RigConfig::new(estate);
    let login = toml::toml! { match = "hello-bmc" username = "admin" password_file = (password.to_str().unwrap()) };
    let bmc = toml::Table::from_iter([("credentials".to_owned(), vec![login].into())]);
    config.over.insert("bmc".to_owned(), bmc.into());
    let programs = Programs { plugins, ..Programs::find().unwrap() };
    let mut rig = Rig::start_with(config, programs).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    let rows = rig.settled(Duration::from_mins(2)).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new(), "{}", rig.host.tail());
    let timeline = rig.host.farrier(&["server", "timeline", "BENCH-SRV-001"]).await.unwrap();
    assert!(timeline.contains("driven by hello-bmc"), "{timeline}");
    assert!(!timeline.contains("not-required"), "nothing was switched off: {timeline}");
    rig.host.stop(Duration::from_secs(30)).await.unwrap();
}
