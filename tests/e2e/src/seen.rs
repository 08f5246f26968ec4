//! What a run came to, as the simulated systems saw it: effects of each server, journal entries in NetBox.
//!
//! Promises to read the lab's side only, except for [`timeline`], which asks the host's command line. It compares; the tests
//! decide what must be equal.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use farrier_lab::ledger::Kind;
use farrier_lab::rig::Rig;
use serde::Deserialize;

/// What one server went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Each change of the power state, in order: `on`, `off`.
    pub power: Vec<String>,
    /// Each setting of the controller that really changed; sorted, since some are written side by side.
    pub settings: Vec<String>,
    /// How many writes asked for what already was.
    pub no_change: usize,
    /// The first line of each journal entry in NetBox, without its time; sorted.
    pub notes: Vec<String>,
}

/// What each server of the estate went through since the rig stood.
pub fn effects(rig: &Rig) -> BTreeMap<String, Effects> {
    let names = rig.lab.estate().servers.into_iter().map(|server| (server.name, Effects::default()));
    let mut all: BTreeMap<String, Effects> = names.collect();
    for line in rig.effects() {
        let mut words = line.splitn(3, ' ');
        let (system, kind, detail) =
            (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Some(one) = all.get_mut(system) else { continue };
        match kind {
            "PowerTransition" => one.power.push(detail.to_owned()),
            "SettingsChange" => one.settings.push(detail.to_owned()),
            "NoChange" => one.no_change += 1,
            _ => {}
        }
    }
    for (name, notes) in notes(rig) {
        if let Some(one) = all.get_mut(&name) {
            one.notes = notes.iter().map(|note| heading(note)).collect();
            one.notes.sort();
        }
    }
    for one in all.values_mut() {
        one.settings.sort();
    }
    all
}

/// The first line of a journal entry without its time and without what differs from run to run.
fn heading(comments: &str) -> String {
    let line = comments.lines().next().unwrap_or_default();
    let line = line.split_once("] ").map_or(line, |(_, rest)| rest);
    line.split([':', ';']).next().unwrap_or_default().to_owned()
}

/// The texts of all journal entries in the lab's NetBox, by device.
pub fn notes(rig: &Rig) -> BTreeMap<String, Vec<String>> {
    let Some(netbox) = &rig.netbox else { return BTreeMap::new() };
    let snapshot = netbox.snapshot();
    let list = |endpoint: &str| snapshot.get(endpoint).and_then(|all| all.as_array()).cloned().unwrap_or_default();
    let text = |value: &serde_json::Value, field: &str| value.get(field).and_then(|v| v.as_str()).map(str::to_owned);
    let names: BTreeMap<u64, String> =
        list("dcim/devices").iter().filter_map(|one| Some((one.get("id")?.as_u64()?, text(one, "name")?))).collect();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in list("extras/journal-entries") {
        let about = entry.get("assigned_object_id").and_then(serde_json::Value::as_u64);
        let name = about.and_then(|id| names.get(&id)).cloned().unwrap_or_else(|| format!("{about:?}"));
        all.entry(name).or_default().push(text(&entry, "comments").unwrap_or_default());
    }
    all
}

/// One transition as `farrier server timeline --output json` has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Transition {
    /// `<server id>:<version>`.
    pub transition: String,
    /// The commit's number.
    pub version: u64,
    /// What happened, one word.
    pub event: String,
    /// The stage after it.
    pub stage: String,
    /// The lifecycle state after it.
    pub to: String,
    /// What people should read.
    #[serde(default)]
    pub note: Option<serde_json::Value>,
}

/// What the host says happened to a server.
///
/// # Errors
/// When the command fails, or prints something else.
pub async fn timeline(rig: &Rig, name: &str) -> anyhow::Result<Vec<Transition>> {
    let text = rig.host.farrier(&["server", "timeline", name, "--output", "json"]).await?;
    serde_json::from_str(&text).with_context(|| format!("reading the timeline of {name}: {text}"))
}

/// Wait until NetBox has exactly one journal entry for each transition with a note, of each server of the estate. A host keeps the
/// latest transitions only; of older ones there must be no entry twice.
///
/// # Errors
/// After `patience`, or at once where an entry is there twice or too much; names the first difference.
pub async fn journal_is_exact(rig: &Rig, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    let mut wanted = BTreeMap::new();
    for server in rig.lab.estate().servers {
        wanted.insert(server.name.clone(), timeline(rig, &server.name).await?);
    }
    loop {
        let Some(missing) = compare(&wanted, &notes(rig))? else { return Ok(()) };
        if Instant::now() > deadline {
            bail!("not in NetBox after {patience:?}: {missing}\nlog:\n{}", rig.host.tail());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What is not there yet; an error where something is there that should not be.
fn compare(
    wanted: &BTreeMap<String, Vec<Transition>>,
    found: &BTreeMap<String, Vec<String>>,
) -> anyhow::Result<Option<String>> {
    let mut missing = None;
    for (name, transitions) in wanted {
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        for note in found.get(name).into_iter().flatten() {
            *seen.entry(marker(note)).or_default() += 1;
        }
        if let Some((twice, times)) = seen.iter().find(|(_, times)| **times > 1) {
            bail!("{name}: {twice} is in NetBox's journal {times} times");
        }
        for transition in transitions {
            match (transition.note.is_some(), seen.contains_key(transition.transition.as_str())) {
                (true, false) => missing = Some(format!("{name} {}", transition.transition)),
                (false, true) => bail!("{name}: {} has no note, and an entry in NetBox", transition.transition),
                _ => {}
            }
        }
    }
    Ok(missing)
}

/// The transition that an entry names in its last line.
fn marker(note: &str) -> &str {
    note.rsplit_once("[farrier:").map_or(note, |(_, rest)| rest.trim_end().trim_end_matches(']'))
}

/// What a correct client would not have done, a line each.
pub fn blemishes(rig: &Rig) -> Vec<String> {
    let report = rig.lab.ledger().report();
    report.violations.iter().map(|seen| format!("{}: {}", seen.system, seen.text)).collect()
}

/// Servers whose controller still has a session open, with how many.
pub fn open_sessions(rig: &Rig) -> Vec<(String, usize)> {
    let names = rig.lab.estate().servers.into_iter().map(|server| server.name);
    let open = names.filter_map(|name| rig.lab.bmc(&name).map(|bmc| (name.clone(), bmc.state().sessions)));
    open.filter(|(_, sessions)| *sessions > 0).collect()
}

/// How often the lab counted this kind since the rig stood, in one system.
pub fn count(rig: &Rig, system: &str, kind: Kind) -> usize {
    let start = format!("{system} {kind:?} ");
    rig.effects().iter().filter(|line| line.starts_with(&start)).count()
}
