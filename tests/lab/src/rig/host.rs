//! The host as a process: started, asked, stopped, killed.
//!
//! Promises that what it says goes to a file, that SIGTERM and SIGKILL are the real ones, and that answers
//! come through the command line as an operator's would.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::skip;

/// Where the programs under test are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The host.
    pub farrier: PathBuf,
    /// The folder with the drivers.
    pub plugins: PathBuf,
}

impl Programs {
    /// `FARRIER_BIN` and `FARRIER_PLUGINS`, else what cargo and `cargo xtask plugins` built beside this program.
    ///
    /// # Errors
    /// Names what is missing and the command that builds it.
    pub fn find() -> anyhow::Result<Self> {
        let profile = profile().context("finding this program")?;
        let farrier = given("FARRIER_BIN").unwrap_or_else(|| profile.join("farrier"));
        let plugins = plugins(&profile);
        ensure!(
            farrier.is_file(),
            "no host at {}: run `cargo build -p farrier`, or set FARRIER_BIN",
            farrier.display()
        );
        let drivers = plugins.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        ensure!(drivers, "no drivers in {}: run `cargo xtask plugins`, or set FARRIER_PLUGINS", plugins.display());
        Ok(Self { farrier, plugins })
    }
}

fn given(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// The folder cargo built this program into: that of target/debug/farrier-lab, or of target/debug/deps/test-0123.
fn profile() -> std::io::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    Ok(exe.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).unwrap_or(Path::new(".")).to_owned())
}

fn plugins(profile: &Path) -> PathBuf {
    given("FARRIER_PLUGINS").unwrap_or_else(|| profile.parent().unwrap_or(profile).join("plugins"))
}

/// A plugin as `cargo xtask plugins` built it. `None` where it did not: the running test is then noted as skipped.
pub fn plugin(name: &str) -> Option<PathBuf> {
    let folder = profile().map(|profile| plugins(&profile)).unwrap_or_default();
    let file = folder.join(format!("{name}.wasm"));
    if !file.is_file() {
        skip(&format!("`{}` is not built; run `cargo xtask plugins`", file.display()));
        return None;
    }
    Some(file)
}

/// One line of `farrier server list --output json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerRow {
    /// As the inventory names it.
    #[serde(default)]
    pub name: Option<String>,
    /// As the host names it.
    #[serde(default)]
    pub vendor: Option<String>,
    /// Site slug.
    #[serde(default)]
    pub site: Option<String>,
    /// One of the nine lifecycle states.
    pub state: String,
    /// Why it is where it is; begins with the fault's code.
    #[serde(default)]
    pub reason: Option<String>,
    /// MAC of its controller, lower case with colons.
    #[serde(default)]
    pub bmc_mac: Option<String>,
    /// Everything else the host says.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

impl ServerRow {
    /// A further field of the line, as text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.rest.get(field).and_then(serde_json::Value::as_str)
    }

    /// Whether the line is about this server: by name, or by the controller's MAC where the host never got
    /// as far as its name.
    pub fn is_of(&self, server: &crate::estate::Server) -> bool {
        self.name.as_ref() == Some(&server.name)
            || self.bmc_mac.as_ref().is_some_and(|mac| mac.eq_ignore_ascii_case(&server.bmc.mac))
    }

    /// Where it stands, without what changes by the clock alone.
    pub fn standing(&self) -> (Option<&str>, &str, Option<&str>, Option<&str>) {
        (self.name.as_deref(), &self.state, self.text("stage"), self.text("status"))
    }

    /// Nothing more happens by itself.
    pub fn at_rest(&self) -> bool {
        matches!(self.state.as_str(), "ready" | "failed" | "active" | "maintenance" | "decommissioned")
    }
}

/// A host and its configuration; running or not.
pub struct Host {
    programs: Programs,
    config: PathBuf,
    log: PathBuf,
    address: String,
    child: Option<Child>,
}

