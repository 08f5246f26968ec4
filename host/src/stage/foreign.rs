//! Entries on the streams that this program did not write: leases from other programs, and what is not ours.

use farrier_lifecycle::{Lease, Stage};

use super::Parts;
use crate::bus::{ApplyError, Entry};

/// Why fields are no lease to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotALease {
    /// A lease, but of no controller, or outside the configured networks: dropped with a debug line.
    Ignored(String),
    /// Not readable: a dead letter.
    Malformed(String),
}

/// Reads the fields of an entry; `ingest` provides it.
pub type ForeignReader = Box<dyn Fn(&[(String, String)]) -> Result<Lease, NotALease> + Send + Sync>;

/// What to do with foreign entries.
pub struct Foreign(pub ForeignReader);

impl Foreign {
    /// Take an entry in: apply its lease, drop it, or bury it with the reason. It is gone from the stream afterwards.
    pub async fn take_in(&self, parts: &Parts, entry: &Entry, fields: &[(String, String)]) -> Result<(), ApplyError> {
        if entry.stage != Stage::Discover {
            let reason = "commands on this stream are written by the host alone; leases go to netbox:bmc:discovered";
            return Ok(parts.bus.bury(entry, "not-ours", reason).await?);
        }
        match (self.0)(fields) {
            Ok(lease) => {
                parts.lease(&lease, Some(entry)).await?;
                Ok(())
            }
            Err(NotALease::Malformed(reason)) => Ok(parts.bus.bury(entry, "malformed-lease", &reason).await?),
            // A DHCP server tells of every client: kept, these would be more than all that matters.
            Err(NotALease::Ignored(reason)) => {
                tracing::debug!(entry = entry.id, reason, "lease ignored");
                Ok(parts.bus.discard(entry).await?)
            }
        }
    }
}
