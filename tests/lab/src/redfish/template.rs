//! From the authored data files to one controller's resources.
//!
//! Promises that what is the same for all controllers of a kind (write rules, mirrors) is parsed once and
//! shared. A data file maps addresses to bodies; `${name}` is a variable, a string that is only `${#name}`
//! becomes a number, and members starting with `$` say how the resource behaves. It decides nothing about
//! behaviour: it hands the directives on as [`Meta`].

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::config::{BmcConfig, Kind};
use super::resource::{Meta, Mirror, Resource, key};
use super::rules::Rule;

/// One entry of a data file, shared by all controllers of a kind.
#[derive(Debug)]
pub(super) struct Blueprint {
    path: String,
    body: Value,
    repeat: Option<String>,
    /// The dynamic resource this is the pattern of: `account`, `session`, `job`, `task`.
    dynamic: Option<String>,
    meta: Arc<Meta>,
}

/// The variables of one controller.
pub(super) type Vars = BTreeMap<String, String>;

/// What a controller starts with.
#[derive(Debug)]
pub(super) struct Tree {
    /// Resources by key.
    pub(super) resources: BTreeMap<String, Resource>,
    /// The variables, for dynamic resources made later.
    pub(super) vars: Vars,
}

/// The blueprints of a kind.
pub(super) fn blueprints(kind: Kind) -> Result<&'static [Blueprint], String> {
    static CACHE: [OnceLock<Result<Vec<Blueprint>, String>>; 5] = [const { OnceLock::new() }; 5];
    let (slot, files): (usize, &[&str]) = match kind {
        Kind::HpeIlo5 => (0, &[include_str!("data/hpe.json")]),
        Kind::HpeIlo6 => (1, &[include_str!("data/hpe.json"), include_str!("data/hpe-ilo6.json")]),
        Kind::DellIdrac9 => (2, &[include_str!("data/dell.json")]),
        Kind::SupermicroX13 => (3, &[include_str!("data/supermicro.json")]),
        Kind::Generic => (4, &[include_str!("data/generic.json")]),
    };
    let cell = CACHE.get(slot).ok_or("no slot for this kind")?;
    cell.get_or_init(|| load(files)).as_deref().map_err(Clone::clone)
}

/// The pattern of a dynamic resource.
pub(super) fn pattern(kind: Kind, name: &str) -> Option<&'static Blueprint> {
    blueprints(kind).ok()?.iter().find(|blueprint| blueprint.dynamic.as_deref() == Some(name))
}

/// The body a resource had when the controller was new.
pub(super) fn defaults(kind: Kind, vars: &Vars, path: &str) -> Option<Value> {
    let found = blueprints(kind).ok()?.iter().find(|blueprint| key(&blueprint.path) == key(path))?;
    Some(found.fill(vars).1)
}

impl Blueprint {
    /// The address and body with variables filled in.
    pub(super) fn fill(&self, vars: &Vars) -> (String, Value) {
        let path = text(&self.path, vars);
        let mut body = self.body.clone();
        fill(&mut body, vars);
        if let Value::Object(map) = &mut body {
            map.entry("@odata.id").or_insert_with(|| Value::String(path.clone()));
        }
        (path, body)
    }

    /// Shared facts.
    pub(super) fn meta(&self) -> Arc<Meta> {
        Arc::clone(&self.meta)
    }
}

/// Build the tree of one controller.
pub(super) fn tree(config: &BmcConfig) -> Result<Tree, String> {
    let vars = variables(config);
    let mut resources = BTreeMap::new();
    for blueprint in blueprints(config.kind)? {
        if blueprint.dynamic.is_some() {
            continue;
        }
        for vars in rounds(blueprint.repeat.as_deref(), config, &vars)? {
            let mut vars = vars;
            vars.insert("part".to_owned(), token(config.seed, &text(&blueprint.path, &vars), 8).to_uppercase());
            let (path, body) = blueprint.fill(&vars);
            resources.insert(key(&path), Resource::new(&path, &body, blueprint.meta()));
        }
    }
    Ok(Tree { resources, vars })
}

/// A text that looks random and follows from the seed: `digits` hexadecimal digits, at most 64.
pub(super) fn token(seed: u64, what: &str, digits: usize) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(what.as_bytes());
    let mut out = String::new();
    for byte in hash.finalize() {
        let _ = write!(out, "{byte:02x}");
    }
    out.truncate(digits);
    out
}

fn load(files: &[&str]) -> Result<Vec<Blueprint>, String> {
    let mut merged: Map<String, Value> = Map::new();
    for file in files {
        let Value::Object(map) = serde_json::from_str(file).map_err(|error| error.to_string())? else {
            return Err("a data file is not an object".to_owned());
        };
        for (path, body) in map {
            merge(merged.entry(path).or_insert(Value::Null), body);
        }
    }
    merged.into_iter().map(|(path, body)| blueprint(path, body)).collect()
}

