//! An end of support that is near, as a case.
//!
//! Promises one case for each server, a warning while there is time to renew, over when the end moved away or the server left. Not obvious:
//! as health's, it is kept without a ticket system as well, for the API and for metrics; then nobody closes a ticket, and what is over is
//! forgotten at once.

use farrier_lifecycle::{Server, Stage, Timestamp};

use super::case::{Cases, Problem, Subject};
use crate::bus::BusError;
use crate::warranty::{Alert, CODE, Support, alert};

/// Take in what is known of a server's support; `desk`: a ticket system takes the cases.
pub async fn support(
    cases: &Cases,
    desk: bool,
    server: &Server,
    support: &Support,
    at: Timestamp,
) -> Result<(), BusError> {
    let left = matches!(server.stage, Stage::Retire | Stage::Retired);
    if let Some(Alert { fault, warning }) = alert(support, at).filter(|_| !left) {
        let (id, name) = (server.id.clone(), server.label().to_owned());
        return cases.raise(&Problem { server: id, name, stage: None, fault, at, version: at.0, warning }).await;
    }
    let Some(case) = cases.get(&Subject::Server(server.id.clone()), CODE).await? else { return Ok(()) };
    let what = if left { "the server left service" } else { "the end of support has moved away" };
    cases.end(case, desk, at, what).await
}
