//! Reads what is asked for, and names every field that cannot be so.
//!
//! Promises that no order is kept that could never be meant: every number has bounds, every text something to match. It looks
//! nothing up: a site without servers is allowed, since its servers may come tomorrow.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{FieldProblem, OrderError, Wanted};
use crate::access::{Permission, Principal};

/// Servers of one order at most.
const MOST: u32 = 1_000;
/// No number of a server is higher than this.
const LIMIT: u64 = 10_000_000;
/// Bytes of a name.
const NAME: usize = 100;
/// Bytes of a note.
const NOTE: usize = 1_000;

/// What is wrong so far.
#[derive(Default)]
struct Problems(Vec<FieldProblem>);

impl Problems {
    fn say(&mut self, field: &str, problem: impl Into<String>) {
        self.0.push(FieldProblem { field: field.to_owned(), problem: problem.into() });
    }

    /// Take a field out of the object; absent and null are the same.
    fn take<T: DeserializeOwned>(&mut self, from: &mut Map<String, Value>, field: &str, form: &str) -> Option<T> {
        let value = from.remove(field).filter(|value| !value.is_null())?;
        let read = serde_json::from_value(value).ok();
        if read.is_none() {
            self.say(field, format!("must be {form}"));
        }
        read
    }

    fn end<T>(self, value: T) -> Result<T, OrderError> {
        if self.0.is_empty() { Ok(value) } else { Err(OrderError::Invalid(self.0)) }
    }
}

impl Wanted {
    /// From JSON, naming every field that is unknown or of another type: [`OrderError::Invalid`].
    pub fn from_json(value: Value) -> Result<Self, OrderError> {
        let (text, number, flag) = ("a text", "a whole number, 0 or more", "true or false");
        let mut problems = Problems::default();
        let Value::Object(mut from) = value else {
            problems.say("", "an order is a JSON object");
            return problems.end(Self::default());
        };
        let wanted = Self {
            tenant: problems.take(&mut from, "tenant", text),
            site: problems.take(&mut from, "site", text),
            model: problems.take(&mut from, "model", text),
            cpu: problems.take(&mut from, "cpu", text),
            cores: problems.take(&mut from, "cores", number),
            memory_gib: problems.take(&mut from, "memory_gib", number),
            drives: problems.take(&mut from, "drives", number),
            drive_gib: problems.take(&mut from, "drive_gib", number),
            count: problems.take(&mut from, "count", number).unwrap_or(1),
            note: problems.take(&mut from, "note", text),
            partial: problems.take(&mut from, "partial", flag).unwrap_or_default(),
            accept: problems.take(&mut from, "accept", flag).unwrap_or_default(),
        };
        for field in from.keys() {
            let known = "site, model, cpu, cores, memory_gib, drives, drive_gib, count, note, partial, accept, tenant";
            problems.say(field, format!("unknown; the fields are {known}"));
        }
        problems.end(wanted)
    }
}

/// Trimmed, and absent where there is nothing in it.
fn tidy(text: &mut Option<String>) {
    *text = text.take().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
}

/// The order's tenant and the order as it will be kept, or every field that is wrong.
pub fn check(who: &Principal, wanted: &Wanted) -> Result<(String, Wanted), OrderError> {
    let (mut problems, mut wanted) = (Problems::default(), wanted.clone());
    for text in [&mut wanted.tenant, &mut wanted.site, &mut wanted.model, &mut wanted.cpu, &mut wanted.note] {
        tidy(text);
    }
    if !(1..=MOST).contains(&wanted.count) {
        problems.say("count", format!("must be between 1 and {MOST}"));
    }
    let numbers = [
        ("cores", wanted.cores.map(u64::from)),
        ("memory_gib", wanted.memory_gib.map(u64::from)),
        ("drives", wanted.drives.map(u64::from)),
        ("drive_gib", wanted.drive_gib),
    ];
    for (field, _) in numbers.iter().filter(|(_, number)| number.is_some_and(|number| number > LIMIT)) {
        problems.say(field, format!("no server has more than {LIMIT}"));
    }
    texts(&wanted, &mut problems);
    site(who, &wanted, &mut problems);
    let tenant = tenant(who, &wanted, &mut problems);
    wanted.tenant = None;
    problems.end((tenant, wanted))
}

