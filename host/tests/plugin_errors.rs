//! `docs/reference/errors.md` says what the code does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier::egress::Denied;
use farrier::fault::Retry;
use farrier::plugin::CallError;
use farrier::plugin::wit::types::{Busy, Error, OtherError, RemoteError};
use farrier_lifecycle::Action;

fn row(error: &CallError) -> (String, String, String) {
    let fault = error.fault();
    let retry = match fault.retry {
        Retry::Never => "never".to_owned(),
        Retry::Backoff => "backoff".to_owned(),
        Retry::After(30_000) => "after `retry-after`, else 30 s".to_owned(),
        other => panic!("{other:?}"),
    };
    (format!("`{}`", fault.code), retry, fault.blame.as_str().to_owned())
}

fn documented() -> Vec<Vec<String>> {
    let text = include_str!("../../docs/reference/errors.md");
    let rows = text.lines().filter(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn check(name: &str, error: &CallError) {
    let rows = documented();
    let found = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no row `{name}`"));
    assert_eq!((found[1].clone(), found[2].clone(), found[3].clone()), row(error), "{name}");
}

#[test]
fn the_table_of_the_contracts_errors_is_right() {
    let text = || "x".to_owned();
    let remote = RemoteError { status: None, code: None, message: text(), resolution: None };
    for (name, error) in [
        ("`unsupported`", Error::Unsupported(text())),
        ("`invalid-input`", Error::InvalidInput(text())),
        ("`unauthenticated`", Error::Unauthenticated),
        ("`forbidden`", Error::Forbidden(text())),
        ("`unreachable`", Error::Unreachable(text())),
        ("`timed-out`", Error::TimedOut),
        ("`busy`", Error::Busy(Busy { retry_after: None, reason: text() })),
        ("`not-found`", Error::NotFound(text())),
        ("`conflict`", Error::Conflict(text())),
        ("`rejected`", Error::Rejected(remote)),
        ("`malformed`", Error::Malformed(text())),
        ("`denied`", Error::Denied(text())),
        ("`internal`", Error::Internal(text())),
    ] {
        check(name, &CallError::Plugin(error));
    }
    let other = |retryable| CallError::Plugin(Error::Other(OtherError { code: text(), message: text(), retryable }));
    assert_eq!((other(true).retry(), other(false).retry()), (Retry::Backoff, Retry::Never));
    let busy = CallError::Plugin(Error::Busy(Busy { retry_after: Some(7), reason: text() }));
    assert_eq!(busy.retry(), Retry::After(7_000));
    let for_ever = CallError::Plugin(Error::Busy(Busy { retry_after: Some(u32::MAX), reason: text() }));
    assert_eq!(for_ever.retry(), Retry::After(3_600_000));
}

#[test]
fn the_table_of_the_guard_is_right() {
    let text = || "x".to_owned();
    for (name, denied) in [
        (
            "the server is active and nobody approved this action",
            Denied::NeedsApproval { server: text(), action: Action::Power },
        ),
        ("`serve --observe`", Denied::Observing { action: Action::Power }),
        ("a function that only looks asked to change something", Denied::LookOnly),
        (
            "the worker's lease on the server is not confirmed, or its attempt is not wanted any more",
            Denied::LeaseUnconfirmed { server: text() },
        ),
        ("where the server stands could not be read", Denied::Unknown { server: text(), cause: text() }),
        ("a granted firmware image is not there, or not the one its digest names", Denied::Image { problem: text() }),
    ] {
        check(name, &CallError::Refused(denied));
    }
}

#[test]
fn the_table_of_what_the_host_finds_is_right() {
    let text = String::new;
    let trap = CallError::Trap { message: text(), backtrace: text(), stderr: text() };
    check("the plugin broke: a panic, a wrong access, a stack too deep, a copy of more than 16 MiB, sleeping", &trap);
    check("it computed for longer than `plugins.cpu_ms`", &CallError::CpuBudget { millis: 1, stderr: text() });
    let memory = CallError::OutOfMemory { limit: text(), stderr: text() };
    check("it wanted more than `plugins.memory_mib` in all its memories together", &memory);
    check("the call's time (`plugins.call_timeout_ms`) was over while it waited", &CallError::Deadline { millis: 1 });
    check("it exports no such interface", &CallError::Missing { function: "x.y" });
}
