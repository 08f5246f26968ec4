//! The places that images are pushed to, as strict as the real ones and a little stricter.
//!
//! Promises that order of parts, cookie and header, parameters, the file's ending, the length and `Expect` are looked at; what
//! is wrong is refused and a violation. A transfer that was broken off never gets here.

use std::sync::Arc;

use hyper::Method;
use serde_json::Value;

use super::super::bmc::Bmc;
use super::super::config::Kind;
use super::super::profile::Profile;
use super::super::reply::Reply;
use super::super::resource::key;
use super::super::serve::Ask;
use super::form::{self, Part};
use super::{Load, SERVICE};

/// How an image comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Form,
    Whole,
}

/// What a push asks for beside the image.
#[derive(Clone, Copy)]
struct Taken<'a> {
    bytes: &'a [u8],
    at_boot: bool,
    verify: bool,
}

impl Bmc {
    /// A push, if this is one; its place may be outside the tree.
    pub(in super::super) fn push(self: &Arc<Self>, ask: &Ask, at: &str) -> Option<Reply> {
        if ask.method != Method::POST {
            return None;
        }
        let way = self.pushed_to(at)?;
        if let Err(reply) = self.admit(ask) {
            return Some(reply);
        }
        let taken = match self.form_of(ask, way) {
            Ok(taken) => taken,
            Err(problem) => {
                self.violation(format!("POST {}: {problem}", ask.path));
                return Some(Reply::refuse_base(self.kind(), 400, "GeneralError", &[]));
            }
        };
        if let Some(reply) = self.taken() {
            return Some(reply);
        }
        let load = Load::of(&self.state(), self.kind(), taken.bytes);
        let load = load.map(|load| Load { verify: taken.verify, ..load });
        Some(self.begin_update(load, taken.at_boot))
    }

    fn pushed_to(&self, at: &str) -> Option<Way> {
        let service = self.state().resources.get(SERVICE)?.body();
        let is = |name: &str| service.get(name).and_then(Value::as_str).is_some_and(|uri| key(uri) == at);
        match (is("MultipartHttpPushUri"), is("HttpPushUri"), self.kind()) {
            (true, _, _) | (_, true, Kind::HpeIlo5 | Kind::HpeIlo6) => Some(Way::Form),
            (_, true, Kind::Generic) => Some(Way::Whole),
            _ => None,
        }
    }

    fn form_of<'a>(&self, ask: &'a Ask, way: Way) -> Result<Taken<'a>, String> {
        if ask.header("expect").is_some() || ask.header("transfer-encoding").is_some() {
            return Err("`Expect` and `Transfer-Encoding` are not understood here".to_owned());
        }
        if ask.header("content-length") != Some(ask.body.len().to_string().as_str()) {
            return Err("the length is not said, or is another".to_owned());
        }
        let kind = ask.header("content-type").unwrap_or_default();
        if way == Way::Whole {
            let right = kind == "application/octet-stream";
            let taken = Taken { bytes: &ask.body, at_boot: false, verify: false };
            return if right { Ok(taken) } else { Err(format!("an image is no `{kind}`")) };
        }
        let parts = form::parts(kind, &ask.body)?;
        match self.kind() {
            Kind::HpeIlo5 | Kind::HpeIlo6 => hpe(ask, &parts),
            vendor => {
                let [parameters, file] = standard(&parts)?;
                let taken = Taken { bytes: file.body, at_boot: false, verify: false };
                let parameters = object(parameters)?;
                match vendor {
                    Kind::DellIdrac9 => dell(&parameters, file, taken),
                    Kind::SupermicroX13 => supermicro(self.profile, &parameters, taken),
                    _ => Ok(taken),
                }
            }
        }
    }
}

fn object(part: &Part<'_>) -> Result<Value, String> {
    if part.content_type.as_deref() != Some("application/json") {
        return Err(format!("the part `{}` is not said to be JSON", part.name));
    }
    let value: Value = serde_json::from_slice(part.body).map_err(|error| format!("`{}`: {error}", part.name))?;
    if value.is_object() { Ok(value) } else { Err(format!("`{}` is no object", part.name)) }
}

fn file<'a, 'b>(part: &'a Part<'b>) -> Result<&'a Part<'b>, String> {
    if part.content_type.as_deref() != Some("application/octet-stream") {
        return Err("the file is not said to be `application/octet-stream`".to_owned());
    }
    let named = part.filename.as_deref().is_some_and(|name| name.contains('.') && !name.contains('/'));
    if named { Ok(part) } else { Err(format!("`{:?}` is no name of an image", part.filename)) }
}

