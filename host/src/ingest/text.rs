//! Makes text from DHCP clients harmless: valid UTF-8, one line, bounded.
//!
//! Promises that what comes out can be logged, shown in a terminal and put into JSON. It does not judge what the text says.
//! Characters that reorder or hide text are dropped with the control characters, since they deceive a reader as well as a terminal.

/// Bytes kept of a text from a client; the longest a DHCP option can carry.
pub const LIMIT: usize = 255;

/// How much of the input is looked at: enough for [`LIMIT`] bytes of output among as many dropped ones.
const WINDOW: usize = 4 * LIMIT;

/// The text without control and reordering characters, not valid UTF-8 replaced, trimmed, cut to [`LIMIT`] bytes between
/// characters. `None` if nothing is left, or only the `-` or `*` that DHCP servers write for nothing.
pub fn clean(raw: &[u8]) -> Option<String> {
    let window = raw.get(..WINDOW).unwrap_or(raw);
    let mut kept = String::new();
    for c in String::from_utf8_lossy(window).chars().filter(|c| !hidden(*c)) {
        if kept.len() + c.len_utf8() > LIMIT {
            break;
        }
        kept.push(c);
    }
    let kept = kept.trim();
    (!matches!(kept, "" | "-" | "*")).then(|| kept.to_owned())
}

fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_become_one_harmless_line() {
        assert_eq!(clean(b"x$(touch /tmp/y);\"\n\x1b[31m\xff").as_deref(), Some("x$(touch /tmp/y);\"[31m\u{fffd}"));
        assert_eq!(clean("iLO\u{202e}gpj".as_bytes()).as_deref(), Some("iLOgpj"));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = "é".repeat(40_000);
        assert_eq!(clean(long.as_bytes()).map(|text| text.len()), Some(254));
        assert_eq!(clean(&vec![b'a'; 65_536]).map(|text| text.len()), Some(LIMIT));
    }

    #[test]
    fn what_servers_write_for_nothing_is_nothing() {
        for nothing in ["", "-", "*", " \n", "\u{1b}"] {
            assert_eq!(clean(nothing.as_bytes()), None, "{nothing:?}");
        }
    }
}
