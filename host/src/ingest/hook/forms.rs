//! How each DHCP server tells its hook about a lease.
//!
//! Promises one [`Note`] for each lease an event is about, and none for events that are not about leases (`init`, `tftp`, IPv6,
//! whatever a later version invents). Texts are made harmless here, so that no file in the spool holds a control character. MAC and
//! address are passed on as written: the reader parses them, and an odd one is then kept with its reason instead of lost.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use serde::{Deserialize, Serialize};

use super::Env;
use crate::ingest::text::clean;

/// Leases one event of Kea may be about; it has been seen with one.
const MOST_LEASES: usize = 64;

/// The DHCP servers that have a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DhcpServer {
    /// dnsmasq, `dhcp-script`.
    Dnsmasq,
    /// ISC dhcpd, `execute`.
    Isc,
    /// Kea, `libdhcp_run_script.so`.
    Kea,
}

impl DhcpServer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Dnsmasq, Self::Isc, Self::Kea];

    /// As written in a lease's source.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dnsmasq => "dnsmasq",
            Self::Isc => "isc",
            Self::Kea => "kea",
        }
    }

    /// File name under which this program is the server's hook.
    pub const fn hook_name(self) -> &'static str {
        match self {
            Self::Dnsmasq => "farrier-lease-dnsmasq",
            Self::Isc => "farrier-lease-isc",
            Self::Kea => "farrier-lease-kea",
        }
    }

    /// The server whose hook has this file name.
    pub fn of_hook(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|server| server.hook_name() == name)
    }
}

/// What stands in a spool file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The DHCP server's word: `add`, `old`, `del`, `commit`, `release`, `leases4_committed`, …
    pub event: String,
    /// The client's MAC as the server wrote it.
    pub mac: String,
    /// The address as the server wrote it.
    pub ip: String,
    /// What the client called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// DHCP option 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_class: Option<String>,
    /// When the lease was given, milliseconds since the epoch.
    pub at: u64,
    /// The server's name.
    pub source: String,
}

/// What this event says of leases; `now` in milliseconds. The error says what is missing.
pub fn notes(server: DhcpServer, args: &[OsString], env: Env<'_>, now: u64) -> Result<Vec<Note>, String> {
    let arg = |index: usize| args.get(index).and_then(|arg| clean(arg.as_bytes()));
    let Some(event) = arg(0) else {
        return Err("called without an event; it is to be called by the DHCP server".to_owned());
    };
    match server {
        DhcpServer::Dnsmasq => Ok(dnsmasq(event, &arg, env, now).into_iter().collect()),
        DhcpServer::Isc => isc(event, &arg, now).map(|note| note.into_iter().collect()),
        DhcpServer::Kea => Ok(kea(&event, env, now)),
    }
}

fn text(env: Env<'_>, name: &str) -> Option<String> {
    env(name).and_then(|value| clean(value.as_bytes()))
}

/// `add|old|del MAC IP [HOSTNAME]`; the rest in the environment, and absent from it (`DNSMASQ_DATA_MISSING`) for renewals and restarts.
/// The time is now: events come in order, and dnsmasq never says when a lease was given.
fn dnsmasq(event: String, arg: &dyn Fn(usize) -> Option<String>, env: Env<'_>, now: u64) -> Option<Note> {
    if !matches!(event.as_str(), "add" | "old" | "del") || env("DNSMASQ_IAID").is_some() {
        return None;
    }
    let (mac, ip) = (arg(1)?, arg(2)?);
    // `06-00:11:…`: a link layer that is not Ethernet.
    if mac.contains('-') {
        return None;
    }
    let hostname = arg(3).or_else(|| text(env, "DNSMASQ_SUPPLIED_HOSTNAME"));
    let vendor_class = text(env, "DNSMASQ_VENDOR_CLASS");
    Some(Note { event, mac, ip, hostname, vendor_class, at: now, source: "dnsmasq".to_owned() })
}

