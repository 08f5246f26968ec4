//! Requests and their previews: what is granted, what is refused, what is said first.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use farrier::access::Role;
use farrier::bus::{Settings, SqliteBus};
use farrier_lifecycle::{Blame, Fault, Purpose, Retry, Server, Stage, Status};
use serde_json::json;

use crate::rig::{Rig, active, commit, failed, ready};

#[tokio::test]
async fn a_request_is_granted_in_the_asker_s_name_and_seen_at_once() {
    let rig = Rig::new().await;
    rig.put(ready(1, "ams")).await;
    let path = "/api/v1/servers/AMS-SRV-00001";
    let held = rig.post(None, &format!("{path}/requests"), &json!({ "hold": { "reason": "inspection" } })).await;
    assert_eq!((held.status, held.header("etag")), (StatusCode::OK, "\"2\""), "{held:?}");
    assert_eq!(held.json()["reason"], "held by local:tester: inspection");
    assert_eq!(
        rig.get(None, "/api/v1/servers?state=maintenance").await.json()["total"],
        1,
        "it is in the list at once"
    );
    let refused = rig.post(None, &format!("{path}/requests"), &json!({ "assign": { "tenant": "ACME" } })).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "held"));
    assert!(!refused.json()["hint"].as_str().unwrap().is_empty());
    let offered = rig.get(None, path).await.json()["requests"].clone();
    assert_eq!(offered, json!(["unhold"]));
    assert_eq!(rig.post(None, &format!("{path}/requests"), &json!("unhold")).await.json()["state"], "ready");
}

#[tokio::test]
async fn what_is_offered_is_what_is_granted() {
    let rig = Rig::new().await;
    let all = [ready(1, "ams"), active(2, "ams", "ACME"), failed(3, "ams", "no-report", Blame::Network)];
    let body = |word: &str| match word {
        "assign" => json!({ "assign": { "tenant": "ACME" } }),
        "hold" => json!({ "hold": { "reason": "x" } }),
        "approve" => {
            json!({ "approve": { "action": "power", "reason": "x", "expires": farrier::egress::now().0 + 1_000_000 } })
        }
        word => json!(word),
    };
    for server in all {
        rig.put(server.clone()).await;
        let path = format!("/api/v1/servers/{}", server.id);
        let offered: Vec<String> =
            serde_json::from_value(rig.get(None, &path).await.json()["requests"].clone()).unwrap();
        for word in ["retry", "assign", "release", "retire", "attest-erased", "hold", "unhold", "reset", "approve"] {
            let preview = rig.post(None, &format!("{path}/preview"), &body(word)).await.json();
            let granted = preview["refused"].is_null();
            assert_eq!(offered.iter().any(|one| one == word), granted, "{word} of {}: {preview}", server.label());
            assert_ne!(preview["text"] == "", granted, "{word}: {preview}");
        }
        assert_eq!(rig.get(None, &path).await.json()["version"], 1, "previews commit nothing");
    }
}

#[tokio::test]
async fn a_preview_says_what_is_done_to_the_hardware_and_what_is_not() {
    let rig = Rig::new().await;
    rig.put(active(1, "ams", "ACME")).await;
    rig.put(failed(2, "ams", "credentials-refused", Blame::Operator)).await;
    let ask = async |name: &str, body: serde_json::Value| {
        rig.post(None, &format!("/api/v1/servers/{name}/preview"), &body).await.json()
    };
    let release = ask("AMS-SRV-00001", json!("release")).await;
    let text = release["text"].as_str().unwrap();
    assert!(
        text.contains("taken back from ACME")
            && text.contains("not switched off")
            && text.contains("nothing is erased"),
        "{text}"
    );
    assert!(release["warnings"][0].as_str().unwrap().contains("ACME works on it"), "{release}");
    let retry = ask("AMS-SRV-00002", json!("retry")).await;
    assert!(retry["text"].as_str().unwrap().contains("switched off"), "{retry}");
    assert!(retry["warnings"][0].as_str().unwrap().contains("lock"), "{retry}");
    let refused = ask("AMS-SRV-00001", json!("reset")).await;
    assert_eq!(refused["refused"]["code"], "active", "{refused}");
}

/// A server being taken back that has come this far.
fn leaving(n: u32, purpose: Purpose, status: Status) -> Server {
    let mut server = active(n, "ams", "ACME");
    server.stage = Stage::Retire;
    server.purpose = Some(purpose);
    server.status = status;
    server
}

