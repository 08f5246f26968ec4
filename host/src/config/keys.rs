//! From a TOML table to the configuration: every key that is unknown or of the wrong type, not the first alone.
//!
//! Promises the path of each and, for an unknown key, the nearest known one. It checks no values beyond their types. Not obvious: what
//! is wrong is taken out of the table and the rest is read again, since a deserialiser stops at its first mistake.

use serde_path_to_error::{Path, Segment};
use toml::{Table, Value};

use super::{Config, Problem};

/// More than this many mistakes are a file of another program.
const MOST: usize = 50;

/// Read it, or say everything that is wrong with it.
pub fn read(mut table: Table) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, Config>(Value::Table(table.clone())) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => return Err(problems),
            Err(error) => error,
        };
        let (path, text) = (error.path().clone(), error.inner().message().trim().to_owned());
        let unknown = quoted(&text, "unknown field ");
        let mut segments = segments(&path);
        if let Some(key) = &unknown
            && segments.last().is_none_or(|last| last != key)
        {
            segments.push(key.clone());
        }
        problems.push(problem(&segments, unknown.as_deref(), &text));
        let gone = remove(&mut table, &segments);
        if !gone || problems.len() >= MOST {
            return Err(problems);
        }
    }
}

fn problem(segments: &[String], unknown: Option<&str>, text: &str) -> Problem {
    let path = shown(segments);
    let Some(key) = unknown else {
        let hint = match quoted(text, "missing field ") {
            Some(field) => format!("add `{field}`"),
            None => "`farrier config show` prints the configuration with its defaults".to_owned(),
        };
        return Problem { path, text: text.to_owned(), hint };
    };
    let known: Vec<&str> =
        text.split_once("expected").map_or("", |(_, rest)| rest).split('`').skip(1).step_by(2).collect();
    let nearest = known.iter().map(|name| (strsim::damerau_levenshtein(key, name), *name)).min();
    let hint = match nearest {
        Some((distance, name)) if distance <= 1 + key.len() / 3 => format!("did you mean `{name}`?"),
        _ => format!("known here: {}", known.join(", ")),
    };
    Problem { path, text: "unknown key".to_owned(), hint }
}

/// The first name in backticks after `start`.
fn quoted(text: &str, start: &str) -> Option<String> {
    let rest = text.strip_prefix(start)?.strip_prefix('`')?;
    rest.split_once('`').map(|(name, _)| name.to_owned())
}

/// Keys, and numbers of list items.
fn segments(path: &Path) -> Vec<String> {
    let one = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(one).collect()
}

fn shown(segments: &[String]) -> String {
    let mut text = String::new();
    for segment in segments {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            text.extend(["[", segment, "]"]);
        } else {
            text.push_str(if text.is_empty() { "" } else { "." });
            text.push_str(segment);
        }
    }
    if text.is_empty() { "the file".to_owned() } else { text }
}

/// Take out what the path leads to; whether it was there.
fn remove(table: &mut Table, segments: &[String]) -> bool {
    let Some((last, way)) = segments.split_last() else { return false };
    let mut way = way.iter();
    let mut at = match way.next() {
        None => return table.remove(last).is_some(),
        Some(first) => table.get_mut(first),
    };
    for segment in way {
        at = match at {
            Some(Value::Table(table)) => table.get_mut(segment),
            Some(Value::Array(list)) => segment.parse::<usize>().ok().and_then(|index| list.get_mut(index)),
            _ => None,
        };
    }
    match at {
        Some(Value::Table(table)) => table.remove(last).is_some(),
        Some(Value::Array(list)) => match last.parse::<usize>() {
            Ok(index) if index < list.len() => {
                list.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(String, String, String)> {
        let problems = read(toml::from_str(text).unwrap()).map(|_| ()).unwrap_err();
        problems.into_iter().map(|one| (one.path, one.text, one.hint)).collect()
    }

    #[test]
    fn every_unknown_key_is_named_with_the_nearest_known_one() {
        let found = problems(
            "state_dirr = \"/x\"\n[bmc]\nprot = 3\nrate = \"much\"\n[[bmc.credentials]]\nmatch = \"*\"\nuser_name = \"x\"\n\
             [policy.validate]\nrequires = []\n[completely_else]\nx = 1\n",
        );
        let of =
            |path: &str| found.iter().find(|(at, _, _)| at == path).unwrap_or_else(|| panic!("{path}: {found:#?}"));
        assert_eq!(of("state_dirr").2, "did you mean `state_dir`?");
        assert_eq!(of("bmc.prot").2, "did you mean `port`?");
        assert!(of("bmc.rate").1.contains("invalid type"));
        assert_eq!(of("bmc.credentials[0].user_name").2, "did you mean `username`?");
        assert_eq!(of("policy.validate.requires").2, "did you mean `require`?");
        assert!(of("completely_else").2.starts_with("known here: state_dir, site, "));
    }

    #[test]
    fn a_stage_is_off_or_a_table() {
        let config = read(toml::from_str("[policy]\nvalidate = \"off\"").unwrap()).unwrap();
        assert!(config.policy.validate.on().is_none() && config.policy.harden.on().is_some());
        let found = problems("[policy]\nvalidate = \"of\"");
        assert_eq!(found[0].0, "policy.validate");
        assert!(found[0].1.contains("expected `\"off\"` or a table"), "{found:?}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let found = problems("[netbox]\ntoken_file = \"x\"");
        assert_eq!((found[0].0.as_str(), found[0].2.as_str()), ("netbox", "add `url`"));
    }
}
