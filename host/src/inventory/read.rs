//! Reads an inventory file, TOML or CSV by its ending, and names all its problems at once.
//!
//! A row that cannot be read is a problem of its own and does not hide the others: each row of the TOML is deserialised
//! by itself.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::document::{Document, Row};
use super::{check, csv};

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line, from 1; 0: the file as a whole.
    pub line: usize,
    /// Which row and field: `server AMS-SRV-001: bmc_mac`.
    pub at: String,
    /// What is wrong.
    pub text: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.at, self.text)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\n    hint: {}", self.hint) }
    }
}

/// An inventory file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Missing, not readable, or not text.
    #[error("read inventory file `{path}`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It says things that cannot be.
    #[error("inventory file `{path}` has {} problem(s):\n{}", .problems.len(), list(.problems))]
    Problems {
        /// The file.
        path: PathBuf,
        /// All of them, by line.
        problems: Vec<Problem>,
    },
}

impl FileError {
    /// Kebab case, for faults and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "inventory-unreadable",
            Self::Problems { .. } => "inventory-invalid",
        }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n")
}

/// Read and check a file.
pub fn load(path: &Path) -> Result<Document, FileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| FileError::Unreadable { path: path.to_owned(), source })?;
    let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    parse(path, &text, is_csv)
}

/// Check what a file says; `path` is for messages.
pub fn parse(path: &Path, text: &str, is_csv: bool) -> Result<Document, FileError> {
    let mut problems = Vec::new();
    let mut document = if is_csv { csv::parse(text, &mut problems) } else { toml(text, &mut problems) };
    path.clone_into(&mut document.path);
    check::problems(&document, &mut problems);
    if problems.is_empty() {
        return Ok(document);
    }
    problems.sort();
    problems.dedup();
    Err(FileError::Problems { path: path.to_owned(), problems })
}

fn toml(text: &str, problems: &mut Vec<Problem>) -> Document {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        problems.push(Problem { line, at: "syntax".to_owned(), text: error.message().to_owned(), hint: String::new() });
    }
    let mut document = Document::default();
    for (key, value) in table.into_inner() {
        let line = line_of(text, key.span().start);
        match key.get_ref().as_ref() {
            "site" => document.sites = rows(text, "site", value, problems),
            "prefix" => document.prefixes = rows(text, "prefix", value, problems),
            "rack" => document.racks = rows(text, "rack", value, problems),
            "switch" => document.switches = rows(text, "switch", value, problems),
            "server" => document.servers = rows(text, "server", value, problems),
            other => problems.push(Problem {
                line,
                at: other.to_owned(),
                text: "no such table".to_owned(),
                hint: "the file has [[site]], [[prefix]], [[rack]], [[switch]] and [[server]]".to_owned(),
            }),
        }
    }
    document
}

fn rows<T: DeserializeOwned>(
    text: &str,
    kind: &str,
    value: Spanned<DeValue<'_>>,
    problems: &mut Vec<Problem>,
) -> Vec<Row<T>> {
    let line = line_of(text, value.span().start);
    let DeValue::Array(items) = value.into_inner() else {
        problems.push(Problem {
            line,
            at: kind.to_owned(),
            text: "is not a list of tables".to_owned(),
            hint: format!("write `[[{kind}]]`, with two brackets"),
        });
        return Vec::new();
    };
    let mut rows = Vec::new();
    for item in items {
        let line = line_of(text, item.span().start);
        let name = name_of(item.get_ref()).unwrap_or_default();
        match T::deserialize(ValueDeserializer::from(item)) {
            Ok(value) => rows.push(Row { line, value }),
            Err(error) => problems.push(Problem {
                line: error.span().map_or(line, |span| line_of(text, span.start)),
                at: format!("{kind} {name}").trim_end().to_owned(),
                text: error.message().to_owned(),
                hint: String::new(),
            }),
        }
    }
    rows
}

/// What the row calls itself, for messages about a row that cannot be read.
fn name_of(value: &DeValue<'_>) -> Option<String> {
    let DeValue::Table(table) = value else { return None };
    let (_, name) = table.iter().find(|(key, _)| matches!(key.get_ref().as_ref(), "name" | "prefix"))?;
    name.get_ref().as_str().map(str::to_owned)
}

pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
