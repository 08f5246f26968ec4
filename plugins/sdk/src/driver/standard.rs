//! The controls as the Redfish schema has them.
//!
//! Promises: each control id of the contract is answered: read from `ManagerNetworkProtocol`, `SessionService` and
//! `AccountService` where the tree has the member, not applicable otherwise. Does not: know OEM members.
//!
//! Not obvious: two controls are bounds. A shorter session timeout than wanted complies, and so does a higher minimum
//! TLS version; changing them would make a controller weaker.

use super::{Change, Context, Setting};
use crate::json::Json;
use crate::redfish::id_of;
use crate::types::{Control, Error, Value};
use serde_json::{Value as JsonValue, json};

/// The setting behind a control.
pub fn setting(context: &Context<'_>, control: &Control, factory: &[&str]) -> Result<Setting, Error> {
    match control.id.as_str() {
        "ipmi-over-lan" => protocol(context, control, "IPMI"),
        "ssh" => protocol(context, control, "SSH"),
        "ssdp" => protocol(context, control, "SSDP"),
        "snmp-v2c" => snmp(context, control),
        "ntp-servers" => ntp(context, control),
        "session-timeout" => session_timeout(context, control),
        "default-account" => default_account(context, control, factory),
        "tls-minimum-version" | "syslog-server" | "login-banner" => Ok(absent(control)),
        _ => Ok(Setting::Absent(format!("this driver knows no control `{}`", control.id))),
    }
}

/// A control the controller has no setting for.
pub fn absent(control: &Control) -> Setting {
    Setting::Absent(format!("the controller offers no setting for `{}`", control.id))
}

/// The flag a control wants.
pub fn wants_flag(control: &Control) -> Result<bool, Error> {
    match &control.desired {
        Value::Flag(flag) => Ok(*flag),
        _ => Err(wrong(control, "a flag")),
    }
}

/// The number a control wants.
pub fn wants_number(control: &Control) -> Result<i64, Error> {
    match &control.desired {
        Value::Number(number) => Ok(*number),
        _ => Err(wrong(control, "a number")),
    }
}

/// The text a control wants.
pub fn wants_text(control: &Control) -> Result<&str, Error> {
    match &control.desired {
        Value::Text(text) => Ok(text),
        _ => Err(wrong(control, "a text")),
    }
}

/// The texts a control wants.
pub fn wants_texts(control: &Control) -> Result<&[String], Error> {
    match &control.desired {
        Value::Texts(texts) => Ok(texts),
        _ => Err(wrong(control, "a list of texts")),
    }
}

fn wrong(control: &Control, takes: &str) -> Error {
    Error::InvalidInput(format!("the control `{}` takes {takes}", control.id))
}

/// A member `{NAME: {ProtocolEnabled}}` of the manager's network protocols.
pub fn protocol(context: &Context<'_>, control: &Control, name: &str) -> Result<Setting, Error> {
    let wanted = wants_flag(control)?;
    let Some(protocols) = context.of_manager(&["NetworkProtocol"])? else { return Ok(absent(control)) };
    let Some(enabled) = protocols.flag(&[name, "ProtocolEnabled"]) else { return Ok(absent(control)) };
    let change = Change::new(&path(&protocols)?, json!({ name: { "ProtocolEnabled": wanted } }));
    Ok(Setting::equal(Value::Flag(enabled), control, vec![change]))
}

