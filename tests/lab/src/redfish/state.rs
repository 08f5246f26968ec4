//! What one controller remembers.
//!
//! Promises plain data behind one lock that is never held across an await. Time is compared on read
//! (`post_until`, `blocked_until`), so nothing must run for a lock or a self-test to end. It makes no
//! decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::config::Power;
use super::firmware::Load;
use super::hardware::Hardware;
use super::resource::Resource;
use super::template::Vars;

/// The boot override as stored; texts are the vendor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Boot {
    pub(super) enabled: String,
    pub(super) target: String,
    pub(super) mode: String,
    pub(super) uefi_target: Option<String>,
    pub(super) http_uri: Option<String>,
}

impl Default for Boot {
    fn default() -> Self {
        Self {
            enabled: "Disabled".to_owned(),
            target: "None".to_owned(),
            mode: "UEFI".to_owned(),
            uefi_target: None,
            http_uri: None,
        }
    }
}

/// One account or account slot.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) role: String,
    pub(super) enabled: bool,
    pub(super) failures: u32,
    pub(super) locked_until: Option<Instant>,
}

/// One login.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) token: String,
    pub(super) username: String,
    pub(super) last_used: Instant,
}

/// Work that goes on: a Dell job, or a task.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) name: String,
    /// Dell's words: `Scheduled`, `Running`, `Completed`.
    pub(super) state: &'static str,
    pub(super) percent: u8,
    pub(super) target: Option<String>,
    /// The firmware image it is about.
    pub(super) load: Option<Load>,
}

/// Faults that are on.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) slow: Duration,
    pub(super) error: Option<(u16, u32)>,
    pub(super) drop: u32,
    pub(super) truncate: u32,
    pub(super) busy: Option<(u64, u32)>,
    pub(super) lies: BTreeSet<String>,
    pub(super) pool_full: bool,
    pub(super) wrong_password: bool,
    pub(super) ignore_graceful: bool,
    /// The true serial number, while another is reported.
    pub(super) serial: Option<(String, String)>,
}

/// Everything behind the lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) vars: Vars,
    pub(super) power: Power,
    /// Bumped by every accepted power request; a delayed change whose number is not the last is dropped.
    pub(super) power_round: u64,
    /// A power change is on its way to this state.
    pub(super) heading: Option<Power>,
    pub(super) post_until: Option<Instant>,
    pub(super) boot: Boot,
    pub(super) bios_pending: Map<String, Value>,
    pub(super) bios_reset: bool,
    /// Firmware that was written and waits for a boot.
    pub(super) staged: Vec<Load>,
    /// Firmware that was uploaded and verified, and waits for `StartUpdate`.
    pub(super) verified: Option<Load>,
    pub(super) accounts: BTreeMap<u32, Account>,
    pub(super) sessions: Vec<Session>,
    /// Tokens that once were good: using one late is not a client's mistake.
    pub(super) old_tokens: BTreeSet<String>,
    pub(super) next: u64,
    pub(super) jobs: Vec<Job>,
    /// Wrong logins by source address.
    pub(super) strikes: BTreeMap<std::net::IpAddr, u32>,
    pub(super) blocked: BTreeMap<std::net::IpAddr, Instant>,
    pub(super) away_until: Option<Instant>,
    pub(super) faults: Faults,
    pub(super) hardware: Hardware,
    pub(super) writes: u64,
}

impl State {
    /// The self-test runs.
    pub(super) fn in_post(&self) -> bool {
        self.power == Power::On && self.post_until.is_some_and(|until| Instant::now() < until)
    }

    /// A number that is used once.
    pub(super) fn serial(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Take one use of a counted fault.
    pub(super) fn spend(left: &mut u32) -> bool {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        true
    }
}
