//! What types cannot say of `[monitor]`.

use super::Monitor;

/// Every problem with it.
pub fn problems(monitor: &Monitor, say: &mut impl FnMut(&str, String, &str)) {
    if monitor.interval_ms < 1_000 {
        let hint = "a minute is 60000; controllers are slow, and serve their own work too";
        say("monitor.interval_ms", "a controller is looked at once a second at most".to_owned(), hint);
    }
    if monitor.slowest_ms < monitor.interval_ms {
        say("monitor.slowest_ms", "it is shorter than `interval_ms`".to_owned(), "slowest_ms >= interval_ms");
    }
    if monitor.inventory_every == 0 || monitor.concurrency == 0 {
        let hint = "to look at nothing, `enabled = false`";
        say("monitor", "`inventory_every` and `concurrency` must not be 0".to_owned(), hint);
    }
    if monitor.timeout_ms < 1_000 {
        say("monitor.timeout_ms", "no controller answers so fast".to_owned(), "at least 1000");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_each_mistake_is_named() {
        let found = |monitor: &Monitor| {
            let mut paths = Vec::new();
            problems(monitor, &mut |path, _, _| paths.push(path.to_owned()));
            paths
        };
        assert_eq!(found(&Monitor::default()), Vec::<String>::new());
        let wrong = Monitor { interval_ms: 10, slowest_ms: 5, inventory_every: 0, timeout_ms: 0, ..Monitor::default() };
        assert_eq!(found(&wrong), ["monitor.interval_ms", "monitor.slowest_ms", "monitor", "monitor.timeout_ms"]);
    }
}
