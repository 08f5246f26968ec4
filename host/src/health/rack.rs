//! Many servers of one rack with the same fault: one fault of the rack.
//!
//! Promises that a server's fault is either its own or its rack's. The first waits for the window, since the others are looked at later;
//! when the rack's is over for all but a few, those few are theirs again.

use std::collections::BTreeSet;

use farrier_lifecycle::{Fault, Retry, ServerId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::course::listed;
use super::engine::{Engine, Who};
use super::patient::Track;
use super::rule::{By, Rule};
use super::verdict::{Step, Verdict};
use crate::ticket::Subject;

/// So many windows back, a server's own fault still counts as one of the rack's.
const RECENT: u64 = 5;

/// Which rack, which rule, and of power supplies which side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupKey {
    /// Slug of the site.
    pub site: String,
    /// Name of the rack.
    pub rack: String,
    /// Code of the servers' rule.
    pub code: String,
    /// `a` or `b`, of power supplies.
    pub feed: Option<String>,
}

impl GroupKey {
    /// Where this would count; `None`: it is the server's own in any case.
    pub(super) fn of(rule: &Rule, who: &Who, track: &Track) -> Option<Self> {
        let together = rule.together.as_ref()?;
        let feed = match together.by {
            By::Rack => None,
            By::Feed => Some(side(track.parts.keys())?),
        };
        Some(Self { site: who.site.clone()?, rack: who.rack.clone()?, code: rule.code.clone(), feed })
    }

    fn subject(&self) -> Subject {
        Subject::Rack { site: self.site.clone(), rack: self.rack.clone(), feed: self.feed.clone() }
    }
}

/// Odd numbers are on feed A, even ones on B; of a server with both, none.
fn side<'a>(numbers: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut sides = numbers.map(|number| number.parse::<u32>().ok().map(|number| number % 2));
    let first = sides.next()??;
    let same = sides.all(|one| one == Some(first));
    same.then(|| if first == 1 { "a" } else { "b" }.to_owned())
}

/// An open fault of a rack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Code of the rack's fault.
    pub code: String,
    /// Servers that have it now.
    pub members: BTreeSet<ServerId>,
    /// Since when.
    pub since: Timestamp,
    /// Names of all that had it.
    said: BTreeSet<String>,
    /// When that was last said, and how many they were.
    told: (Timestamp, usize),
    /// Fewer than make a rack, since then.
    few: Option<Timestamp>,
}

impl Engine {
    /// Decide what is due of one rack.
    pub(super) fn settle_rack(&mut self, key: &GroupKey, now: Timestamp, out: &mut Vec<Verdict>) {
        let Some(rule) = self.rules.iter().find(|rule| rule.code == key.code).cloned() else {
            if let Some(group) = self.groups.remove(key) {
                out.push(rack_verdict(key, None, &group, Step::Clear, now, "the rule was turned off"));
            }
            return;
        };
        if self.groups.contains_key(key) {
            self.follow(key, &rule, now, out);
        } else {
            self.gather(key, &rule, now, out);
        }
    }

    /// Servers of the rack that have it now and of whom somebody wants to hear.
    fn candidates(&self, key: &GroupKey, now: Timestamp) -> Vec<(ServerId, Track)> {
        let rack = self.racks.get(&(key.site.clone(), key.rack.clone())).into_iter().flatten();
        let rule = self.rules.iter().find(|rule| rule.code == key.code);
        rack.filter_map(|id| {
            let patient = self.patients.get(id)?;
            let track = patient.tracks.get(&key.code)?;
            // What began on the other side of the rack stays there until it is over.
            let free = track.within.is_none() && track.good.is_none();
            let here = free && GroupKey::of(rule?, &patient.who, track).as_ref() == Some(key);
            (here && !self.muted(&patient.who, now)).then(|| (id.clone(), track.clone()))
        })
        .collect()
    }

