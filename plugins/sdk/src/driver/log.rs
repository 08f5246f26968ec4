//! The controller's own logs.
//!
//! Promises: entries of all logs, oldest first, at most 500, and a cursor that gives what came after. Does not: read
//! on once it has `MAX_READ` new entries of one log; older ones of a log with the newest first are passed over.
//!
//! Not obvious: the cursor is a time and a number for each log, not an id alone, because logs are cleared and count
//! from one again. An entry without a time (iLO: `0000-00-00`) counts with the entry before it.

use super::{Context, Vendor, identity::severity};
use crate::json::Json;
use crate::text;
use crate::types::{Entry, Error, Page};
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// Entries given back at once, as the contract has it.
const MAX_PAGE: usize = 500;
/// New entries of one log that are enough for one call.
const MAX_READ: usize = 1000;

/// Where a log stood: the time of its last entry, and its number among entries of that time.
type Mark = (u64, u64);

/// Read what came after the cursor.
pub fn read<V: Vendor>(vendor: &V, context: &Context<'_>, after: Option<&str>) -> Result<Page, Error> {
    let mut marks = parse_cursor(after)?;
    let mut found: Vec<(Mark, Entry)> = Vec::new();
    for (name, service) in services(vendor, context)? {
        let mark = marks.get(&name).and_then(read_mark);
        found.extend(entries(context, &name, &service, mark)?);
    }
    found.sort_by_key(|(mark, _)| *mark);
    found.truncate(MAX_PAGE);
    for (mark, entry) in &found {
        marks.insert(entry.log.clone(), json!([mark.0, mark.1]));
    }
    Ok(Page { entries: found.into_iter().map(|(_, entry)| entry).collect(), cursor: Value::Object(marks).to_string() })
}

/// Clear one log.
pub fn clear<V: Vendor>(vendor: &V, context: &Context<'_>, log: &str) -> Result<(), Error> {
    let found = services(vendor, context)?.into_iter().find(|(name, _)| name == log);
    let (_, service) = found.ok_or_else(|| Error::NotFound(format!("the controller has no log `{log}`")))?;
    context.redfish.act(&service, "#LogService.ClearLog", &json!({})).map(|_| ())
}

fn parse_cursor(after: Option<&str>) -> Result<Map<String, Value>, Error> {
    let Some(after) = after else { return Ok(Map::new()) };
    match serde_json::from_str(after) {
        Ok(Value::Object(marks)) => Ok(marks),
        _ => Err(Error::InvalidInput("the cursor is not one this driver gave".to_owned())),
    }
}

fn read_mark(value: &Value) -> Option<Mark> {
    match value.as_array()?.as_slice() {
        [at, number] => Some((at.as_u64()?, number.as_u64()?)),
        _ => None,
    }
}

/// The log services with their names in the contract.
fn services<V: Vendor>(vendor: &V, context: &Context<'_>) -> Result<Vec<(String, Rc<Value>)>, Error> {
    let mut found: Vec<(String, Rc<Value>)> = Vec::new();
    for (owner, of_system) in [(context.system()?, true), (context.manager()?, false)] {
        let members = context.redfish.members(owner.link(&["LogServices"]).as_deref())?;
        for service in members {
            let id = service.text(&["Id"]).unwrap_or_default();
            let Some(name) = vendor.log_name(&id, of_system) else { continue };
            if !found.iter().any(|(known, _)| *known == name) {
                found.push((name, service));
            }
        }
    }
    Ok(found)
}

/// The entries of one log after a mark. A log that lists the newest first is left at the first known entry.
fn entries(
    context: &Context<'_>,
    name: &str,
    service: &Value,
    after: Option<Mark>,
) -> Result<Vec<(Mark, Entry)>, Error> {
    let Some(first) = context.redfish.find(service.link(&["Entries"]).as_deref())? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut time = 0;
    context.redfish.pages(first, &mut |page| {
        let mut reached = false;
        let members = page.list(&["Members"]);
        for value in members {
            let Some((mut mark, entry)) = entry(name, value) else { continue };
            mark.0 = if entry.at.is_some() { mark.0 } else { time };
            time = mark.0;
            if after.is_some_and(|after| mark <= after) {
                reached = true;
            } else {
                found.push((mark, entry));
            }
        }
        !(reached && newest_first(name, members)) && found.len() < MAX_READ
    })?;
    Ok(found)
}

fn newest_first(name: &str, members: &[Value]) -> bool {
    let mark = |value: Option<&Value>| value.and_then(|value| entry(name, value)).map(|(mark, _)| mark);
    matches!((mark(members.first()), mark(members.last())), (Some(first), Some(last)) if first > last)
}

fn entry(log: &str, value: &Value) -> Option<(Mark, Entry)> {
    let id = value.text(&["Id"])?;
    let at = value.text(&["Created"]).and_then(|created| text::timestamp(&created));
    let number = id.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    let entry = Entry {
        id,
        log: log.to_owned(),
        at,
        severity: severity(value.text(&["Severity"]).as_deref()),
        code: value.text(&["MessageId"]),
        message: value.text(&["Message"]).or_else(|| value.text(&["Name"])).unwrap_or_default(),
    };
    Some(((at.unwrap_or(0), number), entry))
}
