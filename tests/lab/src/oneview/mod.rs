//! A simulated HPE OneView appliance.
//!
//! Promises the rules of the documents: `X-API-Version` on everything but `/rest/version`, `Auth` from a login session, lists in
//! pages, adds, removals and updates as tasks that take time, a profile's `eTag` on a PUT, and the appliance's own preconditions. A
//! request a correct client would not send is answered as an error and kept as a violation. The shapes are those of HPE's
//! recordings of a 4.10 appliance; error codes that no document names are made up here and begin with `LAB_`.

mod answers;
mod firmware;
mod route;
mod servers;
mod state;
mod tasks;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::appliance::{self, Fault, Setup};
use crate::ledger::Ledger;
use route::OneView;

/// Lowest and highest API version of the appliance.
#[derive(Clone, Copy, Debug)]
pub struct Versions {
    /// `minimumVersion`
    pub minimum: u32,
    /// `currentVersion`
    pub current: u32,
}

impl Default for Versions {
    fn default() -> Self {
        Self { minimum: 120, current: 6400 }
    }
}

/// The bundle every appliance has: its id and name.
pub const BUNDLE: (&str, &str) = ("SPP2024_03_0_Simulated", "Service Pack for ProLiant 2024.03");

/// A running appliance; it ends when this is dropped.
pub struct OneViewHandle {
    product: Arc<OneView>,
}

/// Start an appliance.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(setup: Setup, versions: Versions, ledger: Ledger) -> std::io::Result<OneViewHandle> {
    let listen = setup.listen;
    let make = |address| OneView::new(appliance::desk(setup, address, ledger), versions);
    Ok(OneViewHandle { product: appliance::run(make, listen).await? })
}

impl OneViewHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.product.desk.setup.listen
    }

    /// `https://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// Plant a fault.
    pub fn plant(&self, fault: Fault) {
        if fault == Fault::Purge {
            self.product.state().purge();
        }
        self.product.desk.plant(fault);
    }

    /// Serial number and state of every server it has.
    pub fn servers(&self) -> Vec<(String, String)> {
        self.product.state().servers()
    }

    /// Sessions open now.
    pub fn sessions(&self) -> usize {
        self.product.desk.opened()
    }

    /// Assign a profile to a server, without firmware.
    pub fn assign_profile(&self, serial: &str) {
        self.product.state().assign_profile(serial);
    }

    /// Somebody else changes a server's profile: its `eTag` is another one.
    pub fn touch_profile(&self, serial: &str) {
        self.product.state().touch_profile(serial);
    }
}

impl Drop for OneViewHandle {
    fn drop(&mut self) {
        self.product.desk.stop.cancel();
    }
}
