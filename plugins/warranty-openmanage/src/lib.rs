//! Dell `OpenManage` Enterprise, as a source of warranties: what it had of Dell for the servers it knows.
//!
//! Promises: every service tag asked for is answered, by entitlements, as unknown, or (a device the appliance has no warranty of) by
//! neither. Does not: ask Dell; the appliance does that by itself, so an answer is as old as its last task for that.
//!
//! Not obvious: many tags are looked for by walking the whole list, which takes fewer requests. What the walk did not meet is asked
//! for by its own name before it is called unknown: a list that changes between two pages may hide a member.

use farrier_plugin_sdk::http::{Host, Http};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::Value;
use farrier_plugin_sdk::text::timestamp;
use farrier_plugin_sdk::types::Error;
use farrier_plugin_sdk_fleet::openmanage::{DEVICES, appliance, filtered};
use farrier_plugin_sdk_fleet::rest::Rest;
use farrier_world_warranty::exports::farrier::provisioning::{metadata, warranty};
use metadata::{AuthScheme, Capabilities, LoginToken, Logout, PluginInfo, SessionPath, TokenSource};

pub use warranty::{Answer, Entitlement};

const WARRANTIES: &str = "/api/WarrantyService/Warranties";
const SESSIONS: &str = "/api/SessionService/Sessions";
/// Serials in one call.
const AT_ONCE: usize = 100;
/// From so many serials on the whole list is walked.
const WALK_FROM: usize = 10;
/// Members asked for at once in a walk; an appliance that gives fewer names the next page.
const PAGE: usize = 500;

/// The exports.
pub struct Component;

impl metadata::Guest for Component {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: "warranty-openmanage".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Dell OpenManage Enterprise: support entitlements by service tag".to_owned(),
            capabilities: Capabilities::empty(),
            matches: Vec::new(),
            auth: vec![AuthScheme::LoginToken(login()), AuthScheme::Basic],
        }
    }
}

fn login() -> LoginToken {
    let session = SessionPath { id: "/Id".to_owned(), path: format!("{SESSIONS}('$id')") };
    LoginToken {
        path: SESSIONS.to_owned(),
        document: r#"{"UserName":"$username","Password":"$password","SessionType":"API"}"#.to_owned(),
        headers: Vec::new(),
        token: TokenSource::Header("X-Auth-Token".to_owned()),
        header: "X-Auth-Token".to_owned(),
        logout: Some(Logout::Session(session)),
        refusals: Vec::new(),
        version: None,
    }
}

impl warranty::Guest for Component {
    fn lookup(serials: Vec<String>) -> Result<Answer, Error> {
        lookup(&Host, &serials)
    }
}

/// Ask for up to a hundred service tags.
pub fn lookup(http: &dyn Http, serials: &[String]) -> Result<Answer, Error> {
    if serials.len() > AT_ONCE {
        return Err(Error::InvalidInput(format!("{} serials; at most {AT_ONCE} at once", serials.len())));
    }
    let ome = appliance(http);
    let mut answer = Answer { found: Vec::new(), unknown: Vec::new() };
    if serials.len() >= WALK_FROM {
        collect(&ome, &format!("{WARRANTIES}?$top={PAGE}"), serials, &mut answer.found)?;
    }
    for serial in serials {
        if answer.found.iter().any(|one| one.serial == *serial) {
            continue;
        }
        let before = answer.found.len();
        let own = filtered(WARRANTIES, "DeviceIdentifier", &tag(serial));
        collect(&ome, &own, std::slice::from_ref(serial), &mut answer.found)?;
        if answer.found.len() == before && !is_device(&ome, serial)? {
            answer.unknown.push(serial.clone());
        }
    }
    Ok(answer)
}

/// The entitlements of these serials in a list.
fn collect(ome: &Rest<'_>, first: &str, serials: &[String], found: &mut Vec<Entitlement>) -> Result<(), Error> {
    let mut wrong = None;
    ome.list(first, &mut |one| {
        let tag = one.text(&["DeviceIdentifier"]).unwrap_or_default();
        let Some(serial) = serials.iter().find(|serial| serial.trim().eq_ignore_ascii_case(&tag)) else { return true };
        match entitlement(serial, one) {
            Ok(one) => found.extend(one),
            Err(error) => wrong = Some(error),
        }
        wrong.is_none()
    })?;
    wrong.map_or(Ok(()), Err)
}

/// One without an end is left out; one with an end that cannot be read is a quirk to report.
fn entitlement(serial: &str, one: &Value) -> Result<Option<Entitlement>, Error> {
    let date = |name: &str| one.text(&[name]).map(|text| time(&text)).transpose();
    let Some(ends) = date("EndDate")? else { return Ok(None) };
    let starts = date("StartDate")?.unwrap_or(0);
    let level = one.text(&["ServiceLevelDescription"]).or_else(|| one.text(&["ServiceLevelCode"]));
    let level = level.unwrap_or_else(|| "not named".to_owned());
    Ok(Some(Entitlement { serial: serial.to_owned(), level, starts, ends }))
}

/// The appliance writes times without a zone; they are taken for UTC, which is off by hours where the end is a day.
fn time(text: &str) -> Result<u64, Error> {
    let found = timestamp(text).or_else(|| timestamp(&format!("{text}Z")));
    found.ok_or_else(|| Error::Malformed(format!("`{text}` is no date of a warranty")))
}

/// As Dell writes a service tag; a filter asks for it letter by letter.
fn tag(serial: &str) -> String {
    serial.trim().to_ascii_uppercase()
}

fn is_device(ome: &Rest<'_>, serial: &str) -> Result<bool, Error> {
    let mut found = false;
    ome.list(&filtered(DEVICES, "DeviceServiceTag", &tag(serial)), &mut |device| {
        let own = device.text(&["DeviceServiceTag"]).unwrap_or_default();
        found = own.eq_ignore_ascii_case(serial.trim());
        !found
    })?;
    Ok(found)
}

#[cfg(target_arch = "wasm32")]
farrier_world_warranty::export!(Component with_types_in farrier_world_warranty);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Entitlement, entitlement, time};
    use farrier_plugin_sdk::serde_json::json;

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        assert_eq!(time("2028-01-06 05:59:59.000").unwrap(), 1_830_751_199_000);
        assert_eq!(time("2028-01-06T05:59:59Z").unwrap(), 1_830_751_199_000);
        assert!(time("06.01.2028").is_err());
    }

    #[test]
    fn what_has_no_end_is_no_entitlement() {
        assert_eq!(entitlement("A", &json!({ "DeviceIdentifier": "A", "EndDate": null })).unwrap(), None);
        let one = json!({ "ServiceLevelCode": "ND", "EndDate": "2028-01-06 05:59:59.000" });
        let wanted = Entitlement { serial: "A".into(), level: "ND".into(), starts: 0, ends: 1_830_751_199_000 };
        assert_eq!(entitlement("A", &one).unwrap(), Some(wanted));
    }
}
