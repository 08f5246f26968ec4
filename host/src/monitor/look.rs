//! One look at one controller, through its driver.
//!
//! Promises GET and HEAD only, by the grants of the calls it makes and by the gate they are lent. A controller without a log, or whose log or
//! parts cannot be read, is still looked at for its sensors; one that does not answer is a fault at once, and is asked nothing more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use farrier_lifecycle::{Fault, Server};

use crate::health::Seen;
use crate::plugin::wit::event_log::Entry;
use crate::plugin::wit::types::{Error, Health};
use crate::plugin::{CallError, Driver, Lend};
use crate::stage::{Parts, looking};

/// Pages of the log read in one look: 500 entries each. What is beyond comes with the next look.
const PAGES: usize = 4;
/// Of a log that is read for the first time: to its end, so that history is not taken for news.
const FIRST_PAGES: usize = 20;

/// What a look is to find out beside the sensors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How far the log was read; `None`: what stands in it is history.
    pub cursor: Option<String>,
    /// Read the parts too.
    pub inventory: bool,
}

/// What a look found, and how far it has read the log.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// What was seen.
    pub seen: Seen,
    /// Give it back the next time; `None`: the log was not read.
    pub cursor: Option<String>,
}

/// Something that looks.
#[async_trait]
pub trait Eyes: Send + Sync {
    /// Look once.
    async fn look(&self, server: &Server, wanted: &Wanted) -> Result<Looked, Fault>;
}

/// Looks through the drivers.
pub struct DriverEyes {
    parts: Arc<Parts>,
    timeout: Duration,
}

impl DriverEyes {
    /// With the host's plugins and broker; a call may take `timeout`.
    pub const fn new(parts: Arc<Parts>, timeout: Duration) -> Self {
        Self { parts, timeout }
    }
}

#[async_trait]
impl Eyes for DriverEyes {
    async fn look(&self, server: &Server, wanted: &Wanted) -> Result<Looked, Fault> {
        let (driver, lend) = looking(&self.parts, server)?;
        let lend = Lend { timeout: Some(self.timeout), ..lend };
        let readings = driver.read_sensors(&lend).await.map_err(|error| error.fault())?;
        let (events, cursor) = tolerate(server, "log", log(&driver, &lend, wanted).await)?.unwrap_or_default();
        let inventory = if wanted.inventory || events.iter().any(telling) {
            tolerate(server, "inventory", driver.read_inventory(&lend).await)?
        } else {
            None
        };
        Ok(Looked { seen: Seen { readings, events, inventory }, cursor })
    }
}

/// Does it tell of a part that broke or is well again? Then the parts are read at once, and not when it is their turn. Hardware logs tell of
/// little else.
fn telling(entry: &Entry) -> bool {
    matches!(entry.severity, Health::Warning | Health::Critical) || matches!(entry.log.as_str(), "iml" | "sel")
}

/// What cannot be read is left out, unless the controller as a whole does not answer.
fn tolerate<T>(server: &Server, what: &'static str, read: Result<T, CallError>) -> Result<Option<T>, Fault> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            let fault = error.fault();
            if matches!(fault.code.as_str(), "unreachable" | "timed-out" | "credentials-refused") {
                return Err(fault);
            }
            tracing::debug!(server = server.label(), what, %fault, "a look goes without it");
            Ok(None)
        }
    }
}

/// New entries, and how far the log is read.
async fn log(driver: &Driver, lend: &Lend, wanted: &Wanted) -> Result<(Vec<Entry>, Option<String>), CallError> {
    let Some(cursor) = &wanted.cursor else { return history(driver, lend).await };
    let (mut entries, mut cursor) = (Vec::new(), cursor.clone());
    for _ in 0..PAGES {
        let page = match driver.read_log(lend, Some(&cursor)).await {
            // Of another driver, or of an earlier version of this one.
            Err(CallError::Plugin(Error::InvalidInput(_))) => return history(driver, lend).await,
            page => page?,
        };
        let more = !page.entries.is_empty() && page.cursor != cursor;
        entries.extend(page.entries);
        cursor = page.cursor;
        if !more || entries.len() % 500 != 0 {
            break;
        }
    }
    Ok((entries, Some(cursor)))
}

/// To the end of the log, whatever stands in it.
async fn history(driver: &Driver, lend: &Lend) -> Result<(Vec<Entry>, Option<String>), CallError> {
    let mut cursor: Option<String> = None;
    for _ in 0..FIRST_PAGES {
        let page = driver.read_log(lend, cursor.as_deref()).await?;
        let last = page.entries.is_empty() || cursor.as_ref() == Some(&page.cursor);
        cursor = Some(page.cursor);
        if last {
            break;
        }
    }
    Ok((Vec::new(), cursor))
}
