//! The playbook's own account of itself: one JSON object a line, read while it runs.
//!
//! A run without its last line, the statistics, never ran to its end, whatever its exit code says: exit code 2 is a failed task and a
//! wrong option alike.

use serde_json::Value;

use super::Ran;
use crate::fault::{Blame, Fault, Retry};
use crate::plugin::wit::types::ResetKind;

/// What a run said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tasks that ended, those aside that only name other tasks.
    pub tasks: u32,
    /// Names of tasks that changed something.
    pub changed: Vec<String>,
    /// Name and message of each failed task.
    pub failed: Vec<(String, String)>,
    /// What must restart, by the fact `farrier_pending_reset`.
    pub pending_reset: Option<ResetKind>,
    /// The statistics, if they came: the run reached its end.
    pub ended: Option<Ended>,
    /// The last lines that were not JSON: warnings, option errors.
    pub noise: Vec<String>,
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
}

/// The statistics of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Hosts that did anything.
    pub hosts: usize,
    /// Tasks that failed or did not reach their host, and were not rescued.
    pub failures: u64,
}

/// How many lines of noise are kept.
const NOISE: usize = 8;
/// How many characters of a message are kept.
const MESSAGE: usize = 500;

impl Report {
    /// Take one line of standard output in; a line for people if it is worth one.
    pub fn line(&mut self, line: &str) -> Option<String> {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            self.noise(line);
            return None;
        };
        let name = event.pointer("/task/name").and_then(Value::as_str).unwrap_or_default();
        // `role : task`: the role says nothing to people.
        let task = name.split_once(" : ").map_or(name, |(_, task)| task);
        let result = event.get("hosts").and_then(Value::as_object).and_then(|hosts| hosts.values().next());
        match event.get("_event").and_then(Value::as_str)? {
            "v2_playbook_on_task_start" => return Some(format!("ansible: {task}")),
            "v2_runner_on_ok" => self.ok(task, result),
            "v2_runner_on_failed" | "v2_runner_on_unreachable" => {
                self.tasks += 1;
                self.failed.push((task.to_owned(), message(result)));
            }
            "v2_playbook_on_stats" => self.ended = event.get("stats").and_then(Value::as_object).map(ended),
            _ => {}
        }
        None
    }

    fn ok(&mut self, task: &str, result: Option<&Value>) {
        let Some(result) = result else { return };
        let action = result.get("action").and_then(Value::as_str).unwrap_or_default();
        if action.contains("include_") || action.contains("import_") {
            return;
        }
        self.tasks += 1;
        if result.get("changed").and_then(Value::as_bool) == Some(true) {
            self.changed.push(task.to_owned());
        }
        let reset = result.pointer("/ansible_facts/farrier_pending_reset").and_then(Value::as_str);
        self.pending_reset = match (reset, self.pending_reset) {
            (Some("host"), _) | (_, Some(ResetKind::Host)) => Some(ResetKind::Host),
            (Some("bmc"), _) => Some(ResetKind::Bmc),
            (_, before) => before,
        };
    }

    /// Keep one line that is not an event.
    pub fn noise(&mut self, line: &str) {
        if !line.trim().is_empty() {
            self.noise.push(line.chars().take(MESSAGE).collect());
            let extra = self.noise.len().saturating_sub(NOISE);
            self.noise.drain(..extra);
        }
    }

    /// Did it do its work?
    pub fn judge(self) -> Result<Ran, Fault> {
        let done = self.code == Some(0) && self.ended.is_some_and(|ended| ended.failures == 0 && ended.hosts > 0);
        // A failed task that was rescued is no failure of the run.
        if let (false, Some((task, message))) = (done, self.failed.last()) {
            let text = format!("task `{task}`: {message}");
            return Err(Fault::new("playbook-failed", Retry::Backoff, Blame::Controller, text)
                .hint("the task's own message says what the controller refused"));
        }
        if !done {
            let code = self.code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            let text = format!("the playbook ended before its end ({code}): {}", self.noise.join(" / "));
            return Err(Fault::new("playbook-broken", Retry::Backoff, Blame::Operator, text).hint(
                "run `ansible-playbook --syntax-check` on it, and see that the collection ansible.posix is installed",
            ));
        }
        let mut told = if self.changed.is_empty() {
            "nothing to change".to_owned()
        } else {
            format!("changed: {}", self.changed.join("; "))
        };
        if self.pending_reset.is_some() {
            told.push_str("; a restart is needed for it");
        }
        let summary = format!("ansible ran {} tasks, {told}", self.tasks);
        Ok(Ran { summary, changed: self.changed, pending_reset: self.pending_reset })
    }
}

