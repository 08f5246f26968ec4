//! What the NetBox tests share: a simulated NetBox of either version, the example estate in it, a server that walks.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farrier::config;
use farrier::inventory::document::Document;
use farrier::inventory::{self, JournalSource};
use farrier::netbox::populate::{Silent, populate};
use farrier::netbox::{NetBoxInventory, init};
use farrier_lab::ledger::{Kind, Ledger};
use farrier_lab::netbox::{NetBoxConfig, NetBoxHandle, Version, start};
use farrier_lifecycle::{
    Event, Facts, JournalEntry, Lease, Mac, Outcome, Policy, Server, ServerId, Step, Timestamp, step,
};
use serde_json::{Value, json};

pub const V1: &str = "0123456789abcdef0123456789abcdef01234567";
pub const V2: &str = "nbt_AbCdEfGhIjKl.0123456789abcdef0123456789abcdef01234567";
/// The README's server, an AMS-SRV-001.
pub const README_MAC: &str = "A0:36:9F:01:00:00";
pub const BOTH: [Version; 2] = [Version::V3_7, Version::V4_6];

pub struct Rig {
    pub lab: NetBoxHandle,
    pub ledger: Ledger,
    pub inventory: Arc<NetBoxInventory>,
    _token: tempfile::NamedTempFile,
}

pub fn config_for(url: &str, token: &Path) -> config::NetBox {
    let table = format!("url = \"{url}\"\ntoken_file = \"{}\"\nrequest_timeout_ms = 5000\n", token.display());
    toml::from_str(&table).expect("a netbox section")
}

impl Rig {
    /// An empty NetBox.
    pub async fn empty(version: Version) -> Self {
        let token = if version == Version::V3_7 { V1 } else { V2 };
        let ledger = Ledger::default();
        let lab = start(NetBoxConfig::new(version, token), ledger.clone()).await.expect("the lab's NetBox starts");
        let (inventory, file) = Self::inventory(&lab.url(), token);
        Self { lab, ledger, inventory, _token: file }
    }

    pub fn inventory(url: &str, token: &str) -> (Arc<NetBoxInventory>, tempfile::NamedTempFile) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{token}").unwrap();
        (Arc::new(NetBoxInventory::new(config_for(url, file.path())).unwrap()), file)
    }

    /// With the custom fields and the example estate.
    pub async fn populated(version: Version) -> Self {
        let rig = Self::empty(version).await;
        init::apply(rig.inventory.client(), |_| {}).await.expect("init");
        populate(rig.inventory.client(), &example(), &Silent).await.expect("populate");
        rig
    }

    pub fn device(&self, name: &str) -> Value {
        let found = self.lab.find("dcim/devices", "name", &json!(name));
        let id = found.first().and_then(|device| device["id"].as_u64()).expect("the device is there");
        self.lab.get("dcim/devices", id)
    }

    pub fn device_id(&self, name: &str) -> u64 {
        self.device(name)["id"].as_u64().unwrap()
    }

    /// The comments of a device's journal, oldest first.
    pub fn journal(&self, name: &str) -> Vec<String> {
        let mut entries = self.lab.find("extras/journal-entries", "assigned_object_id", &json!(self.device_id(name)));
        entries.sort_by_key(|entry| entry["id"].as_u64());
        entries.iter().map(|entry| entry["comments"].as_str().unwrap().to_owned()).collect()
    }

    pub fn writes(&self) -> u64 {
        self.ledger.report().total(Kind::Write)
    }

    /// Requests no correct client sends; there must be none.
    pub fn assert_correct(&self) {
        assert_eq!(self.ledger.report().violations, Vec::new());
    }
}

pub fn example() -> Document {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/estate/five-sites.toml"));
    inventory::load(path).expect("the example is sound")
}

/// A server on its way, with every transition it made.
pub struct Walker {
    pub server: Server,
    pub entries: Vec<JournalEntry>,
    clock: u64,
}

impl Walker {
    pub fn new(mac: &str, ip: &str) -> Self {
        let lease = lease(mac, ip, 1_795_363_849_100);
        let mut walker = Self { server: Server::unseen(lease.clone()), entries: Vec::new(), clock: lease.at.0 };
        walker.event(&Event::LeaseSeen(lease));
        walker
    }

    pub fn event(&mut self, event: &Event) {
        self.clock += 1_000;
        let now = Timestamp(self.clock);
        if let Step::Commit(transition) = step(&self.server, event, &Policy::default(), now).unwrap() {
            self.entries.push(JournalEntry::of(&self.server, event, &transition, now));
            self.server = transition.server;
        }
    }

