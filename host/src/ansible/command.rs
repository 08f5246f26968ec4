//! The command line and environment of a run.
//!
//! Promises that the run gets what it needs and nothing else of the host's environment, where tokens may be; and that no secret is on the
//! command line. Not obvious: it runs in a folder of its own, so that no `ansible.cfg` that happens to lie about changes what it does.

use std::path::Path;

use tokio::process::Command;

use super::Hardening;
use super::loopback::Loopback;
use crate::config::ControlPolicy;
use crate::fault::{Blame, Fault, Retry};

/// What of the host's environment a run is given: where programs, collections and certificates are.
const PASSED: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "TZ",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "ANSIBLE_CONFIG",
    "ANSIBLE_COLLECTIONS_PATH",
    "ANSIBLE_COLLECTIONS_PATHS",
    "ANSIBLE_ROLES_PATH",
    "ANSIBLE_CALLBACK_PLUGINS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// `program` on `playbook`, for this server behind this door, with `folder` for its temporary files.
pub fn command(
    program: &str,
    playbook: &Path,
    what: &Hardening,
    door: &Loopback,
    folder: &Path,
) -> Result<Command, Fault> {
    let mut command = Command::new(program);
    command.arg(format!("--inventory={},", host_name(&what.name))).arg(playbook);
    command.current_dir(folder).env_clear();
    command.envs(PASSED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    // Ansible refuses to start in a locale that is not UTF-8.
    command.env("LC_ALL", "C.UTF-8").env("TMPDIR", folder);
    command.env("ANSIBLE_STDOUT_CALLBACK", "ansible.posix.jsonl");
    command.env("ANSIBLE_LOCAL_TEMP", folder).env("ANSIBLE_REMOTE_TEMP", folder).env("ANSIBLE_PIPELINING", "1");
    command.env("ANSIBLE_NOCOLOR", "1").env("ANSIBLE_RETRY_FILES_ENABLED", "0");
    command.env("ANSIBLE_LOCALHOST_WARNING", "0").env("ANSIBLE_DEPRECATION_WARNINGS", "0");
    command.env("FARRIER_BMC_URL", door.url());
    command.env("FARRIER_BMC_USERNAME", door.username());
    command.env("FARRIER_BMC_PASSWORD", door.password().expose());
    command.env("FARRIER_DRIVER", &what.driver);
    command.env("FARRIER_BASELINE", baseline(&what.controls)?);
    Ok(command)
}

/// A name that is one word to Ansible.
fn host_name(name: &str) -> String {
    let word: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' }).collect();
    if word.is_empty() { "server".to_owned() } else { word }
}

/// The baseline as the playbook reads it: control id to desired value.
fn baseline(controls: &[ControlPolicy]) -> Result<String, Fault> {
    let map: std::collections::BTreeMap<_, _> =
        controls.iter().map(|one| (one.id.replace('-', "_"), &one.desired)).collect();
    serde_json::to_string(&map)
        .map_err(|error| Fault::new("host-error", Retry::Never, Blame::Host, format!("encode the baseline: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Value;

    #[test]
    fn a_name_is_one_word_and_never_a_list_or_a_pattern() {
        assert_eq!(host_name("AMS-SRV-001.lab"), "AMS-SRV-001.lab");
        assert_eq!(host_name("a b,c:!all[0]"), "a-b-c--all-0-");
        assert_eq!(host_name(""), "server");
    }

    #[test]
    fn the_baseline_keeps_its_types() {
        let one = |id: &str, desired| ControlPolicy { id: id.to_owned(), desired, require: true, matches: Vec::new() };
        let controls = [
            one("ipmi-over-lan", Value::Flag(false)),
            one("session-timeout", Value::Number(900)),
            one("ntp-servers", Value::Texts(vec!["a".to_owned()])),
            one("tls-minimum-version", Value::Text("1.2".to_owned())),
        ];
        let text = baseline(&controls).unwrap();
        assert_eq!(
            text,
            r#"{"ipmi_over_lan":false,"ntp_servers":["a"],"session_timeout":900,"tls_minimum_version":"1.2"}"#
        );
    }
}
