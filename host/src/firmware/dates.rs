//! The date in a firmware's version, where the vendor wrote one: `U54 v2.10 (05/17/2024)`, `2.19.0 2024-03-01`.

use farrier_lifecycle::Timestamp;

/// The first date in the text, as its midnight in UTC. Only forms that cannot be anything else: month/day/year, and year first.
pub fn dated(version: &str) -> Option<Timestamp> {
    let bytes = version.as_bytes();
    bytes.windows(10).enumerate().find_map(|(at, window)| {
        let digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_digit);
        // Part of a longer number is no date.
        if at.checked_sub(1).is_some_and(|before| digit(bytes.get(before))) || digit(bytes.get(at + 10)) {
            return None;
        }
        let text = std::str::from_utf8(window).ok()?;
        let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i16>().ok();
        let (year, month, day) = match window {
            [_, _, b'/', _, _, b'/', ..] => (number(6..10)?, number(0..2)?, number(3..5)?),
            [_, _, _, _, b'-', _, _, b'-', ..] | [_, _, _, _, b'/', _, _, b'/', ..] => {
                (number(0..4)?, number(5..7)?, number(8..10)?)
            }
            _ => return None,
        };
        if !(1990..=2200).contains(&year) {
            return None;
        }
        let date = jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
        u64::try_from(at).ok().map(Timestamp)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_and_nothing_else_is_taken_for_one() {
        let day = |text| dated(text).map(|at| at.0 / 86_400_000);
        assert_eq!(day("U54 v2.10 (05/17/2024)"), Some(19_860));
        assert_eq!(day("2024-05-17"), day("x 2024/05/17 y"));
        assert_eq!(day("2024-05-17"), Some(19_860));
        for text in [
            "",
            "1.66",
            "7.10.30.00",
            "13/45/2024",
            "12024-05-17",
            "2024-05-170",
            "0001-01-01",
            "ab/cd/efgh",
            "£/17/2024x",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
