//! Starting a controller, looking at it, and doing things to it by hand.
//!
//! Promises that [`BmcHandle::state`] is a copy and that dropping the handle stops the controller. It offers
//! nothing a technician could not do at the rack, faults aside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};
use tokio::net::TcpListener;

use super::bmc::Bmc;
use super::config::{BmcConfig, Fault, Hooks, Power, StartError};
use super::hardware::Hardware;
use super::power::Step;
use super::profile::profile;
use super::read::show;
use super::resource::key;
use super::serve::{Handler, serve};
use super::state::{Account, Boot, Faults, State};
use super::template;
use super::tls::Tls;
use crate::ledger::Ledger;

/// A running controller.
pub struct BmcHandle {
    address: SocketAddr,
    pub(super) bmc: Arc<Bmc>,
}

/// One account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// The id in its address.
    pub id: u32,
    /// The user name.
    pub username: String,
    /// The role, e.g. `Administrator`.
    pub role: String,
    /// Whether it may log in.
    pub enabled: bool,
}

/// A copy of a controller's state.
#[derive(Clone, Debug, PartialEq)]
pub struct BmcState {
    /// The power state reported.
    pub power: Power,
    /// `Disabled`, `Once` or `Continuous`.
    pub boot_enabled: String,
    /// The override target; `None` when disabled.
    pub boot_target: String,
    /// `UEFI` or `Legacy`.
    pub boot_mode: String,
    /// The self-test runs.
    pub in_post: bool,
    /// BIOS attributes in force.
    pub bios: Map<String, Value>,
    /// BIOS attributes that wait for a boot.
    pub bios_pending: Map<String, Value>,
    /// Accounts in use.
    pub accounts: Vec<AccountView>,
    /// Open sessions.
    pub sessions: usize,
    /// Requests that were not reads, logins excepted.
    pub writes: u64,
}

/// Start a controller.
///
/// # Errors
/// When the address cannot be bound, or the vendor's data is not usable.
pub async fn start(config: BmcConfig, ledger: Ledger, hooks: Hooks) -> Result<BmcHandle, StartError> {
    let kind = config.kind;
    let mut config = config;
    let asked = config.listen;
    let refused = |source| StartError::Listen { address: asked, source };
    let listener = TcpListener::bind(asked).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    config.listen = address;
    let tree = template::tree(&config).map_err(|reason| StartError::Tree { kind, reason })?;
    let state = first_state(&config, tree);
    let bmc = Arc::new(Bmc::new(config, profile(kind), ledger, hooks, state));
    let handler: Handler = {
        let bmc = Arc::clone(&bmc);
        Arc::new(move |ask| {
            let bmc = Arc::clone(&bmc);
            Box::pin(async move { bmc.handle(ask).await })
        })
    };
    let tls = Some((Arc::new(Tls::default()), bmc.config.name.clone()));
    tokio::spawn(serve(listener, tls, handler, bmc.stop.clone()));
    Ok(BmcHandle { address, bmc })
}

fn first_state(config: &BmcConfig, tree: template::Tree) -> State {
    let profile = profile(config.kind);
    let mut accounts = BTreeMap::new();
    if profile.account_slots {
        let empty = Account { role: "None".to_owned(), ..Account::default() };
        accounts.extend((1..=profile.last_account).map(|id| (id, empty.clone())));
    }
    let first = Account {
        username: config.username.clone(),
        password: config.password.clone(),
        role: "Administrator".to_owned(),
        enabled: true,
        ..Account::default()
    };
    accounts.insert(profile.first_account, first);
    State {
        resources: tree.resources,
        vars: tree.vars,
        power: config.power,
        power_round: 0,
        heading: None,
        post_until: None,
        boot: Boot::default(),
        bios_pending: Map::new(),
        bios_reset: false,
        staged: Vec::new(),
        verified: None,
        accounts,
        sessions: Vec::new(),
        old_tokens: BTreeSet::new(),
        next: 0,
        jobs: Vec::new(),
        strikes: BTreeMap::new(),
        blocked: BTreeMap::new(),
        away_until: None,
        faults: Faults::default(),
        hardware: Hardware::default(),
        writes: 0,
    }
}

impl BmcHandle {
    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://ADDRESS:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The configuration it was started with.
    pub fn config(&self) -> &BmcConfig {
        &self.bmc.config
    }

