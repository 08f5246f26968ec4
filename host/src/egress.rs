//! The guard of promise 1: what may leave the host towards a server.
//!
//! [`permit`] is the one function that decides. The endpoint broker asks it before every request of a plugin call, and the
//! Ansible runner before each spawn; `tests/architecture.rs` fails on any other way out. For a server in service only GET
//! and HEAD pass without an approval, whatever a plugin calls its requests. The host's own login and logout are the broker's
//! and never come here.
//!
//! The record is read again for each effect, not once for a call: a server can become active while a call runs, and an attempt that was wanted
//! when it began (before a hold, a reset, a retirement) need not be any more. An attempt's gate passes only while its command is outstanding.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use farrier_lifecycle::{Action, Server, ServerId, Timestamp, Token};

/// What an external effect would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// GET or HEAD.
    Look,
    /// Anything else, done for this purpose.
    Act(Action),
}

/// Why nothing leaves the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The server is active and nobody approved this.
    #[error("{server} is active: {action} needs an approval")]
    NeedsApproval {
        /// Its name.
        server: String,
        /// What was wanted.
        action: Action,
    },
    /// The host only observes.
    #[error("the host only observes: {action} is not done")]
    Observing {
        /// What was wanted.
        action: Action,
    },
    /// The call was lent an endpoint that only looks.
    #[error("this call may only look")]
    LookOnly,
    /// The worker may have lost its lease on the server, so another may be at work; or its attempt is not wanted any more.
    #[error("the worker's lease on {server} is not confirmed")]
    LeaseUnconfirmed {
        /// Its id.
        server: String,
    },
    /// Where the server stands could not be read; what is not known is not permitted.
    #[error("where {server} stands could not be read: {cause}")]
    Unknown {
        /// Its id.
        server: String,
        /// What the store said.
        cause: String,
    },
    /// A granted firmware image is not there, or not the one its digest names.
    #[error("{problem}")]
    Image {
        /// The file, and what is wrong with it.
        problem: String,
    },
}

impl Denied {
    /// Kebab case, for faults and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NeedsApproval { .. } => "needs-approval",
            Self::Observing { .. } => "observing",
            Self::LookOnly => "look-only",
            Self::LeaseUnconfirmed { .. } => "lease-unconfirmed",
            Self::Unknown { .. } => "standing-unknown",
            Self::Image { .. } => "image-unusable",
        }
    }
}

/// Where a server stands, as the guard sees it: `None` is a server the store does not know.
pub fn permit(server: Option<&Server>, effect: Effect, now: Timestamp) -> Result<(), Denied> {
    let (Effect::Act(action), Some(server)) = (effect, server) else { return Ok(()) };
    if !server.in_service() || server.approval(action, now).is_some() {
        return Ok(());
    }
    Err(Denied::NeedsApproval { server: server.label().to_owned(), action })
}

/// Reads where a server stands; the bus implements it.
#[async_trait]
pub trait Standing: Send + Sync {
    /// The committed record, read now; an error is a text for people.
    async fn standing(&self, server: &ServerId) -> Result<Option<Server>, String>;
}

/// The worker's lease on its command.
pub trait LeaseClock: Send + Sync {
    /// Until when it is known to hold, on the monotonic clock; `None` while the link to the store is in doubt.
    fn holds_until(&self) -> Option<Instant>;
    /// The attempt it is for.
    fn attempt(&self) -> Token;
}

/// What one call or run about one server may do; handed to the broker and to the Ansible runner.
#[derive(Clone)]
pub struct Gate {
    /// The server, where the call is about one.
    pub server: Option<ServerId>,
    /// The most this call may do.
    pub grant: Effect,
    /// Nothing but looking, whatever the grant: `serve --observe`.
    pub observe: bool,
    /// Where to read the record.
    pub standing: Option<Arc<dyn Standing>>,
    /// The worker's lease; absent outside of workers.
    pub lease: Option<Arc<dyn LeaseClock>>,
}

impl Gate {
    /// A gate for a call about no server of the bus, such as `plugin call` on the command line.
    pub const fn detached(grant: Effect) -> Self {
        Self { server: None, grant, observe: false, standing: None, lease: None }
    }

    /// May an effect that takes up to `lasting` begin now? `look` is a GET or HEAD.
    pub async fn pass(&self, look: bool, lasting: std::time::Duration) -> Result<(), Denied> {
        if look {
            return Ok(());
        }
        let Effect::Act(action) = self.grant else { return Err(Denied::LookOnly) };
        if self.observe {
            return Err(Denied::Observing { action });
        }
        let (Some(id), Some(standing)) = (&self.server, &self.standing) else { return Ok(()) };
        let unconfirmed = || Denied::LeaseUnconfirmed { server: id.to_string() };
        if let Some(lease) = &self.lease
            && lease.holds_until().is_none_or(|until| until < Instant::now() + lasting)
        {
            return Err(unconfirmed());
        }
        let record = standing.standing(id).await.map_err(|cause| Denied::Unknown { server: id.to_string(), cause })?;
        if let Some(lease) = &self.lease
            && record.as_ref().and_then(Server::outstanding).is_none_or(|command| command.token != lease.attempt())
        {
            return Err(unconfirmed());
        }
        permit(record.as_ref(), self.grant, now())
    }
}

/// The wall clock in the lifecycle's form.
pub fn now() -> Timestamp {
    Timestamp(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default())
}
