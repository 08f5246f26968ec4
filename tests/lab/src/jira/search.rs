//! Search: a little JQL, an index that lags, pages.
//!
//! Promises only the clauses that are documented here: `project`, `labels`, `statusCategory`, joined by AND, with an
//! optional ORDER BY. Another clause is a violation and a 400, as a typing mistake would be.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::workflow::Category;
use super::{Inner, Issue};
use crate::web::{Ask, Reply};

enum Clause {
    Label(String),
    Project(String),
    NotDone,
}

/// Issues that match, as the index knows them.
pub(super) fn find(jira: &Inner, ask: &Ask, body: &Value) -> Result<Vec<Issue>, Reply> {
    let jql = body.get("jql").and_then(Value::as_str).unwrap_or_default();
    let clauses = parse(jql).map_err(|why| {
        jira.wrong(ask, &why);
        Reply::json(400, &json!({"errorMessages": [why], "errors": {}}))
    })?;
    let lag: Duration = jira.config.index_lag;
    let matches = |issue: &&Issue| {
        clauses.iter().all(|clause| match clause {
            Clause::Label(label) => issue.labels.contains(label),
            Clause::Project(key) => *key == jira.config.project,
            Clause::NotDone => issue.category != Category::Done,
        })
    };
    let state = jira.state();
    let indexed = state.issues.iter().filter(|issue| issue.made + lag <= Instant::now());
    Ok(indexed.filter(matches).cloned().collect())
}

fn parse(jql: &str) -> Result<Vec<Clause>, String> {
    let conditions = jql.split(" ORDER BY ").next().unwrap_or_default();
    let clauses = conditions.split(" AND ").map(|clause| {
        let words: Vec<&str> = clause.split_whitespace().collect();
        let quoted = |text: &str| text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(str::to_owned);
        match words.as_slice() {
            ["labels", "=", label] => {
                quoted(label).map(Clause::Label).ok_or_else(|| format!("`{label}` is not quoted"))
            }
            ["project", "=", key] => quoted(key).map(Clause::Project).ok_or_else(|| format!("`{key}` is not quoted")),
            ["statusCategory", "!=", "Done"] => Ok(Clause::NotDone),
            _ => Err(format!("Error in the JQL Query: `{clause}`")),
        }
    });
    clauses.collect()
}

/// An issue as search shows it.
pub(super) fn show(jira: &Inner, issue: &Issue, fields: &[String]) -> Value {
    let mut shown = serde_json::Map::new();
    for field in fields {
        let value = match field.as_str() {
            "summary" => json!(issue.summary),
            "labels" => json!(issue.labels),
            "status" => issue.category.status(),
            "description" => issue.description.clone(),
            _ => continue,
        };
        shown.insert(field.clone(), value);
    }
    let mut object =
        json!({"id": "10000", "key": issue.key, "self": format!("{}/rest/api/issue/{}", base(jira), issue.key)});
    if let (false, Some(object)) = (fields.is_empty(), object.as_object_mut()) {
        object.insert("fields".to_owned(), Value::Object(shown));
    }
    object
}

/// How people reach it.
pub(super) fn base(jira: &Inner) -> String {
    jira.base.lock().map(|base| base.clone()).unwrap_or_default()
}
