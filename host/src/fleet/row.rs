//! One server in the read model, with what lists ask for again and again.

use std::sync::OnceLock;

use farrier_lifecycle::{Action, Event, Fault, Policy, Request, Retry, Server, Status, Step, Timestamp, WaitFor, step};

/// A retry that is due anyway is not yet a problem; this many failures in a row are.
const PATIENCE: u32 = 3;

/// A server that went to another site or tenant, so that those who do not see it any more can be told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it was.
    pub site: Option<String>,
    /// Whose it was.
    pub tenant: Option<String>,
    /// The last version at which it was there.
    pub after: u64,
    /// The version at which it was seen to be elsewhere.
    pub until: u64,
}

/// One server.
#[derive(Debug)]
pub struct Row {
    /// The record, without memo and report: they hold one-time tokens and are nobody's business.
    pub server: Server,
    /// The name in lower case.
    pub key: String,
    /// Where it was before it moved, if it did.
    pub moved: Option<Moved>,
    words: String,
    requests: OnceLock<Vec<&'static str>>,
}

impl Row {
    /// From a record; `old` is what stood here before.
    pub fn new(mut server: Server, old: Option<&Self>) -> Self {
        server.memo = None;
        server.report = None;
        let key = server.label().to_lowercase();
        let moved = old.and_then(|old| moved(&old.server, &server).or_else(|| old.moved.clone()));
        let words = words(&server);
        Self { server, key, moved, words, requests: OnceLock::new() }
    }

    /// Name of the rack, from the inventory.
    pub fn rack(&self) -> Option<&str> {
        self.server.facts.rack.as_deref()
    }

    /// The lowest unit it fills.
    pub fn unit(&self) -> Option<u32> {
        self.server.facts.unit
    }

    /// The fault that stands: of a failed server, or of one that is tried again.
    pub fn fault(&self) -> Option<&Fault> {
        match &self.server.status {
            Status::Failed(fault) => Some(fault),
            Status::Waiting(wait) => match &wait.for_ {
                WaitFor::Retry(fault) => Some(fault),
                _ => None,
            },
            _ => None,
        }
    }

    /// Must a person look? A failed server, one that waits for what is missing, and one that failed again and again; not one whose
    /// controller did not answer once.
    pub fn problem(&self) -> bool {
        match &self.server.status {
            Status::Failed(_) => true,
            _ => self.fault().is_some_and(|fault| fault.retry == Retry::Slowly || self.server.failures >= PATIENCE),
        }
    }

    /// Does the row have these words, in lower case: in name, id, MAC, address, serial, model, tenant, site, fault?
    pub fn says(&self, words: &str) -> bool {
        words.split_whitespace().all(|word| self.words.contains(word))
    }

    /// What may be asked of the server: those requests that `step` grants.
    pub fn requests(&self, policy: &Policy, now: Timestamp) -> Vec<&'static str> {
        if self.server.reservation.is_some() {
            // A reservation ends by itself, without a commit.
            return requests(&self.server, policy, now);
        }
        self.requests.get_or_init(|| requests(&self.server, policy, now)).clone()
    }
}

fn moved(old: &Server, new: &Server) -> Option<Moved> {
    let elsewhere = old.facts.site != new.facts.site || old.tenant != new.tenant;
    elsewhere.then(|| Moved {
        site: old.facts.site.clone(),
        tenant: old.tenant.clone(),
        after: old.version,
        until: new.version,
    })
}

fn words(server: &Server) -> String {
    let (mac, ip) = (server.lease.mac.to_string(), server.lease.ip.to_string());
    let facts = &server.facts;
    let code = match &server.status {
        Status::Failed(fault) => Some(fault.code.as_str()),
        _ => None,
    };
    let all = [
        Some(server.label()),
        Some(server.id.as_str()),
        Some(mac.as_str()),
        Some(ip.as_str()),
        facts.serial.as_deref(),
        facts.vendor.as_deref(),
        facts.model.as_deref(),
        facts.site.as_deref(),
        facts.rack.as_deref(),
        server.tenant.as_deref(),
        code,
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join("\n").to_lowercase()
}

/// One of each kind of request, as anyone would ask it.
fn samples(now: Timestamp) -> [Request; 9] {
    [
        Request::Retry,
        Request::Assign { tenant: "anyone".to_owned(), accept: true, order: None },
        Request::Release,
        Request::Retire,
        Request::AttestErased,
        Request::Hold { reason: String::new() },
        Request::Unhold,
        Request::Reset,
        Request::Approve { action: Action::Power, reason: String::new(), expires: now.plus(1) },
    ]
}

fn requests(server: &Server, policy: &Policy, now: Timestamp) -> Vec<&'static str> {
    let granted = |request: &Request| {
        let event = Event::Requested { by: String::new(), request: request.clone() };
        matches!(step(server, &event, policy, now), Ok(Step::Commit(_)))
    };
    // A second hold would be granted, and is of no use to anyone.
    let useful = |request: &Request| server.hold.is_none() || !matches!(request, Request::Hold { .. });
    samples(now).iter().filter(|one| useful(one) && granted(one)).map(Request::as_str).collect()
}
