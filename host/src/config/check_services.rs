//! What types cannot say of systems that plugins speak to, of receivers of notices, and of warranty sources.

use super::check::secret;
use super::{Config, Erase};

/// Every problem with them.
pub fn problems(config: &Config, say: &mut impl FnMut(&str, String, &str)) {
    let boot = config.boot.iter().map(|service| ("boot".to_owned(), service));
    let tickets = config.tickets.iter().map(|tickets| ("tickets.service".to_owned(), &tickets.service));
    let sources = config.warranty.iter().flat_map(|warranty| warranty.source.iter().enumerate());
    let sources = sources.map(|(index, source)| (format!("warranty.source[{index}].service"), &source.service));
    for (path, service) in boot.chain(tickets).chain(sources) {
        match service.secret() {
            None => say(&path, "exactly one of `secret_file` and `secret_env` is needed".to_owned(), ""),
            Some(reference) => secret(&format!("{path}.secret_file"), &reference, say),
        }
    }
    for (index, webhook) in config.webhook.iter().enumerate() {
        let path = format!("webhook[{index}]");
        match webhook.secret() {
            None => say(&path, "exactly one of `secret_file` and `secret_env` is needed".to_owned(), ""),
            Some(reference) => secret(&format!("{path}.secret_file"), &reference, say),
        }
        if config.webhook.iter().filter(|other| other.name == webhook.name).count() > 1 {
            say(&path, format!("the name `{}` is taken twice", webhook.name), "names tell them apart in the store");
        }
    }
    if config.policy.retire.erase == Erase::Provisioner && config.boot.is_none() {
        let hint = "add [boot], or leave the line out";
        say("policy.retire.erase", "there is no boot provisioner that could erase drives".to_owned(), hint);
    }
    if let Some(file) = config.warranty.as_ref().and_then(|warranty| warranty.csv_file.as_ref())
        && !file.is_file()
    {
        say("warranty.csv_file", format!("`{}` is not a file", file.display()), "");
    }
}
