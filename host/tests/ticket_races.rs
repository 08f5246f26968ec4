//! The desk and whoever finds faults write the same cases: whatever happens while the ticket system is asked, a fault that lasts has one open ticket,
//! and one that is over has none. The ticket system of these tests acts in the middle of a request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bus;
mod service_support;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bus::Rig;
use farrier::config::Tickets;
use farrier::fault::{Blame, Fault, Retry};
use farrier::inventory::FileInventory;
use farrier::plugin::wit::ticketing::Draft;
use farrier::ticket::{Cases, Desk, Finding, Subject, Tracker};
use farrier_lifecycle::Timestamp;
use service_support::{PACE, service};

const SINCE: Timestamp = Timestamp(1_700_000_000_000);

/// What others do to a case.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// It is found, again or anew.
    Found(&'static str),
    /// It is over.
    Over,
    /// Another desk brought it to its end.
    Forgotten,
    /// What was asked is done, and the answer is lost.
    Lost,
}

use Act::{Forgotten, Found, Lost, Over};

fn subject() -> Subject {
    Subject::Server("9440c9000001".parse().unwrap())
}

async fn act(cases: &Cases, code: &str, act: Act) {
    let case = cases.get(&subject(), code).await.unwrap();
    match act {
        Found(text) => {
            let fault = Fault::new(code, Retry::Never, Blame::Hardware, text);
            let finding = Finding {
                about: subject(),
                name: "AMS-SRV-001".to_owned(),
                fault,
                since: SINCE,
                at: SINCE,
                warning: false,
                shown: None,
            };
            cases.find(&finding).await.unwrap();
        }
        Over => {
            let case = case.unwrap();
            let version = case.version + 1;
            cases.clear(case, SINCE.plus(30_000), version, "it is well").await.unwrap();
        }
        Forgotten => assert!(cases.forget(&case.unwrap()).await.unwrap()),
        Lost => {}
    }
}

#[derive(Debug)]
struct Ticket {
    code: String,
    open: bool,
    said: Vec<String>,
}

