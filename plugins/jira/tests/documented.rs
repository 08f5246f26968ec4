//! The plugin on bodies of the documented shape; no recording of a real Jira was at hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_jira::api::{Flavour, Jira};
use farrier_plugin_jira::{TicketState, issue, transition};
use farrier_plugin_sdk::serde_json::{self, Value, json};
use farrier_plugin_sdk::services::Surroundings as _;
use farrier_plugin_sdk::testing::{Memory, Script, documented, recorded};
use farrier_plugin_sdk::types::{Error, Response};

const FOLDER: &str = "jira-docshape";

fn answer(file: &str) -> Option<Response> {
    documented(FOLDER, file)
}

/// As a site configures it.
fn around() -> Memory {
    Memory::with(&[("project", "DC")])
}

#[test]
fn the_flavour_is_what_the_server_says() {
    for (file, flavour, base) in [
        ("server-info-cloud.json", Flavour::Cloud, "https://example.atlassian.net"),
        ("server-info-dc.json", Flavour::DataCenter, "https://jira.example.test"),
    ] {
        let Some(info) = answer(file) else { return };
        let script = Script::new(vec![info]);
        let around = around();
        let jira = Jira::detect(&script, &around).unwrap();
        assert_eq!((jira.flavour, jira.base.as_str()), (flavour, base));
    }
}

#[test]
fn a_search_finds_by_label_and_category_and_nothing_else() {
    let label = "prov-0123456789abcdef";
    let Some(cloud) = answer("server-info-cloud.json") else { return };
    let script =
        Script::new(vec![cloud, answer("search-jql-hit.json").unwrap(), answer("search-jql-none.json").unwrap()]);
    let around = around();
    let jira = Jira::detect(&script, &around).unwrap();
    let ticket = issue::find(&jira, label).unwrap().unwrap();
    assert_eq!((ticket.key.as_str(), ticket.state), ("DC-24", TicketState::InProgress));
    assert_eq!(ticket.url, "https://example.atlassian.net/browse/DC-24");
    assert_eq!(issue::find(&jira, label).unwrap(), None);
    assert_eq!(script.asked()[1].path, "/rest/api/3/search/jql");
    assert_eq!(script.sent(1)["fields"], json!(["summary", "status", "labels"]));
    // Data Center answers with an issue that is done: it is none to be added to.
    let script = Script::new(vec![answer("server-info-dc.json").unwrap(), answer("search-dc.json").unwrap()]);
    let jira = Jira::detect(&script, &around).unwrap();
    assert_eq!(issue::find(&jira, label).unwrap(), None);
    assert_eq!(script.asked()[1].path, "/rest/api/2/search");
}

#[test]
fn a_transition_is_chosen_by_category_with_what_its_screen_demands() {
    let Some(cloud) = answer("server-info-cloud.json") else { return };
    let issue = |category: &str| Response {
        status: 200,
        headers: Vec::new(),
        body: json!({"key": "DC-24", "fields": {"status": {"statusCategory": {"key": category}}}})
            .to_string()
            .into_bytes(),
    };
    let answers = vec![
        cloud,
        issue("new"),
        answer("transitions.json").unwrap(),
        answer("transition-do.204.txt").unwrap(),
        issue("done"),
    ];
    let script = Script::new(answers);
    let around = around();
    let jira = Jira::detect(&script, &around).unwrap();
    transition::set(&jira, "DC-24", TicketState::Resolved).unwrap();
    assert_eq!(script.sent(3), json!({"transition": {"id": "31"}, "fields": {"resolution": {"name": "Done"}}}));
}

fn error(file: &str) -> Option<Error> {
    let script = Script::new(vec![answer("server-info-cloud.json")?, answer(file)?]);
    let around = around();
    let jira = Jira::detect(&script, &around).unwrap();
    Some(jira.post("issue", &json!({})).unwrap_err())
}

#[test]
fn every_documented_refusal_is_its_case() {
    let Some(refused) = error("issue-create-field-error.400.json") else { return };
    let Error::Rejected(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code.as_deref(), Some("customfield_10040"));
    assert!(refusal.message.contains("The label 'a b' contains spaces"), "{}", refusal.message);
    assert!(matches!(error("issue-create-description-not-adf.400.json").unwrap(), Error::Rejected(_)));
    assert!(matches!(error("search-v3-removed.410.json").unwrap(), Error::NotFound(_)));
    assert!(matches!(error("auth.401.html").unwrap(), Error::Unauthenticated));
    assert!(matches!(error("auth-captcha.403.html").unwrap(), Error::Unauthenticated));
    let Error::Busy(busy) = error("rate-limited.429.txt").unwrap() else { panic!("not busy") };
    assert_eq!(busy.retry_after, Some(3));
}

#[test]
fn created_issues_and_comments_are_read() {
    let Some(cloud) = answer("server-info-cloud.json") else { return };
    let script = Script::new(vec![cloud, answer("comment-create.201.json").unwrap()]);
    let around = around();
    let jira = Jira::detect(&script, &around).unwrap();
    issue::comment(&jira, "DC-24", "Retry 2 succeeded.").unwrap();
    let documented: Value = serde_json::from_slice(&recorded(FOLDER, "comment-create.201.json").unwrap()).unwrap();
    assert_eq!(script.sent(1)["body"], documented["body"], "the document is what Jira stores");
    assert!(around.kept("commenting/DC-24").unwrap().is_some(), "looked for before it is said again");
}
