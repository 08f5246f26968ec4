//! When work elsewhere is looked at next.
//!
//! Promises that a plugin's word for it is taken only within bounds: without them one that says zero has its job asked for without a pause, and one
//! that says a hundred years has its server wait for good.

/// Between two looks at a job at most, milliseconds.
const LONGEST: u64 = 60_000;

/// Milliseconds to the next look, from the seconds that a plugin asks for: between a second and a minute.
pub fn poll_wait(seconds: u32) -> u64 {
    u64::from(seconds.max(1)).saturating_mul(1_000).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_waits_neither_without_a_pause_nor_for_ever() {
        assert_eq!([0, 1, 15, 60, 61, u32::MAX].map(poll_wait), [1_000, 1_000, 15_000, 60_000, 60_000, 60_000]);
    }
}
