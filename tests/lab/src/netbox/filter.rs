//! Lists: what a query keeps.
//!
//! Promises what NetBox does with a query: several values of one parameter are alternatives, a value that cannot
//! be is 400 where NetBox says so, and a parameter it does not know is ignored, so that the answer is *all*
//! objects. Those are handed back, because a correct client never sends one.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::render::{fields_of_model, number, text};
use super::schema::{Endpoint, Errors, Filter, Kind, View, error};
use super::show::parse_mac;
use super::store::Object;
use super::{Version, order, tables};

/// Parameters that steer the answer and filter nothing.
const STEERING: &[&str] = &["limit", "offset", "brief", "fields", "omit", "exclude", "ordering", "format"];
/// Comparisons that can follow a field's name after two underscores.
const LOOKUPS: &[&str] =
    &["n", "ic", "nic", "isw", "nisw", "iew", "niew", "ie", "nie", "empty", "gt", "gte", "lt", "lte"];

/// A list that was asked for: the objects that match, in order, and the parameters nobody knows.
pub struct Found<'a> {
    /// What matches.
    pub objects: Vec<&'a Object>,
    /// Parameters that were ignored.
    pub unknown: Vec<String>,
}

/// The objects of an endpoint that match a query.
pub fn find<'a>(view: &View<'a>, endpoint: &'static Endpoint, query: &[(String, String)]) -> Result<Found<'a>, Errors> {
    let mut objects: Vec<&Object> = view.store.list(endpoint.path).map(|(_, object)| object).collect();
    let mut unknown = Vec::new();
    let mut names: Vec<&str> = query.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names.into_iter().filter(|name| !STEERING.contains(name)) {
        let values: Vec<&str> = query.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        match filter(view, endpoint, name, &values)? {
            Some(keep) => objects.retain(|object| keep(object)),
            None => unknown.push(name.to_owned()),
        }
    }
    let wanted = query.iter().find(|(name, _)| name == "ordering").map(|(_, value)| value.as_str());
    order::sort(view, endpoint, wanted, &mut objects);
    Ok(Found { objects, unknown })
}

type Keep<'a> = Box<dyn Fn(&Object) -> bool + 'a>;

