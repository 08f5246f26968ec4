//! What the API does, and which state allows it.
//!
//! Promises MAAS's statuses: 400 with `{field: [why]}`, 404, 409 in plain text for a wrong state, 301 for a missing slash.
//! A field no operation knows is a violation, because MAAS would leave it unread.

use hyper::Method;
use serde_json::{Value, json};

use super::show;
use super::state::{Machine, Status};
use super::{Inner, SYSTEM};
use crate::ledger::Kind;
use crate::web::{Ask, Reply, first};

const ROOT: &str = "/MAAS/api/2.0/";
type Fields = [(String, String)];

/// Answer an API request that is logged in.
pub(super) fn answer(maas: &Inner, ask: &Ask) -> Reply {
    let Some(rest) = ask.path.strip_prefix(ROOT) else {
        maas.wrong(ask, "an unknown path");
        return Reply::text(404, "Not Found");
    };
    if !ask.path.ends_with('/') {
        maas.wrong(ask, "a path without a slash at its end: a POST would lose its body");
        return Reply::empty(301).header("location", format!("{}/", ask.path));
    }
    let fields = match ask.form() {
        Ok(fields) => fields,
        Err(why) => {
            maas.wrong(ask, &why);
            return Reply::text(400, why);
        }
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    match (&ask.method, parts.as_slice(), ask.asked("op")) {
        (&Method::GET, ["version"], None) => {
            Reply::json(200, &json!({"version": "3.5.4", "subversion": "16350-g.0000000", "capabilities": []}))
        }
        (&Method::GET, ["machines"], None) => list(maas, ask),
        (&Method::POST, ["machines"], None) => create(maas, ask, &fields),
        (&Method::POST, ["machines"], Some("allocate")) => allocate(maas, ask, &fields),
        (method, ["machines", id], operation) => one(maas, ask, method, id, operation, &fields),
        _ => {
            maas.wrong(ask, "an unknown path or operation");
            Reply::text(404, "Not Found")
        }
    }
}

fn list(maas: &Inner, ask: &Ask) -> Reply {
    for (name, _) in &ask.query {
        if !["mac_address", "hostname", "zone", "pool", "tags"].contains(&name.as_str()) {
            maas.wrong(ask, &format!("an unknown filter `{name}`"));
        }
    }
    let values = |wanted: &str| -> Vec<String> {
        ask.query.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.to_ascii_lowercase()).collect()
    };
    let (macs, names) = (values("mac_address"), values("hostname"));
    let state = maas.state();
    let wanted = state.machines.iter().filter(|machine| {
        (macs.is_empty() || machine.macs.iter().any(|mac| macs.contains(mac)))
            && (names.is_empty() || names.contains(&machine.hostname))
    });
    Reply::json(200, &Value::Array(wanted.map(show::machine).collect()))
}

fn create(maas: &Inner, ask: &Ask, fields: &Fields) -> Reply {
    let known = ["architecture", "mac_addresses", "hostname", "description", "commission", "power_type"];
    unknown(maas, ask, fields, &known);
    maas.ledger.count(SYSTEM, Kind::Write, "create machine");
    let macs: Vec<String> =
        fields.iter().filter(|(name, _)| name == "mac_addresses").map(|(_, mac)| mac.to_ascii_lowercase()).collect();
    let architecture = first(fields, "architecture").unwrap_or_default();
    let mut errors = serde_json::Map::new();
    if !["amd64", "arm64", "amd64/generic", "arm64/generic"].contains(&architecture) {
        errors.insert("architecture".to_owned(), json!([format!("'{architecture}' is not a valid architecture.")]));
    }
    if macs.is_empty() {
        errors.insert("mac_addresses".to_owned(), json!(["This field is required."]));
    }
    let hostname = first(fields, "hostname").unwrap_or_default().to_owned();
    if !is_label(&hostname) {
        errors.insert("hostname".to_owned(), json!(["Invalid hostname."]));
    }
    if first(fields, "commission") != Some("false") {
        maas.wrong(ask, "creation would commission at once, with MAAS's own controller configuration");
    }
    let mut state = maas.state();
    if let Some(mac) = macs.iter().find(|mac| state.by_mac(mac).is_some()) {
        drop(state);
        maas.wrong(ask, &format!("a second machine with {mac}"));
        return Reply::json(400, &json!({"mac_addresses": ["One or more MAC addresses is already in use."]}));
    }
    if !errors.is_empty() {
        drop(state);
        maas.wrong(ask, "a machine that MAAS refuses");
        return Reply::json(400, &Value::Object(errors));
    }
    state.made += 1;
    let id = format!("abc{:03}", state.made);
    maas.ledger.count(SYSTEM, Kind::Created, &hostname);
    state.machines.push(Machine {
        id,
        hostname,
        architecture: architecture.split('/').next().unwrap_or_default().to_owned(),
        power_type: first(fields, "power_type").unwrap_or_default().to_owned(),
        macs,
        description: first(fields, "description").unwrap_or_default().to_owned(),
        status: Status::New,
        owner: String::new(),
        callback: None,
        image: None,
        erasures: 0,
        commissionings: 0,
    });
    let made = state.machines.last().map(show::machine).unwrap_or_default();
    Reply::json(200, &made)
}

