//! The controls as iLO has them.
//!
//! Promises: SNMP in `SnmpService`, time in `DateTime`, TLS and the banner in `SecurityService`, syslog in the OEM part
//! of the network protocols, the session timeout in minutes at the manager; the rest by the schema. Does not: change the
//! security state, which resets the iLO or the factory settings.
//!
//! Not obvious: the settings are members of resources whose links differ between generations, so each is looked for
//! where the manager's OEM links lead.

use farrier_plugin_sdk::driver::standard::{absent, at_most, path, wants_flag, wants_number, wants_text, wants_texts};
use farrier_plugin_sdk::driver::{Change, Context, Setting, standard};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{Value as JsonValue, json};
use farrier_plugin_sdk::types::{Control, Error, Value};
use std::rc::Rc;

/// The members of a JSON object.
type Members = farrier_plugin_sdk::serde_json::Map<String, JsonValue>;

/// The setting behind a control.
pub fn setting(context: &Context<'_>, control: &Control, factory: &[&str]) -> Result<Setting, Error> {
    match control.id.as_str() {
        "snmp-v2c" => snmp(context, control),
        "ntp-servers" => ntp(context, control),
        "tls-minimum-version" => tls(context, control),
        "session-timeout" => idle_timeout(context, control),
        "syslog-server" => syslog(context, control),
        "login-banner" => banner(context, control),
        _ => standard::setting(context, control, factory),
    }
}

/// A resource behind the manager's OEM links.
fn oem(context: &Context<'_>, name: &str) -> Result<Option<Rc<JsonValue>>, Error> {
    context.of_manager(&["Oem", "Hpe", "Links", name])
}

/// SNMP v1 and v2c are one set of flags, called v1. All three must be off.
fn snmp(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    const FLAGS: [&str; 3] = ["SNMPv1Enabled", "SNMPv1RequestsEnabled", "SNMPv1TrapEnabled"];
    let wanted = wants_flag(control)?;
    let Some(service) = oem(context, "SNMPService")? else { return Ok(absent(control)) };
    let there: Vec<(&str, bool)> = FLAGS.iter().filter_map(|name| Some((*name, service.flag(&[name])?))).collect();
    if there.is_empty() {
        return Ok(absent(control));
    }
    let observed = there.iter().any(|(_, on)| *on);
    let body: Members = there.iter().map(|(name, _)| ((*name).to_owned(), json!(wanted))).collect();
    Ok(Setting::equal(Value::Flag(observed), control, vec![Change::new(&path(&service)?, JsonValue::Object(body))]))
}

/// Two static servers; DHCP must not supply others, which the interfaces say.
fn ntp(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_texts(control)?;
    let Some(service) = oem(context, "DateTimeService")? else { return Ok(absent(control)) };
    if service.at(&["StaticNTPServers"]).is_none() {
        return Ok(absent(control));
    }
    let mut observed = service.texts(&["StaticNTPServers"]);
    observed.retain(|server| server != "0.0.0.0" && server != "::");
    let taken: Vec<String> = wanted.iter().take(2).cloned().collect();
    let mut servers = taken.clone();
    servers.resize(2, String::new());
    let mut changes = Vec::new();
    let from_dhcp = dhcp_sources(context)?;
    for link in &from_dhcp {
        let off = json!({ "UseNTPServers": false });
        changes.push(Change::new(link, json!({ "Oem": { "Hpe": { "DHCPv4": off, "DHCPv6": off } } })));
    }
    if observed != taken {
        changes.push(Change::new(&path(&service)?, json!({ "StaticNTPServers": servers })));
    }
    let compliant = observed == taken && from_dhcp.is_empty();
    let detail = if wanted.len() > 2 {
        Some("an iLO takes two servers; the first two are compared".to_owned())
    } else if from_dhcp.is_empty() {
        None
    } else {
        Some("the servers come from DHCP".to_owned())
    };
    Ok(Setting::Found { observed: Value::Texts(observed), compliant, changes, detail })
}

