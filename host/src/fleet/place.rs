//! The order of the journal's cursors: `17` on the embedded store, `1732311275000-0` on Redis.

use std::str::FromStr;

/// A cursor that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64, u64);

impl FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self(major.parse()?, minor.parse()?))
    }
}

impl Place {
    /// The cursor's place; what is no cursor is before everything.
    pub fn of(cursor: &str) -> Self {
        cursor.parse().unwrap_or(Self(0, 0))
    }

    /// As the oldest entry kept: is nothing lost between `seen` and it? The embedded store numbers without gaps; on Redis, where one
    /// cannot know, only an entry that is still there is certain.
    pub fn follows(self, seen: Self) -> bool {
        self <= seen || (self.1 == 0 && seen.1 == 0 && self.0 == seen.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_have_the_order_of_the_journal() {
        let order = ["", "1", "2", "10", "1732311275000-0", "1732311275000-1", "1732311275000-10", "1732311275001-0"];
        assert!(order.windows(2).all(|pair| Place::of(pair[0]) < Place::of(pair[1])), "{order:?}");
    }
}
