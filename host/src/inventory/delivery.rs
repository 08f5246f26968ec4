//! A delivery list: what was ordered, under which purchase order, and what of it has arrived.
//!
//! CSV or TOML by its ending, the same fields in both. Every field of every row is checked and all problems are named at once; a list
//! with one problem is not used at all. It says nothing of NetBox: `netbox::populate::deliveries` does.

mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use farrier_lifecycle::Mac;
use jiff::civil::Date;

use self::rows::Fields;
use super::document::Row;
use super::read::{FileError, Problem};

/// The fields of a row: the columns of the CSV, the keys of a `[[delivery]]`.
pub const FIELDS: [&str; 11] = [
    "purchase_order",
    "serial",
    "bmc_mac",
    "warranty_start",
    "warranty_end",
    "site",
    "model",
    "manufacturer",
    "name",
    "ordered",
    "received",
];
/// Of these a row must have a value.
const NEEDED: [&str; 6] = ["purchase_order", "serial", "bmc_mac", "warranty_start", "site", "model"];

/// One server that was ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// As the supplier writes it.
    pub purchase_order: String,
    /// As on the delivery note.
    pub serial: String,
    /// The controller's, as on its label.
    pub bmc_mac: Mac,
    /// First day of the warranty.
    pub warranty_start: Date,
    /// Its last day.
    pub warranty_end: Option<Date>,
    /// Slug or name of a site NetBox has.
    pub site: String,
    /// As NetBox names the device type.
    pub model: String,
    /// Who makes it.
    pub manufacturer: Option<String>,
    /// The device's name; made from the serial number when absent.
    pub name: Option<String>,
    /// When it was ordered; the warranty's first day when absent.
    pub ordered: Option<Date>,
    /// When it arrived; absent: not yet, as far as the list knows.
    pub received: Option<Date>,
}

impl Delivery {
    /// The device's name.
    pub fn device(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.serial.clone())
    }

    /// Days since it was ordered; none while that is to come.
    pub fn age(&self, today: Date) -> Option<u32> {
        let since = self.ordered.unwrap_or(self.warranty_start);
        let span = since.until((jiff::Unit::Day, today)).ok()?;
        u32::try_from(span.get_days()).ok()
    }
}

/// Read and check a list; `today` is the day of a row that says only that it was received.
pub fn load(path: &Path, today: Date) -> Result<Vec<Row<Delivery>>, FileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| FileError::Unreadable { path: path.to_owned(), source })?;
    let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    parse(path, &text, is_csv, today)
}

/// Check what a list says; `path` is for messages.
pub fn parse(path: &Path, text: &str, is_csv: bool, today: Date) -> Result<Vec<Row<Delivery>>, FileError> {
    let mut problems = Vec::new();
    let raw = if is_csv { rows::csv(text, &mut problems) } else { rows::toml(text, &mut problems) };
    let mut rows = Vec::new();
    for (line, fields) in raw {
        let reader = Reader { line, fields: &fields, problems: &mut problems };
        rows.extend(reader.delivery(today).map(|value| Row { line, value }));
    }
    twice(&rows, &mut problems);
    if rows.is_empty() && problems.is_empty() {
        let text = "has no row".to_owned();
        problems.push(Problem {
            line: 0,
            at: "the file".to_owned(),
            text,
            hint: format!("fields: {}", FIELDS.join(", ")),
        });
    }
    if problems.is_empty() {
        return Ok(rows);
    }
    problems.sort();
    problems.dedup();
    Err(FileError::Problems { path: path.to_owned(), problems })
}

/// What may stand once in a list.
fn twice(rows: &[Row<Delivery>], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for Row { line, value } in rows {
        let unique =
            [("serial", value.serial.to_uppercase()), ("bmc_mac", value.bmc_mac.to_string()), ("name", value.device())];
        for (field, value) in unique {
            if let Some(first) = seen.insert((field, value.clone()), *line) {
                let text = format!("`{value}` is on line {first} too");
                problems.push(Problem { line: *line, at: field.to_owned(), text, hint: String::new() });
            }
        }
    }
}

/// Reads one row, and says everything that is wrong with it.
struct Reader<'a> {
    line: usize,
    fields: &'a Fields,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn delivery(mut self, today: Date) -> Option<Delivery> {
        for name in NEEDED {
            if self.text(name).is_none() {
                self.say(name, "is empty".to_owned(), "");
            }
        }
        for (name, most) in
            [("purchase_order", 100), ("serial", 50), ("model", 100), ("manufacturer", 100), ("name", 64)]
        {
            let text = self.text(name).unwrap_or_default();
            if text.chars().count() > most {
                self.say(name, format!("is longer than {most} characters"), "");
            }
            if text.chars().any(char::is_control) || (name == "serial" && text.contains(char::is_whitespace)) {
                self.say(name, format!("`{}` has characters that do not belong there", text.escape_debug()), "");
            }
        }
        let bmc_mac = self.mac();
        let (warranty_start, warranty_end) = (self.date("warranty_start"), self.date("warranty_end"));
        if let (Some(start), Some(end)) = (warranty_start, warranty_end)
            && end < start
        {
            self.say("warranty_end", format!("{end} is before the warranty's first day, {start}"), "");
        }
        let ordered = self.date("ordered");
        let received = self.received(today);
        Some(Delivery {
            purchase_order: self.text("purchase_order")?,
            serial: self.text("serial")?,
            bmc_mac: bmc_mac?,
            warranty_start: warranty_start?,
            warranty_end,
            site: self.text("site")?,
            model: self.text("model")?,
            manufacturer: self.text("manufacturer"),
            name: self.text("name"),
            ordered,
            received,
        })
    }

    fn say(&mut self, at: &str, text: String, hint: &str) {
        self.problems.push(Problem { line: self.line, at: at.to_owned(), text, hint: hint.to_owned() });
    }

    fn text(&self, name: &str) -> Option<String> {
        self.fields.get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn mac(&mut self) -> Option<Mac> {
        let text = self.text("bmc_mac")?;
        match text.parse::<Mac>() {
            Ok(mac) => Some(mac),
            Err(error) => {
                self.say("bmc_mac", error.to_string(), "as on the controller's label: `94:40:c9:00:00:01`");
                None
            }
        }
    }

    fn date(&mut self, name: &str) -> Option<Date> {
        let text = self.text(name)?;
        let date = text.parse::<Date>().ok();
        if date.is_none() {
            self.say(name, format!("`{}` is not a day", text.escape_debug()), "year-month-day: `2026-11-22`");
        }
        date
    }

    /// A day, or yes; nothing or no: it has not arrived.
    fn received(&mut self, today: Date) -> Option<Date> {
        match self.text("received")?.to_lowercase().as_str() {
            "no" | "false" => None,
            "yes" | "true" => Some(today),
            _ => self.date("received"),
        }
    }
}

#[cfg(test)]
mod tests;
