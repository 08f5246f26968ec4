//! The plugin `warranty-dell` in the real engine against a simulated `TechDirect`. No real one has been asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod services_rig;

use std::collections::BTreeMap;

use farrier_lab::ledger::Kind;
use farrier_lab::techdirect::{self, SYSTEM, TechDirectConfig};
use services_rig::Rig;

fn config() -> TechDirectConfig {
    let line = |level: &str, start: &str, end: &str| (level.to_owned(), start.to_owned(), end.to_owned());
    let assets = BTreeMap::from([
        (
            "ABC1234".to_owned(),
            vec![
                line("Basic", "2023-01-05T06:00:00Z", "2024-01-06T05:59:59.999Z"),
                line("ProSupport Plus", "2023-01-05T06:00:00Z", "2028-01-06T05:59:59.999Z"),
            ],
        ),
        ("NONE123".to_owned(), Vec::new()),
    ]);
    TechDirectConfig { client: "l7-client".to_owned(), secret: "client-secret-0123".to_owned(), assets }
}

#[tokio::test]
async fn every_serial_is_answered_and_a_token_is_renewed() {
    let Some(rig) = Rig::new("warranty-dell").await else { return };
    let dell = techdirect::start(config(), rig.ledger.clone()).await.unwrap();
    let (driver, lend) = rig.open(&rig.config(&dell.url(), Some("l7-client"), "client-secret-0123"), "warranty");
    let serials: Vec<String> = ["abc1234", "NONE123", "GONE999", "MXQ00001-X"].map(str::to_owned).to_vec();
    for round in 1..=2 {
        let answer = driver.entitlements(&lend, &serials).await.unwrap();
        let found: Vec<_> =
            answer.found.iter().map(|one| (one.serial.as_str(), one.level.as_str(), one.ends)).collect();
        assert_eq!(found, [("abc1234", "Basic", 1_704_520_799_999), ("abc1234", "ProSupport Plus", 1_830_751_199_999)]);
        let mut unknown = answer.unknown.clone();
        unknown.sort();
        assert_eq!(unknown, ["GONE999", "MXQ00001-X"]);
        assert_eq!(rig.ledger.report().of(SYSTEM, Kind::Login), round);
        dell.end_tokens();
    }
    let many: Vec<String> = (0..101).map(|n| format!("T{n:05}")).collect();
    assert_eq!(driver.entitlements(&lend, &many).await.unwrap_err().code(), "invalid-input");
    rig.assert_correct();
}

#[tokio::test]
async fn a_wrong_client_is_tried_once() {
    let Some(rig) = Rig::new("warranty-dell").await else { return };
    let dell = techdirect::start(config(), rig.ledger.clone()).await.unwrap();
    let (driver, lend) = rig.open(&rig.config(&dell.url(), Some("l7-client"), "wrong"), "warranty");
    for _ in 0..2 {
        let refused = driver.entitlements(&lend, &["ABC1234".to_owned()]).await.unwrap_err();
        assert_eq!(refused.code(), "credentials-refused");
    }
    assert_eq!(rig.ledger.report().of(SYSTEM, Kind::LoginRefused), 1);
}
