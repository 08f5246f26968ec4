//! The control API of a running lab: plain HTTP on loopback, JSON.
//!
//! Promises `GET /lab/report`, `GET /lab/servers`, `POST /lab/servers/{name}/fault|cable|hardware|power-on`,
//! `POST /lab/racks/{site}/{rack}/feed`. It is
//! for tests and people, and has no login: it must never listen anywhere but on loopback.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::lab::Shared;
use crate::estate::server::BootState;
use crate::estate::{Cable, Fault, Vendor};
use crate::ledger::Report;
use crate::redfish;

/// What to do to a controller: `{"kind":"error","status":503,"times":3}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum FaultOrder {
    /// Every answer comes `millis` later.
    Slow {
        /// Milliseconds.
        millis: u64,
    },
    /// The next `times` requests are answered with `status`.
    Error {
        /// HTTP status.
        status: u16,
        /// How many requests.
        times: u32,
    },
    /// The next `times` connections are closed without an answer.
    Drop {
        /// How many requests.
        times: u32,
    },
    /// The next `times` answers stop half-way.
    Truncate {
        /// How many answers.
        times: u32,
    },
    /// The next `times` requests are answered 503 with `Retry-After`.
    Busy {
        /// Seconds.
        retry_after: u64,
        /// How many requests.
        times: u32,
    },
    /// One hardening control is accepted and ignored.
    Lie {
        /// The control's id.
        control: String,
    },
    /// Another serial is reported.
    Serial {
        /// That serial.
        serial: String,
    },
    /// No session is free.
    SessionExhaustion,
    /// The password is another than it was.
    WrongPassword,
    /// Graceful shutdown is accepted and never happens.
    IgnoreGraceful,
    /// Nothing is wrong any more.
    Clear,
}

impl FaultOrder {
    fn fault(self) -> Option<redfish::Fault> {
        Some(match self {
            Self::Slow { millis } => redfish::Fault::Slow(Duration::from_millis(millis)),
            Self::Error { status, times } => redfish::Fault::Error { status, times },
            Self::Drop { times } => redfish::Fault::Drop { times },
            Self::Truncate { times } => redfish::Fault::Truncate { times },
            Self::Busy { retry_after, times } => redfish::Fault::Busy { retry_after, times },
            Self::Lie { control } => redfish::Fault::Lie { control },
            Self::Serial { serial } => redfish::Fault::Serial(serial),
            Self::SessionExhaustion => redfish::Fault::SessionExhaustion,
            Self::WrongPassword => redfish::Fault::WrongPassword,
            Self::IgnoreGraceful => redfish::Fault::IgnoreGraceful,
            Self::Clear => return None,
        })
    }
}

/// Move a cable: `{"nic":"ens1f0","device":"ams-a01-tor-b","port":"Ethernet7"}`; without `device` and
/// `port` it goes back to where it should be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CableOrder {
    /// The server's port.
    pub nic: String,
    /// The switch.
    #[serde(default)]
    pub device: Option<String>,
    /// The switch's port.
    #[serde(default)]
    pub port: Option<String>,
}

/// Break or mend a part: `{"do":"break","part":"supply","number":1}`, `{"do":"mend-all"}`,
/// `{"do":"log","what":"memory-corrected","times":12}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum HardwareOrder {
    /// Break it.
    Break(redfish::Broken),
    /// Mend it.
    Mend(redfish::Broken),
    /// Mend everything.
    MendAll,
    /// Entries of the log.
    Log {
        /// What they say.
        what: redfish::Logged,
        /// How many.
        times: usize,
    },
}

/// Give or take the input of the power supplies of this number in a whole rack: `{"on":false,"supply":1}`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedOrder {
    /// Has it power?
    pub on: bool,
    /// Number of the power supply.
    pub supply: usize,
}

/// Ask for a lease, and `renewals` times again.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaseOrder {
    /// How many renewals follow at once.
    pub renewals: usize,
}

/// One line of `GET /lab/servers`.
#[derive(Clone, Debug, Serialize)]
pub struct ServerView {
    /// Its name.
    pub name: String,
    /// Site slug.
    pub site: String,
    /// Whose controller.
    pub vendor: Vendor,
    /// MAC of the controller.
    pub bmc_mac: String,
    /// `https://` and where the controller listens.
    pub bmc: String,
    /// What was planted in it.
    pub planted: Option<Fault>,
    /// What the server itself is doing.
    #[serde(flatten)]
    pub boot: BootState,
}

