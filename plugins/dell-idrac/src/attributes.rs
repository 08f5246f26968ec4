//! The controls as iDRAC attributes.
//!
//! Promises: attributes by their registry names, all changes in one PATCH; controls without an attribute, and an iDRAC 8
//! that has none, by the Redfish schema. Does not: log or keep the attributes: hashes of passwords are among them.
//!
//! Not obvious: an attribute that is missing means another firmware, not "off"; its control is then asked of the schema
//! or is not applicable.

use farrier_plugin_sdk::driver::standard::{absent, at_most, path, wants_flag, wants_number, wants_text, wants_texts};
use farrier_plugin_sdk::driver::{Change, Context, Setting, standard};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::redfish::id_of;
use farrier_plugin_sdk::serde_json::{Value as JsonValue, json};
use farrier_plugin_sdk::types::{Control, Error, Value};
use std::rc::Rc;

/// The iDRAC's own attributes, as one call reads them.
struct Attributes {
    resource: Rc<JsonValue>,
    path: String,
}

impl Attributes {
    /// `None` where the manager links none.
    fn read(context: &Context<'_>) -> Result<Option<Self>, Error> {
        let manager = context.manager()?;
        let sets = manager.list(&["Links", "Oem", "Dell", "DellAttributes"]).iter().filter_map(id_of);
        let own = sets.into_iter().find(|link| link.trim_end_matches('/').ends_with("/iDRAC.Embedded.1"));
        let Some(resource) = context.redfish.find(own.as_deref())? else { return Ok(None) };
        Ok(Some(Self { path: path(&resource)?, resource }))
    }

    fn has(&self, name: &str) -> bool {
        self.resource.at(&["Attributes", name]).is_some()
    }

    fn text(&self, name: &str) -> String {
        self.resource.text(&["Attributes", name]).unwrap_or_default()
    }

    fn is_on(&self, name: &str) -> bool {
        self.resource.flag(&["Attributes", name]) == Some(true)
    }

    /// Part of the one PATCH.
    fn change(&self, attributes: &JsonValue) -> Vec<Change> {
        vec![Change::new(&self.path, json!({ "Attributes": attributes }))]
    }

