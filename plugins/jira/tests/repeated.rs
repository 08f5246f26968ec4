//! A host may die between Jira's answer and its own note of it: what it asks again is found and not done twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_jira::api::Jira;
use farrier_plugin_jira::{Draft, Priority, ServerRef, TicketState, issue};
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::testing::{Memory, Script};
use farrier_plugin_sdk::types::{Error, Response};

fn answer(status: u16, body: &Value) -> Response {
    Response { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

fn cloud() -> Response {
    answer(200, &json!({"deploymentType": "Cloud", "baseUrl": "https://example.atlassian.net"}))
}

fn issue(category: &str) -> Value {
    let label = issue::label("9440c9000001/fan-failed");
    json!({"key": "DC-1", "fields": {"labels": [label], "status": {"statusCategory": {"key": category}}}})
}

fn search(found: &[Value]) -> Response {
    answer(200, &json!({"issues": found, "isLast": true}))
}

fn draft() -> Draft {
    let server = ServerRef {
        id: "9440c9000001".to_owned(),
        name: "AMS-SRV-001".to_owned(),
        serial: None,
        bmc_mac: None,
        bmc_address: None,
        site: None,
    };
    Draft {
        dedup_key: "9440c9000001/fan-failed".to_owned(),
        server,
        summary: "a fan failed".to_owned(),
        description: "fan 1".to_owned(),
        priority: Priority::High,
        labels: Vec::new(),
    }
}

/// How many issues were asked to be made.
fn made(script: &Script) -> usize {
    script.asked().iter().filter(|one| one.path == "/rest/api/3/issue").count()
}

#[test]
fn an_issue_that_was_made_is_found_by_its_key_while_the_index_lags() {
    let created = answer(201, &json!({"key": "DC-1"}));
    let script = Script::new(vec![cloud(), search(&[]), created, answer(200, &issue("new"))]);
    let around = Memory::with(&[("project", "DC")]);
    let jira = Jira::detect(&script, &around).unwrap();
    assert_eq!(issue::open(&jira, &draft()).unwrap().key, "DC-1");
    let again = issue::open(&jira, &draft()).unwrap();
    assert_eq!((again.key.as_str(), again.state, made(&script)), ("DC-1", TicketState::Open, 1));
}

#[test]
fn what_was_closed_a_moment_ago_is_no_ticket_of_what_is_back() {
    // Made, closed, and the index still shows it as open.
    let answers = vec![
        cloud(),
        search(&[]),
        answer(201, &json!({"key": "DC-1"})),
        answer(200, &issue("done")),
        search(&[issue("new")]),
        answer(200, &issue("done")),
        answer(201, &json!({"key": "DC-2"})),
    ];
    let script = Script::new(answers);
    let around = Memory::with(&[("project", "DC")]);
    let jira = Jira::detect(&script, &around).unwrap();
    assert_eq!(issue::open(&jira, &draft()).unwrap().key, "DC-1");
    assert_eq!(issue::open(&jira, &draft()).unwrap().key, "DC-2");
    assert_eq!(made(&script), 2);
}

#[test]
fn an_attempt_whose_end_is_not_known_is_waited_for() {
    let script = Script::new(vec![cloud(), search(&[]), answer(502, &json!({})), search(&[])]);
    let around = Memory::with(&[("project", "DC")]);
    let jira = Jira::detect(&script, &around).unwrap();
    issue::open(&jira, &draft()).unwrap_err();
    assert!(matches!(issue::open(&jira, &draft()).unwrap_err(), Error::Busy(_)));
    assert_eq!(made(&script), 1);
}

#[test]
fn a_comment_that_was_taken_is_not_said_again() {
    let said = answer(201, &json!({"id": "1"}));
    let script = Script::new(vec![cloud(), said]);
    let around = Memory::with(&[("project", "DC")]);
    let jira = Jira::detect(&script, &around).unwrap();
    issue::comment(&jira, "DC-1", "it is back").unwrap();
    let body = script.sent(1)["body"].clone();
    let there = answer(200, &json!({"comments": [{"id": "1", "body": body}]}));
    let script = Script::new(vec![cloud(), there]);
    let jira = Jira::detect(&script, &around).unwrap();
    issue::comment(&jira, "DC-1", "it is back").unwrap();
    assert_eq!(script.asked()[1].path, "/rest/api/3/issue/DC-1/comment?orderBy=-created&maxResults=50");
}
