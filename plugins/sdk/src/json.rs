//! Reading JSON that is nearly what the schema says.
//!
//! Promises: a missing member, a null, a wrong type and a placeholder all read as `None`; nothing here fails or
//! panics. Does not: validate; where a value is required, the caller says so with an error of its own.
//!
//! Not obvious: member names are looked up exactly first and then without regard to case, because one tree of one
//! controller spells the same name both ways.

use crate::text;
use serde_json::Value;

/// Tolerant getters over a JSON value. A path is a list of member names.
pub trait Json {
    /// The member at a path; null counts as absent.
    fn at(&self, path: &[&str]) -> Option<&Value>;
    /// A text that says something, without padding.
    fn text(&self, path: &[&str]) -> Option<String>;
    /// A number, also where it is written as a text.
    fn number(&self, path: &[&str]) -> Option<f64>;
    /// A number that is not negative, rounded down.
    fn natural(&self, path: &[&str]) -> Option<u64>;
    /// A flag, also where it is written as `Enabled`, `true`, `Yes` and their opposites.
    fn flag(&self, path: &[&str]) -> Option<bool>;
    /// The members of an array; empty for an object or a null in its place.
    fn list(&self, path: &[&str]) -> &[Value];
    /// The texts of an array that say something.
    fn texts(&self, path: &[&str]) -> Vec<String>;
    /// The `@odata.id` of the object at a path.
    fn link(&self, path: &[&str]) -> Option<String>;
    /// `Status.State` is `Absent`: a slot with nothing in it.
    fn is_absent(&self) -> bool;
}

impl Json for Value {
    fn at(&self, path: &[&str]) -> Option<&Value> {
        let mut here = self;
        for name in path {
            let members = here.as_object()?;
            here = members
                .get(*name)
                .or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))?;
        }
        (!here.is_null()).then_some(here)
    }

    fn text(&self, path: &[&str]) -> Option<String> {
        match self.at(path)? {
            Value::String(text) => text::clean(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn number(&self, path: &[&str]) -> Option<f64> {
        match self.at(path)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number: &f64| number.is_finite())
    }

    fn natural(&self, path: &[&str]) -> Option<u64> {
        match self.at(path)? {
            Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(floor)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn flag(&self, path: &[&str]) -> Option<bool> {
        match self.at(path)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "enabled" | "enable" | "yes" | "on" => Some(true),
                "false" | "disabled" | "disable" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn list(&self, path: &[&str]) -> &[Value] {
        self.at(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn texts(&self, path: &[&str]) -> Vec<String> {
        self.list(path).iter().filter_map(|value| text::clean(value.as_str()?)).collect()
    }

    fn link(&self, path: &[&str]) -> Option<String> {
        let id = self.at(path)?.at(&["@odata.id"])?.as_str()?;
        (!id.is_empty()).then(|| id.to_owned())
    }

    fn is_absent(&self) -> bool {
        self.text(&["Status", "State"]).is_some_and(|state| state.eq_ignore_ascii_case("absent"))
    }
}

/// A float that is a natural number after rounding down, within what a float holds exactly.
fn floor(number: f64) -> Option<u64> {
    let exact = 2_f64.powi(53);
    // The text form is exact here and avoids a narrowing cast.
    (0.0..exact).contains(&number).then(|| format!("{:.0}", number.floor()).parse().ok()).flatten()
}

/// Merge `patch` into `base`: objects member by member, everything else replaced.
pub fn merge(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, patch) => *base = patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn odd_values_read_as_absent_or_as_meant() {
        let value = json!({
            "Members": null, "Controllers": {}, "Serial": "   ", "Password": "null", "Watts": "12.5",
            "Life": 99.0, "Mode": "Disabled", "Links": {"self": {"@odata.id": "/redfish/v1/x/"}}
        });
        assert!(value.list(&["Members"]).is_empty());
        assert!(value.list(&["Controllers"]).is_empty());
        assert_eq!(value.text(&["Serial"]), None);
        assert_eq!(value.text(&["Password"]), None);
        assert_eq!(value.number(&["Watts"]), Some(12.5));
        assert_eq!(value.natural(&["Life"]), Some(99));
        assert_eq!(value.flag(&["mode"]), Some(false));
        assert_eq!(value.link(&["links", "Self"]), Some("/redfish/v1/x/".to_owned()));
    }

    #[test]
    fn merging_keeps_what_the_patch_does_not_name() {
        let mut base = json!({"Oem": {"Hpe": {"A": 1}}, "SSH": {"ProtocolEnabled": true}});
        merge(&mut base, &json!({"Oem": {"Hpe": {"B": 2}}, "SSH": {"ProtocolEnabled": false}}));
        assert_eq!(base, json!({"Oem": {"Hpe": {"A": 1, "B": 2}}, "SSH": {"ProtocolEnabled": false}}));
    }
}
