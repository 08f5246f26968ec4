//! The right to fetch one image, for controllers that pull: a one-time token in a URL of the public listener.
//!
//! Promises that a token is 128 random bits that stand in no key, names one image for one server's job, and ends with the job or its
//! time. Which requests are answered is the listener's.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use farrier_lifecycle::ServerId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bus::{Bus, BusError};
use crate::firmware::Known;
use crate::stage::{Stop, Work};

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// The image's digest.
    pub sha256: String,
    /// For this server.
    pub server: ServerId,
}

fn key(token: &str) -> String {
    format!("firmware-pull/{}", URL_SAFE_NO_PAD.encode(Sha256::digest(token)))
}

/// Offer an image: its URL, and where the store keeps the right. Both empty where nothing is served.
pub async fn offer(work: &Work, image: &Known, millis: u64) -> Result<(String, Option<String>), Stop> {
    let Some(http) = &work.parts.config.http else { return Ok((String::new(), None)) };
    let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
    let pull = Pull { sha256: image.image.sha256.clone(), server: work.server().id };
    let key = key(&token);
    let value = serde_json::to_vec(&pull)
        .map_err(|error| BusError::Corrupt { key: key.clone(), problem: error.to_string() })?;
    work.parts.bus.set(&key, Some(&value), Some(Duration::from_millis(millis))).await?;
    let base = http.public_url.as_str().trim_end_matches('/');
    let name = percent_encoding::utf8_percent_encode(&image.name(), NAME).to_string();
    Ok((format!("{base}/firmware/{token}/{name}"), Some(key)))
}

/// What stands as it is in a file's name; vendors put dots and dashes into theirs.
const NAME: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// The job is over. A store that is away ends the right by its time.
pub async fn end(work: &Work, key: Option<String>) {
    let Some(key) = key else { return };
    if let Err(error) = work.parts.bus.set(&key, None, None).await {
        tracing::debug!(%error, "the right to fetch an image ends by its time");
    }
}

/// What this token allows now.
pub async fn allowed(bus: &dyn Bus, token: &str) -> Result<Option<Pull>, BusError> {
    let value = bus.get(&key(token)).await?;
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
}
