//! Says of a lease whether a controller may be behind it.
//!
//! Promises that a client which is not a controller is put aside with a reason, never as an error. It does not say that a client
//! *is* a controller: only the inventory knows. The MAC's vendor prefix has no say, since a server's own interfaces share it.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Parsed;
use crate::config::Ingest;

/// Start of the vendor class of clients that boot from the network: servers and their interfaces, not controllers.
const BOOT_CLIENTS: [&str; 2] = ["PXEClient", "HTTPClient"];

/// What the configuration says to leave out.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    vendor_classes: Vec<String>,
    networks: Vec<IpNet>,
}

/// Whether to take a lease in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// It may be a controller's.
    Candidate,
    /// It is not.
    Ignored(Ignored),
}

/// Why a lease is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It is over; the word the DHCP server used.
    Ended(String),
    /// A client that boots from the network.
    BootClient(String),
    /// Named in `ingest.ignore_vendor_classes`; the prefix that matched.
    VendorClass(String),
    /// Outside `ingest.networks`.
    Network(IpAddr),
    /// The writer says that it is of another network than the controllers'.
    NotController(String),
}

impl Ignored {
    /// Kebab case, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ended(_) => "lease-ended",
            Self::BootClient(_) => "boot-client",
            Self::VendorClass(_) => "vendor-class",
            Self::Network(_) => "network",
            Self::NotController(_) => "not-a-controller",
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(event) => write!(f, "the lease is over ({event})"),
            Self::BootClient(class) => write!(f, "a network boot client, not a controller ({class})"),
            Self::VendorClass(prefix) => write!(f, "vendor class `{prefix}` is in ingest.ignore_vendor_classes"),
            Self::Network(ip) => write!(f, "{ip} is outside ingest.networks"),
            Self::NotController(network) => write!(f, "a lease of the {network} network, not of a controller"),
        }
    }
}

impl Filter {
    /// From the configuration.
    pub fn new(config: &Ingest) -> Self {
        Self { vendor_classes: config.ignore_vendor_classes.clone(), networks: config.networks.clone() }
    }

    /// Whether to take this lease in. Vendor classes are compared without regard to case.
    pub fn classify(&self, parsed: &Parsed) -> Class {
        self.objection(parsed).map_or(Class::Candidate, Class::Ignored)
    }

    fn objection(&self, parsed: &Parsed) -> Option<Ignored> {
        if let Some(event) = &parsed.ended {
            return Some(Ignored::Ended(event.clone()));
        }
        if let Some(network) = parsed.network.as_ref().filter(|network| !network.eq_ignore_ascii_case("bmc")) {
            return Some(Ignored::NotController(network.clone()));
        }
        if let Some(class) = &parsed.lease.vendor_class {
            if BOOT_CLIENTS.iter().any(|prefix| starts_with(class, prefix)) {
                return Some(Ignored::BootClient(class.clone()));
            }
            if let Some(prefix) = self.vendor_classes.iter().find(|prefix| starts_with(class, prefix)) {
                return Some(Ignored::VendorClass(prefix.clone()));
            }
        }
        let ip = parsed.lease.ip;
        let inside = self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&ip));
        (!inside).then_some(Ignored::Network(ip))
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use farrier_lifecycle::Timestamp;

    use super::*;
    use crate::ingest::from_json;

    fn code(filter: &Filter, more: &str) -> Option<&'static str> {
        let text = format!(r#"{{"mac":"94:40:c9:00:00:01","ip":"10.1.2.3"{more}}}"#);
        match filter.classify(&from_json(text.as_bytes(), Timestamp(1)).unwrap()) {
            Class::Candidate => None,
            Class::Ignored(reason) => {
                assert!(!reason.to_string().is_empty());
                Some(reason.code())
            }
        }
    }

    #[test]
    fn boot_clients_and_ended_leases_are_left_out_whatever_the_mac() {
        let filter = Filter::default();
        assert_eq!(code(&filter, ""), None);
        assert_eq!(code(&filter, r#","vendor_class":"CPQRIB3""#), None);
        assert_eq!(code(&filter, r#","vendor_class":"PXEClient:Arch:00007:UNDI:003000""#), Some("boot-client"));
        assert_eq!(code(&filter, r#","vendor_class":"httpclient:Arch:00011""#), Some("boot-client"));
        assert_eq!(code(&filter, r#","event":"release""#), Some("lease-ended"));
        assert_eq!(code(&filter, r#","network_type":"management""#), Some("not-a-controller"));
        assert_eq!(code(&filter, r#","network_type":"bmc""#), None);
    }

    #[test]
    fn the_configuration_leaves_out_classes_and_networks() {
        let filter = Filter::new(&Ingest {
            ignore_vendor_classes: vec!["NVIDIA/BF/OOB".to_owned()],
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            ..Ingest::default()
        });
        assert_eq!(code(&filter, r#","vendor_class":"nvidia/bf/oob""#), Some("vendor-class"));
        assert_eq!(code(&filter, r#","vendor_class":"NVIDIA/BF/BMC""#), None);
        assert_eq!(code(&filter, r#","ip_address":"192.0.2.1""#), Some("network"));
    }
}
