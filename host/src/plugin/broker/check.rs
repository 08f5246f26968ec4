//! What a plugin may write in a request: paths and header names. And what an answer may not be: coded.
//!
//! Promises that what passes here can only reach the endpoint's own origin. Refuses rather than repairs: a plugin that sends
//! something odd should learn of it.

use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use url::Url;

/// Names the host owns. Hop-by-hop names are here because they would let a guest talk about the connection; codings, charsets and ranges
/// because a secret is masked as it is written, and in a compressed, transcoded or cut echo it would not be found.
const REFUSED: [&str; 18] = [
    "accept-charset",
    "accept-encoding",
    "range",
    "if-range",
    "host",
    "authorization",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-connection",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "x-auth-token",
    "expect",
];

/// The path on this origin, or the reason for `denied`.
pub fn path(origin: &Url, path: &str) -> Result<Url, String> {
    let shown: String = path.chars().take(120).collect();
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(format!("`{shown}` is not an absolute path on this endpoint"));
    }
    if path.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\' || c == '#') {
        return Err(format!("`{shown}` holds a character no path has"));
    }
    let before_query = path.split('?').next().unwrap_or_default();
    if before_query.split('/').any(is_dots) {
        return Err(format!("`{shown}` has a `..` segment"));
    }
    let url = origin.join(path).map_err(|error| format!("`{shown}` is no path: {error}"))?;
    if url.origin() != origin.origin() || !url.username().is_empty() || url.password().is_some() {
        return Err(format!("`{shown}` leads to another origin"));
    }
    Ok(url)
}

fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// May a plugin set this header? `secret`: its value is a secret it does not see.
pub fn header(name: &str, secret: bool) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    if REFUSED.contains(&lower.as_str()) {
        return Err(format!("the header `{lower}` is the host's"));
    }
    if lower == "cookie" && !secret {
        return Err("the header `cookie` is sent only as a secret".to_owned());
    }
    Ok(())
}

/// How an answer is coded, if it is: the host asks for none, and could not mask what it cannot read.
pub fn coding(headers: &HeaderMap) -> Option<String> {
    let plain = |coding: &str| coding.is_empty() || coding.eq_ignore_ascii_case("identity");
    let chunked = |coding: &str| plain(coding) || coding.eq_ignore_ascii_case("chunked");
    let content = headers.get_all(CONTENT_ENCODING).iter().flat_map(codings).find(|coding| !plain(coding));
    content.or_else(|| headers.get_all(TRANSFER_ENCODING).iter().flat_map(codings).find(|coding| !chunked(coding)))
}

fn codings(value: &HeaderValue) -> Vec<String> {
    String::from_utf8_lossy(value.as_bytes()).split(',').map(|coding| coding.trim().to_owned()).collect()
}

/// Where a redirect or `Location` leads on this origin: path and query; `None` if it leads elsewhere.
pub fn same_origin(origin: &Url, from: &Url, location: &str) -> Option<String> {
    let target = from.join(location).ok()?;
    if target.origin() != origin.origin() {
        return None;
    }
    Some(target.query().map_or_else(|| target.path().to_owned(), |query| format!("{}?{query}", target.path())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn origin() -> Url {
        "https://127.0.0.1:8443".parse().unwrap()
    }

    #[test]
    fn paths_stay_on_the_origin() {
        for good in
            ["/", "/redfish/v1/systems/1/bios/", "/a/DellSlots?$skip=50", "/api/Sessions('1')", "/a?u=http://x/"]
        {
            let url = path(&origin(), good).unwrap();
            assert_eq!(url.host_str(), Some("127.0.0.1"), "{good}");
        }
        for bad in [
            "",
            "a",
            "//other/x",
            "https://other/",
            "/\\other",
            "/a/../b",
            "/a/%2E%2e/b",
            "/a/.%2e",
            "/a b",
            "/a\nb",
            "/a#b",
        ] {
            assert!(path(&origin(), bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_of_the_host_are_refused() {
        for name in ["Host", "AUTHORIZATION", "Connection", "x-auth-token", "Accept-Encoding", "Range", "TE"] {
            assert!(header(name, true).is_err(), "{name}");
        }
        assert!(header("Cookie", false).is_err());
        assert!(header("Cookie", true).is_ok() && header("If-Match", false).is_ok());
    }

    #[test]
    fn a_coded_answer_is_recognised() {
        let of = |name, value: &str| coding(&HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]));
        for plain in ["", "identity", "Identity , identity"] {
            assert_eq!(of(CONTENT_ENCODING, plain), None, "{plain}");
        }
        assert_eq!(of(CONTENT_ENCODING, "identity, GZIP").as_deref(), Some("GZIP"));
        assert_eq!(of(TRANSFER_ENCODING, "chunked"), None);
        assert_eq!(of(TRANSFER_ENCODING, "deflate, chunked").as_deref(), Some("deflate"));
        assert_eq!(coding(&HeaderMap::new()), None);
    }

    #[test]
    fn redirects_are_judged_by_where_they_lead() {
        let from: Url = "https://127.0.0.1:8443/a/b".parse().unwrap();
        let to = |location: &str| same_origin(&origin(), &from, location);
        assert_eq!(to("/c/?x=1").as_deref(), Some("/c/?x=1"));
        assert_eq!(to("c").as_deref(), Some("/a/c"));
        assert_eq!(to("https://127.0.0.1:8443/d").as_deref(), Some("/d"));
        for other in ["https://127.0.0.1/d", "http://127.0.0.1:8443/d", "//evil/d", "https://127.0.0.2:8443/d"] {
            assert_eq!(to(other), None, "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_passes_leads_to_the_endpoint(text in "\\PC{0,40}") {
            if let Ok(url) = path(&origin(), &text) {
                proptest::prop_assert_eq!(url.origin(), origin().origin());
            }
            if let Ok(url) = path(&origin(), &format!("/{text}")) {
                proptest::prop_assert_eq!(url.origin(), origin().origin());
                proptest::prop_assert!(url.path().split('/').all(|segment| segment != ".."));
            }
        }
    }
}
