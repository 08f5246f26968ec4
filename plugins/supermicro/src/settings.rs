//! The controls as Supermicro has them.
//!
//! Promises: time and syslog in the OEM resources where the schema's are missing, SNMP v2c of X10 in a resource of its own;
//! the rest by the schema. Does not: claim a TLS version or a banner, for which there is no setting.
//!
//! Not obvious: the syslog server's member has another name on X10, and its port is zero until one is set.

use farrier_plugin_sdk::driver::standard::{absent, path, wants_flag, wants_text, wants_texts};
use farrier_plugin_sdk::driver::{Change, Context, Setting, standard};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::json;
use farrier_plugin_sdk::types::{Control, Error, Value};

/// The setting behind a control.
pub fn setting(context: &Context<'_>, control: &Control, factory: &[&str]) -> Result<Setting, Error> {
    match control.id.as_str() {
        "ntp-servers" => ntp(context, control, factory),
        "syslog-server" => syslog(context, control),
        "snmp-v2c" => snmp(context, control, factory),
        _ => standard::setting(context, control, factory),
    }
}

/// By the schema on X12 and later; before, an OEM resource. Two servers in both.
fn ntp(context: &Context<'_>, control: &Control, factory: &[&str]) -> Result<Setting, Error> {
    let wanted: Vec<String> = wants_texts(control)?.iter().take(2).cloned().collect();
    let two = Control { desired: Value::Texts(wanted.clone()), ..control.clone() };
    let cut = wants_texts(control)?.len() > 2;
    let note = cut.then(|| "this controller takes two servers; the first two are compared".to_owned());
    let by_schema = match standard::setting(context, &two, factory)? {
        Setting::Found { observed, compliant, changes, .. } => {
            return Ok(Setting::Found { observed, compliant, changes, detail: note });
        }
        absent @ Setting::Absent(_) => absent,
    };
    let Some(service) = context.of_manager(&["Oem", "Supermicro", "NTP"])? else { return Ok(by_schema) };
    let Some(enabled) = service.flag(&["NTPEnable"]) else { return Ok(by_schema) };
    let slots = ["PrimaryNTPServer", "SecondaryNTPServer"];
    let observed: Vec<String> =
        if enabled { slots.iter().filter_map(|slot| service.text(&[slot])).collect() } else { Vec::new() };
    let server = |index: usize| wanted.get(index).cloned().unwrap_or_default();
    let body = json!({
        "NTPEnable": !wanted.is_empty(), "PrimaryNTPServer": server(0), "SecondaryNTPServer": server(1)
    });
    let compliant = observed == wanted;
    let changes = vec![Change::new(&path(&service)?, body)];
    Ok(Setting::Found { observed: Value::Texts(observed), compliant, changes, detail: note })
}

fn syslog(context: &Context<'_>, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_text(control)?;
    let Some(service) = context.of_manager(&["Oem", "Supermicro", "Syslog"])? else { return Ok(absent(control)) };
    let Some(enabled) = service.flag(&["EnableSyslog"]) else { return Ok(absent(control)) };
    let old = service.as_object().is_some_and(|members| members.contains_key("SyslogServerIP"));
    let name = if old { "SyslogServerIP" } else { "SyslogServer" };
    let observed = service.text(&[name]).filter(|_| enabled).unwrap_or_default();
    let mut body = json!({ "EnableSyslog": !wanted.is_empty(), name: wanted });
    if !wanted.is_empty() && service.natural(&["SyslogPortNumber"]).unwrap_or(0) == 0 {
        farrier_plugin_sdk::json::merge(&mut body, &json!({ "SyslogPortNumber": 514 }));
    }
    Ok(Setting::equal(Value::Text(observed), control, vec![Change::new(&path(&service)?, body)]))
}

/// X10 has SNMP as a whole in the network protocols, and the versions in an OEM resource.
fn snmp(context: &Context<'_>, control: &Control, factory: &[&str]) -> Result<Setting, Error> {
    let wanted = wants_flag(control)?;
    let Some(service) = context.of_manager(&["Oem", "Supermicro", "SNMP"])? else {
        return standard::setting(context, control, factory);
    };
    let Some(on) = service.flag(&["SnmpEnabled"]) else { return standard::setting(context, control, factory) };
    let Some(v2) = context.redfish.find(service.link(&["SNMPv2"]).as_deref())? else {
        return standard::setting(context, control, factory);
    };
    let Some(enabled) = v2.flag(&["Snmpv2Enabled"]) else {
        return standard::setting(context, control, factory);
    };
    let change = Change::new(&path(&v2)?, json!({ "Snmpv2Enabled": wanted }));
    Ok(Setting::equal(Value::Flag(on && enabled), control, vec![change]))
}
