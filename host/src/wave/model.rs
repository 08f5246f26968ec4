//! A wave as it is kept: what was asked for, which servers, and how far each is.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use farrier_lifecycle::{ServerId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a wave stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = WaveState)]
pub enum State {
    /// Nothing is started before somebody resumes it.
    Planned,
    /// Servers are started as earlier ones come back well.
    Running,
    /// Nothing is started; its reason says why and what next.
    Halted,
    /// Every server of it came back, or was left out.
    Done,
}

impl State {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Halted => "halted",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many servers a step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many.
    Servers(u32),
    /// The rest of the rack of the first one.
    Rack,
    /// This part of the whole wave, at least one.
    Percent(u32),
    /// All that are left.
    Rest,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Servers(count) => write!(f, "{count}"),
            Self::Rack => f.write_str("rack"),
            Self::Percent(part) => write!(f, "{part}%"),
            Self::Rest => f.write_str("rest"),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no step: a number of servers, `rack`, a part as `10%`, or `rest`");
        match text.trim() {
            "rack" => Ok(Self::Rack),
            "rest" => Ok(Self::Rest),
            text => match text.strip_suffix('%') {
                Some(part) => {
                    part.parse().ok().filter(|part| (1..=100).contains(part)).map(Self::Percent).ok_or_else(wrong)
                }
                None => text.parse().ok().filter(|count| *count > 0).map(Self::Servers).ok_or_else(wrong),
            },
        }
    }
}

/// What is asked for. What is absent of the selection does not matter; all of it must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = WaveWanted)]
pub struct Wanted {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Slug of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Name of the rack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Start of the driver's name: `hpe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Start of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// These servers, by name or id; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// The steps: a number of servers, `rack` (the rest of the first one's), a part as `10%`, `rest`. What the last leaves, a further one takes.
    pub steps: Vec<String>,
    /// Servers that may fail before the wave halts.
    pub max_failures: u32,
    /// Servers updated at the same time.
    #[schema(minimum = 1, maximum = 256)]
    pub concurrency: u32,
    /// How long a server must have been well since it came back, before the step counts as passed, milliseconds.
    pub soak_ms: u64,
    /// How long a server may take to come back, milliseconds.
    pub limit_ms: u64,
    /// Keep it as a plan, started by resuming it.
    pub planned: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            name: None,
            site: None,
            rack: None,
            driver: None,
            model: None,
            servers: Vec::new(),
            steps: ["1", "rack", "10%", "rest"].map(str::to_owned).to_vec(),
            max_failures: 0,
            concurrency: 8,
            soak_ms: 300_000,
            limit_ms: 14_400_000,
            planned: false,
        }
    }
}

/// How one server of a wave stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its step has not come, or it waits for a place.
    Waiting,
    /// About to be started: the request may have been made.
    Starting,
    /// On its way through update, harden and monitor.
    Running,
    /// Ready again, and watched for a while.
    Soaking,
    /// Came back and stayed well.
    Passed,
    /// Did not.
    Failed,
    /// Failed, and somebody went on without it.
    Aside,
    /// Was not ready when its turn came, so nothing was done to it.
    Skipped,
}

impl Standing {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Soaking => "soaking",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Aside => "aside",
            Self::Skipped => "skipped",
        }
    }

    /// Is there nothing more to see?
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Passed | Self::Failed | Self::Aside | Self::Skipped)
    }

    /// Does it take one of the places?
    pub const fn is_busy(self) -> bool {
        matches!(self, Self::Starting | Self::Running)
    }
}

/// One server of a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which.
    pub id: ServerId,
    /// Its name then.
    pub name: String,
    /// Of which step, from 0.
    pub step: u32,
    /// How it stands.
    pub standing: Standing,
    /// Since when it stands so.
    #[serde(default)]
    pub since: Timestamp,
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// Why, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Member {
    /// It stands so from now on.
    pub fn set(&mut self, standing: Standing, now: Timestamp, why: Option<String>) {
        (self.standing, self.since, self.why) = (standing, now, why);
    }
}

/// A wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// `W000042`.
    pub id: String,
    /// Counts changes, from 1.
    pub version: u64,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub created: Timestamp,
    /// What was asked for.
    pub wanted: Wanted,
    /// Where it stands.
    pub state: State,
    /// The step under way, from 0.
    pub step: u32,
    /// Its servers, in order.
    pub members: Vec<Member>,
    /// Sites of its servers: who does not see them all does not see the wave. `None` among them: a server without a site.
    pub sites: BTreeSet<Option<String>>,
    /// Why it is where it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do next, where somebody must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Wave {
    /// The id of the wave with this number.
    pub fn id_of(number: u64) -> String {
        format!("W{number:06}")
    }

    /// How many of its servers stand so.
    pub fn count(&self, standing: Standing) -> usize {
        self.members.iter().filter(|member| member.standing == standing).count()
    }

    /// How many steps it has.
    pub fn steps(&self) -> u32 {
        self.members.iter().map(|member| member.step.saturating_add(1)).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_written_as_people_do() {
        for text in ["1", "rack", "10%", "rest"] {
            assert_eq!(text.parse::<Size>().map(|size| size.to_string()).as_deref(), Ok(text));
        }
        for text in ["0", "0%", "101%", "all", "", "-1", "1.5%"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
