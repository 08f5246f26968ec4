//! What each path answers, by flavour.
//!
//! Promises that Cloud has no `search`, that Data Center has no version 3, and that a field which is not on the screen, a
//! label with a space, a summary of two lines and a description of the wrong kind are refused as Jira refuses them.

use std::time::Instant;

use hyper::Method;
use serde_json::{Map, Value, json};

use super::workflow::{self, Category};
use super::{Flavour, Inner, Issue, SYSTEM, adf, search};
use crate::ledger::Kind;
use crate::web::{Ask, Reply};

const ON_SCREEN: [&str; 5] = ["project", "issuetype", "summary", "labels", "description"];

/// Answer a request that is logged in.
pub(super) fn answer(jira: &Inner, ask: &Ask) -> Reply {
    if ask.path == "/rest/api/2/serverInfo" && ask.method == Method::GET {
        return info(jira);
    }
    let version = match jira.config.flavour {
        Flavour::Cloud => "/rest/api/3/",
        Flavour::DataCenter => "/rest/api/2/",
    };
    let Some(rest) = ask.path.strip_prefix(version) else {
        jira.wrong(ask, "a path of another API than this Jira's");
        return Reply::text(404, "<html>not found</html>");
    };
    let body = if ask.method == Method::POST {
        match ask.json() {
            Ok(body) => body,
            Err(why) => {
                jira.wrong(ask, &why);
                return Reply::empty(415);
            }
        }
    } else {
        Value::Null
    };
    let parts: Vec<&str> = rest.split('/').collect();
    match (&ask.method, parts.as_slice(), jira.config.flavour) {
        (&Method::POST, ["search"], Flavour::Cloud) => {
            jira.wrong(ask, "a path that was removed");
            let text = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.";
            Reply::json(410, &json!({"errorMessages": [text], "errors": {}}))
        }
        (&Method::POST, ["search", "jql"], Flavour::Cloud) => cloud_search(jira, ask, &body),
        (&Method::POST, ["search"], Flavour::DataCenter) => dc_search(jira, ask, &body),
        (&Method::POST, ["issue"], _) => create(jira, ask, &body),
        (_, ["issue", key] | ["issue", key, _], _) => one(jira, ask, key, parts.get(2).copied(), &body),
        _ => {
            jira.wrong(ask, "an unknown path");
            Reply::text(404, "<html>not found</html>")
        }
    }
}

fn info(jira: &Inner) -> Reply {
    let kind = if jira.config.flavour == Flavour::Cloud { "Cloud" } else { "Server" };
    Reply::json(
        200,
        &json!({"baseUrl": search::base(jira), "version": "9.12.5", "versionNumbers": [9, 12, 5],
            "deploymentType": kind, "buildNumber": 9_120_005, "serverTitle": "Jira"}),
    )
}