#[tokio::test]
async fn who_takes_a_server_back_is_told_what_this_configuration_does_to_it() {
    let boot = "[boot]\nplugin = \"maas\"\nurl = \"http://127.0.0.1:1\"\n\
        [[fleet]]\nplugin = \"oneview\"\nmatch = \"hpe\"\nurl = \"https://127.0.0.1:2\"\nusername = \"farrier\"\n";
    let erase = format!("{boot}[policy.retire]\nerase = \"provisioner\"\n");
    for (config, erases, tools) in [("", false, false), (boot, false, true), (&erase, true, true)] {
        let rig = Rig::configured(config).await;
        let mut servers = [ready(1, "ams"), active(2, "ams", "ACME")];
        for server in &mut servers {
            server.facts.driver = Some("hpe-ilo".to_owned());
            rig.put(server.clone()).await;
        }
        let ask = async |name: &str, what: &str| {
            rig.post(None, &format!("/api/v1/servers/AMS-SRV-0000{name}/preview"), &json!(what)).await.json()
        };
        for (name, what, for_good) in [("1", "retire", true), ("2", "release", false)] {
            let told = ask(name, what).await;
            let (text, warnings) = (told["text"].as_str().unwrap(), told["warnings"].to_string());
            let said = |words: &str| text.contains(words);
            assert_eq!(said("not switched off and nothing is erased"), !erases, "{told}");
            assert_eq!(said("switched off, and booted from the network into an image of `maas`"), erases, "{told}");
            assert_eq!(warnings.contains("`maas` begins to erase the drives"), erases, "{told}");
            assert_eq!(
                said("fleet tool `oneview` forgets it"),
                tools && for_good,
                "a released one stays there: {told}"
            );
            assert_eq!(said("boot provisioner `maas` forgets it"), tools && for_good, "{told}");
            assert!(said("waits until somebody attests"), "{told}");
        }
        // Attested before the eraser has ended: what is left of leaving still goes first.
        let asked = Fault::new("no-eraser", Retry::Never, Blame::Operator, "nobody has vouched");
        rig.put(leaving(3, Purpose::Reuse, Status::Running)).await;
        rig.put(leaving(4, Purpose::Reuse, Status::Failed(asked))).await;
        let early = ask("3", "attest-erased").await;
        assert_eq!(early["text"].as_str().unwrap().contains("that erases its drives"), erases, "{early}");
        let late = ask("4", "attest-erased").await;
        assert!(!late["text"].as_str().unwrap().contains("that erases its drives"), "{late}");
        let again = ask("4", "retry").await;
        assert_eq!(again["text"].as_str().unwrap().contains("nothing is erased"), !erases, "{again}");
    }
}

#[tokio::test]
async fn a_request_for_another_version_is_refused() {
    let rig = Rig::new().await;
    let server = rig.put(ready(1, "ams")).await;
    commit(&*rig.bus, server).await;
    let ask = async |tag: &str| {
        let request = Request::post("/api/v1/servers/AMS-SRV-00001/requests");
        let request = request.header("content-type", "application/json").header("if-match", tag);
        rig.ask(None, request, Body::from("{\"hold\":{\"reason\":\"x\"}}")).await
    };
    let stale = ask("\"1\"").await;
    assert_eq!((stale.status, stale.code().as_str()), (StatusCode::PRECONDITION_FAILED, "version-mismatch"));
    assert_eq!(ask("seventeen").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(ask("\"2\"").await.status, StatusCode::OK);
    assert_eq!(ask("*").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_host_that_only_observes_changes_nothing() {
    let bus = std::sync::Arc::new(SqliteBus::memory(&Settings::default()).unwrap());
    let rig = Rig::with(bus, true).await;
    rig.put(ready(1, "ams")).await;
    let path = "/api/v1/servers/AMS-SRV-00001";
    for (path, body) in [
        (format!("{path}/requests"), json!({ "hold": { "reason": "x" } })),
        ("/api/v1/orders".to_owned(), json!({ "tenant": "ACME", "count": 1 })),
        ("/api/v1/bus/dead/1/redrive".to_owned(), json!({})),
    ] {
        let answer = rig.post(None, &path, &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "observing"), "{path}: {answer:?}");
    }
    let preview = rig.post(None, &format!("{path}/preview"), &json!("retire")).await.json();
    assert_eq!(preview["refused"]["code"], "observing");
    assert_eq!(rig.get(None, "/api/v1/fleet").await.json()["observe"], true);
    assert_eq!(rig.get(None, path).await.json()["version"], 1);
}

#[tokio::test]
async fn each_request_asks_for_its_own_permission() {
    let rig = Rig::new().await;
    rig.put(failed(1, "ams", "cable-swapped", Blame::Cabling)).await;
    let approve =
        json!({ "approve": { "action": "power", "reason": "x", "expires": farrier::egress::now().0 + 1_000_000 } });
    for (role, retry, hold, approved) in [
        (Role::Viewer, false, false, false),
        (Role::Technician, true, false, false),
        (Role::Operator, true, true, false),
        (Role::Approver, false, false, true),
        (Role::Admin, true, true, true),
        (Role::Tenant, false, false, false),
    ] {
        let token = rig.token(role, None, (role == Role::Tenant).then_some("ACME")).await;
        for (body, may) in
            [(json!("retry"), retry), (json!({ "hold": { "reason": "x" } }), hold), (approve.clone(), approved)]
        {
            let answer = rig.post(Some(&token), "/api/v1/servers/AMS-SRV-00001/preview", &body).await;
            let refused = matches!(answer.code().as_str(), "no-permission" | "no-server");
            assert_eq!(!refused, may, "{role} {body}: {answer:?}");
        }
    }
}
