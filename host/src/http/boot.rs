//! What iPXE asks for: one script that is the same for everybody, and that of a server under validation, served once for each boot, to its
//! own MAC, while it is awaited.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use farrier_lifecycle::{Mac, Server, ServerId, Stage};
use serde::Deserialize;

use crate::bus::{Bus, BusError};
use crate::config::Http;
use crate::stage::{Parts, boot_token};

/// The interfaces that iPXE is told to ask for: the one it booted from, then by number, since any of a server's may be known.
const INTERFACES: [&str; 9] = ["netX", "net0", "net1", "net2", "net3", "net4", "net5", "net6", "net7"];

/// `GET /boot.ipxe`, which DHCP gives to iPXE: it asks for the server's own script, and goes on to the disk where there is none.
pub async fn first(State(parts): State<Arc<Parts>>) -> Response {
    let Some(http) = &parts.config.http else { return StatusCode::NOT_FOUND.into_response() };
    let base = http.public_url.as_str().trim_end_matches('/');
    let ask = INTERFACES.map(|name| format!("chain --autofree {base}/boot/ipxe?mac=${{{name}/mac}} ||\n"));
    ([(header::CONTENT_TYPE, "text/plain")], format!("#!ipxe\n{}exit\n", ask.concat())).into_response()
}

/// What iPXE says of itself.
#[derive(Debug, Deserialize)]
pub struct Booting {
    /// `${net0/mac}`.
    mac: Option<String>,
}

/// `GET /boot/ipxe?mac=`.
pub async fn ipxe(State(parts): State<Arc<Parts>>, Query(booting): Query<Booting>) -> Response {
    let Some(mac) = booting.mac.as_deref().and_then(|mac| mac.parse::<Mac>().ok()) else {
        return (StatusCode::BAD_REQUEST, "mac: give the MAC of the booting interface, as in ?mac=${net0/mac}\n")
            .into_response();
    };
    let Some(http) = &parts.config.http else { return StatusCode::NOT_FOUND.into_response() };
    match find(&parts, mac).await {
        Ok(Some((server, token))) => {
            tracing::info!(server = server.label(), %mac, "validation image handed out");
            ([(header::CONTENT_TYPE, "text/plain")], script(http, &server, &token)).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "no server with this MAC waits for a validation boot\n").into_response(),
        Err(error) => {
            tracing::warn!(%error, "boot script not served");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer: try again\n").into_response()
        }
    }
}

/// The server under validation with this MAC, and its token, unless the script went out for this boot before. Every server that boots
/// from the network asks, again and again, so it is looked up by its key and not searched for.
async fn find(parts: &Parts, mac: Mac) -> Result<Option<(Server, String)>, BusError> {
    let Some(id) = parts.bus.get(&boot_token::mac_key(mac)).await? else { return Ok(None) };
    let Some(id) = std::str::from_utf8(&id).ok().and_then(|id| id.parse::<ServerId>().ok()) else { return Ok(None) };
    let awaited = |server: &Server| {
        server.stage == Stage::Validate && server.hold.is_none() && server.facts.boot_macs.contains(&mac)
    };
    let Some(server) = parts.bus.read(&id).await?.filter(awaited) else { return Ok(None) };
    let Some(token) = boot_token::of(&server) else { return Ok(None) };
    Ok(unasked(parts.bus.as_ref(), &boot_token::served_key(&server)).await?.then_some((server, token)))
}

/// Is this the first request for this boot, of all that reach any host of the store? The mark is this request's own, so that a lost
/// answer of the store does not cost the server its boot.
async fn unasked(bus: &dyn Bus, key: &str) -> Result<bool, BusError> {
    let mine: [u8; 16] = rand::random();
    match bus.swap(key, None, Some(&mine), Some(boot_token::SERVED_TTL)).await {
        Err(BusError::Unreachable(_)) => Ok(bus.get(key).await?.as_deref() == Some(&mine)),
        answer => answer,
    }
}

/// The PoC's kernel arguments, with the token in the URL instead of a NetBox token on the command line.
fn script(http: &Http, server: &Server, token: &str) -> String {
    let Http { kernel, initrd, kernel_args, .. } = http;
    let base = http.public_url.as_str().trim_end_matches('/');
    let device = server.facts.inventory_id.as_deref().unwrap_or(server.id.as_str());
    let callback = format!("{base}/cb/{token}");
    format!(
        "#!ipxe\nkernel {kernel} device_id={device} bm.callback_url={callback} api_endpoint={callback}/api/v1/validation/report {kernel_args}\ninitrd {initrd}\nboot\n"
    )
}
