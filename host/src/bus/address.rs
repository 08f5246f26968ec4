//! Whose an address is: the controller's that got a lease of it last.
//!
//! Promises that nothing is written to a server at an address that DHCP has given to another controller since. A controller that went dark keeps
//! its last address in its record; whoever answers there now may be in a tenant's hands. Does not say whether a controller answers.
//!
//! Not obvious: it is written before the lease is decided on, so that a crash between the two leaves no record without it; and it is
//! compared by MAC, because a replaced board has another one and the same record.

use std::net::IpAddr;

use farrier_lifecycle::{Lease, Mac, Server, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Bus, BusError};

/// Prefix of the keys of [`Bus::get`] that say whose an address is.
const PREFIX: &str = "address/";

#[derive(Serialize, Deserialize)]
struct Holder {
    mac: Mac,
    at: Timestamp,
}

async fn holder(bus: &dyn Bus, ip: IpAddr) -> Result<Option<Holder>, BusError> {
    let bytes = bus.get(&format!("{PREFIX}{ip}")).await?;
    // Of another version's shape: the next lease writes it anew.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Note whose address this lease makes it; one that is older than what is known changes nothing.
pub(super) async fn note(bus: &dyn Bus, lease: &Lease) -> Result<(), BusError> {
    let known = holder(bus, lease.ip).await?;
    if known.is_some_and(|known| known.mac == lease.mac || lease.at < known.at) {
        return Ok(());
    }
    let key = format!("{PREFIX}{}", lease.ip);
    let holder = Holder { mac: lease.mac, at: lease.at };
    let value = serde_json::to_vec(&holder)
        .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
    bus.set(&key, Some(&value), None).await
}

/// The other controller that has the server's address now, if there is one.
pub(super) async fn taken_by(bus: &dyn Bus, server: &Server) -> Result<Option<Mac>, BusError> {
    let holder = holder(bus, server.lease.ip).await?;
    Ok(holder.map(|holder| holder.mac).filter(|mac| *mac != server.lease.mac))
}
