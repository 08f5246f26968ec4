//! The engine: looks go in, decisions come out.
//!
//! Promises, whatever comes in: of one server and code at most one fault is open, alone or as part of its rack's; what flaps faster than
//! the hysteresis opens and closes once; what was raised is cleared once looks are good. No I/O and no clock: time is that of the looks and
//! of [`Engine::tick`]. Does not know who looks, or what a case is.

use std::collections::{BTreeMap, BTreeSet};

use farrier_lifecycle::{ServerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::course::leave;
use super::judge;
use super::patient::{Patient, Track};
use super::rack::{Group, GroupKey};
use super::rule::Rule;
use super::sample::Sample;
use super::silence::Silence;
use super::verdict::{Step, Verdict};

/// How servers of a rack become one.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// So many of a rack are one.
    pub servers: usize,
    /// If they show within this of each other, milliseconds; one alone waits for it. What grows is said once in so long.
    pub window_ms: u64,
}

/// Whose look it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The server.
    pub id: ServerId,
    /// Its name.
    pub name: String,
    /// Slug of its site.
    pub site: Option<String>,
    /// Name of its rack.
    pub rack: Option<String>,
    /// Name of the plugin that drives it.
    pub driver: String,
    /// Nothing is raised while somebody is at work on it: held, or being provisioned.
    pub quiet: bool,
}

/// See the module.
pub struct Engine {
    pub(super) rules: Vec<Rule>,
    pub(super) settings: Settings,
    pub(super) patients: BTreeMap<ServerId, Patient>,
    pub(super) groups: BTreeMap<GroupKey, Group>,
    pub(super) silences: Vec<Silence>,
    /// Servers by site and rack.
    pub(super) racks: BTreeMap<(String, String), BTreeSet<ServerId>>,
    /// Servers with something that is neither raised nor over.
    pub(super) pending: BTreeSet<ServerId>,
}

impl Engine {
    /// An engine that knows of nobody yet.
    pub fn new(rules: Vec<Rule>, settings: Settings) -> Self {
        Self {
            rules,
            settings,
            patients: BTreeMap::new(),
            groups: BTreeMap::new(),
            silences: Vec::new(),
            racks: BTreeMap::new(),
            pending: BTreeSet::new(),
        }
    }

    /// The silences that hold, or will.
    pub fn silence(&mut self, silences: Vec<Silence>) {
        self.silences = silences;
    }

    /// One server's state, to be kept.
    pub fn patient(&self, id: &ServerId) -> Option<&Patient> {
        self.patients.get(id)
    }

    /// Servers that are known.
    pub fn known(&self) -> impl Iterator<Item = (&ServerId, &Patient)> {
        self.patients.iter()
    }

