//! The plugin `jira` in the real engine against a strict simulated Jira of both flavours. No real Jira has been asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod services_rig;

use std::time::{Duration, Instant};

use farrier::fault::Retry;
use farrier::plugin::wit::ticketing::{Draft, Priority, TicketState};
use farrier::plugin::{Driver, Lend};
use farrier_lab::jira::{self, Category, Faults, Flavour, JiraConfig, JiraHandle, SYSTEM};
use farrier_lab::ledger::Kind;
use services_rig::{Rig, server};

const BOTH: [Flavour; 2] = [Flavour::Cloud, Flavour::DataCenter];
const KEY: &str = "9440c9000001/power-stuck";
const TEXT: &str = "# AMS-SRV-001\n\n**power-stuck**: asked for *Off*, still `On`\n\n- rack A01, unit 10\n- serial MXQ00001\n  - nested\n\n1. first\n2. second\n\n> said somebody\n\n```json\n{\"a\": [1, \"{x}\"]}\n```\n\n---\n\n[the server](https://farrier.example.test/servers/AMS-SRV-001) <b>html</b> {code} [x|y] *_";

struct Desk {
    rig: Rig,
    jira: JiraHandle,
    driver: Driver,
    lend: Lend,
}

impl Desk {
    async fn new(config: JiraConfig) -> Option<Self> {
        let rig = Rig::new("jira").await?;
        let (flavour, user, token) = (config.flavour, config.user.clone(), config.token.clone());
        let jira = jira::start(config, rig.ledger.clone()).await.unwrap();
        let mut service = match flavour {
            Flavour::Cloud => rig.config(&jira.url(), Some(&user), &token),
            Flavour::DataCenter => rig.config(&jira.url(), None, &token),
        };
        service.auth = (flavour == Flavour::DataCenter).then(|| "bearer".to_owned());
        service.settings.insert("project".to_owned(), "DC".to_owned());
        let (driver, lend) = rig.open(&service, "ticketing");
        Some(Self { rig, jira, driver, lend })
    }

    fn draft() -> Draft {
        Draft {
            dedup_key: KEY.to_owned(),
            server: server(),
            summary: "AMS-SRV-001: power-stuck\nin validate".to_owned(),
            description: TEXT.to_owned(),
            priority: Priority::High,
            labels: vec!["farrier".to_owned(), "site ams".to_owned()],
        }
    }
}

#[tokio::test]
async fn one_issue_from_opening_to_done() {
    for flavour in BOTH {
        let Some(desk) = Desk::new(JiraConfig::new(flavour)).await else { return };
        let first = desk.driver.open_ticket(&desk.lend, &Desk::draft()).await.unwrap();
        let again = desk.driver.open_ticket(&desk.lend, &Desk::draft()).await.unwrap();
        assert_eq!((first.key.as_str(), first.state), ("DC-1", TicketState::Open), "{flavour:?}");
        assert_eq!(first, again);
        assert_eq!(first.url, format!("{}/browse/DC-1", desk.jira.url()));
        desk.driver.comment(&desk.lend, "DC-1", "still `On`\n\n- tried **twice**").await.unwrap();
        for _ in 0..2 {
            desk.driver.set_ticket_state(&desk.lend, "DC-1", TicketState::Resolved).await.unwrap();
        }
        let issue = desk.jira.issues().remove(0);
        assert_eq!((issue.category, issue.resolution.as_deref()), (Category::Done, Some("Done")));
        assert_eq!(issue.summary, "AMS-SRV-001: power-stuck in validate");
        assert_eq!(issue.comments.len(), 1);
        assert!(issue.labels.contains(&"site-ams".to_owned()), "{:?}", issue.labels);
        assert_eq!(desk.driver.find_ticket(&desk.lend, KEY).await.unwrap(), None);
        // The same fault another day is another ticket.
        let next = desk.driver.open_ticket(&desk.lend, &Desk::draft()).await.unwrap();
        assert_eq!(next.key, "DC-2");
        desk.rig.assert_correct();
    }
}

