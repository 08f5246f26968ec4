//! A page of the guides, run as its reader would run it.
//!
//! Promises that each marked block runs in its order, in the root of the repository, and that what the page shows as
//! output was in the output. The marks are in the fence's info string, which readers do not see: `sh env` (for every block
//! after it), `sh run`, `sh background until="TEXT"`, `sh retry until="TEXT"`, `toml file=PATH`, `text expect`. A block of
//! shell or a file without a mark is an error, so that no command can hide.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a block may take to say what it should.
const PATIENCE: Duration = Duration::from_mins(2);

/// One fenced block.
struct Block {
    /// First line, counted from one.
    line: usize,
    info: String,
    text: String,
}

impl Block {
    /// The value of `name=…` or `name="…"` in the info string.
    fn value(&self, name: &str) -> anyhow::Result<&str> {
        let (_, rest) = self.info.split_once(&format!("{name}=")).with_context(|| format!("no {name}= in the mark"))?;
        Ok(match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap_or_default(),
            None => rest.split(' ').next().unwrap_or_default(),
        })
    }
}

/// The fenced blocks of a page.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                open = Some(Block { line: index + 1, info: info.to_owned(), text: String::new() });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Where output is looked at without regard to columns.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A page being run; what it started in the background ends when this is dropped.
pub struct Page {
    root: PathBuf,
    target: PathBuf,
    /// Where background blocks write.
    logs: PathBuf,
    prelude: String,
    running: Vec<Child>,
}

impl Drop for Page {
    fn drop(&mut self) {
        for child in &mut self.running {
            if let Ok(id) = i32::try_from(child.id()) {
                // An error says that it has ended; each is the leader of a group of its own.
                let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
            }
            let _ = child.wait();
        }
    }
}

impl Page {
    /// Run the page of that path in the repository, with cargo's folder where it really is.
    ///
    /// # Errors
    /// Names the page, the line of the block, and what it printed.
    pub fn run(root: &Path, page: &str, target: &Path, logs: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(root.join(page)).with_context(|| format!("reading {page}"))?;
        let mut run = Self {
            root: root.to_owned(),
            target: target.to_owned(),
            logs: logs.to_owned(),
            prelude: "set -euo pipefail\n".to_owned(),
            running: Vec::new(),
        };
        let mut output = String::new();
        let mut done = 0;
        for block in blocks(&text) {
            run.block(&block, &mut output).with_context(|| format!("{page}:{}", block.line))?;
            done += usize::from(block.info.starts_with("sh "));
        }
        ensure!(done > 0, "{page} has no marked command");
        Ok(())
    }

    fn block(&mut self, block: &Block, output: &mut String) -> anyhow::Result<()> {
        // A reader's `target/` is wherever cargo was told to build.
        let text = block.text.replace("target/", &format!("{}/", self.target.display()));
        let mark: Vec<&str> = block.info.split(' ').take(2).collect();
        match mark.as_slice() {
            ["sh", "env"] => self.prelude.push_str(&text.replace("$PWD/", "")),
            ["sh", "run"] => *output = self.shell(&text)?,
            ["sh", "retry"] => *output = self.retry(&text, block.value("until")?)?,
            ["sh", "background"] => *output = self.background(&text, block.value("until")?)?,
            ["text", "expect"] => expect(&block.text, output)?,
            [_, file] if file.starts_with("file=") => {
                let path = block.value("file")?.replace("target/", &format!("{}/", self.target.display()));
                std::fs::write(self.root.join(&path), &text).with_context(|| format!("writing {path}"))?;
            }
            ["sh" | "bash" | "console" | "toml", ..] => bail!("a block without a mark is run by nobody"),
            _ => {}
        }
        Ok(())
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("{}{script}", self.prelude)).current_dir(&self.root).stdin(Stdio::null());
        command
    }

    fn shell(&self, script: &str) -> anyhow::Result<String> {
        let output = self.command(script).output().context("starting bash")?;
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{script}ended with {}:\n{said}{errors}", output.status);
        Ok(said.into_owned())
    }

    fn retry(&self, script: &str, until: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < deadline {
            // A reader who is early is told so, and tries again.
            last = self.shell(script).unwrap_or_else(|error| format!("{error:#}"));
            if last.contains(until) {
                return Ok(last);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        bail!("{script}never printed {until:?}; last:\n{last}")
    }

    fn background(&mut self, script: &str, until: &str) -> anyhow::Result<String> {
        use std::os::unix::process::CommandExt as _;
        let path = self.logs.join(format!("background-{}.log", self.running.len()));
        let log = std::fs::File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let mut command = self.command(script);
        command.process_group(0).stdout(log.try_clone()?).stderr(log);
        self.running.push(command.spawn().context("starting bash")?);
        let deadline = Instant::now() + PATIENCE;
        let mut said = String::new();
        while Instant::now() < deadline {
            said = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            if said.contains(until) {
                return Ok(said);
            }
            if let Some(status) = self.running.last_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("{script}ended with {status}:\n{said}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{script}never printed {until:?}; it said:\n{said}")
    }
}

/// Each line of the page's output is somewhere in what was printed, whatever the columns.
fn expect(shown: &str, output: &str) -> anyhow::Result<()> {
    let printed = words(output);
    let mut missing = String::new();
    for line in shown.lines().filter(|line| !printed.contains(&words(line))) {
        let _ = writeln!(missing, "  {line}");
    }
    ensure!(missing.is_empty(), "the page shows lines that were not printed:\n{missing}printed:\n{output}");
    Ok(())
}
