//! Ports that are free on every local address.
//!
//! Promises a port below the range that the system hands out by itself, so that no outgoing connection takes
//! it between here and its use.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::bail;

/// A port nobody listens on, on any address.
///
/// # Errors
/// When hundreds of tries found none.
pub fn free_port() -> anyhow::Result<u16> {
    for _ in 0..500 {
        let port = rand::random_range(15_000..32_000);
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 15000 and 32000")
}
