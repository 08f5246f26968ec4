//! `/metrics`, for Prometheus and whatever reads its formats.
//!
//! Promises OpenMetrics 1.0 to whoever says that they take it, and Prometheus' older text to everyone else; each sees the servers they see
//! elsewhere, and the host's own numbers only with all of them. Not obvious: an answer for ten thousand servers is some forty megabytes, so few are
//! made at once, and one counts until its reader has it.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::{Api, Problem};
use crate::access::{Permission, Principal};
use crate::egress::now;
use crate::http::auth::Who;

/// Answers made or being read at once.
pub const SCRAPES: usize = 4;
/// OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Prometheus' text format.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Do they see every server? Then the host's own numbers tell them nothing of what they do not see.
fn sees_all(who: &Principal) -> bool {
    who.sites.is_none() && who.tenant.is_none() && who.may(Permission::ReadPipeline)
}

fn takes_openmetrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
        named && !parts.any(|part| ["q=0", "q=0.0"].contains(&part))
    })
}

/// Metrics, for Prometheus.
///
/// OpenMetrics where `Accept` names it, Prometheus' text format otherwise. Somebody bound to sites or to a tenant gets the series of those
/// servers. `docs/reference/metrics.md` has every name.
#[utoipa::path(get, path = "/metrics", tag = "fleet",
    responses((status = 200, description = "One series a line",
        content((String = "application/openmetrics-text"), (String = "text/plain")))))]
pub async fn metrics(State(api): State<Arc<Api>>, Who(who): Who, headers: HeaderMap) -> Result<Response, Problem> {
    let permit = api.scrapes.clone().try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-scrapes", "others are reading metrics just now")
            .hint("one Prometheus a host is enough; scrape every 30 s or so")
            .retry_after(5)
    })?;
    let view = api.metrics.view(sees_all(&who), |row| who.sees(&row.server), now());
    let openmetrics = takes_openmetrics(&headers);
    let written = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        view.write(&mut text).map(|()| if openmetrics { text } else { plain(&text) })
    });
    let text = written.await.ok().and_then(Result::ok).ok_or_else(|| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not-written", "the metrics could not be written")
            .hint("this is a bug of Farrier: please report it with the host's log")
    })?;
    let kind = if openmetrics { OPENMETRICS } else { PLAIN };
    let length = text.len();
    // The place is free when the reader has the last byte, or has gone.
    let body = stream::once(async move {
        let bytes = Bytes::from(text);
        drop(permit);
        Ok::<_, std::convert::Infallible>(bytes)
    });
    Ok(([(header::CONTENT_TYPE, kind)], [(header::CONTENT_LENGTH, length.to_string())], Body::from_stream(body))
        .into_response())
}

/// The same in Prometheus' text format 0.0.4: names of counters and infos in full, an info is a gauge, no units, no end.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            out.extend([line, "\n"]);
            continue;
        };
        if let Some(rest) = comment.strip_prefix("HELP ") {
            help = rest.split_once(' ').map(|(_, help)| help);
        } else if let Some((name, kind)) = comment.strip_prefix("TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            out.extend(["# HELP ", name, suffix, " ", help.take().unwrap_or_default(), "\n"]);
            out.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_older_format_has_full_names_and_no_end() {
        let text = "# HELP farrier_energy_joules Energy\n# TYPE farrier_energy_joules counter\n# UNIT farrier_energy_joules joules\n\
            farrier_energy_joules_total{server=\"A\"} 5.0\n# HELP farrier_server Each\n# TYPE farrier_server info\n\
            farrier_server_info{server=\"A\"} 1\n# EOF\n";
        assert_eq!(
            plain(text),
            "# HELP farrier_energy_joules_total Energy\n# TYPE farrier_energy_joules_total counter\n\
            farrier_energy_joules_total{server=\"A\"} 5.0\n# HELP farrier_server_info Each\n# TYPE farrier_server_info gauge\n\
            farrier_server_info{server=\"A\"} 1\n"
        );
    }

    #[test]
    fn openmetrics_is_for_those_who_name_it() {
        let takes =
            |accept: &str| takes_openmetrics(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]));
        assert!(takes("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1"));
        assert!(!takes("text/plain;version=0.0.4;q=1,*/*;q=0.1") && !takes("application/openmetrics-text;q=0"));
        assert!(!takes_openmetrics(&HeaderMap::new()));
    }
}
