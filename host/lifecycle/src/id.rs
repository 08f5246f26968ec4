//! Names of things: MAC addresses in any spelling, server ids, points in time.
//!
//! Promises that one MAC has one text form (lower case, colons), whoever wrote it: ISC dhcpd drops leading zeros,
//! NetBox answers in upper case, Cisco writes dots.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A MAC address; shown in lower case with colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// A text that is not a MAC address of a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a unicast MAC address of six octets, such as `94:40:c9:00:00:01`")]
pub struct MacError(String);

impl Mac {
    /// The six octets, first as written.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// From six octets, without the checks of parsing.
    pub const fn from_octets(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    fn parse(text: &str) -> Option<[u8; 6]> {
        let text = text.trim();
        let mut octets = [0_u8; 6];
        if text.contains([':', '-']) {
            let mut parts = text.split([':', '-']);
            for octet in &mut octets {
                let part = parts.next().filter(|part| matches!(part.len(), 1 | 2))?;
                *octet = u8::from_str_radix(part, 16).ok()?;
            }
            return parts.next().is_none().then_some(octets);
        }
        let digits: Vec<u32> =
            text.chars().filter(|c| *c != '.').map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>()?;
        if digits.len() != 12 {
            return None;
        }
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            let value = pair.iter().fold(0, |sum, digit| sum * 16 + digit);
            *octet = u8::try_from(value).ok()?;
        }
        Some(octets)
    }
}

impl FromStr for Mac {
    type Err = MacError;

    /// Accepts colons, dashes, dots or nothing between the digits, either case, and missing leading zeros where a
    /// separator stands. Refuses the zero address and group addresses: no controller has one.
    fn from_str(text: &str) -> Result<Self, MacError> {
        Self::parse(text)
            .filter(|octets| *octets != [0; 6] && octets.first().is_some_and(|first| first & 1 == 0))
            .map(Self)
            .ok_or_else(|| MacError(text.chars().filter(|c| !c.is_control()).take(40).collect()))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(f, "{separator}{octet:02x}")?;
        }
        Ok(())
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A server's id: the BMC MAC first seen, twelve lower-case hex digits, so that a rebuild gives the same ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerId(String);

impl ServerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Before every other, to begin a range with.
    pub fn lowest() -> Self {
        Self("000000000000".to_owned())
    }
}

impl From<Mac> for ServerId {
    fn from(mac: Mac) -> Self {
        Self(mac.to_string().replace(':', ""))
    }
}

impl FromStr for ServerId {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        text.parse::<Mac>().map(Self::from)
    }
}

impl TryFrom<String> for ServerId {
    type Error = MacError;

    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<ServerId> for String {
    fn from(id: ServerId) -> Self {
        id.0
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This many milliseconds later; saturates.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`; zero if that is in the future.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_mac_is_one_mac() {
        for text in ["A0:36:9F:01:00:00", "a0-36-9f-01-00-00", "a036.9f01.0000", "a0369f010000", "a0:36:9f:1:0:0"] {
            assert_eq!(text.parse::<Mac>().map(|mac| mac.to_string()), Ok("a0:36:9f:01:00:00".to_owned()), "{text}");
        }
    }

    #[test]
    fn what_no_controller_has_is_refused() {
        for text in [
            "",
            "a0:36:9f:01:00",
            "a0:36:9f:01:00:00:01",
            "00:00:00:00:00:00",
            "01:00:5e:00:00:01",
            "zz:36:9f:01:00:00",
            "a0:369:f:01:00:00",
            "a0369f0100",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
