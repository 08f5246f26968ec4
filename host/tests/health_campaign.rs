//! Faults planted in simulated controllers of every vendor, seen through the drivers in the real engine, judged under a stepped clock, and
//! brought to a strict simulated Jira: each becomes one ticket with the right cause, and closes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod service_support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier::bus::{Bus, Commit, Committed, Settings, SqliteBus};
use farrier::config::{Bmc, Config, Credential, Health, Tickets};
use farrier::health::{Sample, Watch, load};
use farrier::inventory::{FileInventory, Lag};
use farrier::monitor::{DriverEyes, Eyes as _, Looked, Wanted};
use farrier::plugin::{Broker, MemoryPins, Plugins};
use farrier::stage::{Foreign, NotALease, Parts, ProgressBoard};
use farrier::ticket::{Cases, Desk, ServiceTracker};
use farrier_lab::estate::{Estate, Vendor};
use farrier_lab::jira::{self, Faults, Flavour, JiraConfig, JiraHandle};
use farrier_lab::ledger::Ledger;
use farrier_lab::redfish::{Broken, Logged};
use farrier_lab::rig::{free_port, plugin};
use farrier_lab::run::{Lab, LabConfig};
use farrier_lifecycle::{Facts, Fault, JournalEntry, Lease, LifecycleState, Policy, Server, Stage, Status, Timestamp};
use service_support::{Engine, PACE};

const SERVERS: usize = 30;
/// Between two looks at one server, milliseconds.
const INTERVAL: u64 = 30_000;
/// Each how many looks the parts are read.
const INVENTORY: u64 = 3;
/// Looks within two minutes.
const DEADLINE: usize = 4;
const DRIVERS: [&str; 4] = ["hpe-ilo", "dell-idrac", "supermicro", "redfish"];

/// One server as the monitor sees it.
struct Watched {
    server: Server,
    looks: u64,
    cursor: Option<String>,
}

struct Campaign {
    lab: Lab,
    lab_ledger: Ledger,
    jira: JiraHandle,
    jira_ledger: Ledger,
    engine: Engine,
    inventory: Arc<FileInventory>,
    bus: Arc<dyn Bus>,
    eyes: Arc<DriverEyes>,
    watch: Watch,
    desk: Desk,
    servers: Vec<Watched>,
    at: u64,
    /// Name and code of what must be open now.
    expected: BTreeSet<(String, String)>,
}

