//! Moving an issue to a status of a category.
//!
//! Promises: an issue that is there already is left alone; transitions are read each time, since their numbers belong to a
//! workflow and its present status; required fields are filled where Jira says what may stand there. Does not: know names
//! of statuses.
//!
//! Not obvious: where no transition leads to the category at once, the way through "in progress" is tried, because many
//! workflows have no direct one.

use crate::TicketState;
use crate::api::Jira;
use crate::issue::state;
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{Map, Value, json};
use farrier_plugin_sdk::services::encode;
use farrier_plugin_sdk::types::{Error, RemoteError};

/// Steps at most: new, in progress, done.
const STEPS: u32 = 3;

const fn category(state: TicketState) -> &'static str {
    match state {
        TicketState::Open => "new",
        TicketState::InProgress => "indeterminate",
        TicketState::Resolved => "done",
    }
}

/// Bring an issue into a state.
pub fn set(jira: &Jira<'_>, key: &str, wanted: TicketState) -> Result<(), Error> {
    for _ in 0..STEPS {
        let issue = jira.get(&format!("issue/{}?fields=status", encode(key)))?;
        let here = state(&issue)?;
        if here == wanted {
            return Ok(());
        }
        step(jira, key, here, wanted)?;
    }
    Err(refused(format!("{key} does not come to a status of the category `{}`", category(wanted)), None))
}

fn step(jira: &Jira<'_>, key: &str, here: TicketState, wanted: TicketState) -> Result<(), Error> {
    let path = format!("issue/{}/transitions", encode(key));
    let answer = jira.get(&format!("{path}?expand=transitions.fields"))?;
    let all = answer.list(&["transitions"]);
    let leads = |to: &str| {
        all.iter().find(|one| {
            one.text(&["to", "statusCategory", "key"]).as_deref() == Some(to)
                && one.flag(&["isAvailable"]) != Some(false)
        })
    };
    let between = (here != TicketState::InProgress).then(|| leads("indeterminate")).flatten();
    let chosen = leads(category(wanted)).or(between).ok_or_else(|| {
        let names: Vec<String> = all.iter().filter_map(|one| one.text(&["name"])).collect();
        refused(
            format!(
                "{key} has no transition to a status of the category `{}`; it has: {}",
                category(wanted),
                names.join(", ")
            ),
            Some("give the account the permission for such a transition, or the workflow one".to_owned()),
        )
    })?;
    let id = chosen.text(&["id"]).ok_or_else(|| Error::Malformed("a transition without `id`".to_owned()))?;
    let fields = required(jira, chosen)?;
    let mut body = json!({"transition": {"id": id}});
    if let (false, Some(object)) = (fields.is_empty(), body.as_object_mut()) {
        object.insert("fields".to_owned(), Value::Object(fields));
    }
    jira.post(&path, &body).map(|_| ())
}

/// What the transition's screen demands.
fn required(jira: &Jira<'_>, transition: &Value) -> Result<Map<String, Value>, Error> {
    let mut filled = Map::new();
    let fields = transition.at(&["fields"]).and_then(Value::as_object);
    for (name, field) in fields.into_iter().flatten() {
        if field.flag(&["required"]) != Some(true) || field.flag(&["hasDefaultValue"]) == Some(true) {
            continue;
        }
        let allowed = field.list(&["allowedValues"]);
        let preferred = jira.around.setting(name).unwrap_or_else(|| "Done".to_owned());
        let named = |wanted: &str| allowed.iter().find(|one| one.text(&["name"]).as_deref() == Some(wanted));
        let value =
            named(&preferred).or_else(|| allowed.first()).and_then(|one| one.text(&["name"])).ok_or_else(|| {
                refused(
                    format!("the transition wants a value for `{name}`, and Jira does not say which there are"),
                    Some("take the field off the transition's screen, or make it optional".to_owned()),
                )
            })?;
        filled.insert(name.clone(), json!({"name": value}));
    }
    Ok(filled)
}

fn refused(message: String, resolution: Option<String>) -> Error {
    Error::Rejected(RemoteError { status: None, code: None, message, resolution })
}
