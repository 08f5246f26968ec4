//! Cables the inventory does not have and LLDP shows, written into it where `policy.validate.assign_ports` says so.
//!
//! Promises to write only what is missing: a cable that is in the inventory is compared and never changed. And only for a server that is
//! otherwise what it should be and has no cable in a wrong place, since wiring that is being mended is not worth writing down.

use super::cabling::{Cabling, Verdict};
use super::compare::compare;
use super::report::Report;
use super::{Stop, Work};
use crate::config::{Requirement, ValidatePolicy};
use crate::inventory::{Connected, Expected};

/// Write them; a line for each interface, for the journal. Nothing where the policy does not ask for it.
pub async fn assign(
    work: &Work,
    policy: &ValidatePolicy,
    report: &Report,
    expected: &Expected,
    seen: &Cabling,
) -> Result<Vec<String>, Stop> {
    let sound = seen.ports.iter().all(|port| matches!(port.verdict, Verdict::Ok | Verdict::NotExpected));
    let others: Vec<Requirement> =
        policy.require.iter().copied().filter(|requirement| *requirement != Requirement::Cables).collect();
    if !policy.assign_ports || !sound || compare(report, expected, &others).is_err() {
        return Ok(Vec::new());
    }
    let mut lines = Vec::new();
    for port in seen.ports.iter().filter(|port| port.verdict == Verdict::NotExpected) {
        let known = expected.nics.iter().any(|nic| nic.name == port.nic);
        let (true, Some(found)) = (known, &port.found) else { continue };
        work.say(format!("writing the cable of {} into the inventory", port.nic));
        let nic = &port.nic;
        lines.push(match work.parts.inventory.connect(expected, nic, &found.device, &found.ports).await? {
            Connected::Made { device, port } => {
                format!("wrote the cable from {nic} to {device} port {port}, as LLDP shows it")
            }
            Connected::Left(why) => format!("left {nic} without a cable in the inventory: {why}"),
        });
    }
    Ok(lines)
}
