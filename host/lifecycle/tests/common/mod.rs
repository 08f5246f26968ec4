//! What the laws and the walks share: a server, a lease, and one way to push events through `step`.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::needless_pass_by_value)]

use farrier_lifecycle::{
    Blame, Event, Fault, Lease, Outcome, Policy, Request, Retry, Server, Step, Timestamp, Transition, step,
};

pub fn lease(ip: &str, at: u64) -> Lease {
    Lease {
        mac: "94:40:c9:00:00:01".parse().unwrap(),
        ip: ip.parse().unwrap(),
        hostname: None,
        vendor_class: None,
        at: Timestamp(at),
        source: "test".to_owned(),
    }
}

/// A server, its clock and everything that was published: what a store would keep.
pub struct World {
    pub server: Server,
    pub now: Timestamp,
    pub policy: Policy,
    pub log: Vec<Transition>,
}

impl World {
    pub fn new() -> Self {
        let policy = Policy { max_failures: 3, ..Policy::default() };
        Self { server: Server::unseen(lease("10.0.0.1", 1_000)), now: Timestamp(1_000), policy, log: Vec::new() }
    }

    /// A server whose first lease was seen.
    pub fn seen() -> Self {
        let mut world = Self::new();
        world.event(Event::LeaseSeen(world.server.lease.clone()));
        world
    }

    /// Apply an event; whether anything was committed.
    pub fn event(&mut self, event: Event) -> bool {
        match step(&self.server, &event, &self.policy, self.now) {
            Ok(Step::Commit(transition)) => {
                self.server = transition.server.clone();
                self.log.push(*transition);
                true
            }
            Ok(Step::Ignore(_)) | Err(_) => false,
        }
    }

    pub fn outcome(&mut self, outcome: Outcome) -> bool {
        let token = self.server.token();
        self.event(Event::Outcome { token, outcome })
    }

    pub fn request(&mut self, request: Request) -> bool {
        self.event(Event::Requested { by: "ada".to_owned(), request })
    }

    pub fn done(&mut self) -> bool {
        self.outcome(Outcome::done("all well"))
    }

    /// Let the timer fire when it is due.
    pub fn fire(&mut self) -> bool {
        let Some(until) = self.server.timer() else { return false };
        self.now = self.now.max(until);
        let token = self.server.token();
        self.event(Event::TimerFired { token })
    }

    pub fn state(&self) -> &'static str {
        self.server.lifecycle_state().as_str()
    }
}

pub fn fault(retry: Retry) -> Fault {
    Fault::new("unreachable", retry, Blame::Network, "no answer")
}