/// What happens in the middle of a request: which request, to whose case, and what.
type Plan = Option<(&'static str, String, Vec<Act>)>;

/// A ticket system.
struct Board {
    cases: Cases,
    tickets: Mutex<Vec<Ticket>>,
    plan: Mutex<Plan>,
}

impl Board {
    async fn meanwhile(&self, request: &str) -> Result<(), Fault> {
        let plan = self.plan.lock().unwrap().take_if(|(planned, ..)| *planned == request);
        let Some((_, code, acts)) = plan else { return Ok(()) };
        for one in &acts {
            act(&self.cases, &code, *one).await;
        }
        let lost = acts.iter().any(|one| matches!(one, Lost));
        if lost { Err(Fault::new("unreachable", Retry::Backoff, Blame::Network, "the answer is lost")) } else { Ok(()) }
    }

    fn with<T>(&self, key: &str, change: impl FnOnce(&mut Ticket) -> T) -> T {
        change(&mut self.tickets.lock().unwrap()[key.parse::<usize>().unwrap()])
    }

    /// Tickets of a code: how many, how many of them open, and all that was said.
    fn of(&self, code: &str) -> (usize, usize, String) {
        let tickets = self.tickets.lock().unwrap();
        let of: Vec<&Ticket> = tickets.iter().filter(|ticket| ticket.code == code).collect();
        let said: Vec<String> = of.iter().flat_map(|ticket| ticket.said.clone()).collect();
        (of.len(), of.iter().filter(|ticket| ticket.open).count(), said.join("\n"))
    }
}

#[async_trait]
impl Tracker for Board {
    async fn open(&self, _about: &Subject, draft: &Draft) -> Result<(String, String), Fault> {
        let code = draft.dedup_key.rsplit('/').next().unwrap().to_owned();
        let key = {
            let mut tickets = self.tickets.lock().unwrap();
            let known = tickets.iter().position(|ticket| ticket.open && ticket.code == code);
            known.unwrap_or_else(|| {
                tickets.push(Ticket { code, open: true, said: Vec::new() });
                tickets.len() - 1
            })
        };
        self.meanwhile("open").await?;
        Ok((key.to_string(), String::new()))
    }

    async fn comment(&self, _about: &Subject, key: &str, text: &str) -> Result<(), Fault> {
        self.with(key, |ticket| {
            assert!(ticket.open, "said of a closed ticket: {text}");
            ticket.said.push(text.to_owned());
        });
        self.meanwhile("comment").await
    }

    async fn close(&self, _about: &Subject, key: &str) -> Result<(), Fault> {
        self.with(key, |ticket| ticket.open = false);
        self.meanwhile("close").await
    }
}

struct Site {
    rig: Rig,
    board: Arc<Board>,
    cases: Cases,
    inventory: Arc<FileInventory>,
    desk: Desk,
}

impl Site {
    fn new(mut rig: Rig) -> Self {
        let (cases, folder) = (Cases(rig.bus.clone()), tempfile::tempdir().unwrap());
        let board = Arc::new(Board { cases: cases.clone(), tickets: Mutex::default(), plan: Mutex::default() });
        let inventory = Arc::new(service_support::inventory(folder.path()));
        rig.keep.push(Box::new(folder));
        let desk = Self::desk(&rig, &inventory, &board, 0);
        Self { rig, board, cases, inventory, desk }
    }

    fn desk(rig: &Rig, inventory: &Arc<FileInventory>, board: &Arc<Board>, after_ms: u64) -> Desk {
        let service = service("none", "http://127.0.0.1:1");
        let settings = Tickets { service, link: None, after_ms, labels: Vec::new() };
        Desk::new(rig.bus.clone(), inventory.clone(), board.clone(), settings, PACE)
    }

    /// A host that starts anew, with nothing but the store; a fault must last so long.
    fn restart(&mut self, after_ms: u64) {
        self.desk = Self::desk(&self.rig, &self.inventory, &self.board, after_ms);
    }

    async fn turns(&mut self, turns: usize) {
        for _ in 0..turns {
            assert!(self.desk.turn().await.unwrap(), "this process is the desk");
        }
    }

    fn plan(&self, request: &'static str, code: &str, acts: &[Act]) {
        *self.board.plan.lock().unwrap() = Some((request, code.to_owned(), acts.to_vec()));
    }

    /// One fault, and what others do while a request about it is under way; then whether it lasts, and its tickets.
    async fn one(&mut self, code: &str, request: &'static str, acts: &[Act]) -> (bool, usize, usize, String) {
        act(&self.cases, code, Found("fan 1")).await;
        match request {
            "open" => {}
            "comment" => {
                self.turns(1).await;
                act(&self.cases, code, Found("fan 1 and 2")).await;
            }
            _ => {
                self.turns(1).await;
                act(&self.cases, code, Over).await;
            }
        }
        self.plan(request, code, acts);
        self.turns(3).await;
        assert!(self.board.plan.lock().unwrap().is_none(), "it happened");
        let case = self.cases.get(&subject(), code).await.unwrap();
        assert!(case.as_ref().is_none_or(|case| case.over.is_none()), "left half done: {case:?}");
        let (all, open, said) = self.board.of(code);
        (case.is_some(), all, open, said)
    }
}

/// During which request, what happens; then whether the fault lasts, how many tickets it had, and what must have been said.
type Course = (&'static str, &'static [Act], bool, usize, &'static [&'static str]);

/// Each in the store of this machine and in the shared one.
async fn sites() -> Vec<Site> {
    let rigs = [Some(Rig::sqlite_memory()), Rig::redis().await];
    rigs.into_iter().flatten().map(Site::new).collect()
}

