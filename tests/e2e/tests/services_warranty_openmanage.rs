//! The plugin `warranty-openmanage` in the real engine against the simulated appliance. No appliance of Dell was asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod services_rig;

use farrier::config;
use farrier::plugin::{Driver, Lend};
use farrier_lab::appliance::{Machine, Setup, Warranty};
use farrier_lab::ledger::Kind;
use farrier_lab::openmanage::{OmeHandle, start};
use services_rig::Rig;

/// 2028-01-06, as the appliance writes it, and in milliseconds.
const END: (&str, u64) = ("2028-01-06 05:59:59.000", 1_830_751_199_000);

fn machine(serial: &str, known: bool, levels: &[&str]) -> Machine {
    let one = |level: &&str| Warranty {
        level: (*level).to_owned(),
        starts: "2023-01-05 06:00:00.000".to_owned(),
        ends: (*level != "endless").then(|| END.0.to_owned()),
    };
    Machine { known, warranties: levels.iter().map(one).collect(), ..Machine::new(serial, "10.0.0.1") }
}

/// Thirty servers with one warranty each, one without any, one whose tag is the start of another's, one it does not know.
fn machines() -> Vec<Machine> {
    let many = (0..30).map(|n| machine(&format!("MANY{n:03}"), true, &["ProSupport"]));
    let few = [
        machine("ABC1234", true, &["Basic", "ProSupport Plus"]),
        machine("ABC123", true, &["endless"]),
        machine("GONE999", false, &["ProSupport"]),
    ];
    many.chain(few).collect()
}

async fn appliance(rig: &Rig) -> OmeHandle {
    let setup = Setup { page: 7, ..Setup::new("openmanage", machines()) };
    start(setup, rig.ledger.clone()).await.unwrap()
}

/// As an operator trusts an appliance with a certificate of its own: by that certificate.
fn trusted(rig: &Rig, ome: &OmeHandle, secret: &str) -> config::Service {
    let file = rig.folder.path().join("openmanage.pem");
    std::fs::write(&file, ome.certificate().unwrap()).unwrap();
    config::Service { ca_file: Some(file), ..rig.config(&ome.url(), Some("farrier"), secret) }
}

async fn ask(driver: &Driver, lend: &Lend, serials: &[&str]) -> (Vec<(String, String, u64)>, Vec<String>) {
    let serials: Vec<String> = serials.iter().map(|one| (*one).to_owned()).collect();
    let answer = driver.entitlements(lend, &serials).await.unwrap();
    (answer.found.into_iter().map(|one| (one.serial, one.level, one.ends)).collect(), answer.unknown)
}

fn found(serial: &str, level: &str) -> (String, String, u64) {
    (serial.to_owned(), level.to_owned(), END.1)
}

#[tokio::test]
async fn every_tag_is_answered_alone_and_among_many() {
    let Some(rig) = Rig::new("warranty-openmanage").await else { return };
    let ome = appliance(&rig).await;
    let (driver, lend) = rig.open(&trusted(&rig, &ome, "appliance-password-1"), "warranty");
    let (few, unknown) = ask(&driver, &lend, &["abc1234", "ABC123", "GONE999", "O'NEIL"]).await;
    assert_eq!(few, [found("abc1234", "Basic"), found("abc1234", "ProSupport Plus")]);
    assert_eq!(unknown, ["GONE999", "O'NEIL"], "the device without an end is known");
    let names: Vec<String> = (0..30).map(|n| format!("MANY{n:03}")).collect();
    let mut wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    wanted.extend(["ABC123", "GONE999"]);
    let (many, unknown) = ask(&driver, &lend, &wanted).await;
    assert_eq!((many.len(), unknown), (30, vec!["GONE999".to_owned()]));
    assert!(names.iter().all(|name| many.contains(&found(name, "ProSupport"))));
    let report = rig.ledger.report();
    assert_eq!((report.total(Kind::Login), report.total(Kind::Write)), (1, 0));
    rig.assert_correct();
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_a_stranger_is_not_trusted() {
    let Some(rig) = Rig::new("warranty-openmanage").await else { return };
    let ome = appliance(&rig).await;
    let (driver, lend) = rig.open(&trusted(&rig, &ome, "wrong"), "warranty");
    for _ in 0..2 {
        let refused = driver.entitlements(&lend, &["ABC1234".to_owned()]).await.unwrap_err();
        assert_eq!(refused.code(), "credentials-refused");
    }
    assert_eq!(rig.ledger.report().total(Kind::LoginRefused), 1);
    let other = Rig::new("warranty-openmanage").await.unwrap();
    let (driver, lend) = other.open(&other.config(&ome.url(), Some("farrier"), "appliance-password-1"), "warranty");
    let untrusted = driver.entitlements(&lend, &["ABC1234".to_owned()]).await.unwrap_err();
    assert_eq!(untrusted.code(), "unreachable", "{untrusted}");
}