/// JSON merge: objects member by member, null removes, anything else replaces.
pub(super) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                if value.is_null() && into.contains_key(&name) {
                    into.remove(&name);
                } else {
                    merge(into.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

fn blueprint(path: String, mut body: Value) -> Result<Blueprint, String> {
    let map = body.as_object_mut().ok_or_else(|| format!("{path} is not an object"))?;
    let mut take = |name: &str| map.remove(name);
    let word = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
    let collection = take("$collection");
    let mut meta = Meta {
        collection: collection.is_some(),
        full: collection.is_some_and(|how| how == "full"),
        reply: word(take("$reply")),
        ..Meta::default()
    };
    let repeat = match take("$repeat") {
        Some(Value::Number(number)) => Some(number.to_string()),
        other => word(other),
    };
    let dynamic = word(take("$dynamic"));
    if let Some(Value::Object(rules)) = take("$write") {
        for (name, rule) in rules {
            let rule = rule.as_str().and_then(Rule::parse).ok_or_else(|| format!("{path}: {name} has no rule"))?;
            meta.write.insert(name, rule);
        }
    }
    if let Some(Value::Object(pairs)) = take("$couple") {
        for (from, to) in pairs {
            let to = to.as_array().into_iter().flatten().filter_map(Value::as_str);
            meta.couple.extend(to.map(|to| (from.clone(), to.to_owned())));
        }
    }
    if let Some(Value::Object(mirrors)) = take("$mirror") {
        for (here, target) in mirrors {
            meta.mirror.push(mirror(here, &target).ok_or_else(|| format!("{path}: a mirror is not written right"))?);
        }
    }
    Ok(Blueprint { path, body, repeat, dynamic, meta: Arc::new(meta) })
}

/// `resource#path` or `word resource#path`.
fn mirror(here: String, target: &Value) -> Option<Mirror> {
    let target = target.as_str()?;
    let (word, target) = target.strip_prefix("word ").map_or((false, target), |rest| (true, rest));
    let (resource, there) = target.split_once('#')?;
    Some(Mirror { here, resource: key(resource), there: there.to_owned(), word })
}

fn rounds(repeat: Option<&str>, config: &BmcConfig, vars: &Vars) -> Result<Vec<Vars>, String> {
    let Some(repeat) = repeat else { return Ok(vec![vars.clone()]) };
    let count = if repeat == "nic" {
        config.nics.len()
    } else {
        repeat.parse().map_err(|_| format!("bad $repeat {repeat}"))?
    };
    let round = |i: usize| {
        let mut vars = vars.clone();
        vars.insert("i".to_owned(), i.to_string());
        vars.insert("n".to_owned(), (i + 1).to_string());
        if let (true, Some(nic)) = (repeat == "nic", config.nics.get(i)) {
            vars.insert("nic_name".to_owned(), nic.name.clone());
            vars.insert("nic_mac".to_owned(), nic.mac.to_lowercase());
            vars.insert("nic_MAC".to_owned(), nic.mac.to_uppercase());
        }
        vars
    };
    Ok((0..count).map(round).collect())
}

fn variables(config: &BmcConfig) -> Vars {
    let uuid = token(config.seed, &format!("uuid {}", config.serial), 32);
    let cut = |from: usize, to: usize| uuid.get(from..to).unwrap_or_default().to_owned();
    let uuid = [cut(0, 8), cut(8, 12), cut(12, 16), cut(16, 20), cut(20, 32)].join("-");
    let flat: String = config.bmc_mac.to_uppercase().chars().filter(char::is_ascii_hexdigit).collect();
    let ilo = if config.kind == Kind::HpeIlo6 { ("6", "1.66", "Dec 13 2024") } else { ("5", "3.11", "Mar 17 2025") };
    let pairs = [
        ("serial", config.serial.clone()),
        ("model", config.model.clone()),
        ("manufacturer", config.manufacturer.clone()),
        ("name", config.name.clone()),
        ("host", config.name.to_lowercase()),
        ("bmc_mac", config.bmc_mac.to_lowercase()),
        ("bmc_MAC", config.bmc_mac.to_uppercase()),
        ("bmc_flat", flat),
        ("bmc_ip", config.listen.ip().to_string()),
        ("uuid", uuid.clone()),
        ("UUID", uuid.to_uppercase()),
        ("board", token(config.seed, "board", 10).to_uppercase()),
        ("product", format!("P{}-B21", number(config.seed, "product", 10_000, 89_999))),
        ("watts", number(config.seed, "watts", 180, 420).to_string()),
        ("inlet", number(config.seed, "inlet", 19, 26).to_string()),
        ("cpu_temp", number(config.seed, "cpu", 38, 62).to_string()),
        ("fan", number(config.seed, "fan", 18, 40).to_string()),
        ("rpm", (number(config.seed, "rpm", 50, 110) * 120).to_string()),
        ("ilo", ilo.0.to_owned()),
        ("ilo_version", ilo.1.to_owned()),
        ("ilo_date", ilo.2.to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn number(seed: u64, what: &str, low: u64, high: u64) -> u64 {
    let word = token(seed, what, 8);
    low + u64::from_str_radix(&word, 16).unwrap_or(0) % (high - low + 1)
}

fn text(pattern: &str, vars: &Vars) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        out.push_str(vars.get(name).map_or("", String::as_str));
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn fill(value: &mut Value, vars: &Vars) {
    match value {
        Value::String(pattern) if pattern.contains("${") => {
            let number = pattern.strip_prefix("${#").and_then(|rest| rest.strip_suffix('}'));
            *value = match number.and_then(|name| vars.get(name)) {
                Some(found) => serde_json::from_str(found).unwrap_or(Value::Null),
                None => Value::String(text(pattern, vars)),
            };
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, vars)),
        Value::Object(map) => map.values_mut().for_each(|item| fill(item, vars)),
        _ => {}
    }
}
