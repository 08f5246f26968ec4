//! What a property accepts.
//!
//! Promises one line of text for each writable property in a data file: `bool`, `int:60..10800`, `text:1024`,
//! `texts:2`, `enum:A|B`, `any`, each with an optional `@control` naming the hardening control it belongs
//! to. It does not know about rules between properties.

use serde_json::Value;

/// What one property accepts, and which control it is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    shape: Shape,
    /// The hardening control this property belongs to.
    pub(super) control: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Flag,
    Number(i64, i64),
    OneOfNumbers(Vec<i64>),
    Text(usize),
    Texts(usize),
    Word(Vec<String>),
    Any,
}

/// Why a value is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The JSON type is wrong.
    Type,
    /// The value is outside what is allowed.
    Value,
}

impl Rule {
    /// Read a rule; `None` when the text is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (shape, control) = match text.rsplit_once('@') {
            Some((shape, control)) => (shape, Some(control.to_owned())),
            None => (text, None),
        };
        let (name, rest) = shape.split_once(':').unwrap_or((shape, ""));
        let shape = match name {
            "bool" => Shape::Flag,
            "int" => {
                let (low, high) = rest.split_once("..")?;
                Shape::Number(low.parse().ok()?, high.parse().ok()?)
            }
            "ints" => Shape::OneOfNumbers(rest.split('|').map(str::parse).collect::<Result<_, _>>().ok()?),
            "text" => Shape::Text(if rest.is_empty() { 256 } else { rest.parse().ok()? }),
            "texts" => Shape::Texts(rest.parse().ok()?),
            "enum" => Shape::Word(rest.split('|').map(str::to_owned).collect()),
            "any" => Shape::Any,
            _ => return None,
        };
        Some(Self { shape, control })
    }

    /// Whether the value is accepted.
    pub(super) fn check(&self, value: &Value) -> Result<(), Refusal> {
        let within = |ok: bool| if ok { Ok(()) } else { Err(Refusal::Value) };
        match &self.shape {
            Shape::Any => Ok(()),
            Shape::Flag => value.as_bool().map(|_| ()).ok_or(Refusal::Type),
            Shape::Number(low, high) => {
                value.as_i64().ok_or(Refusal::Type).and_then(|n| within(n >= *low && n <= *high))
            }
            Shape::OneOfNumbers(allowed) => {
                value.as_i64().ok_or(Refusal::Type).and_then(|n| within(allowed.contains(&n)))
            }
            Shape::Text(longest) => value.as_str().ok_or(Refusal::Type).and_then(|s| within(s.len() <= *longest)),
            Shape::Texts(most) => {
                let items = value.as_array().ok_or(Refusal::Type)?;
                if items.iter().any(|item| !(item.is_string() || item.is_null())) {
                    return Err(Refusal::Type);
                }
                within(items.len() <= *most)
            }
            Shape::Word(allowed) => {
                value.as_str().ok_or(Refusal::Type).and_then(|s| within(allowed.iter().any(|word| word == s)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Refusal, Rule};
    use serde_json::json;

    #[test]
    fn a_rule_says_what_it_accepts_and_whose_control_it_is() {
        let rule = Rule::parse("enum:TLS 1.1 and Higher|TLS 1.2 Only@tls-minimum-version").unwrap();
        assert_eq!(rule.control.as_deref(), Some("tls-minimum-version"));
        assert_eq!(rule.check(&json!("TLS 1.2 Only")), Ok(()));
        assert_eq!(rule.check(&json!("TLS 1.2")), Err(Refusal::Value));
        assert_eq!(rule.check(&json!(12)), Err(Refusal::Type));
    }

    #[test]
    fn numbers_and_lists_have_limits() {
        assert_eq!(Rule::parse("int:60..10800").unwrap().check(&json!(59)), Err(Refusal::Value));
        assert_eq!(Rule::parse("ints:15|30").unwrap().check(&json!(30)), Ok(()));
        assert_eq!(Rule::parse("texts:2").unwrap().check(&json!(["a", "b", "c"])), Err(Refusal::Value));
        assert_eq!(Rule::parse("texts:2").unwrap().check(&json!("a")), Err(Refusal::Type));
        assert_eq!(Rule::parse("what"), None);
    }
}
