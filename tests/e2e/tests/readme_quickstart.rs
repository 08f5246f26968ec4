//! The README's quick start, as it stands there.
//!
//! Promises that every block marked `bash quickstart` is executed, in order, in one shell that stops at the first command that fails, and
//! that the server is `ready` at the end. It changes no block. The shell runs in a network namespace of its own, so that the
//! address and the ports of the page belong to nobody else on this machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use farrier_lab::rig::skip;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Debug builds compile the drivers at the first start; two busy cores take a minute for it.
const DEADLINE: Duration = Duration::from_mins(5);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Blocks whose info string is `bash quickstart`, in order.
fn blocks(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        match &mut block {
            None if line == "```bash quickstart" => block = Some(String::new()),
            None => {}
            Some(_) if line == "```" => found.extend(block.take()),
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    assert!(block.is_none(), "a block of the README is not closed");
    found
}

/// A program or folder that `cargo xtask test` names, or its place in the target folder of this test.
fn built(variable: &str, place: &str) -> PathBuf {
    let given = std::env::var_os(variable).map(PathBuf::from);
    given.unwrap_or_else(|| std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join(place))
}

fn missing() -> Option<String> {
    let farrier = built("FARRIER_BIN", "debug/farrier");
    let lab = built("FARRIER_LAB_BIN", "debug/farrier-lab");
    let plugins = built("FARRIER_PLUGINS", "plugins").join("hpe-ilo.wasm");
    if let Some(file) = [farrier, lab, plugins].iter().find(|file| !file.is_file()) {
        return Some(format!("{} is not built", file.display()));
    }
    for program in ["bash", "curl", "ip", "unshare"] {
        let found = Command::new("which").arg(program).stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return Some(format!("no {program} on PATH"));
        }
    }
    let probe = namespace().arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
    (!probe.is_ok_and(|status| status.success())).then(|| "network namespaces are not allowed here".to_owned())
}

/// `unshare`, as root of a user namespace where this user is not root.
fn namespace() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
}

#[test]
fn the_blocks_of_the_readme_lead_to_ready() {
    if let Some(reason) = missing() {
        return skip(&reason);
    }
    let folder = tempfile::tempdir().unwrap();
    let blocks = blocks(&std::fs::read_to_string(root().join("README.md")).unwrap());
    assert!(blocks.len() >= 6, "the README has only {} blocks marked `bash quickstart`", blocks.len());
    let script = folder.path().join("quickstart.sh");
    std::fs::write(&script, format!("set -eu -o pipefail\n{}", blocks.join("\n"))).unwrap();
    let (farrier, lab) = (built("FARRIER_BIN", "debug/farrier"), built("FARRIER_LAB_BIN", "debug/farrier-lab"));
    let mut path = std::ffi::OsString::new();
    for program in [&farrier, &lab] {
        path.push(program.parent().unwrap());
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap());
    let output = std::fs::File::create(folder.path().join("output")).unwrap();
    let mut shell = namespace()
        .args(["sh", "-c", "ip link set lo up && exec bash quickstart.sh"])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("FARRIER_PLUGINS", built("FARRIER_PLUGINS", "plugins"))
        .env_remove("FARRIER_CONFIG")
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .process_group(0)
        .spawn()
        .unwrap();
    let group = Pid::from_raw(i32::try_from(shell.id()).unwrap());
    let started = Instant::now();
    let status = loop {
        match shell.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if started.elapsed() > DEADLINE => break None,
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    // A block that failed leaves what it started in the background.
    let _ = killpg(group, Signal::SIGKILL);
    let _ = shell.wait();
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let said = text("output");
    let log = text("farrier-quickstart/farrier.log");
    assert!(status.is_some_and(|status| status.success()), "ended with {status:?}:\n{said}\nthe host's log:\n{log}");
    let ready = said.lines().any(|line| line.contains("EAST-SRV-001 is ready"));
    assert!(ready, "the server is not ready:\n{said}\nthe host's log:\n{log}");
    for change in ["offline → discovered", "discovered → provisioning", "provisioning → ready"] {
        let journalled = said.lines().any(|line| line == format!("Lifecycle state changed: {change}"));
        assert!(journalled, "NetBox has no journal entry of {change}:\n{said}");
    }
}

#[test]
fn blocks_are_found_by_their_info_string() {
    let page = "```bash quickstart\na\nb\n```\n```bash\nno\n```\n```bash quickstart\nc\n```\n";
    assert_eq!(blocks(page), ["a\nb\n", "c\n"]);
}