fn allocate(maas: &Inner, ask: &Ask, fields: &Fields) -> Reply {
    unknown(maas, ask, fields, &["system_id", "comment", "agent_name", "pool", "tags"]);
    let id = first(fields, "system_id").unwrap_or_default().to_owned();
    let mut state = maas.state();
    let Some(machine) = state.by_id(&id).filter(|machine| machine.status == Status::Ready) else {
        return Reply::text(409, format!("No machine with system ID {id} available."));
    };
    machine.status = Status::Allocated;
    "farrier".clone_into(&mut machine.owner);
    maas.ledger.count(SYSTEM, Kind::Moved, &format!("{id} allocate"));
    Reply::json(200, &show::machine(machine))
}

fn one(maas: &Inner, ask: &Ask, method: &Method, id: &str, operation: Option<&str>, fields: &Fields) -> Reply {
    let (faulty, mut conflict) = (*maas.faults(), false);
    if operation.is_some() && *method == Method::POST && faulty.conflicts > 0 {
        maas.faults().conflicts -= 1;
        conflict = true;
    }
    let mut state = maas.state();
    let Some(machine) = state.by_id(id) else { return Reply::text(404, "No Machine matches the given query.") };
    if conflict {
        return Reply::text(409, format!("The machine is in the '{}' state.", machine.status.name()));
    }
    match (method, operation) {
        (&Method::GET, None) => {}
        (&Method::GET, Some("query_power_state")) => return Reply::json(200, &json!({"state": "unknown"})),
        (&Method::PUT, None) => {
            unknown(maas, ask, fields, &["hostname", "power_type", "description"]);
            maas.ledger.count(SYSTEM, Kind::Write, "update machine");
            for (name, value) in fields {
                match name.as_str() {
                    "hostname" if is_label(value) => machine.hostname.clone_from(value),
                    "power_type" => machine.power_type.clone_from(value),
                    _ => {}
                }
            }
        }
        (&Method::DELETE, None) => {
            maas.ledger.count(SYSTEM, Kind::Write, "delete machine");
            if matches!(machine.status, Status::Deployed | Status::Deploying | Status::DiskErasing) {
                maas.wrong(ask, &format!("a machine in the '{}' state is forgotten", machine.status.name()));
            }
            state.machines.retain(|machine| machine.id != id);
            return Reply::empty(204);
        }
        (&Method::POST, Some(operation)) => {
            if let Err(reply) = operate(maas, ask, machine, operation, fields) {
                return reply;
            }
        }
        _ => {
            maas.wrong(ask, "an unknown operation");
            return Reply::text(405, "Method Not Allowed");
        }
    }
    Reply::json(200, &show::machine(machine))
}

