//! The command line on another machine: what asks a host goes through `--server` with a token and no configuration, and what works by the
//! configuration of its own machine says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::netbox::Version;
use farrier_lab::rig::{Programs, Rig, RigConfig, free_port};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

/// A workstation: an address, a token, and nothing else.
struct Workstation {
    url: String,
    token: PathBuf,
}

impl Workstation {
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(Programs::find().unwrap().farrier);
        command.args(arguments).args(["--output", "json"]).env("FARRIER_CONFIG", "/nowhere/farrier.toml");
        command.env("FARRIER_SERVER", &self.url).env("FARRIER_TOKEN_FILE", &self.token).kill_on_drop(true);
        command.output().await.unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments).await;
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_a_host_works_from_elsewhere_and_the_rest_says_where_it_works() {
    let (port, estate) = (free_port().unwrap(), Estate::sound(5, 1, DEFAULT_BASE));
    let over = toml::from_str(&format!("[api]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
    let name = estate.servers[0].name.clone();
    let mut rig =
        Rig::start(RigConfig { over, netbox: Some(Version::V4_6), ..farrier_e2e::config(estate) }).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    rig.settled(PATIENCE).await.unwrap();
    let made = rig.host.farrier(&["token", "create", "--name", "desk", "--role", "admin", "--output", "json"]).await;
    let made: Value = serde_json::from_str(&made.unwrap()).unwrap();
    let token = rig.folder().join("desk.token");
    std::fs::write(&token, made["secret"].as_str().unwrap()).unwrap();
    let desk = Workstation { url: format!("http://127.0.0.1:{port}"), token };

    assert_eq!(desk.json(&["server", "list"]).await[0]["state"], "ready");
    for command in [
        &["server", "show", &name][..],
        &["server", "why", &name],
        &["server", "timeline", &name],
        &["bus", "status"],
        &["bus", "dead"],
        &["order", "list"],
        &["firmware", "plan"],
        &["firmware", "wave", "list"],
        &["health", "list"],
        &["health", "silences"],
        &["token", "list"],
        &["netbox", "drift"],
    ] {
        let answer = desk.json(command).await;
        assert!(answer.get("error").is_none(), "{command:?}: {answer}");
    }
    let plugins = desk.json(&["plugin", "list"]).await;
    assert!(plugins["plugins"].as_array().unwrap().iter().any(|one| one["name"] == "hpe-ilo"), "{plugins}");
    desk.json(&["server", "hold", &name, "--reason", "a look at the fans"]).await;
    assert_eq!(desk.json(&["server", "list"]).await[0]["state"], "maintenance");
    for command in [&["netbox", "init", "--yes"][..], &["netbox", "check"], &["netbox", "export-macs"]] {
        let output = desk.run(command).await;
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
        assert_eq!(answer["error"]["code"], "local-command", "{command:?}: {answer}");
        assert!(answer["error"]["hint"].as_str().unwrap().contains("FARRIER_SERVER"), "{answer}");
    }
}