/// `commit|expiry|release IP MAC [CLASS [HOSTNAME]]`, `-` for nothing: `execute` is skipped in silence if an argument is null.
fn isc(event: String, arg: &dyn Fn(usize) -> Option<String>, now: u64) -> Result<Option<Note>, String> {
    if !matches!(event.as_str(), "commit" | "expiry" | "release") {
        return Ok(None);
    }
    let (Some(ip), Some(mac)) = (arg(1), arg(2)) else {
        return Err(format!("`{event}` without address and MAC; see examples/dhcp/isc for the lines to configure"));
    };
    Ok(Some(Note { event, mac, ip, hostname: arg(4), vendor_class: arg(3), at: now, source: "isc".to_owned() }))
}

/// Everything is in the environment. A client that comes back makes Kea report a renewal at DISCOVER that has not happened.
fn kea(event: &str, env: Env<'_>, now: u64) -> Vec<Note> {
    match event {
        "leases4_committed" => {
            let given = (0..count(env, "LEASES4_SIZE"))
                .filter_map(|index| kea_lease(event, &format!("LEASES4_AT{index}_"), env, now));
            let deleted = (0..count(env, "DELETED_LEASES4_SIZE"))
                .filter_map(|index| kea_lease("deleted", &format!("DELETED_LEASES4_AT{index}_"), env, now));
            // What was deleted comes first: one packet can end one lease and give another.
            deleted.chain(given).collect()
        }
        "lease4_renew" if text(env, "QUERY4_TYPE").as_deref() == Some("DHCPDISCOVER") => Vec::new(),
        "lease4_renew" | "lease4_release" | "lease4_expire" | "lease4_decline" => {
            kea_lease(event, "LEASE4_", env, now).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn count(env: Env<'_>, name: &str) -> usize {
    text(env, name).and_then(|number| number.parse().ok()).unwrap_or(0).min(MOST_LEASES)
}

/// Hooks of Kea run side by side and start in any order, so the time is the client's last transaction (whole seconds).
fn kea_lease(event: &str, prefix: &str, env: Env<'_>, now: u64) -> Option<Note> {
    let field = |name: &str| text(env, &format!("{prefix}{name}"));
    let (mac, ip) = (field("HWADDR")?, field("ADDRESS")?);
    let usable = field("STATE").is_none_or(|state| matches!(state.as_str(), "default" | "0"));
    let event = if usable { event } else { "declined" }.to_owned();
    let at = field("CLTT").and_then(|seconds| seconds.parse::<u64>().ok()).map_or(now, |s| s.saturating_mul(1000));
    Some(Note { event, mac, ip, hostname: field("HOSTNAME"), vendor_class: None, at, source: "kea".to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    const NOW: u64 = 1_795_362_537_999;

    fn call(server: DhcpServer, args: &[&[u8]], env: &[(&str, &[u8])]) -> Vec<Note> {
        let args: Vec<OsString> = args.iter().map(|arg| OsString::from_vec(arg.to_vec())).collect();
        let look =
            |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from_vec(value.to_vec()));
        notes(server, &args, &look, NOW).unwrap()
    }

    #[test]
    fn dnsmasq_says_add_old_and_del() {
        let class: &[(&str, &[u8])] = &[("DNSMASQ_VENDOR_CLASS", b"iDRAC\n\x1b[31m\xff")];
        let args: [&[u8]; 4] = [b"add", b"a0:36:9f:01:00:00", b"10.77.3.69", b"ILOMXQ1234"];
        let notes = call(DhcpServer::Dnsmasq, &args, class);
        assert_eq!(notes[0].vendor_class.as_deref(), Some("iDRAC[31m\u{fffd}"));
        assert_eq!((notes[0].hostname.as_deref(), notes[0].at), (Some("ILOMXQ1234"), NOW));
        let supplied: &[(&str, &[u8])] = &[("DNSMASQ_SUPPLIED_HOSTNAME", b"a b\0")];
        let notes = call(DhcpServer::Dnsmasq, &[b"old", b"a0:36:9f:01:00:00", b"10.77.3.69"], supplied);
        assert_eq!(notes[0].hostname.as_deref(), Some("a b"));
        let notes = call(DhcpServer::Dnsmasq, &[b"del", b"a0:36:9f:01:00:00", b"10.77.3.69"], &[]);
        assert_eq!(notes[0].event, "del");
    }

    #[test]
    fn what_dnsmasq_says_of_other_things_is_nothing() {
        for first in [&b"init"[..], b"tftp", b"arp-add", b"arp-del", b"relay-snoop", b"invented"] {
            assert_eq!(call(DhcpServer::Dnsmasq, &[first, b"1", b"2"], &[]), [], "{first:?}");
        }
        assert_eq!(call(DhcpServer::Dnsmasq, &[b"add", b"06-a0:36:9f:01:00:00", b"10.0.0.1"], &[]), []);
        let six: &[(&str, &[u8])] = &[("DNSMASQ_IAID", b"1")];
        assert_eq!(call(DhcpServer::Dnsmasq, &[b"add", b"00:01:00:01", b"fd00::1"], six), []);
    }

    #[test]
    fn isc_passes_everything_as_arguments() {
        let args: [&[u8]; 5] = [b"commit", b"10.77.0.5", b"a0:36:9f:1:0:0", b"-", b"h\"; rm\n"];
        let notes = call(DhcpServer::Isc, &args, &[]);
        assert_eq!((notes[0].mac.as_str(), notes[0].vendor_class.as_deref()), ("a0:36:9f:1:0:0", None));
        assert_eq!(notes[0].hostname.as_deref(), Some("h\"; rm"));
        assert_eq!(call(DhcpServer::Isc, &[b"expiry", b"10.77.0.5", b"a0:36:9f:1:0:0"], &[])[0].event, "expiry");
    }

    #[test]
    fn isc_without_an_address_says_what_is_wrong() {
        let error = super::notes(DhcpServer::Isc, &["commit".into()], &|_| None, NOW).unwrap_err();
        assert!(error.contains("examples/dhcp/isc"), "{error}");
        assert!(super::notes(DhcpServer::Isc, &[], &|_| None, NOW).is_err());
    }

    #[test]
    fn kea_says_which_leases_were_given_and_which_deleted() {
        let env: &[(&str, &[u8])] = &[
            ("LEASES4_SIZE", b"2"),
            ("LEASES4_AT0_ADDRESS", b"10.77.16.0"),
            ("LEASES4_AT0_HWADDR", b"a0:36:9f:01:00:00"),
            ("LEASES4_AT0_HOSTNAME", b"ilo"),
            ("LEASES4_AT0_CLTT", b"1795362537"),
            ("LEASES4_AT0_STATE", b"default"),
            ("LEASES4_AT1_ADDRESS", b"10.77.16.1"),
            ("LEASES4_AT1_HWADDR", b"a0:36:9f:01:00:01"),
            ("LEASES4_AT1_STATE", b"declined"),
            ("DELETED_LEASES4_SIZE", b"1"),
            ("DELETED_LEASES4_AT0_ADDRESS", b"10.77.16.9"),
            ("DELETED_LEASES4_AT0_HWADDR", b"a0:36:9f:01:00:00"),
        ];
        let notes = call(DhcpServer::Kea, &[b"leases4_committed"], env);
        let seen: Vec<_> = notes.iter().map(|note| (note.event.as_str(), note.ip.as_str(), note.at)).collect();
        assert_eq!(
            seen,
            [
                ("deleted", "10.77.16.9", NOW),
                ("leases4_committed", "10.77.16.0", 1_795_362_537_000),
                ("declined", "10.77.16.1", NOW)
            ]
        );
    }

    #[test]
    fn a_renewal_that_kea_reports_at_discover_has_not_happened() {
        let env = |kind: &'static [u8]| -> Vec<(&'static str, &'static [u8])> {
            vec![("LEASE4_ADDRESS", b"10.77.16.0"), ("LEASE4_HWADDR", b"a0:36:9f:01:00:00"), ("QUERY4_TYPE", kind)]
        };
        assert_eq!(call(DhcpServer::Kea, &[b"lease4_renew"], &env(b"DHCPDISCOVER")), []);
        assert_eq!(call(DhcpServer::Kea, &[b"lease4_renew"], &env(b"DHCPREQUEST")).len(), 1);
        assert_eq!(call(DhcpServer::Kea, &[b"lease6_renew"], &env(b"DHCPREQUEST")), []);
        assert_eq!(call(DhcpServer::Kea, &[b"leases4_committed"], &[]), []);
    }
}
