//! The dashboard in headless Chromium, against the real host and the lab's estate: the files of `tests/browser`.
//!
//! Promises that what the pages show comes from a running pipeline. It needs node, Chromium and the modules that `cargo xtask test`
//! installs; pictures go to `target/screenshots`, and with `FARRIER_UPDATE_IMAGES=1` the guides' own to `docs/images`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farrier_lab::estate::{DEFAULT_BASE, Estate, Fault, Server};
use farrier_lab::rig::{Rig, RigConfig, free_port, skip};
use serde_json::{Value, json};

/// Until every server that has a lease is ready or failed.
const PATIENCE: Duration = Duration::from_mins(4);
/// Servers whose leases a test brings.
const SPARES: usize = 3;
/// Pictures of the guides, by the name of the screenshot.
const IMAGES: [(&str, &str); 8] = [
    ("board-desktop-light", "board"),
    ("server-cabling", "server-cabling"),
    ("server-hold", "confirm"),
    ("racks-desktop-light", "racks"),
    ("orders-approval", "orders"),
    ("label-desktop-light", "labels"),
    ("work-cabling-phone", "work"),
    ("work-passed-phone", "work-passed"),
];

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|file| file.is_file())
}

fn target() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap().to_path_buf()
}

/// What the tests run with, or what is missing.
fn programs() -> Result<(PathBuf, PathBuf, PathBuf), &'static str> {
    let node = on_path(&["node", "nodejs"]).ok_or("no node on PATH")?;
    let browser = on_path(&["chromium", "chromium-browser", "google-chrome"]).ok_or("no chromium on PATH")?;
    let given = std::env::var_os("FARRIER_NODE_MODULES").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../browser");
    let modules = given.into_iter().chain([target().join("browser"), here]);
    let modules = modules.into_iter().find(|folder| folder.join("node_modules/playwright-core/package.json").is_file());
    Ok((
        node,
        browser,
        modules.ok_or("no playwright-core; `cargo xtask test` installs it, or npm ci in tests/browser")?,
    ))
}

/// Servers by what the tests do with them: one site's first three have a fault each, the others are sound.
struct Cast {
    estate: Estate,
    site: String,
    faulty: [String; 3],
    ready: Vec<String>,
    spares: Vec<String>,
}

fn cast() -> Cast {
    let mut estate = Estate::sound(7, 24, DEFAULT_BASE);
    let mut sites: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, server) in estate.servers.iter().enumerate() {
        sites.entry(server.site.clone()).or_default().push(index);
    }
    let groups: Vec<(String, Vec<usize>)> = sites.into_iter().filter(|(_, all)| all.len() >= 4).collect();
    let [(site, first), (_, second), (_, third), ..] = groups.as_slice() else { panic!("an estate of three sites") };
    let faults = [Fault::CableSwapped, Fault::IdentityMismatch, Fault::ControlNotApplied];
    let faulty = std::array::from_fn(|at| {
        let server = &mut estate.servers[first[at]];
        faults[at].plant(server);
        server.name.clone()
    });
    let names =
        |all: &[usize], count| all.iter().take(count).map(|index| estate.servers[*index].name.clone()).collect();
    let (ready, spares) = (names(second, 2), names(third, SPARES));
    Cast { site: site.clone(), faulty, ready, spares, estate }
}

fn over(port: u16) -> toml::Table {
    let text = format!(
        "[api]\nlisten = \"127.0.0.1:{port}\"\nrate = 1000\n[orders]\napprove = {{ over = 1 }}\n\
         [monitor]\ninterval_ms = 5_000\ninventory_every = 2\n"
    );
    toml::from_str(&text).unwrap()
}

