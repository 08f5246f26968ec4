//! The image and its containers, with buildah and podman alone: no daemon, no registry.
//!
//! Promises that the Dockerfile's own last stage is built, on a Debian made by debootstrap, around the program that is
//! under test. Both are kept under `target/container`. It builds no program: a release build takes longer than everything else.
//!
//! Not obvious: the flags of podman are those that work in a machine without systemd and without `CAP_SYS_RESOURCE`.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// The user the image names.
pub const USER: u32 = 10_001;

const IMAGE: &str = "localhost/farrier-e2e";
const BASE: &str = "localhost/farrier-e2e-base";

/// Why no image can be built here.
pub fn missing() -> Option<String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Some("not root".to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = |program: &&&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let lacking = ["buildah", "podman", "runc", "debootstrap"];
    lacking.iter().find(|program| !here(program)).map(|program| format!("no {program} on PATH"))
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let status = output.status;
    ensure!(status.success(), "{command:?} ended with {status}:\n{}\n{}", said(&output.stdout), said(&output.stderr));
    Ok(said(&output.stdout))
}

/// Where images, containers and the Debian root are kept.
pub struct Images {
    folder: PathBuf,
}

impl Images {
    /// Build the image of the repository at `root` around this program and these drivers.
    ///
    /// # Errors
    /// What debootstrap or buildah said.
    pub fn build(root: &Path, target: &Path, farrier: &Path, plugins: &Path) -> anyhow::Result<Self> {
        let images = Self { folder: target.join("container") };
        std::fs::create_dir_all(&images.folder).with_context(|| format!("making {}", images.folder.display()))?;
        images.base()?;
        let built = images.folder.join("build");
        lay_out(&built, farrier, plugins)?;
        let mut bud =
            images.buildah(&["bud", "--isolation", "chroot", "--format", "docker", "--no-cache", "--tag", IMAGE]);
        bud.arg("--build-context").arg(format!("build={}", built.display()));
        bud.arg("--build-arg").arg(format!("BASE={BASE}")).arg("--file").arg(root.join("Dockerfile")).arg(root);
        run(&mut bud)?;
        // The image that had the name before; one that is in use stays, and that is no failure.
        let _ = run(&mut images.buildah(&["rmi", "--prune"]));
        Ok(images)
    }

    /// The base, once: debootstrap downloads 60 MB.
    fn base(&self) -> anyhow::Result<()> {
        if run(&mut self.buildah(&["images", "--quiet", BASE])).is_ok_and(|id| !id.is_empty()) {
            return Ok(());
        }
        let tree = self.folder.join("root");
        // Left half-way by a run that was killed.
        let _ = std::fs::remove_dir_all(&tree);
        // Without one, debootstrap takes the mirror of its own script for the suite.
        let mirror = std::env::var("FARRIER_DEBIAN_MIRROR").ok();
        run(Command::new("debootstrap").args(["--variant=minbase", &suite()]).arg(&tree).args(mirror))?;
        let file = self.folder.join("base.Dockerfile");
        std::fs::write(&file, "FROM scratch\nCOPY . /\n").with_context(|| format!("writing {}", file.display()))?;
        let mut bud = self.buildah(&["bud", "--isolation", "chroot", "--tag", BASE, "--file"]);
        run(bud.arg(&file).arg(&tree))?;
        std::fs::remove_dir_all(&tree).with_context(|| format!("removing {}", tree.display()))
    }

    fn with_store(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("--root").arg(self.folder.join("storage")).arg("--runroot").arg(self.folder.join("run"));
        command.args(["--storage-driver", "overlay"]).args(arguments);
        command
    }

    fn buildah(&self, arguments: &[&str]) -> Command {
        self.with_store("buildah", arguments)
    }

    fn podman(&self, arguments: &[&str]) -> Command {
        let mut command = self.with_store("podman", &["--cgroup-manager", "cgroupfs", "--runtime", "runc"]);
        command.args(arguments);
        command
    }

    /// Run what the image runs by itself, with this configuration, in a container that may write to `shared` alone, under
    /// its own path.
    ///
    /// # Errors
    /// When podman cannot be started, or the log not be written.
    pub fn start(&self, shared: &Path, config: &Path, log: &Path) -> anyhow::Result<Container<'_>> {
        let name = format!("farrier-e2e-{}", std::process::id());
        let mut podman =
            self.podman(&["run", "--rm", "--name", &name, "--network=host", "--read-only", "--cap-drop=all"]);
        podman.args(["--security-opt=no-new-privileges", "--ulimit=nofile=1024:4096", "--ulimit=nproc=1024:2048"]);
        podman.arg("--volume").arg(format!("{0}:{0}", shared.display()));
        podman.arg("--env").arg(format!("FARRIER_CONFIG={}", config.display())).arg(IMAGE);
        let out = std::fs::OpenOptions::new().create(true).append(true).open(log);
        let out = out.with_context(|| format!("opening {}", log.display()))?;
        podman.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let child = podman.spawn().context("starting podman")?;
        Ok(Container { images: self, name, child, log: log.to_owned() })
    }
}

/// The Debian of this machine, whose libraries the program was linked with.
fn suite() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| release.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
    let debian = value("ID=").is_some_and(|id| id == "debian");
    value("VERSION_CODENAME=").filter(|_| debian).unwrap_or_else(|| "bookworm".to_owned())
}

/// What the Dockerfile's first stage leaves in `/out`.
fn lay_out(folder: &Path, farrier: &Path, plugins: &Path) -> anyhow::Result<()> {
    let _ = std::fs::remove_dir_all(folder);
    let (bin, drivers) = (folder.join("out/usr/bin"), folder.join("out/usr/lib/farrier/plugins"));
    for made in [&bin, &drivers, &folder.join("out/state"), &folder.join("out/spool")] {
        std::fs::create_dir_all(made).with_context(|| format!("making {}", made.display()))?;
    }
    std::fs::copy(farrier, bin.join("farrier")).with_context(|| format!("copying {}", farrier.display()))?;
    for entry in std::fs::read_dir(plugins).with_context(|| format!("reading {}", plugins.display()))? {
        let file = entry?.path();
        if let Some(name) = file.file_name().filter(|_| file.extension().is_some_and(|extension| extension == "wasm")) {
            std::fs::copy(&file, drivers.join(name)).with_context(|| format!("copying {}", file.display()))?;
        }
    }
    Ok(())
}

/// A container in the foreground of a podman of ours.
pub struct Container<'i> {
    images: &'i Images,
    name: String,
    child: Child,
    log: PathBuf,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = run(&mut self.images.podman(&["rm", "--force", "--time", "0", &self.name]));
            let _ = self.child.wait();
        }
    }
}

impl Container<'_> {
    /// What it has printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Is it still there?
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Run the image's own HEALTHCHECK once.
    ///
    /// # Errors
    /// When it says unhealthy.
    pub fn healthy(&self) -> anyhow::Result<()> {
        run(&mut self.images.podman(&["healthcheck", "run", &self.name])).map(drop)
    }

    /// SIGTERM to the first process, and its exit status within `patience`.
    ///
    /// # Errors
    /// When it runs on.
    pub fn stop(mut self, patience: Duration) -> anyhow::Result<(ExitStatus, Duration)> {
        let started = Instant::now();
        run(&mut self.images.podman(&["kill", "--signal", "TERM", &self.name]))?;
        while started.elapsed() < patience {
            if let Some(status) = self.child.try_wait().context("waiting for podman")? {
                return Ok((status, started.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the container runs on {patience:?} after SIGTERM:\n{}", self.log())
    }
}