fn message(result: Option<&Value>) -> String {
    let said = result.and_then(|result| result.get("msg").or_else(|| result.get("censored")));
    let text = match said {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "it gave no message".to_owned(),
    };
    text.chars().take(MESSAGE).collect()
}

fn ended(stats: &serde_json::Map<String, Value>) -> Ended {
    let count = |name: &str| stats.values().filter_map(|host| host.get(name)?.as_u64()).sum::<u64>();
    Ended { hosts: stats.len(), failures: count("failures") + count("unreachable") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const START: &str =
        r#"{"_event":"v2_playbook_on_task_start","task":{"name":"bmc : IPMI over LAN","id":"1"},"hosts":{}}"#;
    const OK: &str = r#"{"_event":"v2_runner_on_ok","task":{"name":"bmc : IPMI over LAN"},"hosts":{"ams-1":{"changed":true,"action":"uri"}}}"#;
    const INCLUDE: &str = r#"{"_event":"v2_runner_on_ok","task":{"name":"x"},"hosts":{"ams-1":{"changed":false,"action":"ansible.builtin.include_tasks"}}}"#;
    const RESET: &str = r#"{"_event":"v2_runner_on_ok","task":{"name":"x"},"hosts":{"ams-1":{"changed":false,"ansible_facts":{"farrier_pending_reset":"bmc"}}}}"#;
    const FAILED: &str = r#"{"_event":"v2_runner_on_failed","task":{"name":"NTP"},"hosts":{"ams-1":{"changed":false,"msg":"HTTP Error 400"}}}"#;
    const STATS: &str =
        r#"{"_event":"v2_playbook_on_stats","stats":{"ams-1":{"ok":1,"changed":1,"failures":0,"unreachable":0}}}"#;
    const BAD: &str =
        r#"{"_event":"v2_playbook_on_stats","stats":{"ams-1":{"ok":1,"changed":1,"failures":1,"unreachable":0}}}"#;
    const NOBODY: &str = r#"{"_event":"v2_playbook_on_stats","stats":{}}"#;

    fn report(lines: &[&str], code: i32) -> Report {
        let mut report = Report { code: Some(code), ..Report::default() };
        for line in lines {
            report.line(line);
        }
        report
    }

    fn code(lines: &[&str], code: i32) -> String {
        report(lines, code).judge().unwrap_err().code
    }

    #[test]
    fn a_complete_run_says_what_it_changed() {
        let ran = report(&[START, INCLUDE, OK, STATS], 0).judge().unwrap();
        assert_eq!(ran.summary, "ansible ran 1 tasks, changed: IPMI over LAN");
        assert_eq!((ran.changed, ran.pending_reset), (vec!["IPMI over LAN".to_owned()], None));
    }

    #[test]
    fn a_failed_task_a_missing_end_and_a_bad_exit_are_faults() {
        let failed = report(&[OK, FAILED, BAD], 2).judge().unwrap_err();
        assert_eq!((failed.code.as_str(), failed.text.as_str()), ("playbook-failed", "task `NTP`: HTTP Error 400"));
        assert_eq!(code(&[OK], 0), "playbook-broken");
        assert_eq!(code(&["ERROR! the playbook: x.yml could not be found"], 1), "playbook-broken");
        assert_eq!(code(&[OK, STATS], 99), "playbook-broken");
        assert_eq!(code(&[NOBODY], 0), "playbook-broken");
        assert_eq!(code(&[OK, BAD], 0), "playbook-broken");
    }

    #[test]
    fn a_rescued_task_is_no_failure_of_the_run() {
        assert!(report(&[OK, FAILED, STATS], 0).judge().is_ok());
    }

    #[test]
    fn the_playbook_says_what_must_restart() {
        let ran = report(&[RESET, OK, STATS], 0).judge().unwrap();
        assert_eq!(ran.pending_reset, Some(ResetKind::Bmc));
        assert!(ran.summary.ends_with("; a restart is needed for it"), "{}", ran.summary);
    }

    #[test]
    fn a_task_that_starts_is_told_and_noise_is_bounded() {
        let mut report = Report::default();
        assert_eq!(report.line(START).as_deref(), Some("ansible: IPMI over LAN"));
        for n in 0..100 {
            report.line(&format!("[WARNING]: {n}"));
        }
        assert_eq!(report.noise.len(), NOISE);
    }
}
