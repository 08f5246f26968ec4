//! What the simulated fleet tools have in common: a listener, sessions, faults, and the servers they can reach.
//!
//! Promises that logins, refused logins and writes are counted, that a session lives as long as configured and no more of them
//! than configured, and that a planted fault is spent exactly as often as it was planted. Knows no tool's paths or bodies.
//!
//! Not obvious: an answer can be lost after its effect ([`Fault::LoseAnswer`]); that is how a client that dies between request and
//! answer looks from here.

mod desk;
mod machine;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub(crate) use desk::Desk;
pub use machine::{Component, Machine, Warranty};

use crate::ledger::Ledger;
use crate::redfish::serve::{Ask, Handler, Outcome, serve};

/// What an appliance is and whom it can reach.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its name in the ledger.
    pub name: String,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The account.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Sessions it keeps at once.
    pub sessions: usize,
    /// How long an unused session lives.
    pub session_life: Duration,
    /// How long an add, a removal or an update takes.
    pub work: Duration,
    /// Members of one page.
    pub page: usize,
    /// Controllers it can reach.
    pub machines: Vec<Machine>,
}

impl Setup {
    /// A quick appliance on a free port of this machine.
    pub fn new(name: &str, machines: Vec<Machine>) -> Self {
        Self {
            name: name.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            username: "farrier".to_owned(),
            password: "appliance-password-1".to_owned(),
            sessions: 4,
            session_life: Duration::from_mins(30),
            work: Duration::from_millis(200),
            page: 2,
            machines,
        }
    }
}

/// Something that goes wrong, planted by a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503 with `Retry-After`, so many times.
    Busy {
        /// Seconds it says.
        after: u32,
        /// How often.
        times: u32,
    },
    /// Every answer takes this much longer.
    Slow(Duration),
    /// So many answers to writes are lost after their effect.
    LoseAnswer(u32),
    /// All sessions end now.
    SessionsLost,
    /// So many of the next works end in an error, with this code.
    WorkFails {
        /// The tool's code.
        code: String,
        /// How often.
        times: u32,
    },
    /// So many of the next works end in an error though their effect is there.
    WorkLies(u32),
    /// Tasks and jobs that have ended are forgotten now.
    Purge,
}

/// A simulated tool that answers requests.
pub(crate) trait Product: Send + Sync + 'static {
    /// Its desk.
    fn desk(&self) -> &Desk;
    /// Answer one request that no fault took.
    fn answer(&self, ask: &Ask) -> crate::redfish::reply::Reply;
    /// Whether this request is a login or logout and so counts as no write.
    fn is_session(&self, path: &str) -> bool;
    /// The tool's words for "come back later".
    fn busy(&self) -> crate::redfish::reply::Reply;
}

/// Listen and answer until the desk's token is cancelled.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) async fn run<P: Product>(make: impl FnOnce(SocketAddr) -> P, listen: SocketAddr) -> std::io::Result<Arc<P>> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let product = Arc::new(make(address));
    let handler: Handler = {
        let product = Arc::clone(&product);
        Arc::new(move |ask| {
            let product = Arc::clone(&product);
            Box::pin(async move { handle(&*product, &ask).await })
        })
    };
    let tls = Some((Arc::clone(&product.desk().tls), product.desk().setup.name.clone()));
    tokio::spawn(serve(listener, tls, handler, product.desk().stop.clone()));
    Ok(product)
}

async fn handle<P: Product>(product: &P, ask: &Ask) -> Outcome {
    let desk = product.desk();
    let delay = desk.delay();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let write = !ask.method.is_safe() && !product.is_session(&ask.path);
    if let Some(after) = desk.is_busy() {
        return Outcome::Answer(product.busy().header("Retry-After", after.to_string()));
    }
    if write {
        desk.count(crate::ledger::Kind::Write, &format!("{} {}", ask.method, ask.path));
    }
    let reply = product.answer(ask);
    if write && desk.loses_answer() { Outcome::Drop } else { Outcome::Answer(reply) }
}

/// Make a desk for an appliance.
pub(crate) fn desk(setup: Setup, address: SocketAddr, ledger: Ledger) -> Desk {
    Desk::new(Setup { listen: address, ..setup }, ledger)
}