    fn flag(&self, control: &Control, name: &str) -> Result<Setting, Error> {
        let wanted = wants_flag(control)?;
        Ok(Setting::equal(Value::Flag(self.is_on(name)), control, self.change(&json!({ name: on_off(wanted) }))))
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}

/// The setting behind a control.
pub fn setting(context: &Context<'_>, control: &Control, factory: &[&str]) -> Result<Setting, Error> {
    let by_schema = || standard::setting(context, control, factory);
    let Some(all) = Attributes::read(context)? else { return by_schema() };
    let found = by_attribute(&all, control).unwrap_or_else(by_schema)?;
    Ok(if all.is_on("Lockdown.1.SystemLockdown") { under_lockdown(found) } else { found })
}

/// In lockdown every change is refused, which an operator should read before trying.
fn under_lockdown(setting: Setting) -> Setting {
    match setting {
        Setting::Found { observed, compliant: false, changes, detail } if !changes.is_empty() => {
            let note = "system lockdown is on: no setting can be changed until it is off".to_owned();
            Setting::Found { observed, compliant: false, changes, detail: detail.or(Some(note)) }
        }
        other => other,
    }
}

/// `None` for a control without an attribute on this firmware.
fn by_attribute(all: &Attributes, control: &Control) -> Option<Result<Setting, Error>> {
    Some(match control.id.as_str() {
        "ipmi-over-lan" if all.has("IPMILan.1.Enable") => all.flag(control, "IPMILan.1.Enable"),
        "ssh" if all.has("SSH.1.Enable") => all.flag(control, "SSH.1.Enable"),
        "snmp-v2c" if all.has("SNMP.1.SNMPProtocol") => snmp(all, control),
        "ntp-servers" if all.has("NTPConfigGroup.1.NTPEnable") => ntp(all, control),
        "tls-minimum-version" if all.has("WebServer.1.TLSProtocol") => tls(all, control),
        "session-timeout" if all.has("WebServer.1.Timeout") => timeout(all, control),
        "syslog-server" if all.has("SysLog.1.SysLogEnable") => syslog(all, control),
        "login-banner" if all.has("GUI.1.SecurityPolicyMessage") => banner(all, control),
        _ => return None,
    })
}

/// The agent answers v1 and v2c, or traps go out as one of them.
fn snmp(all: &Attributes, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_flag(control)?;
    let agent = all.text("SNMP.1.AgentEnable") != "Disabled" && all.text("SNMP.1.SNMPProtocol") != "SNMPv3";
    let traps = all.has("SNMP.1.TrapFormat") && all.text("SNMP.1.TrapFormat") != "SNMPv3";
    let mut change = json!({ "SNMP.1.SNMPProtocol": if wanted { "All" } else { "SNMPv3" } });
    if traps && !wanted {
        farrier_plugin_sdk::json::merge(&mut change, &json!({ "SNMP.1.TrapFormat": "SNMPv3" }));
    }
    Ok(Setting::equal(Value::Flag(agent || traps), control, all.change(&change)))
}

/// Up to three servers; those of a client that is off do not count.
fn ntp(all: &Attributes, control: &Control) -> Result<Setting, Error> {
    const SLOTS: [&str; 3] = ["NTPConfigGroup.1.NTP1", "NTPConfigGroup.1.NTP2", "NTPConfigGroup.1.NTP3"];
    let wanted = wants_texts(control)?;
    let mut observed: Vec<String> =
        SLOTS.iter().map(|slot| all.text(slot)).filter(|server| !server.is_empty()).collect();
    if !all.is_on("NTPConfigGroup.1.NTPEnable") {
        observed.clear();
    }
    let mut change = json!({ "NTPConfigGroup.1.NTPEnable": on_off(!wanted.is_empty()) });
    for (index, slot) in SLOTS.iter().enumerate() {
        let server = wanted.get(index).map_or("", String::as_str);
        if all.text(slot) != server {
            farrier_plugin_sdk::json::merge(&mut change, &json!({ *slot: server }));
        }
    }
    let compliant = observed.iter().eq(wanted.iter().take(3));
    let detail = (wanted.len() > 3).then(|| "an iDRAC takes three servers; the first three are compared".to_owned());
    Ok(Setting::Found { observed: Value::Texts(observed), compliant, changes: all.change(&change), detail })
}

/// `TLS 1.2 and Higher`, `TLS 1.3 Only`: the number is the lowest version.
fn tls(all: &Attributes, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_text(control)?;
    let value = match wanted {
        "1.0" => "TLS 1.0 and Higher",
        "1.1" => "TLS 1.1 and Higher",
        "1.2" => "TLS 1.2 and Higher",
        "1.3" => "TLS 1.3 Only",
        other => return Err(Error::InvalidInput(format!("there is no TLS version `{other}`"))),
    };
    let said = all.text("WebServer.1.TLSProtocol");
    let lowest = said.split_whitespace().nth(1).unwrap_or_default().to_owned();
    if lowest.is_empty() {
        return Err(Error::Malformed(format!("`WebServer.1.TLSProtocol` is `{said}`")));
    }
    let compliant = lowest.as_str() >= wanted;
    let changes = all.change(&json!({ "WebServer.1.TLSProtocol": value }));
    Ok(Setting::Found { observed: Value::Text(lowest), compliant, changes, detail: None })
}

/// In seconds already.
fn timeout(all: &Attributes, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_number(control)?;
    let seconds = all.resource.natural(&["Attributes", "WebServer.1.Timeout"]).and_then(|n| i64::try_from(n).ok());
    let Some(seconds) = seconds else { return Ok(absent(control)) };
    Ok(at_most(seconds, wanted, all.change(&json!({ "WebServer.1.Timeout": wanted }))))
}

fn syslog(all: &Attributes, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_text(control)?;
    let enabled = all.is_on("SysLog.1.SysLogEnable");
    let observed = if enabled { all.text("SysLog.1.Server1") } else { String::new() };
    let change = json!({ "SysLog.1.SysLogEnable": on_off(!wanted.is_empty()), "SysLog.1.Server1": wanted });
    Ok(Setting::equal(Value::Text(observed), control, all.change(&change)))
}

fn banner(all: &Attributes, control: &Control) -> Result<Setting, Error> {
    let wanted = wants_text(control)?;
    let observed = all.text("GUI.1.SecurityPolicyMessage");
    Ok(Setting::equal(Value::Text(observed), control, all.change(&json!({ "GUI.1.SecurityPolicyMessage": wanted }))))
}