fn filter<'a>(
    view: &'a View<'_>,
    endpoint: &'static Endpoint,
    name: &str,
    values: &[&'a str],
) -> Result<Option<Keep<'a>>, Errors> {
    let values = values.to_vec();
    let (base, lookup) = match name.rsplit_once("__") {
        Some((base, lookup)) if LOOKUPS.contains(&lookup) => (base.to_owned(), lookup.to_owned()),
        _ => (name.to_owned(), String::new()),
    };
    if let Some(custom) = base.strip_prefix("cf_") {
        return Ok(custom_field(view, endpoint, custom, &lookup, values));
    }
    match base.as_str() {
        "id" => return numeric(name, base, lookup, values).map(Some),
        "q" => return Ok(Some(Box::new(move |object| search(endpoint, object, &values)))),
        "tag" => return Ok(Some(Box::new(move |object| values.iter().all(|slug| tagged(view, object, slug))))),
        "created" | "last_updated" => return Ok(Some(comparison(base, lookup, values, false))),
        _ => {}
    }
    for filter in endpoint.filters {
        match *filter {
            Filter::Field(field) if field == base => {
                return by_field(view, endpoint, name, field, lookup, values).map(Some);
            }
            Filter::Via(param, path) if param == base || base.strip_suffix("_id") == Some(param) => {
                return via(view, endpoint, name, path, base != param, lookup == "n", values).map(Some);
            }
            Filter::Special(param, matches) if param == name => {
                return Ok(Some(Box::new(move |object| values.iter().any(|value| matches(view, object, value)))));
            }
            Filter::Ids(param, matching) if param == name => {
                let ids: Vec<u64> = values.iter().flat_map(|value| matching(view, value)).collect();
                return Ok(Some(Box::new(move |object| number(object, "id").is_some_and(|id| ids.contains(&id)))));
            }
            Filter::SpecialIn(version, param, matches) if param == name && version == view.version => {
                return Ok(Some(Box::new(move |object| values.iter().any(|value| matches(view, object, value)))));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn search(endpoint: &Endpoint, object: &Object, values: &[&str]) -> bool {
    let has = |value: &&str| {
        let wanted = value.trim().to_lowercase();
        endpoint.search.iter().any(|field| text(object, field).to_lowercase().contains(&wanted))
    };
    values.last().is_none_or(has)
}

fn tagged(view: &View<'_>, object: &Object, slug: &str) -> bool {
    let ids = object.get("tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let tag = |id: &Value| view.store.get("extras/tags", id.as_u64()?);
    ids.iter().filter_map(tag).any(|found| text(found, "slug") == slug)
}

fn custom_field<'a>(
    view: &View<'_>,
    endpoint: &Endpoint,
    name: &str,
    lookup: &str,
    values: Vec<&'a str>,
) -> Option<Keep<'a>> {
    let field = fields_of_model(view, endpoint.model).find(|field| text(field, "name") == name)?;
    let logic = text(field, "filter_logic");
    if logic == "disabled" || text(field, "type") == "json" {
        return None;
    }
    let loose = logic == "loose" && matches!(text(field, "type"), "text" | "longtext" | "url");
    let (name, lookup) =
        (name.to_owned(), if loose && lookup.is_empty() { "ic".to_owned() } else { lookup.to_owned() });
    Some(Box::new(move |object| {
        let value = object.get("custom_fields").and_then(|fields| fields.get(&name)).unwrap_or(&Value::Null);
        compare(value, &lookup, &values, false)
    }))
}

fn by_field<'a>(
    view: &View<'_>,
    endpoint: &Endpoint,
    name: &str,
    field: &'static str,
    lookup: String,
    values: Vec<&'a str>,
) -> Result<Keep<'a>, Errors> {
    match endpoint.field(view.version, field).map(|found| found.kind) {
        Some(Kind::Choice(choices)) if matches!(lookup.as_str(), "" | "n") => {
            let extra = |value: &str| field == "status" && view.extra_statuses.iter().any(|status| status == value);
            let known =
                |value: &str| value == "null" || extra(value) || choices.iter().any(|(known, _)| *known == value);
            match values.iter().find(|value| !known(value)) {
                Some(bad) => Err(not_a_choice(name, bad)),
                None => Ok(comparison(field.to_owned(), lookup, values, false)),
            }
        }
        Some(Kind::Int | Kind::Decimal) => numeric(name, field.to_owned(), lookup, values),
        Some(Kind::Mac) => Ok(Box::new(move |object| {
            values.iter().any(|value| parse_mac(value).is_some_and(|mac| text(object, field) == mac))
        })),
        Some(Kind::Bool) => Ok(Box::new(move |object| {
            let wanted = values.last().map(|value| matches!(*value, "true" | "True" | "1"));
            object.get(field).and_then(Value::as_bool) == wanted
        })),
        _ => {
            // NetBox compares a device's name and serial number without regard to case.
            let fold = endpoint.path == "dcim/devices" && matches!(field, "name" | "serial");
            Ok(comparison(field.to_owned(), lookup, values, fold))
        }
    }
}

fn not_a_choice(name: &str, value: &str) -> Errors {
    error(name, format!("Select a valid choice. {value} is not one of the available choices."))
}

fn numeric<'a>(name: &str, field: String, lookup: String, values: Vec<&'a str>) -> Result<Keep<'a>, Errors> {
    if lookup != "empty" && values.iter().any(|value| value.parse::<f64>().is_err()) {
        return Err(error(name, "Enter a number."));
    }
    Ok(comparison(field, lookup, values, false))
}