#[tokio::test]
async fn what_happens_while_the_ticket_system_is_asked_is_not_lost() {
    let cases: [Course; 10] = [
        ("open", &[Over], false, 1, &["it is well"]),
        ("open", &[Found("fan 2")], true, 1, &["fan 2"]),
        ("open", &[Over, Found("fan 2")], true, 1, &["it is well", "it is back"]),
        ("open", &[Forgotten], false, 1, &[]),
        ("comment", &[Over], false, 1, &["fan 1 and 2", "it is well"]),
        ("comment", &[Found("fan 3")], true, 1, &["fan 1 and 2", "fan 3"]),
        ("comment", &[Over, Found("fan 3")], true, 1, &["fan 1 and 2", "it is well", "it is back"]),
        ("close", &[Found("fan 3")], true, 2, &["it is well"]),
        ("close", &[Found("fan 3"), Over], false, 1, &["it is well"]),
        ("close", &[Forgotten], false, 1, &["it is well"]),
    ];
    for mut site in sites().await {
        let store = site.rig.bus.status().await.unwrap().store;
        for (n, (request, acts, lasts, tickets, words)) in cases.iter().enumerate() {
            let (is, all, open, said) = site.one(&format!("fan-failed-{n}"), request, acts).await;
            let what = format!("{store}: {acts:?} during {request}: {said}");
            assert_eq!((is, all, open), (*lasts, *tickets, usize::from(*lasts)), "{what}");
            assert!(words.iter().all(|word| said.contains(word)), "{what}");
            assert_eq!(said.lines().count(), words.len(), "each is said once: {what}");
        }
    }
}

#[tokio::test]
async fn a_case_is_brought_as_it_is_and_not_as_it_was_listed() {
    for mut site in sites().await {
        act(&site.cases, "b-second", Found("fan 1")).await;
        site.turns(1).await;
        act(&site.cases, "a-first", Found("fan 1")).await;
        act(&site.cases, "b-second", Over).await;
        // Both are due; while the first is opened, the second is back.
        site.plan("open", "b-second", &[Found("fan 1")]);
        site.turns(2).await;
        let (all, open, said) = site.board.of("b-second");
        assert_eq!((all, open), (1, 1), "{said}");
        assert!(said.contains("it is well") && said.contains("it is back"), "{said}");
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_no_ticket_open_and_no_fault_without() {
    for mut site in sites().await {
        // Closed, and back before anybody knows that it is closed.
        act(&site.cases, "closed", Found("fan 1")).await;
        site.turns(1).await;
        act(&site.cases, "closed", Over).await;
        site.plan("close", "closed", &[Lost]);
        site.turns(1).await;
        site.restart(0);
        act(&site.cases, "closed", Found("fan 2")).await;
        site.turns(3).await;
        let (all, open, said) = site.board.of("closed");
        assert_eq!((all, open, said.lines().count()), (2, 1, 1), "{said}");
        // Opened, and then it is said to have been over before it was due.
        site.restart(60_000);
        act(&site.cases, "opened", Found("fan 1")).await;
        site.plan("open", "opened", &[Lost]);
        site.turns(1).await;
        site.restart(60_000);
        act(&site.cases, "opened", Over).await;
        site.turns(3).await;
        let (all, open, said) = site.board.of("opened");
        assert_eq!((all, open), (1, 0), "{said}");
        // Over before it was due, and nothing was asked.
        act(&site.cases, "short", Found("fan 1")).await;
        act(&site.cases, "short", Over).await;
        site.turns(3).await;
        assert_eq!(site.board.of("short").0, 0);
        let left: Vec<_> = site.cases.all().await.unwrap().into_iter().map(|case| case.fault.code).collect();
        assert_eq!(left, ["closed"]);
    }
}

#[tokio::test]
async fn many_who_find_the_same_lose_no_count() {
    for site in sites().await {
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let cases = site.cases.clone();
            writers.spawn(async move {
                for _ in 0..10 {
                    act(&cases, "fan-failed", Found("fan 1")).await;
                }
            });
        }
        writers.join_all().await;
        let case = site.cases.get(&subject(), "fan-failed").await.unwrap().unwrap();
        assert_eq!(case.events, 40);
    }
}