/// What is planted, and what it must be called.
enum Plant {
    Part(Broken, &'static str),
    Log(Logged, usize, &'static str),
}

/// All kinds, two for each of six servers.
fn plants(server: usize) -> [Plant; 2] {
    use Plant::{Log, Part};
    match server % 6 {
        0 => [Part(Broken::Temperature, "temperature-critical"), Part(Broken::Fan { number: 2 }, "fan-failed")],
        1 => [
            Part(Broken::Supply { number: 1 }, "power-supply-failed"),
            Part(Broken::Drive { number: 1 }, "drive-failing"),
        ],
        2 => [Part(Broken::Worn { number: 2 }, "drive-worn"), Part(Broken::Link { number: 1 }, "link-down")],
        3 => [Log(Logged::MemoryCorrected, 12, "memory-errors"), Log(Logged::MemoryFailed, 1, "memory-failed")],
        4 => [Log(Logged::MachineCheck, 1, "processor-failed"), Log(Logged::Watchdog, 3, "server-crash-loop")],
        _ => [Log(Logged::ControllerReset, 3, "controller-resets"), Log(Logged::ChassisOpen, 1, "chassis-open")],
    }
}

/// The estate, with some servers that keep to the standard alone.
fn estate() -> Estate {
    let mut estate = Estate::sound(7, SERVERS, "127.77.0.0".parse().unwrap());
    for index in [7, 14, 21, 28] {
        let server = &mut estate.servers[index];
        (server.vendor, server.model) = (Vendor::Generic, "3500RX".to_owned());
        "admin".clone_into(&mut server.bmc.username);
        "a-lab-password".clone_into(&mut server.bmc.password);
    }
    estate
}

/// The drivers, copied to a folder of their own; `None`, said aloud, where one is not built.
fn drivers(folder: &Path) -> Option<PathBuf> {
    let dir = folder.join("drivers");
    std::fs::create_dir(&dir).unwrap();
    for name in DRIVERS {
        std::fs::copy(plugin(name)?, dir.join(format!("{name}.wasm"))).unwrap();
    }
    Some(dir)
}

fn record(server: &farrier_lab::estate::Server) -> Server {
    let lease = Lease {
        mac: server.bmc.mac.parse().unwrap(),
        ip: server.bmc.address.into(),
        hostname: None,
        vendor_class: None,
        at: Timestamp(1_700_000_000_000),
        source: "test".to_owned(),
    };
    let driver = match server.vendor {
        Vendor::Hpe => "hpe-ilo",
        Vendor::Dell => "dell-idrac",
        Vendor::Supermicro => "supermicro",
        Vendor::Generic => "redfish",
    };
    let facts = Facts {
        name: Some(server.name.clone()),
        site: Some(server.site.clone()),
        rack: Some(server.rack.clone()),
        unit: Some(server.unit.into()),
        serial: Some(server.serial.clone()),
        driver: Some(driver.to_owned()),
        ..Facts::default()
    };
    let (stage, status, tenant) = (Stage::Service, Status::Resting, Some("blue".to_owned()));
    Server { stage, status, tenant, facts, version: 1, entered: 1, attempt: 1, ..Server::unseen(lease) }
}

async fn commit(bus: &dyn Bus, server: &Server) {
    let journal = JournalEntry {
        transition: format!("{}:1", server.id),
        server: server.id.clone(),
        name: server.label().to_owned(),
        version: 1,
        at: server.since,
        event: "test".to_owned(),
        from: LifecycleState::Ready,
        to: LifecycleState::Active,
        stage: server.stage,
        status: "resting".to_owned(),
        since: server.since,
        note: None,
        fault: None,
    };
    let (server, publish) = (server.clone(), None);
    let commit = Commit { expected: 0, server, publish, journal, fence: None, ack: false, ack_foreign: None };
    assert_eq!(bus.commit(&commit).await.unwrap(), Committed::Done);
}

async fn parts(
    bus: Arc<dyn Bus>,
    inventory: Arc<FileInventory>,
    folder: &Path,
    dir: PathBuf,
    estate: &Estate,
    port: u16,
) -> Parts {
    let mut config = Config { state_dir: folder.to_owned(), ..Config::default() };
    config.plugins.dir = dir;
    let mut seen = BTreeSet::new();
    for server in estate.servers.iter().filter(|server| seen.insert(server.vendor.driver())) {
        let file = folder.join(server.vendor.driver());
        std::fs::write(&file, &server.bmc.password).unwrap();
        config.bmc.credentials.push(Credential {
            matches: server.vendor.driver().to_owned(),
            site: None,
            username: server.bmc.username.clone(),
            password_file: Some(file),
            password_env: None,
        });
    }
    config.bmc = Bmc { port, rate: 10_000, ..config.bmc };
    let cache: &Path = env!("CARGO_TARGET_TMPDIR").as_ref();
    let (plugins, problems) = Plugins::open(&config.plugins, cache, None).await.unwrap();
    assert_eq!(problems, []);
    Parts {
        broker: Broker::new(&config.bmc, Arc::new(MemoryPins::default())).unwrap(),
        policy: Policy::default(),
        foreign: Foreign(Box::new(|_| Err(NotALease::Ignored("none is taken here".to_owned())))),
        config: Arc::new(config),
        bus,
        inventory,
        catalogue: Arc::default(),
        plugins,
        ansible: None,
        observe: false,
        progress: ProgressBoard::default(),
        projector: tokio::sync::watch::channel(Lag::default()).1,
    }
}

impl Campaign {
    async fn new() -> Option<Self> {
        let bus: Arc<dyn Bus> = Arc::new(SqliteBus::memory(&Settings::default()).unwrap());
        let engine = Engine::new("jira", bus.clone()).await?;
        let folder = engine.folder.path();
        let dir = drivers(folder)?;
        let (estate, port) = (estate(), free_port().unwrap());
        let file = folder.join("estate.toml");
        std::fs::write(&file, estate.inventory_toml().unwrap()).unwrap();
        let inventory = Arc::new(FileInventory::open(&file).unwrap());
        let parts = Arc::new(parts(bus.clone(), inventory.clone(), folder, dir, &estate, port).await);
        let (lab_ledger, jira_ledger) = (Ledger::default(), Ledger::default());
        let lab = Lab::start_with(LabConfig::new(estate.clone(), port), lab_ledger.clone()).await.unwrap();
        let jira = jira::start(JiraConfig::new(Flavour::Cloud), jira_ledger.clone()).await.unwrap();
        let mut servers = Vec::new();
        for server in estate.servers.iter().map(record) {
            commit(&*bus, &server).await;
            servers.push(Watched { server, looks: 0, cursor: None });
        }
        let desk = Self::desk(&engine, &jira, &bus, &inventory);
        let watch = Self::watch(&bus);
        let eyes = Arc::new(DriverEyes::new(parts, Duration::from_mins(1)));
        let (at, expected) = (farrier::egress::now().0, BTreeSet::new());
        Some(Self {
            lab,
            lab_ledger,
            jira,
            jira_ledger,
            engine,
            inventory,
            bus,
            eyes,
            watch,
            desk,
            servers,
            at,
            expected,
        })
    }

    fn watch(bus: &Arc<dyn Bus>) -> Watch {
        let settings = Health::default();
        Watch::new(bus.clone(), load(&settings).unwrap(), &settings, true)
    }

    fn desk(engine: &Engine, jira: &JiraHandle, bus: &Arc<dyn Bus>, inventory: &Arc<FileInventory>) -> Desk {
        let login = JiraConfig::new(Flavour::Cloud);
        let mut service = engine.config(&jira.url(), Some(&login.user), &login.token);
        service.settings.insert("project".to_owned(), "DC".to_owned());
        let tracker = ServiceTracker::new(engine.service(&service, "ticketing"), engine.broker.clone());
        let settings = Tickets { service, link: None, after_ms: 0, labels: vec!["farrier".to_owned()] };
        Desk::new(bus.clone(), inventory.clone(), Arc::new(tracker), settings, PACE)
    }

    /// A host that starts anew, with nothing but the store.
    fn restart(&mut self) {
        self.watch = Self::watch(&self.bus);
        self.desk = Self::desk(&self.engine, &self.jira, &self.bus, &self.inventory);
    }

    /// Look at each of these once, spread over an interval, and let the clock go on.
    async fn round(&mut self, which: &[usize]) {
        let mut looks = tokio::task::JoinSet::new();
        for index in which.iter().copied() {
            let one = &mut self.servers[index];
            let wanted = Wanted { cursor: one.cursor.clone(), inventory: one.looks.is_multiple_of(INVENTORY) };
            one.looks += 1;
            let (eyes, server) = (self.eyes.clone(), one.server.clone());
            looks.spawn(async move { (index, eyes.look(&server, &wanted).await) });
        }
        let mut looked: Vec<(usize, Result<Looked, Fault>)> = looks.join_all().await;
        looked.sort_by_key(|(index, _)| *index);
        let spread = INTERVAL / u64::try_from(looked.len() + 1).unwrap();
        let mut at = self.at;
        for (index, looked) in looked {
            at += spread;
            let one = &mut self.servers[index];
            if let Ok(Looked { cursor: Some(cursor), .. }) = &looked {
                one.cursor = Some(cursor.clone());
            }
            let seen = looked.map(|looked| looked.seen);
            let sample = Sample { server: one.server.id.clone(), at: Timestamp(at), took_ms: 9, seen };
            self.watch.look(&one.server, &sample).await.unwrap();
        }
        self.at += INTERVAL;
        self.watch.tick(Timestamp(self.at)).await.unwrap();
        assert!(self.desk.turn().await.unwrap());
    }

    async fn rounds(&mut self, which: &[usize], rounds: usize) {
        for _ in 0..rounds {
            self.round(which).await;
        }
    }

    fn name(&self, index: usize) -> String {
        self.servers[index].server.label().to_owned()
    }

    fn plant(&mut self, index: usize, plant: &Plant) {
        let name = self.name(index);
        let bmc = self.lab.bmc(&name).unwrap();
        bmc.log_ahead(Duration::from_millis(self.at.saturating_sub(farrier::egress::now().0)));
        let code = match plant {
            Plant::Part(part, code) => {
                bmc.break_part(*part);
                code
            }
            Plant::Log(what, times, code) => {
                bmc.log_times(*what, *times);
                code
            }
        };
        self.expected.insert((name, (*code).to_owned()));
    }

    fn mend(&mut self, index: usize) {
        let bmc = self.lab.bmc(self.servers[index].server.label()).unwrap();
        bmc.log_ahead(Duration::from_millis(self.at.saturating_sub(farrier::egress::now().0)));
        bmc.mend_all();
    }

    /// Cases as they stand, by name and code.
    async fn open_cases(&self) -> BTreeSet<(String, String)> {
        let all = Cases(self.bus.clone()).all().await.unwrap();
        all.into_iter().filter(|case| case.over.is_none()).map(|case| (case.name, case.fault.code)).collect()
    }

    /// What is open is what must be, in the store at once and in Jira as soon as the desk gets to it.
    async fn settle(&mut self) {
        assert_eq!(self.open_cases().await, self.expected);
        let deadline = Instant::now() + Duration::from_mins(2);
        let named = |jira: &JiraHandle| {
            let mut titles: Vec<(String, String)> = Vec::new();
            for issue in jira.open() {
                let mut words = issue.summary.splitn(3, ": ");
                titles.push((words.next().unwrap().to_owned(), words.next().unwrap().to_owned()));
            }
            titles.sort();
            titles
        };
        let wanted: Vec<_> = self.expected.iter().cloned().collect();
        while named(&self.jira) != wanted {
            assert!(Instant::now() < deadline, "{:#?}\nand not\n{wanted:#?}", named(&self.jira));
            assert!(self.desk.turn().await.unwrap());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn ticket(&self, name: &str, code: &str) -> String {
        let title = format!("{name}: {code}: ");
        let issue = self.jira.open().into_iter().find(|issue| issue.summary.starts_with(&title)).expect("a ticket");
        issue.description.to_string()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_becomes_one_ticket_with_the_right_cause_and_closes() {
    let Some(mut campaign) = Campaign::new().await else { return };
    let all: Vec<usize> = (0..SERVERS).collect();
    campaign.rounds(&all, 2).await;
    campaign.settle().await;

    // Sixty at once, of every kind, on controllers of every vendor: all within two minutes.
    for index in 0..SERVERS {
        for plant in plants(index) {
            campaign.plant(index, &plant);
        }
    }
    campaign.rounds(&all, DEADLINE).await;
    assert_eq!(campaign.expected.len(), 60);
    campaign.settle().await;
    assert_eq!(campaign.jira.issues().len(), 60, "each one ticket");
    for (server, code, word) in [
        (0, "temperature-critical", "104 °C"),
        (1, "power-supply-failed", "gives no power"),
        (3, "memory-failed", "memory failed: "),
    ] {
        let text = campaign.ticket(&campaign.name(server), code);
        let record = &campaign.servers[server].server;
        let serial = record.facts.serial.clone().unwrap();
        for word in [word, serial.as_str(), "Site: ", "Rack: ", "unit ", "Since: "] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }
    for index in 0..SERVERS {
        campaign.mend(index);
    }
    campaign.rounds(&all, 6).await;
    let logged = [
        "memory-errors",
        "memory-failed",
        "processor-failed",
        "server-crash-loop",
        "controller-resets",
        "chassis-open",
    ];
    campaign.expected.retain(|(_, code)| logged.contains(&code.as_str()));
    campaign.settle().await;
    // What only a log told of is over when the log has been quiet for long enough.
    campaign.at += 25 * 3_600_000;
    campaign.round(&all).await;
    campaign.expected.clear();
    campaign.settle().await;
    assert_eq!(campaign.jira.issues().len(), 60, "nothing came twice");

    one_rack_is_one_ticket(&mut campaign).await;
    a_day_without_jira(&mut campaign).await;
    for ledger in [&campaign.lab_ledger, &campaign.jira_ledger] {
        let violations = ledger.report().violations;
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

/// A dead feed, a rack that is silent, and single controllers elsewhere that are.
async fn one_rack_is_one_ticket(campaign: &mut Campaign) {
    let before = campaign.jira.issues().len();
    let place = |campaign: &Campaign, index: usize| {
        let facts = &campaign.servers[index].server.facts;
        (facts.site.clone().unwrap(), facts.rack.clone().unwrap())
    };
    let (site, rack) = place(campaign, 0);
    campaign.servers.iter().take(6).for_each(|one| assert_eq!(one.server.facts.rack.as_ref(), Some(&rack)));
    assert_eq!(campaign.lab.feed(&site, &rack, 1, false), 6);
    for index in 6..12 {
        campaign.lab.bmc(&campaign.name(index)).unwrap().break_part(Broken::Silent);
    }
    campaign.expected.insert((format!("rack {rack}"), "rack-power-feed".to_owned()));
    campaign.expected.insert((format!("rack {}", place(campaign, 6).1), "rack-silent".to_owned()));
    for index in [12, 18, 24] {
        campaign.plant(index, &Plant::Part(Broken::Silent, "controller-silent"));
    }
    let which: Vec<usize> = (0..12).chain([12, 18, 24]).collect();
    campaign.rounds(&which, DEADLINE).await;
    campaign.settle().await;
    assert_eq!(campaign.jira.issues().len(), before + 5, "one of each rack, and three of single controllers");
    let text = campaign.ticket(&format!("rack {rack}"), "rack-power-feed");
    for index in 0..6 {
        assert!(text.contains(&campaign.name(index)), "{text}");
    }
    assert!(text.contains("Feed: A") && text.contains(&site), "{text}");
    campaign.lab.feed(&site, &rack, 1, true);
    for index in which.iter().copied() {
        campaign.mend(index);
    }
    campaign.rounds(&which, 5).await;
    campaign.expected.clear();
    campaign.settle().await;
}

/// Faults come and go, the host is restarted, and nobody can be told.
async fn a_day_without_jira(campaign: &mut Campaign) {
    let before = campaign.jira.issues().len();
    campaign.jira.set_faults(Faults { away: true, ..Faults::default() });
    for hour in 0..24_usize {
        let index = 12 + hour % 18;
        let plant = match (hour + hour / 18) % 2 {
            0 => Plant::Part(Broken::Temperature, "temperature-critical"),
            _ => Plant::Part(Broken::Drive { number: 1 }, "drive-failing"),
        };
        campaign.plant(index, &plant);
        campaign.rounds(&[index], DEADLINE).await;
        if hour % 3 == 2 {
            campaign.mend(index);
            campaign.rounds(&[index], 6).await;
            let name = campaign.name(index);
            campaign.expected.retain(|(known, _)| *known != name);
        }
        if hour % 8 == 5 {
            campaign.restart();
        }
        assert_eq!(campaign.open_cases().await, campaign.expected, "hour {hour}");
        campaign.at += 3_600_000 - INTERVAL * 4;
    }
    assert_eq!(campaign.jira.issues().len(), before, "nobody was told");
    campaign.jira.set_faults(Faults::default());
    campaign.settle().await;
    assert_eq!(campaign.jira.issues().len(), before + 24, "none was lost");
}
