//! A wave as people and programs see it: the same for the API and the command line.

use std::collections::BTreeMap;

use farrier_lifecycle::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Member, Standing, State, Wanted, Wave};

/// One server of a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MemberView {
    /// The server's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its step, from 1.
    pub step: u32,
    /// How it stands.
    pub standing: Standing,
    /// Since when.
    pub since: String,
    /// When it was started.
    pub started: Option<String>,
    /// Why, where that is not plain.
    pub why: Option<String>,
}

/// A wave. Times are RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WaveView {
    /// `W000042`.
    pub id: String,
    /// Counts changes, from 1; its `ETag`.
    pub version: u64,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub created: String,
    /// What was asked for.
    pub wanted: Wanted,
    /// Where it stands.
    pub state: State,
    /// The step under way, from 1.
    pub step: u32,
    /// How many steps it has.
    pub steps: u32,
    /// How many servers stand how.
    pub counts: BTreeMap<String, usize>,
    /// Its servers, in order.
    pub servers: Vec<MemberView>,
    /// Why it is where it is.
    pub reason: Option<String>,
    /// What to do next, where somebody must.
    pub next: Option<String>,
}

/// RFC 3339, whole seconds.
pub fn time(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| at.0.to_string(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

impl From<&Wave> for WaveView {
    fn from(wave: &Wave) -> Self {
        let member = |one: &Member| MemberView {
            id: one.id.to_string(),
            name: one.name.clone(),
            step: one.step.saturating_add(1),
            standing: one.standing,
            since: time(one.since),
            started: one.started.map(time),
            why: one.why.clone(),
        };
        let mut counts = BTreeMap::new();
        for one in &wave.members {
            *counts.entry(one.standing.as_str().to_owned()).or_default() += 1;
        }
        Self {
            id: wave.id.clone(),
            version: wave.version,
            by: wave.by.clone(),
            created: time(wave.created),
            wanted: wave.wanted.clone(),
            state: wave.state,
            step: wave.step.saturating_add(1).min(wave.steps()),
            steps: wave.steps(),
            counts,
            servers: wave.members.iter().map(member).collect(),
            reason: wave.reason.clone(),
            next: wave.next.clone(),
        }
    }
}
