//! ISC dhcpd's lease file.
//!
//! Promises each complete `lease` block, whatever else stands in the file and however deep its braces nest. It knows no grammar but
//! statements, braces, strings and comments: that is all that is needed to find the end of a block, and new statements do not break it.

use farrier_lifecycle::Timestamp;

use super::{Batch, Format, lease};
use crate::ingest::Parsed;

/// Read complete blocks.
pub fn read(fresh: &[u8], now: Timestamp) -> Batch {
    let (statements, consumed) = statements(fresh);
    Batch {
        consumed,
        leases: statements.into_iter().filter_map(|statement| block(statement, now)).collect(),
        known: None,
    }
}

/// Split into statements: each ends with `;` or with the brace that closes its block. Also how many bytes they take.
fn statements(text: &[u8]) -> (Vec<&[u8]>, usize) {
    let mut found = Vec::new();
    let (mut begin, mut depth) = (0, 0_u32);
    let mut bytes = text.iter().copied().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'#' => {
                bytes.by_ref().find(|(_, byte)| *byte == b'\n');
            }
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(byte, b';' | b'}') {
            found.extend(text.get(begin..=index));
            begin = index + 1;
        }
    }
    (found, begin)
}

fn skip_string(bytes: &mut impl Iterator<Item = (usize, u8)>) {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return,
            _ => {}
        }
    }
}

/// The statement without white space and comments before it and the `;` after it.
fn trimmed(mut statement: &[u8]) -> &[u8] {
    loop {
        statement = statement.trim_ascii();
        if statement.first() != Some(&b'#') {
            break;
        }
        let end = statement.iter().position(|byte| *byte == b'\n').unwrap_or(statement.len());
        statement = statement.get(end..).unwrap_or_default();
    }
    statement.strip_suffix(b";").unwrap_or(statement).trim_ascii()
}

fn block(statement: &[u8], now: Timestamp) -> Option<Parsed> {
    let statement = trimmed(statement);
    let open = statement.iter().position(|byte| *byte == b'{')?;
    let (head, body) = statement.split_at_checked(open)?;
    let ip = std::str::from_utf8(head.strip_prefix(b"lease ")?).ok()?.trim();
    let (inner, _) = statements(body.get(1..body.len().saturating_sub(1))?);
    let inner: Vec<&[u8]> = inner.into_iter().map(trimmed).collect();
    let find =
        |prefix: &[u8]| inner.iter().find_map(|statement| statement.strip_prefix(prefix)).map(<[u8]>::trim_ascii);
    let text = |prefix: &[u8]| find(prefix).map(|value| String::from_utf8_lossy(value).into_owned());
    // An address without a client: abandoned, or a failover peer's.
    let mac = text(b"hardware ethernet ")?;
    let ends = text(b"ends ").and_then(|ends| time(&ends));
    let state = text(b"binding state ").unwrap_or_else(|| "active".to_owned());
    let event = match state.as_str() {
        "active" if ends.is_none_or(|ends| ends > now) => "ack",
        "released" => "release",
        "active" | "expired" | "free" | "backup" => "expiry",
        _ => "declined",
    };
    let at = text(b"cltt ").or_else(|| text(b"starts ")).and_then(|at| time(&at)).unwrap_or(now).0.to_string();
    let name = find(b"client-hostname ").map(string).unwrap_or_default();
    let class = find(b"set vendor-class-identifier = ").map(string).unwrap_or_default();
    let fields =
        [("event", event), ("mac", &mac), ("ip", ip), ("hostname", &name), ("vendor_class", &class), ("at", &at)];
    lease(Format::DhcpdLeases, &fields, now)
}

/// `0 2026/11/22 15:41:16` in UTC, `epoch 1795362383`; `None` for `never`.
fn time(text: &str) -> Option<Timestamp> {
    let (first, rest) = text.split_once(' ')?;
    if first == "epoch" {
        return rest.trim().parse::<u64>().ok().map(|seconds| Timestamp(seconds.saturating_mul(1000)));
    }
    let civil = jiff::civil::DateTime::strptime("%Y/%m/%d %H:%M:%S", rest.trim()).ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(zoned.timestamp().as_millisecond()).ok().map(Timestamp)
}

/// A quoted string: `\ooo` is an octal byte, `\"` and `\\` stand for themselves.
fn string(quoted: &[u8]) -> String {
    let inner = quoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(quoted);
    let mut raw = Vec::new();
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            raw.push(byte);
            continue;
        }
        let digits: Vec<u8> =
            std::iter::from_fn(|| bytes.next_if(|digit| (b'0'..=b'7').contains(digit))).take(3).collect();
        if digits.is_empty() {
            raw.extend(bytes.next());
        } else {
            let value = digits.iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
            raw.push(u8::try_from(value & 0xff).unwrap_or(b'?'));
        }
    }
    String::from_utf8_lossy(&raw).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_362_537_000);

    const FILE: &str = r#"# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
server-duid "\000\001\000\0011\224{;}";

lease 10.77.0.5 {
  starts 0 2026/11/22 15:41:16;
  ends 0 2026/11/22 23:41:16;
  cltt 0 2026/11/22 15:41:17;
  binding state active;
  hardware ethernet a0:36:9f:01:00:00;
  uid "\001\2406\237\001\000\000";
  set clip = "10.77.0.5";
  set vendor-class-identifier = "iDRAC}\"\033[31m";
  client-hostname "idrac-\141bc";
  on expiry {
    if (1 = 1) { execute ("/hook", "expiry"); }
  }
}
lease 10.77.0.6 {
  starts epoch 1795362383; # Sun Nov 22 15:46:23 2026
  ends epoch 1795362400; # }
  binding state active;
  hardware ethernet a0:36:9f:01:00:01;
}
lease 10.77.0.7 {
  starts 0 2026/11/22 15:41:16;
  ends never;
  binding state released;
  hardware ethernet a0:36:9f:01:00:02;
}
lease 10.77.0.8 {
  binding state abandoned;
}
lease 10.77.0.9 {
  starts 0 2026/11/22 15:41:16;
  ha"#;

    #[test]
    fn complete_blocks_are_read_and_the_rest_is_left() {
        let batch = read(FILE.as_bytes(), NOW);
        assert!(FILE[batch.consumed..].trim_start().starts_with("lease 10.77.0.9"));
        let seen: Vec<_> =
            batch.leases.iter().map(|parsed| (parsed.lease.ip.to_string(), parsed.ended.as_deref())).collect();
        let expected = [("10.77.0.5", None), ("10.77.0.6", Some("expiry")), ("10.77.0.7", Some("release"))];
        assert_eq!(seen, expected.map(|(ip, ended)| (ip.to_owned(), ended)));
        let lease = &batch.leases[0].lease;
        assert_eq!(lease.at.0, 1_795_362_077_000);
        assert_eq!(lease.hostname.as_deref(), Some("idrac-abc"));
        assert_eq!(lease.vendor_class.as_deref(), Some("iDRAC}\"[31m"));
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_leases_as_the_whole(cut in 0..FILE.len()) {
            let first = read(&FILE.as_bytes()[..cut], NOW);
            let second = read(&FILE.as_bytes()[first.consumed..], NOW);
            let pieces: Vec<_> = first.leases.into_iter().chain(second.leases).collect();
            prop_assert_eq!(pieces, read(FILE.as_bytes(), NOW).leases);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes, NOW).consumed <= bytes.len());
        }
    }
}
