//! Farrier in a container, as the image runs it: not root, a read-only root, no capability.
//!
//! Promises that a server of the lab reaches `ready`, that SIGTERM in the middle of another's way drains with exit 0, and that the
//! next container takes the other one on from there. Needs root, podman, buildah, runc and debootstrap.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod container_image;

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use container_image::{Container, Images, USER, missing};
use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::rig::{Programs, Rig, RigConfig, ServerRow, skip};

fn give(path: &Path) {
    chown(path, Some(USER), Some(USER)).unwrap();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if !entry.file_type().unwrap().is_symlink() {
                give(&entry.path());
            }
        }
    }
}

fn state<'r>(rows: &'r [ServerRow], name: &str) -> &'r str {
    rows.iter().find(|row| row.name.as_deref() == Some(name)).map_or("absent", |row| &row.state)
}

/// Wait until a server is in that state, as long as the container runs.
async fn wait(rig: &Rig, container: &mut Container<'_>, name: &str, wanted: &str) -> Vec<ServerRow> {
    let deadline = Instant::now() + Duration::from_mins(3);
    loop {
        // The host that just starts answers nothing; the deadline decides.
        let rows = rig.host.servers().await.unwrap_or_default();
        if state(&rows, name) == wanted {
            return rows;
        }
        assert!(container.runs(), "the container has ended:\n{}", container.log());
        assert!(Instant::now() < deadline, "{name} is not {wanted}: {rows:?}\n{}", container.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_server_becomes_ready_in_a_container_and_sigterm_drains() {
    if let Some(reason) = missing() {
        return skip(&reason);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let programs = Programs::find().unwrap();
    let images = Images::build(&root, &target, &programs.farrier, &programs.plugins).unwrap();

    let mut config = RigConfig::new(Estate::sound(11, 2, DEFAULT_BASE));
    // Long enough to be stopped in.
    config.boot_delay = Duration::from_secs(3);
    // What is compiled is kept where the container may write; a relative path is beside the configuration.
    let plugins = toml::toml! { cache_dir = "compiled" };
    config.over.insert("plugins".to_owned(), plugins.into());
    let inside = Programs { plugins: PathBuf::from("/usr/lib/farrier/plugins"), ..programs };
    let rig = Rig::start_with(config, inside).await.unwrap();
    give(rig.folder());
    let names: Vec<String> = rig.lab.estate().servers.into_iter().map(|server| server.name).collect();
    let log = rig.folder().join("container.log");
    let mut container = images.start(rig.folder(), rig.host.config(), &log).unwrap();
    rig.lab.lease(&names[..1], 0).await.unwrap();
    wait(&rig, &mut container, &names[0], "ready").await;
    let socket = rig.folder().join("state/farrier.sock");
    assert_eq!(std::fs::metadata(socket).unwrap().uid(), USER, "the host runs as the image's user");
    container.healthy().unwrap();

    rig.lab.lease(&names[1..], 0).await.unwrap();
    wait(&rig, &mut container, &names[1], "provisioning").await;
    let (status, took) = container.stop(Duration::from_secs(30)).unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(status.success(), "{status} after {took:?}\n{said}");
    assert!(said.contains("farrier stopped"), "{said}");

    let mut again = images.start(rig.folder(), rig.host.config(), &log).unwrap();
    let rows = wait(&rig, &mut again, &names[1], "ready").await;
    assert_eq!(rig.differences(&rows), Vec::<String>::new(), "{}", again.log());
    assert!(again.stop(Duration::from_secs(30)).unwrap().0.success());
}
