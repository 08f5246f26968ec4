//! LLDP neighbours as `lldpctl -f json` prints them.
//!
//! Promises lldpd's two habits that a reader trips over: the chassis is keyed by its name, and a list of one
//! is printed as its only element.

use serde_json::{Map, Value, json};

use super::model::{Estate, Nic, Server};

fn neighbour(estate: &Estate, server: &Server, nic: &Nic) -> Option<Value> {
    let end = nic.end()?;
    let switch = estate.switch(&end.device)?;
    let chassis = json!({
        "id": { "type": "mac", "value": switch.mac },
        "descr": "Arista Networks EOS version 4.30.2F running on an Arista Networks DCS-7050SX3-48YC8",
        "mgmt-ip": switch.address.to_string(),
        "capability": [ { "type": "Bridge", "enabled": true }, { "type": "Router", "enabled": true } ],
    });
    let port = json!({
        "id": { "type": "ifname", "value": end.port },
        "descr": format!("{} {}", server.name, nic.name),
        "ttl": "120",
    });
    let mut by_name = Map::new();
    by_name.insert(switch.name.clone(), chassis);
    Some(json!({ "via": "LLDP", "rid": "1", "age": "0 day, 00:00:12", "chassis": by_name, "port": port }))
}

/// What a server's `lldpctl -f json` prints. A port without a cable has no entry.
pub(super) fn lldpctl(estate: &Estate, server: &Server) -> Value {
    let mut entries: Vec<Value> = Vec::new();
    for nic in &server.nics {
        if let Some(entry) = neighbour(estate, server, nic) {
            let mut by_name = Map::new();
            by_name.insert(nic.name.clone(), entry);
            entries.push(Value::Object(by_name));
        }
    }
    match entries.len() {
        0 => json!({ "lldp": {} }),
        1 => json!({ "lldp": { "interface": entries.pop() } }),
        _ => json!({ "lldp": { "interface": entries } }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate::DEFAULT_BASE;
    use super::*;

    #[test]
    fn a_list_of_one_is_its_element() {
        let mut estate = Estate::sound(1, 1, DEFAULT_BASE);
        let two = lldpctl(&estate, &estate.servers[0]);
        assert_eq!(two["lldp"]["interface"][0]["ens1f0"]["port"]["id"]["value"], "Ethernet1");
        assert_eq!(two["lldp"]["interface"][1]["ens2f0"]["chassis"]["ams-a01-tor-b"]["id"]["type"], "mac");
        estate.servers[0].nics.pop();
        let one = lldpctl(&estate, &estate.servers[0]);
        assert_eq!(one["lldp"]["interface"]["ens1f0"]["port"]["id"]["value"], "Ethernet1");
    }

    #[test]
    fn shows_where_a_cable_really_ends() {
        let mut estate = Estate::sound(1, 1, DEFAULT_BASE);
        super::super::Fault::CableSwapped.plant(&mut estate.servers[0]);
        let seen = lldpctl(&estate, &estate.servers[0]);
        assert!(seen["lldp"]["interface"][0]["ens1f0"]["chassis"].get("ams-a01-tor-b").is_some());
    }
}