/// Send a signal to a child that runs.
pub(super) fn signal(child: &Child, signal: Signal) -> anyhow::Result<()> {
    let id = child.id().context("the process has ended")?;
    let pid = Pid::from_raw(i32::try_from(id).context("a process id")?);
    kill(pid, signal).with_context(|| format!("sending {signal} to {pid}"))
}

impl Host {
    /// A host that is not running yet. `address` is `http.listen`.
    pub(super) fn new(programs: Programs, config: PathBuf, log: PathBuf, address: String) -> Self {
        Self { programs, config, log, address, child: None }
    }

    /// The configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Everything it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// `farrier serve` with further arguments; returns when it listens.
    ///
    /// # Errors
    /// When it ends at once, or does not listen within 60 s; with the end of its log.
    pub async fn start(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        let mut command = Command::new(&self.programs.farrier);
        command.arg("serve").args(arguments).arg("--config").arg(&self.config);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        self.child = Some(command.spawn().with_context(|| format!("starting {}", self.programs.farrier.display()))?);
        let deadline = Instant::now() + Duration::from_mins(1);
        while Instant::now() < deadline {
            if tokio::net::TcpStream::connect(&self.address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                self.child = None;
                bail!("the host ended with {status}:\n{}", self.tail());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the host does not listen on {} after 60 s:\n{}", self.address, self.tail())
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("the host is not running")?;
        child.kill().await.context("killing the host")
    }

    /// SIGTERM, and wait at most `patience` for the end.
    ///
    /// # Errors
    /// When it is not running, or runs on.
    pub async fn stop(&mut self, patience: Duration) -> anyhow::Result<(ExitStatus, Duration)> {
        let mut child = self.child.take().context("the host is not running")?;
        let started = Instant::now();
        signal(&child, Signal::SIGTERM)?;
        let status = tokio::time::timeout(patience, child.wait()).await;
        let status =
            status.with_context(|| format!("the host runs on {patience:?} after SIGTERM:\n{}", self.tail()))?;
        Ok((status.context("waiting for the host")?, started.elapsed()))
    }

    /// Run `farrier ARGUMENTS --config FILE` to its end; what it prints.
    ///
    /// # Errors
    /// When it does not exit 0; with what it said.
    pub async fn farrier(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.programs.farrier);
        command.args(arguments).arg("--config").arg(&self.config).stdin(Stdio::null()).kill_on_drop(true);
        let shown = format!("farrier {}", arguments.join(" "));
        let output = tokio::time::timeout(Duration::from_mins(5), command.output()).await;
        let output = output.with_context(|| format!("`{shown}` runs on after 300 s"))?;
        let output = output.with_context(|| format!("starting `{shown}`"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if !output.status.success() {
            bail!("`{shown}` ended with {}:\n{}\n{}", output.status, text(&output.stderr), text(&output.stdout));
        }
        Ok(text(&output.stdout))
    }

    /// `farrier server list`.
    ///
    /// # Errors
    /// As [`Host::farrier`], or when the answer is not what it should be.
    pub async fn servers(&self) -> anyhow::Result<Vec<ServerRow>> {
        let text = self.farrier(&["server", "list", "--output", "json"]).await?;
        serde_json::from_str(&text).with_context(|| format!("reading the server list: {text}"))
    }

    /// Ask for the server list until it is as wanted; the list.
    ///
    /// # Errors
    /// After `patience`; with the last list and the end of the log.
    pub async fn wait(
        &self,
        patience: Duration,
        wanted: impl Fn(&[ServerRow]) -> bool,
    ) -> anyhow::Result<Vec<ServerRow>> {
        let deadline = Instant::now() + patience;
        let mut last = String::new();
        while Instant::now() < deadline {
            match self.servers().await {
                Ok(rows) if wanted(&rows) => return Ok(rows),
                Ok(rows) => last = serde_json::to_string(&rows)?,
                // A host that was just killed answers nothing; the deadline decides.
                Err(error) => last = format!("{error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        bail!("not as wanted within {patience:?}; last: {last}\nlog:\n{}", self.tail())
    }
}
