//! Runs of playbooks: what a run is given, what is told of it, and that nothing of it is left.
//!
//! The program is a shell script in Ansible's place, so that it can misbehave; the real one is in the tests of the whole system.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod ansible_support;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ansible_support::{Controller, PASSWORD, at, free, until};
use farrier::ansible::{Hardening, Ran, Runner};
use farrier::config::{Ansible, ControlPolicy, Value};
use farrier::egress::Gate;
use farrier::fault::Fault;
use farrier::plugin::Lend;
use farrier_lifecycle::Stage;

const STARTED: &str = r#"{"_event":"v2_playbook_on_task_start","task":{"name":"bmc : Set ssh"},"hosts":{}}"#;
const CHANGED: &str =
    r#"{"_event":"v2_runner_on_ok","task":{"name":"bmc : Set ssh"},"hosts":{"ams-1":{"changed":true}}}"#;
const STATS: &str = r#"{"_event":"v2_playbook_on_stats","stats":{"ams-1":{"ok":1,"changed":1,"failures":0}}}"#;

/// A runner of a script; the script finds its folder in `$1`'s folder, where the playbook is.
struct Rig {
    folder: tempfile::TempDir,
    runner: Runner,
    controller: Controller,
    said: Mutex<Vec<String>>,
}

impl Rig {
    async fn new(script: &str, timeout_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("ansible-playbook");
        std::fs::write(&program, format!("#!/bin/sh\nhere=$(dirname \"$2\")\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = Ansible {
            playbook: folder.path().join("play.yml"),
            program: program.display().to_string(),
            runs: 2,
            timeout_ms,
        };
        let controller = Controller::start(PASSWORD).await;
        Self { runner: Runner::new(&settings).unwrap(), folder, controller, said: Mutex::default() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn harden(&self, gate: Gate) -> Result<Ran, Fault> {
        let desired = Value::Flag(false);
        let control = ControlPolicy { id: "ipmi-over-lan".to_owned(), desired, require: true, matches: Vec::new() };
        let what = Hardening { name: "AMS 1".to_owned(), driver: "hpe-ilo".to_owned(), controls: vec![control] };
        let lend = Lend::new(self.controller.endpoint.clone(), gate);
        self.runner.harden(&what, &lend, &|line: &str| self.said.lock().unwrap().push(line.to_owned())).await
    }
}

fn alive(pid: &Path) -> bool {
    let pid = std::fs::read_to_string(pid).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    // A zombie is a number, not a process.
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

#[tokio::test]
async fn a_run_is_told_task_by_task_and_ends_with_what_it_changed() {
    let rig =
        Rig::new(&format!("echo '{STARTED}'; echo 'odd line' >&2; echo '{CHANGED}'; echo '{STATS}'"), 60_000).await;
    let ran = rig.harden(free()).await.unwrap();
    assert_eq!(ran.summary, "ansible ran 1 tasks, changed: Set ssh");
    assert_eq!(*rig.said.lock().unwrap(), ["ansible: Set ssh"]);
}

#[tokio::test]
async fn secrets_are_in_the_environment_only_and_nothing_else_of_the_hosts_is() {
    let script = format!(
        "tr '\\0' '\\n' < /proc/$$/cmdline > $here/arguments; env > $here/environment; pwd > $here/pwd; ls -A > $here/ls; echo '{STATS}'"
    );
    let rig = Rig::new(&script, 60_000).await;
    rig.harden(free()).await.unwrap();
    let read = |name: &str| std::fs::read_to_string(rig.file(name)).unwrap();
    let (arguments, environment) = (read("arguments"), read("environment"));
    let value =
        |name: &str| environment.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap().to_owned();
    let password = value("FARRIER_BMC_PASSWORD");
    assert!(password.len() >= 32 && !arguments.contains(&password), "{arguments}");
    assert!(!environment.contains(PASSWORD) && !arguments.contains(PASSWORD));
    assert!(arguments.contains("--inventory=AMS-1,\n"), "{arguments}");
    assert!(value("FARRIER_BMC_URL").starts_with("https://127.0.0.1:"));
    assert_eq!(
        (value("FARRIER_DRIVER"), value("FARRIER_BASELINE")),
        ("hpe-ilo".to_owned(), "{\"ipmi_over_lan\":false}".to_owned())
    );
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!environment.contains("CARGO_"), "the host's environment is passed on: {environment}");
    assert_eq!(read("ls"), "", "no configuration lies where it runs");
    until("its folder is gone", || !Path::new(read("pwd").trim()).exists()).await;
}

/// Starts a child in a session of its own that does not end when asked, and waits.
const STUBBORN: &str = "trap '' TERM
setsid sh -c 'trap \"\" TERM; echo $$ > $0/child; while :; do sleep 1; done' $here &
echo $$ > $here/leader
while :; do sleep 1; done";

#[tokio::test]
async fn a_cancelled_run_takes_everything_it_started_with_it() {
    let rig = Rig::new(STUBBORN, 60_000).await;
    let started = || rig.file("child").exists() && rig.file("leader").exists();
    tokio::select! {
        ended = rig.harden(free()) => panic!("it ended by itself: {ended:?}"),
        () = until("both run", started) => {}
    }
    let (child, leader) = (rig.file("child"), rig.file("leader"));
    let number =
        |path: &Path| std::fs::read_to_string(path).unwrap().trim().parse().map(nix::unistd::Pid::from_raw).unwrap();
    // The group alone would miss the child: it has left it.
    assert_ne!(nix::unistd::getpgid(Some(number(&child))).unwrap(), number(&leader));
    assert!(alive(&child));
    until("both ended", || !alive(&child) && !alive(&leader)).await;
}

/// Plays a host that is killed: runs what never ends, and says where.
#[tokio::test]
#[ignore = "started by the test below"]
#[allow(clippy::print_stdout)]
async fn role_of_a_host() {
    let rig = Rig::new(STUBBORN, 60_000).await;
    println!("\nHERE {}", rig.folder.path().display());
    let ended = rig.harden(free()).await;
    panic!("it ended by itself: {ended:?}");
}

#[tokio::test]
async fn a_killed_host_takes_its_runs_with_it() {
    let mut host = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["role_of_a_host", "--exact", "--ignored", "--nocapture"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let here = lines.find_map(|line| line.unwrap().strip_prefix("HERE ").map(PathBuf::from)).unwrap();
    let (child, leader) = (here.join("child"), here.join("leader"));
    let said = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'));
    until("both run", || said(&child) && said(&leader)).await;
    assert!(alive(&child) && alive(&leader));
    host.kill().unwrap();
    host.wait().unwrap();
    until("both were killed", || !alive(&child) && !alive(&leader)).await;
    std::fs::remove_dir_all(here).unwrap();
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_ended() {
    let rig = Rig::new(STUBBORN, 1_000).await;
    let fault = rig.harden(free()).await.unwrap_err();
    assert_eq!(fault.code, "playbook-timeout");
    until("it ended", || !rig.file("leader").exists() || !alive(&rig.file("leader"))).await;
}

#[tokio::test]
async fn what_a_run_left_behind_neither_holds_it_up_nor_stays() {
    let script = format!("setsid sleep 1000 & echo $! > $here/child; echo '{STATS}'");
    let rig = Rig::new(&script, 60_000).await;
    // The child holds the run's output open.
    let ran = tokio::time::timeout(std::time::Duration::from_secs(30), rig.harden(free())).await.unwrap();
    assert!(ran.is_ok(), "{ran:?}");
    until("the child ended", || !alive(&rig.file("child"))).await;
}

#[tokio::test]
async fn nothing_is_started_for_a_server_in_service() {
    let rig = Rig::new("touch $here/started", 60_000).await;
    assert_eq!(rig.harden(at(Stage::Service)).await.unwrap_err().code, "needs-approval");
    assert!(!rig.file("started").exists());
    assert_eq!(rig.harden(at(Stage::Harden)).await.unwrap_err().code, "playbook-broken", "it started and said nothing");
    assert!(rig.file("started").exists());
}

#[tokio::test]
async fn a_program_that_is_missing_is_said_at_the_start() {
    let settings =
        Ansible { playbook: "x.yml".into(), program: "no-such-ansible-playbook".to_owned(), runs: 1, timeout_ms: 1 };
    assert_eq!(Runner::new(&settings).map(|_| ()).unwrap_err().code, "ansible-missing");
}
