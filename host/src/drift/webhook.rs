//! What a webhook of NetBox means: a tenant set on a ready server may be a request; everything else is looked at, and shown if it differs.
//!
//! Promises that nothing is believed without its signature, and that a body is only the occasion to look: what NetBox has *now* decides,
//! so that a body that is late, repeated, or of our own writing does nothing. A status is never obeyed.

use std::sync::Arc;
use std::time::Duration;

use farrier_lifecycle::{Event, Request, Server, ServerId, Stage, Status};

use super::look::{LookError, Looked, look};
use crate::bus::{ApplyError, BusError, Origin};
use crate::fault::{Fault, SecretError};
use crate::netbox::webhook::{self, Change};
use crate::stage::Parts;

/// Looks at a server that is being written, and the pause between two.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(3);

/// Why a webhook was not taken; [`WebhookError::status`] is its HTTP status. NetBox repeats nothing by itself.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// No secret is configured, so none can be checked.
    #[error("this host takes no webhooks: `netbox.webhook_secret_file` is not set")]
    NotConfigured,
    /// No signature, or another secret's.
    #[error("the webhook is not signed with the secret of `netbox.webhook_secret_file`")]
    Unsigned,
    /// The secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Not a webhook's body.
    #[error(transparent)]
    Malformed(#[from] webhook::Malformed),
    /// The store failed; the rounds will find what was changed.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// NetBox could not be asked; the rounds will find what was changed.
    #[error("{0}")]
    Inventory(Fault),
}

impl WebhookError {
    /// For the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotConfigured => 404,
            Self::Unsigned => 401,
            Self::Malformed(_) => 400,
            Self::Secret(_) | Self::Bus(_) | Self::Inventory(_) => 503,
        }
    }

    /// Kebab case.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured => "no-webhooks",
            Self::Unsigned => "bad-signature",
            Self::Secret(_) => "no-secret",
            Self::Malformed(_) => "malformed-webhook",
            Self::Bus(error) => error.code(),
            Self::Inventory(_) => "netbox",
        }
    }
}

impl From<LookError> for WebhookError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Bus(error) => Self::Bus(error),
            LookError::Inventory(fault) => Self::Inventory(fault),
        }
    }
}

/// Take a webhook: `signature` is the header [`webhook::SIGNATURE`], `body` the body as it came.
pub async fn netbox_webhook(parts: &Arc<Parts>, signature: Option<&str>, body: &[u8]) -> Result<(), WebhookError> {
    let netbox = parts.config.netbox.as_ref().ok_or(WebhookError::NotConfigured)?;
    let secret = netbox.webhook_secret().ok_or(WebhookError::NotConfigured)?.read()?;
    if !signature.is_some_and(|signature| webhook::is_signed(&secret, body, signature)) {
        return Err(WebhookError::Unsigned);
    }
    let Some(change) = webhook::read(body)? else { return Ok(()) };
    if parts.observe || (change.tenant.is_none() && change.status.is_none()) {
        return Ok(());
    }
    let Some(server) = server_of(parts, &change).await? else { return Ok(()) };
    if netbox.webhook_requests {
        deliver(parts, &server, &change).await?;
    }
    see(parts, server.id, change.by).await
}

/// Our server of a device: by the field that carries its id, else by looking through all.
async fn server_of(parts: &Parts, change: &Change) -> Result<Option<Server>, BusError> {
    let device = change.device.to_string();
    let is_it = |server: &Server| server.facts.inventory_id.as_deref() == Some(device.as_str());
    let marked = change.marker.as_deref().and_then(|marker| marker.split(':').next()?.parse::<ServerId>().ok());
    if let Some(id) = marked
        && let Some(server) = parts.bus.read(&id).await?.filter(is_it)
    {
        return Ok(Some(server));
    }
    Ok(parts.bus.list().await?.into_iter().find(is_it))
}

/// A tenant set by an operator on a ready server: a request in the operator's name.
async fn deliver(parts: &Parts, server: &Server, change: &Change) -> Result<(), WebhookError> {
    let Some((_, Some(tenant))) = &change.tenant else { return Ok(()) };
    let is_free = server.stage == Stage::Assign && server.status == Status::Resting && server.tenant.is_none();
    if !is_free {
        return Ok(());
    }
    let found = parts.inventory.differences(std::slice::from_ref(server)).await.map_err(WebhookError::Inventory)?;
    let mut differences = found.into_iter().flat_map(|(_, all)| all);
    if !differences.any(|one| one.field == "tenant" && one.theirs == *tenant) {
        return Ok(());
    }
    let request = Request::Assign { tenant: tenant.clone(), accept: false, order: None };
    let event = Event::Requested { by: format!("{} (NetBox)", change.by), request };
    match parts.apply(&server.id, &event, Origin::Outside).await {
        Ok(_) => Ok(()),
        // Shown as drift, which says what stands in the way of it.
        Err(ApplyError::Refused(refused)) => {
            let (code, why) = (refused.code, refused.text);
            tracing::warn!(
                server = server.label(),
                by = change.by,
                code,
                why,
                "a tenant set in NetBox is not taken as a request"
            );
            Ok(())
        }
        Err(ApplyError::Bus(error)) => Err(error.into()),
        Err(error) => Err(WebhookError::Bus(BusError::Unreachable(error.to_string()))),
    }
}

/// Look now; what is being written is looked at again, after the answer.
async fn see(parts: &Arc<Parts>, id: ServerId, by: String) -> Result<(), WebhookError> {
    if look(&*parts.bus, &*parts.inventory, &id, Some(&by)).await? != Looked::Moving {
        return Ok(());
    }
    let parts = parts.clone();
    tokio::spawn(async move {
        for _ in 0..LOOKS {
            tokio::time::sleep(PAUSE).await;
            match look(&*parts.bus, &*parts.inventory, &id, Some(&by)).await {
                Ok(Looked::Moving) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(server = %id, %error, "not compared with NetBox; the rounds do it");
                    return;
                }
            }
        }
    });
    Ok(())
}
