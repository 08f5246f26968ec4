//! Looks for what NetBox has otherwise than the file, where writing would make things worse.
//!
//! Only reads. A second device with one MAC makes a server impossible to find, and a cable that is moved on paper hides one that is
//! swapped in the rack: both need a person.

use std::collections::BTreeMap;

use farrier_lifecycle::Mac;

use super::super::client::Client;
use super::super::error::NetBoxError;
use super::super::model::Interface;
use super::of_sites;
use crate::inventory::document::{Document, End, Row};

/// What the file says of one interface.
#[derive(Default)]
struct Said<'a> {
    macs: BTreeMap<Mac, (&'a str, &'a str)>,
    cables: BTreeMap<(&'a str, &'a str), (&'a str, &'a str)>,
}

/// MACs asked for in one request.
const CHUNK: usize = 50;

/// Everything that speaks against the file, one line each: a MAC in any site, a cable in those of the file that NetBox has.
pub(super) async fn contradictions(
    client: &Client,
    document: &Document,
    sites: &[u64],
) -> Result<Vec<String>, NetBoxError> {
    let said = said(document);
    let mut interfaces: Vec<Interface> = of_sites(client, "dcim/interfaces", sites).await?;
    let macs: Vec<String> = said.macs.keys().map(|mac| mac.to_string().to_uppercase()).collect();
    for chunk in macs.chunks(CHUNK) {
        let query: Vec<(&str, &str)> = chunk.iter().map(|mac| ("mac_address", mac.as_str())).collect();
        interfaces.extend(client.list("dcim/interfaces", &query).await?);
    }
    let mut lines = Vec::new();
    for found in interfaces {
        let device = found.device.name.clone().unwrap_or_else(|| format!("device {}", found.device.id));
        let here = (device.as_str(), found.name.as_str());
        for mac in found.macs() {
            if let Some(there) = said.macs.get(&mac).filter(|there| **there != here) {
                lines.push(format!("MAC {mac}: the file has it on {}, NetBox on {}", port(*there), port(here)));
            }
        }
        let (Some(wanted), Some(_)) = (said.cables.get(&here), &found.cable) else { continue };
        match found.link_peers.iter().flatten().next() {
            Some(peer) => {
                let device = peer.device.as_ref().and_then(|device| device.name.as_deref()).unwrap_or("something else");
                let now = (device, peer.name.as_deref().unwrap_or("?"));
                if now != *wanted {
                    lines.push(format!(
                        "cable of {}: the file ends it on {}, NetBox on {}",
                        port(here),
                        port(*wanted),
                        port(now)
                    ));
                }
            }
            None => lines.push(format!("cable of {}: NetBox has one that ends nowhere", port(here))),
        }
    }
    lines.sort();
    lines.dedup();
    Ok(lines)
}

fn port((device, port): (&str, &str)) -> String {
    format!("{port} of {device}")
}

fn said(document: &Document) -> Said<'_> {
    let mut said = Said::default();
    for Row { value: server, .. } in &document.servers {
        if let Some(mac) = server.bmc() {
            said.macs.insert(mac, (&server.name, &server.bmc_interface));
        }
        for interface in &server.interface {
            let here = (server.name.as_str(), interface.name.as_str());
            if let Some(mac) = interface.mac.as_ref().and_then(|text| text.parse().ok()) {
                said.macs.insert(mac, here);
            }
            if let Some(End { device, port }) = &interface.cable {
                said.cables.insert(here, (device, port));
                said.cables.insert((device, port), here);
            }
        }
    }
    said
}
