//! The order and the pages of lists.
//!
//! Promises NetBox's order (names with their numbers in numeric order, an interface after its device) and its
//! pages: 50 unless told, never more than 1000, addresses of the neighbours with their parameters sorted.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::filter::target;
use super::render::number;
use super::schema::{Endpoint, View};
use super::store::Object;

/// NetBox's largest page.
const MOST: usize = 1000;

/// Put objects in the order asked for, or the endpoint's own.
pub fn sort(view: &View<'_>, endpoint: &'static Endpoint, wanted: Option<&str>, objects: &mut [&Object]) {
    let wanted: Vec<&str> = wanted.map(|list| list.split(',').collect()).unwrap_or_default();
    let known =
        |name: &&&str| endpoint.field(view.version, name.trim_start_matches('-')).is_some() || name.ends_with("id");
    let mut order: Vec<&str> = wanted.iter().filter(known).copied().collect();
    if order.is_empty() {
        order = endpoint.order.to_vec();
    }
    // Keys are made once for each object: they follow pointers, and a comparison is made many times.
    let keys = |object: &Object| -> Vec<Key> {
        order.iter().map(|name| key(view, endpoint, object, name.trim_start_matches('-'))).collect()
    };
    let mut keyed: Vec<(Vec<Key>, &Object)> = objects.iter().map(|object| (keys(object), *object)).collect();
    keyed.sort_by(|(a_keys, a), (b_keys, b)| {
        let each = order
            .iter()
            .zip(a_keys.iter().zip(b_keys))
            .map(|(name, (a, b))| if name.starts_with('-') { b.cmp(a) } else { a.cmp(b) });
        each.fold(Ordering::Equal, Ordering::then).then(number(a, "id").cmp(&number(b, "id")))
    });
    for (place, (_, object)) in objects.iter_mut().zip(keyed) {
        *place = object;
    }
}

type Key = Vec<(u128, String)>;

/// What to sort by: runs of letters and of digits, so that port 2 comes before port 10.
fn key(view: &View<'_>, endpoint: &'static Endpoint, object: &Object, name: &str) -> Key {
    if let Some((pointer, rest)) = name.split_once('.') {
        let next = target(view.version, endpoint, pointer);
        let found = next.zip(number(object, pointer)).and_then(|(e, id)| view.store.get(e.path, id).map(|o| (e, o)));
        return found.map_or_else(Vec::new, |(next, found)| key(view, next, found, rest));
    }
    let written = match object.get(name) {
        Some(Value::String(text)) => text.to_lowercase(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    };
    let mut runs: Vec<(u128, String)> = Vec::new();
    let mut digits = String::new();
    let mut letters = String::new();
    for letter in written.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            if !letters.is_empty() {
                runs.push((u128::MAX, std::mem::take(&mut letters)));
            }
            digits.push(letter);
        } else {
            if !digits.is_empty() {
                runs.push((std::mem::take(&mut digits).parse().unwrap_or_default(), String::new()));
            }
            letters.push(letter);
        }
    }
    runs.push((u128::MAX, letters));
    runs
}

/// One page of a list: where it starts, how long it may be, and the addresses of its neighbours.
pub struct Page {
    /// How many objects to skip.
    pub offset: usize,
    /// How many objects to show at most.
    pub limit: usize,
}

impl Page {
    /// The page a query asks for: 50 unless told, never more than 1000; 0 means as many as allowed.
    pub fn of(query: &[(String, String)]) -> Self {
        let number = |wanted: &str| {
            query.iter().rev().find(|(name, _)| name == wanted).and_then(|(_, value)| value.parse::<usize>().ok())
        };
        let limit = match number("limit") {
            None => 50,
            Some(0) => MOST,
            Some(limit) => limit.min(MOST),
        };
        Self { offset: number("offset").unwrap_or_default(), limit }
    }

    /// The addresses of the next and the previous page, as far as there are such.
    pub fn neighbours(&self, address: &str, query: &[(String, String)], count: usize) -> (Value, Value) {
        let link = |offset: Option<usize>| {
            let mut pairs: Vec<(String, String)> =
                query.iter().filter(|(name, _)| name != "limit" && name != "offset").cloned().collect();
            pairs.push(("limit".into(), self.limit.to_string()));
            pairs.extend(offset.map(|offset| ("offset".to_owned(), offset.to_string())));
            pairs.sort();
            let written = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            json!(format!("{address}?{written}"))
        };
        let end = self.offset + self.limit;
        let next = if end < count { link(Some(end)) } else { Value::Null };
        let previous = match self.offset {
            0 => Value::Null,
            offset => link(offset.checked_sub(self.limit).filter(|offset| *offset > 0)),
        };
        (next, previous)
    }
}
