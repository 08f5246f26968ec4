//! Firmware by the real drivers in the real engine, through the broker, on simulated controllers of every kind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod plugin_support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier::app::BusKv;
use farrier::bus::{self, SqliteBus};
use farrier::config::{Bmc, Plugins as Settings};
use farrier::egress::{Effect, Gate};
use farrier::fault::{Retry, Secret};
use farrier::plugin::wit::firmware::{Image as Wanted, Step};
use farrier::plugin::wit::jobs::JobState;
use farrier::plugin::wit::types::{Completion, Error, Job, ResetKind};
use farrier::plugin::{Broker, CallError, Driver, Images, Lend, Login, MemoryPins, Plugins, Target};
use farrier_lab::ledger::{Kind as Count, Ledger};
use farrier_lab::redfish::image::{Bad, Image};
use farrier_lab::redfish::{BmcConfig, BmcHandle, Kind, start};
use farrier_lab::rig::plugin;
use farrier_lifecycle::Action;

const NAME: &str = "LAB-SRV-001";
const ALL: [Kind; 5] = [Kind::HpeIlo5, Kind::HpeIlo6, Kind::DellIdrac9, Kind::SupermicroX13, Kind::Generic];

struct Bench {
    kind: Kind,
    driver: Driver,
    lend: Lend,
    bmc: BmcHandle,
    ledger: Ledger,
    folder: tempfile::TempDir,
}

impl Bench {
    /// A controller and its driver; `None`, said aloud, where the driver is not built.
    async fn new(kind: Kind) -> Option<Self> {
        Self::with(kind, Duration::from_millis(100)).await
    }

    /// The same with jobs that last so long.
    async fn with(kind: Kind, job: Duration) -> Option<Self> {
        let name = match kind {
            Kind::HpeIlo5 | Kind::HpeIlo6 => "hpe-ilo",
            Kind::DellIdrac9 => "dell-idrac",
            Kind::SupermicroX13 => "supermicro",
            Kind::Generic => "redfish",
        };
        let (file, folder) = (plugin(name)?, tempfile::tempdir().unwrap());
        std::fs::copy(file, folder.path().join(format!("{name}.wasm"))).unwrap();
        let settings = Settings { dir: folder.path().to_owned(), call_timeout_ms: 20_000, ..Settings::default() };
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware-compiled");
        let kept = Arc::new(SqliteBus::memory(&bus::Settings::default()).unwrap());
        let (plugins, problems) = Plugins::open(&settings, &cache, Some(Arc::new(BusKv(kept)))).await.unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let mut config = BmcConfig::new(NAME, kind);
        config.timing.job = job;
        let (username, password) = (config.username.clone(), Secret::new(config.password.as_str()));
        let ledger = Ledger::default();
        let bmc = start(config, ledger.clone(), None).await.unwrap();
        let driver = plugins.driver(name).unwrap();
        let numbers = Bmc { request_timeout_ms: 5_000, rate: 10_000, ..Bmc::default() };
        let broker = Broker::new(&numbers, Arc::new(MemoryPins::default())).unwrap();
        let target = Target {
            origin: bmc.url().parse().unwrap(),
            pin: NAME.to_owned(),
            auth: driver.plugin().info.auth[0].clone(),
            login: Some(Login { username, password }),
        };
        let server = Some("94:40:c9:00:00:01".parse().unwrap());
        let gate = Gate { server, ..Gate::detached(Effect::Act(Action::Firmware)) };
        let lend = Lend::new(broker.endpoint(&target).unwrap(), gate);
        Some(Self { kind, driver, lend, bmc, ledger, folder })
    }

    /// Put an image into the catalogue, and plan it.
    async fn plan(&mut self, image: &Image) -> Step {
        let ending = if self.kind == Kind::DellIdrac9 { "EXE" } else { "bin" };
        let path = self.folder.path().join(format!("{}_{}.{ending}", image.component, plain(&image.version)));
        let sha256 = image.write(&path, 300_000).unwrap();
        self.lend.images = Images::of([(sha256.clone(), path)]);
        let (component, version) = (image.component.clone(), image.version.clone());
        let catalogue = [Wanted { component, version, sha256, uri: String::new() }];
        let steps = self.driver.plan(&self.lend, &catalogue).await.unwrap();
        let [step] = steps.as_slice() else { panic!("{:?}: {steps:?}", self.kind) };
        step.clone()
    }

    async fn apply(&self, step: &Step) -> Result<Completion, CallError> {
        self.driver.apply(&self.lend, step).await
    }

    async fn start(&self, step: &Step) -> Job {
        match self.apply(step).await {
            Ok(Completion::Pending(job)) => job,
            other => panic!("{:?}: {other:?}", self.kind),
        }
    }

