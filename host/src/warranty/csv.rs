//! The CSV an operator keeps: `serial,level,starts,ends`, dates as `2028-01-31`.
//!
//! Promises the line number of what cannot be read. Further columns are the operator's own and are passed over; an empty
//! `ends` with a `level` says why there is none ("no contract").

use std::collections::BTreeMap;
use std::io::Read;

use farrier_lifecycle::Timestamp;

/// A CSV that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// Not the columns, or not CSV.
    #[error("warranty csv: {0} (the columns are serial, level, starts, ends)")]
    Shape(#[from] csv::Error),
    /// The column that says whose line it is.
    #[error("warranty csv: there is no column `serial` (the columns are serial, level, starts, ends)")]
    NoSerial,
    /// A date that is none.
    #[error("warranty csv, line {line}: `{text}` is no date; write 2028-01-31")]
    Date {
        /// Counted from 1.
        line: u64,
        /// What stands there.
        text: String,
    },
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is bought.
    pub level: String,
    /// The end of its last day, UTC.
    pub ends: Option<Timestamp>,
}

/// The lines by serial, upper case. Of several for one serial the latest end counts.
pub fn parse(text: impl Read) -> Result<BTreeMap<String, Line>, CsvError> {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text);
    let headers = reader.headers()?;
    let column = |name: &str| headers.iter().position(|header| header == name);
    let (serial, level, ends) = (column("serial").ok_or(CsvError::NoSerial)?, column("level"), column("ends"));
    for record in reader.into_records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        // A line may be shorter than the headers: what it does not say is empty.
        let field = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default();
        let serial = field(Some(serial));
        if serial.is_empty() {
            continue;
        }
        let ends = match field(ends) {
            "" => None,
            text => Some(end_of(text).ok_or_else(|| CsvError::Date { line, text: text.to_owned() })?),
        };
        let known =
            lines.entry(serial.to_ascii_uppercase()).or_insert_with(|| Line { level: String::new(), ends: None });
        if known.level.is_empty() || ends > known.ends {
            *known = Line { level: field(level).to_owned(), ends };
        }
    }
    Ok(lines)
}

/// The last millisecond of a day.
fn end_of(text: &str) -> Option<Timestamp> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let end = date.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
    u64::try_from(end).ok().map(|end| Timestamp(end.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn the_latest_end_counts_and_other_columns_are_the_operators() {
        let text = "serial,level,starts,ends,order\nmxq00001 , Foundation Care,2023-01-01,2026-01-31,A-1\n\
                    MXQ00001,Tech Care,2026-02-01,2029-01-31,A-2\nMXQ00002,no contract,,\n";
        let lines = parse(text.as_bytes()).unwrap();
        assert_eq!(lines["MXQ00001"], Line { level: "Tech Care".to_owned(), ends: Some(Timestamp(1_864_598_399_999)) });
        assert_eq!(lines["MXQ00002"], Line { level: "no contract".to_owned(), ends: None });
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let error = parse("serial,level,starts,ends\nA,x,,2026-01-31\nB,x,,31.1.2026\n".as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "warranty csv, line 3: `31.1.2026` is no date; write 2028-01-31");
        assert!(parse("tag,until\nA,2026-01-31\n".as_bytes()).is_err());
    }
}
