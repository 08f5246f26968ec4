//! The hook as DHCP servers call it: the real binary through links of its three names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

struct Hooks {
    dir: TempDir,
}

impl Hooks {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["farrier-lease-dnsmasq", "farrier-lease-isc", "farrier-lease-kea"] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_farrier"), dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    fn spool(&self) -> PathBuf {
        self.dir.path().join("var/spool")
    }

    /// As a DHCP server would: no environment but what is given.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.dir.path().join(name));
        command.env_clear().env("FARRIER_SPOOL", self.spool()).current_dir("/").stdin(Stdio::null());
        command
    }

    fn leases(&self) -> Vec<Value> {
        let Ok(entries) = std::fs::read_dir(self.spool()) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
    }
}

fn quiet(output: &Output) {
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn each_server_s_form_leaves_one_file() {
    let hooks = Hooks::new();
    let dnsmasq = ["add", "a0:36:9f:01:00:00", "10.77.3.69", "ILOMXQ1234"];
    quiet(
        &hooks.command("farrier-lease-dnsmasq").args(dnsmasq).env("DNSMASQ_VENDOR_CLASS", "CPQRIB3").output().unwrap(),
    );
    quiet(
        &hooks
            .command("farrier-lease-isc")
            .args(["commit", "10.77.3.70", "a0:36:9f:1:0:1", "-", "-"])
            .output()
            .unwrap(),
    );
    let kea = [
        ("LEASES4_SIZE", "1"),
        ("LEASES4_AT0_ADDRESS", "10.77.3.71"),
        ("LEASES4_AT0_HWADDR", "a0:36:9f:01:00:02"),
        ("LEASES4_AT0_CLTT", "4000000000"),
    ];
    quiet(&hooks.command("farrier-lease-kea").arg("leases4_committed").envs(kea).output().unwrap());
    let leases = hooks.leases();
    let seen: Vec<_> = leases.iter().map(|lease| (&lease["source"], &lease["ip"], &lease["vendor_class"])).collect();
    assert_eq!(leases.len(), 3, "{seen:?}");
    assert_eq!((&leases[0]["ip"], &leases[0]["vendor_class"]), (&"10.77.3.69".into(), &"CPQRIB3".into()));
    assert_eq!((&leases[1]["mac"], &leases[1]["vendor_class"]), (&"a0:36:9f:1:0:1".into(), &Value::Null));
    assert_eq!((&leases[2]["source"], &leases[2]["at"]), (&"kea".into(), &4_000_000_000_000_u64.into()));
    assert_eq!(mode(&hooks.spool()), 0o1777);
    let file = std::fs::read_dir(hooks.spool()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(mode(&file), 0o644);
}

#[test]
fn hostile_names_and_classes_do_no_harm() {
    let hooks = Hooks::new();
    let hostile = OsStr::from_bytes(b"x$(touch /tmp/y);\"\n\x1b[31m\xff\xfe\\");
    let long = OsStr::from_bytes(&vec![0xff; 65_536]).to_owned();
    let mut commit = hooks.command("farrier-lease-isc");
    commit.args(["commit", "10.0.0.1", "a0:36:9f:1:0:1"]).arg(hostile).arg(&long);
    quiet(&commit.output().unwrap());
    let add = hooks
        .command("farrier-lease-dnsmasq")
        .args(["add", "a0:36:9f:01:00:00", "10.0.0.2"])
        .env("DNSMASQ_VENDOR_CLASS", &long)
        .env("DNSMASQ_SUPPLIED_HOSTNAME", hostile)
        .output()
        .unwrap();
    quiet(&add);
    let leases = hooks.leases();
    assert_eq!(leases.len(), 2);
    for lease in leases {
        for field in ["hostname", "vendor_class"] {
            let text = lease[field].as_str().unwrap();
            assert!(text.len() <= 255 && !text.chars().any(char::is_control), "{field}: {text:?}");
        }
    }
}

#[test]
fn problems_are_told_and_never_fail_the_server() {
    let hooks = Hooks::new();
    std::fs::write(hooks.dir.path().join("file"), "").unwrap();
    let unusable = hooks.dir.path().join("file/spool");
    let mut command = hooks.command("farrier-lease-isc");
    let output =
        command.args(["commit", "10.0.0.1", "a0:36:9f:1:0:1"]).env("FARRIER_SPOOL", unusable).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.starts_with("farrier-lease-isc: the lease of a0:36:9f:1:0:1 was lost") && told.lines().count() == 1,
        "{told}"
    );
    for args in [&["init"][..], &["tftp", "1", "2", "3"], &[]] {
        let output = hooks.command("farrier-lease-dnsmasq").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
    }
    assert_eq!(hooks.leases().len(), 0);
}

#[test]
fn install_makes_hooks_that_find_their_spool_and_uninstall_removes_them() {
    let root = tempfile::tempdir().unwrap();
    let (dir, spool) = (root.path().join("lib"), root.path().join("spool"));
    let farrier = |command: &str, more: &[&OsStr]| {
        let mut call = Command::new(env!("CARGO_BIN_EXE_farrier"));
        call.args(["hook", command, "--dir"]).arg(&dir).args(more).output().unwrap()
    };
    let install = || farrier("install", &[OsStr::new("--spool"), spool.as_os_str()]);
    let output = install();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.contains("dhcp-script=") && lines.contains("libdhcp_run_script.so"), "{lines}");
    assert!(install().status.success(), "a second time changes nothing");
    let json = [OsStr::new("--output"), OsStr::new("json")];
    let output = farrier("install", &[OsStr::new("--spool"), spool.as_os_str(), json[0], json[1]]);
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(told["spool"].as_str(), spool.canonicalize().unwrap().to_str());
    assert_eq!(told["links"].as_array().unwrap().len(), 4, "three hooks, and the way to the spool: {told}");
    for (server, word) in [("dnsmasq", "dhcp-script="), ("isc", "on commit {"), ("kea", "libdhcp_run_script.so")] {
        let lines = told["lines"][server].as_str().unwrap();
        assert!(lines.contains(word) && String::from_utf8_lossy(&install().stdout).contains(lines.trim()), "{told}");
    }
    let call = |name: &str, args: &[&str], env: &[(&str, &str)]| {
        let mut command = Command::new(dir.join(name));
        quiet(&command.args(args).env_clear().envs(env.iter().copied()).current_dir("/").output().unwrap());
    };
    call("farrier-lease-isc", &["commit", "10.77.3.70", "a0:36:9f:1:0:1", "-", "-"], &[]);
    let kea = [("LEASE4_ADDRESS", "10.77.3.71"), ("LEASE4_HWADDR", "a0:36:9f:01:00:02")];
    call("farrier-lease-kea", &["lease4_renew"], &kea);
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 2);
    std::fs::remove_file(dir.join("farrier-lease-kea")).unwrap();
    std::fs::write(dir.join("farrier-lease-kea"), "mine").unwrap();
    let refused = install();
    assert_eq!(refused.status.code(), Some(1), "a file of somebody else is not replaced");
    assert!(!farrier("uninstall", &[]).status.success());
    std::fs::remove_file(dir.join("farrier-lease-kea")).unwrap();
    assert!(install().status.success());
    let output = farrier("uninstall", &json);
    assert!(output.status.success());
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(told["removed"].as_array().unwrap().len(), 3, "{told}");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn the_script_with_the_old_arguments_leads_to_the_hook() {
    let hooks = Hooks::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/dhcp/dhcp-lease-hook.sh");
    for args in [&["10.77.3.70", "a0:36:9f:1:0:1", "ilo-1"][..], &["10.77.3.71", "a0:36:9f:1:0:2"]] {
        let mut command = Command::new(&script);
        command.args(args).env("FARRIER_SPOOL", hooks.spool());
        quiet(&command.env("FARRIER_HOOK", hooks.dir.path().join("farrier-lease-isc")).output().unwrap());
    }
    let leases = hooks.leases();
    assert_eq!((&leases[0]["ip"], &leases[0]["hostname"]), (&"10.77.3.70".into(), &"ilo-1".into()));
    assert_eq!((&leases[1]["mac"], &leases[1]["hostname"]), (&"a0:36:9f:1:0:2".into(), &Value::Null));
}