fn texts(wanted: &Wanted, problems: &mut Problems) {
    for (field, text) in [("model", &wanted.model), ("cpu", &wanted.cpu)] {
        let Some(text) = text else { continue };
        if text.len() > NAME {
            problems.say(field, format!("must be at most {NAME} bytes long"));
        } else if !text.chars().any(char::is_alphanumeric) {
            problems.say(field, "has no letter or digit to match");
        }
    }
    if wanted.note.as_ref().is_some_and(|note| note.len() > NOTE) {
        problems.say("note", format!("must be at most {NOTE} bytes long"));
    }
}

fn site(who: &Principal, wanted: &Wanted, problems: &mut Problems) {
    let slug = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match &wanted.site {
        Some(site) if site.len() > NAME || !site.chars().all(slug) => {
            problems.say("site", "must be a site's slug: letters, digits, `-` and `_`");
        }
        Some(site) if !who.sees_site(Some(site)) => problems.say("site", format!("`{site}` is not one of your sites")),
        None if who.sites.is_some() => problems.say("site", "name one of your sites"),
        _ => {}
    }
}

fn tenant(who: &Principal, wanted: &Wanted, problems: &mut Problems) -> String {
    let fits = |name: &str| name.len() <= NAME && !name.chars().any(char::is_control);
    match (&who.tenant, &wanted.tenant) {
        (Some(own), Some(other)) if own != other => problems.say("tenant", format!("you order for `{own}`")),
        (Some(own), _) => return own.clone(),
        // A tenant whose token names none sees nothing, and so orders for nobody.
        (None, Some(name)) if fits(name) && who.sees_tenant(Some(name)) => return name.clone(),
        (None, Some(name)) if fits(name) => problems.say("tenant", format!("you may not order for `{name}`")),
        (None, Some(_)) => problems.say("tenant", format!("must be a name of at most {NAME} bytes in one line")),
        (None, None) => problems.say("tenant", "say whose servers they will be"),
    }
    String::new()
}

/// May they?
pub fn allowed(who: &Principal, permission: Permission, what: &'static str) -> Result<(), OrderError> {
    if who.may(permission) { Ok(()) } else { Err(OrderError::NotAllowed { who: who.name.clone(), what }) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::access::{Means, Role};

    fn somebody(role: Role, tenant: Option<&str>, sites: Option<&[&str]>) -> Principal {
        Principal {
            name: "ana".to_owned(),
            means: Means::Token,
            roles: BTreeSet::from([role]),
            sites: sites.map(|sites| sites.iter().map(|site| (*site).to_owned()).collect()),
            tenant: tenant.map(str::to_owned),
        }
    }

    fn wrong(who: &Principal, value: Value) -> Vec<String> {
        let answer = Wanted::from_json(value).and_then(|wanted| check(who, &wanted));
        answer.unwrap_err().fields().iter().map(|one| one.field.clone()).collect()
    }

    #[test]
    fn every_wrong_field_is_named() {
        let operator = somebody(Role::Operator, None, None);
        let types = json!({ "site": 3, "cores": -1, "count": "many", "partial": "yes", "colour": "red" });
        assert_eq!(wrong(&operator, types), ["site", "cores", "count", "partial", "colour"]);
        let values = json!({ "count": 0, "memory_gib": 4_000_000_000_u32, "model": "...", "site": "a b" });
        assert_eq!(wrong(&operator, values), ["count", "memory_gib", "model", "site", "tenant"]);
        assert_eq!(wrong(&operator, json!([])), [""]);
        assert_eq!(wrong(&operator, json!({ "tenant": "a\nb" })), ["tenant"]);
    }

    #[test]
    fn a_tenant_orders_for_itself_alone() {
        let acme = somebody(Role::Tenant, Some("acme"), None);
        assert_eq!(check(&acme, &Wanted::default()).unwrap().0, "acme");
        assert_eq!(wrong(&acme, json!({ "tenant": "other" })), ["tenant"]);
        assert_eq!(wrong(&somebody(Role::Tenant, None, None), json!({ "tenant": "acme" })), ["tenant"]);
    }

    #[test]
    fn somebody_bound_to_sites_names_one_of_them() {
        let local = somebody(Role::Operator, None, Some(&["ams"]));
        assert_eq!(wrong(&local, json!({ "tenant": "acme" })), ["site"]);
        assert_eq!(wrong(&local, json!({ "tenant": "acme", "site": "fra" })), ["site"]);
        let wanted = Wanted::from_json(json!({ "tenant": " acme ", "site": "ams", "cpu": " " })).unwrap();
        let (tenant, kept) = check(&local, &wanted).unwrap();
        assert_eq!((tenant.as_str(), kept.cpu, kept.count), ("acme", None, 1));
    }
}
