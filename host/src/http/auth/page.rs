//! A problem for who came by a link and has no page of ours open: plain HTML where a browser asks for it.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use super::super::problem::{Problem, Refused};

/// The problem, in the form the client reads.
pub fn of(headers: &HeaderMap, problem: Problem) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/html") {
        return problem.into_response();
    }
    let (detail, hint, code) = (escape(&problem.detail), escape(&problem.hint), escape(&problem.code));
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Not signed in</title></head>\n<body><main>\n<h1>Not signed in</h1>\n\
         <p>{detail}.</p>\n<p>{hint}</p>\n<p>Code: {code}</p>\n<p><a href=\"/sign-in\">Sign in</a></p>\n</main></body>\n</html>\n"
    );
    let mut response = (problem.status, Html(text)).into_response();
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.extensions_mut().insert(Refused(problem.code));
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
