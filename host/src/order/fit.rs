//! Is this server what was asked for?
//!
//! Promises that what is not known of a server never counts as enough: where a number is asked for and the hardware was not read, the
//! server does not fit. It does not ask whether the server is free.

use farrier_lifecycle::{Hardware, Server};

use super::Wanted;

/// Letters and digits alone, in lower case, without the marks of registration that controllers write into names.
fn plain(text: &str) -> String {
    let lower = text.to_lowercase().replace("(r)", " ").replace("(tm)", " ").replace(['®', '™'], " ");
    lower.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Does a model of these words begin, at one of them, with what is asked for?
fn begins(words: &str, wanted: &str) -> bool {
    let wanted = plain(wanted);
    let mut rest = words.trim_start();
    while !rest.is_empty() {
        if plain(rest).starts_with(&wanted) {
            return true;
        }
        rest = rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
    }
    false
}

fn model(server: &Server, wanted: &str) -> bool {
    let facts = &server.facts;
    let Some(model) = &facts.model else { return false };
    begins(&format!("{} {model}", facts.vendor.as_deref().unwrap_or_default()), wanted)
}

/// Do the parts suffice? Without `has`, only if no part was asked for.
fn parts(has: Option<&Hardware>, wanted: &Wanted) -> bool {
    let asked = wanted.cpu.is_some()
        || wanted.cores.is_some()
        || wanted.memory_gib.is_some()
        || wanted.drives.is_some()
        || wanted.drive_gib.is_some();
    let Some(has) = has else { return !asked };
    wanted.cpu.as_ref().is_none_or(|cpu| plain(&has.cpu_model).contains(&plain(cpu)))
        && wanted.cores.is_none_or(|least| has.cores >= least)
        && wanted.memory_gib.is_none_or(|least| has.memory_gib >= least)
        && wanted.drives.is_none_or(|least| has.drives >= least)
        && wanted.drive_gib.is_none_or(|least| has.drive_gib >= least)
}

/// Is it what was asked for, with what policy left undone on it accepted?
pub fn fits(server: &Server, wanted: &Wanted) -> bool {
    wanted.site.as_ref().is_none_or(|site| server.facts.site.as_ref() == Some(site))
        && wanted.model.as_ref().is_none_or(|wanted| model(server, wanted))
        && parts(server.facts.hardware.as_ref(), wanted)
        && (wanted.accept || server.marks.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use farrier_lifecycle::{Lease, Mark, Timestamp};

    use super::*;

    fn server() -> Server {
        let mut server = Server::unseen(Lease {
            mac: "94:40:c9:00:00:01".parse().unwrap(),
            ip: "10.0.0.1".parse().unwrap(),
            hostname: None,
            vendor_class: None,
            at: Timestamp(1),
            source: String::new(),
        });
        server.facts.site = Some("ams".to_owned());
        server.facts.vendor = Some("HPE".to_owned());
        server.facts.model = Some("ProLiant DL360 Gen10 Plus".to_owned());
        server.facts.hardware = Some(Hardware {
            cpu_model: "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz".to_owned(),
            sockets: 2,
            cores: 64,
            memory_gib: 512,
            drives: 4,
            drive_gib: 7_680,
            nics: 4,
        });
        server
    }

    fn fit(change: impl FnOnce(&mut Wanted)) -> bool {
        let mut wanted = Wanted::default();
        change(&mut wanted);
        fits(&server(), &wanted)
    }

    #[test]
    fn names_are_compared_without_case_and_punctuation() {
        let model = |text: &str| fit(|wanted| wanted.model = Some(text.to_owned()));
        for text in ["dl360", "DL-360 gen10", "proliant", "HPE ProLiant DL360", "hpe"] {
            assert!(model(text), "{text}");
        }
        for text in ["L360", "DL380", "DL360 Gen11", "Dell", "Plus2"] {
            assert!(!model(text), "{text}");
        }
        let cpu = |text: &str| fit(|wanted| wanted.cpu = Some(text.to_owned()));
        assert!(cpu("xeon gold 6338") && cpu("Intel Xeon-Gold") && cpu("6338") && !cpu("EPYC"));
    }

    #[test]
    fn numbers_are_the_least_that_will_do() {
        assert!(fit(|wanted| (wanted.cores, wanted.memory_gib) = (Some(64), Some(512))));
        assert!(!fit(|wanted| wanted.cores = Some(65)));
        assert!(!fit(|wanted| wanted.memory_gib = Some(513)));
        assert!(fit(|wanted| wanted.drives = Some(4)) && !fit(|wanted| wanted.drives = Some(5)));
        assert!(fit(|wanted| wanted.drive_gib = Some(7_000)) && !fit(|wanted| wanted.drive_gib = Some(8_000)));
        assert!(
            fit(|wanted| wanted.site = Some("ams".to_owned())) && !fit(|wanted| wanted.site = Some("AMS".to_owned()))
        );
    }

    #[test]
    fn what_is_not_known_is_not_enough() {
        let mut unread = server();
        unread.facts.hardware = None;
        assert!(fits(&unread, &Wanted::default()));
        assert!(!fits(&unread, &Wanted { cores: Some(1), ..Wanted::default() }));
        assert!(!fits(&unread, &Wanted { cpu: Some("Xeon".to_owned()), ..Wanted::default() }));
        unread.facts.model = None;
        assert!(!fits(&unread, &Wanted { model: Some("HPE".to_owned()), ..Wanted::default() }));
    }

    #[test]
    fn what_policy_left_undone_must_be_accepted() {
        let mut marked = server();
        marked.marks.insert(Mark::Unhardened, "policy.harden = \"off\"".to_owned());
        assert!(!fits(&marked, &Wanted::default()));
        assert!(fits(&marked, &Wanted { accept: true, ..Wanted::default() }));
    }
}
