//! One pass over the running waves: look at what was started, then halt, go on, or start one server.
//!
//! Promises that a wave is judged on its servers' records as they are now before each start, and that a start is written into the wave before
//! it is asked of the server. So of two desks, as there may be for a moment when the role moves, the second's start fails on the first's
//! halt; and after a crash between the two, the server's record says whether it was taken. One start a judgement: a server that fails meanwhile
//! costs one more.

use farrier_lifecycle::{Event, Request, Server};

use super::gate::look;
use super::log;
use super::{Desk, Member, Standing, State, Wave, WaveError};
use crate::bus::{self, Applied, ApplyError, Origin};

/// What came of a judgement.
enum Next {
    /// A server was written down as starting, at this place.
    Start(usize),
    /// Something else was written.
    Moved,
    /// Nothing to do now.
    Rest,
}

impl Desk {
    /// Move every running wave as far as it goes now; whether any runs.
    pub async fn pass(&self) -> Result<bool, WaveError> {
        let mut running = false;
        for wave in self.shelf.all(|id| self.done().contains(id)).await? {
            if wave.state == State::Done {
                self.done().insert(wave.id);
                continue;
            }
            if wave.state != State::Running {
                continue;
            }
            running = true;
            match self.advance(wave).await {
                // Somebody changed it: it comes again with the next pass.
                Err(WaveError::Contended(_)) => {}
                moved => moved?,
            }
        }
        Ok(running)
    }

    async fn advance(&self, mut wave: Wave) -> Result<(), WaveError> {
        // Bounded: each round starts a server or is the last.
        for _ in 0..=wave.members.len() {
            let (now, next) = self.judge(&wave).await?;
            wave = now;
            match next {
                Next::Start(at) => wave = self.start(wave, at).await?,
                Next::Moved if wave.state == State::Running => {}
                Next::Moved | Next::Rest => return Ok(()),
            }
        }
        Ok(())
    }

    /// Look at every server under way, and write down what follows.
    async fn judge(&self, seen: &Wave) -> Result<(Wave, Next), WaveError> {
        let mut wave = seen.clone();
        let now = self.now();
        for member in &mut wave.members {
            if member.standing.is_over() || member.standing == Standing::Waiting {
                continue;
            }
            let server = self.bus.read(&member.id).await?;
            let (standing, why) = look(&self.cases, &seen.id, &seen.wanted, member, server.as_ref(), now).await?;
            if standing != member.standing {
                member.set(standing, now, why);
            }
        }
        let next = follow(&mut wave);
        if wave == *seen && !matches!(next, Next::Start(_)) {
            return Ok((wave, Next::Rest));
        }
        if let Next::Start(at) = &next
            && let Some(member) = wave.members.get_mut(*at)
            && member.standing == Standing::Waiting
        {
            member.set(Standing::Starting, now, None);
            member.started = Some(now);
        }
        let wave = self.shelf.put(seen, wave).await?;
        if wave.state != seen.state {
            log::write(&*self.bus, None, now, &format!("wave-{}", wave.state), &wave).await;
        }
        Ok((wave, next))
    }

    /// Ask the server; it is written down as starting.
    async fn start(&self, seen: Wave, at: usize) -> Result<Wave, WaveError> {
        let Some(member) = seen.members.get(at).cloned() else { return Ok(seen) };
        let request = Request::Update { wave: seen.id.clone() };
        let event = Event::Requested { by: seen.by.clone(), request };
        let (standing, why) =
            match bus::apply(&*self.bus, &member.id, &event, &self.policy, self.now(), Origin::Outside).await {
                Ok(Applied::Committed { .. } | Applied::Ignored(_)) => (Standing::Running, None),
                Err(ApplyError::Bus(error)) => return Err(error.into()),
                Err(error) => (Standing::Skipped, Some(error.to_string())),
            };
        tracing::info!(
            wave = seen.id,
            server = member.name,
            standing = standing.as_str(),
            "started by a firmware wave"
        );
        let mut wave = seen.clone();
        let now = self.now();
        if let Some(member) = wave.members.get_mut(at) {
            member.set(standing, now, why);
        }
        self.shelf.put(&seen, wave).await
    }
}

/// Halt, go to the next step, end, or say who is next. Changes the wave alone.
fn follow(wave: &mut Wave) -> Next {
    let failed: Vec<&Member> = wave.members.iter().filter(|member| member.standing == Standing::Failed).collect();
    if failed.len() > usize::try_from(wave.wanted.max_failures).unwrap_or(usize::MAX) {
        let worst = failed.last().copied().cloned();
        halt(wave, worst.as_ref());
        return Next::Moved;
    }
    // Written down by a host that died before it asked, or before it wrote the answer.
    let torn = wave.members.iter().position(|member| member.standing == Standing::Starting);
    if let Some(at) = torn {
        return Next::Start(at);
    }
    let of_step = |member: &&Member| member.step == wave.step;
    if wave.members.iter().filter(of_step).all(|member| member.standing.is_over()) {
        if wave.step.saturating_add(1) < wave.steps() {
            wave.step += 1;
        } else {
            (wave.state, wave.reason, wave.next) = (State::Done, Some(summary(wave)), None);
        }
        return Next::Moved;
    }
    let busy = wave.members.iter().filter(|member| member.standing.is_busy()).count();
    let places = usize::try_from(wave.wanted.concurrency.max(1)).unwrap_or(usize::MAX);
    let waits = |member: &Member| member.step == wave.step && member.standing == Standing::Waiting;
    match wave.members.iter().position(waits) {
        Some(at) if busy < places => Next::Start(at),
        _ => Next::Rest,
    }
}

fn halt(wave: &mut Wave, worst: Option<&Member>) {
    let (name, why) =
        worst.map_or(("a server", "failed"), |one| (one.name.as_str(), one.why.as_deref().unwrap_or("failed")));
    let waiting = wave.count(Standing::Waiting);
    wave.state = State::Halted;
    wave.reason = Some(format!("{name}: {why}"));
    wave.next = Some(format!(
        "`farrier server why {name}`; {waiting} server(s) are untouched. `farrier firmware wave resume {}` goes on without what still fails",
        wave.id
    ));
}

fn summary(wave: &Wave) -> String {
    let count = |standing| wave.count(standing);
    format!(
        "{} passed, {} failed, {} set aside, {} skipped",
        count(Standing::Passed),
        count(Standing::Failed),
        count(Standing::Aside),
        count(Standing::Skipped)
    )
}

/// A halted wave goes on: what failed and is well again is watched, what is not is left aside.
pub fn resumed(member: &mut Member, server: Option<&Server>, wave: &str, now: farrier_lifecycle::Timestamp) {
    if member.standing != Standing::Failed {
        return;
    }
    let well = server.is_some_and(|server| {
        server.wave.as_deref() == Some(wave)
            && server.hold.is_none()
            && !matches!(server.status, farrier_lifecycle::Status::Failed(_))
    });
    if well {
        // From now: its limit and its soak begin anew, and what was a case before is known.
        member.set(Standing::Running, now, None);
        member.started = Some(now);
    } else {
        let why = member.why.take();
        member.set(Standing::Aside, now, why);
    }
}