    /// Wait for the end of a job, also while the controller is away.
    async fn end(&self, job: &Job) -> Result<String, Error> {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            match self.driver.poll(&self.lend, job).await {
                Ok(JobState::Succeeded(text)) => return Ok(text),
                Ok(JobState::Failed(error)) => return Err(error),
                Err(error) if error.retry() == Retry::Never => panic!("{:?}: {error}", self.kind),
                Ok(JobState::Running(_)) | Err(_) => {}
            }
            assert!(Instant::now() < deadline, "{:?}: the job has no end: {job:?}", self.kind);
            tokio::task::yield_now().await;
        }
    }

    /// Apply, wait, and apply again while the vendor has a further phase; what the last job said.
    async fn bring(&self, step: &Step) -> Result<String, Error> {
        for _ in 0..3 {
            let job = self.start(step).await;
            let said = self.end(&job).await?;
            if !said.starts_with("verified") {
                return Ok(said);
            }
        }
        panic!("{:?}: the update has no end", self.kind)
    }

    /// Wait until the inventory shows a version, also while the controller is away.
    async fn shows(&self, component: &str, version: &str) {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            if let Ok(inventory) = self.driver.read_inventory(&self.lend).await
                && inventory.firmware.iter().any(|one| one.id == component && one.version == version)
            {
                return;
            }
            assert!(Instant::now() < deadline, "{:?}: {component} is not at {version}", self.kind);
            tokio::task::yield_now().await;
        }
    }

    fn flashed(&self) -> u64 {
        self.ledger.report().of(NAME, Count::Flashed)
    }

    fn violations(&self) -> Vec<String> {
        self.ledger.report().violations.into_iter().map(|violation| violation.text).collect()
    }
}

/// A version as part of a file's name.
fn plain(version: &str) -> String {
    version.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-")
}

fn bios(kind: Kind) -> Image {
    Image::new(
        "bios",
        match kind {
            Kind::HpeIlo5 => "U46 v2.40 (08/01/2025)",
            Kind::HpeIlo6 => "U54 v2.60 (08/01/2025)",
            Kind::DellIdrac9 => "1.14.2",
            Kind::SupermicroX13 => "1.5",
            Kind::Generic => "P79 v1.50",
        },
    )
}

fn bmc(kind: Kind) -> Image {
    Image::new(
        "bmc",
        match kind {
            Kind::HpeIlo5 => "3.12",
            Kind::HpeIlo6 => "1.70",
            Kind::DellIdrac9 => "7.20.10.00",
            Kind::SupermicroX13 => "11.02.03",
            Kind::Generic => "1.46",
        },
    )
}

#[tokio::test]
async fn a_bios_is_staged_once_and_becomes_current_at_the_next_boot() {
    for (kind, form) in ALL.map(|kind| (kind, true)).into_iter().chain([(Kind::Generic, false)]) {
        let Some(mut bench) = Bench::new(kind).await else { return };
        if kind == Kind::Generic {
            bench.bmc.offer_push(form);
        }
        let image = bios(kind);
        let step = bench.plan(&image).await;
        assert_eq!((step.reset_after, step.disruptive), (Some(ResetKind::Host), true));
        let said = bench.bring(&step).await.unwrap();
        assert!(said.starts_with("staged"), "{kind:?}: {said}");
        let inventory = bench.driver.read_inventory(&bench.lend).await.unwrap();
        assert!(inventory.firmware.iter().all(|one| one.version != image.version), "{kind:?}: not before a boot");
        bench.bmc.power_on_by_hand();
        bench.shows("bios", &image.version).await;
        assert!(matches!(bench.apply(&step).await, Ok(Completion::Done)), "{kind:?}");
        assert_eq!((bench.flashed(), bench.violations()), (1, vec![]), "{kind:?}");
    }
}

#[tokio::test]
async fn a_controller_is_followed_over_its_restart() {
    for kind in ALL {
        let Some(mut bench) = Bench::new(kind).await else { return };
        if kind == Kind::Generic {
            bench.bmc.offer_push(true);
        }
        let image = bmc(kind);
        let step = bench.plan(&image).await;
        assert_eq!((step.reset_after, step.disruptive), (None, false), "it restarts by itself");
        let said = bench.bring(&step).await.unwrap();
        assert!(said.starts_with("at ") || said.starts_with("written"), "{kind:?}: {said}");
        bench.shows("bmc", &image.version).await;
        assert_eq!((bench.flashed(), bench.violations()), (1, vec![]), "{kind:?}");
    }
}

