//! Secrets by name: put in where a plugin asks for them, taken out of what comes back.
//!
//! Promises that only names granted to a call are replaced, that a `{"$secret": …}` is recognised only as a whole object
//! after parsing (so no spelling of the text gets round it), and that a granted secret echoed by a controller is masked, also
//! where the echo is JSON inside a string of JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::fault::Secret;

/// Shorter secrets are not masked in answers: they would be found everywhere.
const MASKED_FROM: usize = 6;

/// What one call was granted.
#[derive(Clone, Debug, Default)]
pub struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// Nothing.
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// The same with one more.
    #[must_use]
    pub fn grant(mut self, name: impl Into<String>, secret: Secret) -> Self {
        self.0.insert(name.into(), secret);
        self
    }

    /// The secret of this name, or the reason for `denied`.
    pub fn get(&self, name: &str) -> Result<&Secret, String> {
        self.0.get(name).ok_or_else(|| format!("this call was granted no secret `{name}`"))
    }

    /// All of them, to be masked.
    pub fn all(&self) -> impl Iterator<Item = &Secret> {
        self.0.values()
    }

    /// The JSON text with each `{"$secret": "name"}` replaced; unchanged to the byte where there is none.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut value: Value = serde_json::from_str(text).map_err(|error| format!("the body is not JSON: {error}"))?;
        Ok(if self.replace(&mut value)? { value.to_string() } else { text.to_owned() })
    }

    fn replace(&self, value: &mut Value) -> Result<bool, String> {
        match value {
            Value::Object(fields) => {
                if let (1, Some(Value::String(name))) = (fields.len(), fields.get("$secret")) {
                    *value = Value::String(self.get(name)?.expose().to_owned());
                    return Ok(true);
                }
                if let (1, Some(inner)) = (fields.len(), fields.get_mut("$json")) {
                    self.replace(inner)?;
                    *value = Value::String(inner.to_string());
                    return Ok(true);
                }
                fields.values_mut().try_fold(false, |any, field| Ok(self.replace(field)? || any))
            }
            Value::Array(items) => items.iter_mut().try_fold(false, |any, item| Ok(self.replace(item)? || any)),
            _ => Ok(false),
        }
    }
}

/// JSON in a string of JSON is as deep as any system was seen to echo a password.
const DEPTH: usize = 2;

/// Mask each secret in a body, as it is and as JSON would write it.
pub fn mask<'a>(mut body: Vec<u8>, secrets: impl Iterator<Item = &'a Secret>) -> Vec<u8> {
    for secret in secrets.filter(|secret| secret.expose().len() >= MASKED_FROM) {
        for needle in spellings(secret.expose()) {
            body = replace_all(body, needle.as_bytes());
        }
    }
    body
}

/// A text as it is and as JSON writes it, in a string and in a string of a string; the deepest first, since a lesser one may
/// stand in it.
fn spellings(plain: &str) -> Vec<String> {
    let mut layer = vec![plain.to_owned()];
    let mut all = layer.clone();
    for _ in 0..DEPTH {
        let mut next: Vec<String> = layer.iter().flat_map(|text| escapes(text)).collect();
        next.sort();
        next.dedup();
        all.splice(0..0, next.iter().cloned());
        layer = next;
    }
    all.dedup();
    all
}

/// The ways writers of JSON escape a text: as little as allowed, with `\/`, in ASCII alone, and for HTML.
fn escapes(text: &str) -> [String; 6] {
    let quoted = Value::String(text.to_owned()).to_string();
    let least = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
    let wide = |c: char| !c.is_ascii();
    let html = |c: char| !c.is_ascii() || matches!(c, '<' | '>' | '&' | '\'' | '=');
    [
        coded(least, wide, false),
        coded(least, wide, true),
        coded(least, html, false),
        coded(least, html, true),
        least.replace('/', "\\/"),
        least.to_owned(),
    ]
}

/// The text with those characters as `\uXXXX`.
fn coded(text: &str, which: impl Fn(char) -> bool, upper: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !which(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = if upper { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
        }
    }
    out
}

