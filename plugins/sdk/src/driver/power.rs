//! Power.
//!
//! Promises: a server already in the state asked for is not touched; the reset type sent is one the controller lists.
//! Does not: wait until the state is reached.
//!
//! Not obvious: a 409 to a reset, or iLO's refusal for the system's state, mostly means "already so". The state is read again, and only where it disagrees is it
//! an error, and then a busy one: iDRAC 10 refuses `On` for a while after a power-off.

use super::Context;
use crate::json::Json;
use crate::types::{Busy, Error, PowerAction, PowerState};
use serde_json::json;

/// The action's name in every controller.
pub const RESET: &str = "#ComputerSystem.Reset";

/// The state of the server's power.
pub fn get(context: &Context<'_>) -> Result<PowerState, Error> {
    let state = context.system()?.text(&["PowerState"]).unwrap_or_default();
    Ok(match state.to_ascii_lowercase().as_str() {
        "on" => PowerState::On,
        "off" => PowerState::Off,
        "poweringon" => PowerState::PoweringOn,
        "poweringoff" => PowerState::PoweringOff,
        _ => PowerState::Unknown,
    })
}

/// Bring the server's power where it is asked to be.
pub fn set(context: &Context<'_>, action: PowerAction) -> Result<(), Error> {
    if is_there(get(context)?, action) {
        return Ok(());
    }
    let system = context.system()?;
    let allowed = context.redfish.allowable(&system, RESET, "ResetType")?;
    let kind = choose(&allowed, wanted(action)).ok_or_else(|| {
        Error::Unsupported(format!("the controller offers none of {:?}, only {allowed:?}", wanted(action)))
    })?;
    match context.redfish.act(&system, RESET, &json!({ "ResetType": kind })) {
        Ok(_) => Ok(()),
        Err(refused @ (Error::Conflict(_) | Error::Busy(_))) => {
            if is_there(get(context)?, action) {
                return Ok(());
            }
            Err(match refused {
                Error::Conflict(reason) => Error::Busy(Busy { retry_after: Some(15), reason }),
                other => other,
            })
        }
        Err(other) => Err(other),
    }
}

fn is_there(state: PowerState, action: PowerAction) -> bool {
    match action {
        PowerAction::On => matches!(state, PowerState::On | PowerState::PoweringOn),
        PowerAction::Off => state == PowerState::Off,
        PowerAction::Soft => matches!(state, PowerState::Off | PowerState::PoweringOff),
    }
}

/// Reset types that do it, the best first.
fn wanted(action: PowerAction) -> &'static [&'static str] {
    match action {
        PowerAction::On => &["On", "ForceOn"],
        PowerAction::Off => &["ForceOff"],
        PowerAction::Soft => &["GracefulShutdown", "PushPowerButton"],
    }
}

/// The best of the wanted values that is allowed. A controller that lists nothing is sent the first. One firmware
/// lists two values run together (`GracefulShutdownGracefulRestart`), so a value that starts with the wanted counts.
pub fn choose(allowed: &[String], wanted: &[&'static str]) -> Option<&'static str> {
    if allowed.is_empty() {
        return wanted.first().copied();
    }
    let exact = wanted.iter().find(|want| allowed.iter().any(|value| value == *want));
    let joined = || wanted.iter().find(|want| allowed.iter().any(|value| value.starts_with(*want)));
    exact.or_else(joined).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_types_come_from_what_is_allowed() {
        let allowed = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        assert_eq!(choose(&[], wanted(PowerAction::Soft)), Some("GracefulShutdown"));
        assert_eq!(choose(&allowed(&["On", "PushPowerButton"]), wanted(PowerAction::Soft)), Some("PushPowerButton"));
        let typo = allowed(&["On", "ForceOff", "GracefulShutdownGracefulRestart"]);
        assert_eq!(choose(&typo, wanted(PowerAction::Soft)), Some("GracefulShutdown"));
        assert_eq!(choose(&allowed(&["Nmi"]), wanted(PowerAction::Off)), None);
    }
}
