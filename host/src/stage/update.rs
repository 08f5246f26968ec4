//! update: a server's firmware is brought to its fleet tool's baseline or to the catalogue, and proved by reading it back.
//!
//! Promises that what is at its version is never written, that an image is written only after it was planned from what the controller
//! says now, and that only the version read from the controller afterwards ends it well. Where policy does not apply the catalogue, the
//! difference is carried as a mark; a firmware wave applies it all the same, since somebody asked for exactly that.

mod flash;
mod memo;
pub mod pull;
mod settings;
mod verify;

use farrier_lifecycle::{Mark, Outcome};

use super::{Stop, Work, fleet};
use crate::config::FleetFirmware;
use flash::Flash;
use memo::Memo;

/// At the fleet tool, or by the catalogue.
pub async fn run(work: &Work) -> Result<Outcome, Stop> {
    let server = work.server();
    let Some(policy) = work.parts.config.policy.update.on() else {
        let marks = vec![(Mark::Unupdated, "policy.update = \"off\"".to_owned())];
        return Ok(Outcome::Done { facts: Box::default(), marks, evidence: "not-required: switched off".to_owned() });
    };
    let mut memo = work.memo::<Memo>();
    match work.parts.config.fleet(server.facts.driver.as_deref(), server.facts.site.as_deref()) {
        Some(tool) if tool.firmware != FleetFirmware::Off => return fleet::run(work, tool).await,
        // While there is a memo of the catalogue's, the server was registered before it.
        Some(tool) if memo.is_none() => match fleet::member(work, tool).await? {
            fleet::Step::Wait(outcome) => return Ok(outcome),
            fleet::Step::There(said) => memo = Some(Memo { registered: Some(said), ..Memo::default() }),
        },
        _ => {}
    }
    let memo = memo.unwrap_or_default();
    let done = |memo: &Memo, text: &str| Ok(Outcome::done(memo.evidence(text)));
    if !work.parts.catalogue.is_configured() {
        return done(&memo, "no firmware catalogue is configured, so nothing is planned");
    }
    let images = work.parts.catalogue.of(server.facts.driver.as_deref(), server.facts.model.as_deref());
    if images.is_empty() {
        return done(&memo, "the catalogue has no image for this model");
    }
    Flash::new(work, policy, images, memo)?.run().await
}
