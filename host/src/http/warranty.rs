//! Until when a server is supported, as people and programs see it.
//!
//! Promises what the store has of the last round, and the days left as of now. It asks nobody.

use std::fmt;

use farrier_lifecycle::{ServerId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::time;
use crate::bus::{Bus, BusError};
use crate::warranty::{self, Support};

/// Until when a server's vendor supports it, or why that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Warranty)]
pub struct WarrantyView {
    /// Its end, the latest of all entitlements.
    #[schema(format = DateTime)]
    pub ends: Option<String>,
    /// Whole days until its end; negative once it is past.
    pub days_left: Option<i64>,
    /// The vendor's name for it.
    pub level: Option<String>,
    /// Who said so: `csv`, or a plugin's name; empty where nobody could be asked.
    pub source: String,
    /// Why there is no end.
    pub reason: Option<String>,
}

impl WarrantyView {
    /// What the last round kept of a server; `None`: there was none since it is known.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(bus: &dyn Bus, server: &ServerId, now: Timestamp) -> Result<Option<Self>, BusError> {
        Ok(warranty::of(bus, server).await?.map(|support| Self::see(support, now)))
    }

    fn see(support: Support, now: Timestamp) -> Self {
        let days_left = support.days_left(now);
        let Support { ends, level, source, reason, .. } = support;
        Self { ends: ends.map(time), days_left, level, source, reason }
    }
}

impl fmt::Display for WarrantyView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ends) = &self.ends else {
            return write!(f, "unknown: {}", self.reason.as_deref().unwrap_or("nobody said why"));
        };
        match self.days_left {
            Some(days) if days < 0 => write!(f, "over since {ends}")?,
            Some(days) => write!(f, "until {ends}, {days} days left")?,
            None => write!(f, "until {ends}")?,
        }
        if let Some(level) = &self.level {
            write!(f, ", {level}")?;
        }
        write!(f, ", says {}", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn said(ends: Option<u64>, reason: Option<&str>) -> String {
        let support = Support {
            at: Timestamp(0),
            ends: ends.map(|days| Timestamp(days * DAY)),
            level: ends.map(|_| "Tech Care".to_owned()),
            source: "csv".to_owned(),
            reason: reason.map(str::to_owned),
        };
        WarrantyView::see(support, Timestamp(20_000 * DAY)).to_string()
    }

    #[test]
    fn people_read_an_end_or_a_reason() {
        assert_eq!(said(Some(20_040), None), "until 2024-11-13T00:00:00Z, 40 days left, Tech Care, says csv");
        assert_eq!(said(Some(19_999), None), "over since 2024-10-03T00:00:00Z, Tech Care, says csv");
        assert_eq!(said(None, Some("no serial is known yet")), "unknown: no serial is known yet");
    }
}
