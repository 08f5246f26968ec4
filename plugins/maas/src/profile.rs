//! What MAAS serves a machine: commissioning as validation, erasure, installation, nothing.
//!
//! Promises: the same profile asked for twice acts once, over crashes too: what is about to be asked for is kept before it
//! is asked, and a machine found on its way under the same wish is left alone. A machine in somebody's use is a
//! `conflict`. Does not: wait; what lasts is a job, polled with GET only.
//!
//! Not obvious: an erasure is a release with `erase`, which only an allocated machine can have, so a free one is
//! allocated first. After it the machine is free again; the kept wish tells "erased" from "not begun".

use crate::api::Maas;
use crate::machine::{Known, Status, find};
use crate::{BootProfile, JobProgress, JobState, ServerRef};
use farrier_plugin_sdk::json::Json;
use farrier_plugin_sdk::services::encode;
use farrier_plugin_sdk::types::{Busy, Completion, Error, Job, OtherError};

/// Where the wish last asked for is kept.
const WISH: &str = "wish";
/// Seconds between two looks at a machine that boots.
const POLL: u32 = 15;
/// Seconds for which "erased" is believed of a free machine: somebody may have used it since.
const ERASED_FOR: u32 = 48 * 3600;
/// The commissioning script, unless configured.
const SCRIPT: &str = "farrier-validate";
/// Its parameter that takes the callback URL.
const PARAMETER: &str = "farrier_callback";

/// Set what is served at the next network boot.
pub fn set(maas: &Maas<'_>, server: &ServerRef, profile: &BootProfile) -> Result<Completion, Error> {
    let known =
        find(maas, server)?.ok_or_else(|| Error::NotFound(format!("{} is not enrolled in MAAS", server.name)))?;
    if known.body.flag(&["locked"]) == Some(true) {
        return Err(Error::Forbidden(format!("machine {} is locked in MAAS", known.id)));
    }
    if known.status == Status::Releasing {
        // Asked for again while it runs, an erasure is the same erasure; everything else comes after it.
        return match profile {
            BootProfile::Erase => {
                maas.around.keep(WISH, "erase", Some(ERASED_FOR))?;
                Ok(pending("erase", &known))
            }
            _ => Err(later(&known)),
        };
    }
    match profile {
        BootProfile::Validate(url) => validate(maas, &known, url),
        BootProfile::Erase => erase(maas, &known),
        BootProfile::Install(image) => install(maas, &known, image),
        BootProfile::Local => local(maas, &known),
    }
}

fn validate(maas: &Maas<'_>, known: &Known, url: &str) -> Result<Completion, Error> {
    let wish = format!("validate {:016x}", fingerprint(url));
    match known.status {
        // Begun, or begun by an attempt whose answer was lost.
        Status::Commissioning if maas.around.kept(WISH)?.as_deref() == Some(wish.as_str()) => Ok(Completion::Done),
        Status::Commissioning => {
            maas.post(&known.operation("abort"), &[("comment", "another validation boot follows")])?;
            Ok(pending("abort", known))
        }
        Status::Free | Status::Faulty => {
            maas.around.keep(WISH, &wish, None)?;
            let script = maas.around.setting("script").unwrap_or_else(|| SCRIPT.to_owned());
            maas.post(
                &known.operation("commission"),
                &[
                    // Without it MAAS makes a controller account and switches IPMI over LAN on.
                    ("skip_bmc_config", "1"),
                    ("skip_networking", "1"),
                    ("skip_storage", "1"),
                    ("commissioning_scripts", &script),
                    ("testing_scripts", "none"),
                    (PARAMETER, url),
                ],
            )?;
            Ok(Completion::Done)
        }
        _ => Err(in_use(known)),
    }
}

fn erase(maas: &Maas<'_>, known: &Known) -> Result<Completion, Error> {
    let wished = maas.around.kept(WISH)?;
    match known.status {
        Status::Free if wished.as_deref() == Some("erase") => Ok(Completion::Done),
        Status::Free => {
            maas.around.keep(WISH, "erase begun", None)?;
            allocate(maas, known)?;
            release_erasing(maas, known)
        }
        Status::Allocated if wished.as_deref() == Some("erase begun") => release_erasing(maas, known),
        Status::Deployed | Status::FailedDeployment | Status::FailedReleasing => release_erasing(maas, known),
        _ => Err(in_use(known)),
    }
}

/// Release with erasure, the drives' own secure erasure where they have one.
fn release_erasing(maas: &Maas<'_>, known: &Known) -> Result<Completion, Error> {
    maas.post(
        &known.operation("release"),
        &[
            ("erase", "true"),
            ("secure_erase", "true"),
            ("comment", "drives are erased before the server is used again"),
        ],
    )?;
    maas.around.keep(WISH, "erase", Some(ERASED_FOR))?;
    Ok(pending("erase", known))
}

