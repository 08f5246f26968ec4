//! What the simulated MAAS and Jira answer against the bodies of the documented shape: no field that is not documented, none
//! of another type; and that a wrong client is found out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use farrier_lab::jira::{self, Flavour, JiraConfig, document_problem};
use farrier_lab::ledger::Ledger;
use farrier_lab::maas::{self, MaasConfig};
use serde_json::{Value, json};

fn documented(folder: &str, file: &str) -> Option<Value> {
    let root = std::env::var_os("FARRIER_FIXTURES").map(PathBuf::from).or_else(|| {
        let start = Path::new(env!("CARGO_MANIFEST_DIR"));
        start.ancestors().map(|folder| folder.join("shared/fixtures")).find(|folder| folder.is_dir())
    });
    let Some(root) = root else {
        println!("SKIPPED: {folder}/{file}: no folder `shared/fixtures` here; set FARRIER_FIXTURES");
        return None;
    };
    Some(serde_json::from_slice(&std::fs::read(root.join(folder).join(file)).unwrap()).unwrap())
}

/// Where `ours` has a field that `theirs` has not, or of another type.
fn differences(ours: &Value, theirs: &Value, path: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (name, value) in ours {
                match theirs.get(name) {
                    Some(other) => differences(value, other, &format!("{path}.{name}"), found),
                    None => found.push(format!("{path}.{name} is not documented")),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if let (Some(one), Some(other)) = (ours.first(), theirs.first()) {
                differences(one, other, &format!("{path}[]"), found);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        (ours, theirs) if std::mem::discriminant(ours) == std::mem::discriminant(theirs) => {}
        (ours, theirs) => found.push(format!("{path}: {ours} where {theirs} is documented")),
    }
}

fn oauth(nonce: &str) -> String {
    let text = MaasConfig::default().key.text();
    let key: Vec<&str> = text.split(':').collect();
    let time = jiff::Timestamp::now().as_second();
    format!(
        "OAuth oauth_version=\"1.0\", oauth_signature_method=\"PLAINTEXT\", oauth_consumer_key=\"{}\", oauth_token=\"{}\", \
         oauth_signature=\"%26{}\", oauth_nonce=\"{nonce}\", oauth_timestamp=\"{time}\"",
        key[0], key[1], key[2]
    )
}

#[tokio::test]
async fn a_machine_has_documented_fields_and_a_wrong_client_is_found_out() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (ledger, client) = (Ledger::default(), reqwest::Client::new());
    let maas = maas::start(MaasConfig::default(), ledger.clone()).await.unwrap();
    let url = |path: &str| format!("{}api/2.0/{path}", maas.url());
    let create = |nonce: &'static str| {
        let fields = [
            ("architecture", "amd64"),
            ("mac_addresses", "02:00:00:00:10:01"),
            ("hostname", "node-a"),
            ("power_type", "manual"),
            ("commission", "false"),
        ];
        client.post(url("machines/")).header("authorization", oauth(nonce)).form(&fields).send()
    };
    let made: Value = create("1").await.unwrap().json().await.unwrap();
    assert!(ledger.report().violations.is_empty(), "{:?}", ledger.report().violations);
    if let Some(machine) = documented("maas-docshape", "machine-new.json") {
        let mut found = Vec::new();
        differences(&made, &machine, "machine", &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
    assert_eq!(create("2").await.unwrap().status(), 400, "a second machine with the MAC");
    let get = |path: &str, nonce: &str| client.get(url(path)).header("authorization", oauth(nonce)).send();
    assert_eq!(get("machines/", "2").await.unwrap().status(), 401, "a nonce seen before");
    assert_eq!(get("nodes/", "3").await.unwrap().status(), 404, "an unknown path");
    assert_eq!(client.get(url("machines/")).send().await.unwrap().status(), 401, "nobody");
    let id = made["system_id"].as_str().unwrap();
    let post = |path: String, nonce: &str, fields: &[(&str, &str)]| {
        client.post(url(&path)).header("authorization", oauth(nonce)).form(fields).send()
    };
    let deploy = post(format!("machines/{id}/?op=deploy"), "4", &[]).await.unwrap();
    assert_eq!(deploy.status(), 409);
    assert_eq!(deploy.text().await.unwrap(), "Can't deploy a machine that is in the 'New' state");
    let commission = post(format!("machines/{id}/?op=commission"), "5", &[]).await.unwrap();
    assert_eq!(commission.status(), 200);
    let texts: Vec<String> = ledger.report().violations.into_iter().map(|one| one.text).collect();
    for wrong in
        ["a second machine", "nonce seen before", "unknown path", "no authorization", "configure the controller"]
    {
        assert!(texts.iter().any(|text| text.contains(wrong)), "{wrong}: {texts:#?}");
    }
    assert_eq!(texts.len(), 5, "{texts:#?}");
}

#[tokio::test]
async fn jira_refuses_what_is_no_document_and_finds_a_second_issue_out() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (ledger, client, config) = (Ledger::default(), reqwest::Client::new(), JiraConfig::new(Flavour::Cloud));
    let jira = jira::start(config.clone(), ledger.clone()).await.unwrap();
    let login = format!("Basic {}", STANDARD.encode(format!("{}:{}", config.user, config.token)));
    let post = |path: &str, body: &Value| {
        client.post(format!("{}{path}", jira.url())).header("authorization", &login).json(body).send()
    };
    let Some(manifest) = documented("jira-docshape", "manifest.json") else { return };
    let entry = |file: &str| {
        manifest["entries"].as_array().unwrap().iter().find(|entry| entry["file"] == file).unwrap()["request_body"]
            .clone()
    };
    let mut documented_issue = entry("issue-create-v3.201.json");
    assert_eq!(document_problem(&documented_issue["fields"]["description"]), None, "the documented document is one");
    documented_issue["fields"]["labels"] = json!(["farrier-0123456789abcdef"]);
    assert_eq!(post("/rest/api/3/issue", &documented_issue).await.unwrap().status(), 201);
    let comment = post("/rest/api/3/issue/DC-1/comment", &entry("comment-create.201.json")).await.unwrap();
    assert_eq!(comment.status(), 201);
    assert!(ledger.report().violations.is_empty(), "{:?}", ledger.report().violations);
    let search = json!({"jql": "labels = \"farrier-0123456789abcdef\"", "fields": ["summary", "status", "labels"]});
    let found: Value = post("/rest/api/3/search/jql", &search).await.unwrap().json().await.unwrap();
    let mut wrong = Vec::new();
    differences(&found, &documented("jira-docshape", "search-jql-hit.json").unwrap(), "search", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut plain = documented_issue.clone();
    plain["fields"]["description"] = json!("a plain text");
    plain["fields"]["labels"] = json!(["a b"]);
    let refused = post("/rest/api/3/issue", &plain).await.unwrap();
    assert_eq!(refused.status(), 400);
    let errors: Value = refused.json().await.unwrap();
    assert_eq!(errors["errors"]["labels"], "The label 'a b' contains spaces which is invalid.");
    assert!(errors["errors"]["description"].as_str().unwrap().contains("Atlassian Document"), "{errors}");
    post("/rest/api/3/issue", &documented_issue).await.unwrap();
    assert_eq!(post("/rest/api/3/search", &search).await.unwrap().status(), 410);
    let texts: Vec<String> = ledger.report().violations.into_iter().map(|one| one.text).collect();
    for wrong in ["Jira refuses", "a second open issue", "a path that was removed"] {
        assert!(texts.iter().any(|text| text.contains(wrong)), "{wrong}: {texts:#?}");
    }
    assert_eq!(texts.len(), 3, "{texts:#?}");
}

#[test]
fn documents_are_judged_node_by_node() {
    let doc = |content: Value| json!({"type": "doc", "version": 1, "content": content});
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(document_problem(&doc(json!([{"type": "paragraph", "content": [text("x")]}]))), None);
    for wrong in [
        json!("text"),
        doc(json!([{"type": "paragraph", "content": [text("")]}])),
        doc(json!([{"type": "codeBlock", "content": [text("a"), text("b")]}])),
        doc(json!([{"type": "bulletList", "content": []}])),
        doc(json!([{"type": "bulletList", "content": [{"type": "listItem", "content": [{"type": "heading"}]}]}])),
        doc(json!([{"type": "heading", "attrs": {"level": 7}, "content": [text("x")]}])),
        doc(json!([{"type": "table"}])),
        doc(
            json!([{"type": "paragraph", "content": [{"type": "text", "text": "x", "marks": [{"type": "code"}, {"type": "strong"}]}]}]),
        ),
    ] {
        assert!(document_problem(&wrong).is_some(), "{wrong}");
    }
}
