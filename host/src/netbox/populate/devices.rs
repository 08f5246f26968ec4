//! Devices, with their types, roles and tenants.
//!
//! What the file does not state of a device (the PoC's CSV names no model) is given to a device that is made, and leaves one that is
//! there as it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::error::NetBoxError;
use super::ensure::{Ensure, Wanted};
use super::{Ids, by, name, named, nested, of_sites, text};
use crate::inventory::document::{Document, Row, UNSTATED, slug};

/// A device as the file has it, server or switch.
struct DeviceRow<'a> {
    key: (u64, String),
    rack: Option<u64>,
    unit: Option<u32>,
    units: Option<u32>,
    role: Option<&'a str>,
    usual_role: &'static str,
    manufacturer: Option<&'a str>,
    model: Option<&'a str>,
    serial: Option<&'a str>,
    asset_tag: Option<&'a str>,
    tenant: Option<&'a str>,
    status: &'static str,
}

impl DeviceRow<'_> {
    /// Manufacturer and model, where the file states the model.
    fn kind(&self) -> Option<(&str, &str)> {
        Some((self.manufacturer.unwrap_or(UNSTATED), self.model.filter(|model| *model != UNSTATED)?))
    }
}

/// A device type: the manufacturer's slug, and the model in lower case.
type TypeKey = (String, String);

/// Bring the devices about; ids by name.
pub(super) async fn devices(
    ensure: &mut Ensure<'_>,
    document: &Document,
    sites: &Ids<String>,
    racks: &Ids<(u64, String)>,
    status: &'static str,
) -> Result<BTreeMap<String, u64>, NetBoxError> {
    let rows = rows(document, sites, racks, status);
    let ids: Vec<u64> = sites.values().copied().collect();
    let there: Vec<Value> = of_sites(ensure.client, "dcim/devices", &ids).await?;
    let there = by(there, |object| Some((nested(object, "site")?, name(object)?)));
    let is_new = |row: &DeviceRow<'_>| !there.contains_key(&row.key);
    let kinds = rows.iter().filter_map(|row| match row.kind() {
        Some(kind) => Some((kind, row.units)),
        None => is_new(row).then_some(((UNSTATED, UNSTATED), None)),
    });
    let types = types(ensure, kinds.collect()).await?;
    let roles = rows.iter().filter_map(|row| row.role.or_else(|| is_new(row).then_some(row.usual_role)));
    let roles = named(ensure, "device role", "dcim/device-roles", roles).await?;
    let tenants = named(ensure, "tenant", "tenancy/tenants", rows.iter().filter_map(|row| row.tenant)).await?;
    let type_of = |(maker, model): (&str, &str)| types.get(&type_key(maker, model));
    let wanted = rows.iter().map(|row| {
        let mut fresh = json!({"name": row.key.1, "status": row.status});
        let mut fields = json!({
            "site": row.key.0,
            "tenant": row.tenant.and_then(|tenant| tenants.get(&slug(tenant))),
            "rack": row.rack,
            "position": row.rack.and(row.unit),
            "face": row.rack.and(row.unit).map(|_| "front"),
            "serial": row.serial,
            "asset_tag": row.asset_tag,
        });
        let mut put = |stated: bool, name: &str, value: Option<&u64>| {
            let place = if stated { &mut fields } else { &mut fresh };
            if let Some(object) = place.as_object_mut() {
                object.insert(name.to_owned(), value.copied().into());
            }
        };
        put(row.kind().is_some(), "device_type", type_of(row.kind().unwrap_or((UNSTATED, UNSTATED))));
        put(row.role.is_some(), "role", roles.get(&slug(row.role.unwrap_or(row.usual_role))));
        Wanted { key: row.key.clone(), fields, fresh }
    });
    let wanted = wanted.collect();
    let devices = ensure.all("device", "dcim/devices", &there, wanted).await?;
    Ok(devices.into_iter().map(|((_, name), id)| (name, id)).collect())
}

fn rows<'a>(
    document: &'a Document,
    sites: &Ids<String>,
    racks: &Ids<(u64, String)>,
    status: &'static str,
) -> Vec<DeviceRow<'a>> {
    let site = |site: &str| sites.get(&document.slug_of(site)?).copied();
    let rack = |site: u64, rack: &Option<String>| racks.get(&(site, rack.clone()?)).copied();
    let switches = document.switches.iter().filter_map(|Row { value, .. }| {
        let site = site(&value.site)?;
        Some(DeviceRow {
            key: (site, value.name.clone()),
            rack: rack(site, &value.rack),
            unit: value.unit,
            units: None,
            role: value.role.as_deref(),
            usual_role: "switch",
            manufacturer: value.manufacturer.as_deref(),
            model: value.model.as_deref(),
            serial: None,
            asset_tag: None,
            tenant: None,
            status: "active",
        })
    });
    let servers = document.servers.iter().filter_map(|Row { value, .. }| {
        let site = site(&value.site)?;
        Some(DeviceRow {
            key: (site, value.name.clone()),
            rack: rack(site, &value.rack),
            unit: value.unit,
            units: value.units,
            role: value.role.as_deref(),
            usual_role: "server",
            manufacturer: value.manufacturer.as_deref(),
            model: value.model.as_deref(),
            serial: value.serial.as_deref(),
            asset_tag: value.asset_tag.as_deref(),
            tenant: value.tenant.as_deref(),
            status,
        })
    });
    switches.chain(servers).collect()
}

fn type_key(maker: &str, model: &str) -> TypeKey {
    (slug(maker), model.to_lowercase())
}

/// A manufacturer and a model, and the units that one of its servers is said to fill.
type Kind<'a> = ((&'a str, &'a str), Option<u32>);

async fn types(ensure: &mut Ensure<'_>, kinds: Vec<Kind<'_>>) -> Result<Ids<TypeKey>, NetBoxError> {
    let makers = kinds.iter().map(|((maker, _), _)| *maker);
    let makers = named(ensure, "manufacturer", "dcim/manufacturers", makers).await?;
    let ours: BTreeMap<u64, &String> = makers.iter().map(|(slug, id)| (*id, slug)).collect();
    let there = by(ensure.client.list("dcim/device-types", &[]).await?, |object| {
        let maker = ours.get(&nested(object, "manufacturer")?)?;
        Some(((*maker).clone(), text(object, "model")?.to_lowercase()))
    });
    let mut heights: BTreeMap<TypeKey, u32> = BTreeMap::new();
    for ((maker, model), units) in &kinds {
        let height = heights.entry(type_key(maker, model)).or_insert(1);
        *height = units.unwrap_or(1).max(*height);
    }
    let mut wanted = BTreeMap::new();
    for ((maker, model), _) in kinds {
        let key = type_key(maker, model);
        let fresh = json!({
            "manufacturer": makers.get(&key.0),
            "model": model,
            "slug": slug(&format!("{maker} {model}")),
            "u_height": heights.get(&key),
        });
        wanted.insert(key.clone(), Wanted { key, fields: json!({}), fresh });
    }
    ensure.all("device type", "dcim/device-types", &there, wanted.into_values().collect()).await
}
