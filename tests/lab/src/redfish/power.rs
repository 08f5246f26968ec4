//! Power: accepted now, true later.
//!
//! Promises that the reported state changes only after the configured time, that a later request replaces an
//! earlier one, and that at each boot pending BIOS settings are applied and `Once` is consumed. One
//! transition is counted for each real change of state; a warm restart is a boot without a transition.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bmc::Bmc;
use super::config::{EventKind, Kind, Power};
use super::profile::SameState;
use super::reply::{Message, Reply};
use super::state::State;
use crate::ledger::Kind as Count;

/// What a reset type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    On,
    Off { graceful: bool },
    Restart { graceful: bool },
    Cycle,
    Toggle,
    Nothing,
}

fn plan(reset_type: &str) -> Option<Plan> {
    Some(match reset_type {
        "On" | "ForceOn" => Plan::On,
        "ForceOff" => Plan::Off { graceful: false },
        "GracefulShutdown" => Plan::Off { graceful: true },
        "ForceRestart" => Plan::Restart { graceful: false },
        "GracefulRestart" => Plan::Restart { graceful: true },
        "PowerCycle" | "ColdBoot" | "AuxCycle" => Plan::Cycle,
        "PushPowerButton" => Plan::Toggle,
        "Nmi" => Plan::Nothing,
        _ => return None,
    })
}

impl Bmc {
    /// `ComputerSystem.Reset` with a value already found in the allowable ones.
    pub(super) fn reset(self: &Arc<Self>, reset_type: &str) -> Reply {
        let Some(plan) = plan(reset_type) else {
            return Reply::refuse_base(self.kind(), 400, "ActionParameterNotSupported", &[reset_type, "ResetType"]);
        };
        let (power, heading, ignored) = {
            let state = self.state();
            (state.power, state.heading, state.faults.ignore_graceful)
        };
        let plan = match (plan, power) {
            (Plan::Toggle, Power::On) => Plan::Off { graceful: true },
            (Plan::Toggle, Power::Off) => Plan::On,
            (other, _) => other,
        };
        let target = heading.unwrap_or(power);
        let already = match plan {
            Plan::On => target == Power::On,
            Plan::Off { .. } => target == Power::Off,
            Plan::Restart { .. } => power == Power::Off,
            // A standard cycle of a server that is off is refused as well; HPE's AuxCycle wants it off.
            Plan::Cycle => power == Power::Off && reset_type == "PowerCycle",
            Plan::Toggle | Plan::Nothing => false,
        };
        if already {
            return self.same_state(reset_type);
        }
        if !(ignored && matches!(plan, Plan::Off { graceful: true } | Plan::Restart { graceful: true })) {
            self.begin(plan);
        }
        if self.kind() == Kind::DellIdrac9 { Reply::none() } else { Reply::done(self.kind(), None, None) }
    }

    fn same_state(&self, reset_type: &str) -> Reply {
        let refuse = |status: u16, id: &str| {
            Reply::refuse(self.kind(), status, &[Message::full(id, &[reset_type, "ResetType"])])
        };
        match self.profile.same_state {
            SameState::Bad(id) => refuse(400, id),
            SameState::Conflict(id) => refuse(409, id),
            SameState::Nothing => {
                self.count(Count::NoChange, &format!("power {reset_type}"));
                Reply::done(self.kind(), None, None)
            }
        }
    }

    /// Start a change, replacing one under way.
    fn begin(self: &Arc<Self>, plan: Plan) {
        let timing = self.config.timing;
        let round = {
            let mut state = self.state();
            state.power_round += 1;
            state.heading = match plan {
                Plan::On => Some(Power::On),
                Plan::Off { .. } => Some(Power::Off),
                _ => None,
            };
            state.power_round
        };
        let off = |graceful: bool| if graceful { timing.graceful_off } else { timing.power_off };
        let steps: Vec<(Duration, Step)> = match plan {
            Plan::On => vec![(timing.power_on, Step::On)],
            Plan::Off { graceful } => vec![(off(graceful), Step::Off)],
            Plan::Restart { graceful } => vec![(off(graceful), Step::Restart)],
            Plan::Cycle => vec![(timing.power_off, Step::Off), (timing.power_on, Step::On)],
            Plan::Toggle | Plan::Nothing => Vec::new(),
        };
        let bmc = Arc::clone(self);
        tokio::spawn(async move {
            for (delay, step) in steps {
                tokio::select! {
                    () = bmc.stop.cancelled() => return,
                    () = tokio::time::sleep(delay) => {}
                }
                if bmc.state().power_round != round {
                    return;
                }
                bmc.step(step);
            }
        });
    }

    /// Make one step true at once; also what a hand on the button does.
    pub(super) fn step(self: &Arc<Self>, step: Step) {
        let mut state = self.state();
        state.heading = None;
        let was = state.power;
        match step {
            Step::Off => {
                state.power = Power::Off;
                drop(state);
                if was == Power::On {
                    self.count(Count::PowerTransition, "off");
                    self.emit(EventKind::PowerOff);
                }
            }
            Step::On | Step::Restart => {
                state.power = Power::On;
                let boot = self.boot(&mut state, was == Power::On);
                drop(state);
                if was == Power::Off {
                    self.count(Count::PowerTransition, "on");
                }
                self.emit(boot);
            }
        }
    }

    /// Everything that happens when a server boots.
    fn boot(self: &Arc<Self>, state: &mut State, restart: bool) -> EventKind {
        state.post_until = Some(Instant::now() + self.config.timing.post);
        self.apply_bios(state);
        self.apply_firmware(state);
        let boot_target = match state.boot.enabled.as_str() {
            "Disabled" => None,
            _ => Some(state.boot.target.clone()).filter(|target| target != "None"),
        };
        let mode = state.boot.mode.clone();
        if state.boot.enabled == "Once" {
            "Disabled".clone_into(&mut state.boot.enabled);
            "None".clone_into(&mut state.boot.target);
        }
        EventKind::PowerOn { boot_target, mode, restart }
    }
}

/// A change of power that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    On,
    Off,
    Restart,
}