#[tokio::test]
async fn an_image_that_fails_its_verification_is_not_written() {
    for kind in ALL {
        let Some(mut bench) = Bench::new(kind).await else { return };
        if kind == Kind::Generic {
            bench.bmc.offer_push(true);
        }
        let step = bench.plan(&bios(kind).bad(Bad::Verify)).await;
        let error = bench.bring(&step).await.unwrap_err();
        assert!(matches!(error, Error::Rejected(_)), "{kind:?}: {error:?}");
        assert_eq!((bench.flashed(), bench.violations()), (0, vec![]), "{kind:?}");
    }
}

#[tokio::test]
async fn an_image_that_does_not_boot_shows_in_version_and_health() {
    let Some(mut bench) = Bench::new(Kind::HpeIlo5).await else { return };
    let step = bench.plan(&bios(Kind::HpeIlo5).bad(Bad::Boot)).await;
    bench.bring(&step).await.unwrap();
    bench.bmc.power_on_by_hand();
    let health = || bench.bmc.resource("/redfish/v1/Systems/1").unwrap()["Status"]["Health"].clone();
    assert_eq!(health(), "Critical");
    // Asked again after it was told how that ended, the driver writes it again.
    assert!(bench.bring(&step).await.unwrap().starts_with("staged"));
    assert_eq!(bench.flashed(), 2);
}

#[tokio::test]
async fn one_update_at_a_time_and_the_same_one_is_carried_on() {
    for kind in ALL {
        let Some(mut bench) = Bench::with(kind, Duration::from_secs(3)).await else { return };
        if kind == Kind::Generic {
            bench.bmc.offer_push(true);
        }
        let step = bench.plan(&bmc(kind)).await;
        let job = bench.start(&step).await;
        let again = bench.start(&step).await;
        assert_eq!(job.id, again.id, "{kind:?}: the same image is not sent twice");
        let other = bench.plan(&bios(kind)).await;
        let error = bench.apply(&other).await.unwrap_err();
        assert!(matches!(&error, CallError::Plugin(Error::Busy(_))), "{kind:?}: {error:?}");
        assert_eq!((bench.flashed(), bench.violations()), (0, vec![]), "{kind:?}");
    }
}

#[tokio::test]
async fn a_controller_stuck_in_its_update_mode_says_what_helps() {
    let Some(mut bench) = Bench::new(Kind::SupermicroX13).await else { return };
    let step = bench.plan(&bmc(Kind::SupermicroX13)).await;
    let job = bench.start(&step).await;
    assert!(bench.end(&job).await.unwrap().starts_with("verified"));
    let other = bench.plan(&bios(Kind::SupermicroX13)).await;
    let Err(CallError::Plugin(Error::Rejected(remote))) = bench.apply(&other).await else { panic!("not refused") };
    assert!(remote.code.unwrap().ends_with("OemFirmwareAlreadyInUpdateMode"));
    assert!(remote.resolution.unwrap().contains("cold"));
    assert_eq!(bench.flashed(), 0);
}

#[tokio::test]
async fn nothing_older_than_a_component_supports_is_sent() {
    let Some(mut bench) = Bench::new(Kind::HpeIlo6).await else { return };
    bench.bmc.set_lowest_version("2", "U54 v2.50 (01/01/2025)");
    let step = bench.plan(&Image::new("bios", "U54 v2.48 (01/01/2024)")).await;
    let Err(CallError::Plugin(Error::Rejected(remote))) = bench.apply(&step).await else { panic!("not refused") };
    assert_eq!(remote.code.as_deref(), Some("LowestSupportedVersion"));
    assert_eq!((bench.flashed(), bench.bmc.state().writes), (0, 0));
}

#[tokio::test]
async fn a_controller_that_takes_no_image_fetches_it_from_the_host() {
    let Some(mut bench) = Bench::new(Kind::Generic).await else { return };
    let image = bios(Kind::Generic);
    let mut step = bench.plan(&image).await;
    let error = bench.apply(&step).await.unwrap_err();
    assert!(matches!(&error, CallError::Plugin(Error::Unsupported(_))), "{error:?}");
    let file = bench.lend.images.get(&step.image.sha256).unwrap().to_owned();
    let server = plugin_support::server::Server::start(move |_| {
        plugin_support::server::Reply::text(std::fs::read(&file).unwrap())
    })
    .await;
    step.image.uri = server.origin.join("/firmware/token/bios.bin").unwrap().to_string();
    assert!(bench.bring(&step).await.unwrap().starts_with("staged"));
    assert_eq!(server.lines(), ["GET /firmware/token/bios.bin"]);
    bench.bmc.power_on_by_hand();
    bench.shows("bios", &image.version).await;
    assert_eq!((bench.flashed(), bench.violations()), (1, vec![]));
}
