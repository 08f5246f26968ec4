//! From a plugin's request to one that can be sent: checks, secrets, bodies.
//!
//! Promises that nothing here sends, and that every refusal names what was refused.

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::check;
use super::images::{Images, Upload};
use super::line::{Content, OutBody, OutPart, Outgoing};
use super::secrets::Secrets;
use crate::fault::Secret;
use crate::plugin::wit::http::{Body, Method, PartContent, Request, SecretRef, TextOrSecret};

/// What secrets and images a request may name.
pub struct Granted<'a> {
    /// Those of the call.
    pub secrets: &'a Secrets,
    /// Those of the call.
    pub images: &'a Images,
    /// The endpoint's own session token.
    pub session: Option<&'a Secret>,
}

impl Granted<'_> {
    fn value(&self, reference: &SecretRef) -> Result<String, String> {
        let secret = match (reference.name.as_str(), self.session) {
            ("session", Some(token)) => token,
            ("session", None) => return Err("this endpoint has no session whose token could be sent".to_owned()),
            (name, _) => self.secrets.get(name)?,
        };
        Ok(format!("{}{}", reference.prefix, secret.expose()))
    }

    fn text(&self, value: &TextOrSecret) -> Result<String, String> {
        match value {
            TextOrSecret::Text(text) => Ok(text.clone()),
            TextOrSecret::Secret(reference) => self.value(reference),
        }
    }
}

/// Does a request send the endpoint's own session token by name?
pub fn wants_session(request: &Request) -> bool {
    let names = |reference: &SecretRef| reference.name == "session";
    let value = |value: &TextOrSecret| matches!(value, TextOrSecret::Secret(reference) if names(reference));
    let body = match &request.body {
        Body::Form(fields) => fields.iter().any(|(_, field)| value(field)),
        Body::Multipart(parts) => {
            parts.iter().any(|part| matches!(&part.content, PartContent::Secret(reference) if names(reference)))
        }
        _ => false,
    };
    body || request.headers.iter().any(|(_, header)| value(header))
}

/// The method as the client has it.
pub const fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// Headers every request of the host has: controllers that compress weaken their entity tags.
pub fn base_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("application/json")),
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0")),
    ])
}

/// The request as it will be sent to `url`; the error is the reason for `denied`.
pub fn outgoing(request: &Request, url: Url, granted: &Granted<'_>) -> Result<Outgoing, String> {
    let mut headers = base_headers();
    for (name, value) in &request.headers {
        check::header(name, matches!(value, TextOrSecret::Secret(_)))?;
        put(&mut headers, name, &granted.text(value)?)?;
    }
    let body = match &request.body {
        Body::None => OutBody::Empty,
        Body::Json(text) => {
            put(&mut headers, CONTENT_TYPE.as_str(), "application/json")?;
            OutBody::Bytes(granted.secrets.fill(text)?.into_bytes())
        }
        Body::Form(fields) => {
            put(&mut headers, CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")?;
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                form.append_pair(name, &granted.text(value)?);
            }
            OutBody::Bytes(form.finish().into_bytes())
        }
        Body::Multipart(parts) => {
            headers.remove(CONTENT_TYPE);
            let parts = parts.iter().map(|part| {
                let (content, own) = match &part.content {
                    PartContent::Text(text) => (Content::Bytes(text.clone().into_bytes()), None),
                    PartContent::Secret(reference) => (Content::Bytes(granted.value(reference)?.into_bytes()), None),
                    PartContent::Image(digest) => {
                        let upload = Upload::open(granted.images, digest)?;
                        let name = upload.name();
                        (Content::Image(upload), Some(name))
                    }
                };
                let filename = part.filename.clone().filter(|name| !name.is_empty()).or(own);
                Ok(OutPart { name: part.name.clone(), filename, content_type: part.content_type.clone(), content })
            });
            OutBody::Multipart(parts.collect::<Result<_, String>>()?)
        }
        Body::Bytes(blob) => {
            put(&mut headers, CONTENT_TYPE.as_str(), &blob.content_type)?;
            OutBody::Bytes(blob.data.clone())
        }
        Body::Image(digest) => {
            let upload = Upload::open(granted.images, digest)?;
            if !headers.contains_key(CONTENT_TYPE) {
                put(&mut headers, CONTENT_TYPE.as_str(), "application/octet-stream")?;
            }
            OutBody::Image(upload)
        }
    };
    Ok(Outgoing { method: method(request.method), url, headers, body })
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header name"))?;
    let mut value =
        HeaderValue::from_str(value).map_err(|_| format!("the value of `{name}` cannot stand in a header"))?;
    value.set_sensitive(name.eq_ignore_ascii_case("cookie"));
    headers.insert(parsed, value);
    Ok(())
}
