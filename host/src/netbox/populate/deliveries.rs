//! A delivery list brought into NetBox: what was ordered is `planned`, what has arrived is `offline` and says when.
//!
//! Finds a device by serial number, then by its controller's MAC, then by name, and makes it where there is none. A device that has gone
//! further than `planned` has arrived, whatever the list says of it, and keeps its status. Everything that contradicts the list is named
//! before anything is written. The custom fields it needs are made, since the operator asks for them with the list.

use std::collections::BTreeMap;

use farrier_lifecycle::Mac;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::client::Client;
use super::super::device::RECEIVED;
use super::super::error::NetBoxError;
use super::super::init;
use super::super::model::{Device, DeviceType, Interface, text};
use super::{PopulateError, Progress, Report, populate_as};
use crate::inventory::delivery::Delivery;
use crate::inventory::document::{Document, Row, Server, Site};

/// NetBox's status of what was ordered, and of what has arrived.
const PLANNED: &str = "planned";
const ARRIVED: &str = "offline";
/// Serial numbers or MACs asked for in one request.
const CHUNK: usize = 50;

/// What a run did, and what has not arrived.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Deliveries {
    /// Objects made and changed.
    pub report: Report,
    /// Ordered, and not arrived as far as list and NetBox know.
    pub outstanding: Vec<Outstanding>,
}

/// One server that has not arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outstanding {
    /// The device.
    pub name: String,
    /// Under which order.
    pub purchase_order: String,
    /// As ordered.
    pub serial: String,
    /// Days since it was ordered; `None` while that is to come.
    pub days: Option<u32>,
}

/// What NetBox has that answers to a row.
#[derive(Default)]
struct There {
    by_serial: BTreeMap<String, Device>,
    /// Device and interface.
    by_mac: BTreeMap<Mac, (u64, String, String)>,
    by_name: BTreeMap<(u64, String), Device>,
    sites: Vec<Value>,
    types: Vec<DeviceType>,
}

/// Bring the list about. What was written before an error stays; running again goes on from there.
pub async fn deliveries(
    client: &Client,
    list: &[Row<Delivery>],
    today: Date,
    progress: &dyn Progress,
) -> Result<Deliveries, PopulateError> {
    let there = there(client, list).await?;
    let document = document(list, &there).map_err(PopulateError::Contradictions)?;
    init::deliveries(client).await?;
    let (mut report, ids) = populate_as(client, &document, PLANNED, progress).await?;
    let mut outstanding = Vec::new();
    for (row, server) in list.iter().zip(&document.servers) {
        let Some(id) = ids.get(&server.value.name) else { continue };
        let device: Device = client.get(&format!("dcim/devices/{id}"), &[]).await?.value;
        let changes = changes(&device, &row.value, today);
        if !changes.is_empty() {
            client.patch(&format!("dcim/devices/{id}"), &Value::Object(changes), None).await?;
            *report.changed.entry("delivery").or_default() += 1;
        }
        if device.status.value == PLANNED && row.value.received.is_none() {
            outstanding.push(Outstanding {
                name: device.label(),
                purchase_order: row.value.purchase_order.clone(),
                serial: row.value.serial.clone(),
                days: row.value.age(today),
            });
        }
    }
    outstanding.sort_by(|a, b| b.days.cmp(&a.days).then_with(|| a.name.cmp(&b.name)));
    Ok(Deliveries { report, outstanding })
}

/// What differs of one device: order and warranty as the list says, arrival once.
fn changes(device: &Device, delivery: &Delivery, today: Date) -> Map<String, Value> {
    let mut body = Map::new();
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        let now = device.custom_fields.get(name).and_then(text);
        if let Some(value) = value.filter(|value| now != Some(value)) {
            fields.insert(name.to_owned(), value.into());
        }
    };
    set("purchase_order", Some(delivery.purchase_order.clone()));
    set("warranty_start", Some(delivery.warranty_start.to_string()));
    set("warranty_end", delivery.warranty_end.map(|day| day.to_string()));
    let planned = device.status.value == PLANNED;
    if device.custom_fields.get(RECEIVED).and_then(text).is_none() {
        // What has gone on by itself has arrived: today is when the list learns of it.
        set(RECEIVED, delivery.received.or((!planned).then_some(today)).map(|day| day.to_string()));
    }
    if planned && delivery.received.is_some() {
        body.insert("status".to_owned(), ARRIVED.into());
    }
    if !fields.is_empty() {
        body.insert("custom_fields".to_owned(), Value::Object(fields));
    }
    body
}

