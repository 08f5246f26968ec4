//! A small NetBox and a client for the tests.
//!
//! Promises the same objects in both versions: the site `ams`, the devices `srv-1` and `srv-2`, a select and a date
//! custom field. It asserts only what every test needs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, dead_code, missing_docs)]

use farrier_lab::ledger::Ledger;
use farrier_lab::netbox::{NetBoxConfig, NetBoxHandle, Version, start};
use serde_json::{Value, json};

/// The token with all rights.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
/// Both versions.
pub const BOTH: [Version; 2] = [Version::V3_7, Version::V4_6];

/// A NetBox with a site, two devices, custom fields, and a client.
pub struct Lab {
    pub netbox: NetBoxHandle,
    pub ledger: Ledger,
    pub client: reqwest::Client,
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub etag: Option<String>,
    pub body: Value,
}

pub fn config(version: Version) -> NetBoxConfig {
    let models = if version == Version::V3_7 { "content_types" } else { "object_types" };
    let seed = [
        ("dcim/sites", json!({"name": "Amsterdam", "slug": "ams"})),
        ("dcim/manufacturers", json!({"name": "HPE", "slug": "hpe"})),
        ("dcim/device-types", json!({"manufacturer": {"slug": "hpe"}, "model": "DL360", "slug": "dl360"})),
        ("dcim/device-roles", json!({"name": "Server", "slug": "server"})),
        (
            "extras/custom-field-choice-sets",
            json!({"name": "states", "extra_choices": [["offline", "Offline"], ["ready", "Ready"]]}),
        ),
        (
            "extras/custom-fields",
            json!({"name": "lifecycle_state", "type": "select", models: ["dcim.device"], "choice_set": {"name": "states"}}),
        ),
        ("extras/custom-fields", json!({"name": "hardened_at", "type": "date", models: ["dcim.device"]})),
        ("dcim/devices", device("srv-1")),
        ("dcim/devices", device("srv-2")),
    ];
    let seed = seed.into_iter().map(|(endpoint, body)| (endpoint.to_owned(), body)).collect();
    NetBoxConfig { seed, extra_statuses: vec!["discovered".into()], ..NetBoxConfig::new(version, TOKEN) }
}

pub fn device(name: &str) -> Value {
    json!({"name": name, "site": {"slug": "ams"}, "role": {"slug": "server"}, "device_type": {"model": "DL360"}})
}

impl Lab {
    pub async fn start(version: Version) -> Self {
        Self::with(config(version)).await
    }

    pub async fn with(config: NetBoxConfig) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let ledger = Ledger::default();
        let netbox = start(config, ledger.clone()).await.unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { netbox, ledger, client }
    }

    pub async fn try_send(&self, method: &str, path: &str, body: &Value, tag: Option<&str>) -> reqwest::Result<Reply> {
        let address =
            if path.starts_with("http") { path.to_owned() } else { format!("{}/api/{path}", self.netbox.url()) };
        let mut call =
            self.client.request(method.parse().unwrap(), address).header("Authorization", format!("Token {TOKEN}"));
        if !body.is_null() {
            call = call.json(body);
        }
        if let Some(tag) = tag {
            call = call.header("If-Match", tag);
        }
        let response = call.send().await?;
        let status = response.status().as_u16();
        let etag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let text = response.text().await?;
        Ok(Reply { status, etag, body: serde_json::from_str(&text).unwrap_or_default() })
    }

    pub async fn send(&self, method: &str, path: &str, body: Value) -> Reply {
        self.try_send(method, path, &body, None).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, Value::Null).await
    }

    pub async fn created(&self, path: &str, body: Value) -> u64 {
        let reply = self.send("POST", path, body).await;
        assert_eq!(reply.status, 201, "{path}: {}", reply.body);
        reply.body["id"].as_u64().unwrap()
    }

    /// An interface with a MAC address, the way the version wants it.
    pub async fn interface(&self, version: Version, device: u64, name: &str, mac: &str) -> u64 {
        let mut body = json!({"device": device, "name": name, "type": "1000base-t"});
        if version == Version::V3_7 {
            body["mac_address"] = json!(mac);
            return self.created("dcim/interfaces/", body).await;
        }
        let id = self.created("dcim/interfaces/", body).await;
        let mac = json!({"mac_address": mac, "assigned_object_type": "dcim.interface", "assigned_object_id": id});
        let mac = self.created("dcim/mac-addresses/", mac).await;
        let primary = self.send("PATCH", &format!("dcim/interfaces/{id}/"), json!({"primary_mac_address": mac})).await;
        assert_eq!(primary.status, 200, "{}", primary.body);
        id
    }

    pub fn violations(&self) -> Vec<String> {
        self.ledger.report().violations.into_iter().map(|violation| violation.text).collect()
    }
}
