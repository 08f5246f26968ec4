//! From a real DHCP server to a server that is ready: lease, hook, spool, `farrier ship`, Redis, `farrier serve`, the controller.
//!
//! Promises four namespaces that share nothing but wires and Redis' unix socket: the DHCP server (which is also the router), the
//! controller, the shipper, the host. The controller has the address that its lease gave it, on its own interface, and is reached there
//! through the router. The controller and the server behind it are the lab's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod dhcp_site;
mod pipeline;

use std::ffi::OsStr;
use std::net::Ipv4Addr;

use dhcp_site::{Kind, Site};
use farrier_e2e::netns::{Space, skip};
use farrier_lab::estate::{Estate, QUICK_START_MAC};
use pipeline::{Provisioner, at_rest, lab, route};

const HOST: &str = "10.78.0.2";

/// A namespace for the host, behind the DHCP server's as a router.
fn control(site: &mut Site) -> anyhow::Result<Space> {
    let control = site.net.space("ctl")?;
    site.net.wire((&control, "up0"), (&site.dhcp, "down0"))?;
    site.dhcp.ip(&["addr", "add", "10.78.0.1/24", "dev", "down0"])?;
    control.ip(&["addr", "add", &format!("{HOST}/24"), "dev", "up0"])?;
    control.ip(&["route", "add", "default", "via", "10.78.0.1"])?;
    route(&site.dhcp)?;
    Ok(control)
}

/// One sound server whose controller has this address.
fn estate(address: Ipv4Addr) -> Estate {
    let mut estate = Estate::quick_start(address);
    "10.77.0.0/16".clone_into(&mut estate.sites[0].prefixes[0].prefix);
    estate
}

fn to_ready(kind: Kind) {
    if skip(&kind.programs()) {
        return;
    }
    let mut site = Site::new(kind).unwrap();
    let control = control(&mut site).unwrap();
    let _ship = site.start_ship(&[]).unwrap();
    // The plan names no addresses: it is the same whatever the lease will be.
    let plan = estate(Ipv4Addr::UNSPECIFIED);
    let host = Provisioner::start(&control, site.path("host"), HOST, &plan, Some(site.redis_url())).unwrap();
    assert!(host.rows().unwrap().is_empty());

    site.lease(QUICK_START_MAC, OsStr::new("CPQRIB3"), "ILOMXQ0360001").unwrap();
    let address = site.address().unwrap();
    let lab = lab(&site.client, &site.path("host"), &estate(address), Some(host.url())).unwrap();

    let row = host.wait("discovered", |row| row.text("stage").is_some_and(|stage| stage != "discover"));
    let row = row.unwrap_or_else(|error| panic!("{error:?}\n{}", site.logs()));
    assert_eq!(row.text("ip"), Some(address.to_string().as_str()), "{row:?}");
    assert_eq!(row.name.as_deref(), Some("EAST-SRV-001"));
    assert_eq!(row.text("serial"), Some("MXQ0360001"));
    let row = host.wait("at rest", at_rest).unwrap();
    assert_eq!(row.state, "ready", "{row:?}\n{}\n{}", host.log(), lab.log());

    // The same client again, as after a restart of the controller: nothing begins anew.
    let version = row.rest["version"].clone();
    site.lease(QUICK_START_MAC, OsStr::new("CPQRIB3"), "ILOMXQ0360001").unwrap();
    site.lease("a0:36:9f:01:00:77", OsStr::new("CPQRIB3"), "unknown").unwrap();
    let unknown = |row: &farrier_lab::rig::ServerRow| row.bmc_mac.as_deref() == Some("a0:36:9f:01:00:77");
    host.wait("the unknown controller", unknown).unwrap();
    let row = host.wait("the server", |row| !unknown(row)).unwrap();
    assert_eq!((row.state.as_str(), &row.rest["version"]), ("ready", &version), "{row:?}");
}

#[test]
fn a_lease_of_dnsmasq_makes_a_server_ready() {
    to_ready(Kind::Dnsmasq);
}

#[test]
fn a_lease_of_isc_dhcpd_makes_a_server_ready() {
    to_ready(Kind::Isc);
}

#[test]
fn a_lease_of_kea_makes_a_server_ready() {
    to_ready(Kind::Kea);
}
