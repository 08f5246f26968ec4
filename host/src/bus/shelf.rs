//! Numbered records in the store: one value each, changed only from what was read.
//!
//! Promises that a change is decided on the record it replaces, whoever else writes. Not obvious: the stamp, for kinds that are watched. It is
//! another random text after each change, so that every host sees by one small read that there is something new.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Bus, BusError};

/// Records read at once.
const AT_ONCE: usize = 32;

/// Something that is kept by number.
pub trait Shelved: Serialize + DeserializeOwned + Send + Sync {
    /// Its word in keys: values are `KIND/ID`, the latest number is `KIND-counter`, the stamp `KIND-stamp`.
    const KIND: &'static str;
    /// Is there a stamp?
    const STAMPED: bool;
    /// Swaps in a row that may fail; each time somebody else's succeeded.
    const TRIES: usize;

    /// The id of the record with this number.
    fn id_of(number: u64) -> String;
    /// Its id, and the number of times it was written.
    fn place(&mut self) -> (&mut String, &mut u64);
}

/// Why a record was not kept.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// There is none of this id.
    #[error("there is no `{0}`")]
    Unknown(String),
    /// Others changed it first, or it is not what it was read as.
    #[error("{0} is changed faster than this can be decided")]
    Contended(String),
    /// The store failed; the change may have happened.
    #[error(transparent)]
    Store(#[from] BusError),
}

/// Where the records of one kind are kept.
pub struct Shelf<T> {
    bus: Arc<dyn Bus>,
    /// Among the hosts numbers are swapped for; in this one they are waited for.
    numbering: tokio::sync::Mutex<()>,
    kind: PhantomData<fn() -> T>,
}

fn corrupt(key: &str, problem: &dyn std::fmt::Display) -> BusError {
    BusError::Corrupt { key: key.to_owned(), problem: problem.to_string() }
}

fn key<T: Shelved>(id: &str) -> String {
    format!("{}/{id}", T::KIND)
}

fn read<T: Shelved>(id: &str, bytes: &[u8]) -> Result<T, BusError> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(&key::<T>(id), &error))
}

fn written<T: Shelved>(id: &str, record: &T) -> Result<Vec<u8>, BusError> {
    serde_json::to_vec(record).map_err(|error| corrupt(&key::<T>(id), &error))
}

impl<T: Shelved> Shelf<T> {
    /// In this store.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, numbering: tokio::sync::Mutex::default(), kind: PhantomData }
    }

    /// The number of the latest record; 0: there is none.
    async fn latest(&self) -> Result<(u64, Option<Vec<u8>>), BusError> {
        let counter = format!("{}-counter", T::KIND);
        let is = self.bus.get(&counter).await?;
        let number = is.as_deref().map(|is| {
            let digits = std::str::from_utf8(is).ok().and_then(|is| is.parse().ok());
            digits.ok_or_else(|| corrupt(&counter, &"no number"))
        });
        Ok((number.transpose()?.unwrap_or_default(), is))
    }

    /// A number nobody else has.
    async fn next(&self) -> Result<u64, ShelfError> {
        let _one_at_a_time = self.numbering.lock().await;
        let counter = format!("{}-counter", T::KIND);
        for _ in 0..T::TRIES {
            let (number, is) = self.latest().await?;
            let next = number.saturating_add(1);
            if self.bus.swap(&counter, is.as_deref(), Some(next.to_string().as_bytes()), None).await? {
                return Ok(next);
            }
        }
        Err(ShelfError::Contended("its number".to_owned()))
    }

    /// Keep a new record under the next number, at version 1.
    pub async fn add(&self, mut record: T) -> Result<T, ShelfError> {
        let number = T::id_of(self.next().await?);
        let (id, version) = record.place();
        (*id, *version) = (number.clone(), 1);
        if !self.bus.swap(&key::<T>(&number), None, Some(&written(&number, &record)?), None).await? {
            return Err(ShelfError::Contended(number));
        }
        self.touch().await?;
        Ok(record)
    }

    /// One record.
    pub async fn get(&self, id: &str) -> Result<Option<T>, BusError> {
        self.bus.get(&key::<T>(id)).await?.map(|bytes| read(id, &bytes)).transpose()
    }

    /// Every record but those `known` to be of no interest, oldest first.
    pub async fn all(&self, known: impl Fn(&str) -> bool) -> Result<Vec<T>, BusError> {
        let (latest, _) = self.latest().await?;
        let ids = (1..=latest).map(T::id_of).filter(|id| !known(id));
        let reads = stream::iter(ids).map(|id| async move { self.get(&id).await });
        reads.buffered(AT_ONCE).try_filter_map(|record| async move { Ok(record) }).try_collect().await
    }

    /// Put a record in the place of the one it was made from; [`ShelfError::Contended`] if that is not what is there any more.
    pub async fn put(&self, seen: &T, mut record: T) -> Result<T, ShelfError> {
        let id = record.place().0.clone();
        let seen = written(&id, seen)?;
        if self.replace(&id, &seen, &mut record).await? { Ok(record) } else { Err(ShelfError::Contended(id)) }
    }

    /// Change a record: `decide` is given what is there, and answers whether it has changed it.
    pub async fn change<E: From<ShelfError>>(
        &self,
        id: &str,
        mut decide: impl FnMut(&mut T) -> Result<bool, E>,
    ) -> Result<T, E> {
        for _ in 0..T::TRIES {
            let bytes = self.bus.get(&key::<T>(id)).await.map_err(ShelfError::from)?;
            let bytes = bytes.ok_or_else(|| ShelfError::Unknown(id.to_owned()))?;
            let mut record = read(id, &bytes).map_err(ShelfError::from)?;
            if !decide(&mut record)? || self.replace(id, &bytes, &mut record).await? {
                return Ok(record);
            }
        }
        Err(ShelfError::Contended(id.to_owned()).into())
    }

    /// Write the next version in the place of these bytes; whether they were still there.
    async fn replace(&self, id: &str, seen: &[u8], record: &mut T) -> Result<bool, ShelfError> {
        let version = record.place().1;
        *version = version.saturating_add(1);
        let done = self.bus.swap(&key::<T>(id), Some(seen), Some(&written(id, record)?), None).await?;
        if done {
            self.touch().await?;
        }
        Ok(done)
    }

    /// The stamp as it is; another one means another state of some record.
    pub async fn stamp(&self) -> Result<Option<Vec<u8>>, BusError> {
        self.bus.get(&format!("{}-stamp", T::KIND)).await
    }

    async fn touch(&self) -> Result<(), BusError> {
        if !T::STAMPED {
            return Ok(());
        }
        let new: [u8; 8] = rand::random();
        self.bus.set(&format!("{}-stamp", T::KIND), Some(&new), None).await
    }
}
