//! A simulated server: what happens between power on and the report.
//!
//! Promises to behave as firmware and the collector do: it asks for a boot script with one NIC after the
//! other and goes round again while nobody answers, boots for a while, and sends its report until somebody
//! takes it or refuses it. It knows nothing of its controller: [`Server`](super::Server) events come from
//! whoever holds that. It stays on afterwards; the proof of concept's image powers off 30 s later, which no
//! host may count on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::model::Estate;
use super::report::{Kernel, ReportShape};

/// The estate that all simulated servers stand in; the control API moves cables in it.
#[derive(Clone, Debug)]
pub struct SharedEstate(Arc<Mutex<Estate>>);

impl SharedEstate {
    /// Share an estate.
    pub fn new(estate: Estate) -> Self {
        Self(Arc::new(Mutex::new(estate)))
    }

    /// The estate; never hold it across an await.
    pub fn lock(&self) -> MutexGuard<'_, Estate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the server itself is doing, whatever its controller says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "boot", content = "detail")]
pub enum BootState {
    /// Never booted from the network, or switched off.
    #[default]
    Idle,
    /// Asking for a boot script.
    Asking,
    /// The image is starting.
    Booting,
    /// Sending its report.
    Reporting,
    /// The report was taken; the status of the answer.
    Reported(u16),
    /// Gave up, and why.
    Failed(String),
}

/// How a network boot goes.
#[derive(Clone, Debug)]
pub struct BootSettings {
    /// What the boot ROM is told by DHCP: the host's `http.public_url`. None: no network boot is offered.
    pub url: Option<String>,
    /// From boot script to running image.
    pub delay: Duration,
    /// How long firmware and collector try before they give up.
    pub patience: Duration,
    /// Between two tries.
    pub pause: Duration,
}

impl Default for BootSettings {
    fn default() -> Self {
        Self {
            url: None,
            delay: Duration::from_millis(500),
            patience: Duration::from_secs(90),
            pause: Duration::from_millis(500),
        }
    }
}

/// One server that can boot.
#[derive(Clone, Debug)]
pub struct SimulatedServer {
    name: String,
    index: usize,
    estate: SharedEstate,
    settings: BootSettings,
    client: reqwest::Client,
    state: Arc<Mutex<BootState>>,
}

impl SimulatedServer {
    /// The server of that name, the `index`-th of its estate.
    pub fn new(
        name: &str,
        index: usize,
        estate: SharedEstate,
        settings: BootSettings,
        client: reqwest::Client,
    ) -> Self {
        Self { name: name.to_owned(), index, estate, settings, client, state: Arc::default() }
    }

