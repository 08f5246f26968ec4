//! Documented answers in place of the network, for tests of plugins that are no drivers.
//!
//! Promises: answers come in their order, whatever is asked; what was asked is kept; a documented answer has the status and the headers
//! that its folder's `manifest.json` names. Does not: judge a request.

use super::{fixtures, skipped};
use crate::Http;
use crate::services::Surroundings;
use crate::types::{Body, Error, HttpError, Request, Response};
use serde_json::Value;
use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, VecDeque};

/// What a call has around it, in memory: settings, and values that outlive it.
#[derive(Debug, Default)]
pub struct Memory {
    settings: BTreeMap<String, String>,
    kept: RefCell<BTreeMap<String, String>>,
}

impl Memory {
    /// With these settings.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { settings, kept: RefCell::default() }
    }

    /// Is nothing kept?
    pub fn is_empty(&self) -> bool {
        self.kept.borrow().is_empty()
    }
}

impl Surroundings for Memory {
    fn setting(&self, key: &str) -> Option<String> {
        self.settings.get(key).cloned()
    }

    fn kept(&self, key: &str) -> Result<Option<String>, Error> {
        Ok(self.kept.borrow().get(key).cloned())
    }

    fn keep(&self, key: &str, value: &str, _seconds: Option<u32>) -> Result<(), Error> {
        self.kept.borrow_mut().insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn forget(&self, key: &str) -> Result<(), Error> {
        self.kept.borrow_mut().remove(key);
        Ok(())
    }

    /// 2023-11-14, a time like any other.
    fn now(&self) -> u64 {
        1_700_000_000_000
    }
}

/// Answers in order; after the last one nothing answers.
#[derive(Debug, Default)]
pub struct Script {
    answers: RefCell<VecDeque<Response>>,
    asked: RefCell<Vec<Request>>,
}

impl Script {
    /// These answers.
    pub fn new(answers: Vec<Response>) -> Self {
        Self { answers: RefCell::new(answers.into()), asked: RefCell::default() }
    }

    /// What was asked so far.
    pub fn asked(&self) -> Ref<'_, Vec<Request>> {
        self.asked.borrow()
    }

    /// The JSON of a request's body; `Null` where it is none.
    pub fn sent(&self, index: usize) -> Value {
        match self.asked.borrow().get(index).map(|request| &request.body) {
            Some(Body::Json(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
            _ => Value::Null,
        }
    }
}

impl Http for Script {
    fn send(&self, request: Request) -> Result<Response, HttpError> {
        self.asked.borrow_mut().push(request);
        let over = || HttpError::Unreachable("the script is over".to_owned());
        self.answers.borrow_mut().pop_front().ok_or_else(over)
    }
}

/// A file of a folder of recordings, such as `jira-docshape/transitions.json`. `None`, with a line that says so, where there
/// is none.
pub fn recorded(folder: &str, file: &str) -> Option<Vec<u8>> {
    let Some(root) = fixtures() else {
        skipped(folder, "no folder `shared/fixtures` here; set FARRIER_FIXTURES");
        return None;
    };
    let path = root.join(folder).join(file);
    let read = std::fs::read(&path);
    if let Err(error) = &read {
        skipped(folder, &format!("{}: {error}", path.display()));
    }
    read.ok()
}

/// A documented answer. `None`, with a line that says so, where there is none.
pub fn documented(folder: &str, file: &str) -> Option<Response> {
    let body = recorded(folder, file)?;
    let manifest: Value = serde_json::from_slice(&recorded(folder, "manifest.json")?).ok()?;
    let entry = manifest.get("entries")?.as_array()?.iter().find(|entry| entry.get("file") == Some(&file.into()));
    let Some(status) = entry.and_then(|entry| u16::try_from(entry.get("status")?.as_u64()?).ok()) else {
        skipped(folder, &format!("its manifest says nothing of {file}"));
        return None;
    };
    let headers = entry.and_then(|entry| entry.get("response_headers")?.as_object());
    let headers = headers.into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned()));
    Some(Response { status, headers: headers.collect(), body })
}
