//! Loading: one clear problem for each file that cannot serve, the others load; compiled forms are kept and checked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod plugin_support;

use farrier::plugin::Plugins;
use farrier_lab::rig::plugin;
use plugin_support::component::Hostile;
use plugin_support::settings;

#[tokio::test]
async fn each_bad_file_is_one_problem_and_the_good_one_loads() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    Hostile { name: "good", ..Hostile::default() }.write(dir.path());
    write("again.wasm", &Hostile { name: "good", ..Hostile::default() }.build());
    write("core.wasm", b"\0asm\x01\0\0\0");
    write("text.wasm", b"hello");
    write("bare.wasm", &wat::parse_str("(component)").unwrap());
    write("future.wasm", &Hostile { name: "future", version: "0.2.0", ..Hostile::default() }.build());
    write("shouts.wasm", &Hostile { name: "SHOUTS", ..Hostile::default() }.build());
    write("breaks.wasm", &Hostile { name: "breaks", describe: "(unreachable)", ..Hostile::default() }.build());
    let asks = "(drop (call $ask (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (if (i32.eq (i32.load8_u (i32.const 256)) (i32.const 0)) (then (unreachable)))";
    Hostile { name: "asks", describe: asks, ..Hostile::default() }.write(dir.path());
    let (plugins, problems) = Plugins::open_uncached(&settings(dir.path())).await.unwrap();
    let names: Vec<&str> = plugins.list().iter().map(|plugin| plugin.info.name.as_str()).collect();
    assert_eq!(names, ["asks", "good"], "what describes itself is lent no endpoint, and is told so");
    let said = |file: &str| {
        let found: Vec<_> = problems.iter().filter(|problem| problem.file.ends_with(file)).collect();
        assert_eq!(found.len(), 1, "{file}: {problems:?}");
        assert!(!found[0].hint.is_empty(), "{}", found[0]);
        found[0].text.clone()
    };
    assert!(said("core.wasm").contains("core module"));
    assert!(said("text.wasm").contains("not a WebAssembly component"));
    assert!(said("bare.wasm").contains("metadata"));
    assert!(said("future.wasm").contains("contract version 0.2.0, and this host speaks 0.1.0"));
    assert!(said("shouts.wasm").contains("kebab"));
    assert!(said("breaks.wasm").contains("cannot describe itself"));
    assert!(said("good.wasm").contains("is taken by"), "`again.wasm` sorts first");
    assert_eq!(problems.len(), 7, "{problems:?}");
}

/// One way to log in, by a token: POST to `/sessions`, and DELETE `/volumes/1` (at 2060) or `/sessions/1` (at 2080) afterwards.
fn logs_in(driver: bool, logout: &str) -> Hostile {
    let describe = format!(
        "(i32.store (i32.const 36) (i32.const 2304)) (i32.store (i32.const 40) (i32.const 1))
        (i32.store8 (i32.const 2304) (i32.const 4))
        (i32.store (i32.const 2308) (i32.const 2048)) (i32.store (i32.const 2312) (i32.const 9))
        (i32.store8 (i32.const 2352) (i32.const 1)) (i32.store8 (i32.const 2356) (i32.const 0))
        (i32.store (i32.const 2360) (i32.const {})) (i32.store (i32.const 2364) (i32.const {}))",
        if logout == "/volumes/1" { 2060 } else { 2080 },
        logout.len()
    );
    let helpers = r#"(data (i32.const 2048) "/sessions") (data (i32.const 2060) "/volumes/1") (data (i32.const 2080) "/sessions/1")"#;
    Hostile { driver, helpers, describe: describe.leak(), ..Hostile::default() }
}

#[tokio::test]
async fn a_login_that_could_change_a_server_is_not_loaded() {
    let open = async |hostile: Hostile| {
        let dir = tempfile::tempdir().unwrap();
        hostile.write(dir.path());
        let (plugins, problems) = Plugins::open_uncached(&settings(dir.path())).await.unwrap();
        assert_eq!(plugins.list().len() + problems.len(), 1);
        problems.into_iter().next().map(|problem| problem.to_string())
    };
    assert_eq!(open(Hostile { driver: true, ..Hostile::default() }).await, None);
    for logout in ["/volumes/1", "/sessions/1"] {
        let said = open(logs_in(true, logout)).await.unwrap();
        assert!(said.contains("drives controllers") && said.contains("`login-token`"), "{said}");
        assert!(said.contains("hint: a login passes no guard"), "{said}");
    }
    assert_eq!(open(logs_in(false, "/sessions/1")).await, None);
    let said = open(logs_in(false, "/volumes/1")).await.unwrap();
    assert!(said.contains("`/volumes/1` is not under its login `/sessions`"), "{said}");
}

#[tokio::test]
async fn a_missing_folder_is_a_problem() {
    let (plugins, problems) = Plugins::open_uncached(&settings("/nowhere".as_ref())).await.unwrap();
    assert!(plugins.list().is_empty());
    assert!(problems[0].to_string().contains("plugins.dir"));
}

#[tokio::test]
async fn a_flipped_byte_in_a_compiled_plugin_is_noticed() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Hostile::default().write(dir.path());
    let settings = settings(dir.path());
    let open = || async { Plugins::open(&settings, state.path(), None).await.unwrap().0.list().len() };
    assert_eq!(open().await, 1);
    let compiled = state.path().join("compiled");
    let file = std::fs::read_dir(&compiled).unwrap().next().unwrap().unwrap().path();
    let written = std::fs::read(&file).unwrap();
    let inode = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&file).unwrap());
    let first = inode();
    assert_eq!(open().await, 1);
    assert_eq!(inode(), first, "read, not compiled again");
    let mut bytes = written.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(open().await, 1);
    assert_eq!(std::fs::read(&file).unwrap(), written, "compiled again");
}

#[tokio::test]
async fn the_drivers_load_and_rank() {
    let Some(redfish) = plugin("redfish") else { return };
    let settings = settings(redfish.parent().unwrap());
    let (plugins, problems) = Plugins::open(&settings, env!("CARGO_TARGET_TMPDIR").as_ref(), None).await.unwrap();
    assert_eq!(problems, []);
    let root = serde_json::json!({ "Vendor": "HPE", "Product": "ProLiant DL360 Gen10 Plus", "Oem": { "Hpe": {} } });
    let ranked = plugins.candidates("94:40:c9:00:00:01".parse().ok(), None, Some(&root));
    assert_eq!(ranked.first().map(String::as_str), Some("hpe-ilo"), "{ranked:?}");
    assert_eq!(ranked.last().map(String::as_str), Some("redfish"), "{ranked:?}");
}