    /// The racks' faults, to be kept.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupKey, &Group)> {
        self.groups.iter()
    }

    /// Take over what was kept. What is of a rule that is no more is over, and said so at the first tick.
    pub fn restore(&mut self, patients: Vec<Patient>, groups: Vec<(GroupKey, Group)>) {
        for patient in patients {
            self.place(&patient.who);
            self.pending.insert(patient.who.id.clone());
            self.patients.insert(patient.who.id.clone(), patient);
        }
        self.groups = groups.into_iter().collect();
    }

    /// Take in one look.
    pub fn observe(&mut self, who: &Who, sample: &Sample) -> Vec<Verdict> {
        self.place(who);
        let mut out = Vec::new();
        let patient = self.patients.entry(who.id.clone()).or_insert_with(|| Patient::new(who.clone()));
        patient.who = who.clone();
        patient.take(sample);
        for rule in &self.rules {
            let judged = judge::judge(rule, &who.driver, sample, &mut patient.memory);
            patient.update(rule, judged, sample.at, self.settings.window_ms, &mut out, &mut self.groups);
        }
        self.settle(&who.id, sample.at, &mut out);
        out
    }

    /// Time passed: windows and silences end.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Verdict> {
        let mut out = Vec::new();
        self.silences.retain(|silence| now < silence.until);
        self.drop_unruled(now, &mut out);
        for id in self.pending.clone() {
            self.settle(&id, now, &mut out);
        }
        for key in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.settle_rack(&key, now, &mut out);
        }
        out
    }

    /// The server is not watched any more: whatever is open is over.
    pub fn forget(&mut self, id: &ServerId, now: Timestamp, note: &str) -> Vec<Verdict> {
        let mut out = Vec::new();
        let Some(patient) = self.patients.remove(id) else { return out };
        self.pending.remove(id);
        for rack in self.racks.values_mut() {
            rack.remove(id);
        }
        for rule in &self.rules {
            let Some(track) = patient.tracks.get(&rule.code) else { continue };
            if track.open.is_some() {
                out.push(patient.verdict(rule, track, Step::Clear, now, note));
            }
            leave(&mut self.groups, track, id);
        }
        out
    }

    fn place(&mut self, who: &Who) {
        let old = self.patients.get(&who.id).map(|patient| (patient.who.site.clone(), patient.who.rack.clone()));
        if let Some((Some(site), Some(rack))) = old
            && (Some(&site), Some(&rack)) != (who.site.as_ref(), who.rack.as_ref())
            && let Some(servers) = self.racks.get_mut(&(site, rack))
        {
            servers.remove(&who.id);
        }
        if let (Some(site), Some(rack)) = (who.site.clone(), who.rack.clone()) {
            self.racks.entry((site, rack)).or_default().insert(who.id.clone());
        }
    }

    /// Does nobody want to hear of this server now?
    pub(super) fn muted(&self, who: &Who, now: Timestamp) -> bool {
        who.quiet || self.silences.iter().any(|silence| silence.holds(now) && silence.scope.covers(who))
    }

    /// Raise what is due of one server.
    fn settle(&mut self, id: &ServerId, now: Timestamp, out: &mut Vec<Verdict>) {
        let Some(patient) = self.patients.get(id) else { return };
        let muted = self.muted(&patient.who, now);
        let mut racks = BTreeSet::new();
        let mut alone = Vec::new();
        for rule in &self.rules {
            let Some(track) = patient.tracks.get(&rule.code).filter(|track| track.waits()) else { continue };
            match GroupKey::of(rule, &patient.who, track) {
                Some(key) => {
                    racks.insert(key);
                }
                None if !muted && track.confirmed(rule, now) => alone.push(rule.code.clone()),
                None => {}
            }
        }
        for code in alone {
            self.raise(id, &code, now, out);
        }
        for key in racks {
            self.settle_rack(&key, now, out);
        }
        let waits = self.patients.get(id).is_some_and(|patient| patient.tracks.values().any(Track::waits));
        if waits {
            self.pending.insert(id.clone());
        } else {
            self.pending.remove(id);
        }
    }

    /// Raise one fault as the server's own.
    pub(super) fn raise(&mut self, id: &ServerId, code: &str, now: Timestamp, out: &mut Vec<Verdict>) {
        let Some(rule) = self.rules.iter().find(|rule| rule.code == code) else { return };
        let Some(patient) = self.patients.get_mut(id) else { return };
        let Some(track) = patient.tracks.get_mut(code) else { return };
        track.open = Some(now);
        track.within = None;
        track.told = (now, track.parts.len());
        if let Some(track) = patient.tracks.get(code) {
            out.push(patient.verdict(rule, track, Step::Raise, now, ""));
        }
    }

    /// Faults of rules that were turned off or taken away meanwhile.
    fn drop_unruled(&mut self, now: Timestamp, out: &mut Vec<Verdict>) {
        let ruled: BTreeSet<&str> = self.rules.iter().map(|rule| rule.code.as_str()).collect();
        for (id, patient) in &mut self.patients {
            let gone: Vec<String> =
                patient.tracks.keys().filter(|code| !ruled.contains(code.as_str())).cloned().collect();
            for code in gone {
                patient.memory.hits.remove(&code);
                let Some(track) = patient.tracks.remove(&code) else { continue };
                leave(&mut self.groups, &track, id);
                if track.open.is_some() {
                    out.push(patient.unruled(&code, &track, now));
                }
            }
        }
    }
}
