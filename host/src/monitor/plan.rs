//! When to look at which server: a function of time, without a clock or a task.
//!
//! Promises that a server has one look at a time; that servers which come together are spread over the interval; that the time to the next
//! look is the interval ± a tenth; that a first failure is looked at again after half of it, so that a silent controller is soon known to be one; that after
//! further failures and slow looks it grows, to `slowest` at most, and shrinks back when the controller
//! is well. Not obvious: a controller should be busy with us for a tenth of its time at most, so a look that takes ten seconds is repeated
//! after a hundred at the earliest.

use std::collections::{BTreeSet, HashMap, HashSet};

use farrier_lifecycle::ServerId;

/// A look may take this part of the time between two looks.
const SHARE: u64 = 10;

/// How long a controller that refused the login is left alone, milliseconds.
const REFUSED: u64 = 3_600_000;

/// One server's place.
#[derive(Debug)]
struct Seat {
    interval: u64,
    due: u64,
    looking: bool,
    looks: u64,
    /// The last look failed.
    failed: bool,
}

/// A number from 0 to 1.
pub type Dice = dyn FnMut() -> f64 + Send;

/// The plan. Times are milliseconds of any one clock.
pub struct Plan {
    interval: u64,
    slowest: u64,
    seats: HashMap<ServerId, Seat>,
    due: BTreeSet<(u64, ServerId)>,
    dice: Box<Dice>,
}

/// A part of a time.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "hours at most"
)]
fn part(of: u64, share: f64) -> u64 {
    (of as f64 * share) as u64
}

impl Plan {
    /// Empty. `interval` and `slowest` in milliseconds; `dice` gives numbers from 0 to 1.
    pub fn new(interval: u64, slowest: u64, dice: Box<Dice>) -> Self {
        Self { interval, slowest: slowest.max(interval), seats: HashMap::new(), due: BTreeSet::new(), dice }
    }