/// SNMP v1 or v2c, by their own flags where the tree has them.
fn snmp(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_flag(control)?;
    let Some(protocols) = context.of_manager(&["NetworkProtocol"])? else { return Ok(absent(control)) };
    let on = protocols.flag(&["SNMP", "ProtocolEnabled"]);
    let versions: Vec<(&str, bool)> = ["EnableSNMPv1", "EnableSNMPv2c"]
        .into_iter()
        .filter_map(|name| Some((name, protocols.flag(&["SNMP", name])?)))
        .collect();
    let path = path(&protocols)?;
    if versions.is_empty() {
        // SNMP as a whole is then the only means, and the old versions cannot be ruled out while it is on.
        let Some(on) = on else { return Ok(absent(control)) };
        let change = Change::new(&path, json!({ "SNMP": { "ProtocolEnabled": wanted } }));
        return Ok(Setting::Found {
            observed: Value::Flag(on),
            compliant: on == wanted,
            changes: vec![change],
            detail: Some("the controller has no setting for single SNMP versions, only for SNMP as a whole".to_owned()),
        });
    }
    let observed = on != Some(false) && versions.iter().any(|(_, enabled)| *enabled);
    let flags: serde_json::Map<String, JsonValue> = if wanted {
        [("EnableSNMPv2c".to_owned(), json!(true)), ("ProtocolEnabled".to_owned(), json!(true))].into_iter().collect()
    } else {
        versions.iter().map(|(name, _)| ((*name).to_owned(), json!(false))).collect()
    };
    Ok(Setting::equal(Value::Flag(observed), control, vec![Change::new(&path, json!({ "SNMP": flags }))]))
}

/// `NTP` of the network protocols. Servers of a client that is off do not count.
fn ntp(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_texts(control)?;
    let Some(protocols) = context.of_manager(&["NetworkProtocol"])? else { return Ok(absent(control)) };
    if protocols.at(&["NTP", "NTPServers"]).is_none() {
        return Ok(absent(control));
    }
    let on = protocols.flag(&["NTP", "ProtocolEnabled"]) != Some(false);
    let observed = if on { protocols.texts(&["NTP", "NTPServers"]) } else { Vec::new() };
    let body = json!({ "NTP": { "ProtocolEnabled": !wanted.is_empty(), "NTPServers": wanted } });
    Ok(Setting::equal(Value::Texts(observed), control, vec![Change::new(&path(&protocols)?, body)]))
}

fn session_timeout(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_number(control)?;
    let Some(service) = context.of_root(&["SessionService"])? else { return Ok(absent(control)) };
    let Some(seconds) = service.natural(&["SessionTimeout"]).and_then(|n| i64::try_from(n).ok()) else {
        return Ok(absent(control));
    };
    let change = Change::new(&path(&service)?, json!({ "SessionTimeout": wanted }));
    Ok(at_most(seconds, wanted, vec![change]))
}

/// A number of seconds that complies from one second up to the wanted; zero means "never".
pub fn at_most(seconds: i64, wanted: i64, changes: Vec<Change>) -> Setting {
    let compliant = (1..=wanted).contains(&seconds);
    Setting::Found { observed: Value::Number(seconds), compliant, changes, detail: None }
}

/// Whether an account with a name the vendor ships is enabled. Reported, never changed.
pub fn default_account(context: &Context<'_>, control: &Control, factory: &[&str]) -> Result<Setting, Error> {
    let wanted = wants_flag(control)?;
    let Some(service) = context.of_root(&["AccountService"])? else { return Ok(absent(control)) };
    let before = context.redfish.missing();
    let accounts = context.redfish.members(service.link(&["Accounts"]).as_deref())?;
    let unread = context.redfish.missing() - before;
    let found: Vec<String> = accounts
        .iter()
        .filter(|account| account.flag(&["Enabled"]) != Some(false))
        .filter_map(|account| account.text(&["UserName"]))
        .filter(|name| factory.contains(&name.as_str()))
        .collect();
    let observed = !found.is_empty();
    // An account that could not be read may be the one.
    let unsure = !observed && unread > 0;
    let detail = match (observed, unsure) {
        (true, _) => Some(format!("enabled with a factory name: {}", found.join(", "))),
        (_, true) => Some(format!("{unread} of the accounts could not be read")),
        _ => None,
    };
    let compliant = observed == wanted && !unsure;
    Ok(Setting::Found { observed: Value::Flag(observed), compliant, changes: Vec::new(), detail })
}

/// The path of a resource, to write it.
pub fn path(resource: &JsonValue) -> Result<String, Error> {
    id_of(resource).ok_or_else(|| Error::Malformed("a resource has no @odata.id".to_owned()))
}
