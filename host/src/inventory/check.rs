//! What types cannot say of an inventory file: names that are taken twice, MACs, cable ends, rack units.
//!
//! Every problem, not the first; nothing is written anywhere while there is one.

use std::collections::{BTreeMap, BTreeSet};

use farrier_lifecycle::Mac;
use ipnet::IpNet;

use super::document::{Document, End, Row, Server};
use super::read::Problem;

/// No rack is higher, in NetBox neither.
const MOST_UNITS: u32 = 100;

/// Look at everything.
pub(super) fn problems(document: &Document, out: &mut Vec<Problem>) {
    let mut say = |line: usize, at: String, text: String, hint: &str| {
        out.push(Problem { line, at, text, hint: hint.to_owned() });
    };
    names(document, &mut say);
    places(document, &mut say);
    macs(document, &mut say);
    cables(document, &mut say);
    units(document, &mut say);
}

type Say<'a> = &'a mut dyn FnMut(usize, String, String, &str);

fn names(document: &Document, say: Say<'_>) {
    let sites = document.sites.iter().map(|row| (row.line, "site", row.value.slug()));
    let prefixes = document.prefixes.iter().map(|row| (row.line, "prefix", row.value.prefix.clone()));
    let switches = document.switches.iter().map(|row| (row.line, "device", row.value.name.clone()));
    let servers = document.servers.iter().map(|row| (row.line, "device", row.value.name.clone()));
    let racks =
        document.racks.iter().map(|row| (row.line, "rack", format!("{} in {}", row.value.name, row.value.site)));
    let mut seen = BTreeMap::new();
    for (line, kind, name) in sites.chain(prefixes).chain(racks).chain(switches).chain(servers) {
        if name.trim().is_empty() {
            say(line, kind.to_owned(), "has no name".to_owned(), "");
        } else if let Some(first) = seen.insert((kind, name.clone()), line) {
            say(line, format!("{kind} {name}"), format!("is named a second time; first on line {first}"), "");
        }
    }
    let tags =
        document.servers.iter().filter_map(|row| Some((row.line, &row.value.name, row.value.asset_tag.as_ref()?)));
    let mut seen = BTreeMap::new();
    for (line, name, tag) in tags {
        if let Some(first) = seen.insert(tag, name) {
            say(
                line,
                format!("server {name}: asset_tag"),
                format!("`{tag}` is `{first}`'s too"),
                "an asset tag is unique",
            );
        }
    }
    for row in &document.prefixes {
        if !row.value.prefix.parse::<IpNet>().is_ok_and(|net| net.trunc() == net) {
            let text = format!("`{}` is not a network", row.value.prefix);
            say(row.line, "prefix".to_owned(), text, "write the network's own address and its length: `10.55.1.0/24`");
        }
    }
}

fn places(document: &Document, say: Say<'_>) {
    let prefixes = document.prefixes.iter().filter_map(|row| {
        Some((row.line, format!("prefix {}", row.value.prefix), row.value.site.clone()?, None, None))
    });
    let racks = document
        .racks
        .iter()
        .map(|row| (row.line, format!("rack {}", row.value.name), row.value.site.clone(), None, None));
    let switches = document.switches.iter().map(|Row { line, value }| {
        (*line, format!("switch {}", value.name), value.site.clone(), value.rack.clone(), value.unit)
    });
    let servers = document.servers.iter().map(|Row { line, value }| {
        // The highest of its units, unless the lowest is wrong already.
        let top =
            value.unit.map(|unit| if unit == 0 { 0 } else { unit.saturating_add(value.units.unwrap_or(1).max(1) - 1) });
        (*line, format!("server {}", value.name), value.site.clone(), value.rack.clone(), top)
    });
    for (line, at, site, rack, unit) in prefixes.chain(racks).chain(switches).chain(servers) {
        let Some(slug) = document.slug_of(&site) else {
            say(
                line,
                format!("{at}: site"),
                format!("no site is called `{site}`"),
                "add a [[site]] with this slug or name",
            );
            continue;
        };
        let Some(name) = rack else {
            if unit.is_some() {
                say(line, format!("{at}: unit"), "a unit without a rack".to_owned(), "name the rack");
            }
            continue;
        };
        let rack = document
            .racks
            .iter()
            .map(|row| &row.value)
            .find(|known| known.name == name && document.slug_of(&known.site).as_ref() == Some(&slug));
        match (rack, unit) {
            (None, _) => {
                let text = format!("site `{slug}` has no rack `{name}`");
                say(line, format!("{at}: rack"), text, "add a [[rack]] with this name and site");
            }
            (Some(rack), Some(unit)) if unit == 0 || unit > rack.units => {
                let text = format!("unit {unit} is not in a rack of {} units", rack.units);
                say(line, format!("{at}: unit"), text, "units count from 1");
            }
            _ => {}
        }
    }
}

