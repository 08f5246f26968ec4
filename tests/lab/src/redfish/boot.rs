//! The boot override, by each vendor's rules.
//!
//! Promises that a target the controller does not list is refused, that HPE refuses during the self-test,
//! and that Supermicro takes a missing `BootSourceOverrideEnabled` as `Once`. Boot mode is not changed
//! through this property on any simulated controller but the generic one. It does not consume `Once`.

use serde_json::{Value, json};

use super::bmc::Bmc;
use super::config::Kind;
use super::read::show;
use super::reply::{Message, Reply};
use super::state::Boot;
use crate::ledger::Kind as Count;

impl Bmc {
    /// `PATCH` of the system with a `Boot` object; other properties go on as plain ones.
    pub(super) fn patch_boot(&self, at: &str, mut json: Value) -> Reply {
        let hpe = matches!(self.kind(), Kind::HpeIlo5 | Kind::HpeIlo6);
        if hpe && self.state().in_post() {
            let message = Message::full("iLO.2.24.UnableToModifyDuringSystemPOST", &[]);
            return Reply::refuse(self.kind(), 400, &[message]);
        }
        let wanted = json.as_object_mut().and_then(|map| map.remove("Boot")).unwrap_or_default();
        let Some((meta, body)) = self.current(at) else { return self.absent(at) };
        let (boot, order) = match self.judge_boot(&body, &wanted) {
            Ok(judged) => judged,
            Err(message) => return Reply::refuse(self.kind(), 400, &[message]),
        };
        let mut rest = match self.judge(&meta, &body, &json) {
            Ok(changes) => changes,
            Err(messages) => return Reply::refuse(self.kind(), 400, &messages),
        };
        let mut state = self.state();
        let changed = state.boot != boot;
        state.boot = boot;
        drop(state);
        rest.extend(order);
        if changed {
            self.count(Count::SettingsChange, "boot override");
        } else if rest.is_empty() {
            self.count(Count::NoChange, "boot override");
        }
        if rest.is_empty() {
            let resource = show(&self.state(), self.kind(), at);
            return Reply::done(self.kind(), None, resource);
        }
        self.commit(at, rest)
    }

    fn judge_boot(&self, body: &Value, wanted: &Value) -> Result<(Boot, Option<super::patch::Change>), Message> {
        let kind = self.kind();
        let Some(wanted) = wanted.as_object() else {
            return Err(Message::base(kind, "PropertyValueTypeError", &["", "Boot"]).about("Boot"));
        };
        let mut boot = self.state().boot.clone();
        let mut order = None;
        for (name, value) in wanted {
            let path = format!("Boot/{name}");
            let shown = value.as_str().unwrap_or_default();
            let not_listed = || Message::base(kind, "PropertyValueNotInList", &[shown, name]).about(&path);
            match name.as_str() {
                "BootSourceOverrideEnabled" if ["Once", "Continuous", "Disabled"].contains(&shown) => {
                    shown.clone_into(&mut boot.enabled);
                }
                "BootSourceOverrideTarget" if listed(body, shown) => shown.clone_into(&mut boot.target),
                "BootSourceOverrideMode" if self.mode_allowed(&boot, shown) => shown.clone_into(&mut boot.mode),
                "UefiTargetBootSourceOverride" if value.is_string() || value.is_null() => {
                    boot.uefi_target = value.as_str().map(str::to_owned);
                }
                "HttpBootUri" if body.pointer("/Boot/HttpBootUri").is_some() && !value.is_object() => {
                    boot.http_uri = value.as_str().map(str::to_owned);
                }
                "BootOrder" if same_items(body.pointer("/Boot/BootOrder"), value) => {
                    order = Some(super::patch::Change { path, value: value.clone(), control: None });
                }
                "BootSourceOverrideEnabled" | "BootSourceOverrideTarget" | "BootOrder" => return Err(not_listed()),
                "BootSourceOverrideMode" | "UefiTargetBootSourceOverride" => {
                    return Err(Message::base(kind, "PropertyNotWritable", &[name]).about(&path));
                }
                _ => return Err(Message::base(kind, "PropertyUnknown", &[name]).about(&path)),
            }
        }
        if boot.target == "UefiTarget" && boot.uefi_target.is_none() {
            return Err(Message::base(kind, "PropertyMissing", &["UefiTargetBootSourceOverride"]));
        }
        if kind == Kind::SupermicroX13
            && wanted.contains_key("BootSourceOverrideTarget")
            && !wanted.contains_key("BootSourceOverrideEnabled")
        {
            "Once".clone_into(&mut boot.enabled);
        }
        if boot.enabled == "Disabled" {
            "None".clone_into(&mut boot.target);
        }
        Ok((boot, order))
    }

    fn mode_allowed(&self, boot: &Boot, mode: &str) -> bool {
        mode == boot.mode || (self.kind() == Kind::Generic && ["UEFI", "Legacy"].contains(&mode))
    }
}

fn listed(body: &Value, target: &str) -> bool {
    let allowed = body.pointer("/Boot/BootSourceOverrideTarget@Redfish.AllowableValues").and_then(Value::as_array);
    allowed.is_some_and(|allowed| allowed.contains(&json!(target)))
}

fn same_items(now: Option<&Value>, wanted: &Value) -> bool {
    let sorted = |value: &Value| {
        let mut items: Vec<String> =
            value.as_array()?.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
        items.sort();
        Some(items)
    };
    now.and_then(sorted).is_some_and(|now| Some(now) == sorted(wanted))
}
