//! The rows of a delivery list as texts, with the lines they stand on; CSV with a header, or TOML with `[[delivery]]`.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{FIELDS, NEEDED};
use crate::inventory::read::{Problem, line_of};

/// A row: field and text.
pub type Fields = BTreeMap<String, String>;

fn problem(line: usize, at: &str, text: impl Into<String>, hint: String) -> Problem {
    Problem { line, at: at.to_owned(), text: text.into(), hint }
}

fn known() -> String {
    format!("fields: {}", FIELDS.join(", "))
}

/// Columns may come in any order, and only those that are known.
pub fn csv(text: &str, problems: &mut Vec<Problem>) -> Vec<(usize, Fields)> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => {
            header.iter().map(|name| name.trim_start_matches('\u{feff}').to_lowercase().replace(' ', "_")).collect()
        }
        Err(error) => {
            problems.push(problem(1, "header", error.to_string(), known()));
            return Vec::new();
        }
    };
    for name in header.iter().filter(|name| !FIELDS.contains(&name.as_str())) {
        problems.push(problem(1, "header", format!("no such column: `{name}`"), known()));
    }
    for name in NEEDED.iter().filter(|name| !header.iter().any(|column| column == *name)) {
        problems.push(problem(1, "header", format!("the column `{name}` is missing"), known()));
    }
    if !problems.is_empty() {
        return Vec::new();
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
                rows.push((line, header.iter().cloned().zip(record.iter().map(str::to_owned)).collect()));
            }
            Err(error) => {
                let line = error.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
                problems.push(problem(line, "csv", error.to_string(), String::new()));
            }
        }
    }
    rows
}

/// Texts, days and yes or no, each as text.
pub fn toml(text: &str, problems: &mut Vec<Problem>) -> Vec<(usize, Fields)> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        problems.push(problem(line, "syntax", error.message(), String::new()));
    }
    let mut rows = Vec::new();
    for (key, value) in table.into_inner() {
        let line = line_of(text, key.span().start);
        let DeValue::Array(items) = value.into_inner() else {
            problems.push(problem(line, key.get_ref(), "is not a list of tables", "write `[[delivery]]`".to_owned()));
            continue;
        };
        if key.get_ref() != "delivery" {
            problems.push(problem(line, key.get_ref(), "no such table", "the file has [[delivery]]".to_owned()));
            continue;
        }
        for item in items {
            let line = line_of(text, item.span().start);
            let DeValue::Table(fields) = item.into_inner() else { continue };
            let mut row = Fields::new();
            for (name, value) in fields {
                let line = line_of(text, name.span().start);
                if !FIELDS.contains(&name.get_ref().as_ref()) {
                    problems.push(problem(line, name.get_ref(), "unknown key", known()));
                }
                match shown(value.get_ref()) {
                    Some(text) => drop(row.insert(name.get_ref().to_string(), text)),
                    None => problems.push(problem(line, name.get_ref(), "is not a text", String::new())),
                }
            }
            rows.push((line, row));
        }
    }
    rows
}

fn shown(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(_) | DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}