fn macs(document: &Document, say: Say<'_>) {
    let mut seen: BTreeMap<Mac, String> = BTreeMap::new();
    for Row { line, value: server } in &document.servers {
        let own = (format!("server {}: bmc_mac", server.name), Some(&server.bmc_mac));
        let others = server.interface.iter().map(|interface| {
            (format!("server {}: interface {}: mac", server.name, interface.name), interface.mac.as_ref())
        });
        for (at, text) in std::iter::once(own).chain(others) {
            let Some(text) = text else { continue };
            if text.is_empty() {
                say(*line, at, "is empty".to_owned(), "a server is found by its controller's MAC");
                continue;
            }
            match text.parse::<Mac>() {
                Err(error) => say(*line, at, error.to_string(), ""),
                Ok(mac) => {
                    if let Some(first) = seen.insert(mac, at.clone()) {
                        say(*line, at, format!("`{mac}` is taken by {first}"), "a MAC belongs to one interface");
                    }
                }
            }
        }
        interfaces(*line, server, say);
    }
}

fn interfaces(line: usize, server: &Server, say: Say<'_>) {
    let mut names = BTreeSet::from([server.bmc_interface.as_str()]);
    for interface in &server.interface {
        if !names.insert(&interface.name) {
            let at = format!("server {}: interface {}", server.name, interface.name);
            say(line, at, "is named a second time".to_owned(), "");
        }
    }
}

fn cables(document: &Document, say: Say<'_>) {
    let mut taken: BTreeMap<&End, String> = BTreeMap::new();
    for Row { line, value: server } in &document.servers {
        for interface in &server.interface {
            let Some(end) = &interface.cable else { continue };
            let at = format!("server {}: interface {}: cable", server.name, interface.name);
            match document.switches.iter().find(|row| row.value.name == end.device) {
                None => {
                    let text = format!("no switch is called `{}`", end.device);
                    say(*line, at.clone(), text, "add a [[switch]] with this name");
                }
                Some(switch) if !switch.value.ports.contains(&end.port) => {
                    let text = format!("`{}` has no port `{}`", end.device, end.port);
                    say(*line, at.clone(), text, "add it to the `ports` of the [[switch]]");
                }
                Some(_) => {}
            }
            if let Some(first) = taken.insert(end, at.clone()) {
                let text = format!("`{}` of `{}` is taken by {first}", end.port, end.device);
                say(*line, at, text, "one cable ends on a port");
            }
        }
    }
}

fn units(document: &Document, say: Say<'_>) {
    let switches = document
        .switches
        .iter()
        .map(|Row { line, value }| (*line, &value.name, &value.site, &value.rack, value.unit, None));
    let servers = document
        .servers
        .iter()
        .map(|Row { line, value }| (*line, &value.name, &value.site, &value.rack, value.unit, value.units));
    let mut taken = BTreeMap::new();
    for (line, name, site, rack, unit, units) in switches.chain(servers) {
        if units == Some(0) {
            say(
                line,
                format!("device {name}: units"),
                "must be at least 1".to_owned(),
                "leave it out where it is not known",
            );
        }
        let (Some(rack), Some(unit)) = (rack, unit) else { continue };
        // A slip of the pen must not cost a million steps.
        for unit in unit..unit.saturating_add(units.unwrap_or(1).min(MOST_UNITS)) {
            if let Some(first) = taken.insert((document.slug_of(site), rack, unit), name) {
                say(line, format!("device {name}: unit"), format!("unit {unit} of rack `{rack}` is `{first}`'s"), "");
            }
        }
    }
}