fn names(body: &Value) -> Vec<String> {
    let fields = body.get("fields").and_then(Value::as_array);
    fields.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn cloud_search(jira: &Inner, ask: &Ask, body: &Value) -> Reply {
    let found = match search::find(jira, ask, body) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    // One an answer, so that a client which does not follow pages is found out.
    let at: usize = body.get("nextPageToken").and_then(Value::as_str).and_then(|token| token.parse().ok()).unwrap_or(0);
    let issues: Vec<Value> =
        found.iter().skip(at).take(1).map(|issue| search::show(jira, issue, &names(body))).collect();
    if at + 1 < found.len() {
        return Reply::json(200, &json!({"issues": issues, "nextPageToken": (at + 1).to_string(), "isLast": false}));
    }
    Reply::json(200, &json!({"issues": issues, "isLast": true}))
}

fn dc_search(jira: &Inner, ask: &Ask, body: &Value) -> Reply {
    let found = match search::find(jira, ask, body) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let number = |name: &str, absent: u64| body.get(name).and_then(Value::as_u64).unwrap_or(absent);
    let at = usize::try_from(number("startAt", 0)).unwrap_or(usize::MAX);
    let issues: Vec<Value> =
        found.iter().skip(at).take(1).map(|issue| search::show(jira, issue, &names(body))).collect();
    Reply::json(200, &json!({"startAt": at, "maxResults": 1, "total": found.len(), "issues": issues}))
}

/// Jira's field errors for a creation.
fn errors(jira: &Inner, fields: &Map<String, Value>) -> Map<String, Value> {
    let mut errors = Map::new();
    let mut say = |field: &str, text: &str| {
        errors.insert(field.to_owned(), json!(text));
    };
    let of = |field: &str| fields.get(field).unwrap_or(&Value::Null);
    if of("project").get("key").and_then(Value::as_str) != Some(jira.config.project.as_str()) {
        say("project", "valid project is required");
    }
    if !matches!(of("issuetype").get("name").and_then(Value::as_str), Some("Task" | "Incident")) {
        say("issuetype", "valid issue type is required");
    }
    match of("summary").as_str() {
        None | Some("") => say("summary", "You must specify a summary of the issue."),
        Some(text) if text.contains('\n') => {
            say("summary", "The summary is invalid because it contains newline characters.");
        }
        Some(text) if text.chars().count() > 255 => say("summary", "Summary must be less than 255 characters."),
        Some(_) => {}
    }
    for label in of("labels").as_array().into_iter().flatten().filter_map(Value::as_str) {
        if label.contains(char::is_whitespace) {
            say("labels", &format!("The label '{label}' contains spaces which is invalid."));
        }
    }
    if let Some(why) = rich(jira, of("description")) {
        say("description", &why);
    }
    for name in fields.keys().filter(|name| !ON_SCREEN.contains(&name.as_str())) {
        say(name, &format!("Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."));
    }
    errors
}

/// What is wrong with a rich text of this flavour.
fn rich(jira: &Inner, text: &Value) -> Option<String> {
    match (jira.config.flavour, text) {
        (_, Value::Null) => None,
        (Flavour::Cloud, document) => {
            adf::problem(document).map(|why| format!("Operation value must be an Atlassian Document: {why}"))
        }
        (Flavour::DataCenter, Value::String(text)) if text.chars().count() <= 32_767 => None,
        (Flavour::DataCenter, _) => Some("Operation value must be a string".to_owned()),
    }
}

fn create(jira: &Inner, ask: &Ask, body: &Value) -> Reply {
    jira.ledger.count(SYSTEM, Kind::Write, "create issue");
    let empty = Map::new();
    let fields = body.get("fields").and_then(Value::as_object).unwrap_or(&empty);
    let errors = errors(jira, fields);
    if !errors.is_empty() {
        jira.wrong(ask, &format!("an issue that Jira refuses: {}", Value::Object(errors.clone())));
        return Reply::json(400, &json!({"errorMessages": [], "errors": errors}));
    }
    let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let labels: Vec<String> = fields
        .get("labels")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|label| label.as_str().map(str::to_owned))
        .collect();
    let mut state = jira.state();
    let twin = state.issues.iter().find(|issue| {
        issue.category != Category::Done
            && issue.labels.iter().any(|one| one.starts_with("farrier-") && labels.contains(one))
    });
    if let Some(twin) = twin {
        jira.wrong(ask, &format!("a second open issue for what {} is about", twin.key));
    }
    let key = format!("{}-{}", jira.config.project, state.issues.len() + 1);
    jira.ledger.count(SYSTEM, Kind::Created, &key);
    state.issues.push(Issue {
        key: key.clone(),
        summary: text("summary"),
        description: fields.get("description").cloned().unwrap_or_default(),
        labels,
        category: Category::ToDo,
        comments: Vec::new(),
        resolution: None,
        made: Instant::now(),
    });
    Reply::json(
        201,
        &json!({"id": "10000", "key": key, "self": format!("{}/rest/api/issue/10000", search::base(jira))}),
    )
}

fn one(jira: &Inner, ask: &Ask, key: &str, part: Option<&str>, body: &Value) -> Reply {
    let mut state = jira.state();
    let Some(issue) = state.issues.iter_mut().find(|issue| issue.key == key) else {
        return Reply::json(
            404,
            &json!({"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}}),
        );
    };
    match (&ask.method, part) {
        (&Method::GET, None) => {
            let fields: Vec<String> =
                ask.asked("fields").unwrap_or("summary,status,labels").split(',').map(str::to_owned).collect();
            Reply::json(200, &search::show(jira, issue, &fields))
        }
        (&Method::GET, Some("transitions")) => Reply::json(200, &workflow::list(issue)),
        (&Method::POST, Some("transitions")) => {
            jira.ledger.count(SYSTEM, Kind::Write, "transition");
            match workflow::take(issue, body) {
                Ok(()) => {
                    jira.ledger.count(SYSTEM, Kind::Moved, &format!("{key} {}", issue.category.names().0));
                    Reply::empty(204)
                }
                Err(errors) => {
                    jira.wrong(ask, &format!("a transition that Jira refuses: {errors}"));
                    Reply::json(400, &errors)
                }
            }
        }
        (&Method::GET, Some("comment")) => {
            let comments: Vec<Value> =
                issue.comments.iter().rev().map(|body| json!({"id": "1", "body": body})).collect();
            Reply::json(200, &json!({"startAt": 0, "maxResults": 50, "total": comments.len(), "comments": comments}))
        }
        (&Method::POST, Some("comment")) => {
            jira.ledger.count(SYSTEM, Kind::Write, "comment");
            let text = body.get("body").cloned().unwrap_or_default();
            if let Some(why) =
                rich(jira, &text).or_else(|| text.is_null().then(|| "Comment body can not be empty!".to_owned()))
            {
                jira.wrong(ask, &why);
                return Reply::json(400, &json!({"errorMessages": [], "errors": {"comment": why}}));
            }
            if issue.comments.contains(&text) {
                jira.wrong(ask, "the same comment a second time");
            }
            jira.ledger.count(SYSTEM, Kind::Commented, key);
            issue.comments.push(text.clone());
            Reply::json(201, &json!({"id": "10100", "body": text}))
        }
        _ => {
            jira.wrong(ask, "an unknown path");
            Reply::text(404, "<html>not found</html>")
        }
    }
}
