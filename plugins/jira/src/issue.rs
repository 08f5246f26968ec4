//! Issues: looked for, created once, commented once.
//!
//! Promises: a creation whose answer was lost makes no second issue, wherever it was lost. Before creating, the attempt is
//! kept; the next attempt looks for the issue, and while Jira's index may lag it answers `busy` instead of creating. Does
//! not: touch an issue that is resolved.
//!
//! Not obvious: creation is not idempotent in Jira and search lags behind it by seconds, so neither "search, then create"
//! nor "create, then search" is enough alone. And the host may die before it has written down what was answered here: so
//! what was made or said is kept for some time after, and asked for by key, which is never behind.

use crate::api::{Flavour, Jira};
use crate::markdown::{self, Block};
use crate::{Draft, Priority, Ticket, TicketState};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{Value, json};
use farrier_plugin_sdk::services::encode;
use farrier_plugin_sdk::types::{Busy, Error};
use sha2::{Digest as _, Sha256};

/// Milliseconds after which Jira's index has what was created.
const INDEX_LAG: u64 = 60_000;
/// Seconds for which an attempt is remembered.
const REMEMBERED: u32 = 7 * 24 * 3600;
/// Seconds for which what was done is: longer than the index lags and another host needs to take over.
const SETTLED: u32 = 600;
/// Before the key, where an attempt made an issue.
const MADE: &str = "made ";
const SUMMARY: usize = 255;
/// Jira refuses longer texts; markup needs room too.
const DESCRIPTION: usize = 24_000;
/// Pages of a search that are followed.
const PAGES: u32 = 10;

/// The label that stands for a key: no spaces, the same for ever.
pub fn label(dedup_key: &str) -> String {
    let hex: String = format!("{:x}", Sha256::digest(dedup_key.as_bytes())).chars().take(16).collect();
    format!("farrier-{hex}")
}

/// Open an issue, or return the unresolved one of the same key.
pub fn open(jira: &Jira<'_>, draft: &Draft) -> Result<Ticket, Error> {
    let label = label(&draft.dedup_key);
    let body = fields(jira, draft, &label)?;
    let mark = format!("creating/{label}");
    let attempt = jira.around.kept(&mark)?;
    if let Some(key) = attempt.as_deref().and_then(|text| text.strip_prefix(MADE))
        && let Some(ticket) = unresolved(jira, key)?
    {
        return Ok(ticket);
    }
    for found in candidates(jira, &label)? {
        if let Some(ticket) = unresolved(jira, &found.key)? {
            jira.around.forget(&mark)?;
            return Ok(ticket);
        }
    }
    let now = jira.around.now();
    if let Some(since) = attempt.and_then(|text| text.parse::<u64>().ok())
        && let Some(left) = (since + INDEX_LAG).checked_sub(now).filter(|left| *left > 0)
    {
        let seconds = u32::try_from(left.div_ceil(1000)).unwrap_or(60);
        let reason = "an issue may have been created a moment ago; it is looked for again first".to_owned();
        return Err(Error::Busy(Busy { retry_after: Some(seconds), reason }));
    }
    jira.around.keep(&mark, &now.to_string(), Some(REMEMBERED))?;
    match jira.post("issue", &body) {
        Ok(created) => {
            let key =
                created.text(&["key"]).ok_or_else(|| Error::Malformed("a created issue without `key`".to_owned()))?;
            jira.around.keep(&mark, &format!("{MADE}{key}"), Some(SETTLED))?;
            Ok(Ticket { url: jira.browse(&key), key, state: TicketState::Open })
        }
        Err(error) => {
            if surely_not_done(&error) {
                jira.around.forget(&mark)?;
            }
            Err(error)
        }
    }
}

/// Was the request refused before anything was made? What is not known is taken to have happened.
const fn surely_not_done(error: &Error) -> bool {
    matches!(
        error,
        Error::Rejected(_) | Error::Unauthenticated | Error::Forbidden(_) | Error::NotFound(_) | Error::Denied(_)
    )
}

fn fields(jira: &Jira<'_>, draft: &Draft, label: &str) -> Result<Value, Error> {
    let setting = |key: &str| jira.around.setting(key);
    let project = setting("project").ok_or_else(|| {
        Error::InvalidInput("no setting `project`: the key of the Jira project that issues are made in".to_owned())
    })?;
    let kind = setting("issue-type").unwrap_or_else(|| "Task".to_owned());
    let mut labels: Vec<String> = draft.labels.iter().map(|label| one_word(label)).filter(|l| !l.is_empty()).collect();
    labels.push(label.to_owned());
    labels.dedup();
    let mut fields = json!({
        "project": {"key": project},
        "issuetype": {"name": kind},
        "summary": summary(&draft.summary),
        "labels": labels,
        "description": jira.rich(&shortened(&draft.description, DESCRIPTION)),
    });
    // Many projects have no priority on their screens, so it is sent only where its name is configured.
    let priority = match draft.priority {
        Priority::Low => "priority-low",
        Priority::Medium => "priority-medium",
        Priority::High => "priority-high",
        Priority::Urgent => "priority-urgent",
    };
    if let (Some(name), Some(object)) = (setting(priority), fields.as_object_mut()) {
        object.insert("priority".to_owned(), json!({"name": name}));
    }
    Ok(json!({"fields": fields}))
}

/// On one line, and not longer than Jira takes.
fn summary(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SUMMARY {
        return line;
    }
    let mut cut: String = line.chars().take(SUMMARY - 1).collect();
    cut.push('…');
    cut
}

fn one_word(label: &str) -> String {
    label.split_whitespace().collect::<Vec<_>>().join("-").chars().take(255).collect()
}