/// `sessionKey`, `parameters`, `file`; the session as cookie, header and part.
fn hpe<'a>(ask: &Ask, parts: &[Part<'a>]) -> Result<Taken<'a>, String> {
    let token = ask.header("x-auth-token").ok_or("an upload takes a session, no basic authentication")?;
    if ask.header("cookie") != Some(&format!("sessionKey={token}")) {
        return Err("the cookie `sessionKey` is not the session".to_owned());
    }
    let [session, parameters, image] = parts else { return Err(format!("{} parts and not three", parts.len())) };
    if [&session.name, &parameters.name, &image.name] != ["sessionKey", "parameters", "file"] {
        return Err("the parts are not `sessionKey`, `parameters`, `file` in this order".to_owned());
    }
    if session.body != token.as_bytes() {
        return Err("the part `sessionKey` is not the session".to_owned());
    }
    let parameters: Value =
        serde_json::from_slice(parameters.body).map_err(|error| format!("`parameters`: {error}"))?;
    let flag = |name: &str| parameters.get(name).and_then(Value::as_bool);
    let section = parameters.get("Section").is_some_and(Value::is_number);
    if flag("UpdateTarget") != Some(true) || flag("UpdateRepository").is_none() || !section {
        return Err(format!("`parameters` is {parameters}"));
    }
    Ok(Taken { bytes: file(image)?.body, at_boot: false, verify: false })
}

fn standard<'a, 'b>(parts: &'a [Part<'b>]) -> Result<[&'a Part<'b>; 2], String> {
    let [parameters, image] = parts else { return Err(format!("{} parts and not two", parts.len())) };
    if [&parameters.name, &image.name] != ["UpdateParameters", "UpdateFile"] {
        return Err("the parts are not `UpdateParameters`, `UpdateFile` in this order".to_owned());
    }
    if !parameters.body.starts_with(b"{") {
        return Err("`UpdateParameters` is no object".to_owned());
    }
    Ok([parameters, file(image)?])
}

fn dell<'a>(parameters: &Value, file: &Part<'_>, taken: Taken<'a>) -> Result<Taken<'a>, String> {
    let ending = file.filename.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    if !ending.is_some_and(|ending| ["exe", "d9", "pm"].iter().any(|known| ending.eq_ignore_ascii_case(known))) {
        return Err(format!("`{:?}` has not the ending of an update package", file.filename));
    }
    if !parameters.get("Targets").is_some_and(Value::is_array) || !parameters.get("Oem").is_some_and(Value::is_object) {
        return Err("`Targets` and `Oem` are required".to_owned());
    }
    match apply_time(parameters) {
        Some("OnReset") => Ok(Taken { at_boot: true, ..taken }),
        Some("Immediate" | "OnStartUpdateRequest") => Ok(taken),
        other => Err(format!("`{other:?}` is no time to apply")),
    }
}

fn apply_time(parameters: &Value) -> Option<&str> {
    parameters.get("@Redfish.OperationApplyTime")?.as_str()
}

/// One target, and what of it is kept.
fn supermicro<'a>(profile: &Profile, parameters: &Value, taken: Taken<'a>) -> Result<Taken<'a>, String> {
    let listed = parameters.get("Targets").and_then(Value::as_array);
    let targets: Vec<&str> = listed.into_iter().flatten().filter_map(Value::as_str).collect();
    let [target] = targets.as_slice() else { return Err("exactly one target is updated at a time".to_owned()) };
    let (part, names) = if key(target) == key(profile.manager) {
        ("BMC", ["PreserveCfg", "PreserveSdr", "PreserveSsl"])
    } else if key(target) == key(profile.bios) {
        ("BIOS", ["PreserveME", "PreserveNVRAM", "PreserveSMBIOS"])
    } else {
        return Err(format!("`{target}` is no target"));
    };
    let kept =
        |name: &&str| parameters.pointer(&format!("/Oem/Supermicro/{part}/{name}")).is_some_and(Value::is_boolean);
    if !names.iter().all(kept) {
        return Err(format!("what of the {part} is kept is not said"));
    }
    match apply_time(parameters) {
        Some("OnStartUpdateRequest") => Ok(Taken { verify: true, ..taken }),
        other => Err(format!("`{other:?}` is no time to apply")),
    }
}
