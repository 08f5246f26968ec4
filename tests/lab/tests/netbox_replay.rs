//! Every exchange recorded from a real NetBox 3.7.3 and 4.6.8 holds against the lab's.
//!
//! Promises that status, headers and body of each are compared, in order, on a fresh database. Ids are compared
//! as they are. Compared loosely, because they cannot be the same: the host in addresses, times (their form
//! only), `ETag` (its form; a later `If-Match` is translated), request ids and generated tokens (their form),
//! cookies, the text of web pages (their type and doctype only). What is not simulated is in [`EXCEPTIONS`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use farrier_lab::ledger::Ledger;
use farrier_lab::netbox::{Access, NetBoxConfig, Version, start};
use serde_json::{Value, json};

/// What of the recordings does not hold, and why: path, what is left out of the comparison, reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("/graphql/", "everything", "the lab has no GraphQL; no part of Farrier uses it"),
    ("/api/status/", "installed-apps", "the lab has no Django apps to name"),
    ("OPTIONS", "child children help_text min_value max_value", "the lab describes fields, not what is inside them"),
];

const ADMIN: &str = "0123456789abcdef0123456789abcdef01234567";
const V2: &str = "nbt_XXXXXXXXXXXX.XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX";

/// What the recorder asked that no correct client would, in order.
const VIOLATIONS_37: &[&str] = &[
    "POST /api/extras/custom-fields/: NetBox ignores the field \"unique\"",
    "GET /api/dcim/devices/: NetBox ignores the unknown filter \"nonexistent_filter\" and answers all",
    "PATCH /api/dcim/devices/1/: the body is not JSON",
    "PATCH /api/dcim/devices/1/: NetBox ignores the field \"last_updated\"",
    "GET /api/dcim/nothing/: there is no such path",
    "GET /api/dcim/devices/1: the trailing slash is missing, NetBox redirects and the body is lost",
    "POST /api/dcim/devices: the trailing slash is missing, NetBox redirects and the body is lost",
];

/// The same for 4.6.
const VIOLATIONS_46: &[&str] = &[
    "POST /api/extras/custom-fields/: NetBox ignores the field \"content_types\"",
    "POST /api/dcim/devices/: NetBox ignores the field \"device_role\"",
    "POST /api/dcim/interfaces/: NetBox ignores the field \"mac_address\"",
    "GET /api/dcim/devices/: NetBox ignores the unknown filter \"nonexistent_filter\" and answers all",
    "PATCH /api/dcim/devices/1/: the body is not JSON",
    "PATCH /api/dcim/devices/1/: NetBox ignores the field \"bogusfield\"",
    "GET /api/dcim/nothing/: there is no such path",
    "GET /api/extras/object-changes/: there is no such path",
];

fn fixture(name: &str) -> Option<Vec<Value>> {
    let beside = || {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .map(|at| at.join("shared/fixtures"))
            .find(|at| at.is_dir())
    };
    let folder = std::env::var_os("FARRIER_FIXTURES").map(PathBuf::from).or_else(beside)?;
    let text = std::fs::read_to_string(folder.join("netbox").join(name)).ok()?;
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[tokio::test]
async fn recordings_of_3_7_3_hold() {
    let tokens = [("c", Access::Expired), ("a", Access::Nothing), ("b", Access::ReadOnly)];
    replay(
        "netbox-3.7.3.jsonl",
        Version::V3_7,
        tokens.map(|(c, access)| (c.repeat(40), access)).to_vec(),
        78,
        VIOLATIONS_37,
    )
    .await;
}

#[tokio::test]
async fn recordings_of_4_6_8_hold() {
    let tokens = vec![(V2.to_owned(), Access::Full), ("a".repeat(40), Access::Nothing)];
    replay("netbox-4.6.8.jsonl", Version::V4_6, tokens, 69, VIOLATIONS_46).await;
}

async fn replay(name: &str, version: Version, tokens: Vec<(String, Access)>, expected: usize, violations: &[&str]) {
    let Some(exchanges) = fixture(name) else {
        eprintln!("SKIPPED: {name}: the recordings are not here; set FARRIER_FIXTURES");
        return;
    };
    assert_eq!(exchanges.len(), expected, "{name} is not the recording this test was written for");
    let ledger = Ledger::default();
    let config = NetBoxConfig { more_tokens: tokens, ..NetBoxConfig::new(version, ADMIN) };
    let netbox = start(config, ledger.clone()).await.unwrap();
    // The provider may already be there from the other test of this process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut tags = BTreeMap::new();
    let mut problems = Vec::new();
    let mut held = 0;
    for (number, exchange) in exchanges.iter().enumerate() {
        let path = exchange["request"]["path"].as_str().unwrap();
        let excepted = EXCEPTIONS.iter().find(|(known, what, _)| *known == path && *what == "everything");
        if let Some((path, _, reason)) = excepted {
            eprintln!("excepted: {name} #{number} {path}: {reason}");
            continue;
        }
        let got = send(&client, &netbox.url(), &exchange["request"], &tags).await;
        remember_tag(&mut tags, &exchange["response"], &got);
        let mut differences = Vec::new();
        let (want, got) = (normal(&exchange["response"], exchange), normal(&got, exchange));
        compare("", &want, &got, &mut differences);
        if differences.is_empty() {
            held += 1;
        } else {
            let method = exchange["request"]["method"].as_str().unwrap();
            problems.push(format!("#{number} {} {method} {path}\n  {}", exchange["note"], differences.join("\n  ")));
        }
    }
    let noted: Vec<String> = ledger.report().violations.into_iter().map(|violation| violation.text).collect();
    eprintln!("{name}: {held} of {expected} exchanges hold");
    assert_eq!(noted, violations, "{name}: what the ledger holds");
    assert!(problems.is_empty(), "{name}: {} exchanges differ\n{}", problems.len(), problems.join("\n"));
}

/// Send a recorded request; the answer in the recordings' shape.
async fn send(client: &reqwest::Client, base: &str, request: &Value, tags: &BTreeMap<String, String>) -> Value {
    let method = request["method"].as_str().unwrap().parse().unwrap();
    let mut call = client.request(method, format!("{base}{}", request["path"].as_str().unwrap()));
    for (name, value) in request["headers"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        call = call.header(name, tags.get(value).map_or(value, String::as_str));
    }
    call = match &request["body"] {
        Value::Null => call,
        Value::String(raw) => call.body(raw.clone()),
        body => call.body(body.to_string()),
    };
    let response = call.send().await.unwrap();
    let status = response.status().as_u16();
    let headers: serde_json::Map<String, Value> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), json!(value.to_str().unwrap())))
        .collect();
    let text = response.text().await.unwrap();
    json!({"status": status, "headers": headers, "body": serde_json::from_str(&text).unwrap_or(json!(text))})
}