/// Everything NetBox has that a row could mean.
async fn there(client: &Client, list: &[Row<Delivery>]) -> Result<There, NetBoxError> {
    let mut there = There {
        sites: client.list("dcim/sites", &[]).await?,
        types: client.list("dcim/device-types", &[]).await?,
        ..There::default()
    };
    for chunk in list.chunks(CHUNK) {
        let serials: Vec<(&str, &str)> = chunk.iter().map(|row| ("serial", row.value.serial.as_str())).collect();
        let names: Vec<String> = chunk.iter().map(|row| row.value.device()).collect();
        let names: Vec<(&str, &str)> = names.iter().map(|name| ("name", name.as_str())).collect();
        let macs: Vec<String> = chunk.iter().map(|row| row.value.bmc_mac.to_string().to_uppercase()).collect();
        let macs: Vec<(&str, &str)> = macs.iter().map(|mac| ("mac_address", mac.as_str())).collect();
        let mut found: Vec<Device> = client.list("dcim/devices", &serials).await?;
        found.extend(client.list::<Device>("dcim/devices", &names).await?);
        for device in found {
            there.by_serial.insert(device.serial.to_uppercase(), device.clone());
            there.by_name.insert((device.site.id, device.label()), device);
        }
        for interface in client.list::<Interface>("dcim/interfaces", &macs).await? {
            for mac in interface.macs() {
                let name = interface.device.name.clone().unwrap_or_default();
                there.by_mac.insert(mac, (interface.device.id, name, interface.name.clone()));
            }
        }
    }
    Ok(there)
}

/// The list as an inventory file, each row under the name NetBox has it by; or everything that speaks against it.
fn document(list: &[Row<Delivery>], there: &There) -> Result<Document, Vec<String>> {
    let mut document = Document::default();
    let mut problems = Vec::new();
    for Row { line, value } in list {
        let Some((site, name, slug)) = site(there, &value.site) else {
            problems.push(format!("line {line}: site: NetBox has no site `{}`", value.site));
            continue;
        };
        let by_serial = there.by_serial.get(&value.serial.to_uppercase());
        let by_name = there.by_name.get(&(site, value.device()));
        if let (Some(device), Some((other, holder, _))) = (by_serial, there.by_mac.get(&value.bmc_mac))
            && device.id != *other
        {
            let (serial, mac) = (&value.serial, value.bmc_mac);
            problems.push(format!(
                "line {line}: NetBox has serial {serial} on {} and MAC {mac} on {holder}",
                device.label()
            ));
        }
        if let Some(device) = by_serial.filter(|device| device.site.id != site) {
            let other = device.site.name.clone().unwrap_or_default();
            problems.push(format!("line {line}: serial {}: NetBox has {} in {other}", value.serial, device.label()));
        }
        if let (None, Some(device)) = (by_serial, by_name)
            && !device.serial.is_empty()
        {
            problems.push(format!("line {line}: NetBox has {} with serial {}", device.label(), device.serial));
        }
        let (holder, interface) =
            there.by_mac.get(&value.bmc_mac).map(|(_, name, interface)| (name.clone(), interface.clone())).unzip();
        let is_there = by_serial.is_some() || by_name.is_some() || holder.is_some();
        // What a device is there as stays; a list writes its model as it likes.
        let (manufacturer, model) = match maker(there, value) {
            _ if is_there => (None, None),
            Some(maker) => (Some(maker), Some(value.model.clone())),
            None => {
                let text = format!("NetBox has no single device type `{}`; name its manufacturer", value.model);
                problems.push(format!("line {line}: manufacturer: {text}"));
                continue;
            }
        };
        let name_there = by_serial.map(Device::label).or(holder).unwrap_or_else(|| value.device());
        if document.sites.iter().all(|row| row.value.slug.as_ref() != Some(&slug)) {
            document.sites.push(Row { line: *line, value: Site { name, slug: Some(slug.clone()) } });
        }
        let server = Server {
            name: name_there,
            site: slug,
            manufacturer,
            model,
            serial: Some(value.serial.clone()),
            bmc_mac: value.bmc_mac.to_string(),
            bmc_interface: interface.unwrap_or_else(|| "bmc".to_owned()),
            ..Server::default()
        };
        document.servers.push(Row { line: *line, value: server });
    }
    if problems.is_empty() { Ok(document) } else { Err(problems) }
}

/// Who makes it: as the list says, or as the one device type of this model does.
fn maker(there: &There, delivery: &Delivery) -> Option<String> {
    if delivery.manufacturer.is_some() {
        return delivery.manufacturer.clone();
    }
    let mut makers = there.types.iter().filter(|kind| kind.model.eq_ignore_ascii_case(&delivery.model));
    let maker = makers.next()?.manufacturer.name.clone();
    maker.filter(|_| makers.next().is_none())
}

/// Id, name and slug of the site that a row names by either.
fn site(there: &There, wanted: &str) -> Option<(u64, String, String)> {
    let text = |site: &Value, field: &str| site.get(field).and_then(Value::as_str).map(str::to_owned);
    let is_it = |site: &&Value| ["slug", "name"].iter().any(|field| text(site, field).as_deref() == Some(wanted));
    let found = there.sites.iter().find(is_it)?;
    Some((found.get("id")?.as_u64()?, text(found, "name")?, text(found, "slug")?))
}

/// The custom fields of a delivery: name and type.
pub const FIELDS: [(&str, &str); 4] =
    [("purchase_order", "text"), ("warranty_start", "date"), ("warranty_end", "date"), (RECEIVED, "date")];
