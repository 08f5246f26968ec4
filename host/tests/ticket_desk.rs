//! Faults become tickets: the desk and the plugin `jira` in the real engine, against a strict simulated Jira.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;
mod service_support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::Rig;
use farrier::bus::Bus;
use farrier::config::Tickets;
use farrier::fault::{Blame, Fault, Retry};
use farrier::inventory::FileInventory;
use farrier::ticket::{Cases, Desk, ServiceTracker};
use farrier_lab::jira::{self, Category, Faults, Flavour, JiraConfig, JiraHandle};
use farrier_lab::ledger::Ledger;
use farrier_lifecycle::{Facts, Outcome, Request, Server, Stage};
use service_support::{Engine, PACE, inventory};

struct Site {
    rig: Rig,
    jira: JiraHandle,
    ledger: Ledger,
    engine: Engine,
    desk: Desk,
}

impl Site {
    async fn new(flavour: Flavour) -> Option<Self> {
        Self::lagging(flavour, Duration::ZERO).await
    }

    /// Search does not find what is younger than this.
    async fn lagging(flavour: Flavour, index_lag: Duration) -> Option<Self> {
        let (rig, ledger) = (Rig::sqlite_memory(), Ledger::default());
        let engine = Engine::new("jira", rig.bus.clone()).await?;
        let config = JiraConfig { index_lag, ..JiraConfig::new(flavour) };
        let jira = jira::start(config, ledger.clone()).await.unwrap();
        let desk = Self::desk(&engine, &jira, &rig.bus, flavour);
        let mut site = Self { rig, jira, ledger, engine, desk };
        // The first turn goes to the end of the journal.
        site.turn().await;
        Some(site)
    }

    fn desk(engine: &Engine, jira: &JiraHandle, bus: &Arc<dyn Bus>, flavour: Flavour) -> Desk {
        let login = JiraConfig::new(flavour);
        let mut service = engine.config(&jira.url(), Some(&login.user), &login.token);
        service.auth = (flavour == Flavour::DataCenter).then(|| "bearer".to_owned());
        service.settings.insert("project".to_owned(), "DC".to_owned());
        let tracker = ServiceTracker::new(engine.service(&service, "ticketing"), engine.broker.clone());
        let settings = Tickets {
            service,
            link: Some("https://farrier.example.test/servers/".parse().unwrap()),
            after_ms: 0,
            labels: vec!["farrier".to_owned()],
        };
        let shelf: Arc<FileInventory> = Arc::new(inventory(engine.folder.path()));
        Desk::new(bus.clone(), shelf, Arc::new(tracker), settings, PACE)
    }

    /// A host that starts anew, with nothing but the store.
    fn restart(&mut self, flavour: Flavour) {
        self.desk = Self::desk(&self.engine, &self.jira, &self.rig.bus, flavour);
    }