fn remember_tag(tags: &mut BTreeMap<String, String>, recorded: &Value, got: &Value) {
    if let (Some(theirs), Some(ours)) = (recorded["headers"]["ETag"].as_str(), got["headers"]["etag"].as_str()) {
        tags.insert(theirs.to_owned(), ours.to_owned());
    }
}

/// An answer with everything that cannot be the same replaced by its form.
fn normal(response: &Value, exchange: &Value) -> Value {
    let mut headers = serde_json::Map::new();
    for (name, value) in response["headers"].as_object().unwrap() {
        let name = name.to_lowercase();
        if ["content-type", "allow", "api-version", "content-language", "location", "etag"].contains(&name.as_str()) {
            headers.insert(name.clone(), form(&name, value));
        }
    }
    let page = headers.get("content-type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("text/html"));
    let mut body = form("", &response["body"]);
    if page {
        let doctype = response["body"].as_str().is_some_and(|text| text.trim_start().starts_with("<!DOCTYPE html>"));
        body = if response["status"] == 301 { Value::Null } else { json!({"doctype": doctype}) };
    }
    let apps = body.as_object_mut().filter(|body| body.contains_key("installed-apps"));
    if let Some(body) = apps {
        body.insert("installed-apps".into(), json!("<apps>"));
    }
    if exchange["request"]["method"] == "OPTIONS" {
        body = plain_options(&body);
    }
    if exchange["request"]["path"] == "/api/users/tokens/provision/" {
        body = plain_token(body);
    }
    json!({"status": response["status"], "headers": headers, "body": body})
}

/// Addresses without their host, times and request ids by their form.
fn form(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), form(name, value))).collect(),
        Value::Array(items) => items.iter().map(|item| form(name, item)).collect(),
        Value::String(text) if name == "request_id" => json!(format!("<id of {}>", text.len())),
        Value::String(text) => {
            let text = match text.strip_prefix("http://").and_then(|rest| rest.split_once('/')) {
                Some((_, path)) => format!("http://HOST/{path}"),
                None => text.clone(),
            };
            json!(without_times(&text))
        }
        other => other.clone(),
    }
}

/// `2026-11-22T16:05:34.536985Z` as `####-##-##T...`: digits of anything that looks like a time.
fn without_times(text: &str) -> String {
    let start = text.find("20").unwrap_or(text.len());
    let stamp: Vec<char> = text[start..].chars().collect();
    let looks = stamp.len() >= 16 && stamp[4] == '-' && stamp[7] == '-' && stamp[13] == ':';
    if !looks {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

fn plain_options(body: &Value) -> Value {
    let mut body = body.clone();
    for verb in ["POST", "PUT"] {
        for field in body["actions"][verb].as_object_mut().unwrap().values_mut() {
            field
                .as_object_mut()
                .unwrap()
                .retain(|key, _| !["child", "children", "help_text", "min_value", "max_value"].contains(&key.as_str()));
        }
    }
    body
}

/// Generated keys by their length.
fn plain_token(mut body: Value) -> Value {
    for name in ["key", "token", "display"] {
        if let Some(text) = body.get(name).and_then(Value::as_str) {
            let stars = text.chars().filter(|c| *c == '*').count();
            body[name] = json!(format!("<{} characters, {stars} hidden>", text.len()));
        }
    }
    body
}

fn compare(at: &str, want: &Value, got: &Value, differences: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            for (name, value) in want {
                match got.get(name) {
                    Some(other) => compare(&format!("{at}/{name}"), value, other, differences),
                    None => differences.push(format!("{at}/{name}: missing, recorded {value}")),
                }
            }
            for (name, value) in got.iter().filter(|(name, _)| !want.contains_key(*name)) {
                differences.push(format!("{at}/{name}: not recorded, got {value}"));
            }
        }
        (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
            for (index, (want, got)) in want.iter().zip(got).enumerate() {
                compare(&format!("{at}/{index}"), want, got, differences);
            }
        }
        _ if want == got => {}
        _ => differences.push(format!("{at}: recorded {want}, got {got}")),
    }
}
