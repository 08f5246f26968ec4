//! The PoC's `server_mac_addresses.csv`: one line an interface, read and written.
//!
//! It names no model, serial number or cable: a server read from it has no expectation of those, and validate says so
//! unless policy does not require them.

use std::collections::BTreeMap;

use super::document::{Document, Interface, Rack, Row, Server, Site, slug};
use super::read::Problem;

/// The PoC's columns, in its order.
pub const COLUMNS: [&str; 7] = ["Datacenter", "Rack", "Server", "Interface", "MAC Address", "Type", "Description"];

/// Interface names that are a controller's in a file.
const CONTROLLERS: [&str; 5] = ["bmc", "ilo", "idrac", "ipmi", "xcc"];

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// The site's name.
    #[serde(rename = "Datacenter")]
    pub datacenter: String,
    /// The rack's name.
    #[serde(rename = "Rack")]
    pub rack: String,
    /// The server's name.
    #[serde(rename = "Server")]
    pub server: String,
    /// The interface's name.
    #[serde(rename = "Interface")]
    pub interface: String,
    /// Upper case, colons.
    #[serde(rename = "MAC Address")]
    pub mac: String,
    /// NetBox's interface type.
    #[serde(rename = "Type")]
    pub kind: String,
    /// For people.
    #[serde(rename = "Description")]
    pub description: String,
}

/// Read the lines into a document; columns may come in any order.
pub(super) fn parse(text: &str, problems: &mut Vec<Problem>) -> Document {
    let mut document = Document::default();
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let Some(order) = columns(&mut reader, problems) else { return document };
    let mut servers: BTreeMap<String, usize> = BTreeMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(Problem {
                    line: error.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0)),
                    at: "csv".to_owned(),
                    text: error.to_string(),
                    hint: String::new(),
                });
                continue;
            }
        };
        let line = record.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
        let mut cells = order.iter().map(|index| index.and_then(|index| record.get(index)).unwrap_or("").to_owned());
        let mut cell = || cells.next().unwrap_or_default();
        let entry = Line {
            datacenter: cell(),
            rack: cell(),
            server: cell(),
            interface: cell(),
            mac: cell(),
            kind: cell(),
            description: cell(),
        };
        take(&mut document, &mut servers, line, entry, problems);
    }
    document
}

/// Where each of our columns stands; a missing one that matters is a problem.
fn columns(reader: &mut csv::Reader<&[u8]>, problems: &mut Vec<Problem>) -> Option<[Option<usize>; 7]> {
    let header = reader.headers().cloned().unwrap_or_default();
    let place = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
    let order = COLUMNS.map(place);
    let missing: Vec<&str> = COLUMNS
        .into_iter()
        .filter(|name| !matches!(*name, "Rack" | "Type" | "Description") && place(name).is_none())
        .collect();
    if missing.is_empty() {
        return Some(order);
    }
    problems.push(Problem {
        line: 1,
        at: "header".to_owned(),
        text: format!("column(s) missing: {}", missing.join(", ")),
        hint: format!("the first line must be `{}`", COLUMNS.join(",")),
    });
    None
}

fn take(
    document: &mut Document,
    servers: &mut BTreeMap<String, usize>,
    line: usize,
    entry: Line,
    problems: &mut Vec<Problem>,
) {
    for (value, column) in
        [(&entry.datacenter, "Datacenter"), (&entry.server, "Server"), (&entry.interface, "Interface")]
    {
        if value.is_empty() {
            problems.push(Problem { line, at: column.to_owned(), text: "is empty".to_owned(), hint: String::new() });
            return;
        }
    }
    let site = slug(&entry.datacenter);
    if document.slug_of(&site).is_none() {
        let value = Site { name: entry.datacenter.clone(), slug: Some(site.clone()) };
        document.sites.push(Row { line, value });
    }
    let racked = |row: &Row<Rack>| row.value.name == entry.rack && row.value.site == site;
    if !entry.rack.is_empty() && !document.racks.iter().any(racked) {
        let value = Rack { name: entry.rack.clone(), site: site.clone(), units: Rack::default_units() };
        document.racks.push(Row { line, value });
    }
    let index = *servers.entry(entry.server.clone()).or_insert_with(|| {
        let value = Server {
            name: entry.server.clone(),
            site: site.clone(),
            rack: Some(entry.rack.clone()).filter(|rack| !rack.is_empty()),
            bmc_interface: "bmc".to_owned(),
            ..Server::default()
        };
        document.servers.push(Row { line, value });
        document.servers.len() - 1
    });
    let Some(server) = document.servers.get_mut(index).map(|row| &mut row.value) else { return };
    if server.site != site {
        let text = format!("`{}` stands in `{}` on another line", entry.server, server.site);
        problems.push(Problem { line, at: "Datacenter".to_owned(), text, hint: String::new() });
    }
    if server.bmc_mac.is_empty() && CONTROLLERS.iter().any(|name| entry.interface.eq_ignore_ascii_case(name)) {
        server.bmc_mac = entry.mac;
        server.bmc_interface = entry.interface;
        return;
    }
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    server.interface.push(Interface {
        name: entry.interface,
        mac: text(entry.mac),
        kind: text(entry.kind),
        description: text(entry.description),
        cable: None,
    });
}

/// Write lines with the header.
pub fn write(lines: &[Line], out: impl std::io::Write) -> Result<(), csv::Error> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    writer.write_record(COLUMNS)?;
    for line in lines {
        writer.serialize(line)?;
    }
    writer.flush()?;
    Ok(())
}
