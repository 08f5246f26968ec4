//! One attempt: the server it is about, and what it may use.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farrier_lifecycle::{Blame, Event, Facts, Fault, Outcome, Retry, Server, ServerId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::held::Held;
use super::reach::{self, secret, unusable};
use super::{Parts, ProgressBoard};
use crate::bus::{Applied, ApplyError, BusError, Origin, StandingOf};
use crate::config::Fleet;
use crate::egress::{Effect, Gate};
use crate::fault::Secret;
use crate::inventory::{Expected, Found};
use crate::plugin::wit::metadata::AuthScheme;
use crate::plugin::{CallError, ControllerAuth, Driver, Endpoint, Lend, Login, Progress, Secrets, Target};

/// The attempt does not count any more: its lease or its store is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Lost(pub String);

/// Why a stage stopped before its end.
#[derive(Debug)]
pub enum Stop {
    /// It did not work.
    Fault(Fault),
    /// It does not count.
    Lost(Lost),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Fault(error.fault())
    }
}

impl From<BusError> for Stop {
    fn from(error: BusError) -> Self {
        Self::Lost(Lost(error.to_string()))
    }
}

/// One attempt of one stage.
pub struct Work {
    /// The host's parts.
    pub parts: Arc<Parts>,
    server: Mutex<Server>,
    held: Arc<Held>,
}

impl Work {
    /// An attempt on `server` under this lease.
    pub fn new(parts: Arc<Parts>, server: Server, held: Arc<Held>) -> Self {
        Self { parts, server: Mutex::new(server), held }
    }