    async fn turn(&mut self) {
        assert!(self.desk.turn().await.unwrap(), "this process is the desk");
        // Longer than the pause after a failure here.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    /// Turns until there is nothing left to do.
    async fn settle(&mut self, until: impl Fn(&JiraHandle) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !until(&self.jira) {
            assert!(Instant::now() < deadline, "{:#?}", self.jira.open());
            self.turn().await;
        }
    }

    /// What is due is done, and the host dies before it has written that down.
    async fn die_after_the_answer(&mut self, flavour: Flavour) {
        self.jira.set_faults(Faults { away: true, ..Faults::default() });
        self.turn().await;
        let (key, _) = self.rig.bus.keys("ticket/case/").await.unwrap().pop().unwrap();
        let case = self.rig.bus.get(&key).await.unwrap();
        self.jira.set_faults(Faults::default());
        self.turn().await;
        assert_ne!(self.rig.bus.get(&key).await.unwrap(), case, "something was done");
        self.rig.bus.set(&key, case.as_deref(), None).await.unwrap();
        self.restart(flavour);
        self.turn().await;
    }

    async fn fail(&self, n: u8, code: &str, text: &str) -> Server {
        let (server, fence) = self.rig.run_one(Stage::Discover).await;
        assert_eq!(server.lease.mac.to_string(), format!("94:40:c9:00:00:{n:02x}"));
        let fault = Fault::new(code, Retry::Never, Blame::Cabling, text).hint("move the cable");
        let facts = Facts { name: Some(format!("AMS-SRV-{n:03}")), ..Facts::default() };
        let known = Outcome::Checkpoint { memo: "{}".to_owned(), effect: false, facts: Box::new(facts) };
        self.rig.outcome(&fence, known).await.unwrap();
        self.rig.outcome(&fence, Outcome::Failed(fault)).await.unwrap();
        server
    }

    async fn retry(&self, server: &Server) {
        self.rig.clock.step(60_000);
        self.rig.request(&server.id, Request::Retry).await.unwrap();
    }

    /// Tried again, and past the stage.
    async fn recover(&self, server: &Server) {
        self.retry(server).await;
        let (_, fence) = self.rig.run_one(Stage::Discover).await;
        self.rig.outcome(&fence, Outcome::done("all cables agree")).await.unwrap();
    }

    fn assert_correct(&self) {
        let violations = self.ledger.report().violations;
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

#[tokio::test]
async fn sixty_faults_are_sixty_tickets_with_the_right_cause_and_each_closes() {
    for flavour in [Flavour::Cloud, Flavour::DataCenter] {
        let Some(mut site) = Site::new(flavour).await else { return };
        let mut servers = Vec::new();
        for n in 1..=60 {
            site.rig.see(n).await;
            servers.push(site.fail(n, &format!("planted-{n}"), &format!("cable {n} is in the wrong port")).await);
        }
        site.settle(|jira| jira.issues().len() >= 60).await;
        // Tried again and failed in the same way: nothing new to say.
        for (n, server) in (1..=60).zip(&servers) {
            site.retry(server).await;
            site.fail(n, &format!("planted-{n}"), &format!("cable {n} is in the wrong port")).await;
        }
        site.turn().await;
        let open = site.jira.open();
        assert_eq!((open.len(), site.jira.issues().len()), (60, 60));
        for n in 1..=60 {
            let cause = format!("planted-{n} in discover: ");
            let of: Vec<_> = open.iter().filter(|issue| issue.summary.contains(&cause)).collect();
            assert_eq!(of.len(), 1, "{cause}");
            let text = of[0].description.to_string();
            for word in [format!("AMS-SRV-{n:03}"), format!("cable {n} is in the wrong port"), "ams".to_owned()] {
                assert!(text.contains(&word), "{word}: {text}");
            }
            assert!(of[0].comments.is_empty());
        }
        for server in &servers {
            site.recover(server).await;
        }
        site.settle(|jira| jira.open().is_empty()).await;
        for issue in site.jira.issues() {
            assert_eq!((issue.category, issue.comments.len()), (Category::Done, 1), "{}", issue.key);
            let said = issue.comments[0].to_string();
            assert!(said.contains("recovered after") && said.contains("seen 2 times"), "{said}");
            assert!(said.contains("all cables agree"), "{said}");
        }
        assert!(Cases(site.rig.bus.clone()).all().await.unwrap().is_empty(), "nothing is left to do");
        site.assert_correct();
    }
}

#[tokio::test]
async fn jira_away_for_a_day_loses_none() {
    let Some(mut site) = Site::new(Flavour::Cloud).await else { return };
    site.jira.set_faults(Faults { away: true, ..Faults::default() });
    let (mut failed, mut recovered) = (BTreeMap::new(), 0);
    for hour in 1..=24_u8 {
        site.rig.clock.step(3_600_000);
        site.rig.see(hour).await;
        failed.insert(hour, site.fail(hour, "cable-swapped", "two cables").await);
        site.turn().await;
        if hour % 3 == 0 {
            let server = failed.remove(&hour).unwrap();
            site.recover(&server).await;
            recovered += 1;
            site.turn().await;
        }
        if hour % 8 == 0 {
            site.restart(Flavour::Cloud);
        }
    }
    assert!(site.jira.issues().is_empty());
    site.jira.set_faults(Faults::default());
    site.settle(|jira| jira.issues().len() == 24 && jira.open().len() == 24 - 8).await;
    assert_eq!((recovered, failed.len()), (8, 16));
    let first = site.jira.issues();
    assert!(first.iter().all(|issue| issue.summary.contains("cable-swapped")));
    site.assert_correct();
}

#[tokio::test]
async fn a_lost_answer_a_restart_and_a_fault_that_comes_back_are_one_ticket() {
    for flavour in [Flavour::Cloud, Flavour::DataCenter] {
        let Some(mut site) = Site::new(flavour).await else { return };
        site.rig.see(1).await;
        let server = site.fail(1, "power-stuck", "still on").await;
        site.jira.set_faults(Faults { drop_answers: 1, ..Faults::default() });
        site.turn().await;
        assert_eq!(site.jira.issues().len(), 1, "made, and nobody knows");
        site.restart(flavour);
        // What changed is said; what closed and came back before anybody could tell Jira is the same ticket.
        site.jira.set_faults(Faults { away: true, ..Faults::default() });
        site.turn().await;
        site.recover(&server).await;
        site.turn().await;
        site.jira.set_faults(Faults::default());
        site.settle(|jira| jira.open().is_empty()).await;
        assert_eq!(site.jira.issues().len(), 1);
        site.assert_correct();
    }
}

#[tokio::test]
async fn what_was_answered_and_never_written_down_is_found() {
    for flavour in [Flavour::Cloud, Flavour::DataCenter] {
        let Some(mut site) = Site::lagging(flavour, Duration::from_hours(1)).await else { return };
        site.rig.see(1).await;
        let server = site.fail(1, "cable-swapped", "ports 1 and 2").await;
        site.die_after_the_answer(flavour).await;
        assert_eq!(site.jira.issues().len(), 1);
        site.retry(&server).await;
        site.fail(1, "cable-swapped", "ports 3 and 4").await;
        site.die_after_the_answer(flavour).await;
        assert_eq!(site.jira.issues()[0].comments.len(), 1);
        site.recover(&server).await;
        site.die_after_the_answer(flavour).await;
        assert_eq!((site.jira.open().len(), site.jira.issues()[0].comments.len()), (0, 2));
        assert!(Cases(site.rig.bus.clone()).all().await.unwrap().is_empty(), "nothing is left to do");
        site.assert_correct();
    }
}

#[tokio::test]
async fn another_text_is_a_comment_and_a_first_day_takes_only_what_stands() {
    let Some(mut site) = Site::new(Flavour::Cloud).await else { return };
    site.rig.see(1).await;
    let server = site.fail(1, "cable-swapped", "ports 1 and 2").await;
    site.settle(|jira| jira.open().len() == 1).await;
    site.retry(&server).await;
    site.fail(1, "cable-swapped", "ports 3 and 4").await;
    site.settle(|jira| jira.open()[0].comments.len() == 1).await;
    assert!(site.jira.open()[0].comments[0].to_string().contains("ports 3 and 4"));
    // Another store's desk: one server failed, one failed once and is well.
    let Some(mut other) = Site::new(Flavour::Cloud).await else { return };
    other.rig.bus.set("ticket:cursor", None, None).await.unwrap();
    for n in 1..=2 {
        other.rig.see(n).await;
        let server = other.fail(n, "cable-swapped", "ports 1 and 2").await;
        if n == 1 {
            other.recover(&server).await;
        }
    }
    other.settle(|jira| !jira.issues().is_empty()).await;
    other.turn().await;
    assert_eq!(other.jira.issues().len(), 1);
    assert!(other.jira.issues()[0].summary.starts_with("AMS-SRV-002"));
    site.assert_correct();
    other.assert_correct();
}
