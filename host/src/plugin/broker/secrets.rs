//! Secrets by name: put in where a plugin asks for them.
//!
//! Promises that only names granted to a call are replaced, and that a `{"$secret": …}` is recognised only as a whole object
//! after parsing, so no spelling of the text gets round it. What comes back is [`mask`](super::mask)'s.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fault::Secret;

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::plugin::broker::mask::mask;

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
}
