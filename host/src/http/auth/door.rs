//! How a connection came in: what it proves by itself, before any header is read.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderMap;

/// The way in. Every connection's requests carry it as an extension; one without it is believed nothing.
#[derive(Clone, Debug)]
pub enum Door {
    /// The unix socket in `state_dir`.
    Socket {
        /// Who opened it, as the kernel says.
        user: String,
    },
    /// TCP without TLS: loopback, or behind a proxy.
    Plain {
        /// The other end.
        peer: SocketAddr,
    },
    /// TLS.
    Tls {
        /// The other end.
        peer: SocketAddr,
        /// Names in a client certificate that was verified: the common name first. Empty: none was shown.
        names: Arc<[String]>,
    },
}

impl Door {
    /// Where it came from, for the audit log.
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Socket { .. } => None,
            Self::Plain { peer } | Self::Tls { peer, .. } => Some(peer.ip().to_canonical().to_string()),
        }
    }

    /// Whom a rate is counted for, where nobody signed in. An IPv6 client has as many addresses as it likes, so its /64 counts.
    pub fn key(&self) -> String {
        match self {
            Self::Socket { user } => format!("local:{user}"),
            Self::Plain { peer } | Self::Tls { peer, .. } => match peer.ip().to_canonical() {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => {
                    let [a, b, c, d, ..] = ip.segments();
                    format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
                }
            },
        }
    }

    /// Is what the browser sees https? Behind a proxy, what the proxy says of the scheme; nothing else of `X-Forwarded-*` is read.
    pub fn secure(&self, headers: &HeaderMap, behind_proxy: bool) -> bool {
        match self {
            Self::Tls { .. } => true,
            Self::Plain { .. } => {
                behind_proxy
                    && headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes() == b"https".as_slice())
            }
            Self::Socket { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_addresses_counts_as_one() {
        let key = |text: &str| Door::Plain { peer: text.parse().unwrap() }.key();
        assert_eq!(key("[2001:db8:1:2::1]:1"), key("[2001:db8:1:2:ffff::9]:2"));
        assert_ne!(key("[2001:db8:1:2::1]:1"), key("[2001:db8:1:3::1]:1"));
        assert_eq!(key("[::ffff:192.0.2.1]:1"), "192.0.2.1");
    }

    #[test]
    fn the_scheme_is_believed_of_a_proxy_alone() {
        let headers = HeaderMap::from_iter([("x-forwarded-proto".parse().unwrap(), "https".parse().unwrap())]);
        let plain = Door::Plain { peer: "127.0.0.1:1".parse().unwrap() };
        assert!(plain.secure(&headers, true) && !plain.secure(&headers, false));
        assert!(!plain.secure(&HeaderMap::new(), true));
    }
}