    pub fn outcome(&mut self, outcome: Outcome) {
        self.event(&Event::Outcome { token: self.server.token(), outcome });
    }

    /// Discover is done: the inventory's id is known.
    pub fn discovered(&mut self, id: u64, name: &str) {
        let facts = Facts { name: Some(name.to_owned()), inventory_id: Some(id.to_string()), ..Facts::default() };
        let evidence =
            format!("BMC discovered via DHCP - MAC: {}, IP: {}", self.server.lease.mac, self.server.lease.ip);
        self.outcome(Outcome::Done { facts: Box::new(facts), marks: Vec::new(), evidence });
    }

    /// All the way to ready.
    pub fn ready(&mut self, id: u64, name: &str) {
        self.discovered(id, name);
        self.outcome(Outcome::Checkpoint { memo: "{}".to_owned(), effect: true, facts: Box::default() });
        for evidence in ["validated", "nothing to update", "hardened", "first readings"] {
            self.outcome(Outcome::done(evidence));
        }
        self.outcome(Outcome::Rest);
    }

    pub fn moves_to(&mut self, ip: &str) {
        let at = self.clock + 60_000;
        self.event(&Event::LeaseSeen(lease(&self.server.lease.mac.to_string(), ip, at)));
    }

    pub fn notes(&self) -> usize {
        self.entries.iter().filter(|entry| entry.note.is_some()).count()
    }
}

pub fn lease(mac: &str, ip: &str, at: u64) -> Lease {
    Lease {
        mac: mac.parse::<Mac>().unwrap(),
        ip: ip.parse().unwrap(),
        hostname: None,
        vendor_class: None,
        at: Timestamp(at),
        source: "test".to_owned(),
    }
}

/// A journal in memory that can lose the connection at a chosen moment.
#[derive(Default)]
pub struct Journal {
    pub state: Mutex<JournalState>,
}

#[derive(Default)]
pub struct JournalState {
    pub entries: Vec<JournalEntry>,
    pub servers: BTreeMap<ServerId, Server>,
    pub values: BTreeMap<String, Vec<u8>>,
    /// The next so many writes of the cursor fail, as if the process had died before them.
    pub lose_cursor: u32,
    /// Another process is the projector.
    pub elsewhere: bool,
    /// How often the role was asked for.
    pub asked: u32,
}

impl Journal {
    pub fn add(&self, walker: &Walker) {
        let mut state = self.state.lock().unwrap();
        let known = state.entries.iter().filter(|entry| entry.server == walker.server.id).count();
        state.entries.extend(walker.entries[known..].iter().cloned());
        state.servers.insert(walker.server.id.clone(), walker.server.clone());
    }

    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.state.lock().unwrap().values.get(key).cloned()
    }
}

#[async_trait::async_trait]
impl JournalSource for Journal {
    async fn read(&self, after: &str, limit: usize, wait: Duration) -> Result<Vec<(String, JournalEntry)>, String> {
        let begin: usize = if after.is_empty() { 0 } else { after.parse().map_err(|_| "a bad cursor".to_owned())? };
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let news: Vec<(String, JournalEntry)> = {
                let state = self.state.lock().unwrap();
                let news = state.entries.iter().enumerate().skip(begin).take(limit);
                news.map(|(index, entry)| ((index + 1).to_string(), entry.clone())).collect()
            };
            if !news.is_empty() || tokio::time::Instant::now() >= deadline {
                return Ok(news);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn server(&self, id: &ServerId) -> Result<Option<Server>, String> {
        Ok(self.state.lock().unwrap().servers.get(id).cloned())
    }

    async fn elect(&self, _: Duration) -> Result<bool, String> {
        let mut state = self.state.lock().unwrap();
        state.asked += 1;
        Ok(!state.elsewhere)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.value(key))
    }

    async fn set(&self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        let mut state = self.state.lock().unwrap();
        if key == farrier::netbox::projector::CURSOR && state.lose_cursor > 0 {
            state.lose_cursor -= 1;
            return Err("the connection broke".to_owned());
        }
        match value {
            Some(value) => state.values.insert(key.to_owned(), value.to_vec()),
            None => state.values.remove(key),
        };
        Ok(())
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, String> {
        let state = self.state.lock().unwrap();
        Ok(state.values.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}
