//! Calls by name with JSON, as `farrier plugin call` makes them, on the real drivers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod plugin_support;

use farrier::config::Plugins as Settings;
use farrier::egress::{Effect, Gate};
use farrier::plugin::wit::metadata::AuthScheme;
use farrier::plugin::{Driver, DynamicError, Lend, Plugins};
use farrier_lab::rig::plugin;
use plugin_support::server::{Reply, Server};
use plugin_support::{broker, target};
use serde_json::{Value, json};

async fn redfish() -> Option<Driver> {
    let file = plugin("redfish")?;
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(file, dir.path().join("redfish.wasm")).unwrap();
    // Compiled forms are kept between runs: a debug build of the compiler takes seconds.
    let settings = Settings { dir: dir.path().to_owned(), ..Settings::default() };
    let (plugins, problems) = Plugins::open(&settings, env!("CARGO_TARGET_TMPDIR").as_ref(), None).await.unwrap();
    assert_eq!(problems, []);
    plugins.driver("redfish")
}

/// The smallest Redfish tree: one system that is on.
async fn tree() -> Server {
    let link = |path: &str| json!({ "@odata.id": path });
    Server::start(move |seen| {
        let body = match (seen.method.as_str(), seen.path.trim_end_matches('/')) {
            ("GET", "/redfish/v1") => json!({ "Systems": link("/redfish/v1/Systems") }),
            ("GET", "/redfish/v1/Systems") => json!({ "Members": [link("/redfish/v1/Systems/1")] }),
            ("GET", "/redfish/v1/Systems/1") => json!({
                "@odata.id": "/redfish/v1/Systems/1", "Id": "1", "SystemType": "Physical", "PowerState": "On",
                "Boot": { "BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once", "BootSourceOverrideMode": "UEFI" },
            }),
            ("GET", _) => return Reply::status(404),
            _ => return Reply::status(204),
        };
        Reply::text(body.to_string()).with("content-type", "application/json")
    })
    .await
}

async fn call(
    driver: &Driver,
    server: &Server,
    name: &str,
    arguments: Value,
) -> Result<Result<Value, Value>, DynamicError> {
    let endpoint = broker().endpoint(&target(&server.origin, AuthScheme::Basic, "right")).unwrap();
    let lend = Lend::new(endpoint, Gate::detached(Effect::Look));
    driver.call_json(&driver.signature(name)?, &arguments, &lend).await
}

#[tokio::test]
async fn values_and_arguments_are_json() {
    let Some(driver) = redfish().await else { return };
    let server = tree().await;
    assert_eq!(call(&driver, &server, "get-power", Value::Null).await.unwrap(), Ok(json!("on")));
    let boot = json!({ "target": "pxe", "persistence": "once", "mode": "uefi" });
    assert_eq!(call(&driver, &server, "bmc-driver.get-boot", Value::Null).await.unwrap(), Ok(boot.clone()));
    let disk = json!({ "target": "disk", "persistence": "once", "mode": "uefi" });
    let set = call(&driver, &server, "set-boot", json!({ "boot": disk })).await.unwrap();
    assert_eq!(set, Ok(Value::Null));
    assert!(server.lines().iter().any(|line| line.starts_with("PATCH /redfish/v1/Systems/1")), "{:?}", server.lines());
}

#[tokio::test]
async fn an_error_of_the_function_is_its_case() {
    let Some(driver) = redfish().await else { return };
    let server = Server::start(|_| Reply::status(401)).await;
    let error = call(&driver, &server, "get-power", Value::Null).await.unwrap().unwrap_err();
    assert_eq!(error, json!({ "unauthenticated": null }));
}

#[tokio::test]
async fn wrong_names_and_arguments_say_what_would_be_right() {
    let Some(driver) = redfish().await else { return };
    let server = tree().await;
    let said = |result: Result<Result<Value, Value>, DynamicError>| result.unwrap_err().to_string();
    assert!(said(call(&driver, &server, "get-pwr", Value::Null).await).contains("bmc-driver.get-power"));
    let missing = said(call(&driver, &server, "set-power", Value::Null).await);
    assert!(missing.contains("`action`"), "{missing}");
    let wrong = said(call(&driver, &server, "set-power", json!({ "action": "explode" })).await);
    assert!(wrong.contains("\"soft\""), "{wrong}");
    let control = json!([{ "id": "ssdp", "desired": { "flag": "no" } }]);
    let deep = said(call(&driver, &server, "audit", json!({ "baseline": control })).await);
    assert!(deep.contains("baseline[0].desired.flag"), "{deep}");
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn what_writes_is_known_by_name() {
    let Some(driver) = redfish().await else { return };
    let writes: Vec<String> =
        driver.signatures().iter().filter(|signature| signature.writes).map(farrier::plugin::Signature::name).collect();
    for name in ["bmc-driver.set-power", "bmc-driver.set-boot", "bmc-driver.reset", "hardening.harden"] {
        assert!(writes.iter().any(|write| write == name), "{name}: {writes:?}");
    }
    for name in ["bmc-driver.identify", "hardening.audit", "event-log.read", "jobs.poll"] {
        assert!(writes.iter().all(|write| write != name), "{name}");
    }
}
