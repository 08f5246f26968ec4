//! Dell `TechDirect`: support entitlements by service tag.
//!
//! Promises: every serial asked for is answered, by entitlements, as unknown, or (a tag that Dell knows and sells nothing
//! for) by neither. Does not: guess an end from a shipping date.
//!
//! Not obvious: written from the documented shape; paths and field names have met no real `TechDirect` yet.

use farrier_plugin_sdk::error::from_http;
use farrier_plugin_sdk::http::{Host, Http};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::serde_json::{self, Value};
use farrier_plugin_sdk::services::{failed, request};
use farrier_plugin_sdk::text::timestamp;
use farrier_plugin_sdk::types::{Body, Error, Method};
use farrier_world_warranty::exports::farrier::provisioning::{metadata, warranty};
use metadata::{AuthScheme, Capabilities, Oauth2Client, PluginInfo};

pub use warranty::{Answer, Entitlement};

/// Where a token is had.
const TOKEN: &str = "/auth/oauth/v2/token";
/// Where entitlements are.
const ENTITLEMENTS: &str = "/PROD/sbil/eapi/v5/asset-entitlements";
/// Tags in one request.
const AT_ONCE: usize = 100;

/// The exports.
pub struct Component;

impl metadata::Guest for Component {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: "warranty-dell".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Dell TechDirect: support entitlements by service tag".to_owned(),
            capabilities: Capabilities::empty(),
            matches: Vec::new(),
            auth: vec![AuthScheme::Oauth2ClientCredentials(Oauth2Client { token_path: TOKEN.to_owned(), scope: None })],
        }
    }
}

impl warranty::Guest for Component {
    fn lookup(serials: Vec<String>) -> Result<Answer, Error> {
        lookup(&Host, &serials)
    }
}

/// Ask for up to a hundred tags.
pub fn lookup(http: &dyn Http, serials: &[String]) -> Result<Answer, Error> {
    if serials.len() > AT_ONCE {
        return Err(Error::InvalidInput(format!("{} serials; at most {AT_ONCE} at once", serials.len())));
    }
    // What is no service tag is not asked for: it would make the whole request invalid.
    let is_tag = |text: &str| (5..=7).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric());
    let (tags, others): (Vec<&String>, Vec<&String>) = serials.iter().partition(|serial| is_tag(serial.trim()));
    let mut answer = Answer { found: Vec::new(), unknown: others.into_iter().cloned().collect() };
    if tags.is_empty() {
        return Ok(answer);
    }
    let joined = tags.iter().map(|tag| tag.trim().to_ascii_uppercase()).collect::<Vec<_>>().join(",");
    let assets = ask(http, &format!("{ENTITLEMENTS}?servicetags={joined}"))?;
    for tag in tags {
        let asset = assets.iter().find(|asset| {
            asset.text(&["serviceTag"]).is_some_and(|found| found.eq_ignore_ascii_case(tag.trim()))
                && asset.flag(&["invalid"]) != Some(true)
        });
        match asset {
            Some(asset) => read(tag, asset, &mut answer.found)?,
            None => answer.unknown.push(tag.clone()),
        }
    }
    Ok(answer)
}

fn ask(http: &dyn Http, path: &str) -> Result<Vec<Value>, Error> {
    let what = format!("GET {ENTITLEMENTS}");
    let response = http.send(request(Method::Get, path, Body::None)).map_err(from_http)?;
    let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    if response.status != 200 {
        let said = body.text(&["message"]).or_else(|| body.text(&["error_description"])).unwrap_or_default();
        return Err(failed(&what, &response, &said, body.text(&["error"])));
    }
    match body {
        Value::Array(assets) => Ok(assets),
        _ => Err(Error::Malformed(format!("{what}: not a list of assets"))),
    }
}

/// The entitlements of one asset. One without dates is left out; one with an end that cannot be read is a quirk to report.
fn read(serial: &str, asset: &Value, found: &mut Vec<Entitlement>) -> Result<(), Error> {
    for one in asset.list(&["entitlements"]) {
        let Some(end) = one.text(&["endDate"]) else { continue };
        let wrong = |text: &str| Error::Malformed(format!("`{text}` is no date of an entitlement"));
        let ends = timestamp(&end).ok_or_else(|| wrong(&end))?;
        let starts = match one.text(&["startDate"]) {
            Some(start) => timestamp(&start).ok_or_else(|| wrong(&start))?,
            None => 0,
        };
        let level = one.text(&["serviceLevelDescription"]).or_else(|| one.text(&["serviceLevelCode"]));
        let level = level.unwrap_or_else(|| "not named".to_owned());
        found.push(Entitlement { serial: serial.to_owned(), level, starts, ends });
    }
    Ok(())
}

#[cfg(target_arch = "wasm32")]
farrier_world_warranty::export!(Component with_types_in farrier_world_warranty);
