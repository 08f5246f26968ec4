//! What is known of one server between looks, and what of it a restart must find again.
//!
//! Not obvious: of a server that is well, what was there is kept as well (its links, its supplies). Else a cable pulled or a supply taken out
//! while no host looked would be one that never was. What is only shown with a fault is not: it changes with each look, and would be
//! written with each.

use std::collections::{BTreeMap, VecDeque};

use farrier_lifecycle::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::engine::Who;
use super::judge::{Memory, Parts};
use super::rack::GroupKey;
use super::verdict::Line;

/// How far one rule is with one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) since: Timestamp,
    pub(super) looks: u32,
    /// Good since then; absent: bad at the last look that said anything.
    pub(super) good: Option<Timestamp>,
    /// Raised, as the server's own.
    pub(super) open: Option<Timestamp>,
    /// Part of the rack's.
    pub(super) within: Option<GroupKey>,
    /// Parts that were bad since it began, no more than a look has.
    pub(super) parts: Parts,
    /// When that was last said, and how many they were.
    #[serde(default)]
    pub(super) told: (Timestamp, usize),
}

/// What is known of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patient {
    pub(super) who: Who,
    pub(super) tracks: BTreeMap<String, Track>,
    pub(super) memory: Memory,
    pub(super) lines: VecDeque<Line>,
    #[serde(default)]
    pub(super) readings: Vec<Value>,
}

impl Patient {
    pub(super) fn new(who: Who) -> Self {
        let (tracks, memory) = (BTreeMap::new(), Memory::default());
        Self { who, tracks, memory, lines: VecDeque::new(), readings: Vec::new() }
    }

    /// Nothing is wrong with it.
    pub fn is_well(&self) -> bool {
        self.tracks.is_empty() && self.memory.hits.is_empty()
    }

    /// What a restart must find again; `None`: nothing.
    pub fn kept(&self) -> Option<Self> {
        if !self.is_well() {
            return Some(self.clone());
        }
        let memory = self.memory.clone();
        (memory != Memory::default()).then(|| Self { memory, ..Self::new(self.who.clone()) })
    }

    /// Raised faults, by code, and since when they last.
    pub fn open(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.tracks.iter().filter(|(_, track)| track.open.is_some()).map(|(code, track)| (code.as_str(), track.since))
    }
}
