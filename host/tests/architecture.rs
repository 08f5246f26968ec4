//! The module graph of `docs/architecture.md`, read from the `use` lines; and the ways out of the host.
//!
//! Promises that an edge not in the table below, or a second way to send a request or start a program, fails the build. It reads
//! text, not types: a path spelled `crate::x` anywhere in a file counts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Usable by every module, using none but each other.
const LEAVES: [&str; 4] = ["config", "egress", "fault", "telemetry"];

/// Which module may use which, beside the leaves and itself. A line here is a decision; see `docs/architecture.md`.
const EDGES: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("egress", &[]),
    ("fault", &[]),
    ("telemetry", &[]),
    ("bus", &[]),
    ("access", &["bus"]),
    ("order", &["access", "bus", "inventory", "stage"]),
    ("fleet", &["bus", "stage"]),
    ("inventory", &["netbox"]),
    ("netbox", &["inventory"]),
    // What NetBox and the records do not agree in, and what its webhooks mean.
    ("drift", &["bus", "inventory", "netbox", "stage"]),
    ("plugin", &[]),
    // The playbook's loopback endpoint is the broker's: the one place where two of a layer meet.
    ("ansible", &["plugin"]),
    ("firmware", &[]),
    ("stage", &["ansible", "bus", "firmware", "inventory", "plugin"]),
    // Looks at servers through their drivers; `fleet` for which there are, `health` for the shape of what was seen, `firmware` for how
    // old it is.
    ("monitor", &["bus", "firmware", "fleet", "health", "plugin", "stage"]),
    // Shows what others have in memory.
    (
        "metrics",
        &[
            "bus",
            "drift",
            "firmware",
            "fleet",
            "inventory",
            "monitor",
            "order",
            "plugin",
            "stage",
            "ticket",
            "warranty",
            "wave",
        ],
    ),
    ("health", &["bus", "plugin", "ticket"]),
    ("ingest", &["bus"]),
    ("warranty", &["bus", "plugin"]),
    ("ticket", &["bus", "inventory", "plugin", "warranty"]),
    ("wave", &["access", "bus", "firmware", "stage", "ticket"]),
    (
        "http",
        &[
            "access",
            "bus",
            "drift",
            "firmware",
            "fleet",
            "health",
            "inventory",
            "metrics",
            "monitor",
            "order",
            "plugin",
            "stage",
            "ticket",
            "warranty",
            "wave",
        ],
    ),
    (
        "app",
        &[
            "access",
            "ansible",
            "bus",
            "drift",
            "firmware",
            "fleet",
            "health",
            "http",
            "ingest",
            "inventory",
            "metrics",
            "monitor",
            "netbox",
            "order",
            "plugin",
            "stage",
            "ticket",
            "warranty",
            "wave",
        ],
    ),
];

/// Text that opens a way out, and the only places where it may stand.
const WAYS_OUT: [(&str, &[&str]); 5] = [
    // The broker asks `egress::permit` before each request; NetBox is no server; the command line speaks to the local socket; an OpenID
    // provider is none either, and is asked only at the address the configuration names and those it names itself.
    // Notices go to receivers that the operator named; no server is behind them either.
    ("reqwest::", &["plugin/broker", "netbox", "cli/client.rs", "http/auth/oidc/web.rs", "ticket/webhook.rs"]),
    ("TcpStream", &["plugin/broker", "ansible"]),
    ("hyper::client", &["plugin/broker"]),
    ("UdpSocket", &[]),
    // Playbooks are started after the guard was asked.
    ("Command::new", &["ansible"]),
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), code(&text)));
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// The file without comments and without its unit tests, which may wire what they like.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn module(path: &Path) -> String {
    let first = path.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Every `crate::name` in the text, also inside `use crate::{a, b::c}`.
fn used(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, rest) in text.match_indices("crate::").map(|(at, found)| (at, &text[at + found.len()..])) {
        let list = rest.strip_prefix('{').map_or(rest, |list| list);
        if rest.starts_with('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.insert(std::mem::take(&mut name));
                    }
                    _ if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            names.insert(name);
        } else {
            names.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    names.into_iter().map(|name| name.trim().split("::").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_edge_of_the_module_graph_is_in_the_table() {
    let known: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let from = module(&path);
        if matches!(from.as_str(), "lib" | "main" | "cli") {
            continue;
        }
        let allowed = EDGES.iter().find(|(name, _)| *name == from).map(|(_, to)| *to);
        let Some(allowed) = allowed else {
            wrong.push(format!("{}: module `{from}` is not in the table", path.display()));
            continue;
        };
        for to in used(&text).iter().filter(|to| known.contains(to.as_str()) || *to == "cli") {
            let leaf = LEAVES.contains(&to.as_str());
            if *to != from && !leaf && !allowed.contains(&to.as_str()) {
                wrong.push(format!("{}: {from} may not use {to}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_is_one_way_out() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (opening, places) in WAYS_OUT {
            let allowed = places.iter().any(|place| path.starts_with(place));
            if !allowed && text.contains(opening) {
                wrong.push(format!("{}: `{opening}` may stand only in {places:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_broker_and_the_runner_ask_the_guard() {
    let asked = |place: &str| sources().iter().any(|(path, text)| path.starts_with(place) && text.contains(".pass("));
    assert!(asked("plugin"), "the broker does not ask egress before its requests");
    assert!(asked("ansible"), "the Ansible runner does not ask egress before it starts a playbook");
}

#[test]
fn the_reader_of_use_lines_sees_every_form() {
    let text = "use crate::bus;\nuse crate::{config::Bus, http::{a, b}, stage};\nlet x = crate::plugin::Y;";
    let names: Vec<_> = used(text).into_iter().collect();
    assert_eq!(names, ["bus", "config", "http", "plugin", "stage"]);
}
