//! A simulated Canonical MAAS 3.x: its API and its boot service, strict and in memory.
//!
//! Promises: written from the facts and the documented shapes, never from the plugin; OAuth 1.0 PLAINTEXT checked part by
//! part; which operation a machine's state allows, with MAAS's texts; a machine moves on only when it boots. Every request
//! a correct client would not send is a violation in the ledger: an unknown path or field, a missing slash, a wrong or
//! repeated signature, a commissioning that lets MAAS configure the controller, a second machine with a MAC.
//! It is not MAAS: what it allows has met no real one.

mod auth;
mod operations;
mod show;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use auth::Key;
pub use state::{Machine, Status};

use crate::ledger::Ledger;
use crate::web::{Ask, Handler, Outcome, Reply, serve};
use state::State;

/// The name MAAS has in the ledger.
pub const SYSTEM: &str = "maas";

/// What a simulated MAAS starts with.
#[derive(Clone, Debug)]
pub struct MaasConfig {
    /// Where the API listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// Where servers boot from.
    pub boot_listen: SocketAddr,
    /// The API key.
    pub key: Key,
    /// Names of the commissioning scripts an operator uploaded.
    pub scripts: Vec<String>,
    /// How long a boot takes until MAAS hears of its end.
    pub boot: Duration,
}

impl Default for MaasConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            boot_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            key: Key::new("consumerkey0000000", "tokenkey0000000000", "tokensecret0000000000000000000000"),
            scripts: vec!["farrier-validate".to_owned()],
            boot: Duration::from_millis(200),
        }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The next so many writes are answered 503 with `Retry-After` of this many seconds.
    pub busy: Option<(u32, u32)>,
    /// The next so many writes happen, and the connection is closed instead of an answer.
    pub drop_answers: u32,
    /// The next so many operations on a machine are answered 409, as when somebody else was quicker.
    pub conflicts: u32,
    /// Connections are closed without an answer.
    pub away: bool,
    /// Erasures fail.
    pub erase_fails: bool,
    /// Commissioning fails.
    pub commission_fails: bool,
}

/// A running simulated MAAS; stops when dropped.
pub struct MaasHandle {
    inner: Arc<Inner>,
    address: SocketAddr,
    boot_address: SocketAddr,
}

pub(crate) struct Inner {
    pub(crate) config: MaasConfig,
    pub(crate) ledger: Ledger,
    state: Mutex<State>,
    faults: Mutex<Faults>,
    stop: CancellationToken,
}

impl Inner {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wrong(&self, ask: &Ask, why: &str) {
        self.ledger.violation(SYSTEM, format!("{}: {why}", ask.line()));
    }

    fn api(&self, ask: &Ask) -> Outcome {
        if self.faults().away {
            return Outcome::Drop;
        }
        if let Err(refusal) = auth::check(self, ask) {
            return Outcome::Answer(refusal);
        }
        let write = ask.method != hyper::Method::GET && ask.method != hyper::Method::HEAD;
        if write && let Some(reply) = self.busy() {
            return Outcome::Answer(reply);
        }
        let reply = operations::answer(self, ask);
        let mut faults = self.faults();
        if write && reply.status < 300 && faults.drop_answers > 0 {
            faults.drop_answers -= 1;
            return Outcome::Drop;
        }
        Outcome::Answer(reply)
    }

    fn busy(&self) -> Option<Reply> {
        let mut faults = self.faults();
        let (times, seconds) = faults.busy?;
        faults.busy = (times > 1).then_some((times - 1, seconds));
        let text = "Unable to connect to any rack controller; no connections available.";
        Some(Reply::text(503, text).header("retry-after", seconds.to_string()))
    }
}

/// Start a simulated MAAS; it answers when this returns.
///
/// # Errors
/// When an address cannot be bound.
pub async fn start(config: MaasConfig, ledger: Ledger) -> std::io::Result<MaasHandle> {
    let stop = CancellationToken::new();
    let (listen, boot_listen) = (config.listen, config.boot_listen);
    let inner =
        Arc::new(Inner { config, ledger, state: Mutex::default(), faults: Mutex::default(), stop: stop.clone() });
    let api: Handler = {
        let inner = Arc::clone(&inner);
        Arc::new(move |ask| inner.api(ask))
    };
    let boot: Handler = {
        let inner = Arc::clone(&inner);
        Arc::new(move |ask| Outcome::Answer(operations::boot(&inner, ask)))
    };
    let address = serve(listen, api, stop.clone()).await?;
    let boot_address = serve(boot_listen, boot, stop).await?;
    Ok(MaasHandle { inner, address, boot_address })
}

impl MaasHandle {
    /// `http://127.0.0.1:port/MAAS/`.
    pub fn url(&self) -> String {
        format!("http://{}/MAAS/", self.address)
    }

    /// What servers boot from: `http://127.0.0.1:port`.
    pub fn boot_url(&self) -> String {
        format!("http://{}", self.boot_address)
    }

    /// Make things go wrong.
    pub fn set_faults(&self, faults: Faults) {
        *self.inner.faults() = faults;
    }

    /// Every machine.
    pub fn machines(&self) -> Vec<Machine> {
        self.inner.state().machines.clone()
    }

    /// The machine with this MAC.
    pub fn machine(&self, mac: &str) -> Option<Machine> {
        self.machines().into_iter().find(|machine| machine.macs.iter().any(|one| one.eq_ignore_ascii_case(mac)))
    }

    /// Put a machine into a state, as an operator at MAAS's own pages would.
    pub fn put(&self, mac: &str, status: Status) {
        let mut state = self.inner.state();
        if let Some(machine) =
            state.machines.iter_mut().find(|machine| machine.macs.iter().any(|one| one.eq_ignore_ascii_case(mac)))
        {
            machine.status = status;
        }
    }

    /// Boot the machine with this MAC from the network and let the boot end at once, as far as MAAS hears of it. Its
    /// callback URL, if it was commissioned with one.
    pub fn network_boot(&self, mac: &str) -> Option<String> {
        let mut state = self.inner.state();
        let faults = *self.inner.faults();
        let machine = state.by_mac(mac)?;
        let callback = machine.callback.clone().filter(|_| machine.status == Status::Commissioning);
        machine.booted(faults);
        callback
    }

    /// Stop answering.
    pub fn stop(&self) {
        self.inner.stop.cancel();
    }
}

impl Drop for MaasHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
