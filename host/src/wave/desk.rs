//! Where waves are begun, looked at, halted and resumed.
//!
//! Promises that nobody begins or moves a wave over servers they do not see, and that each decision is written down with who made it. It
//! starts no server; that is the elected desk's (`run.rs`).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farrier_lifecycle::{Policy, Server, ServerId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::pass::resumed;
use super::plan::{Plan, Plans};
use super::select::{MOST, Selected, select};
use super::shelf::Shelf;
use super::{Size, Standing, State, Wanted, Wave, WaveError, log};
use crate::access::{Permission, Principal};
use crate::bus::{Bus, Clock};
use crate::config::Config;
use crate::firmware::Catalogue;
use crate::ticket::Cases;

/// Servers updated at once, at most.
const PLACES: u32 = 256;
/// Names shown of those left out.
const SHOWN: usize = 100;

/// What beginning a wave would come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = WavePreview)]
pub struct Preview {
    /// Names, step by step.
    pub steps: Vec<Vec<String>>,
    /// Selected and not ready: name and why.
    pub left_out: Vec<String>,
    /// Of the servers taken, those whose firmware is known to differ.
    pub differ: usize,
    /// The same in a line for people.
    pub say: String,
}

/// The desk of one host.
pub struct Desk {
    pub(super) bus: Arc<dyn Bus>,
    pub(super) shelf: Shelf,
    pub(super) cases: Cases,
    pub(super) policy: Policy,
    pub(super) wake: Notify,
    plans: Plans,
    clock: Clock,
    observe: bool,
    /// Waves that are done: nothing changes them, so they are not read again.
    done: Mutex<HashSet<String>>,
}

impl Desk {
    /// On this store. An observing host shows waves and changes none.
    pub fn new(
        bus: Arc<dyn Bus>,
        config: Arc<Config>,
        catalogue: Arc<Catalogue>,
        policy: Policy,
        observe: bool,
    ) -> Self {
        Self {
            shelf: Shelf(bus.clone()),
            cases: Cases(bus.clone()),
            plans: Plans::new(bus.clone(), config, catalogue),
            bus,
            policy,
            wake: Notify::new(),
            clock: Arc::new(crate::egress::now),
            observe,
            done: Mutex::default(),
        }
    }

    pub(super) fn done(&self) -> MutexGuard<'_, HashSet<String>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With another clock than the system's.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// What is known to differ, of the servers `who` sees and asks for.
    pub async fn plan(&self, who: &Principal, wanted: &Wanted) -> Result<Vec<Plan>, WaveError> {
        let servers = self.servers(who).await?;
        let unknown = select(&servers, wanted, &[], &HashSet::new(), self.now()).unknown;
        if !unknown.is_empty() {
            return Err(invalid("servers", &format!("no server is called {}", unknown.join(", "))));
        }
        let mut plans = Vec::new();
        for server in servers.iter().filter(|server| super::select::matches(server, wanted)) {
            plans.push(self.plans.of(server).await?);
        }
        plans.sort_by(|one, other| one.server.cmp(&other.server));
        Ok(plans)
    }

    async fn servers(&self, who: &Principal) -> Result<Vec<Server>, WaveError> {
        let mut servers = self.bus.list().await?;
        servers.retain(|server| who.sees(server));
        Ok(servers)
    }

    /// Begin a wave, or keep it as planned. [`WaveError::Invalid`] names every wrong field.
    pub async fn begin(&self, who: &Principal, wanted: &Wanted) -> Result<Wave, WaveError> {
        let (selected, _) = self.draft(who, wanted).await?;
        if self.observe {
            return Err(WaveError::Observing);
        }
        let wave = Wave {
            id: String::new(),
            version: 0,
            by: who.name.clone(),
            created: self.now(),
            wanted: wanted.clone(),
            state: if wanted.planned { State::Planned } else { State::Running },
            step: 0,
            members: selected.members,
            sites: selected.sites,
            reason: None,
            next: None,
        };
        let mut wave = self.shelf.add(wave).await?;
        if wave.state == State::Planned {
            let next = format!("`farrier firmware wave resume {}` starts it", wave.id);
            let keep = |wave: &mut Wave| {
                wave.next = Some(next.clone());
                Ok(())
            };
            wave = self.shelf.change(&wave.id, keep).await?;
        }
        log::write(&*self.bus, Some(who), self.now(), "wave-begun", &wave).await;
        self.wake.notify_one();
        Ok(wave)
    }

    /// What beginning it now would come to; changes nothing.
    pub async fn preview(&self, who: &Principal, wanted: &Wanted) -> Result<Preview, WaveError> {
        let (selected, differs) = self.draft(who, wanted).await?;
        let mut steps: Vec<Vec<String>> = Vec::new();
        for member in &selected.members {
            let at = usize::try_from(member.step).unwrap_or(usize::MAX);
            if steps.len() <= at {
                steps.push(Vec::new());
            }
            if let Some(step) = steps.last_mut() {
                step.push(member.name.clone());
            }
        }
        let differ = selected.members.iter().filter(|member| differs.contains(&member.id)).count();
        let sizes: Vec<_> = steps.iter().map(|step| step.len().to_string()).collect();
        let left = selected.left_out.len();
        let say = format!(
            "{} servers in steps of {}; of {differ} it is known that their firmware differs; {left} are selected and not ready",
            selected.members.len(),
            sizes.join(", ")
        );
        let left_out = selected.left_out.into_iter().take(SHOWN).map(|(name, why)| format!("{name}: {why}")).collect();
        Ok(Preview { steps, left_out, differ, say })
    }

