//! Interfaces, their MACs and their cables.
//!
//! On 3.7 a MAC is a field of the interface. On 4.2 and later it is an object that is made, and then named as the
//! interface's primary one; a run that died between the two goes on with the second.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::super::error::NetBoxError;
use super::super::model::Interface;
use super::ensure::{Ensure, Wanted};
use super::{Ids, by, name, nested, of_sites};
use crate::inventory::document::{Document, Row};

/// Interface types NetBox has for a controller and for a port nothing is known of.
const CONTROLLER_TYPE: &str = "1000base-t";
const PORT_TYPE: &str = "other";

/// An interface that should be: device id and name.
type Key = (u64, String);

struct Port {
    key: Key,
    kind: String,
    mac: Option<String>,
    mgmt_only: bool,
    description: Option<String>,
}

/// Make interfaces, MACs and cables of these devices (ids by name).
pub(super) async fn wire(
    ensure: &mut Ensure<'_>,
    document: &Document,
    devices: &BTreeMap<String, u64>,
    sites: &[u64],
    mac_objects: bool,
) -> Result<(), NetBoxError> {
    let ports = ports(document, devices);
    let there = fetch(ensure, devices, sites).await?;
    let wanted = ports.iter().map(|port| {
        let mut fields = json!({"mgmt_only": port.mgmt_only, "description": port.description});
        if let (false, Some(mac), Some(object)) = (mac_objects, &port.mac, fields.as_object_mut()) {
            object.insert("mac_address".to_owned(), mac.clone().into());
        }
        let fresh = json!({"device": port.key.0, "name": port.key.1, "type": port.kind});
        Wanted { key: port.key.clone(), fields, fresh }
    });
    let ids = ensure.all("interface", "dcim/interfaces", &there, wanted.collect()).await?;
    let there = fetch(ensure, devices, sites).await?;
    if mac_objects {
        macs(ensure, &ports, &ids, &there).await?;
    }
    cables(ensure, document, devices, &ids, &there).await
}

fn ports(document: &Document, devices: &BTreeMap<String, u64>) -> Vec<Port> {
    let mut ports = Vec::new();
    let mut far_kinds = BTreeMap::new();
    for Row { value: server, .. } in &document.servers {
        let Some(device) = devices.get(&server.name) else { continue };
        ports.push(Port {
            key: (*device, server.bmc_interface.clone()),
            kind: CONTROLLER_TYPE.to_owned(),
            mac: upper(&server.bmc_mac),
            mgmt_only: true,
            description: None,
        });
        for interface in &server.interface {
            let kind = interface.kind.clone().unwrap_or_else(|| PORT_TYPE.to_owned());
            if let Some(end) = &interface.cable {
                far_kinds.insert((end.device.as_str(), end.port.as_str()), kind.clone());
            }
            ports.push(Port {
                key: (*device, interface.name.clone()),
                kind,
                mac: interface.mac.as_deref().and_then(upper),
                mgmt_only: false,
                description: interface.description.clone(),
            });
        }
    }
    for Row { value: switch, .. } in &document.switches {
        let Some(device) = devices.get(&switch.name) else { continue };
        // A port is what is plugged into it.
        let kind = |port: &String| far_kinds.get(&(switch.name.as_str(), port.as_str())).cloned();
        ports.extend(switch.ports.iter().map(|port| Port {
            key: (*device, port.clone()),
            kind: kind(port).unwrap_or_else(|| PORT_TYPE.to_owned()),
            mac: None,
            mgmt_only: false,
            description: None,
        }));
    }
    ports
}

/// NetBox's spelling.
fn upper(text: &str) -> Option<String> {
    text.parse::<farrier_lifecycle::Mac>().ok().map(|mac| mac.to_string().to_uppercase())
}

/// The interfaces these devices have.
async fn fetch(
    ensure: &Ensure<'_>,
    devices: &BTreeMap<String, u64>,
    sites: &[u64],
) -> Result<BTreeMap<Key, Value>, NetBoxError> {
    let ours: BTreeSet<u64> = devices.values().copied().collect();
    let all = of_sites(ensure.client, "dcim/interfaces", sites).await?;
    Ok(by(all, |object| Some((nested(object, "device").filter(|device| ours.contains(device))?, name(object)?))))
}

fn interface(object: &Value) -> Result<Interface, NetBoxError> {
    Interface::deserialize(object).map_err(|error| NetBoxError::NotNetBox {
        what: "GET /api/dcim/interfaces/".to_owned(),
        text: error.to_string(),
    })
}

async fn macs(
    ensure: &mut Ensure<'_>,
    ports: &[Port],
    ids: &Ids<Key>,
    there: &BTreeMap<Key, Value>,
) -> Result<(), NetBoxError> {
    let mut known = BTreeMap::new();
    for object in there.values() {
        let found = interface(object)?;
        for mac in &found.mac_addresses {
            if let Some(text) = upper(&mac.mac_address) {
                known.insert((found.id, text), json!({"id": mac.id}));
            }
        }
    }
    let mut wanted = Vec::new();
    for port in ports {
        let (Some(id), Some(mac)) = (ids.get(&port.key), &port.mac) else { continue };
        let fresh = json!({"mac_address": mac, "assigned_object_type": "dcim.interface", "assigned_object_id": id});
        wanted.push(Wanted { key: (*id, mac.clone()), fields: json!({}), fresh });
    }
    let objects = ensure.all("MAC address", "dcim/mac-addresses", &known, wanted).await?;
    let by_id: BTreeMap<u64, &Value> =
        there.values().filter_map(|object| Some((object.get("id")?.as_u64()?, object))).collect();
    let count = objects.len();
    for (done, ((id, _), mac)) in objects.into_iter().enumerate() {
        let primary =
            by_id.get(&id).map(|object| interface(object)).transpose()?.and_then(|found| found.primary_mac_address);
        if primary.is_none_or(|primary| primary.id != mac) {
            let body = json!({"primary_mac_address": mac});
            ensure.client.patch(&format!("dcim/interfaces/{id}"), &body, None).await?;
            *ensure.report.changed.entry("primary MAC").or_default() += 1;
        }
        ensure.progress.at("primary MAC", done + 1, count);
    }
    Ok(())
}

async fn cables(
    ensure: &mut Ensure<'_>,
    document: &Document,
    devices: &BTreeMap<String, u64>,
    ids: &Ids<Key>,
    there: &BTreeMap<Key, Value>,
) -> Result<(), NetBoxError> {
    let mut known = BTreeMap::new();
    let mut wanted = Vec::new();
    for Row { value: server, .. } in &document.servers {
        for near in &server.interface {
            let Some(end) = &near.cable else { continue };
            let key = |device: &str, port: &str| Some((*devices.get(device)?, port.to_owned()));
            let (Some(a), Some(b)) = (key(&server.name, &near.name), key(&end.device, &end.port)) else { continue };
            let (Some(a_id), Some(b_id)) = (ids.get(&a), ids.get(&b)) else { continue };
            if let Some(object) = there.get(&a)
                && let Some(cable) = object.get("cable").filter(|cable| cable.is_object())
            {
                known.insert(*a_id, cable.clone());
            }
            let ends = |id: &u64| json!([{"object_type": "dcim.interface", "object_id": id}]);
            let fresh = json!({"a_terminations": ends(a_id), "b_terminations": ends(b_id), "status": "connected"});
            wanted.push(Wanted { key: *a_id, fields: json!({}), fresh });
        }
    }
    ensure.all("cable", "dcim/cables", &known, wanted).await?;
    Ok(())
}