    /// There is no fault of this rack: is there one now?
    fn gather(&mut self, key: &GroupKey, rule: &Rule, now: Timestamp, out: &mut Vec<Verdict>) {
        let window = self.settings.window_ms;
        let mut candidates = self.candidates(key, now);
        candidates.retain(|(_, track)| {
            let old = now.since(track.since) > window.saturating_mul(RECENT);
            // Raised alone long ago, or seen once and never looked at again: not of the same cause.
            !(old && (track.open.is_some() || !track.confirmed(rule, now)))
        });
        let sure: Vec<&(ServerId, Track)> =
            candidates.iter().filter(|(_, track)| track.open.is_some() || track.confirmed(rule, now)).collect();
        if sure.len() >= self.settings.servers {
            // The others are looked at meanwhile, so that the fault names them all.
            if sure.iter().all(|(_, track)| now.since(track.since) < window) {
                return;
            }
            let members: Vec<ServerId> = sure.into_iter().map(|(id, _)| id.clone()).collect();
            self.open_rack(key, rule, &members, now, out);
            return;
        }
        // They may yet be enough.
        if candidates.len() >= self.settings.servers {
            return;
        }
        let due: Vec<ServerId> = sure
            .into_iter()
            .filter(|(_, track)| track.waits() && now.since(track.since) >= window)
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.raise(&id, &key.code, now, out);
        }
    }

    fn open_rack(&mut self, key: &GroupKey, rule: &Rule, members: &[ServerId], now: Timestamp, out: &mut Vec<Verdict>) {
        let Some(together) = &rule.together else { return };
        let (code, members_now, said) = (together.code.clone(), BTreeSet::new(), BTreeSet::new());
        let mut group = Group { code, members: members_now, since: now, said, told: (now, 0), few: None };
        for id in members {
            self.join(key, rule, &mut group, id, now, out);
        }
        group.told = (now, group.said.len());
        out.push(rack_verdict(key, Some(rule), &group, Step::Raise, now, ""));
        self.groups.insert(key.clone(), group);
    }

    /// A server's fault becomes the rack's.
    fn join(
        &mut self,
        key: &GroupKey,
        rule: &Rule,
        group: &mut Group,
        id: &ServerId,
        now: Timestamp,
        out: &mut Vec<Verdict>,
    ) {
        let Some(patient) = self.patients.get_mut(id) else { return };
        let Some(track) = patient.tracks.get_mut(&key.code) else { return };
        let was_open = track.open.take().is_some();
        track.within = Some(key.clone());
        group.since = group.since.min(track.since);
        let track = track.clone();
        if was_open {
            let note = format!("it is part of the fault of rack {}", key.rack);
            out.push(patient.verdict(rule, &track, Step::Clear, now, &note));
        }
        group.said.insert(patient.who.name.clone());
        group.members.insert(id.clone());
    }

    /// There is a fault of this rack: who joins it, and is it over?
    fn follow(&mut self, key: &GroupKey, rule: &Rule, now: Timestamp, out: &mut Vec<Verdict>) {
        let Some(mut group) = self.groups.remove(key) else { return };
        let ready = |track: &Track| track.waits() && track.confirmed(rule, now);
        let new: Vec<ServerId> =
            self.candidates(key, now).into_iter().filter(|(_, track)| ready(track)).map(|(id, _)| id).collect();
        for id in new {
            self.join(key, rule, &mut group, &id, now, out);
        }
        let window = self.settings.window_ms;
        if group.members.is_empty() {
            out.push(rack_verdict(key, Some(rule), &group, Step::Clear, now, "all of them are well again"));
            return;
        }
        if group.members.len() < self.settings.servers {
            if now.since(*group.few.get_or_insert(now)) >= window {
                let left: Vec<ServerId> = group.members.iter().cloned().collect();
                let note = format!("all but {} are well again; what is left is its own fault", left.len());
                out.push(rack_verdict(key, Some(rule), &group, Step::Clear, now, &note));
                for id in left {
                    self.own_again(&id, key, now, out);
                }
                return;
            }
        } else {
            group.few = None;
        }
        if group.said.len() > group.told.1 && now.since(group.told.0) >= window {
            group.told = (now, group.said.len());
            out.push(rack_verdict(key, Some(rule), &group, Step::Grow, now, ""));
        }
        self.groups.insert(key.clone(), group);
    }

    /// The rack's fault is over, and this server's is not.
    fn own_again(&mut self, id: &ServerId, key: &GroupKey, now: Timestamp, out: &mut Vec<Verdict>) {
        let Some(patient) = self.patients.get_mut(id) else { return };
        let Some(track) = patient.tracks.get_mut(&key.code) else { return };
        track.within = None;
        let bad = track.good.is_none();
        let who = patient.who.clone();
        self.pending.insert(id.clone());
        if bad && !self.muted(&who, now) {
            self.raise(id, &key.code, now, out);
        }
    }
}

/// A decision about the rack's fault.
fn rack_verdict(key: &GroupKey, rule: Option<&Rule>, group: &Group, step: Step, at: Timestamp, note: &str) -> Verdict {
    let together = rule.and_then(|rule| rule.together.as_ref());
    let feed = key.feed.as_deref().unwrap_or_default().to_uppercase();
    let text = together.map_or_else(String::new, |together| {
        let text = together.text.replace("{rack}", &key.rack).replace("{feed}", &feed);
        text.replace("{count}", &group.said.len().to_string()).replace("{servers}", &listed(group.said.iter()))
    });
    let blame = rule.map_or(farrier_lifecycle::Blame::Hardware, |rule| rule.blame);
    let fault = Fault::new(&group.code, Retry::Never, blame, text);
    let fault = match together {
        Some(together) => fault.hint(&together.hint),
        None => fault,
    };
    Verdict {
        about: key.subject(),
        name: format!("rack {}", key.rack),
        step,
        fault,
        severity: rule.map_or(super::rule::Severity::Critical, |rule| rule.severity),
        since: group.since,
        at,
        shown: Value::Null,
        note: note.to_owned(),
    }
}