    /// Turn a fault on; several may be on at once.
    pub fn set_fault(&self, fault: Fault) {
        if let Fault::Serial(serial) = &fault {
            return self.bmc.rename_serial(serial);
        }
        let faults = &mut self.bmc.state().faults;
        match fault {
            Fault::Slow(delay) => faults.slow = delay,
            Fault::Error { status, times } => faults.error = Some((status, times)),
            Fault::Drop { times } => faults.drop = times,
            Fault::Truncate { times } => faults.truncate = times,
            Fault::Busy { retry_after, times } => faults.busy = Some((retry_after, times)),
            Fault::Lie { control } => {
                faults.lies.insert(control);
            }
            Fault::SessionExhaustion => faults.pool_full = true,
            Fault::WrongPassword => faults.wrong_password = true,
            Fault::IgnoreGraceful => faults.ignore_graceful = true,
            Fault::Serial(_) => {}
        }
    }

    /// Turn every fault off; the true serial number is shown again.
    pub fn clear_faults(&self) {
        let serial = self.bmc.config.serial.clone();
        self.bmc.rename_serial(&serial);
        self.bmc.state().faults = Faults::default();
    }

    /// How many requests there ever were, and the most at once.
    pub fn traffic(&self) -> (u64, u64) {
        (self.bmc.traffic.all(), self.bmc.traffic.most())
    }

    /// A copy of the state.
    pub fn state(&self) -> BmcState {
        let state = self.bmc.state();
        let bios =
            state.resources.get(&key(self.bmc.profile.bios)).map(super::resource::Resource::body).unwrap_or_default();
        let accounts = state.accounts.iter().filter(|(_, account)| !account.username.is_empty());
        BmcState {
            power: state.power,
            boot_enabled: state.boot.enabled.clone(),
            boot_target: state.boot.target.clone(),
            boot_mode: state.boot.mode.clone(),
            in_post: state.in_post(),
            bios: bios.get("Attributes").and_then(Value::as_object).cloned().unwrap_or_default(),
            bios_pending: state.bios_pending.clone(),
            accounts: accounts
                .map(|(id, account)| AccountView {
                    id: *id,
                    username: account.username.clone(),
                    role: account.role.clone(),
                    enabled: account.enabled,
                })
                .collect(),
            sessions: state.sessions.len(),
            writes: state.writes,
        }
    }

    /// A resource as a client would see it, without `ETag` and clock; `None` when there is none.
    pub fn resource(&self, path: &str) -> Option<Value> {
        show(&self.bmc.state(), self.bmc.config.kind, &key(path))
    }

    /// The hardening controls this vendor has a place for, by id; a baseline's others do not apply to it.
    pub fn controls(&self) -> BTreeSet<String> {
        let state = self.bmc.state();
        let rules = state.resources.values().flat_map(|resource| resource.meta.write.values());
        rules.filter_map(|rule| rule.control.clone()).collect()
    }

    /// Every address that can be read now.
    pub fn paths(&self) -> Vec<String> {
        self.bmc.state().resources.values().map(|resource| resource.path.to_string()).collect()
    }

    /// Let a controller take images: `form` at `MultipartHttpPushUri`, else whole at `HttpPushUri`. The generic one offers
    /// neither at first.
    pub fn offer_push(&self, form: bool) {
        let (name, uri) =
            if form { ("MultipartHttpPushUri", "/mfwupdate") } else { ("HttpPushUri", "/redfish/v1/fwupdate") };
        if let Some(service) = self.bmc.state().resources.get_mut("/redfish/v1/updateservice") {
            let mut body = service.body();
            super::resource::put(&mut body, name, Value::from(uri));
            service.store(&body);
        }
    }

    /// Say below which version a component of the inventory cannot go; `id` is its entry's.
    pub fn set_lowest_version(&self, id: &str, version: &str) {
        let at = key(&format!("/redfish/v1/UpdateService/FirmwareInventory/{id}"));
        if let Some(entry) = self.bmc.state().resources.get_mut(&at) {
            let mut body = entry.body();
            super::resource::put(&mut body, "LowestSupportedVersion", Value::from(version));
            entry.store(&body);
        }
    }

    /// Press the button until the server is off.
    pub fn power_off_by_hand(&self) {
        self.bmc.by_hand(Step::Off);
    }

    /// Press the button; the server boots.
    pub fn power_on_by_hand(&self) {
        self.bmc.by_hand(Step::On);
    }

    /// Put an entry into the hardware log, e.g. for a telemetry test.
    pub fn log(&self, message: &str) {
        self.bmc.note_log(message);
    }

    /// End all sessions, as an idle timeout would; tokens become old ones.
    pub fn end_sessions(&self) {
        self.bmc.state().sessions.clear();
    }

    /// Do not answer for the configured restart time, as after a controller restart.
    pub fn restart_by_hand(&self) {
        let away = Instant::now() + self.bmc.config.timing.manager_reset;
        let mut state = self.bmc.state();
        state.away_until = Some(away);
        state.sessions.clear();
    }

    /// Stop listening and close every connection.
    pub fn stop(&self) {
        self.bmc.stop.cancel();
    }
}

impl Drop for BmcHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
