//! Paths of a Redfish service.
//!
//! Promises: what is sent is exactly what a link says, without its origin and fragment, and lies under
//! `/redfish/`; two spellings of one path are known as one. Does not: build paths.
//!
//! Not obvious: an absolute link is cut down to its path and sent to this call's endpoint, so a controller cannot
//! point a plugin, or its token, at another machine.

use crate::types::Error;

/// The path of a link: origin and fragment taken off, and checked.
pub fn path_of(link: &str) -> Result<String, Error> {
    let refuse = || Error::Malformed(format!("a link leads outside the Redfish service: `{link}`"));
    let mut path = link.trim();
    if let Some((_, rest)) = path.split_once("://") {
        path = rest.find('/').and_then(|at| rest.get(at..)).ok_or_else(refuse)?;
    }
    let path = path.split('#').next().unwrap_or_default();
    let plain = path.split('?').next().unwrap_or_default();
    let inside = plain.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("/redfish/"));
    let climbs = plain.split('/').any(|part| part == ".." || part.eq_ignore_ascii_case("%2e%2e"));
    if inside && !climbs { Ok(path.to_owned()) } else { Err(refuse()) }
}

/// The path of a link that an image is pushed to. Vendors put it outside the Redfish tree: `/cgi-bin/uploadFile`.
pub fn push_path_of(link: &str) -> Result<String, Error> {
    let refuse = || Error::Malformed(format!("an image cannot be pushed to `{link}`"));
    let mut path = link.trim();
    if let Some((_, rest)) = path.split_once("://") {
        path = rest.find('/').and_then(|at| rest.get(at..)).ok_or_else(refuse)?;
    }
    let climbs = path.split(['/', '?']).any(|part| part == ".." || part.eq_ignore_ascii_case("%2e%2e"));
    if path.starts_with('/') && !path.starts_with("//") && !climbs { Ok(path.to_owned()) } else { Err(refuse()) }
}

/// The same for every spelling of a path: without case and trailing slash.
pub(super) fn key(path: &str) -> String {
    let (plain, query) = path.split_once('?').unwrap_or((path, ""));
    let plain = plain.trim_end_matches('/').to_ascii_lowercase();
    if query.is_empty() { plain } else { format!("{plain}?{query}") }
}

/// Whether two links name one resource.
pub fn same(a: &str, b: &str) -> bool {
    matches!((path_of(a), path_of(b)), (Ok(a), Ok(b)) if key(&a) == key(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_cut_to_paths_and_stay_inside() {
        assert_eq!(path_of("https://10.0.0.5/redfish/v1/x/").as_deref(), Ok("/redfish/v1/x/"));
        assert_eq!(path_of("/redfish/v1/c?$skip=50#a").as_deref(), Ok("/redfish/v1/c?$skip=50"));
        for bad in ["/cgi-bin/x", "https://evil", "/redfish/v1/../../etc", "", "redfish/v1", "/redfish/v1/%2E%2e/x"] {
            assert!(path_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_image_may_be_pushed_outside_the_tree_and_nowhere_else() {
        assert_eq!(push_path_of("/cgi-bin/uploadFile").as_deref(), Ok("/cgi-bin/uploadFile"));
        assert_eq!(push_path_of("https://10.0.0.5/mfwupdate").as_deref(), Ok("/mfwupdate"));
        for bad in ["", "upload", "//evil/x", "https://evil", "/a/../b", "/a/%2E%2E/b"] {
            assert!(push_path_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spellings_of_one_path_are_one() {
        assert!(same("/redfish/v1/Systems/1", "/redfish/v1/systems/1/"));
        assert!(!same("/redfish/v1/c?$skip=50", "/redfish/v1/c?$skip=100"));
    }
}