/// Interfaces in use whose NTP servers come from DHCP.
fn dhcp_sources(context: &Context<'_>) -> Result<Vec<String>, Error> {
    let link = context.manager()?.link(&["EthernetInterfaces"]);
    let interfaces = context.redfish.members(link.as_deref())?;
    let supplied = |interface: &JsonValue| {
        let v4 = interface.flag(&["Oem", "Hpe", "DHCPv4", "Enabled"]) == Some(true)
            && interface.flag(&["Oem", "Hpe", "DHCPv4", "UseNTPServers"]) == Some(true);
        v4 && interface.flag(&["InterfaceEnabled"]) == Some(true)
    };
    interfaces.iter().filter(|interface| supplied(interface)).map(|interface| path(interface)).collect()
}

/// The versions of TLS as flags. An iLO without flags for the old ones no longer speaks them.
fn tls(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    const VERSIONS: [(&str, &str); 4] = [("1.0", "TLS1_0"), ("1.1", "TLS1_1"), ("1.2", "TLS1_2"), ("1.3", "TLS1_3")];
    let wanted = wants_text(control)?;
    if !VERSIONS.iter().any(|(version, _)| *version == wanted) {
        return Err(Error::InvalidInput(format!("there is no TLS version `{wanted}`")));
    }
    let Some(service) = oem(context, "SecurityService")? else { return Ok(absent(control)) };
    let on = |name: &str| service.flag(&["TLSVersion", name]);
    let Some((lowest, _)) = VERSIONS.iter().find(|(_, name)| on(name) == Some(true)) else {
        return Ok(absent(control));
    };
    let off: Members = VERSIONS
        .iter()
        .filter(|(version, name)| *version < wanted && on(name) == Some(true))
        .map(|(_, name)| ((*name).to_owned(), json!("Disabled")))
        .collect();
    let change = Change { path: path(&service)?, body: json!({ "TLSVersion": off }), last: true };
    let compliant = *lowest >= wanted;
    Ok(Setting::Found { observed: Value::Text((*lowest).to_owned()), compliant, changes: vec![change], detail: None })
}

/// In minutes at the manager; the control is in seconds.
fn idle_timeout(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_number(control)?;
    let manager = context.manager()?;
    let minutes = manager.natural(&["Oem", "Hpe", "IdleConnectionTimeoutMinutes"]);
    let Some(minutes) = minutes.and_then(|n| i64::try_from(n).ok()) else { return Ok(absent(control)) };
    let body = json!({ "Oem": { "Hpe": { "IdleConnectionTimeoutMinutes": (wanted / 60).max(1) } } });
    Ok(at_most(minutes * 60, wanted, vec![Change::new(&path(&manager)?, body)]))
}

/// Needs an advanced licence; an iLO without one refuses the change, and the finding says so.
fn syslog(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_text(control)?;
    let Some(protocols) = context.of_manager(&["NetworkProtocol"])? else { return Ok(absent(control)) };
    let Some(enabled) = protocols.flag(&["Oem", "Hpe", "RemoteSyslogEnabled"]) else { return Ok(absent(control)) };
    let server = protocols.text(&["Oem", "Hpe", "RemoteSyslogServer"]).filter(|_| enabled).unwrap_or_default();
    let settings = json!({ "RemoteSyslogEnabled": !wanted.is_empty(), "RemoteSyslogServer": wanted });
    let change = Change::new(&path(&protocols)?, json!({ "Oem": { "Hpe": settings } }));
    Ok(Setting::equal(Value::Text(server), control, vec![change]))
}

fn banner(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_text(control)?;
    let Some(service) = oem(context, "SecurityService")? else { return Ok(absent(control)) };
    let Some(enabled) = service.flag(&["LoginSecurityBanner", "IsEnabled"]) else { return Ok(absent(control)) };
    let message = service.text(&["LoginSecurityBanner", "SecurityMessage"]).filter(|_| enabled).unwrap_or_default();
    let settings = json!({ "IsEnabled": !wanted.is_empty(), "SecurityMessage": wanted });
    let change = Change::new(&path(&service)?, json!({ "LoginSecurityBanner": settings }));
    Ok(Setting::equal(Value::Text(message), control, vec![change]))
}