fn install(maas: &Maas<'_>, known: &Known, image: &str) -> Result<Completion, Error> {
    let wish = format!("install {image}");
    let ours = maas.around.kept(WISH)?.as_deref() == Some(wish.as_str());
    match known.status {
        Status::Free => {
            maas.around.keep(WISH, &wish, None)?;
            allocate(maas, known)?;
        }
        Status::Allocated if ours => {}
        Status::Deploying if ours => return Ok(pending("deploy", known)),
        Status::Deployed if ours && has_image(known, image) => return Ok(Completion::Done),
        _ => return Err(in_use(known)),
    }
    maas.post(
        &known.operation("deploy"),
        &[("distro_series", image), ("comment", "installed by the provisioning host")],
    )?;
    Ok(pending("deploy", known))
}

fn has_image(known: &Known, image: &str) -> bool {
    let system = known.body.text(&["osystem"]).unwrap_or_default();
    let series = known.body.text(&["distro_series"]).unwrap_or_default();
    image == series || image == format!("{system}/{series}")
}

fn local(maas: &Maas<'_>, known: &Known) -> Result<Completion, Error> {
    match known.status {
        Status::Commissioning => {
            maas.post(&known.operation("abort"), &[("comment", "it boots from disk")])?;
            Ok(pending("abort", known))
        }
        Status::Deploying => Err(later(known)),
        _ => Ok(Completion::Done),
    }
}

/// Stop serving the machine and forget it. What was installed on it is erased first.
pub fn release(maas: &Maas<'_>, server: &ServerRef) -> Result<Completion, Error> {
    let Some(known) = find(maas, server)? else {
        forget(maas)?;
        return Ok(Completion::Done);
    };
    match known.status {
        Status::Commissioning => {
            maas.post(&known.operation("abort"), &[("comment", "the server is released")])?;
            return Ok(pending("abort", &known));
        }
        Status::Releasing => return Ok(pending("erase", &known)),
        Status::Deployed | Status::FailedDeployment => return release_erasing(maas, &known),
        // An erasure that failed leaves data: the machine is not forgotten before somebody looked.
        Status::Allocated | Status::Deploying | Status::FailedReleasing | Status::Other(_) => {
            return Err(in_use(&known));
        }
        Status::Free | Status::Faulty => {}
    }
    maas.delete(&known.path())?;
    forget(maas)?;
    Ok(Completion::Done)
}

fn forget(maas: &Maas<'_>) -> Result<(), Error> {
    maas.around.forget(WISH)?;
    maas.around.forget(crate::machine::ID)
}

/// How what was started is doing.
pub fn poll(maas: &Maas<'_>, id: &str) -> Result<JobState, Error> {
    let (kind, machine) =
        id.split_once(':').ok_or_else(|| Error::InvalidInput(format!("`{id}` is no job of this plugin")))?;
    let known = Known::read(&maas.get(&format!("machines/{}/", encode(machine)))?)?;
    let running = || {
        JobState::Running(JobProgress { percent: None, message: format!("MAAS: {}", known.shown), poll_after: POLL })
    };
    let failed = || {
        let message = known.body.text(&["error_description"]).unwrap_or_else(|| known.shown.clone());
        JobState::Failed(Error::Other(OtherError {
            code: "maas-failed".to_owned(),
            message: format!("machine {}: {}: {message}", known.id, known.shown),
            retryable: false,
        }))
    };
    Ok(match (kind, known.status) {
        ("deploy", Status::Deployed) => JobState::Succeeded("installed".to_owned()),
        ("deploy", Status::Deploying | Status::Allocated)
        | ("erase", Status::Releasing)
        | ("abort", Status::Commissioning) => running(),
        ("erase", Status::Free) => JobState::Succeeded("released and erased".to_owned()),
        ("abort", Status::Free | Status::Faulty) => JobState::Succeeded("stopped".to_owned()),
        ("deploy" | "erase" | "abort", _) => failed(),
        _ => return Err(Error::InvalidInput(format!("`{id}` is no job of this plugin"))),
    })
}

fn allocate(maas: &Maas<'_>, known: &Known) -> Result<(), Error> {
    maas.post("machines/?op=allocate", &[("system_id", &known.id), ("comment", "for the provisioning host")])?;
    Ok(())
}

fn pending(kind: &str, known: &Known) -> Completion {
    Completion::Pending(Job {
        id: format!("{kind}:{}", known.id),
        title: format!("MAAS: {kind} {}", known.id),
        poll_after: POLL,
    })
}

fn in_use(known: &Known) -> Error {
    Error::Conflict(format!("machine {} is {} in MAAS", known.id, known.shown))
}

fn later(known: &Known) -> Error {
    Error::Busy(Busy { retry_after: Some(POLL), reason: format!("machine {} is {} in MAAS", known.id, known.shown) })
}

/// Tells URLs apart without keeping the token that stands in them: FNV-1a.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