fn comparison(field: String, lookup: String, values: Vec<&str>, fold: bool) -> Keep<'_> {
    Box::new(move |object| compare(object.get(&field).unwrap_or(&Value::Null), &lookup, &values, fold))
}

fn compare(value: &Value, lookup: &str, wanted: &[&str], fold: bool) -> bool {
    let own = match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let low = own.to_lowercase();
    let any = |test: &dyn Fn(&str) -> bool| wanted.iter().any(|value| test(&value.to_lowercase()));
    // Texts of digits, serial numbers above all, are not numbers: 0123 is not 123.
    let is_number = value.is_number();
    let order = |value: &&str| match (value.parse::<f64>(), own.parse::<f64>()) {
        (Ok(value), Ok(own)) if is_number => own.partial_cmp(&value),
        _ => Some(own.as_str().cmp(value)),
    };
    let ordered = |test: fn(Ordering) -> bool| wanted.iter().all(|value| order(value).is_some_and(test));
    match lookup {
        "" if fold => any(&|value| low == value),
        "" => wanted.iter().any(|value| own == *value || (is_number && order(value) == Some(Ordering::Equal))),
        "n" => !wanted.contains(&own.as_str()),
        "ic" => any(&|value| low.contains(value)),
        "nic" => !any(&|value| low.contains(value)),
        "isw" => any(&|value| low.starts_with(value)),
        "nisw" => !any(&|value| low.starts_with(value)),
        "iew" => any(&|value| low.ends_with(value)),
        "niew" => !any(&|value| low.ends_with(value)),
        "ie" => any(&|value| low == value),
        "nie" => !any(&|value| low == value),
        "empty" => (value.is_null() || own.is_empty()) == wanted.contains(&"true"),
        "gt" => ordered(Ordering::is_gt),
        "gte" => ordered(Ordering::is_ge),
        "lt" => ordered(Ordering::is_lt),
        _ => ordered(Ordering::is_le),
    }
}

/// Follow pointers from an object; the last one's id.
fn follow(view: &View<'_>, endpoint: &'static Endpoint, object: &Object, path: &[&str]) -> Option<u64> {
    let (first, rest) = path.split_first()?;
    let id = number(object, first)?;
    if rest.is_empty() {
        return Some(id);
    }
    let next = target(view.version, endpoint, first)?;
    follow(view, next, view.store.get(next.path, id)?, rest)
}

/// The endpoint a field points to.
pub fn target(version: Version, endpoint: &Endpoint, field: &str) -> Option<&'static Endpoint> {
    match endpoint.field(version, field)?.kind {
        Kind::Ref(path, _) => tables::endpoint(version, path),
        _ => None,
    }
}

fn via<'a>(
    view: &'a View<'_>,
    endpoint: &'static Endpoint,
    name: &str,
    path: &'static [&'static str],
    by_id: bool,
    negated: bool,
    values: Vec<&'a str>,
) -> Result<Keep<'a>, Errors> {
    let last = path.iter().try_fold(endpoint, |at, field| target(view.version, at, field));
    let Some(last) = last else { return Ok(Box::new(|_| false)) };
    let key = if last.field(view.version, "slug").is_some() { "slug" } else { "name" };
    let mut ids = Vec::new();
    for value in values {
        let found: Vec<Option<u64>> = match (value, by_id) {
            ("null", _) => vec![None],
            (value, true) => {
                value.parse().ok().filter(|id| view.store.get(last.path, *id).is_some()).into_iter().map(Some).collect()
            }
            // Racks of two sites may share a name, and so may devices.
            (value, false) => {
                view.store.having(last.path, key, &json!(value)).into_iter().map(|(id, _)| Some(id)).collect()
            }
        };
        // A device that is not there matches nothing; anything else is an error.
        if found.is_empty() && last.path != "dcim/devices" {
            return Err(not_a_choice(name, value));
        }
        ids.extend(found);
    }
    Ok(Box::new(move |object| ids.contains(&follow(view, endpoint, object, path)) != negated))
}