/// The same for a text.
pub fn mask_text<'a>(text: String, secrets: impl Iterator<Item = &'a Secret>) -> String {
    String::from_utf8_lossy(&mask(text.into_bytes(), secrets)).into_owned()
}

fn replace_all(body: Vec<u8>, needle: &[u8]) -> Vec<u8> {
    let found = |rest: &[u8]| rest.windows(needle.len()).position(|window| window == needle);
    let Some(mut at) = found(&body) else { return body };
    let mut masked = Vec::with_capacity(body.len());
    let mut rest = body.as_slice();
    loop {
        let (before, after) = rest.split_at(at);
        masked.extend_from_slice(before);
        masked.extend_from_slice(b"********");
        rest = after.get(needle.len()..).unwrap_or_default();
        match found(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    masked.extend_from_slice(rest);
    masked
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn granted() -> Secrets {
        Secrets::none().grant("new", Secret::new("pass\"word1"))
    }

    #[test]
    fn only_whole_objects_of_granted_names_are_replaced() {
        let filled = granted().fill(r#"{"Password":{"$secret":"new"},"list":[{"\u0024secret":"new"}]}"#).unwrap();
        assert_eq!(filled, r#"{"Password":"pass\"word1","list":["pass\"word1"]}"#);
        let same = r#"{ "b": 1, "a": {"$secret":"new","x":1}, "c": "$secret" }"#;
        assert_eq!(granted().fill(same).unwrap(), same);
        assert!(granted().fill(r#"{"Password":{"$secret":"other"}}"#).unwrap_err().contains("`other`"));
        assert!(granted().fill("{").unwrap_err().contains("not JSON"));
    }

    #[test]
    fn an_echo_is_masked_in_both_spellings() {
        let body = br#"{"a":"pass\"word1","b":"x"} pass"word1 pass"word1"#.to_vec();
        let masked = String::from_utf8(mask(body, granted().all())).unwrap();
        assert_eq!(masked, r#"{"a":"********","b":"x"} ******** ********"#);
    }

    #[test]
    fn json_in_a_string_gets_its_secrets_and_is_masked_when_echoed() {
        let filled =
            granted().fill(r#"{"Profile":{"$json":{"credentials":[{"password":{"$secret":"new"}}]}}}"#).unwrap();
        let outer: Value = serde_json::from_str(&filled).unwrap();
        let inner: Value = serde_json::from_str(outer["Profile"].as_str().unwrap()).unwrap();
        assert_eq!(inner["credentials"][0]["password"], "pass\"word1");
        assert!(granted().fill(r#"{"P":{"$json":{"$secret":"other"}}}"#).unwrap_err().contains("`other`"));
        let masked = String::from_utf8(mask(filled.into_bytes(), granted().all())).unwrap();
        assert!(!masked.contains("word1") && masked.contains("********"), "{masked}");
        assert!(serde_json::from_str::<Value>(&masked).is_ok(), "{masked}");
    }

    #[test]
    fn an_echo_in_ascii_is_masked_at_every_depth() {
        let secret = Secret::new("pä\"ss/w<rd");
        for text in [r#"p\u00e4\"ss/w<rd"#, r#"p\u00E4\"ss/w\u003Crd"#, r#"pä\"ss\/w<rd"#] {
            for body in [text.to_owned(), Value::String(text.to_owned()).to_string()] {
                let masked = mask_text(body.clone(), std::iter::once(&secret));
                assert!(!masked.contains("ss"), "{body}: {masked}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_masked_text_holds_the_secret(before in ".{0,20}", after in ".{0,20}", secret in "[a-z]{6,12}") {
            let text = format!("{before}{secret}{secret}{after}");
            let secret = Secret::new(secret);
            let masked = mask_text(text, std::iter::once(&secret));
            // The mask could only give birth to the secret again if the secret held the mask.
            proptest::prop_assert!(!masked.contains(secret.expose()));
        }
    }
}
