//! What the types of the configuration cannot say: sections that need each other, files that must be there, numbers that must fit.

use super::check_api::loopback;
use super::{Config, NetBox, Problem, TlsPolicy};

/// What types cannot say. Every problem, not the first.
pub fn problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut say = |path: &str, text: String, hint: &str| {
        problems.push(Problem { path: path.to_owned(), text, hint: hint.to_owned() });
    };
    inventory(config, &mut say);
    controllers(config, &mut say);
    fleets(config, &mut say);
    store(config, &mut say);
    stages(config, &mut say);
    if let Some(api) = &config.api {
        super::check_api::problems(api, &mut say);
    }
    super::check_services::problems(config, &mut say);
    if let Some(firmware) = &config.firmware {
        super::check_firmware::problems(firmware, &mut say);
    }
    super::check_monitor::problems(&config.monitor, &mut say);
    problems
}

/// Which server should be what: exactly one source says.
fn inventory(config: &Config, say: &mut impl FnMut(&str, String, &str)) {
    match (&config.netbox, &config.inventory) {
        (None, None) => say(
            "netbox",
            "there is neither [netbox] nor [inventory], so no server is known".to_owned(),
            "add `[inventory]` with `file = \"inventory.toml\"`, or `[netbox]` with `url` and `token_file`",
        ),
        (Some(_), Some(_)) => {
            say(
                "inventory",
                "both [netbox] and [inventory] are given".to_owned(),
                "keep one: it says what should exist",
            );
        }
        _ => {}
    }
    if let Some(netbox) = &config.netbox {
        origin(netbox, say);
        match netbox.token() {
            None => say("netbox", "exactly one of `token_file` and `token_env` is needed".to_owned(), ""),
            Some(reference) => secret("netbox.token_file", &reference, say),
        }
        match netbox.webhook_secret() {
            Some(reference) => secret("netbox.webhook_secret_file", &reference, say),
            None if netbox.webhook_requests => say(
                "netbox.webhook_requests",
                "webhooks are taken only with a secret".to_owned(),
                "add `webhook_secret_file`, with the secret of the webhook in NetBox",
            ),
            None => {}
        }
    }
}

/// The token goes with each request.
fn origin(netbox: &NetBox, say: &mut impl FnMut(&str, String, &str)) {
    match netbox.url.scheme() {
        "https" => {}
        "http" if netbox.allow_http || loopback(&netbox.url) => {}
        "http" => say(
            "netbox.url",
            format!("`{}` is another machine, and the token would pass in plain text", netbox.url),
            "use https, with `ca_file` for an authority of your own; or, where the network between is yours alone, `allow_http = true`",
        ),
        other => say("netbox.url", format!("`{other}` is not spoken"), "https, or http to this machine"),
    }
}

/// How controllers are reached.
fn controllers(config: &Config, say: &mut impl FnMut(&str, String, &str)) {
    if config.bmc.credentials.is_empty() {
        say(
            "bmc.credentials",
            "no login for controllers is configured".to_owned(),
            "add `[[bmc.credentials]]` with `match = \"*\"`, `username` and `password_file`",
        );
    }
    for (index, credential) in config.bmc.credentials.iter().enumerate() {
        let path = format!("bmc.credentials[{index}]");
        match credential.password() {
            None => say(&path, "exactly one of `password_file` and `password_env` is needed".to_owned(), ""),
            Some(reference) => secret(&format!("{path}.password_file"), &reference, say),
        }
    }
    if config.bmc.tls == TlsPolicy::Ca && config.bmc.ca_file.is_none() {
        say("bmc.ca_file", "`tls = \"ca\"` needs the authority's PEM file".to_owned(), "");
    }
}

/// Fleet tools.
fn fleets(config: &Config, say: &mut impl FnMut(&str, String, &str)) {
    for (index, fleet) in config.fleet.iter().enumerate() {
        let path = format!("fleet[{index}]");
        match fleet.password() {
            None => say(&path, "exactly one of `password_file` and `password_env` is needed".to_owned(), ""),
            Some(reference) => secret(&format!("{path}.password_file"), &reference, say),
        }
        if let Some(question) = fleet.questions.iter().find(|question| !question.starts_with('/')) {
            let text = format!("`{question}` is no path");
            say(&format!("{path}.questions"), text, "the whole path, from `/` on, without a query");
        }
    }
}

