//! What the test runner and the tests wrote down: passed, failed, skipped and why.
//!
//! Promises that a skipped test is never counted as passed: a test that cannot run appends `name<TAB>reason`
//! to the file named by `FARRIER_SKIP_LOG`, and is taken out of the runner's passes. It reads the three
//! attributes it needs from nextest's `JUnit` file and is no XML reader.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The end of a test run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Names of tests that ran and passed, the skipped ones among them.
    pub passed: BTreeSet<String>,
    /// Names of tests that failed.
    pub failed: BTreeSet<String>,
    /// Reason by name.
    pub skipped: BTreeMap<String, String>,
}

/// One line of `tests/required.txt`.
#[derive(Debug, PartialEq, Eq)]
pub struct Required {
    /// The test's path in its binary: `kills::fifty`.
    pub test: String,
    /// What a machine must have to run it.
    pub needs: Vec<String>,
}

/// The lines of `tests/required.txt`: `test: need need`, `#` begins a comment.
pub fn required(text: &str) -> Vec<Required> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            // The last colon with a blank after it, since a test's path has `::`.
            let (name, needs) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
            Required { test: name.trim().to_owned(), needs: needs.split_whitespace().map(str::to_owned).collect() }
        })
        .collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}

impl Results {
    /// From the runner's `JUnit` text and the skip log's text.
    pub fn read(junit: &str, skips: &str) -> Self {
        let mut results = Self::default();
        for case in junit.split("<testcase").skip(1) {
            let (tag, rest) = case.split_once('>').unwrap_or((case, ""));
            let Some(name) = attribute(tag, "name") else { continue };
            let body = if tag.ends_with('/') { "" } else { rest.split("</testcase>").next().unwrap_or_default() };
            if body.contains("<failure") || body.contains("<error") {
                results.failed.insert(name);
            } else {
                results.passed.insert(name);
            }
        }
        for line in skips.lines() {
            let plain = line.strip_prefix("SKIPPED: ").and_then(|rest| rest.split_once(": "));
            if let Some((name, reason)) = line.split_once('\t').or(plain) {
                results.skipped.insert(name.to_owned(), reason.to_owned());
            }
        }
        // One that skipped in one retry and failed in another has failed.
        results.skipped.retain(|name, _| !results.failed.contains(name));
        results
    }

    /// As [`Results::read`], from files; a file that is not there is empty.
    pub fn load(junit: &Path, skips: &Path) -> Self {
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::read(&text(junit), &text(skips))
    }

    /// Passed without the skipped ones.
    pub fn passed(&self) -> usize {
        self.passed.iter().filter(|name| !self.skipped.contains_key(*name)).count()
    }

    /// Required tests that did not run although `missing` says that nothing they need is missing.
    pub fn unmet(&self, required: &[Required], missing: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut unmet = Vec::new();
        for one in required {
            if one.needs.iter().any(|need| missing(need).is_some()) {
                continue;
            }
            if let Some(reason) = self.skipped.get(&one.test) {
                unmet.push(format!("{} was skipped, and this machine can run it: {reason}", one.test));
            } else if !self.passed.contains(&one.test) && !self.failed.contains(&one.test) {
                unmet.push(format!("{} is required and there is no such test", one.test));
            }
        }
        unmet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUNIT: &str = r#"<?xml version="1.0"?>
<testsuites name="nextest-run" tests="3"><testsuite name="a">
  <testcase name="kills::fifty" classname="a" time="0.1">
  </testcase>
  <testcase name="is_&lt;b&gt;" classname="a" time="0.1"/>
  <testcase name="broken" classname="a"><failure type="test failure">text</failure></testcase>
</testsuite></testsuites>"#;

    #[test]
    fn a_skipped_test_has_not_passed() {
        let results = Results::read(JUNIT, "kills::fifty\tno redis\nkills::fifty\tno redis\n");
        assert_eq!(results.passed(), 1);
        assert_eq!(results.failed, BTreeSet::from(["broken".to_owned()]));
        assert_eq!(results.skipped["kills::fifty"], "no redis");
        assert!(results.passed.contains("is_<b>"));
    }

    #[test]
    fn a_required_test_may_be_skipped_only_where_it_cannot_run() {
        let required = required("# what must run\nkills::fifty: redis root\nbroken\nno::such:\n");
        assert_eq!(required[0].needs, ["redis", "root"]);
        let results = Results::read(JUNIT, "kills::fifty\tbecause\n");
        let able = results.unmet(&required, |_| None);
        assert_eq!(able.len(), 2, "{able:?}");
        assert!(able[0].starts_with("kills::fifty was skipped"));
        assert!(able[1].starts_with("no::such is required"));
        let unable = results.unmet(&required, |need| (need == "redis").then(|| "no redis".to_owned()));
        assert_eq!(unable.len(), 1);
    }
}
