//! What the desk writes of a case: what it asks, its ticket, what was said, that its ticket is closed.
//!
//! Promises that nothing else of the case is touched: while the ticket system was asked, whoever finds faults may have said that this one is over, is
//! back, or is not what it was. What goes on after a step goes on from the case as it is then.

use super::case::{Asked, Case, Cases};
use crate::bus::BusError;
use crate::egress::now;

impl Cases {
    /// The ticket system is about to be asked for this, unless the case is another by now. The case as it is now.
    pub(super) async fn asking(&self, case: &Case, what: Asked) -> Result<Option<Case>, BusError> {
        let asking = |there: Option<Case>| match there? {
            there if there == *case => Some(Case { asked: Some(what), ..there }),
            other => Some(other),
        };
        self.change(&case.key(), asking).await
    }

    /// The ticket system refused what it was asked: nothing happened.
    pub(super) async fn refused(&self, case: &Case) -> Result<(), BusError> {
        self.change(&case.key(), |there| Some(Case { asked: None, ..there? })).await.map(drop)
    }

    /// There is a ticket. The case as it is now.
    pub(super) async fn opened(&self, case: &Case, ticket: &(String, String)) -> Result<Option<Case>, BusError> {
        let opened = |there: Option<Case>| {
            // Another desk brought it to its end meanwhile: nobody but this one knows of a ticket that is to be closed.
            let ended = || Case { over: case.over.or_else(|| Some(now())), say: Vec::new(), ..case.clone() };
            Some(Case { asked: None, ticket: Some(ticket.clone()), ..there.unwrap_or_else(ended) })
        };
        self.change(&case.key(), opened).await
    }

    /// This was said. The case as it is now, if there still is one.
    pub(super) async fn said(&self, case: &Case, text: &str) -> Result<Option<Case>, BusError> {
        let said = |there: Option<Case>| {
            let mut there = there?;
            if let Some(place) = there.say.iter().position(|one| one == text) {
                there.say.remove(place);
            }
            Some(there)
        };
        self.change(&case.key(), said).await
    }

    /// Somebody deleted the ticket. What is over needs none; what lasts gets another.
    pub(super) async fn deleted(&self, case: &Case) -> Result<(), BusError> {
        let deleted = |there: Option<Case>| match there? {
            other if other.ticket != case.ticket => Some(other),
            there => there.over.is_none().then_some(Case { ticket: None, ..there }),
        };
        self.change(&case.key(), deleted).await.map(drop)
    }

    /// The ticket is closed. What is back meanwhile begins anew: it gets another ticket, which has nothing to say of this one.
    pub(super) async fn closed(&self, case: &Case) -> Result<(), BusError> {
        let closed = |there: Option<Case>| {
            let back = there.filter(|there| there.over.is_none())?;
            Some(Case { asked: None, ticket: None, say: Vec::new(), since: now(), events: 1, ..back })
        };
        self.change(&case.key(), closed).await.map(drop)
    }
}
