//! One line a check: what it runs, how long it took, whether it is green.
//!
//! Promises that a check that fails does not stop the ones after it: a person mends everything at once.

use std::time::{Duration, Instant};

/// How a check ended.
pub struct Check {
    /// As the summary names it.
    pub name: &'static str,
    /// What went wrong, if something did.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// All checks of one run, in order.
#[derive(Default)]
pub struct Checks(Vec<Check>);

impl Checks {
    /// Run one, and say so.
    pub fn run(&mut self, name: &'static str, work: impl FnOnce() -> anyhow::Result<()>) {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let error = work().err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            eprintln!("== {name} FAILED: {error}");
        }
        self.0.push(Check { name, error, took: started.elapsed() });
    }

    /// How many are green.
    pub fn passed(&self) -> usize {
        self.0.iter().filter(|check| check.error.is_none()).count()
    }

    /// Whether the check of that name is green; one that never ran is not.
    pub fn is_green(&self, name: &str) -> bool {
        self.0.iter().any(|check| check.name == name && check.error.is_none())
    }

    /// How many are not, that of this name aside.
    pub fn failed_but(&self, name: &str) -> usize {
        self.0.iter().filter(|check| check.name != name && check.error.is_some()).count()
    }

    /// The table at the end.
    pub fn print(&self) {
        for check in &self.0 {
            let end = if check.error.is_none() { "ok" } else { "FAILED" };
            println!("{:>7.1} s  {end:<6}  {}", check.took.as_secs_f32(), check.name);
        }
        for check in &self.0 {
            if let Some(error) = &check.error {
                println!("FAILED: {}: {error}", check.name);
            }
        }
    }
}
