//! Takes secrets out of what comes back, however they are written there.
//!
//! Promises to find a secret each of whose characters is plain or escaped as JSON (also in a string of JSON), a URL, a form, HTML or XML
//! would, in any mixture. Does not find one that was cut, changed, compressed or encoded as a whole.
//!
//! Not obvious: it reads escapes and does not list spellings, of which there are too many: each writer of JSON has characters of its own
//! that it escapes without need.

use crate::fault::Secret;

/// Shorter secrets are not masked in answers: they would be found everywhere.
const MASKED_FROM: usize = 6;
const MASK: &[u8] = b"********";
/// The longest escape of one character in HTML: `&#x1f600;`.
const ENTITY: usize = 10;

/// Mask each secret in a body.
pub fn mask<'a>(body: Vec<u8>, secrets: impl Iterator<Item = &'a Secret>) -> Vec<u8> {
    secrets
        .map(Secret::expose)
        .filter(|secret| secret.len() >= MASKED_FROM)
        .fold(body, |body, secret| without(&body, secret))
}

/// The same for a text.
pub fn mask_text<'a>(text: String, secrets: impl Iterator<Item = &'a Secret>) -> String {
    String::from_utf8_lossy(&mask(text.into_bytes(), secrets)).into_owned()
}

fn without(body: &[u8], secret: &str) -> Vec<u8> {
    let first = secret.as_bytes().first();
    let begins = |byte: &u8| matches!(byte, b'\\' | b'%' | b'+' | b'&') || Some(byte) == first;
    let mut masked = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.iter().position(begins) {
        let (before, found) = rest.split_at(at);
        masked.extend_from_slice(before);
        if let Some(left) = behind(found, secret) {
            masked.extend_from_slice(MASK);
            rest = left;
        } else {
            let (byte, after) = found.split_at(1);
            masked.extend_from_slice(byte);
            rest = after;
        }
    }
    masked.extend_from_slice(rest);
    masked
}

/// What stands behind the secret, if the text begins with it.
fn behind<'a>(text: &'a [u8], secret: &str) -> Option<&'a [u8]> {
    let (mut rest, mut slashes) = (text, 0_usize);
    for c in secret.chars() {
        // A backslash of the secret is several where it is escaped.
        let skipped = |rest: &'a [u8]| (slashes > 0).then(|| letter(bare(rest), c)).flatten();
        rest = letter(rest, c).or_else(|| skipped(rest))?;
        slashes = if c == '\\' { slashes + 1 } else { 0 };
    }
    if slashes > 0 {
        // The same at its end; one too many is the next character's.
        let run = rest.len() - bare(rest).len();
        rest = rest.get(run - (slashes + run) % 2 * usize::from(run > 0)..).unwrap_or_default();
    }
    Some(rest)
}

/// What stands behind one character.
fn letter(text: &[u8], c: char) -> Option<&[u8]> {
    let escape = || match text.first()? {
        b'\\' => backslashed(text, c),
        b'%' | b'+' => percent(text, c),
        b'&' => entity(text, c),
        _ => None,
    };
    literal(text, c).or_else(escape)
}

fn literal(text: &[u8], c: char) -> Option<&[u8]> {
    text.strip_prefix(c.encode_utf8(&mut [0; 4]).as_bytes())
}

/// Without the backslashes it begins with.
fn bare(text: &[u8]) -> &[u8] {
    let run = text.iter().take_while(|byte| **byte == b'\\').count();
    text.get(run..).unwrap_or_default()
}

/// `\"`, `\/`, `\u00e4`: behind one backslash, or more where the text is in another one.
fn backslashed(text: &[u8], c: char) -> Option<&[u8]> {
    let mut coded = Some(text);
    for unit in c.encode_utf16(&mut [0; 2]) {
        coded = coded.and_then(|text| {
            let (digits, rest) = bare(text).strip_prefix(b"u")?.split_at_checked(4)?;
            (text.starts_with(b"\\") && number(digits, 16)? == u32::from(*unit)).then_some(rest)
        });
    }
    coded.or_else(|| if c.is_ascii_alphanumeric() { None } else { literal(bare(text), c) })
}

