//! Tasks, read only.

use serde_json::Value;

use super::answers::{self, error};
use super::route::OneView;
use crate::redfish::reply::Reply;
use crate::redfish::serve::Ask;

impl OneView {
    /// Newest first.
    pub(super) fn list_tasks(&self, ask: &Ask) -> Reply {
        let all: Vec<Value> = self.state().tasks.iter().rev().map(answers::task).collect();
        self.list(ask, &all, &["taskState", "name"])
    }

    /// One that is purged is not there.
    pub(super) fn one_task(&self, ask: &Ask, id: &str) -> Reply {
        let found = self.state().tasks.iter().find(|task| task.id.eq_ignore_ascii_case(id)).map(answers::task);
        match found {
            Some(body) => Reply::json(200, body),
            None if id.len() == 36 => error(404, "LAB_NO_SUCH_TASK", "The task is not there."),
            None => self.wrong(ask, 404, "LAB_NO_SUCH_TASK", "this is no task's id"),
        }
    }
}
