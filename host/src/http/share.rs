//! How much of something one may hold at once.
//!
//! Promises that a share is given back however its holder ends, and that nobody is remembered who holds nothing. Does not make anyone wait:
//! who holds enough is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Who holds how many.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    held: Mutex<HashMap<String, usize>>,
}

impl Shares {
    /// At most this many for each.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    /// One more for `key`; `None`: it holds enough.
    pub fn take(self: &Arc<Self>, key: String) -> Option<Share> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&key).copied().unwrap_or_default();
        if count >= self.most {
            return None;
        }
        held.insert(key.clone(), count + 1);
        Some(Share { of: Arc::clone(self), key })
    }

    fn give_back(&self, key: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(key);
            }
        }
    }
}

/// One, until it is dropped.
#[derive(Debug)]
pub struct Share {
    of: Arc<Shares>,
    key: String,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.give_back(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_holds_enough_takes_nothing_from_others_and_is_forgotten_in_the_end() {
        let shares = Shares::new(2);
        let take = |key: &str| shares.take(key.to_owned());
        let (first, second) = (take("ana").unwrap(), take("ana").unwrap());
        assert!(take("ana").is_none());
        let other = take("ben").unwrap();
        drop(first);
        let third = take("ana").unwrap();
        drop((second, third, other));
        assert!(shares.held.lock().unwrap().is_empty());
    }
}
