//! The one-time token of a validation boot, and where the stage remembers it.
//!
//! It names the server and the boot, and 128 random bits make it unguessable. It is kept in the stage's memo and so ends with the
//! stage; whoever shows a record to people leaves the memo out. Of the last one that was used a digest is kept for a while, so that
//! somebody who has an old one is noticed.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use farrier_lifecycle::{Mac, Server, ServerId, Stage, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::plugin::wit::types::Job;

/// How long "the script of this boot went out" is remembered.
pub const SERVED_TTL: Duration = Duration::from_hours(24);

/// How long a token that was used is known again: as long as the journal says what it was used for.
pub const USED_TTL: Duration = Duration::from_hours(7 * 24);

/// What validate must find again after a crash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    /// Of this boot.
    pub token: String,
    /// The number of this boot in the stage, from 1.
    pub boot: u32,
    /// How far it is.
    pub phase: Phase,
    /// When the report is overdue; set once the server is on.
    pub deadline: Option<Timestamp>,
    /// Work under way at the boot provisioner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// How often it was looked at.
    #[serde(default)]
    pub looks: u32,
}

/// The steps of a validation boot, each verified before it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The boot provisioner learns of the server; skipped where none is configured.
    Enroll,
    /// The boot provisioner is told what to serve.
    Serve,
    /// Power off, boot override set.
    Prepare,
    /// Power on.
    Start,
    /// The report is awaited.
    Await,
}

impl Memo {
    /// The memo of a new boot.
    pub fn new(server: &ServerId, boot: u32) -> Self {
        let random: [u8; 16] = rand::random();
        let token = format!("{server}-{boot}-{}", URL_SAFE_NO_PAD.encode(random));
        Self { token, boot, phase: Phase::Enroll, deadline: None, job: None, looks: 0 }
    }

    /// The memo of a server in validate, if it has one that can be read.
    pub fn of(server: &Server) -> Option<Self> {
        if server.stage != Stage::Validate {
            return None;
        }
        server.memo.as_deref().and_then(|memo| serde_json::from_str(memo).ok())
    }
}

/// The token a server under validation has now.
pub fn of(server: &Server) -> Option<String> {
    Memo::of(server).map(|memo| memo.token)
}

/// Whose token it claims to be.
pub fn server(token: &str) -> Option<ServerId> {
    token.split_once('-').and_then(|(id, _)| id.parse().ok())
}

/// Is it the token this server has now? Takes the same time whether or not it is nearly right.
pub fn is_current(server: &Server, token: &str) -> bool {
    of(server).is_some_and(|current| current.as_bytes().ct_eq(token.as_bytes()).into())
}

/// The store's key for "the server that boots with this MAC". Written before each boot and never deleted: what it leads to is read
/// and checked, so that an old one says nothing.
pub fn mac_key(mac: Mac) -> String {
    format!("boot-mac/{mac}")
}

/// The store's key for "the token this server used last"; its value is a [`digest`].
pub fn used_key(server: &ServerId) -> String {
    format!("boot-used/{server}")
}

/// What may be kept of a token outside its stage.
pub fn digest(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}

/// Is this kept of that token? Takes the same time whether or not it is nearly so.
pub fn is_kept_of(kept: &[u8], token: &str) -> bool {
    kept.ct_eq(digest(token).as_bytes()).into()
}

/// The store's key for "the script of this boot went out". It names the boot by a digest of its token: after an operator's retry, boots
/// are counted from one again.
pub fn served_key(server: &Server) -> String {
    format!("boot/{}/{}", server.id, digest(&of(server).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use farrier_lifecycle::Lease;

    use super::*;

    fn booting(memo: &Memo) -> Server {
        let lease = Lease {
            mac: "a0:36:9f:01:00:00".parse::<Mac>().unwrap(),
            ip: "10.0.100.50".parse().unwrap(),
            hostname: None,
            vendor_class: None,
            at: Timestamp(1),
            source: String::new(),
        };
        let memo = Some(serde_json::to_string(memo).unwrap());
        Server { stage: Stage::Validate, memo, ..Server::unseen(lease) }
    }

    #[test]
    fn a_boot_that_is_asked_for_again_is_served_again() {
        let id = "a0369f010000".parse().unwrap();
        let (first, again) = (booting(&Memo::new(&id, 1)), booting(&Memo::new(&id, 1)));
        assert_ne!(served_key(&first), served_key(&again));
        assert_eq!(served_key(&first), served_key(&first.clone()));
        let token = of(&first).unwrap();
        assert!(!served_key(&first).contains(&token), "the token does not stand in a key");
        let kept = digest(&token);
        assert!(is_kept_of(kept.as_bytes(), &token) && !is_kept_of(kept.as_bytes(), &of(&again).unwrap()));
        assert!(!kept.contains(&token), "nor in what is kept of it");
    }
}
