//! One scrape: everything it shows, taken at one moment, and written without a lock.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use farrier_lifecycle::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::host::Host;
use super::known::Known;
use super::{servers, totals};
use crate::fleet::Row;
use crate::monitor::{Snapshot, label};

/// One server with the labels all its series have.
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its site's slug; empty: not known.
    pub site: String,
    /// The record.
    pub row: Arc<Row>,
    /// What was seen of it last.
    pub snapshot: Option<Arc<Snapshot>>,
    /// What stages keep of it.
    pub known: Option<Arc<Known>>,
}

/// Label the servers. Of two with one name the second goes by its id, so that no series stands twice.
pub fn lines(all: impl Iterator<Item = (Arc<Row>, Option<Arc<Snapshot>>, Option<Arc<Known>>)>) -> Vec<Line> {
    let mut taken = HashSet::new();
    let line = |(row, snapshot, known): (Arc<Row>, _, _)| {
        let mut name = label(row.server.label());
        if !taken.insert(name.clone()) {
            name = row.server.id.to_string();
            taken.insert(name.clone());
        }
        let site = label(row.server.facts.site.as_deref().unwrap_or_default());
        Line { name, site, row, snapshot, known }
    };
    all.map(line).collect()
}

struct Shown {
    lines: Vec<Line>,
    host: Option<Host>,
    now: Timestamp,
}

/// See the module.
pub struct View(Shown);

impl View {
    pub(super) const fn new(lines: Vec<Line>, host: Option<Host>, now: Timestamp) -> Self {
        Self(Shown { lines, host, now })
    }

    /// Write it as OpenMetrics text 1.0.
    pub fn write(self, writer: &mut impl fmt::Write) -> fmt::Result {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.0));
        text::encode(writer, &registry)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("servers", &self.lines.len()).finish_non_exhaustive()
    }
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            host.itself(&mut encoder)?;
        }
        servers::write(&mut encoder, &self.lines, self.now)?;
        totals::write(&mut encoder, &self.lines, self.now)?;
        match &self.host {
            Some(host) => host.work(&mut encoder),
            None => Ok(()),
        }
    }
}