    /// The record as this attempt committed it last.
    pub fn server(&self) -> Server {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The record, when the attempt is over.
    pub fn into_server(self) -> Server {
        self.server()
    }

    /// Tell people who watch.
    pub fn say(&self, line: impl Into<String>) {
        self.parts.progress.say(&self.held.fence.server, line);
    }

    /// The stage's memo, if it has one that this version can read.
    pub fn memo<T: DeserializeOwned>(&self) -> Option<T> {
        self.server().memo.as_deref().and_then(|memo| serde_json::from_str(memo).ok())
    }

    /// Commit what the attempt must find again after a crash. `effect`: something outside is about to be changed.
    pub async fn checkpoint(&self, memo: &impl Serialize, effect: bool) -> Result<(), Stop> {
        self.commit(encode(memo)?, effect, Facts::default()).await
    }

    /// Commit what was learnt before the stage can fail on it: a server that fails in discover has a name.
    pub async fn learn(&self, facts: Facts) -> Result<(), Stop> {
        let server = self.server();
        let mut known = server.facts.clone();
        known.merge(facts.clone());
        if known == server.facts {
            return Ok(());
        }
        self.commit(server.memo.unwrap_or_else(|| "null".to_owned()), false, facts).await
    }

    async fn commit(&self, memo: String, effect: bool, facts: Facts) -> Result<(), Stop> {
        let fence = &self.held.fence;
        let event = Event::Outcome {
            token: fence.token,
            outcome: Outcome::Checkpoint { memo, effect, facts: Box::new(facts) },
        };
        match self.parts.apply(&fence.server, &event, Origin::Attempt(fence)).await {
            Ok(Applied::Committed { transition, .. }) => {
                *self.server.lock().unwrap_or_else(PoisonError::into_inner) = transition.server;
                Ok(())
            }
            Ok(Applied::Ignored(why)) => Err(Stop::Lost(Lost(why.to_owned()))),
            Err(ApplyError::Bus(BusError::Unreachable(cause))) => Err(Stop::Lost(Lost(format!("checkpoint: {cause}")))),
            Err(error) => Err(Stop::Lost(Lost(error.to_string()))),
        }
    }

    /// What should exist, read now.
    pub async fn expected(&self) -> Result<Box<Expected>, Fault> {
        let mac = self.server().lease.mac;
        match self.parts.inventory.find(mac).await.map_err(|fault| self.patiently(fault))? {
            Found::Server(expected) => Ok(expected),
            Found::Unknown => Err(Fault::new(
                "unknown-mac",
                Retry::Slowly,
                Blame::Inventory,
                format!("no interface in the inventory has the MAC {mac}"),
            )
            .hint("enter the controller's MAC in the inventory; it is looked up again by itself")),
            Found::NotController { device, interface } => Err(Fault::new(
                "not-a-controller",
                Retry::Slowly,
                Blame::Inventory,
                format!("{mac} is interface {interface} of {device}, not a controller"),
            )
            .hint("if it is one, name the interface `bmc`; otherwise leave it")),
            Found::Ambiguous(names) => Err(Fault::new(
                "ambiguous-mac",
                Retry::Never,
                Blame::Inventory,
                format!("{mac} is claimed by {}", names.join(" and ")),
            )
            .hint("let one of them have it, then `farrier server retry`")),
        }
    }

    /// An inventory that is away is no fault of the server: after as many tries as a stage has, it is asked slowly, for ever.
    fn patiently(&self, fault: Fault) -> Fault {
        let last = self.server().failures.saturating_add(1) >= self.parts.policy.max_failures;
        if last && matches!(fault.retry, Retry::Backoff | Retry::After(_)) {
            return Fault { retry: Retry::Slowly, ..fault };
        }
        fault
    }

    /// What a call about this server may do; the broker narrows it to the function called.
    pub fn gate(&self) -> Gate {
        Gate {
            server: Some(self.held.fence.server.clone()),
            grant: Effect::Look,
            observe: self.parts.observe,
            standing: Some(Arc::new(StandingOf(self.parts.bus.clone()))),
            lease: Some(self.held.clone()),
        }
    }

    /// The plugin that discover confirmed, and what to lend it.
    pub fn driver(&self) -> Result<(Driver, Lend), Fault> {
        let driver = reach::driver(&self.parts, &self.server())?;
        let lend = self.lend(driver.name())?;
        Ok((driver, lend))
    }

    /// Who else manages the server, as its controller says, where no `[[fleet]]` entry covers it: what is set here it may take back.
    pub fn manager(&self) -> Option<String> {
        let facts = self.server().facts;
        let covered = self.parts.config.fleet(facts.driver.as_deref(), facts.site.as_deref()).is_some();
        facts.manager.filter(|_| !covered)
    }

    /// The account configured for the controllers of this driver.
    pub fn login(&self, driver: &str) -> Result<Login, Fault> {
        reach::login(&self.parts.config, driver, self.server().facts.site.as_deref())
    }

    /// The controller's endpoint with the login configured for this driver.
    pub fn lend(&self, driver: &str) -> Result<Lend, Fault> {
        let server = self.server();
        let login = Some(self.login(driver)?);
        let plugin = self.parts.plugins.driver(driver);
        let auth = plugin.map_or(ControllerAuth::BASIC, |driver| ControllerAuth::of(&driver.plugin().info));
        let endpoint = self.endpoint(auth, login)?;
        let mut lend = Lend::new(endpoint, self.gate());
        lend.progress = Some(Arc::new(Teller { board: self.parts.progress.clone(), id: server.id }));
        Ok(lend)
    }

    /// The controller, as nobody or with a login.
    pub fn endpoint(&self, auth: ControllerAuth, login: Option<Login>) -> Result<Arc<Endpoint>, Fault> {
        reach::endpoint(&self.parts, &self.server(), auth, login)
    }

    /// A fleet tool's plugin, and what to lend it: the tool with its login, the controller's account by reference, and the questions
    /// that the configuration names.
    pub fn fleet(&self, fleet: &Fleet) -> Result<(Driver, Lend), Fault> {
        let server = self.server();
        let driver = self.parts.plugins.driver(&fleet.plugin).ok_or_else(|| {
            let text = format!("the plugin `{}` is not loaded", fleet.plugin);
            Fault::new("no-driver", Retry::Backoff, Blame::Operator, text)
                .hint("put it into the plugin folder and restart the host")
        })?;
        let reference = fleet.password().ok_or_else(|| unusable("the fleet tool has no password"))?;
        let password = reference.read().map_err(|error| secret(&error))?;
        let auth = driver.plugin().info.auth.first().cloned().unwrap_or(AuthScheme::Basic);
        let target = Target {
            origin: fleet.url.clone(),
            // Two tools may share a name and not a port, nor a certificate.
            pin: format!(
                "fleet-{}-{}",
                fleet.url.host_str().unwrap_or(&fleet.plugin),
                fleet.url.port_or_known_default().unwrap_or_default()
            ),
            auth,
            login: Some(Login { username: fleet.username.clone(), password }),
        };
        let endpoint = self.parts.broker.endpoint(&target).map_err(|error| unusable(&error.to_string()))?;
        let account = self.login(server.facts.driver.as_deref().unwrap_or_default())?;
        let mut lend = Lend::new(endpoint, self.gate());
        lend.secrets = Secrets::none()
            .grant("bmc-username", Secret::new(account.username))
            .grant("bmc-password", account.password);
        lend.questions.clone_from(&fleet.questions);
        lend.progress = Some(Arc::new(Teller { board: self.parts.progress.clone(), id: server.id }));
        Ok((driver, lend))
    }

    /// Wait inside an attempt; short, since it holds a permit.
    pub async fn pause(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

impl Drop for Work {
    /// However the attempt ends, also cancelled or abandoned: what it said last is not true any more.
    fn drop(&mut self) {
        self.parts.progress.clear(&self.held.fence.server);
    }
}

/// Passes on what a plugin says of its progress.
struct Teller {
    board: ProgressBoard,
    id: ServerId,
}

impl Progress for Teller {
    fn report(&self, _percent: Option<u8>, message: &str) {
        self.board.say(&self.id, message);
    }
}

/// A memo as JSON.
pub fn encode(memo: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(memo)
        .map_err(|error| Fault::new("host-error", Retry::Never, Blame::Host, format!("encode memo: {error}")))
}
