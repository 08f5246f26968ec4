//! Lists: as many as asked, where to go on, how many there are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Problem;
use crate::bus::BusError;

/// Items of one page at most.
pub const MOST: u32 = 1_000;
/// Items of a page where nothing is said.
pub const USUAL: u32 = 100;

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// The `cursor` of the next page; absent on the last.
    #[serde(default)]
    pub next: Option<String>,
    /// How many there are on all pages, now.
    pub total: u64,
}

impl<T> Page<T> {
    /// Up to `limit` of the rest of a list, which has `total`; `id` is what the next page is asked for by.
    pub fn cut(mut rest: impl Iterator<Item = T>, limit: usize, total: usize, id: impl Fn(&T) -> &str) -> Self {
        let items: Vec<T> = rest.by_ref().take(limit).collect();
        let next = rest.next().and_then(|_| items.last().map(|last| id(last).to_owned()));
        Self { items, next, total: u64::try_from(total).unwrap_or(u64::MAX) }
    }
}

/// What follows a place in a log that grows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Log<T> {
    /// Oldest first.
    pub items: Vec<T>,
    /// `after` of the next question; the same as now where nothing came.
    pub next: String,
}

/// A place that a log of the store did not give is wrong input, not something that is missing.
pub fn no_place(error: BusError) -> Problem {
    match error {
        BusError::NotFound(_) => Problem::input("after", "is not a cursor that this log gave"),
        error => error.into(),
    }
}

/// A limit as asked, checked.
pub fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::input("limit", format!("is a number from 1 to {MOST}")));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}
