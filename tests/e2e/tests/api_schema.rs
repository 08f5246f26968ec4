//! The running host against its own description: Schemathesis makes up requests from the OpenAPI document.
//!
//! Promises that no made-up request gets a 5xx, and that every answer is one that the description has, in status, type and shape. The
//! stream of events is left out, because it does not end, and so is the end of tokens, because one is the test's own; `host/tests/api` has
//! both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use farrier_lab::estate::{DEFAULT_BASE, Estate, Fault};
use farrier_lab::rig::{Rig, RigConfig, free_port, skip, venv};

const PATIENCE: Duration = Duration::from_mins(2);
/// What is asked of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

#[tokio::test(flavor = "multi_thread")]
async fn the_host_answers_as_its_description_says() {
    let Some(venv) = venv("schemathesis") else { return skip("no virtual environment with schemathesis") };
    let port = free_port().unwrap();
    let mut estate = Estate::sound(7, 3, DEFAULT_BASE);
    Fault::CableSwapped.plant(&mut estate.servers[1]);
    let over = format!("[api]\nlisten = \"127.0.0.1:{port}\"\nrate = 100000\n");
    let config = RigConfig { over: toml::from_str(&over).unwrap(), ..farrier_e2e::config(estate) };
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    rig.settled(PATIENCE).await.unwrap();
    let made = rig
        .host
        .farrier(&["token", "create", "--name", "schema", "--role", "admin", "--output", "json"])
        .await
        .unwrap();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let mut command = tokio::process::Command::new(venv.join("bin/schemathesis"));
    command.args(["run", "--checks", CHECKS, "--max-examples", "25", "--workers", "1", "--seed", "7", "--no-color"]);
    command.args([
        "--exclude-path",
        "/api/v1/events",
        "--exclude-path",
        "/api/v1/tokens/{id}",
        "--request-timeout",
        "20",
        "--header",
    ]);
    command.arg(format!("Authorization: Bearer {}", made["secret"].as_str().unwrap()));
    command.arg(format!("http://127.0.0.1:{port}/api/v1/openapi.json")).current_dir(rig.folder()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(8), command.output()).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("/api/v1/servers"), "it asked nothing: {said}");
    // Whatever was asked, the host still works.
    assert_eq!(rig.host.servers().await.unwrap().iter().filter(|row| row.name.is_some()).count(), 3);
}
