//! One server: what a look changes of its faults, and what is said of them.
//!
//! Promises that what is kept is bounded whatever a controller shows, and that a fault which grows is said to grow once in each window, with all
//! that was added: new names in every look make no comment each. Does not: decide who is told; the engine does.

use std::collections::BTreeMap;

use farrier_lifecycle::{Blame, Fault, Retry, ServerId, Timestamp};
use serde_json::Value;

use super::judge::{self, Judged, Parts};
use super::patient::{Patient, Track};
use super::rack::{Group, GroupKey};
use super::rule::{Rule, Severity, When};
use super::sample::{MOST, Sample};
use super::verdict::{self, Line, SHOWN, Step, Verdict};
use crate::plugin::wit::types::Health;
use crate::ticket::Subject;

/// Parts named in a text; more are counted.
const NAMED: usize = 8;
/// A log line is shown with what is found within this, milliseconds.
const LINES_FOR: u64 = 3_600_000;

impl Track {
    /// Bad, and nobody was told.
    pub(super) fn waits(&self) -> bool {
        self.open.is_none() && self.within.is_none()
    }

    /// Bad for as long as the rule asks.
    pub(super) fn confirmed(&self, rule: &Rule, now: Timestamp) -> bool {
        self.good.is_none() && self.looks >= rule.looks && now.since(self.since) >= rule.for_ms
    }

    /// These parts are bad now; whether more were than was said, of what is raised as the server's own.
    fn grow(&mut self, parts: Parts) -> bool {
        if self.open.is_none() {
            self.parts = parts;
            return false;
        }
        for (part, said) in parts {
            if self.parts.len() < MOST {
                self.parts.entry(part).or_insert(said);
            }
        }
        self.parts.len() > self.told.1
    }
}

impl Patient {
    /// Keep what may be shown.
    pub(super) fn take(&mut self, sample: &Sample) {
        let Ok(seen) = &sample.seen else { return };
        if !seen.readings.is_empty() {
            self.readings = verdict::readings(&seen.readings);
        }
        let telling = seen.events.iter().filter(|entry| entry.severity != Health::Ok);
        for entry in telling.filter(|entry| !judge::is_history(entry, sample.at, LINES_FOR)) {
            if self.lines.len() >= SHOWN * 2 {
                self.lines.pop_front();
            }
            self.lines.push_back(Line::from(entry));
        }
        self.lines.retain(|line| line.at.is_none_or(|at| sample.at.since(Timestamp(at)) <= LINES_FOR * 24));
    }

    pub(super) fn update(
        &mut self,
        rule: &Rule,
        judged: Judged,
        at: Timestamp,
        window_ms: u64,
        out: &mut Vec<Verdict>,
        groups: &mut BTreeMap<GroupKey, Group>,
    ) {
        match judged {
            Judged::Unknown => {}
            Judged::Bad(parts) => {
                let fresh = || Track {
                    since: at,
                    looks: 0,
                    good: None,
                    open: None,
                    within: None,
                    parts: Parts::new(),
                    told: (at, 0),
                };
                let track = self.tracks.entry(rule.code.clone()).or_insert_with(fresh);
                track.looks = track.looks.saturating_add(1);
                track.good = None;
                if track.grow(parts) && at.since(track.told.0) >= window_ms && !matches!(rule.when, When::Log(_)) {
                    track.told = (at, track.parts.len());
                    let track = track.clone();
                    out.push(self.verdict(rule, &track, Step::Grow, at, ""));
                }
            }
            Judged::Good => {
                let Some(track) = self.tracks.get_mut(&rule.code) else { return };
                let good = *track.good.get_or_insert(at);
                if !track.waits() && at.since(good) < rule.clear_after_ms {
                    return;
                }
                let Some(track) = self.tracks.remove(&rule.code) else { return };
                leave(groups, &track, &self.who.id);
                if track.open.is_some() {
                    out.push(self.verdict(rule, &track, Step::Clear, at, "the controller shows it as good again"));
                }
            }
        }
    }

    /// A decision about one of this server's faults.
    pub(super) fn verdict(&self, rule: &Rule, track: &Track, step: Step, at: Timestamp, note: &str) -> Verdict {
        let count = match self.memory.hits.get(&rule.code) {
            Some(hits) => hits.iter().map(|hit| hit.weight).fold(0, u32::saturating_add),
            None => u32::try_from(track.parts.len()).unwrap_or(u32::MAX),
        };
        let text = rule.text.replace("{parts}", &listed(track.parts.values())).replace("{count}", &count.to_string());
        let fault = Fault::new(&rule.code, Retry::Never, rule.blame, text);
        let fault = match &rule.hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        };
        let fits = |line: &&Line| match (&rule.log, &rule.when) {
            (Some(pattern), _) => pattern.is_match(&line.message),
            (None, When::Log(when)) => when.message.as_ref().is_none_or(|pattern| pattern.is_match(&line.message)),
            (None, _) => false,
        };
        let lines: Vec<&Line> = self.lines.iter().filter(fits).collect();
        let latest = lines.iter().skip(lines.len().saturating_sub(SHOWN)).copied();
        Verdict {
            about: Subject::Server(self.who.id.clone()),
            name: self.who.name.clone(),
            step,
            fault,
            severity: rule.severity,
            since: track.since,
            at,
            shown: verdict::shown(&self.readings, latest),
            note: note.to_owned(),
        }
    }

    pub(super) fn unruled(&self, code: &str, track: &Track, at: Timestamp) -> Verdict {
        Verdict {
            about: Subject::Server(self.who.id.clone()),
            name: self.who.name.clone(),
            step: Step::Clear,
            fault: Fault::new(code, Retry::Never, Blame::Operator, "the rule is turned off"),
            severity: Severity::Warning,
            since: track.since,
            at,
            shown: Value::Null,
            note: "the rule was turned off".to_owned(),
        }
    }
}

/// Take a server out of the rack's fault it is part of.
pub(super) fn leave(groups: &mut BTreeMap<GroupKey, Group>, track: &Track, id: &ServerId) {
    if let Some(group) = track.within.as_ref().and_then(|key| groups.get_mut(key)) {
        group.members.remove(id);
    }
}

/// A few of them, and how many more there are.
pub(super) fn listed<'a>(all: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<&str> = all.map(String::as_str).collect();
    let named = all.iter().take(NAMED).copied().collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}