type Refusal = (StatusCode, String);

fn unknown(name: &str) -> Refusal {
    (StatusCode::NOT_FOUND, format!("no server {name}; GET /lab/servers lists them\n"))
}

/// The routes.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/lab/report", get(report))
        .route("/lab/servers", get(servers))
        .route("/lab/servers/{name}/fault", post(fault))
        .route("/lab/servers/{name}/cable", post(cable))
        .route("/lab/servers/{name}/hardware", post(hardware))
        .route("/lab/racks/{site}/{rack}/feed", post(feed))
        .route("/lab/servers/{name}/power-on", post(power_on))
        .with_state(shared)
}

async fn report(State(shared): State<Arc<Shared>>) -> Json<Report> {
    Json(shared.ledger.report())
}

async fn servers(State(shared): State<Arc<Shared>>) -> Json<Vec<ServerView>> {
    let estate = shared.estate.lock();
    let views = estate.servers.iter().filter_map(|server| {
        let running = shared.running.get(&server.name)?;
        Some(ServerView {
            name: server.name.clone(),
            site: server.site.clone(),
            vendor: server.vendor,
            bmc_mac: server.bmc.mac.clone(),
            bmc: running.bmc.url(),
            planted: server.planted,
            boot: running.server.state(),
        })
    });
    Json(views.collect())
}

async fn fault(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Json(order): Json<FaultOrder>,
) -> Result<StatusCode, Refusal> {
    let running = shared.running.get(&name).ok_or_else(|| unknown(&name))?;
    match order.fault() {
        Some(fault) => running.bmc.set_fault(fault),
        None => running.bmc.clear_faults(),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn hardware(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Json(order): Json<HardwareOrder>,
) -> Result<StatusCode, Refusal> {
    let bmc = &shared.running.get(&name).ok_or_else(|| unknown(&name))?.bmc;
    match order {
        HardwareOrder::Break(part) => bmc.break_part(part),
        HardwareOrder::Mend(part) => bmc.mend(&part),
        HardwareOrder::MendAll => bmc.mend_all(),
        HardwareOrder::Log { what, times } => bmc.log_times(what, times),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn feed(
    State(shared): State<Arc<Shared>>,
    Path((site, rack)): Path<(String, String)>,
    Json(order): Json<FeedOrder>,
) -> Result<StatusCode, Refusal> {
    if shared.feed(&site, &rack, order.supply, order.on) == 0 {
        return Err((StatusCode::NOT_FOUND, format!("no server in rack {rack} at {site}\n")));
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn cable(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Json(order): Json<CableOrder>,
) -> Result<StatusCode, Refusal> {
    let bad = |text: String| (StatusCode::BAD_REQUEST, text);
    let mut estate = shared.estate.lock();
    let plugged = match (order.device, order.port) {
        (Some(device), Some(port)) => {
            let switch = estate.switch(&device).ok_or_else(|| bad(format!("no switch {device}\n")))?;
            if !switch.ports.contains(&port) {
                return Err(bad(format!("{device} has no port {port}\n")));
            }
            Some(Cable { device, port })
        }
        (None, None) => None,
        _ => return Err(bad("device and port go together\n".to_owned())),
    };
    let server = estate.servers.iter_mut().find(|server| server.name == name).ok_or_else(|| unknown(&name))?;
    let nic = server.nics.iter_mut().find(|nic| nic.name == order.nic);
    nic.ok_or_else(|| bad(format!("{name} has no port {}\n", order.nic)))?.plugged = plugged;
    Ok(StatusCode::NO_CONTENT)
}

async fn power_on(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    body: axum::body::Bytes,
) -> Result<StatusCode, Refusal> {
    let order: LeaseOrder = if body.is_empty() {
        LeaseOrder::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?
    };
    let server = shared.estate.lock().server(&name).cloned().ok_or_else(|| unknown(&name))?;
    let hook = shared.hook.as_ref();
    let hook = hook.ok_or_else(|| (StatusCode::CONFLICT, "this lab was started without a hook\n".to_owned()))?;
    let delivered = hook.lease(&server, order.renewals).await;
    delivered.map_err(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}\n")))?;
    Ok(StatusCode::NO_CONTENT)
}
