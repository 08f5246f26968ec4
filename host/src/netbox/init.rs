//! The custom fields this program writes: says what is missing, and makes it when an operator says so.
//!
//! Adds, never changes or removes: a field that exists keeps its type and its other models, a choice set keeps its other choices. The
//! plan is made anew after each step, since a field needs the id of its choice set.

use farrier_lifecycle::LifecycleState;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Client;
use super::device::{MARKER, STATE, TIMES};
use super::error::NetBoxError;
use super::populate::deliveries::FIELDS;
use super::schema::{CustomField, DEVICE};
use super::support;

/// The PoC's name for the choices of `lifecycle_state`.
const SET: &str = "Lifecycle States";
/// Steps of one run, at most; there are ten.
const MOST_STEPS: usize = 32;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// For people: `create the custom field lifecycle_state (select)`.
    pub text: String,
    #[serde(skip)]
    request: Request,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Post(&'static str, Value),
    Patch(String, Value),
    /// Can be planned in full when an earlier step is done.
    Later,
}

#[derive(Clone, Debug, Deserialize)]
struct ChoiceSet {
    id: u64,
    name: String,
    #[serde(default)]
    extra_choices: Option<Vec<(String, String)>>,
}

impl ChoiceSet {
    fn missing(&self) -> Vec<&'static str> {
        let has = |state: &str| self.extra_choices.iter().flatten().any(|(value, _)| value == state);
        LifecycleState::ALL.map(LifecycleState::as_str).into_iter().filter(|state| !has(state)).collect()
    }
}

/// What is missing, in the order it would be made; empty: nothing.
pub async fn plan(client: &Client) -> Result<Vec<Step>, NetBoxError> {
    let (version, _) = client.version().await?;
    let models = if version.has_object_types() { "object_types" } else { "content_types" };
    let fields: Vec<CustomField> = client.list("extras/custom-fields", &[]).await?;
    let sets: Vec<ChoiceSet> = client.list("extras/custom-field-choice-sets", &[]).await?;
    let mut steps = Vec::new();
    let state = fields.iter().find(|field| field.name == STATE);
    let own_set = state.and_then(|field| field.choice_set.as_ref()).map(|set| set.id);
    let set = match own_set {
        Some(id) => sets.iter().find(|set| set.id == id),
        None => sets.iter().find(|set| set.name == SET),
    };
    let is_select = state.is_none_or(|field| field.kind.value == "select");
    match set {
        None if is_select => steps.push(create_set()),
        Some(set) if is_select && !set.missing().is_empty() => steps.push(extend_set(set)),
        _ => {}
    }
    match state {
        None => steps.push(create_state(models, set)),
        Some(field) => steps.extend(attach(models, field)),
    }
    let times = TIMES.map(|name| (name, "datetime"));
    for (name, kind) in times.into_iter().chain([(MARKER, "text"), (support::END, "date"), (support::NOTE, "text")]) {
        if let Some(field) = fields.iter().find(|field| field.name == name) {
            steps.extend(attach(models, field));
            continue;
        }
        steps.push(create(models, name, kind));
    }
    Ok(steps)
}

/// Make what is missing; `done` hears of each step after it is done. Returns how many there were.
pub async fn apply(client: &Client, mut done: impl FnMut(&Step)) -> Result<usize, NetBoxError> {
    for count in 0..MOST_STEPS {
        let steps = plan(client).await?;
        let Some(step) = steps.first() else { return Ok(count) };
        match &step.request {
            Request::Post(path, body) => client.post(path, body).await?,
            Request::Patch(path, body) => client.patch(path, body, None).await?,
            Request::Later => Value::Null,
        };
        done(step);
    }
    let text = "what was made is still missing; may the token see custom fields?".to_owned();
    Err(NetBoxError::NotNetBox { what: "netbox init".to_owned(), text })
}

/// Make the custom fields that a delivery list fills, where they are missing; `serve` and `plan` do without them.
pub(super) async fn deliveries(client: &Client) -> Result<(), NetBoxError> {
    let (version, _) = client.version().await?;
    let models = if version.has_object_types() { "object_types" } else { "content_types" };
    let there: Vec<CustomField> = client.list("extras/custom-fields", &[]).await?;
    for (name, kind) in FIELDS {
        let step = match there.iter().find(|field| field.name == name) {
            Some(field) => attach(models, field),
            None => Some(create(models, name, kind)),
        };
        match step.map(|step| step.request) {
            Some(Request::Post(path, body)) => drop(client.post(path, &body).await?),
            Some(Request::Patch(path, body)) => drop(client.patch(&path, &body, None).await?),
            Some(Request::Later) | None => {}
        }
    }
    Ok(())
}

fn create(models: &str, name: &str, kind: &str) -> Step {
    let description = "Written by Farrier";
    let body = json!({"name": name, "label": label(name), "type": kind, models: [DEVICE], "description": description});
    Step {
        text: format!("create the custom field {name} ({kind}) of devices"),
        request: Request::Post("extras/custom-fields", body),
    }
}

fn create_set() -> Step {
    let choices = LifecycleState::ALL.map(|state| [state.as_str().to_owned(), title(state.as_str())]);
    Step {
        text: format!("create the choice set `{SET}` with {} choices", choices.len()),
        request: Request::Post("extras/custom-field-choice-sets", json!({"name": SET, "extra_choices": choices})),
    }
}

fn extend_set(set: &ChoiceSet) -> Step {
    let missing = set.missing();
    let mut choices = set.extra_choices.clone().unwrap_or_default();
    choices.extend(missing.iter().map(|state| ((*state).to_owned(), title(state))));
    Step {
        text: format!("add to the choice set `{}`: {}", set.name, missing.join(", ")),
        request: Request::Patch(
            format!("extras/custom-field-choice-sets/{}", set.id),
            json!({"extra_choices": choices}),
        ),
    }
}

fn create_state(models: &str, set: Option<&ChoiceSet>) -> Step {
    let request = set.map_or(Request::Later, |set| {
        let body = json!({
            "name": STATE,
            "label": label(STATE),
            "type": "select",
            models: [DEVICE],
            "choice_set": set.id,
            "filter_logic": "exact",
            "description": "Written by Farrier",
        });
        Request::Post("extras/custom-fields", body)
    });
    Step { text: format!("create the custom field {STATE} (select) of devices"), request }
}

/// A field that exists for other models only.
fn attach(models: &str, field: &CustomField) -> Option<Step> {
    if field.models().any(|model| model == DEVICE) {
        return None;
    }
    let all: Vec<&str> = field.models().map(String::as_str).chain([DEVICE]).collect();
    Some(Step {
        text: format!("give devices the custom field {}", field.name),
        request: Request::Patch(format!("extras/custom-fields/{}", field.id), json!({models: all})),
    })
}

/// `last_monitored_at` as people read it.
fn label(name: &str) -> String {
    title(&name.replace('_', " "))
}

fn title(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