/// `%C3%a4`; a space is also `+`.
fn percent(text: &[u8], c: char) -> Option<&[u8]> {
    if c == ' ' && text.starts_with(b"+") {
        return text.get(1..);
    }
    c.encode_utf8(&mut [0; 4]).bytes().try_fold(text, |text, byte| {
        let (digits, rest) = text.strip_prefix(b"%")?.split_at_checked(2)?;
        (number(digits, 16)? == u32::from(byte)).then_some(rest)
    })
}

/// `&amp;`, `&#39;`, `&#x27;`.
fn entity(text: &[u8], c: char) -> Option<&[u8]> {
    let text = text.strip_prefix(b"&")?;
    let end = text.iter().take(ENTITY).position(|byte| *byte == b';')?;
    let (name, rest) = (text.get(..end)?, text.get(end + 1..)?);
    let meant = match name {
        b"amp" => u32::from('&'),
        b"lt" => u32::from('<'),
        b"gt" => u32::from('>'),
        b"quot" => u32::from('"'),
        b"apos" => u32::from('\''),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    };
    (meant == u32::from(c)).then_some(rest)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.chars().all(|c| c.is_digit(radix)))?;
    u32::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::{Value, json};

    use super::*;

    fn masked(text: &str, secret: &str) -> String {
        mask_text(text.to_owned(), std::iter::once(&Secret::new(secret)))
    }

    #[test]
    fn an_echo_is_masked_plain_and_as_json() {
        let body = r#"{"a":"pass\"word1","b":"x"} pass"word1 pass"word1 password1"#;
        assert_eq!(masked(body, "pass\"word1"), r#"{"a":"********","b":"x"} ******** ******** password1"#);
        assert_eq!(masked("short", "short"), "short");
    }

    #[test]
    fn an_echo_is_masked_whatever_its_writer_escapes() {
        for text in [
            r#"p\u00e4\"ss/w<rd+"#,
            r#"p\u00E4\"ss/w\u003Crd+"#,
            r#"pä\"ss\/w<rd+"#,
            // PHP; .NET; a form; a URL; HTML, XML.
            r#"p\u00e4\"ss\/w<rd+"#,
            r"p\u00E4\u0022ss/w\u003Crd\u002B",
            "p%C3%A4%22ss%2Fw%3Crd%2B",
            "p%c3%a4%22ss/w%3crd+",
            "p&#228;&quot;ss/w&lt;rd+",
            "p&#xe4;&#034;ss/w&#60;rd&#43;",
        ] {
            for body in [text.to_owned(), Value::String(text.to_owned()).to_string(), format!("<{text}>")] {
                let masked = masked(&body, "pä\"ss/w<rd+");
                assert!(masked.contains("********") && !masked.contains("ss"), "{body}: {masked}");
            }
        }
        assert_eq!(masked("q=a+b%20c%2bd", "a b c+d"), "q=********");
        assert_eq!(masked(r"\ud83d\ude00secret", "😀secret"), "********");
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for other in [r"hunter2\u0033", "hunter2%33", "hunter2&#51;", "hunter2&", "hunter2%", r"hunter2\", "hunter2"] {
            assert_eq!(masked(other, "hunter22"), other);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_masked_text_holds_the_secret(before in ".{0,20}", after in ".{0,20}", secret in "[a-z]{6,12}") {
            let text = format!("{before}{secret}{secret}{after}");
            // The mask could only give birth to the secret again if the secret held the mask.
            proptest::prop_assert!(!masked(&text, &secret).contains(&secret));
        }

        #[test]
        fn json_stays_json_and_no_value_holds_the_secret(secret in r#"[a-z][a-z\\"/'&%+ äß]{5,11}"#) {
            let body = json!({ "A": secret, "B": json!({ "C": secret }).to_string() }).to_string();
            let outer: Value = serde_json::from_str(&masked(&body, &secret)).unwrap();
            let inner: Value = serde_json::from_str(outer["B"].as_str().unwrap()).unwrap();
            proptest::prop_assert_eq!(&outer["A"], "********", "{}", body);
            proptest::prop_assert_eq!(&inner["C"], "********", "{}", body);
        }
    }
}
