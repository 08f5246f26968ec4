//! Power and boot of an iLO, on HPE's recording.
//!
//! Promises: what is sent, and that nothing is sent where nothing differs. Does not: run without the recording.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use farrier_plugin_hpe_ilo::HpeIlo;
use farrier_plugin_sdk::driver::{Context, boot, power, reset};
use farrier_plugin_sdk::serde_json::json;
use farrier_plugin_sdk::testing::{Answer, Replay};
use farrier_plugin_sdk::types::{
    BootMode, BootOverride, BootPersistence, BootTarget, Completion, Error, PowerAction, PowerState, ResetKind,
};

const ILO5: &str = "hpe-dl360gen10plus-ilo5-3.11";
const RESET: &str = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";

fn once(target: BootTarget) -> BootOverride {
    BootOverride { target, persistence: BootPersistence::Once, mode: BootMode::Uefi }
}

#[test]
fn power_is_set_only_where_it_differs() {
    let Some(tree) = Replay::open(ILO5) else { return };
    assert_eq!(power::get(&Context::new(&tree)), Ok(PowerState::On));
    power::set(&Context::new(&tree), PowerAction::On).unwrap();
    assert_eq!(tree.writes(), []);
    power::set(&Context::new(&tree), PowerAction::Off).unwrap();
    power::set(&Context::new(&tree), PowerAction::Soft).unwrap();
    let sent: Vec<_> = tree.writes().into_iter().map(|w| (w.path, w.body)).collect();
    let reset = |kind: &str| (RESET.to_owned(), json!({ "ResetType": kind }));
    assert_eq!(sent, [reset("ForceOff"), reset("GracefulShutdown")]);
}

#[test]
fn a_conflict_is_success_when_the_state_agrees_and_busy_when_not() {
    let Some(tree) = Replay::open(ILO5) else { return };
    tree.answer(RESET, Answer::Say(409, json!({})));
    let error = power::set(&Context::new(&tree), PowerAction::Off).unwrap_err();
    assert!(matches!(error, Error::Busy(_)), "{error:?}");
}

#[test]
fn a_boot_override_is_written_once() {
    let Some(tree) = Replay::open(ILO5) else { return };
    assert_eq!(boot::get(&HpeIlo, &Context::new(&tree)).unwrap().target, BootTarget::None);
    boot::set(&HpeIlo, &Context::new(&tree), &once(BootTarget::Pxe)).unwrap();
    let writes = tree.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].path, "/redfish/v1/Systems/1");
    let expected = json!({"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}});
    assert_eq!(writes[0].body, expected, "the mode agrees and is not sent");
    boot::set(&HpeIlo, &Context::new(&tree), &once(BootTarget::Pxe)).unwrap();
    assert_eq!(tree.writes(), [], "it stands already");
    boot::set(&HpeIlo, &Context::new(&tree), &once(BootTarget::None)).unwrap();
    assert_eq!(tree.writes()[0].body["Boot"]["BootSourceOverrideEnabled"], "Disabled");
}

#[test]
fn a_refusal_during_post_is_busy() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let said = json!({"error": {"@Message.ExtendedInfo": [{"MessageId": "iLO.2.14.UnableToModifyDuringSystemPOST"}]}});
    tree.answer("/redfish/v1/Systems/1", Answer::Say(400, said));
    let error = boot::set(&HpeIlo, &Context::new(&tree), &once(BootTarget::Pxe)).unwrap_err();
    assert!(matches!(error, Error::Busy(_)), "{error:?}");
}

#[test]
fn the_controller_restarts_gracefully_and_the_host_is_refused() {
    let Some(tree) = Replay::open(ILO5) else { return };
    assert_eq!(reset::reset(&Context::new(&tree), ResetKind::Bmc), Ok(Completion::Done));
    assert_eq!(tree.writes()[0].body, json!({"ResetType": "GracefulRestart"}));
    let refused = reset::reset(&Context::new(&tree), ResetKind::Host);
    assert!(matches!(refused, Err(Error::InvalidInput(_))), "{refused:?}");
    assert_eq!(tree.writes(), []);
}

#[test]
fn an_image_is_inserted_before_the_server_is_told_to_boot_it() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let image = "https://files.example/validate.iso";
    boot::set(&HpeIlo, &Context::new(&tree), &once(BootTarget::VirtualCd(image.to_owned()))).unwrap();
    let writes = tree.writes();
    assert_eq!(writes[0].path, "/redfish/v1/Managers/1/VirtualMedia/2/Actions/VirtualMedia.InsertMedia");
    assert_eq!(writes[0].body, json!({ "Image": image }));
    assert_eq!(writes[1].body["Boot"]["BootSourceOverrideTarget"], "Cd");
    tree.alter("/redfish/v1/Managers/1/VirtualMedia/2", &json!({ "Image": image, "Inserted": true }));
    assert_eq!(boot::get(&HpeIlo, &Context::new(&tree)).unwrap(), once(BootTarget::VirtualCd(image.to_owned())));
    boot::set(&HpeIlo, &Context::new(&tree), &once(BootTarget::VirtualCd(image.to_owned()))).unwrap();
    assert_eq!(tree.writes(), [], "inserted and set already");
}

#[test]
fn a_uri_the_firmware_takes_nowhere_is_refused_before_it_is_sent() {
    let Some(tree) = Replay::open(ILO5) else { return };
    let wanted = once(BootTarget::UefiHttp(Some("https://files.example/x.efi".to_owned())));
    let error = boot::set(&HpeIlo, &Context::new(&tree), &wanted).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
    assert_eq!(tree.writes(), []);
    boot::set(&HpeIlo, &Context::new(&tree), &once(BootTarget::UefiHttp(None))).unwrap();
    assert_eq!(tree.writes().len(), 1);
}