    /// These servers and no others. New ones get their first look within an interval.
    pub fn keep<'a>(&mut self, servers: impl IntoIterator<Item = &'a ServerId>, now: u64) {
        let mut wanted = HashSet::new();
        for id in servers {
            wanted.insert(id);
            if !self.seats.contains_key(id) {
                let due = now.saturating_add(part(self.interval, (self.dice)()));
                self.seats
                    .insert(id.clone(), Seat { interval: self.interval, due, looking: false, looks: 0, failed: false });
                self.due.insert((due, id.clone()));
            }
        }
        let due = &mut self.due;
        self.seats.retain(|id, seat| {
            let keep = wanted.contains(id);
            if !keep {
                due.remove(&(seat.due, id.clone()));
            }
            keep
        });
    }

    /// The server that has been due longest, with the number of its look from 0. It is looked at until [`Plan::done`] or [`Plan::later`].
    pub fn next(&mut self, now: u64) -> Option<(ServerId, u64)> {
        if self.due.first()?.0 > now {
            return None;
        }
        let (_, id) = self.due.pop_first()?;
        let seat = self.seats.get_mut(&id)?;
        seat.looking = true;
        Some((id, seat.looks))
    }

    /// The look did not take place: something else works on the server. Soon again.
    pub fn later(&mut self, id: &ServerId, now: u64) {
        let Some(seat) = self.seats.get_mut(id).filter(|seat| seat.looking) else { return };
        seat.looking = false;
        seat.due = now.saturating_add(self.interval / 6).saturating_add(1);
        self.due.insert((seat.due, id.clone()));
    }

    /// The controller refused the login. Repetition locks accounts: not for so long, whatever `slowest` says.
    pub fn refused(&mut self, id: &ServerId, now: u64) {
        self.done(id, now, 0, false);
        if let Some(seat) = self.seats.get_mut(id) {
            self.due.remove(&(seat.due, id.clone()));
            seat.due = now.saturating_add(REFUSED.max(self.slowest));
            self.due.insert((seat.due, id.clone()));
        }
    }

    /// The look ended after `took` milliseconds.
    pub fn done(&mut self, id: &ServerId, now: u64, took: u64, well: bool) {
        let Some(seat) = self.seats.get_mut(id).filter(|seat| seat.looking) else { return };
        seat.looking = false;
        seat.looks += 1;
        let needed = took.saturating_mul(SHARE).clamp(self.interval, self.slowest);
        let before = std::mem::replace(&mut seat.failed, !well);
        let first = !well && !before;
        seat.interval = match (well, first) {
            (true, _) => needed.max(seat.interval / 2),
            (false, true) => seat.interval.max(needed),
            (false, false) => seat.interval.saturating_mul(2).clamp(needed, self.slowest),
        };
        let pause = part(if first { seat.interval / 2 } else { seat.interval }, 0.9 + 0.2 * (self.dice)());
        seat.due = now.saturating_add(pause);
        self.due.insert((seat.due, id.clone()));
    }

    /// When somebody is due; `None`: nobody waits.
    pub fn wake(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The time between two looks at this server, milliseconds.
    pub fn interval(&self, id: &ServerId) -> Option<u64> {
        self.seats.get(id).map(|seat| seat.interval)
    }

    /// Servers of the plan.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    const MINUTE: u64 = 60_000;

    fn ids(count: u64) -> Vec<ServerId> {
        (0..count).map(|n| format!("9440c9{n:06x}").parse().unwrap()).collect()
    }

    /// Always the same numbers, evenly spread.
    fn dice() -> Box<Dice> {
        let mut n = 0_u32;
        Box::new(move || {
            n = n.wrapping_add(1);
            (f64::from(n) * 0.618_033_988_75).fract()
        })
    }

    #[test]
    fn first_looks_are_spread_over_the_interval_and_stay_spread() {
        let mut plan = Plan::new(MINUTE, 15 * MINUTE, dice());
        plan.keep(&ids(600), 0);
        for minute in 0..20_u64 {
            let mut seconds = [0_u32; 60];
            let mut seen = 0;
            for second in 0..60_u64 {
                let now = minute * MINUTE + (second + 1) * 1_000;
                while let Some((id, _)) = plan.next(now) {
                    plan.done(&id, now, 400, true);
                    seconds[usize::try_from(second).unwrap()] += 1;
                    seen += 1;
                }
            }
            assert!((500..=700).contains(&seen), "minute {minute}: {seen} looks");
            assert!(seconds.iter().all(|looks| *looks < 30), "minute {minute}: {seconds:?}");
        }
    }

    #[test]
    fn a_server_has_one_look_at_a_time() {
        let mut plan = Plan::new(MINUTE, 15 * MINUTE, dice());
        plan.keep(&ids(3), 0);
        let all: HashSet<_> = std::iter::from_fn(|| plan.next(MINUTE)).map(|(id, _)| id).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(plan.next(u64::MAX), None, "all are being looked at, however late it is");
        plan.keep(&ids(3), 10 * MINUTE);
        assert_eq!(plan.next(u64::MAX), None, "and listing them again changes nothing");
        let one = all.iter().next().unwrap();
        plan.done(one, 10 * MINUTE, 1_000, true);
        assert_eq!(plan.next(u64::MAX), Some((one.clone(), 1)));
    }

    #[test]
    fn a_controller_that_fails_is_asked_less_and_as_often_as_before_when_it_is_well() {
        let mut plan = Plan::new(MINUTE, 15 * MINUTE, dice());
        let id = ids(1).remove(0);
        plan.keep([&id], 0);
        let mut now = MINUTE;
        let mut intervals = Vec::new();
        for (look, well) in [false, false, false, false, false, false, true, true, true, true].into_iter().enumerate() {
            let due = plan.wake().unwrap();
            now = now.max(due);
            assert_eq!(plan.next(now).map(|(id, _)| id), Some(id.clone()));
            plan.done(&id, now, 900, well);
            let interval = plan.interval(&id).unwrap();
            intervals.push(interval / MINUTE);
            let pause = plan.wake().unwrap() - now;
            let interval = if look == 0 { interval / 2 } else { interval };
            assert!((interval * 9 / 10..=interval * 11 / 10).contains(&pause), "{pause} of {interval}");
        }
        assert_eq!(intervals, [1, 2, 4, 8, 15, 15, 7, 3, 1, 1]);
    }

    #[test]
    fn a_refused_login_is_not_tried_again_for_an_hour() {
        let mut plan = Plan::new(MINUTE, 15 * MINUTE, dice());
        let id = ids(1).remove(0);
        plan.keep([&id], 0);
        plan.next(MINUTE).unwrap();
        plan.refused(&id, MINUTE);
        assert_eq!(plan.next(60 * MINUTE), None);
        assert_eq!(plan.next(61 * MINUTE), Some((id, 1)));
    }

    #[test]
    fn a_slow_controller_is_busy_with_us_for_a_tenth_of_its_time() {
        let mut plan = Plan::new(MINUTE, 15 * MINUTE, dice());
        let id = ids(1).remove(0);
        plan.keep([&id], 0);
        plan.next(MINUTE).unwrap();
        plan.done(&id, MINUTE, 30_000, true);
        assert_eq!(plan.interval(&id), Some(5 * MINUTE));
        plan.next(u64::MAX / 2).unwrap();
        plan.done(&id, MINUTE, 600_000, true);
        assert_eq!(plan.interval(&id), Some(15 * MINUTE), "bounded");
    }

    #[test]
    fn a_server_that_left_is_not_looked_at_and_its_late_end_means_nothing() {
        let mut plan = Plan::new(MINUTE, 15 * MINUTE, dice());
        let all = ids(2);
        plan.keep(&all, 0);
        let (first, _) = plan.next(MINUTE).unwrap();
        plan.keep(all.iter().filter(|id| **id != first), MINUTE);
        plan.done(&first, MINUTE, 10, true);
        assert_eq!((plan.len(), plan.next(u64::MAX).unwrap().0 == first), (1, false));
        assert_eq!(plan.next(u64::MAX), None);
    }

    #[test]
    fn a_server_somebody_works_on_is_tried_again_soon() {
        let mut plan = Plan::new(MINUTE, 15 * MINUTE, dice());
        let id = ids(1).remove(0);
        plan.keep([&id], 0);
        plan.next(MINUTE).unwrap();
        plan.later(&id, MINUTE);
        assert_eq!(plan.next(MINUTE + 10_001), Some((id, 0)), "the look that did not take place is not counted");
    }
}
