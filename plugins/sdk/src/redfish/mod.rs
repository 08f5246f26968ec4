//! A reader and careful writer of one Redfish service.
//!
//! Promises: starts at `/redfish/v1/` and goes only where links lead; every GET of one call is answered from memory
//! the second time; collections are read over all their pages, with a guard against loops. Does not: log in,
//! follow redirects or retry; the host does.
//!
//! Not obvious: a write forgets everything read so far, so what is read after it is what the controller now says.

mod answer;
mod uri;
mod write;

pub use answer::{Written, judge};
pub use uri::{path_of, push_path_of, same};
pub use write::Etags;

use crate::error;
use crate::http::{self, Http};
use crate::json::Json;
use crate::types::{Error, Response};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where every Redfish service starts.
pub const ROOT: &str = "/redfish/v1/";
/// Requests asked for at once; the host lowers it where a controller takes fewer.
const IN_FLIGHT: u32 = 4;
/// Pages read of one collection.
const MAX_PAGES: usize = 40;

/// One Redfish service, for the length of one call.
pub struct Redfish<'h> {
    http: &'h dyn Http,
    read: RefCell<BTreeMap<String, Rc<Value>>>,
    missing: Cell<usize>,
}

impl<'h> Redfish<'h> {
    /// A reader with nothing read yet.
    pub fn new(http: &'h dyn Http) -> Self {
        Self { http, read: RefCell::default(), missing: Cell::new(0) }
    }

    /// The resource at a path or link.
    pub fn get(&self, link: &str) -> Result<Rc<Value>, Error> {
        let path = path_of(link)?;
        if let Some(known) = self.read.borrow().get(&uri::key(&path)) {
            return Ok(Rc::clone(known));
        }
        let answer = self.http.send(http::get(&path)).map_err(error::from_http)?;
        self.keep(&path, &answer)
    }

    /// The resource at a link; `None` where there is no link, or nothing behind it.
    pub fn find(&self, link: Option<&str>) -> Result<Option<Rc<Value>>, Error> {
        let Some(link) = link else { return Ok(None) };
        match self.get(link) {
            Ok(value) => Ok(Some(value)),
            Err(Error::NotFound(_) | Error::Unsupported(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Several resources, in the order asked; links that lead nowhere are left out and counted as missing.
    pub fn get_all(&self, links: &[String]) -> Result<Vec<Rc<Value>>, Error> {
        let paths: Vec<String> = links.iter().map(|link| path_of(link)).collect::<Result<_, _>>()?;
        let unread: Vec<&String> =
            paths.iter().filter(|path| !self.read.borrow().contains_key(&uri::key(path))).collect();
        let answers = self.http.send_many(unread.iter().map(|path| http::get(path)).collect(), IN_FLIGHT);
        for (path, answer) in unread.into_iter().zip(answers) {
            match answer.map_err(error::from_http).and_then(|answer| self.keep(path, &answer)) {
                Ok(_) => {}
                Err(Error::NotFound(_)) => self.missing.set(self.missing.get() + 1),
                Err(other) => return Err(other),
            }
        }
        let read = self.read.borrow();
        Ok(paths.iter().filter_map(|path| read.get(&uri::key(path)).cloned()).collect())
    }

    /// The members of the collection at a link; empty where there is none.
    pub fn members(&self, link: Option<&str>) -> Result<Vec<Rc<Value>>, Error> {
        let Some(first) = self.find(link)? else { return Ok(Vec::new()) };
        let mut members = Vec::new();
        let mut links = Vec::new();
        let mut inline = true;
        self.pages(first, &mut |page| {
            for member in page.list(&["Members"]) {
                inline = inline && is_whole(member);
                links.extend(member.link(&[]).or_else(|| id_of(member)));
                members.push(Rc::new(member.clone()));
            }
            true
        })?;
        if inline { Ok(members) } else { self.get_all(&links) }
    }

    /// How many links of lists led nowhere so far. A recording has some; a controller should have none.
    pub fn missing(&self) -> usize {
        self.missing.get()
    }

    /// Visit the pages of a collection until `visit` says no, or the last, or a page seen before.
    pub fn pages(&self, first: Rc<Value>, visit: &mut dyn FnMut(&Value) -> bool) -> Result<(), Error> {
        let mut seen: Vec<String> = Vec::new();
        let mut page = first;
        for _ in 0..MAX_PAGES {
            if !visit(&page) {
                return Ok(());
            }
            let Some(next) = page.text(&["Members@odata.nextLink"]).or_else(|| page.text(&["@odata.nextLink"])) else {
                return Ok(());
            };
            let key = uri::key(&path_of(&next)?);
            if seen.contains(&key) {
                return Ok(());
            }
            seen.push(key);
            let Some(following) = self.find(Some(&next))? else { return Ok(()) };
            page = following;
        }
        Ok(())
    }

    /// Keep an answer to a GET, with its `ETag` header where the body has none.
    fn keep(&self, path: &str, answer: &Response) -> Result<Rc<Value>, Error> {
        let what = format!("GET {path}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        if !(200..300).contains(&answer.status) {
            return Err(error::from_answer(&what, answer, &body));
        }
        let Value::Object(mut members) = body else {
            return Err(Error::Malformed(format!("{what}: the answer is not a JSON object")));
        };
        if let (false, Some(etag)) = (members.contains_key("@odata.etag"), http::header(answer, "etag")) {
            members.insert("@odata.etag".to_owned(), Value::String(etag.to_owned()));
        }
        let value = Rc::new(Value::Object(members));
        self.read.borrow_mut().insert(uri::key(path), Rc::clone(&value));
        Ok(value)
    }

    /// Forget what was read.
    pub fn forget(&self) {
        self.read.borrow_mut().clear();
    }
}

/// The `@odata.id` of a resource itself.
pub fn id_of(resource: &Value) -> Option<String> {
    resource.at(&["@odata.id"])?.as_str().filter(|id| !id.is_empty()).map(ToOwned::to_owned)
}

/// Whether a collection's member is the resource itself and not only a reference to it.
fn is_whole(member: &Value) -> bool {
    member.as_object().is_some_and(|m| m.keys().filter(|key| !key.starts_with('@')).count() > 2)
}
