//! The port to a ticket system, and the plugin behind it.
//!
//! Promises that each of the three is the same when it is repeated. The gate carries the server's name for the plugin's kept
//! values, and no standing: a ticket system is no server, and a fault of a server in service needs a ticket most of all.

use std::sync::Arc;

use async_trait::async_trait;

use super::case::Subject;
use crate::egress::{Effect, Gate};
use crate::fault::Fault;
use crate::plugin::wit::ticketing::{Draft, TicketState};
use crate::plugin::{Broker, CallError, Lend, Service};

/// A ticket system. What a ticket is about names the plugin's kept values.
#[async_trait]
pub trait Tracker: Send + Sync {
    /// Open a ticket, or find the open one of the same key: its key and URL.
    async fn open(&self, about: &Subject, draft: &Draft) -> Result<(String, String), Fault>;
    /// Add to a ticket.
    async fn comment(&self, about: &Subject, key: &str, text: &str) -> Result<(), Fault>;
    /// Close a ticket.
    async fn close(&self, about: &Subject, key: &str) -> Result<(), Fault>;
}

/// A ticket system behind a plugin.
pub struct ServiceTracker {
    service: Service,
    broker: Arc<Broker>,
}

impl ServiceTracker {
    /// The configured plugin, and the way out.
    pub const fn new(service: Service, broker: Arc<Broker>) -> Self {
        Self { service, broker }
    }

    fn lend(&self, about: &Subject) -> Result<Lend, Fault> {
        let gate = Gate { server: about.server().cloned(), ..Gate::detached(Effect::Look) };
        Ok(Lend { about: Some(about.to_string()), ..self.service.lend(&self.broker, gate)? })
    }

    fn fault(&self, error: &CallError) -> Fault {
        error.service_fault(self.service.driver().name())
    }
}

#[async_trait]
impl Tracker for ServiceTracker {
    async fn open(&self, about: &Subject, draft: &Draft) -> Result<(String, String), Fault> {
        let opened = self.service.driver().open_ticket(&self.lend(about)?, draft).await;
        opened.map(|ticket| (ticket.key, ticket.url)).map_err(|error| self.fault(&error))
    }

    async fn comment(&self, about: &Subject, key: &str, text: &str) -> Result<(), Fault> {
        let said = self.service.driver().comment(&self.lend(about)?, key, text).await;
        said.map_err(|error| self.fault(&error))
    }

    async fn close(&self, about: &Subject, key: &str) -> Result<(), Fault> {
        let lend = self.lend(about)?;
        let closed = self.service.driver().set_ticket_state(&lend, key, TicketState::Resolved).await;
        closed.map_err(|error| self.fault(&error))
    }
}