async fn output(rig: &Rig, arguments: &[&str]) -> Value {
    let text = rig.host.farrier(arguments).await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

/// A secret for each role; the technician's is for one site, the tenant's for one tenant.
async fn tokens(rig: &Rig, site: &str) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::new();
    for role in ["viewer", "technician", "operator", "approver", "admin", "tenant"] {
        let mut arguments = vec!["token", "create", "--name", role, "--role", role, "--output", "json"];
        match role {
            "technician" => arguments.extend(["--site", site]),
            "tenant" => arguments.extend(["--tenant", "acme"]),
            _ => {}
        }
        all.insert(role, output(rig, &arguments).await["secret"].as_str().unwrap().to_owned());
    }
    all
}

fn known(server: &Server) -> Value {
    json!({ "name": server.name, "id": server.bmc.mac.replace(':', ""), "serial": server.serial })
}

/// Start the host, hand out leases but for the spares', and wait for the end of it.
async fn estate_at_rest(cast: &Cast, port: u16) -> Rig {
    let config = RigConfig { over: over(port), ..farrier_e2e::config(cast.estate.clone()) };
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    let leased: Vec<&Server> =
        cast.estate.servers.iter().filter(|server| !cast.spares.contains(&server.name)).collect();
    let names: Vec<String> = leased.iter().map(|server| server.name.clone()).collect();
    rig.lab.lease(&names, 0).await.unwrap();
    let settled = |rows: &[farrier_lab::rig::ServerRow]| {
        leased.iter().all(|server| rows.iter().any(|row| row.is_of(server) && row.at_rest()))
    };
    rig.host.wait(PATIENCE, settled).await.unwrap();
    rig
}

async fn world(rig: &Rig, cast: &Cast, port: u16, browser: &Path, modules: &Path) -> Value {
    let server = |name: &String| cast.estate.server(name).unwrap();
    let [swapped, foreign, lying] = &cast.faulty;
    let nics: Vec<&str> =
        server(swapped).nics.iter().filter(|nic| nic.plugged.is_some()).map(|nic| nic.name.as_str()).collect();
    let link = output(rig, &["sign-in", "--output", "json"]).await["url"].as_str().unwrap().to_owned();
    json!({
        "url": format!("http://127.0.0.1:{port}"),
        "lab": rig.lab.control_url(),
        "link": link,
        "tokens": tokens(rig, &cast.site).await,
        "site": cast.site,
        "swapped": { "name": swapped, "nics": nics },
        "foreign": known(server(foreign)),
        "lying": known(server(lying)),
        "ready": cast.ready,
        "order_site": server(&cast.spares[0]).site,
        "spares": cast.spares.iter().map(|name| known(server(name))).collect::<Vec<_>>(),
        "browser": browser,
        "modules": modules,
        "folder": rig.folder(),
        "screenshots": target().join("screenshots"),
    })
}

fn update_images() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images");
    std::fs::create_dir_all(&folder).unwrap();
    for (shot, image) in IMAGES {
        let from = target().join("screenshots").join(format!("{shot}.png"));
        std::fs::copy(&from, folder.join(format!("{image}.png")))
            .unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_in_a_browser() {
    let (node, browser, modules) = match programs() {
        Ok(programs) => programs,
        Err(missing) => return skip(missing),
    };
    let (cast, port) = (cast(), free_port().unwrap());
    let rig = estate_at_rest(&cast, port).await;
    let file = rig.folder().join("world.json");
    std::fs::write(&file, world(&rig, &cast, port, &browser, &modules).await.to_string()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../browser");
    let mut tests: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    tests.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    tests.sort();
    let mut command = tokio::process::Command::new(node);
    command.args(["--test", "--test-concurrency=1", "--test-reporter=spec", "--test-timeout=900000"]).args(&tests);
    let output = command.env("FARRIER_WORLD", &file).env("NO_COLOR", "1").kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}\nhost:\n{}", String::from_utf8_lossy(&output.stderr), rig.host.tail());
    println!("{said}");
    if std::env::var_os("FARRIER_UPDATE_IMAGES").is_some() {
        update_images();
    }
}
