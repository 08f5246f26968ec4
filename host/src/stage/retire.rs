//! retire: nothing leaves a tenant with data on it, and nothing leaves the datacentre that a tool still counts on.
//!
//! The tools come first: fleet tool and boot provisioner let go of the server, and the provisioner erases its drives where policy says so. Then a
//! person must vouch for erased drives; without that the stage stops and says so, whatever a tool says.

use farrier_lifecycle::{Blame, Fault, Outcome, Retry};

use super::leave::{self, Left};
use super::{Stop, Work};

/// Leave the tools, then go on if the erasure is attested.
pub async fn run(work: &Work) -> Result<Outcome, Stop> {
    let mut lines = Vec::new();
    if !work.parts.observe {
        match leave::run(work).await? {
            Left::Wait(outcome) => return Ok(outcome),
            Left::All(said) => lines = said,
        }
    }
    let Some(by) = work.server().erased_by else {
        let mut text = "nobody has vouched that the drives are erased".to_owned();
        if !lines.is_empty() {
            text = format!("{text}; {}", lines.join("; "));
        }
        return Err(Fault::new("no-eraser", Retry::Never, Blame::Operator, text)
            .hint("see to it that they are, then `farrier server attest-erased`")
            .into());
    };
    lines.push(format!("drives erased, attested by {by}"));
    Ok(Outcome::done(lines.join("; ")))
}
