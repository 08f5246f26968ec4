//! PATCH and POST.
//!
//! Promises: the `ETag` is sent the way the vendor takes it, and a 412 is answered as the vendor wants; the answer is
//! judged, not only its status. Does not: repeat a write for any other reason.
//!
//! Not obvious: there is no one right `If-Match`. iLO refuses `*` and takes its own `ETag` or none; AMI refuses its own
//! and takes only `*`. The driver chooses.

use super::{Redfish, Written, id_of, judge, path_of, push_path_of};
use crate::error;
use crate::http;
use crate::json::Json;
use crate::types::{Body, Error, Method, Request, TextOrSecret};
use serde_json::{Value, json};

/// How a vendor takes `If-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Etags {
    /// The resource's own; after a 412 its strong form, then none.
    Own,
    /// Always `*`.
    Any,
    /// Never.
    Never,
}

impl Redfish<'_> {
    /// Change a resource.
    pub fn patch(&self, link: &str, body: &Value, etags: Etags) -> Result<Written, Error> {
        let path = path_of(link)?;
        let mut result = Err(Error::Internal("no way to send an ETag was tried".to_owned()));
        for if_match in self.candidates(&path, etags)? {
            result = self.write(Method::Patch, &path, body, if_match.as_deref());
            if !matches!(&result, Err(Error::Conflict(text)) if text.ends_with(PRECONDITION)) {
                break;
            }
        }
        result
    }

    /// Run an action, or create. Without parameters the body is `{}`: controllers refuse an empty one.
    pub fn post(&self, link: &str, body: &Value) -> Result<Written, Error> {
        let path = path_of(link)?;
        let body = if body.is_null() { json!({}) } else { body.clone() };
        self.write(Method::Post, &path, &body, None)
    }

    /// Send a body that holds an image to a push address.
    pub fn push(&self, link: &str, headers: Vec<(String, TextOrSecret)>, body: Body) -> Result<Written, Error> {
        let path = push_path_of(link)?;
        let mut request = Request { method: Method::Post, body, ..http::get(&path) };
        request.headers.extend(headers);
        self.forget();
        let answer = self.http.send(request).map_err(error::from_http)?;
        judge(&format!("POST {path}"), &answer)
    }

    fn write(&self, method: Method, path: &str, body: &Value, if_match: Option<&str>) -> Result<Written, Error> {
        let verb = if method == Method::Patch { "PATCH" } else { "POST" };
        let mut request = http::with_json(method, path, body);
        if let Some(etag) = if_match {
            request.headers.push(("If-Match".to_owned(), TextOrSecret::Text(etag.to_owned())));
        }
        self.forget();
        let answer = self.http.send(request).map_err(error::from_http)?;
        match judge(&format!("{verb} {path}"), &answer) {
            Err(Error::Conflict(text)) if answer.status == 412 => Err(Error::Conflict(format!("{text}{PRECONDITION}"))),
            other => other,
        }
    }

    /// The `If-Match` values to try, in order.
    fn candidates(&self, path: &str, etags: Etags) -> Result<Vec<Option<String>>, Error> {
        let own = match etags {
            Etags::Any => return Ok(vec![Some("*".to_owned())]),
            Etags::Never => return Ok(vec![None]),
            Etags::Own => self.get(path)?.text(&["@odata.etag"]),
        };
        let strong = own.as_deref().and_then(|etag| etag.strip_prefix("W/")).map(ToOwned::to_owned);
        let mut all: Vec<Option<String>> = [own, strong].into_iter().flatten().map(Some).collect();
        all.push(None);
        Ok(all)
    }

    /// Run the action `#Kind.Name` of a resource, with the parameters; `Unsupported` where it has none.
    pub fn act(&self, resource: &Value, action: &str, parameters: &Value) -> Result<Written, Error> {
        let target = resource.text(&["Actions", action, "target"]).ok_or_else(|| {
            let of = id_of(resource).unwrap_or_default();
            Error::Unsupported(format!("{of} offers no action `{action}`"))
        })?;
        self.post(&target, parameters)
    }

    /// The values an action's parameter takes: from the inline list or its `@Redfish.ActionInfo`. Empty where the
    /// controller does not say.
    pub fn allowable(&self, resource: &Value, action: &str, parameter: &str) -> Result<Vec<String>, Error> {
        let inline = resource.texts(&["Actions", action, &format!("{parameter}@Redfish.AllowableValues")]);
        if !inline.is_empty() {
            return Ok(inline);
        }
        let info = resource.text(&["Actions", action, "@Redfish.ActionInfo"]);
        let Some(info) = self.find(info.as_deref())? else { return Ok(Vec::new()) };
        let found = info.list(&["Parameters"]).iter().find(|p| p.text(&["Name"]).as_deref() == Some(parameter));
        Ok(found.map(|p| p.texts(&["AllowableValues"])).unwrap_or_default())
    }
}

/// Marks a 412 among the conflicts.
const PRECONDITION: &str = " (If-Match)";
