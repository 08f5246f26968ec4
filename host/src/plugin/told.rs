//! Who is told of calls: a hook, so that calls are counted without this module knowing by whom.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::error::CallError;

/// Told of each typed call when it ends.
pub trait Calls: Send + Sync {
    /// `function` is as in `telemetry.read-sensors`; `outcome` is `ok` or the error's code.
    fn called(&self, plugin: &str, function: &'static str, outcome: &'static str, took: Duration);
}

/// Where it is kept.
pub type Told = OnceLock<Arc<dyn Calls>>;

/// Run a call to its end, and tell.
pub async fn tell<T>(
    told: &Told,
    plugin: &str,
    function: &'static str,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let begin = Instant::now();
    let result = call.await;
    if let Some(calls) = told.get() {
        calls.called(plugin, function, result.as_ref().map_or_else(CallError::code, |_| "ok"), begin.elapsed());
    }
    result
}