/// Where state is kept, and the numbers of the leases on it.
fn store(config: &Config, say: &mut impl FnMut(&str, String, &str)) {
    if let Some(bus) = &config.bus {
        if !matches!(bus.url.scheme(), "redis" | "rediss" | "redis+unix" | "unix") {
            say(
                "bus.url",
                format!("`{}` is not a Redis URL", bus.url.scheme()),
                "redis://, rediss:// or redis+unix://",
            );
        }
        if let Some(reference) = bus.password() {
            secret("bus.password_file", &reference, say);
        }
    }
    let lifecycle = &config.lifecycle;
    if lifecycle.beat_ms.saturating_mul(2) > lifecycle.lease_ms {
        say("lifecycle.beat_ms", "a lease must outlast two heartbeats".to_owned(), "lease_ms >= 2 * beat_ms");
    }
    // An effect begins only if the lease outlasts it: with a shorter one, nothing would ever be written.
    let longest = config.bmc.request_timeout_ms.saturating_add(lifecycle.beat_ms.saturating_mul(2));
    if lifecycle.lease_ms < longest {
        let text = format!("a lease must outlast one request and two heartbeats: {longest} ms");
        say("lifecycle.lease_ms", text, "raise lease_ms, or lower bmc.request_timeout_ms");
    }
    if lifecycle.permits == 0 || lifecycle.recovery_permits == 0 {
        say("lifecycle.permits", "permits and recovery_permits must not be 0".to_owned(), "");
    }
}

/// What the stages' policy needs beside it.
fn stages(config: &Config, say: &mut impl FnMut(&str, String, &str)) {
    if config.policy.validate.on().is_some() && config.http.is_none() {
        say(
            "http",
            "validate waits for a report, and there is no [http] listener to receive it".to_owned(),
            "add `[http]` with `listen` and `public_url`, or set `policy.validate = \"off\"`",
        );
    }
    if config.policy.validate.on().is_some_and(|policy| policy.assign_ports) && config.netbox.is_none() {
        say(
            "policy.validate.assign_ports",
            "cables are written into NetBox only, and the inventory is a file".to_owned(),
            "leave it out, or use [netbox]",
        );
    }
    if config.orders.reserve_ms < 1_000 {
        let hint = "a person must have the time to approve: an hour is 3600000";
        say("orders.reserve_ms", "servers are kept for at least a second".to_owned(), hint);
    }
    if let Some(ansible) = &config.ansible
        && !ansible.playbook.is_file()
    {
        say("ansible.playbook", format!("`{}` is not a file", ansible.playbook.display()), "");
    }
}

/// A secret that is there and can be read.
pub(super) fn secret(path: &str, reference: &super::SecretRef, say: &mut impl FnMut(&str, String, &str)) {
    if let Err(error) = reference.read() {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        say(path, format!("{error}{cause}"), "the file holds the secret in its first line, readable by this user only");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(netbox: &str) -> Vec<String> {
        let text = format!("[netbox]\ntoken_env = \"PATH\"\n{netbox}");
        let problems = problems(&super::super::keys::read(toml::from_str(&text).unwrap()).unwrap());
        let hints = problems.into_iter().filter(|problem| problem.path == "netbox.url").map(|problem| problem.hint);
        hints.collect()
    }

    #[test]
    fn the_token_leaves_this_machine_in_the_clear_only_where_that_is_said() {
        for sound in ["https://netbox.example.org", "http://127.0.0.1:8000", "http://[::1]", "http://localhost:8000"] {
            assert!(found(&format!("url = \"{sound}\"")).is_empty(), "{sound}");
        }
        let hint = &found("url = \"http://netbox:8080\"")[0];
        assert!(hint.contains("allow_http"), "{hint}");
        assert!(found("url = \"http://netbox:8080\"\nallow_http = true").is_empty());
        assert_eq!(found("url = \"http://localhost.example.org\"").len(), 1);
        assert_eq!(found("url = \"ftp://netbox\"\nallow_http = true").len(), 1);
    }
}
