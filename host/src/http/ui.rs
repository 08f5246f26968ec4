//! The dashboard: the files of `ui/`, built into the program and served as they are.
//!
//! Promises that a page and its modules are always of one build: their address holds a digest of all files, so browsers may keep them
//! for ever. Not obvious: pages are open to everyone, since they hold no data; the API they ask is not.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use crate::access::hex;

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!("ui/", $name)))),*]
    };
}

/// All of them, by name.
const FILES: &[(&str, &[u8])] = files![
    "actions.js" "api.js" "app.js" "board.js" "dom.js" "evidence.js" "farrier.css" "feed.js" "format.js" "icon.svg" "icons.js" "journal.js"
    "label.js" "live.js" "lost.js" "orders.js" "page.html" "racks.js" "reference.js" "server.js" "servers.js" "shell.js" "sign-in.html"
    "signin.js" "theme.js" "timeline.js" "widgets.js" "words.js" "work.js"
];

/// Pages of one shell; what is shown is decided by the script.
const PAGES: [&str; 9] =
    ["/", "/servers", "/servers/{name}", "/racks", "/work", "/orders", "/journal", "/api", "/label/{name}"];

struct Site {
    version: String,
    page: String,
    sign_in: String,
}

fn file(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let digest = FILES.iter().fold(Sha256::new(), |digest, (name, bytes)| {
        digest.chain_update(name).chain_update([0]).chain_update(bytes.len().to_be_bytes()).chain_update(bytes)
    });
    let version: String = hex(&digest.finalize()).chars().take(16).collect();
    let page = |name| {
        let text = String::from_utf8_lossy(file(name).unwrap_or_default()).into_owned();
        text.replace("=\"/ui/", &format!("=\"/ui/{version}/"))
    };
    let (page, sign_in) = (page("page.html"), page("sign-in.html"));
    Site { version, page, sign_in }
});

/// Type of a page.
const PAGE: &str = "text/html; charset=utf-8";

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => PAGE,
    }
}

fn answer(headers: &HeaderMap, text: &'static str) -> Response {
    let tag = format!("\"{}\"", SITE.version);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == tag.as_bytes());
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { text.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PAGE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = tag.parse() {
        headers.insert(header::ETAG, tag);
    }
    response
}

async fn page(headers: HeaderMap) -> Response {
    answer(&headers, &SITE.page)
}

async fn sign_in(headers: HeaderMap) -> Response {
    answer(&headers, &SITE.sign_in)
}

/// A file of this build; one of another build is gone, and the script that asked for it loads its page anew.
async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let found = file(&name).filter(|_| version == SITE.version && kind(&name) != PAGE);
    let Some(bytes) = found else {
        return Problem::new(StatusCode::NOT_FOUND, "no-file", "the dashboard of this build has no such file")
            .into_response();
    };
    let year = HeaderValue::from_static("public, max-age=31536000, immutable");
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind(&name))), (header::CACHE_CONTROL, year)], bytes)
        .into_response()
}

/// The pages and their files.
pub fn routes() -> Router {
    let router = PAGES.into_iter().fold(Router::new(), |router, path| router.route(path, get(page)));
    router.route("/sign-in", get(sign_in)).route("/ui/{version}/{file}", get(asset))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::collections::BTreeSet;

    use super::*;
    use crate::access::Permission;
    use crate::http::api::routes::ROUTES;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/ui");
        let there: BTreeSet<String> =
            folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let served: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(there, served);
    }

    #[test]
    fn pages_are_in_the_table_of_routes_and_open() {
        for path in PAGES.into_iter().chain(["/sign-in", "/ui/{version}/{file}"]) {
            assert!(ROUTES.contains(&("GET", path, Permission::Public)), "{path}");
        }
    }

    #[test]
    fn what_pages_name_is_there_and_of_this_build() {
        let prefix = format!("\"/ui/{}/", SITE.version);
        for page in [&SITE.page, &SITE.sign_in] {
            let named: Vec<&str> = page.split(&prefix).skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            assert!(named.len() >= 4 && named.iter().all(|name| file(name).is_some()), "{named:?}");
            assert_eq!(page.matches("/ui/").count(), named.len());
        }
    }

    #[test]
    fn modules_import_only_modules_that_are_there() {
        for (name, bytes) in FILES.iter().filter(|(name, _)| kind(name).starts_with("text/javascript")) {
            let text = std::str::from_utf8(bytes).unwrap();
            for rest in text.split("from './").skip(1).chain(text.split("import('./").skip(1)) {
                let wanted = rest.split('\'').next().unwrap();
                assert!(file(wanted).is_some(), "{name} imports {wanted}");
            }
        }
    }

    /// The policy of `auth::headers` refuses them in a browser; here the build does.
    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        for (name, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            let own = text.replace("http://www.w3.org/", "");
            assert!(!own.contains("http://") && !own.contains("https://"), "{name} names another origin");
            if kind(name) == PAGE {
                for inline in [" style=", " onclick=", "<style", "<script>"] {
                    assert!(!text.contains(inline), "{name}: {inline}");
                }
            } else {
                for risk in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
                {
                    assert!(!text.contains(risk), "{name}: {risk}");
                }
            }
        }
    }
}
