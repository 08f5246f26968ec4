//! `multipart/form-data`, read strictly.
//!
//! Promises the parts in the order they came, and an error that says what is not as it should be. It is no general reader: what
//! browsers may send and no correct client of a controller does is refused.

/// One part.
#[derive(Debug, PartialEq)]
pub(super) struct Part<'a> {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: &'a [u8],
}

/// The parts of a body of this content type.
pub(super) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, String> {
    let boundary = content_type
        .strip_prefix("multipart/form-data")
        .and_then(|rest| rest.split_once("boundary="))
        .map(|(_, boundary)| boundary.trim().trim_matches('"'))
        .filter(|boundary| !boundary.is_empty())
        .ok_or_else(|| format!("`{content_type}` is no form"))?;
    let first = format!("--{boundary}");
    let next = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(first.as_bytes()).ok_or("the body does not begin with the boundary")?;
    let mut parts = Vec::new();
    loop {
        if rest.strip_prefix(b"--").is_some() {
            return Ok(parts);
        }
        rest = rest.strip_prefix(b"\r\n").ok_or("a boundary does not end its line")?;
        let head_end = find(rest, b"\r\n\r\n").ok_or("a part has no end of its headers")?;
        let (head, after) = rest.split_at(head_end);
        let after = after.get(4..).unwrap_or_default();
        let end = find(after, next.as_bytes()).ok_or("the last part does not end")?;
        let (content, tail) = after.split_at(end);
        parts.push(part(std::str::from_utf8(head).map_err(|_| "headers of a part are not text")?, content)?);
        rest = tail.get(next.len()..).unwrap_or_default();
    }
}

fn part<'a>(head: &str, body: &'a [u8]) -> Result<Part<'a>, String> {
    let mut part = Part { name: String::new(), filename: None, content_type: None, body };
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("`{line}` is no header"))?;
        match name.to_ascii_lowercase().as_str() {
            "content-disposition" => {
                let field = |wanted: &str| {
                    let mut fields = value.split(';').map(str::trim).filter_map(|field| field.split_once('='));
                    fields.find(|(name, _)| *name == wanted).map(|(_, value)| value.trim_matches('"').to_owned())
                };
                part.name = field("name").ok_or("a part has no name")?;
                part.filename = field("filename");
            }
            "content-type" => part.content_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Ok(part)
}

fn find(body: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + body.get(from..)?.iter().position(|byte| *byte == first)?;
        if body.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn parts_come_in_order_and_whole() {
        let body =
            b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; \
            name=\"f\"; filename=\"x.exe\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n-\0\r\n--b--\r\n";
        let parts = parts("multipart/form-data; boundary=b", body).unwrap();
        assert_eq!((parts[0].name.as_str(), parts[0].body), ("a", b"1".as_slice()));
        assert_eq!((parts[1].filename.as_deref(), parts[1].body), (Some("x.exe"), b"\r\n-\0".as_slice()));
        assert!(super::parts("multipart/form-data; boundary=b", &body[..body.len() - 7]).is_err());
        assert!(super::parts("application/json", body).is_err());
    }
}
