//! Until when a server is supported, on its device: the day in `warranty_end`, and whose word that is, or why there is none, in `warranty_note`.
//!
//! Promises that an answer is written once, and that one without an end leaves the day there as a delivery list had it. Does not: ask vendors;
//! answers are read from the store, where `warranty` keeps them.
//!
//! Not obvious: answers come between transitions, so the projector looks for new ones every now and then, some in each of its turns.

use farrier_lifecycle::{Fault, Server, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::NetBoxInventory;
use super::device::iso;
use super::error::NetBoxError;
use super::model::{Device, text};
use super::schema::Known;

/// The custom field with the day.
pub const END: &str = "warranty_end";
/// The custom field with the level and who said so, or the reason.
pub const NOTE: &str = "warranty_note";
/// Where answers are kept in the store, each under its server's id.
pub const ANSWERS: &str = "warranty/";
/// Where it is kept what was written of one.
pub const WRITTEN: &str = "netbox:warranty/";
/// Someone else may change the device this often while we decide.
const ROUNDS: u32 = 5;

/// An answer as it is kept.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Answer {
    /// The last day of support, milliseconds since the epoch.
    #[serde(default)]
    pub ends: Option<Timestamp>,
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    source: String,
    #[serde(default)]
    reason: Option<String>,
}

impl Answer {
    /// For people: what is sold and who says so, or why nothing is known.
    pub fn note(&self) -> String {
        match (&self.reason, &self.level) {
            (Some(reason), _) => reason.clone(),
            (None, Some(level)) => format!("{level}, says {}", self.source),
            (None, None) => format!("says {}", self.source),
        }
    }

    /// The same for the same answer; when it was asked for does not count.
    pub fn mark(&self) -> String {
        format!("{} {}", self.ends.unwrap_or_default().0, self.note())
    }
}

impl NetBoxInventory {
    /// Write an answer where it differs. False: this NetBox has neither field.
    pub(super) async fn write_support(&self, server: &Server, answer: &Answer) -> Result<bool, Fault> {
        let known = self.schema().known(self.client()).await?;
        if !known.fields.contains_key(END) && !known.fields.contains_key(NOTE) {
            return Ok(false);
        }
        let mut last = None;
        for _ in 0..ROUNDS {
            let Some(tagged) = self.device(server).await? else { return Ok(true) };
            let fields = differing(&tagged.value, answer, &known);
            if fields.is_empty() {
                return Ok(true);
            }
            let path = format!("dcim/devices/{}", tagged.value.id);
            match self.client().patch(&path, &json!({ "custom_fields": fields }), tagged.etag.as_ref()).await {
                Ok(_) => return Ok(true),
                Err(error @ NetBoxError::Changed { .. }) => last = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        last.map_or(Ok(true), |error| Err(error.into()))
    }
}

fn differing(device: &Device, answer: &Answer, known: &Known) -> Map<String, Value> {
    let only_date = known.fields.get(END).is_none_or(|kind| kind == "date");
    let end = answer.ends.map(|ends| iso(ends, only_date));
    let wanted = [(END, end), (NOTE, Some(answer.note()))];
    let differs = wanted.into_iter().filter_map(|(name, wanted)| {
        let (now, wanted) = (device.custom_fields.get(name)?, wanted?);
        (text(now) != Some(wanted.as_str())).then(|| (name.to_owned(), wanted.into()))
    });
    differs.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_says_who_or_why() {
        let answer = |text: &str| serde_json::from_str::<Answer>(text).unwrap();
        let known = answer(r#"{"at":1,"ends":1795363849100,"level":"ProSupport","source":"warranty-dell"}"#);
        assert_eq!(known.note(), "ProSupport, says warranty-dell");
        assert_eq!(
            known.mark(),
            answer(r#"{"at":2,"ends":1795363849100,"level":"ProSupport","source":"warranty-dell"}"#).mark()
        );
        let unknown = answer(r#"{"at":1,"source":"csv","level":"none","reason":"the csv says: none"}"#);
        assert_eq!((unknown.note().as_str(), unknown.ends), ("the csv says: none", None));
    }
}
