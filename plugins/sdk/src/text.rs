//! Text as controllers write it, made fit to compare.
//!
//! Promises: padding, placeholders and the spelling of MAC addresses, versions and times are dealt with here and
//! nowhere else. Does not: decide what a text means to a driver.
//!
//! Not obvious: placeholders ("To be filled by O.E.M.", "null") count as absent, because a serial number that is
//! a placeholder would match every other self-built server.

/// Texts that vendors ship where there is no value.
const PLACEHOLDERS: [&str; 7] =
    ["null", "unknown", "n/a", "not specified", "default string", "to be filled by o.e.m.", "not available"];

/// The text without padding; `None` where it says nothing.
pub fn clean(text: &str) -> Option<String> {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let placeholder = PLACEHOLDERS.iter().any(|p| trimmed.eq_ignore_ascii_case(p));
    (!trimmed.is_empty() && !placeholder).then(|| trimmed.to_owned())
}

/// A MAC address in lower case with colons; `None` for anything else and for all zeros.
pub fn mac(text: &str) -> Option<String> {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
    let separators = text.trim().chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '-' | '.'));
    if digits.len() != 12 || !separators || digits.iter().all(|c| *c == '0') {
        return None;
    }
    let pairs: Vec<String> =
        digits.chunks(2).map(|pair| pair.iter().collect::<String>().to_ascii_lowercase()).collect();
    Some(pairs.join(":"))
}

/// Lower case letters and digits with single dashes: fit for an id or a metric label.
pub fn slug(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(out.trim_end_matches('-').len());
    out
}

/// The same name a second time becomes `name-2`.
pub fn unique(name: &str, taken: &mut Vec<String>) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2_u32;
    while taken.contains(&candidate) {
        candidate = format!("{name}-{number}");
        number += 1;
    }
    taken.push(candidate.clone());
    candidate
}

/// The dotted number in a version text: `U46 v2.34 (03/11/2025)` gives `2.34`. Two dotted numbers or none give
/// `None`, because then it is not clear which is the version.
pub fn version_number(text: &str) -> Option<&str> {
    let mut found = text
        .split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '/'))
        .map(|word| word.trim_start_matches(['v', 'V']))
        .filter(|word| word.contains('.') && word.split('.').all(|part| part.chars().all(|c| c.is_ascii_digit())));
    match (found.next(), found.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

/// Whether two version texts mean the same version: equal as written, or by their one dotted number.
pub fn same_version(a: &str, b: &str) -> bool {
    if a.trim().eq_ignore_ascii_case(b.trim()) {
        return true;
    }
    matches!((version_number(a), version_number(b)), (Some(a), Some(b)) if a == b)
}

/// Whether the first version is older than the second, by their one dotted number; `false` where that cannot be told.
pub fn is_older(a: &str, b: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        let mut all: Vec<u64> =
            version_number(text)?.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        while all.last() == Some(&0) {
            all.pop();
        }
        Some(all)
    };
    matches!((numbers(a), numbers(b)), (Some(a), Some(b)) if a < b)
}

/// Milliseconds since the epoch of an ISO 8601 time with an offset (`Z`, `+02:00`, `-0600`). `None` for a time
/// without an offset, before 1970, or out of range, as Dell's `0000-00-00T00:00:00`.
pub fn timestamp(text: &str) -> Option<u64> {
    let (date, rest) = text.trim().split_once(['T', ' '])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at_checked(zone_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    let millis: u64 = fraction.chars().chain("000".chars()).take(3).collect::<String>().parse().unwrap_or(0);
    u64::try_from(seconds).ok().map(|seconds| seconds * 1000 + millis)
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes: i64 = if minutes.is_empty() { 0 } else { minutes.parse().ok()? };
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes * 60))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, with years counted from March so that the leap day
/// comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let era_day = 365 * year + year / 4 - year / 100 + year / 400;
    era_day + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_older_by_number_and_not_by_text() {
        assert!(is_older("U46 v2.4 (01/01/2020)", "U46 v2.34 (03/11/2025)"));
        assert!(is_older("3.9", "3.11") && !is_older("3.11", "3.9") && !is_older("3.1.0", "3.1"));
        assert!(!is_older("0x15", "0x1B"), "not known is not older");
    }

    #[test]
    fn times_of_every_vendor_are_read() {
        assert_eq!(timestamp("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(timestamp("2025-05-29T11:00:37Z"), Some(1_748_516_437_000));
        assert_eq!(timestamp("2024-08-15T15:51:30-05:00"), Some(1_723_755_090_000));
        assert_eq!(timestamp("2024-08-15T14:51:30.250-0600"), Some(1_723_755_090_250));
        assert_eq!(timestamp("2024-02-29T00:00:00+00:00"), Some(1_709_164_800_000));
        for bad in ["0000-00-00T00:00:00+00:00", "00:00:00Z", "2024-08-06T13:48:09", "TIME_NA", ""] {
            assert_eq!(timestamp(bad), None, "{bad}");
        }
    }

    #[test]
    fn placeholders_and_padding_are_absent() {
        assert_eq!(clean("  ILC220027S     "), Some("ILC220027S".to_owned()));
        for nothing in ["", "          ", "null", "To be filled by O.E.M.", "Unknown"] {
            assert_eq!(clean(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn macs_have_one_spelling() {
        assert_eq!(mac("5C:ED:8C:2E:56:3C"), Some("5c:ed:8c:2e:56:3c".to_owned()));
        assert_eq!(mac("5CED.8C2E.563C"), Some("5c:ed:8c:2e:56:3c".to_owned()));
        assert_eq!(mac("00:00:00:00:00:00"), None);
        assert_eq!(mac("not a mac"), None);
    }

    #[test]
    fn versions_are_compared_by_their_number() {
        assert!(same_version("U46 v2.34 (03/11/2025)", "2.34"));
        assert!(same_version("1.14.00 May 28 2025", "1.14.00"));
        assert!(same_version("iLO 5 v3.11", "3.11 Feb 25 2025"));
        assert!(same_version("BIOS Date: 08/04/2023 Ver 1.4", "1.4"));
        assert!(!same_version("U46 v2.34 (03/11/2025)", "2.36"));
        assert!(!same_version("00.1D.9C", "00.1D.9D"));
    }

    #[test]
    fn labels_are_unique() {
        let mut taken = Vec::new();
        assert_eq!(unique(&slug("CPU #1 (Temp)"), &mut taken), "cpu-1-temp");
        assert_eq!(unique(&slug("CPU 1 Temp"), &mut taken), "cpu-1-temp-2");
    }
}
