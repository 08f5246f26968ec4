//! One run of a program, ended as a whole.
//!
//! Promises that nothing the program started outlives the run, whatever session or parent it gave itself: each process of a run carries a mark
//! in its environment, and is found by it. Asked to end first, killed after five seconds; killed at once where the host itself was.
//!
//! Not obvious: the process group alone is not enough. Newer Ansible puts its workers into sessions of their own; and the program must not be
//! killed at once, because it passes the request to end on to them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Split};
use tokio::process::Command;

use super::events::Report;
use super::watch::Watcher;

/// Between asking the processes of a run to end and ending them.
const KILL_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked whether they ended.
const LOOK: Duration = Duration::from_millis(50);
/// How long output may still come after the program itself ended.
const DRAIN: Duration = Duration::from_secs(2);
/// The variable that marks the processes of a run.
const MARK: &str = "FARRIER_RUN";

/// The program's path, if it is given as one or stands on `PATH`.
pub fn find(program: &str) -> Option<String> {
    if program.contains('/') {
        let path = std::path::absolute(program).ok()?;
        return path.is_file().then(|| path.display().to_string());
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .map(|path| path.display().to_string())
}

/// The processes of one run; ends those that are left when it is dropped.
struct Group {
    /// The program, while it was not waited for: its number is its group's, and nobody else's.
    leader: Option<Pid>,
    mark: String,
    watcher: Option<Watcher>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            let _ = killpg(leader, Signal::SIGTERM);
        }
        let (mark, watcher) = (std::mem::take(&mut self.mark), self.watcher.take());
        // A thread, not a task: it must do its work while a runtime shuts down too.
        let swept = std::thread::Builder::new().name("ansible-sweep".to_owned()).spawn(move || {
            sweep(&mark);
            if let Some(watcher) = watcher {
                watcher.dismiss();
            }
        });
        if let Err(error) = swept {
            tracing::warn!(%error, "what a playbook started could not be looked for");
        }
    }
}

/// End what carries the mark.
fn sweep(mark: &str) {
    for pid in marked(mark) {
        let _ = kill(pid, Signal::SIGTERM);
    }
    let until = Instant::now() + KILL_AFTER;
    loop {
        let left = marked(mark);
        if left.is_empty() {
            return;
        }
        if Instant::now() >= until {
            tracing::warn!(processes = left.len(), "processes of a playbook did not end when asked and are killed");
            for pid in left {
                let _ = kill(pid, Signal::SIGKILL);
            }
            return;
        }
        std::thread::sleep(LOOK);
    }
}

/// The mark as it stands in an environment.
fn entry(mark: &str) -> String {
    format!("{MARK}={mark}")
}

/// The processes with the mark in their environment. One of another user cannot be read, and is not ours.
fn marked(mark: &str) -> Vec<Pid> {
    let entry = entry(mark);
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    folder
        .flatten()
        .filter_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok().map(Pid::from_raw)?;
            let environment = std::fs::read(process.path().join("environ")).ok()?;
            environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes()).then_some(pid)
        })
        .collect()
}

/// Run to the end, telling `say` each line for people. Dropping the future ends everything the program started.
pub async fn run(mut command: Command, say: &(dyn Fn(&str) + Send + Sync)) -> std::io::Result<Report> {
    let mark = format!("{:032x}", rand::random::<u128>());
    command.env(MARK, &mark);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let watcher = Watcher::start(&entry(&mark))
        .inspect_err(|error| tracing::warn!(%error, "a playbook would outlive this host, should it be killed"));
    let mut group = Group { leader, mark, watcher: watcher.ok() };
    let mut report = Report::default();
    let (mut out, mut err) = (lines(child.stdout.take()), lines(child.stderr.take()));
    // Set when the program ended; what it left behind may keep its output open, and is not waited for.
    let mut drained = None;
    while out.is_some() || err.is_some() {
        let over = async {
            match drained {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            line = next(&mut out), if out.is_some() => {
                if let Some(told) = line?.and_then(|line| report.line(&line)) {
                    say(&told);
                }
            }
            line = next(&mut err), if err.is_some() => {
                if let Some(line) = line? {
                    report.noise(&line);
                }
            }
            ended = child.wait(), if drained.is_none() => {
                report.code = ended?.code();
                group.leader = None;
                drained = Some(tokio::time::Instant::now() + DRAIN);
            }
            () = over => break,
        }
    }
    report.code = child.wait().await?.code();
    group.leader = None;
    Ok(report)
}

type Lines<R> = Split<BufReader<R>>;

fn lines<R: AsyncRead + Unpin>(stream: Option<R>) -> Option<Lines<R>> {
    stream.map(|stream| BufReader::new(stream).split(b'\n'))
}

/// The next line, whatever bytes are in it. At the end the stream is put away.
async fn next<R: AsyncRead + Unpin>(lines: &mut Option<Lines<R>>) -> std::io::Result<Option<String>> {
    let Some(open) = lines else { return Ok(None) };
    let line = open.next_segment().await?;
    if line.is_none() {
        *lines = None;
    }
    Ok(line.map(|bytes| String::from_utf8_lossy(&bytes).trim_end_matches('\r').to_owned()))
}
