//! Does a request come from a page of ours?
//!
//! Promises that a browser on another site's page changes nothing here, whatever it sends along by itself: cookies, client certificates. What is
//! no browser says neither `Origin` nor `Sec-Fetch-Site`.

use axum::http::{HeaderMap, header};

/// What the headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// A page of this origin.
    Ours,
    /// Another page.
    Elsewhere,
    /// Nothing was said.
    Unsaid,
}

/// Read it. `base`: where browsers find us; the `Host` they asked for serves as well, under the scheme they see.
pub fn origin(headers: &HeaderMap, base: &str, secure: bool) -> From {
    let mut said = From::Unsaid;
    if let Some(site) = headers.get("sec-fetch-site") {
        if site.as_bytes() != b"same-origin".as_slice() {
            return From::Elsewhere;
        }
        said = From::Ours;
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let Ok(origin) = origin.to_str() else { return From::Elsewhere };
        let scheme = if secure { "https" } else { "http" };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let asked = host.is_some_and(|host| origin.eq_ignore_ascii_case(&format!("{scheme}://{host}")));
        if !asked && !origin.eq_ignore_ascii_case(base) {
            return From::Elsewhere;
        }
        said = From::Ours;
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> From {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        origin(&headers.collect::<HeaderMap>(), "https://farrier.example.org", true)
    }

    #[test]
    fn a_page_of_ours_is_told_from_others() {
        let host = ("host", "10.0.0.5:8640");
        assert_eq!(of(&[host]), From::Unsaid);
        assert_eq!(of(&[host, ("sec-fetch-site", "same-origin")]), From::Ours);
        assert_eq!(of(&[host, ("origin", "https://10.0.0.5:8640")]), From::Ours);
        assert_eq!(of(&[host, ("origin", "https://farrier.example.org")]), From::Ours);
        for elsewhere in ["http://10.0.0.5:8640", "https://10.0.0.5", "null", "https://farrier.example.org.evil.org"] {
            assert_eq!(of(&[host, ("origin", elsewhere)]), From::Elsewhere, "{elsewhere}");
        }
        for elsewhere in ["cross-site", "same-site", "none", ""] {
            assert_eq!(of(&[host, ("sec-fetch-site", elsewhere)]), From::Elsewhere, "{elsewhere}");
        }
        let both = [host, ("origin", "https://10.0.0.5:8640"), ("sec-fetch-site", "cross-site")];
        assert_eq!(of(&both), From::Elsewhere);
    }
}