fn shortened(text: &str, limit: usize) -> Vec<Block> {
    if text.chars().count() <= limit {
        return markdown::parse(text);
    }
    let cut: String = text.chars().take(limit).collect();
    markdown::parse(&format!("{cut}\n\n… (cut: the text was longer than Jira takes)"))
}

/// The unresolved issue with this label; of several the one with the lowest number.
pub fn find(jira: &Jira<'_>, label: &str) -> Result<Option<Ticket>, Error> {
    Ok(candidates(jira, label)?.into_iter().next())
}

/// The issue of this key, unless it is resolved or gone: the index may still show what was closed a moment ago.
fn unresolved(jira: &Jira<'_>, key: &str) -> Result<Option<Ticket>, Error> {
    match jira.get(&format!("issue/{}?fields=status", encode(key))) {
        Ok(issue) => Ok(Some(ticket(jira, &issue)?).filter(|ticket| ticket.state != TicketState::Resolved)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Unresolved issues with this label, as the index knows them.
fn candidates(jira: &Jira<'_>, label: &str) -> Result<Vec<Ticket>, Error> {
    let jql = format!("labels = \"{}\" AND statusCategory != Done ORDER BY created ASC", quoted(label));
    let issues = match jira.flavour {
        Flavour::Cloud => search_cloud(jira, &jql)?,
        Flavour::DataCenter => search_dc(jira, &jql)?,
    };
    let mut tickets = Vec::new();
    for issue in issues {
        // What was found is checked: an index may answer from before a change.
        let labelled = issue.texts(&["fields", "labels"]).iter().any(|one| one == label);
        let ticket = ticket(jira, &issue)?;
        if labelled && ticket.state != TicketState::Resolved {
            tickets.push(ticket);
        }
    }
    tickets.sort_by_key(|ticket| (ticket.key.len(), ticket.key.clone()));
    Ok(tickets)
}

fn search_cloud(jira: &Jira<'_>, jql: &str) -> Result<Vec<Value>, Error> {
    let (mut issues, mut token) = (Vec::new(), None::<String>);
    for _ in 0..PAGES {
        let mut body = json!({"jql": jql, "fields": ["summary", "status", "labels"], "maxResults": 50});
        if let (Some(token), Some(object)) = (&token, body.as_object_mut()) {
            object.insert("nextPageToken".to_owned(), json!(token));
        }
        let page = jira.post("search/jql", &body)?;
        issues.extend_from_slice(page.list(&["issues"]));
        token = page.text(&["nextPageToken"]);
        if page.flag(&["isLast"]) == Some(true) || token.is_none() {
            break;
        }
    }
    Ok(issues)
}

fn search_dc(jira: &Jira<'_>, jql: &str) -> Result<Vec<Value>, Error> {
    let mut issues: Vec<Value> = Vec::new();
    for _ in 0..PAGES {
        let body =
            json!({"jql": jql, "fields": ["summary", "status", "labels"], "startAt": issues.len(), "maxResults": 50});
        let page = jira.post("search", &body)?;
        let found = page.list(&["issues"]);
        issues.extend_from_slice(found);
        let total = page.natural(&["total"]).and_then(|total| usize::try_from(total).ok()).unwrap_or_default();
        if found.is_empty() || issues.len() >= total {
            break;
        }
    }
    Ok(issues)
}

/// As it may stand between double quotes in JQL.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn ticket(jira: &Jira<'_>, issue: &Value) -> Result<Ticket, Error> {
    let key = issue.text(&["key"]).ok_or_else(|| Error::Malformed("an issue without `key`".to_owned()))?;
    Ok(Ticket { url: jira.browse(&key), key, state: state(issue)? })
}

/// By status category: names are local and renamed.
pub fn state(issue: &Value) -> Result<TicketState, Error> {
    let category = issue.text(&["fields", "status", "statusCategory", "key"]);
    match category.as_deref() {
        Some("done") => Ok(TicketState::Resolved),
        Some("indeterminate") => Ok(TicketState::InProgress),
        Some(_) => Ok(TicketState::Open),
        None => Err(Error::Malformed("an issue whose status has no category".to_owned())),
    }
}

/// Add a comment, once for the same text: what was said last is looked for before it is said again.
pub fn comment(jira: &Jira<'_>, key: &str, text: &str) -> Result<(), Error> {
    let blocks = shortened(text, DESCRIPTION);
    // One value for each issue, since its comments come one after another.
    let (mark, said) = (format!("commenting/{key}"), label(text));
    let path = format!("issue/{}/comment", encode(key));
    let body = jira.rich(&blocks);
    if jira.around.kept(&mark)?.as_ref() == Some(&said) && has_comment(jira, &path, &body)? {
        return Ok(());
    }
    jira.around.keep(&mark, &said, Some(REMEMBERED))?;
    jira.post(&path, &json!({"body": body}))?;
    jira.around.keep(&mark, &said, Some(SETTLED))
}

/// Is it among the latest comments?
fn has_comment(jira: &Jira<'_>, path: &str, body: &Value) -> Result<bool, Error> {
    let page = jira.get(&format!("{path}?orderBy=-created&maxResults=50"))?;
    Ok(page
        .list(&["comments"])
        .iter()
        .any(|comment| comment.get("body").is_some_and(|said| words(said) == words(body))))
}

/// The text of a rich text, however it is wrapped: Cloud gives a document back with attributes of its own.
fn words(rich: &Value) -> String {
    match rich {
        Value::String(text) => text.replace('\r', ""),
        Value::Array(items) => items.iter().map(words).collect(),
        Value::Object(fields) => {
            let text = fields.get("text").map(words).unwrap_or_default();
            let content = fields.get("content").map(words).unwrap_or_default();
            text + &content
        }
        _ => String::new(),
    }
}