fn operate(maas: &Inner, ask: &Ask, machine: &mut Machine, operation: &str, fields: &Fields) -> Result<(), Reply> {
    let wrong = |text: String| Err(Reply::text(409, text));
    let name = machine.status.name();
    match operation {
        "commission" => {
            unknown(
                maas,
                ask,
                fields,
                &[
                    "skip_bmc_config",
                    "skip_networking",
                    "skip_storage",
                    "enable_ssh",
                    "commissioning_scripts",
                    "testing_scripts",
                    "farrier_callback",
                ],
            );
            if !matches!(machine.status, Status::New | Status::Ready | Status::FailedCommissioning | Status::Broken) {
                return wrong(format!("Can't commission a machine that is in the '{name}' state"));
            }
            commission(maas, ask, machine, fields)?;
        }
        "deploy" => {
            unknown(maas, ask, fields, &["distro_series", "user_data", "hwe_kernel", "ephemeral_deploy", "comment"]);
            if machine.status != Status::Allocated {
                return wrong(format!("Can't deploy a machine that is in the '{name}' state"));
            }
            machine.image = first(fields, "distro_series").map(str::to_owned);
            machine.status = Status::Deploying;
        }
        "release" => {
            unknown(maas, ask, fields, &["erase", "secure_erase", "quick_erase", "comment"]);
            release(machine, fields)?;
        }
        "abort" => {
            unknown(maas, ask, fields, &["comment"]);
            machine.status = match machine.status {
                Status::Commissioning => Status::New,
                Status::Deploying => Status::Allocated,
                Status::DiskErasing => Status::FailedDiskErasing,
                _ => return wrong(format!("Cannot abort in the '{name}' state")),
            };
        }
        _ => {
            maas.wrong(ask, "an unknown operation");
            return Err(Reply::text(400, "Unrecognised signature: method=POST"));
        }
    }
    maas.ledger.count(SYSTEM, Kind::Moved, &format!("{} {operation}", machine.hostname));
    Ok(())
}

fn commission(maas: &Inner, ask: &Ask, machine: &mut Machine, fields: &Fields) -> Result<(), Reply> {
    if !matches!(first(fields, "skip_bmc_config"), Some("1" | "true")) {
        maas.wrong(ask, "commissioning would configure the controller and switch IPMI over LAN on");
    }
    let scripts = first(fields, "commissioning_scripts").unwrap_or_default();
    for script in scripts.split(',').filter(|script| !script.is_empty()) {
        if !maas.config.scripts.iter().any(|known| known == script) {
            let text = format!("Select a valid choice. {script} is not one of the available choices.");
            return Err(Reply::json(400, &json!({"commissioning_scripts": [text]})));
        }
    }
    machine.callback = first(fields, "farrier_callback").map(str::to_owned);
    machine.commissionings += 1;
    machine.status = Status::Commissioning;
    Ok(())
}

fn release(machine: &mut Machine, fields: &Fields) -> Result<(), Reply> {
    let erase = matches!(first(fields, "erase"), Some("1" | "true"));
    match machine.status {
        // Released already, or on its way: nothing to do, and no error.
        Status::Ready | Status::Releasing | Status::DiskErasing => return Ok(()),
        Status::Allocated
        | Status::Deployed
        | Status::FailedDeployment
        | Status::FailedDiskErasing
        | Status::Broken => {}
        other => {
            let text = format!("Machine cannot be released in its current state ('{}').", other.name());
            return Err(Reply::text(409, text));
        }
    }
    machine.status = if erase { Status::DiskErasing } else { Status::Ready };
    if !erase {
        machine.owner.clear();
        machine.image = None;
    }
    Ok(())
}

fn unknown(maas: &Inner, ask: &Ask, fields: &Fields, known: &[&str]) {
    for (name, _) in fields {
        if !known.contains(&name.as_str()) {
            maas.wrong(ask, &format!("an unknown field `{name}`"));
        }
    }
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// What a server gets that boots from the network: a script with the callback while it is commissioned, else nothing.
pub(super) fn boot(maas: &std::sync::Arc<Inner>, ask: &Ask) -> Reply {
    let mac = ask.asked("mac").unwrap_or_default().to_owned();
    let (callback, wait) = {
        let mut state = maas.state();
        let Some(machine) = state.by_mac(&mac) else { return Reply::text(404, "unknown MAC") };
        (machine.callback.clone().filter(|_| machine.status == Status::Commissioning), maas.config.boot)
    };
    let inner = std::sync::Arc::clone(maas);
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        let faults = *inner.faults();
        if let Some(machine) = inner.state().by_mac(&mac) {
            machine.booted(faults);
        }
    });
    match callback {
        Some(url) => {
            Reply::text(200, format!("#!ipxe\nkernel boot-kernel bm.callback_url={url}\ninitrd boot-initrd\nboot\n"))
        }
        None => Reply::text(404, "nothing to report to"),
    }
}
