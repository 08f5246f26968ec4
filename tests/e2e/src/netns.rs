//! Network namespaces and processes for tests, gone when the test ends however it ends.
//!
//! Promises unique names, so that tests run side by side, and that every process in a namespace is killed before the namespace is
//! removed: daemons fork away from the test. Needs root; [`skip`] says so where it is missing, and why a test did not run.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use farrier_lab::rig::{self, store_program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// Redis, or the Valkey that the lab finds in its place.
pub const STORE: &str = "redis-server";

/// Whether the running test cannot run here: without root, or without one of these programs. Then it is noted as skipped.
pub fn skip(programs: &[&str]) -> bool {
    let there = |program: &str| if program == STORE { store_program().is_some() } else { find(program).is_some() };
    if !geteuid().is_root() {
        rig::skip("needs root for network namespaces");
    } else if let Some(program) = programs.iter().find(|program| !there(program)) {
        rig::skip(&format!("`{program}` is not installed"));
    } else {
        return false;
    }
    true
}

/// Where a program is; the folders of daemons are looked into beside `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A set of namespaces, removed when it is dropped.
pub struct Net {
    tag: String,
    spaces: Vec<String>,
}

/// One namespace, by name.
#[derive(Clone, Debug)]
pub struct Space(String);

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}

impl Net {
    /// None yet.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self { tag: format!("fe{:x}x{count}", std::process::id()), spaces: Vec::new() }
    }

    /// A new namespace with its loopback up. `label`: a few letters.
    pub fn space(&mut self, label: &str) -> anyhow::Result<Space> {
        let name = format!("{}-{label}", self.tag);
        ip(&["netns", "add", &name])?;
        self.spaces.push(name.clone());
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        Ok(Space(name))
    }

    /// A wire between two namespaces; both ends up, without addresses.
    pub fn wire(&self, a: (&Space, &str), b: (&Space, &str)) -> anyhow::Result<()> {
        ip(&["link", "add", a.1, "netns", &a.0.0, "type", "veth", "peer", "name", b.1, "netns", &b.0.0])?;
        a.0.ip(&["link", "set", a.1, "up"])?;
        b.0.ip(&["link", "set", b.1, "up"])
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.spaces {
            // A process may fork between the look and the kill; a second look finds the child.
            for _ in 0..20 {
                if kill_all(name) == 0 {
                    break;
                }
                std::thread::yield_now();
            }
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Kill what runs in the namespace; how many processes there were. Zombies are not counted by `ip`.
fn kill_all(name: &str) -> usize {
    let Ok(output) = Command::new("ip").args(["netns", "pids", name]).output() else { return 0 };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pids: Vec<Pid> = text.lines().filter_map(|line| line.trim().parse().ok()).map(Pid::from_raw).collect();
    for pid in &pids {
        let _ = kill(*pid, Signal::SIGKILL);
    }
    pids.len()
}

impl Space {
    /// `ip` inside of it.
    pub fn ip(&self, args: &[&str]) -> anyhow::Result<()> {
        let inside: Vec<&str> = ["-n", &self.0].iter().chain(args).copied().collect();
        ip(&inside)
    }

    /// A command that will run inside of it; daemons' folders are on its `PATH`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        command.args(["netns", "exec", &self.0]).arg(program).stdin(Stdio::null());
        command
    }
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(args).output().context("run ip")?;
    if !output.status.success() {
        bail!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// A process that is killed when it is dropped, with its output in a file.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Start it with both outputs in `log`.
    pub fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log)?;
        let child =
            command.stdout(file.try_clone()?).stderr(file).spawn().with_context(|| format!("start {command:?}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Send a signal. `ip netns exec` replaces itself, so it goes to the program.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        Ok(kill(pid, signal)?)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Wait for its end.
    pub fn wait(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// What it printed.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A stopped process dies of SIGKILL as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ask `probe` until it has an answer; the error names `what` was waited for.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = probe() {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("{what}: not within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The `farrier` program: `FARRIER_BIN`, or the one built beside the tests.
pub fn farrier() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("FARRIER_BIN") {
        return Ok(PathBuf::from(path));
    }
    let test = std::env::current_exe()?;
    let path = test.parent().and_then(Path::parent).context("find the target folder")?.join("farrier");
    if !path.is_file() {
        bail!("`{}` is not built; run `cargo build -p farrier`, or name another with FARRIER_BIN", path.display());
    }
    Ok(path)
}
