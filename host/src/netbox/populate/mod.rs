//! Brings an inventory file into NetBox: sites, types, racks, devices, interfaces, MACs, cables, prefixes.
//!
//! A second run has nothing to do. Everything that speaks against the file in NetBox is found before anything is written:
//! a MAC on another interface, a cable that ends elsewhere. Objects the file does not name are left alone, and so are their fields.
//! Each kind needs the ids of the kinds before it, so the order of the functions is the order of the run.

mod contradict;
pub mod deliveries;
mod devices;
mod ensure;
mod report;
mod wiring;

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::ensure::{Ensure, Wanted};
pub use self::report::{PopulateError, Progress, Report, Silent};
use super::client::Client;
use super::error::NetBoxError;
use crate::inventory::document::{Document, Row, slug};

type Ids<K> = BTreeMap<K, u64>;

/// Bring the file into NetBox. What was written before an error stays; running again goes on from there.
pub async fn populate(client: &Client, document: &Document, progress: &dyn Progress) -> Result<Report, PopulateError> {
    Ok(populate_as(client, document, "offline", progress).await?.0)
}

/// The same, with another status for servers that are made; also the ids of the devices by name.
async fn populate_as(
    client: &Client,
    document: &Document,
    status: &'static str,
    progress: &dyn Progress,
) -> Result<(Report, Ids<String>), PopulateError> {
    let (version, _) = client.version().await?;
    let known = sites_there(client, document).await?;
    let ids: Vec<u64> = known.values().filter_map(|site| site.get("id")?.as_u64()).collect();
    let contradictions = contradict::contradictions(client, document, &ids).await?;
    if !contradictions.is_empty() {
        return Err(PopulateError::Contradictions(contradictions));
    }
    let mut ensure = Ensure { client, progress, report: Report::default() };
    let sites = sites(&mut ensure, document, &known).await?;
    let ids: Vec<u64> = sites.values().copied().collect();
    prefixes(&mut ensure, document, &sites, version.has_prefix_scope()).await?;
    let racks = racks(&mut ensure, document, &sites).await?;
    let devices = devices::devices(&mut ensure, document, &sites, &racks, status).await?;
    wiring::wire(&mut ensure, document, &devices, &ids, version.has_mac_objects()).await?;
    Ok((ensure.report, devices))
}

/// The file's sites that NetBox has, by the file's slug: under this slug, or under another with the same name.
async fn sites_there(client: &Client, document: &Document) -> Result<BTreeMap<String, Value>, NetBoxError> {
    let all: Vec<Value> = client.list("dcim/sites", &[]).await?;
    let find = |field: &str, wanted: &str| all.iter().find(|site| text(site, field).as_deref() == Some(wanted));
    let sites = document.sites.iter().map(|row| &row.value);
    let there = sites.filter_map(|site| {
        let found = find("slug", &site.slug()).or_else(|| find("name", &site.name))?;
        Some((site.slug(), found.clone()))
    });
    Ok(there.collect())
}

async fn sites(
    ensure: &mut Ensure<'_>,
    document: &Document,
    there: &BTreeMap<String, Value>,
) -> Result<Ids<String>, NetBoxError> {
    let wanted = document.sites.iter().map(|Row { value, .. }| Wanted {
        key: value.slug(),
        fields: json!({"name": value.name}),
        fresh: json!({"slug": value.slug(), "status": "active"}),
    });
    ensure.all("site", "dcim/sites", there, wanted.collect()).await
}

async fn prefixes(
    ensure: &mut Ensure<'_>,
    document: &Document,
    sites: &Ids<String>,
    scoped: bool,
) -> Result<(), NetBoxError> {
    let roles = document.prefixes.iter().filter_map(|row| row.value.role.as_deref());
    let roles = named(ensure, "prefix role", "ipam/roles", roles).await?;
    let network = |object: &Value| text(object, "prefix")?.parse::<IpNet>().ok();
    let there = by(ensure.client.list("ipam/prefixes", &[]).await?, network);
    let mut wanted = Vec::new();
    for Row { value, .. } in &document.prefixes {
        let Ok(key) = value.prefix.parse::<IpNet>() else { continue };
        let site = value.site.as_deref().and_then(|site| sites.get(&document.slug_of(site)?));
        let role = value.role.as_deref().and_then(|role| roles.get(&slug(role)));
        let fields = if scoped {
            json!({"prefix": value.prefix, "role": role, "scope_type": site.map(|_| "dcim.site"), "scope_id": site})
        } else {
            json!({"prefix": value.prefix, "role": role, "site": site})
        };
        wanted.push(Wanted { key, fields, fresh: json!({"status": "active"}) });
    }
    ensure.all("prefix", "ipam/prefixes", &there, wanted).await?;
    Ok(())
}

async fn racks(
    ensure: &mut Ensure<'_>,
    document: &Document,
    sites: &Ids<String>,
) -> Result<Ids<(u64, String)>, NetBoxError> {
    let there =
        by(ensure.client.list("dcim/racks", &[]).await?, |object| Some((nested(object, "site")?, name(object)?)));
    let mut wanted = Vec::new();
    for Row { value, .. } in &document.racks {
        let Some(site) = document.slug_of(&value.site).and_then(|slug| sites.get(&slug).copied()) else { continue };
        wanted.push(Wanted {
            key: (site, value.name.clone()),
            fields: json!({"name": value.name, "site": site, "u_height": value.units}),
            fresh: json!({"status": "active"}),
        });
    }
    ensure.all("rack", "dcim/racks", &there, wanted).await
}

/// Objects that are a name and a slug, by the slug of the name; one NetBox has under either is taken as it is.
async fn named(
    ensure: &mut Ensure<'_>,
    kind: &'static str,
    path: &str,
    names: impl Iterator<Item = &str>,
) -> Result<Ids<String>, NetBoxError> {
    let names: BTreeMap<String, &str> = names.map(|name| (slug(name), name)).collect();
    if names.is_empty() {
        return Ok(Ids::new());
    }
    let all: Vec<Value> = ensure.client.list(path, &[]).await?;
    let mut there = by(all.clone(), |object| name(object).map(|name| slug(&name)));
    there.extend(by(all, |object| text(object, "slug")));
    let wanted = names.into_iter().map(|(key, name)| {
        let fresh = json!({"name": name, "slug": key});
        Wanted { key, fields: json!({}), fresh }
    });
    ensure.all(kind, path, &there, wanted.collect()).await
}

/// The objects of these sites; a NetBox may hold many more than the file speaks of.
async fn of_sites<T: DeserializeOwned>(client: &Client, path: &str, sites: &[u64]) -> Result<Vec<T>, NetBoxError> {
    if sites.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = sites.iter().map(u64::to_string).collect();
    let query: Vec<(&str, &str)> = ids.iter().map(|id| ("site_id", id.as_str())).collect();
    client.list(path, &query).await
}

fn by<K: Ord>(objects: Vec<Value>, key: impl Fn(&Value) -> Option<K>) -> BTreeMap<K, Value> {
    objects.into_iter().filter_map(|object| Some((key(&object)?, object))).collect()
}

fn text(object: &Value, field: &str) -> Option<String> {
    object.get(field).and_then(Value::as_str).map(str::to_owned)
}

fn name(object: &Value) -> Option<String> {
    text(object, "name")
}

fn nested(object: &Value, field: &str) -> Option<u64> {
    object.get(field)?.get("id")?.as_u64()
}