    async fn draft(&self, who: &Principal, wanted: &Wanted) -> Result<(Selected, HashSet<ServerId>), WaveError> {
        allowed(who)?;
        self.plans.possible()?;
        let sizes = check(wanted)?;
        let servers = self.servers(who).await?;
        let mut differs = HashSet::new();
        for server in servers.iter().filter(|server| server.is_ready() && super::select::matches(server, wanted)) {
            if self.plans.of(server).await?.differs() {
                differs.insert(server.id.clone());
            }
        }
        let selected = select(&servers, wanted, &sizes, &differs, self.now());
        if !selected.unknown.is_empty() {
            return Err(invalid("servers", &format!("no server is called {}", selected.unknown.join(", "))));
        }
        if selected.members.is_empty() {
            let first = selected.left_out.first().map(|(name, why)| format!("; {name}: {why}")).unwrap_or_default();
            return Err(invalid("", &format!("no selected server is ready{first}")));
        }
        if selected.members.len() > MOST {
            let text = format!("{} servers are selected, a wave has at most {MOST}", selected.members.len());
            return Err(invalid("", &text));
        }
        Ok((selected, differs))
    }

    /// The waves `who` sees, oldest first.
    pub async fn list(&self, who: &Principal) -> Result<Vec<Wave>, WaveError> {
        let mut waves = self.shelf.all(|_| false).await?;
        waves.retain(|wave| sees(who, wave));
        Ok(waves)
    }

    /// One wave. One that `who` may not see is as unknown as one that does not exist.
    pub async fn get(&self, who: &Principal, id: &str) -> Result<Wave, WaveError> {
        let wave = self.shelf.get(id).await?.filter(|wave| sees(who, wave));
        wave.ok_or_else(|| WaveError::Unknown(id.to_owned()))
    }

    /// Start nothing more. Servers under way finish by themselves.
    pub async fn halt(&self, who: &Principal, id: &str) -> Result<Wave, WaveError> {
        self.may_move(who, id).await?;
        let by = who.name.clone();
        let wave = self.shelf.change(id, |wave| {
            if wave.state != State::Running {
                return Err(WaveError::State { id: wave.id.clone(), state: wave.state });
            }
            wave.state = State::Halted;
            wave.reason = Some(format!("halted by {by}"));
            wave.next = Some(format!("`farrier firmware wave resume {}` goes on", wave.id));
            Ok(())
        });
        let wave = wave.await?;
        log::write(&*self.bus, Some(who), self.now(), "wave-halted", &wave).await;
        Ok(wave)
    }

    /// Go on, or start what was planned. What failed and is well again is watched anew; what still fails is left aside.
    pub async fn resume(&self, who: &Principal, id: &str) -> Result<Wave, WaveError> {
        self.may_move(who, id).await?;
        self.plans.possible()?;
        let seen = self.shelf.get(id).await?.ok_or_else(|| WaveError::Unknown(id.to_owned()))?;
        if !matches!(seen.state, State::Halted | State::Planned) {
            return Err(WaveError::State { id: seen.id, state: seen.state });
        }
        let (mut wave, now) = (seen.clone(), self.now());
        for member in wave.members.iter_mut().filter(|member| member.standing == Standing::Failed) {
            resumed(member, self.bus.read(&member.id).await?.as_ref(), &seen.id, now);
        }
        (wave.state, wave.next) = (State::Running, None);
        wave.reason = Some(format!("resumed by {}", who.name));
        let wave = self.shelf.put(&seen, wave).await?;
        log::write(&*self.bus, Some(who), now, "wave-resumed", &wave).await;
        self.wake.notify_one();
        Ok(wave)
    }

    async fn may_move(&self, who: &Principal, id: &str) -> Result<(), WaveError> {
        allowed(who)?;
        self.get(who, id).await?;
        if self.observe { Err(WaveError::Observing) } else { Ok(()) }
    }
}

fn allowed(who: &Principal) -> Result<(), WaveError> {
    if who.may(Permission::Operate) {
        return Ok(());
    }
    Err(WaveError::NotAllowed { who: who.name.clone(), what: "move firmware waves" })
}

fn sees(who: &Principal, wave: &Wave) -> bool {
    who.sees_tenant(None) && wave.sites.iter().all(|site| who.sees_site(site.as_deref()))
}

fn invalid(field: &str, problem: &str) -> WaveError {
    WaveError::Invalid(vec![(field.to_owned(), problem.to_owned())])
}

/// Every wrong field, not the first; the steps, read.
fn check(wanted: &Wanted) -> Result<Vec<Size>, WaveError> {
    let mut wrong = Vec::new();
    let texts = [&wanted.name, &wanted.site, &wanted.rack, &wanted.driver, &wanted.model];
    for (field, text) in ["name", "site", "rack", "driver", "model"].into_iter().zip(texts) {
        let Some(text) = text else { continue };
        if text.trim().is_empty() || text.chars().count() > 128 || text.chars().any(char::is_control) {
            wrong.push((field.to_owned(), "is one line of 1 to 128 characters".to_owned()));
        }
    }
    let sizes: Result<Vec<Size>, String> = wanted.steps.iter().map(|step| step.parse()).collect();
    if let Err(problem) = &sizes {
        wrong.push(("steps".to_owned(), problem.clone()));
    }
    if wanted.steps.len() > 32 {
        wrong.push(("steps".to_owned(), "a wave has at most 32".to_owned()));
    }
    if wanted.concurrency == 0 || wanted.concurrency > PLACES {
        wrong.push(("concurrency".to_owned(), format!("is 1 to {PLACES}")));
    }
    if wanted.limit_ms == 0 {
        wrong.push(("limit_ms".to_owned(), "must not be 0".to_owned()));
    }
    if wrong.is_empty() { Ok(sizes.unwrap_or_default()) } else { Err(WaveError::Invalid(wrong)) }
}
