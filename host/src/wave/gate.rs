//! How one server of a wave stands, seen from its record.
//!
//! Promises that a server passes only ready, unmarked by update, without a case that was opened since it was started, for as long as the
//! wave wants. A function of what the store has; it changes nothing.

use farrier_lifecycle::{Blame, Mark, Server, Stage, Status, Timestamp};

use super::{Member, Standing, Wanted};
use crate::bus::BusError;
use crate::ticket::{Case, Cases};

/// What is seen of a member's server now: how it stands, and why where that is not plain.
pub async fn look(
    cases: &Cases,
    wave: &str,
    wanted: &Wanted,
    member: &Member,
    server: Option<&Server>,
    now: Timestamp,
) -> Result<(Standing, Option<String>), BusError> {
    let Some(server) = server else { return Ok((Standing::Failed, Some("the store has no such server".to_owned()))) };
    let started = member.started.unwrap_or(member.since);
    if server.wave.as_deref() != Some(wave) {
        return Ok(match member.standing {
            // The request was not made before the host died, or not granted.
            Standing::Starting => (Standing::Starting, None),
            // Reset, or taken by another wave: what it is now is not this wave's doing.
            _ => (Standing::Failed, Some("it left the wave: it was reset or updated by another one".to_owned())),
        });
    }
    if let Some(why) = bad(server) {
        return Ok((Standing::Failed, Some(why)));
    }
    let since = Timestamp(started.0);
    // Of the hardware, from whoever watches it: what a stage fails on shows in the record, and support contracts end by themselves.
    let hardware =
        |case: &Case| case.stage.is_none() && matches!(case.fault.blame, Blame::Hardware | Blame::Controller);
    let fresh = |case: &Case| case.over.is_none() && case.since >= since;
    let case = cases.of(&server.id).await?.into_iter().find(|case| hardware(case) && fresh(case));
    if let Some(case) = case {
        return Ok((Standing::Failed, Some(format!("{}: {}", case.fault.code, case.fault.text))));
    }
    if !matches!(server.stage, Stage::Assign | Stage::Service) || !matches!(server.status, Status::Resting) {
        if now.since(started) >= wanted.limit_ms {
            let text = format!("not back after {} s, it is in {}", wanted.limit_ms / 1_000, server.stage);
            return Ok((Standing::Failed, Some(text)));
        }
        return Ok((Standing::Running, None));
    }
    let well = if member.standing == Standing::Soaking { member.since } else { now };
    let soaked = now.since(well) >= wanted.soak_ms;
    Ok((if soaked { Standing::Passed } else { Standing::Soaking }, None))
}

/// What is wrong with it, if anything is.
fn bad(server: &Server) -> Option<String> {
    if let Status::Failed(fault) = &server.status {
        return Some(format!("{}: {}", fault.code, fault.text));
    }
    if let Some(hold) = &server.hold {
        return Some(format!("held by {}: {}", hold.by, hold.reason));
    }
    if matches!(server.stage, Stage::Retire | Stage::Retired | Stage::Discover | Stage::Validate) {
        return Some(format!("it was taken to {}", server.stage));
    }
    let back = matches!(server.stage, Stage::Assign | Stage::Service);
    server.marks.get(&Mark::Unupdated).filter(|_| back).map(|line| format!("its firmware was left as it is: {line}"))
}
