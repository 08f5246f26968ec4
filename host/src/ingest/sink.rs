//! Where leases go: the host's own decision, or the bus from beside a DHCP server.
//!
//! Promises that the spool and the tailer need to know only whether to go on, try again, or put one lease aside. It holds no
//! lease itself: what is not delivered stays where it was read.

use std::sync::Arc;

use async_trait::async_trait;
use farrier_lifecycle::Lease;

use crate::bus::{Bus, BusError};

/// A lease that was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Nothing can be taken in now; the same lease is tried again later.
    #[error("{0}")]
    Away(String),
    /// This lease can never be taken in; others may.
    #[error("{0}")]
    Refused(String),
}

impl From<BusError> for SinkError {
    fn from(error: BusError) -> Self {
        Self::Away(error.to_string())
    }
}

/// Takes leases in. When `deliver` answers `Ok`, the lease is kept by someone else and may be forgotten.
#[async_trait]
pub trait LeaseSink: Send + Sync {
    /// Take one lease in; may be called again for the same lease.
    async fn deliver(&self, lease: &Lease) -> Result<(), SinkError>;
}

/// Puts leases on `netbox:bmc:discovered`.
pub struct BusSink(Arc<dyn Bus>);

impl BusSink {
    /// Onto this bus.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self(bus)
    }
}

#[async_trait]
impl LeaseSink for BusSink {
    async fn deliver(&self, lease: &Lease) -> Result<(), SinkError> {
        Ok(self.0.publish_lease(lease).await?)
    }
}
