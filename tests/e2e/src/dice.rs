//! Chance that can be repeated: numbers drawn from a seed that the test prints.
//!
//! Promises the same numbers for the same seed. `FARRIER_SEED` names one; without it each run draws its own, so that runs
//! together see more than one run could.

use std::time::Duration;

/// A row of numbers that depends on its seed alone.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
    seed: u64,
}

impl Dice {
    /// With the seed of `FARRIER_SEED`, or one of the clock; it is printed with the name of what it is for.
    ///
    /// # Panics
    /// When `FARRIER_SEED` is not a number.
    #[allow(clippy::print_stderr, clippy::expect_used, reason = "a test that fails must say its seed")]
    pub fn for_test(name: &str) -> Self {
        let given = std::env::var("FARRIER_SEED").ok().map(|seed| seed.parse().expect("FARRIER_SEED is a number"));
        let clock = || std::time::UNIX_EPOCH.elapsed().map_or(0, |since| u64::from(since.subsec_nanos()));
        let seed = given.unwrap_or_else(clock);
        eprintln!("{name}: FARRIER_SEED={seed} repeats these numbers");
        Self { state: seed, seed }
    }

    /// Where the row begins.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The next number (the finaliser of `splitmix64`).
    pub const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A duration between two, in whole milliseconds.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        least + Duration::from_millis(self.next() % span)
    }
}
