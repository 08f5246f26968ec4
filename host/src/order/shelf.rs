//! Orders in the store: numbered, one value each, changed only from what was read.
//!
//! Promises that a change is decided on the order it replaces, whoever else writes. Not obvious: the stamp. It is another random text after
//! each change, so that every host sees by one small read that there is something new.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Order, OrderError};
use crate::bus::{Bus, BusError};

/// The number of the latest order.
const COUNTER: &str = "order-counter";
/// Another text after each change.
const STAMP: &str = "order-stamp";
/// Swaps in a row that may fail; each time somebody else's succeeded.
const TRIES: usize = 1_000;
/// Orders read at once.
const AT_ONCE: usize = 32;

/// Where they are kept.
#[derive(Clone)]
pub struct Shelf {
    bus: Arc<dyn Bus>,
    /// Among the hosts numbers are swapped for; in this one they are waited for.
    numbering: Arc<tokio::sync::Mutex<()>>,
}

fn key(id: &str) -> String {
    format!("order/{id}")
}

fn corrupt(key: &str, problem: String) -> BusError {
    BusError::Corrupt { key: key.to_owned(), problem }
}

fn read(id: &str, bytes: &[u8]) -> Result<Order, BusError> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(&key(id), error.to_string()))
}

fn written(order: &Order) -> Result<Vec<u8>, BusError> {
    serde_json::to_vec(order).map_err(|error| corrupt(&key(&order.id), error.to_string()))
}

impl Shelf {
    /// In this store.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, numbering: Arc::default() }
    }

    /// The number of the latest order; 0: there is none.
    async fn latest(&self) -> Result<(u64, Option<Vec<u8>>), BusError> {
        let is = self.bus.get(COUNTER).await?;
        let number = is.as_deref().map(|is| {
            std::str::from_utf8(is)
                .ok()
                .and_then(|is| is.parse().ok())
                .ok_or_else(|| corrupt(COUNTER, "no number".to_owned()))
        });
        Ok((number.transpose()?.unwrap_or_default(), is))
    }

    /// A number nobody else has.
    async fn next(&self) -> Result<u64, OrderError> {
        let _one_at_a_time = self.numbering.lock().await;
        for _ in 0..TRIES {
            let (number, is) = self.latest().await?;
            let next = number.saturating_add(1);
            if self.bus.swap(COUNTER, is.as_deref(), Some(next.to_string().as_bytes()), None).await? {
                return Ok(next);
            }
        }
        Err(OrderError::Contended("its number".to_owned()))
    }

    /// Keep a new order under the next number.
    pub async fn add(&self, mut order: Order) -> Result<Order, OrderError> {
        order.id = Order::id_of(self.next().await?);
        order.version = 1;
        if !self.bus.swap(&key(&order.id), None, Some(&written(&order)?), None).await? {
            return Err(OrderError::Contended(order.id));
        }
        self.touch().await?;
        Ok(order)
    }

    /// One order.
    pub async fn get(&self, id: &str) -> Result<Option<Order>, BusError> {
        self.bus.get(&key(id)).await?.map(|bytes| read(id, &bytes)).transpose()
    }

    /// Every order but those `known` to be of no interest, oldest first.
    pub async fn all(&self, known: impl Fn(&str) -> bool) -> Result<Vec<Order>, BusError> {
        let (latest, _) = self.latest().await?;
        let ids = (1..=latest).map(Order::id_of).filter(|id| !known(id));
        let reads = stream::iter(ids).map(|id| async move { self.get(&id).await });
        reads.buffered(AT_ONCE).try_filter_map(|order| async move { Ok(order) }).try_collect().await
    }

    /// Change an order: `decide` is given what is there, and answers whether it has changed it.
    pub async fn change(
        &self,
        id: &str,
        mut decide: impl FnMut(&mut Order) -> Result<bool, OrderError>,
    ) -> Result<Order, OrderError> {
        for _ in 0..TRIES {
            let bytes = self.bus.get(&key(id)).await?.ok_or_else(|| OrderError::Unknown(id.to_owned()))?;
            let mut order = read(id, &bytes)?;
            if !decide(&mut order)? {
                return Ok(order);
            }
            order.version = order.version.saturating_add(1);
            if self.bus.swap(&key(id), Some(&bytes), Some(&written(&order)?), None).await? {
                self.touch().await?;
                return Ok(order);
            }
        }
        Err(OrderError::Contended(id.to_owned()))
    }

    /// The stamp as it is; another one means another state of some order.
    pub async fn stamp(&self) -> Result<Option<Vec<u8>>, BusError> {
        self.bus.get(STAMP).await
    }

    async fn touch(&self) -> Result<(), BusError> {
        let new: [u8; 8] = rand::random();
        self.bus.set(STAMP, Some(&new), None).await
    }
}
