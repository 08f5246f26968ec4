//! Version texts, as far as they can be compared.
//!
//! Promises the same notion of "the same version" as the drivers' planning has: equal as written, or by the one dotted number in both. What
//! cannot be ordered is not ordered; versions of one component are not comparable across controller generations.

use std::cmp::Ordering;

/// The dotted number in a version text: `U46 v2.34 (03/11/2025)` has `2.34`. With two of them it is not clear which is the version.
fn number(text: &str) -> Option<&str> {
    let mut found = text
        .split(|letter: char| letter.is_whitespace() || matches!(letter, '(' | ')' | ',' | '/'))
        .map(|word| word.trim_start_matches(['v', 'V']))
        .filter(|word| word.contains('.') && word.split('.').all(|part| part.chars().all(|c| c.is_ascii_digit())));
    match (found.next(), found.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

/// Do two texts mean the same version?
pub fn same(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
        || matches!((number(one), number(other)), (Some(one), Some(other)) if one == other)
}

/// Is this version the other or a later one? `None`: they cannot be ordered.
pub fn at_least(installed: &str, wanted: &str) -> Option<bool> {
    if same(installed, wanted) {
        return Some(true);
    }
    let parts = |text: &str| number(text)?.split('.').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    Some(parts(installed)?.cmp(&parts(wanted)?) != Ordering::Less)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_number_and_ordered_only_where_that_is_clear() {
        assert!(same("U46 v2.34 (03/11/2025)", "2.34") && same("iLO 5 v3.11", "3.11 Feb 25 2025"));
        assert!(!same("2.34", "2.36") && !same("00.1D.9C", "00.1D.9D"));
        assert_eq!(at_least("iLO 5 v3.9", "3.11"), Some(false), "nine is less than eleven");
        assert_eq!(at_least("2.10", "2.9.1"), Some(true));
        assert_eq!(at_least("00.1D.9C", "00.1D.9D"), None);
        assert_eq!(at_least("00.1D.9C", "00.1d.9c"), Some(true));
    }
}
