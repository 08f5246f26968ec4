//! A simulated Dell OpenManage Enterprise appliance.
//!
//! Promises the rules of the documents: token sessions, OData pages with a relative `@odata.nextLink`, discovery as a job, a
//! discovery's answer that echoes the controller's password, `JobStatus` that never moves while `LastRunStatus` does, a compliance
//! report that is as old as the baseline's last run, and updates of one device. A request a correct client would not send is
//! answered as an error and kept as a violation. Shapes are those of Dell's test data and of the documents; message ids that no
//! document names are made up here and begin with `LAB`.

mod answers;
mod baseline;
mod discovery;
mod jobs;
mod query;
mod route;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::appliance::{self, Fault, Setup};
use crate::ledger::Ledger;
use route::Ome;

/// The baseline every appliance has: its id and name.
pub const BASELINE: (u64, &str) = (23, "prov-baseline");

/// A running appliance; it ends when this is dropped.
pub struct OmeHandle {
    product: Arc<Ome>,
}

/// Start an appliance.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(setup: Setup, ledger: Ledger) -> std::io::Result<OmeHandle> {
    let listen = setup.listen;
    let make = |address| Ome::new(appliance::desk(setup, address, ledger));
    Ok(OmeHandle { product: appliance::run(make, listen).await? })
}

impl OmeHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.product.desk.setup.listen
    }

    /// `https://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// The certificate it shows, as PEM.
    ///
    /// # Errors
    /// When none can be made.
    pub fn certificate(&self) -> std::io::Result<String> {
        self.product.desk.certificate()
    }

    /// Plant a fault.
    pub fn plant(&self, fault: Fault) {
        if fault == Fault::Purge {
            self.product.state().purge();
        }
        self.product.desk.plant(fault);
    }

    /// Service tags of the devices it has.
    pub fn devices(&self) -> Vec<String> {
        self.product.state().tags()
    }

    /// Names of the discoveries it keeps.
    pub fn discoveries(&self) -> Vec<String> {
        self.product.state().groups.iter().map(|group| group.name.clone()).collect()
    }

    /// Sessions open now.
    pub fn sessions(&self) -> usize {
        self.product.desk.opened()
    }

    /// Passwords of controllers it echoed, so that a test can look for them elsewhere.
    pub fn echoed(&self) -> u64 {
        self.product.state().echoes
    }
}

impl Drop for OmeHandle {
    fn drop(&mut self) {
        self.product.desk.stop.cancel();
    }
}