/// Measures, and bounds only what no machine should reach; the figure goes to `docs/benchmarks.md`.
#[test]
fn the_hook_takes_about_a_millisecond() {
    const RUNS: usize = 250;
    let hooks = Hooks::new();
    let time = |program: &Path| {
        let mut times: Vec<Duration> = (0..RUNS)
            .map(|run| {
                let mut command = Command::new(program);
                command.args(["commit", "10.0.0.1", "a0:36:9f:1:0:1", "CPQRIB3", "ILOMXQ1234"]);
                command.env_clear().env("FARRIER_SPOOL", hooks.spool());
                let begin = Instant::now();
                let status = command.status().unwrap();
                let took = begin.elapsed();
                assert!(status.success(), "run {run}");
                took
            })
            .collect();
        times.sort_unstable();
        let at = |percent: usize| times[(RUNS - 1) * percent / 100];
        let name = program.file_name().unwrap().display();
        println!("{name}, {RUNS} runs: p50 {:?}, p90 {:?}, p99 {:?}, max {:?}", at(50), at(90), at(99), at(100));
        at(50)
    };
    // What starting any program costs on this machine at this time.
    let nothing = time(Path::new("/bin/true"));
    let hook = time(&hooks.dir.path().join("farrier-lease-isc"));
    assert_eq!(hooks.leases().len(), RUNS, "one file for each call, none overwritten");
    assert!(hook < nothing + Duration::from_millis(50), "a hook this slow starves DHCP clients: {hook:?}");
}