    /// What it is doing.
    pub fn state(&self) -> BootState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Record what it is doing.
    fn becomes(&self, state: BootState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// It was switched off.
    pub fn power_off(&self) {
        self.becomes(BootState::Idle);
    }

    /// Boot from the network, to the end. Drop the future to switch the server off.
    pub async fn network_boot(&self) {
        let end = match self.boot().await {
            Ok(status) => BootState::Reported(status),
            Err(reason) => BootState::Failed(reason),
        };
        tracing::debug!(server = %self.name, ?end, "network boot over");
        self.becomes(end);
    }

    async fn boot(&self) -> Result<u16, String> {
        let url = self.settings.url.clone().ok_or("no boot server is offered on this network")?;
        self.becomes(BootState::Asking);
        let script = self.ask(url.trim_end_matches('/')).await?;
        let kernel = Kernel::parse(&script)?;
        self.becomes(BootState::Booting);
        tokio::time::sleep(self.settings.delay).await;
        self.becomes(BootState::Reporting);
        self.report(&kernel).await
    }

    /// One NIC after the other, round and round, as firmware goes through its boot order.
    async fn ask(&self, url: &str) -> Result<String, String> {
        let deadline = Instant::now() + self.settings.patience;
        let macs: Vec<String> = {
            let estate = self.estate.lock();
            let server = estate.server(&self.name).ok_or("the server is not in the estate any more")?;
            server.nics.iter().map(|nic| nic.mac.clone()).collect()
        };
        let mut last = "the server has no NIC".to_owned();
        loop {
            for mac in &macs {
                match self.client.get(format!("{url}/boot/ipxe?mac={mac}")).send().await {
                    Ok(answer) if answer.status().is_success() => {
                        return answer.text().await.map_err(|error| format!("the boot script broke off: {error}"));
                    }
                    Ok(answer) => last = format!("the boot server answered {} for {mac}", answer.status()),
                    Err(error) => last = format!("the boot server does not answer: {error}"),
                }
            }
            if Instant::now() >= deadline {
                return Err(last);
            }
            tokio::time::sleep(self.settings.pause).await;
        }
    }

    /// Until a 2xx takes it or a 4xx refuses it.
    async fn report(&self, kernel: &Kernel) -> Result<u16, String> {
        let url = kernel.callback_url().ok_or("the kernel line has no bm.callback_url")?;
        let shape = ReportShape::of_index(self.index);
        let deadline = Instant::now() + self.settings.patience;
        let mut last = String::new();
        while Instant::now() < deadline {
            let body = {
                let estate = self.estate.lock();
                let server = estate.server(&self.name).ok_or("the server is not in the estate any more")?;
                shape.body(&estate, server, kernel, &jiff::Timestamp::now().to_string())
            };
            match self.client.post(format!("{url}{}", shape.path())).json(&body).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(answer.status().as_u16()),
                Ok(answer) if answer.status().is_client_error() => {
                    return Err(format!("the report was refused with {}", answer.status()));
                }
                Ok(answer) => last = format!("the report was answered with {}", answer.status()),
                Err(error) => last = format!("nobody takes the report: {}", error.without_url()),
            }
            tokio::time::sleep(self.settings.pause).await;
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use axum::extract::{Query, State};
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use axum::{Json, Router};

    use super::super::generate::DEFAULT_BASE;
    use super::*;

    type Taken = Arc<Mutex<Vec<serde_json::Value>>>;

    /// A boot server that knows one MAC only, and refuses the first report with 503.
    async fn boot_server(mac: String) -> (String, Taken) {
        let taken = Taken::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let callback = format!("{url}/cb/token");
        let script = move |Query(query): Query<HashMap<String, String>>| async move {
            let text = format!("#!ipxe\nkernel {callback}/vmlinuz bm.callback_url={callback}\nboot\n");
            if query["mac"] == mac { (StatusCode::OK, text) } else { (StatusCode::NOT_FOUND, String::new()) }
        };
        let take = |State(taken): State<Taken>, Json(report): Json<serde_json::Value>| async move {
            let mut taken = taken.lock().unwrap();
            taken.push(report);
            if taken.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
        };
        let router = Router::new()
            .route("/boot/ipxe", get(script))
            .route("/cb/token/api/event", post(take))
            .route("/cb/token/api/v1/validation/report", post(take))
            .with_state(taken.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, taken)
    }

    fn server(estate: &Estate, index: usize, url: Option<String>) -> SimulatedServer {
        let settings = BootSettings {
            url,
            delay: Duration::from_millis(1),
            patience: Duration::from_millis(300),
            pause: Duration::from_millis(5),
        };
        let name = estate.servers[index].name.clone();
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        SimulatedServer::new(&name, index, SharedEstate::new(estate.clone()), settings, reqwest::Client::new())
    }

    #[tokio::test]
    async fn boots_with_its_second_nic_and_reports_until_somebody_takes_it() {
        let estate = Estate::sound(7, 2, DEFAULT_BASE);
        for index in [0, 1] {
            let (url, taken) = boot_server(estate.servers[index].nics[1].mac.clone()).await;
            let one = server(&estate, index, Some(url));
            one.network_boot().await;
            assert_eq!(one.state(), BootState::Reported(200));
            let taken = taken.lock().unwrap();
            assert_eq!(taken.len(), 2);
            assert_eq!(taken[1]["hardware"]["serial"], estate.servers[index].serial);
            assert_eq!(taken[1].get("event").is_some(), index == 1);
        }
    }

    #[tokio::test]
    async fn gives_up_and_says_why() {
        let estate = Estate::sound(7, 1, DEFAULT_BASE);
        let (url, _) = boot_server("none".to_owned()).await;
        let one = server(&estate, 0, Some(url));
        one.network_boot().await;
        assert!(matches!(one.state(), BootState::Failed(reason) if reason.contains("404")));
        let alone = server(&estate, 0, None);
        alone.network_boot().await;
        assert!(matches!(alone.state(), BootState::Failed(reason) if reason.contains("no boot server")));
    }
}
