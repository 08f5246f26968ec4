//! Waves in the store: numbered, one value each, changed only from what was read.

use std::sync::Arc;

use super::{Wave, WaveError};
use crate::bus::{Bus, BusError};

/// The number of the latest wave.
const COUNTER: &str = "wave-counter";
/// Swaps in a row that may fail; each time somebody else's succeeded.
const TRIES: usize = 256;

/// Where they are kept.
#[derive(Clone)]
pub struct Shelf(pub Arc<dyn Bus>);

fn key(id: &str) -> String {
    format!("wave/{id}")
}

fn corrupt(key: String, problem: &dyn std::fmt::Display) -> BusError {
    BusError::Corrupt { key, problem: problem.to_string() }
}

fn read(id: &str, bytes: &[u8]) -> Result<Wave, BusError> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(key(id), &error))
}

fn written(wave: &Wave) -> Result<Vec<u8>, BusError> {
    serde_json::to_vec(wave).map_err(|error| corrupt(key(&wave.id), &error))
}

impl Shelf {
    async fn latest(&self) -> Result<(u64, Option<Vec<u8>>), BusError> {
        let is = self.0.get(COUNTER).await?;
        let number = match &is {
            None => 0,
            Some(bytes) => {
                String::from_utf8_lossy(bytes).parse().map_err(|error| corrupt(COUNTER.to_owned(), &error))?
            }
        };
        Ok((number, is))
    }

    /// Keep a new wave under the next number.
    pub async fn add(&self, mut wave: Wave) -> Result<Wave, WaveError> {
        for _ in 0..TRIES {
            let (number, is) = self.latest().await?;
            let next = number.saturating_add(1);
            if !self.0.swap(COUNTER, is.as_deref(), Some(next.to_string().as_bytes()), None).await? {
                continue;
            }
            (wave.id, wave.version) = (Wave::id_of(next), 1);
            if self.0.swap(&key(&wave.id), None, Some(&written(&wave)?), None).await? {
                return Ok(wave);
            }
        }
        Err(WaveError::Contended("its number".to_owned()))
    }

    /// One wave.
    pub async fn get(&self, id: &str) -> Result<Option<Wave>, BusError> {
        self.0.get(&key(id)).await?.map(|bytes| read(id, &bytes)).transpose()
    }

    /// Every wave but those `known` to be of no interest, oldest first.
    pub async fn all(&self, known: impl Fn(&str) -> bool) -> Result<Vec<Wave>, BusError> {
        let mut waves = Vec::new();
        for id in (1..=self.latest().await?.0).map(Wave::id_of) {
            if !known(&id) {
                waves.extend(self.get(&id).await?);
            }
        }
        Ok(waves)
    }

    /// Put a wave in the place of the one it was made from; [`WaveError::Contended`] if that is not what is there any more.
    pub async fn put(&self, seen: &Wave, mut wave: Wave) -> Result<Wave, WaveError> {
        wave.version = seen.version.saturating_add(1);
        if self.0.swap(&key(&seen.id), Some(&written(seen)?), Some(&written(&wave)?), None).await? {
            return Ok(wave);
        }
        Err(WaveError::Contended(wave.id))
    }

    /// Change a wave as it is now: `decide` says what is to be.
    pub async fn change(
        &self,
        id: &str,
        mut decide: impl FnMut(&mut Wave) -> Result<(), WaveError>,
    ) -> Result<Wave, WaveError> {
        for _ in 0..TRIES {
            let seen = self.get(id).await?.ok_or_else(|| WaveError::Unknown(id.to_owned()))?;
            let mut wave = seen.clone();
            decide(&mut wave)?;
            match self.put(&seen, wave).await {
                Err(WaveError::Contended(_)) => {}
                done => return done,
            }
        }
        Err(WaveError::Contended(id.to_owned()))
    }
}
