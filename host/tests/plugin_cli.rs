//! `farrier plugin`, run as a program: what stands on standard output, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod plugin_support;

use std::process::Output;

use farrier_lab::rig::plugin;
use plugin_support::component::Hostile;
use plugin_support::server::{Reply, Server};
use serde_json::{Value, json};

async fn farrier(args: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_farrier"));
    command.arg("plugin").args(args).env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.output().await.unwrap()
}

fn stdout(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One system that is on and takes power actions; everything needs the password `right`.
async fn tree() -> Server {
    Server::start(|seen| {
        let root = seen.path.trim_end_matches('/') == "/redfish/v1";
        if !root && seen.header("authorization") != Some("Basic cm9vdDpyaWdodA==") {
            return Reply::status(401);
        }
        let link = |path: &str| json!({ "@odata.id": path });
        let body = match (seen.method.as_str(), seen.path.trim_end_matches('/')) {
            ("GET", "/redfish/v1") => json!({ "Systems": link("/redfish/v1/Systems") }),
            ("GET", "/redfish/v1/Systems") => json!({ "Members": [link("/redfish/v1/Systems/1")] }),
            ("GET", "/redfish/v1/Systems/1") => json!({
                "@odata.id": "/redfish/v1/Systems/1", "Id": "1", "SystemType": "Physical", "PowerState": "On",
                "Actions": { "#ComputerSystem.Reset": {
                    "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown"],
                } },
            }),
            ("GET", _) => return Reply::status(404),
            _ => return Reply::status(204),
        };
        Reply::text(body.to_string()).with("content-type", "application/json")
    })
    .await
}

#[tokio::test]
async fn a_call_prints_the_value_alone() {
    let Some(file) = plugin("redfish") else { return };
    let (file, dir) = (file.display().to_string(), tempfile::tempdir().unwrap());
    let server = tree().await;
    let password = |text: &str| {
        let path = dir.path().join(text);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path.display().to_string()
    };
    let (right, wrong) = (password("right"), password("wrong"));
    let call = |function: &'static str, password: String, more: Vec<&'static str>| {
        let (file, origin) = (file.clone(), server.origin.to_string());
        async move {
            let mut args = vec!["call", file.as_str(), function, "--endpoint", origin.as_str()];
            args.extend(["--username", "root", "--password-file", password.as_str(), "--auth", "basic"]);
            args.extend(more);
            farrier(&args).await
        }
    };
    let power = call("get-power", right.clone(), vec![]).await;
    assert_eq!((stdout(&power), power.status.code()), (json!("on"), Some(0)), "{}", stderr(&power));

    let refused = call("bmc-driver.get-power", wrong, vec![]).await;
    assert_eq!((stdout(&refused), refused.status.code()), (json!({ "error": { "unauthenticated": null } }), Some(1)));

    let off = vec!["--args", r#"{"action":"off"}"#];
    let careful = call("set-power", right.clone(), off.clone()).await;
    assert_eq!(careful.status.code(), Some(1));
    assert!(stderr(&careful).contains("--write"), "{}", stderr(&careful));
    assert!(server.lines().iter().all(|line| line.starts_with("GET")), "{:?}", server.lines());
    let meant = call("set-power", right, [off, vec!["--write"]].concat()).await;
    assert_eq!((stdout(&meant), meant.status.code()), (Value::Null, Some(0)), "{}", stderr(&meant));
    assert_eq!(server.count("POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset"), 1, "{:?}", server.lines());
}

#[tokio::test]
async fn plain_http_to_another_machine_is_refused() {
    let Some(file) = plugin("redfish") else { return };
    let file = file.display().to_string();
    let http = farrier(&["call", &file, "identify", "--endpoint", "http://192.0.2.1"]).await;
    assert_eq!(http.status.code(), Some(1));
    assert!(stderr(&http).contains("use https"), "{}", stderr(&http));
    let https = farrier(&["call", &file, "identify", "--endpoint", "https://192.0.2.1"]).await;
    assert!(stderr(&https).contains("--tls-pin"), "{}", stderr(&https));
}

#[tokio::test]
async fn lists_and_says_what_does_not_load() {
    let dir = tempfile::tempdir().unwrap();
    Hostile { name: "good", ..Hostile::default() }.write(dir.path());
    std::fs::write(dir.path().join("bad.wasm"), "x").unwrap();
    let folder = dir.path().display().to_string();
    let list = farrier(&["list", "--dir", &folder, "--output", "json"]).await;
    assert_eq!(list.status.code(), Some(1), "one does not load");
    assert_eq!(stdout(&list)["plugins"][0]["name"], "good");
    assert_eq!(stdout(&list)["problems"].as_array().unwrap().len(), 1);
    let text = String::from_utf8(farrier(&["list", "--dir", &folder]).await.stdout).unwrap();
    assert!(text.contains("good") && text.contains("hint:"), "{text}");
    let good = dir.path().join("good.wasm").display().to_string();
    let about = farrier(&["inspect", &good, "--output", "json"]).await;
    let functions = stdout(&about)["functions"].clone();
    assert!(functions.as_array().unwrap().iter().any(|function| function["function"] == "telemetry.read-sensors"));
    let text = String::from_utf8(farrier(&["inspect", &good]).await.stdout).unwrap();
    assert!(text.contains("telemetry.read-sensors()"), "{text}");
}

#[tokio::test]
async fn a_component_that_breaks_is_an_error_of_the_plugin() {
    let dir = tempfile::tempdir().unwrap();
    Hostile { name: "breaks", body: "(unreachable)", ..Hostile::default() }.write(dir.path());
    let file = dir.path().join("breaks.wasm").display().to_string();
    let call = farrier(&["call", &file, "read-sensors", "--endpoint", "http://127.0.0.1:1"]).await;
    assert_eq!(call.status.code(), Some(1));
    assert!(stdout(&call)["error"]["plugin-fault"].as_str().unwrap().contains("unreachable"), "{call:?}");
}
