//! Makes a cable that LLDP shows and NetBox does not have.
//!
//! Never changes one: an end that has a cable, a switch or a port NetBox does not know, or two that answer to one name, are left with the
//! reason. Repeating it finds the cable it made, and leaves it.

use serde_json::json;

use super::client::Client;
use super::error::NetBoxError;
use super::find::interfaces_of;
use super::model::{Device, Interface};
use crate::inventory::{Connected, Expected};

/// Connect an interface of a server with a port of a switch, named as LLDP names them.
pub(super) async fn connect(
    client: &Client,
    expected: &Expected,
    nic: &str,
    switch: &str,
    ports: &[String],
) -> Result<Connected, NetBoxError> {
    let left = |why: String| Ok(Connected::Left(why));
    let Ok(id) = expected.id.parse::<u64>() else { return left(format!("`{}` is no device of NetBox", expected.id)) };
    let own = interfaces_of(client, id).await?;
    let Some(near) = own.iter().find(|interface| interface.name == nic) else {
        return left(format!("NetBox has no interface {nic} of {}", expected.name));
    };
    if near.cable.is_some() {
        return left("NetBox has one there by now".to_owned());
    }
    let switches = switches(client, switch, expected.site.as_deref()).await?;
    let [device] = switches.as_slice() else {
        let count = switches.len();
        return left(format!("{count} devices in NetBox are called {switch}"));
    };
    let far = interfaces_of(client, device.id).await?;
    let is_it = |interface: &&Interface| ports.iter().any(|port| port.trim().eq_ignore_ascii_case(&interface.name));
    let Some(far) = far.iter().find(is_it) else {
        return left(format!("NetBox has no port {} of {}", ports.join(" or "), device.label()));
    };
    if far.cable.is_some() {
        return left(format!("{} port {} has another cable in NetBox", device.label(), far.name));
    }
    let end = |id: u64| json!([{"object_type": "dcim.interface", "object_id": id}]);
    let body = json!({"a_terminations": end(near.id), "b_terminations": end(far.id), "status": "connected"});
    match client.post("dcim/cables", &body).await {
        Ok(_) => Ok(Connected::Made { device: device.label(), port: far.name.clone() }),
        // Someone was faster.
        Err(NetBoxError::Refused { text, .. }) => left(format!("NetBox refuses it: {text}")),
        Err(error) => Err(error),
    }
}

/// Devices of this name, with or without its domain; those of the server's site where there are any.
async fn switches(client: &Client, name: &str, site: Option<&str>) -> Result<Vec<Device>, NetBoxError> {
    let short = name.split('.').next().unwrap_or(name);
    let found: Vec<Device> = client.list("dcim/devices", &[("name__ie", name), ("name__ie", short)]).await?;
    let is_it = |device: &Device| {
        let label = device.label();
        label.eq_ignore_ascii_case(name) || label.eq_ignore_ascii_case(short)
    };
    let found: Vec<Device> = found.into_iter().filter(is_it).collect();
    let here = |device: &Device| site.is_some() && device.site.slug.as_deref() == site;
    let (near, far): (Vec<Device>, Vec<Device>) = found.into_iter().partition(here);
    Ok(if near.is_empty() { far } else { near })
}
