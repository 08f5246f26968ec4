//! A host and a lab in namespaces of their own, as programs.
//!
//! Promises that the host reaches controllers, and servers the host, by routes over wires and nothing else: there is no shared
//! loopback. The parts of the estate that a test plays by itself (a DHCP client, a collector) are left out of the lab by the test.

#![allow(dead_code, reason = "shared by test programs that each use a part")]

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::Context as _;
use farrier_e2e::netns::{Daemon, Space, until};
use farrier_lab::estate::Estate;
use farrier_lab::rig::{Credential, Feed, HostFile, Programs, ServerRow};

/// From a lease to `ready` takes about three seconds; a loaded machine is given more.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Where the lab's control API listens, in its own namespace.
const CONTROL: &str = "127.0.0.1:18080";
const HTTP_PORT: u16 = 8080;

/// Let a namespace pass on what is not for itself.
pub fn route(space: &Space) -> anyhow::Result<()> {
    let status = space.command("sh").args(["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]).status()?;
    anyhow::ensure!(status.success(), "forwarding in a namespace: {status}");
    Ok(())
}

/// Nothing more happens to the server by itself.
pub fn at_rest(row: &ServerRow) -> bool {
    matches!(row.text("status"), Some("resting" | "failed"))
}

/// A running host.
pub struct Provisioner {
    daemon: Option<Daemon>,
    space: Space,
    program: PathBuf,
    folder: PathBuf,
    url: String,
}

impl Provisioner {
    /// `farrier serve` in `space`, listening on `address`, with the estate's plan as its inventory and the store at `bus` (none: its
    /// own). Its files are in `folder`.
    pub fn start(
        space: &Space,
        folder: PathBuf,
        address: &str,
        estate: &Estate,
        bus: Option<String>,
    ) -> anyhow::Result<Self> {
        let programs = Programs::find()?;
        let at = |name: &str| folder.join(name);
        std::fs::create_dir_all(at("spool"))?;
        std::fs::write(at("inventory.toml"), estate.inventory_toml()?)?;
        let url = format!("http://{address}:{HTTP_PORT}");
        let mut http = toml::Table::new();
        http.insert("listen".to_owned(), format!("{address}:{HTTP_PORT}").into());
        http.insert("public_url".to_owned(), url.clone().into());
        let file = HostFile {
            state_dir: at("state"),
            bus,
            spool_dir: at("spool"),
            plugins: programs.plugins,
            bmc_port: 443,
            credentials: logins(estate, &folder)?,
            http_port: HTTP_PORT,
            feed: Feed::File(at("inventory.toml")),
            playbook: None,
            over: toml::Table::from_iter([("http".to_owned(), http.into())]),
        };
        std::fs::write(at("farrier.toml"), file.text()?)?;
        let mut command = space.command(&programs.farrier);
        command.arg("serve").arg("--config").arg(at("farrier.toml"));
        let daemon = Daemon::start(command, &at("host.log"))?;
        let host = Self { daemon: Some(daemon), space: space.clone(), program: programs.farrier, folder, url };
        // The command line would look into the store by itself where no host answers.
        let socket = host.folder.join("state/farrier.sock");
        until("the host answers", PATIENCE, || UnixStream::connect(&socket).ok()).with_context(|| host.log())?;
        Ok(host)
    }

    /// `http.public_url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything it said.
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Daemon::log).unwrap_or_default()
    }

    /// `farrier ARGUMENTS`, as an operator on its machine.
    pub fn farrier(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = self.space.command(&self.program);
        command.args(arguments).arg("--config").arg(self.folder.join("farrier.toml"));
        Ok(command.output()?)
    }

    /// `farrier server list`.
    pub fn rows(&self) -> anyhow::Result<Vec<ServerRow>> {
        let output = self.farrier(&["server", "list", "--output", "json"])?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The one server there is, when it is as wanted.
    pub fn wait(&self, what: &str, wanted: impl Fn(&ServerRow) -> bool) -> anyhow::Result<ServerRow> {
        let found = until(what, PATIENCE, || self.rows().ok()?.into_iter().find(&wanted));
        let bus = || self.farrier(&["bus", "dead"]).map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        found.with_context(|| format!("{:?}\ndead: {:?}\n{}", self.rows(), bus(), self.log()))
    }
}

fn logins(estate: &Estate, folder: &Path) -> anyhow::Result<Vec<Credential>> {
    let server = estate.servers.first().context("an estate with a server")?;
    let password_file = folder.join("password");
    std::fs::write(&password_file, &server.bmc.password)?;
    Ok(vec![Credential { matches: "*".to_owned(), username: server.bmc.username.clone(), password_file }])
}

/// The estate's controllers, on port 443 of their addresses in `space`. Without a `boot_url`, servers find no boot server: whoever
/// wants a report must send it.
pub fn lab(space: &Space, folder: &Path, estate: &Estate, boot_url: Option<&str>) -> anyhow::Result<Daemon> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("farrier-lab"));
    let program = std::env::var_os("FARRIER_LAB_BIN").map(PathBuf::from).or_else(beside);
    let program = program.filter(|program| program.is_file());
    let program =
        program.context("no `farrier-lab`; run `cargo build -p farrier-lab`, or name it in FARRIER_LAB_BIN")?;
    let file = folder.join("estate.toml");
    std::fs::write(&file, estate.to_toml()?)?;
    let mut command = space.command(program);
    command.args(["estate", "--bmc-port", "443", "--control", CONTROL, "--file"]).arg(file);
    command.args(boot_url.iter().flat_map(|url| ["--boot-url", *url]));
    let daemon = Daemon::start(command, &folder.join("lab.log"))?;
    let ready = || daemon.log().contains("control API").then_some(());
    until("the lab stands", PATIENCE, ready).with_context(|| daemon.log())?;
    Ok(daemon)
}