#[tokio::test]
async fn every_word_of_the_text_arrives() {
    for flavour in BOTH {
        let Some(desk) = Desk::new(JiraConfig::new(flavour)).await else { return };
        desk.driver.open_ticket(&desk.lend, &Desk::draft()).await.unwrap();
        let description = desk.jira.issues()[0].description.to_string();
        for word in ["power-stuck", "rack A01, unit 10", "nested", "second", "said somebody", "the server", "html"] {
            assert!(description.contains(word), "{flavour:?}: {word}: {description}");
        }
        let long = Draft { description: "word ".repeat(20_000), dedup_key: "x/y".to_owned(), ..Desk::draft() };
        desk.driver.open_ticket(&desk.lend, &long).await.unwrap();
        desk.rig.assert_correct();
    }
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_makes_no_second_issue_while_the_index_lags() {
    for flavour in BOTH {
        let config = JiraConfig { index_lag: Duration::from_millis(700), ..JiraConfig::new(flavour) };
        let Some(desk) = Desk::new(config).await else { return };
        desk.jira.set_faults(Faults { drop_answers: 1, ..Faults::default() });
        let lost = desk.driver.open_ticket(&desk.lend, &Desk::draft()).await.unwrap_err();
        assert_eq!(lost.code(), "unreachable");
        let mut answers = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        let ticket = loop {
            match desk.driver.open_ticket(&desk.lend, &Desk::draft()).await {
                Ok(ticket) => break ticket,
                Err(error) => answers.push(error.code()),
            }
            assert!(Instant::now() < deadline, "{answers:?}");
        };
        assert!(answers.first() == Some(&"busy") && answers.iter().all(|code| *code == "busy"), "{answers:?}");
        assert_eq!((ticket.key.as_str(), desk.jira.issues().len()), ("DC-1", 1));
        desk.rig.assert_correct();
    }
}

#[tokio::test]
async fn a_comment_whose_answer_is_lost_stands_once() {
    for flavour in BOTH {
        let Some(desk) = Desk::new(JiraConfig::new(flavour)).await else { return };
        desk.driver.open_ticket(&desk.lend, &Desk::draft()).await.unwrap();
        desk.jira.set_faults(Faults { drop_answers: 1, ..Faults::default() });
        desk.driver.comment(&desk.lend, "DC-1", "recovered at **10:05**").await.unwrap_err();
        desk.driver.comment(&desk.lend, "DC-1", "recovered at **10:05**").await.unwrap();
        assert_eq!(desk.jira.issues()[0].comments.len(), 1);
        desk.rig.assert_correct();
    }
}

#[tokio::test]
async fn limits_and_locks_are_respected() {
    let Some(desk) = Desk::new(JiraConfig::new(Flavour::Cloud)).await else { return };
    desk.jira.set_faults(Faults { limited: Some((1, 3)), ..Faults::default() });
    let limited = desk.driver.open_ticket(&desk.lend, &Desk::draft()).await.unwrap_err();
    assert_eq!((limited.code(), limited.retry()), ("busy", Retry::After(3_000)));
    desk.rig.assert_correct();
    desk.jira.set_faults(Faults { captcha: true, ..Faults::default() });
    let locked = desk.driver.open_ticket(&desk.lend, &Desk::draft()).await.unwrap_err();
    assert_eq!((locked.code(), locked.retry()), ("credentials-refused", Retry::Never));
    assert!(desk.jira.issues().is_empty());
}

#[tokio::test]
async fn a_wrong_token_is_sent_once_and_a_missing_project_is_said() {
    let Some(rig) = Rig::new("jira").await else { return };
    let jira = jira::start(JiraConfig::new(Flavour::Cloud), rig.ledger.clone()).await.unwrap();
    let (driver, lend) = rig.open(&rig.config(&jira.url(), Some("farrier@example.test"), "wrong-token"), "ticketing");
    for _ in 0..3 {
        assert_eq!(driver.find_ticket(&lend, KEY).await.unwrap_err().code(), "credentials-refused");
    }
    assert_eq!(rig.ledger.report().of(SYSTEM, Kind::LoginRefused), 1);
    let right = JiraConfig::new(Flavour::Cloud);
    let (driver, lend) = rig.open(&rig.config(&jira.url(), Some(&right.user), &right.token), "ticketing");
    let error = driver.open_ticket(&lend, &Desk::draft()).await.unwrap_err();
    assert_eq!(error.code(), "invalid-input");
    assert!(error.to_string().contains("`project`"), "{error}");
}
