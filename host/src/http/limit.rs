//! How often somebody may ask.
//!
//! Promises that one who asks too much is told when to come again and takes nothing from others. Not obvious: what failed to sign in is
//! counted apart and much harder, by address, so that guessing is slow and nobody's own rate pays for it.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::Problem;

/// Attempts to sign in of one address, a minute.
const SIGN_INS: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// After so many checks, those who have not asked for a while are forgotten.
const SWEEP: u32 = 4_096;

/// Pages, scripts and styles of one address, in requests of one principal: a page is many files, and many people may share an address.
const OPEN: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// The counts.
pub struct Limits {
    open: DefaultKeyedRateLimiter<String>,
    requests: DefaultKeyedRateLimiter<String>,
    sign_ins: DefaultKeyedRateLimiter<String>,
    checks: AtomicU32,
    clock: DefaultClock,
}

impl Limits {
    /// `rate` requests a second for each, twice as many at once.
    pub fn new(rate: u32) -> Self {
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let quota = |rate: NonZeroU32| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        };
        Self {
            open: quota(rate.saturating_mul(OPEN)),
            requests: quota(rate),
            sign_ins: RateLimiter::keyed(Quota::per_minute(SIGN_INS)),
            checks: AtomicU32::new(0),
            clock: DefaultClock::default(),
        }
    }

    /// One request of this principal or address.
    pub fn request(&self, key: &str) -> Result<(), Problem> {
        self.check(&self.requests, key, "too many requests")
    }

    /// One look from this address at what is open to all.
    pub fn open(&self, key: &str) -> Result<(), Problem> {
        self.check(&self.open, key, "too many requests")
    }

    /// One attempt to sign in from this address.
    pub fn sign_in(&self, key: &str) -> Result<(), Problem> {
        self.check(&self.sign_ins, key, "too many attempts to sign in")
    }

    fn check(&self, limiter: &DefaultKeyedRateLimiter<String>, key: &str, text: &str) -> Result<(), Problem> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.open.retain_recent();
            self.requests.retain_recent();
            self.sign_ins.retain_recent();
        }
        let Err(not_yet) = limiter.check_key(&key.to_owned()) else { return Ok(()) };
        let wait = not_yet.wait_time_from(self.clock.now()).max(Duration::from_millis(1));
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", format!("{text} from {key}"))
            .hint("wait as long as `Retry-After` says; `api.rate` is how many a second are answered")
            .retry_after(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_asks_too_much_takes_nothing_from_others() {
        let limits = Limits::new(1);
        assert!(limits.request("ana").is_ok() && limits.request("ana").is_ok(), "two at once");
        let refused = limits.request("ana").unwrap_err();
        assert_eq!((refused.status, refused.retry_after), (StatusCode::TOO_MANY_REQUESTS, Some(1)));
        assert!(limits.request("ben").is_ok());
        assert!(limits.sign_in("ana").is_ok(), "counted apart");
    }

    #[test]
    fn attempts_to_sign_in_are_counted_harder() {
        let limits = Limits::new(1_000);
        let allowed = (0..100).filter(|_| limits.sign_in("192.0.2.1").is_ok()).count();
        assert_eq!(allowed, 20);
    }
}
