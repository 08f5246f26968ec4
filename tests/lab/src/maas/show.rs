//! A machine as the API shows it.
//!
//! Promises the documented names and types of the fields it has; it leaves out storage and most of the hardware.

use serde_json::{Value, json};

use super::state::{Machine, Status};

/// The whole object.
pub(super) fn machine(machine: &Machine) -> Value {
    let id = &machine.id;
    let interfaces: Vec<Value> =
        machine.macs.iter().enumerate().map(|(index, mac)| interface(id, index, mac)).collect();
    let (system, series) =
        machine.image.as_deref().map_or(("", ""), |image| image.split_once('/').unwrap_or(("ubuntu", image)));
    let installed = matches!(machine.status, Status::Deploying | Status::Deployed | Status::FailedDeployment);
    json!({
        "system_id": id,
        "hostname": machine.hostname,
        "fqdn": format!("{}.maas", machine.hostname),
        "description": machine.description,
        "domain": {"authoritative": true, "ttl": null, "name": "maas", "resource_record_count": 0, "id": 0,
            "is_default": true, "resource_uri": "/MAAS/api/2.0/domains/0/"},
        "architecture": format!("{}/generic", machine.architecture),
        "cpu_count": 64,
        "memory": 262_144,
        "owner": machine.owner,
        "owner_data": {},
        "locked": false,
        "osystem": if installed { system } else { "" },
        "distro_series": if installed { series } else { "" },
        "netboot": machine.status != Status::Deployed,
        "status": machine.status.number(),
        "status_name": machine.status.name(),
        "status_message": "",
        "error_description": "",
        "power_type": machine.power_type,
        "power_state": "unknown",
        "node_type": 0,
        "node_type_name": "Machine",
        "ip_addresses": [],
        "tag_names": [],
        "zone": {"name": "default", "description": "", "id": 1, "resource_uri": "/MAAS/api/2.0/zones/default/"},
        "pool": {"name": "default", "description": "Default pool", "id": 0,
            "resource_uri": "/MAAS/api/2.0/resourcepool/0/"},
        "boot_interface": interfaces.first(),
        "interface_set": interfaces,
        "blockdevice_set": [],
        "resource_uri": format!("/MAAS/api/2.0/machines/{id}/"),
    })
}

fn interface(id: &str, index: usize, mac: &str) -> Value {
    json!({
        "system_id": id,
        "id": 11 + index,
        "name": format!("eno{}", index + 1),
        "type": "physical",
        "mac_address": mac,
        "enabled": true,
        "link_connected": true,
        "resource_uri": format!("/MAAS/api/2.0/nodes/{id}/interfaces/{}/", 11 + index),
    })
}
