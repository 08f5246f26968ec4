//! assign: a ready server waits for a tenant; with one, it is delivered.

use farrier_lifecycle::Outcome;

use super::Work;

/// Deliver, or rest.
pub fn run(work: &Work) -> Outcome {
    work.server().tenant.map_or(Outcome::Rest, |tenant| Outcome::done(format!("delivered to {tenant}")))
}
