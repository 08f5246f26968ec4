//! Ends what a run started when the host cannot any more, because it was killed.
//!
//! Promises that no process of a run outlives its host for longer than it takes to find it, however the host died. Does not: end a run in
//! any other case; the host does that, and gives a run time to end by itself.
//!
//! Not obvious: a signal on the parent's death (`PR_SET_PDEATHSIG`) would reach the program and nothing that it started, and would come when
//! the *thread* ends that started it. A shell that reads from a pipe which only the host can write to needs neither: however the host dies,
//! the kernel closes the pipe.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// A line: all is over. The end of the pipe: kill what has `$1` in its environment, until there is none.
const SCRIPT: &str = r#"read -r over && exit
while :; do
    left=
    for process in /proc/[0-9]*; do
        grep -qzxF "$1" "$process/environ" 2>/dev/null || continue
        left=yes
        kill -KILL "${process#/proc/}" 2>/dev/null
    done
    [ "$left" ] || exit
    sleep 1
done"#;

/// The shell that waits for the host's death.
pub struct Watcher(Child);

impl Watcher {
    /// Watch over the processes with this entry in their environment.
    pub fn start(entry: &str) -> std::io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "farrier-watch", entry]).env_clear();
        // Its own group: what is sent to the host's must not take it along.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.spawn().map(Self)
    }

    /// Nothing of the run is left to be ended.
    pub fn dismiss(mut self) {
        // An error: it is gone already.
        let _ = self.0.stdin.take().map(|mut pipe| pipe.write_all(b"over\n"));
        let _ = self.0.wait();
    }
}
