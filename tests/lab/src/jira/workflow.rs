//! The one workflow: to do, in progress, done; done only from in progress, with a resolution.
//!
//! Promises that transitions' numbers depend on the status they start from, and that status names are local, as in real
//! projects.

use serde_json::{Map, Value, json};

use super::Issue;

/// A status category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// `new`
    ToDo,
    /// `indeterminate`
    InProgress,
    /// `done`
    Done,
}

impl Category {
    /// The category's key and the local name of its one status.
    pub(super) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::ToDo => ("new", "Offen"),
            Self::InProgress => ("indeterminate", "In Bearbeitung"),
            Self::Done => ("done", "Erledigt"),
        }
    }

    /// As `fields.status`.
    pub(super) fn status(self) -> Value {
        let (key, name) = self.names();
        json!({"name": name, "id": "10001", "statusCategory": {"id": 4, "key": key, "name": key}})
    }

    /// Numbers and ends of the transitions from here.
    pub(super) const fn transitions(self) -> &'static [(&'static str, &'static str, Self)] {
        match self {
            Self::ToDo => &[("21", "Beginnen", Self::InProgress)],
            Self::InProgress => &[("31", "Zurück", Self::ToDo), ("41", "Abschließen", Self::Done)],
            Self::Done => &[("51", "Wieder öffnen", Self::ToDo)],
        }
    }
}

/// The transitions of an issue, with their screens.
pub(super) fn list(issue: &Issue) -> Value {
    let one = |(id, name, to): &(&str, &str, Category)| {
        let mut fields = Map::new();
        if *to == Category::Done {
            fields.insert(
                "resolution".to_owned(),
                json!({"required": true, "name": "Resolution", "key": "resolution", "operations": ["set"],
                    "schema": {"type": "resolution", "system": "resolution"},
                    "allowedValues": [{"name": "Done", "id": "10000"}, {"name": "Won't Do", "id": "10001"}]}),
            );
        }
        json!({"id": id, "name": name, "to": to.status(), "hasScreen": *to == Category::Done, "isAvailable": true,
            "fields": fields})
    };
    let transitions: Vec<Value> = issue.category.transitions().iter().map(one).collect();
    json!({"expand": "transitions", "transitions": transitions})
}

/// Do one; the error is the field errors.
pub(super) fn take(issue: &mut Issue, body: &Value) -> Result<(), Value> {
    let id = body.pointer("/transition/id").and_then(Value::as_str).unwrap_or_default();
    let Some((_, _, to)) = issue.category.transitions().iter().find(|(number, _, _)| *number == id) else {
        return Err(
            json!({"errorMessages": ["It seems that you have tried to perform a workflow operation that is not valid for the current state of this issue."], "errors": {}}),
        );
    };
    let resolution = body.pointer("/fields/resolution/name").and_then(Value::as_str);
    match (to, resolution) {
        (Category::Done, Some("Done" | "Won't Do")) => issue.resolution = resolution.map(str::to_owned),
        (Category::Done, _) => {
            return Err(json!({"errorMessages": [], "errors": {"resolution": "Resolution is required."}}));
        }
        (_, None) => issue.resolution = None,
        (_, Some(_)) => {
            let text = "Field 'resolution' cannot be set. It is not on the appropriate screen, or unknown.";
            return Err(json!({"errorMessages": [], "errors": {"resolution": text}}));
        }
    }
    issue.category = *to;
    Ok(())
}
