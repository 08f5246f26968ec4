//! What this NetBox has been told about devices: the types of our custom fields, the statuses a device can have.
//!
//! Read from NetBox and kept for some minutes, since it costs two requests and changes when an administrator changes it.
//! A user who may not read it is no fault: then the defaults of NetBox are taken for granted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::client::Client;
use super::error::NetBoxError;
use super::model::{Choice, Nested};

/// How long what was read is believed.
const FRESH: Duration = Duration::from_mins(5);
/// The model our custom fields belong to.
pub const DEVICE: &str = "dcim.device";

/// A custom field.
#[derive(Clone, Debug, Deserialize)]
pub struct CustomField {
    /// Its id.
    pub id: u64,
    /// As in `custom_fields`.
    pub name: String,
    /// `select`, `datetime`, `date`, `text`.
    #[serde(rename = "type")]
    pub kind: Choice,
    /// The models it belongs to, on 3.7.
    #[serde(default)]
    pub content_types: Vec<String>,
    /// The models it belongs to, on 4.x.
    #[serde(default)]
    pub object_types: Vec<String>,
    /// Of a select field.
    #[serde(default)]
    pub choice_set: Option<Nested>,
}

impl CustomField {
    /// The models it belongs to, in either version.
    pub fn models(&self) -> impl Iterator<Item = &String> {
        self.content_types.iter().chain(&self.object_types)
    }
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Type of each custom field of devices; empty if it could not be read.
    pub fields: BTreeMap<String, String>,
    /// The statuses a device can have; empty if they could not be read.
    pub statuses: Vec<String>,
}

impl Known {
    /// Can a device have this status? Yes where nobody said what it can have and NetBox has it by default.
    pub fn has_status(&self, status: &str) -> bool {
        const DEFAULT: [&str; 7] = ["offline", "active", "planned", "staged", "failed", "inventory", "decommissioning"];
        if self.statuses.is_empty() {
            DEFAULT.contains(&status)
        } else {
            self.statuses.iter().any(|known| known == status)
        }
    }
}

/// What was read, and when.
#[derive(Default)]
pub struct Schema(Mutex<Option<(Instant, Arc<Known>)>>);

impl Schema {
    /// As read at most five minutes ago.
    pub async fn known(&self, client: &Client) -> Result<Arc<Known>, NetBoxError> {
        let mut kept = self.0.lock().await;
        if let Some((at, known)) = &*kept
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(known));
        }
        let known = Arc::new(Known { fields: fields(client).await?, statuses: statuses(client).await? });
        *kept = Some((Instant::now(), Arc::clone(&known)));
        Ok(known)
    }
}

async fn fields(client: &Client) -> Result<BTreeMap<String, String>, NetBoxError> {
    match client.list::<CustomField>("extras/custom-fields", &[]).await {
        Ok(fields) => Ok(fields
            .into_iter()
            .filter(|field| field.models().any(|model| model == DEVICE))
            .map(|field| (field.name, field.kind.value))
            .collect()),
        Err(NetBoxError::Forbidden { .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

async fn statuses(client: &Client) -> Result<Vec<String>, NetBoxError> {
    let options = match client.options("dcim/devices").await {
        Ok(options) => options,
        Err(error @ (NetBoxError::Unreachable { .. } | NetBoxError::Failing { .. })) => return Err(error),
        Err(_) => return Ok(Vec::new()),
    };
    let choices = options.pointer("/actions/POST/status/choices").and_then(Value::as_array);
    let value = |choice: &Value| choice.get("value").and_then(Value::as_str).map(str::to_owned);
    Ok(choices.into_iter().flatten().filter_map(value).collect())
}
