//! What each stage requires: the policy section. Fail closed: everything is required unless a line here says otherwise.

use serde::{Deserialize, Serialize};

/// What each stage requires.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Of validate.
    pub validate: Switch<ValidatePolicy>,
    /// Of update.
    pub update: Switch<UpdatePolicy>,
    /// Of harden.
    pub harden: Switch<HardenPolicy>,
    /// Of retire.
    pub retire: RetirePolicy,
}

/// A stage's policy, or `"off"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Switch<T> {
    /// The word `off`.
    Off(Off),
    /// The policy.
    On(T),
}

/// The word `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Off {
    /// The stage is switched off by name.
    Off,
}

/// By hand: what serde derives for untagged enums forgets which key was wrong.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Switch<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OffOrTable<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for OffOrTable<T> {
            type Value = Switch<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`\"off\"` or a table")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let wrong = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                if text == "off" { Ok(Switch::Off(Off::Off)) } else { Err(wrong()) }
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Switch::On)
            }
        }
        from.deserialize_any(OffOrTable(std::marker::PhantomData))
    }
}

impl<T: Default> Default for Switch<T> {
    fn default() -> Self {
        Self::On(T::default())
    }
}

impl<T> Switch<T> {
    /// The policy, unless the stage is off.
    pub const fn on(&self) -> Option<&T> {
        match self {
            Self::On(policy) => Some(policy),
            Self::Off(_) => None,
        }
    }
}

/// What validate compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// The serial number the image reads against the inventory's.
    Serial,
    /// The model.
    Model,
    /// The MACs of the interfaces.
    Nics,
    /// The LLDP neighbours against the cables.
    Cables,
}

impl Requirement {
    /// All of them, the default.
    pub const ALL: [Self; 4] = [Self::Serial, Self::Model, Self::Nics, Self::Cables];

    /// As written in the policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Model => "model",
            Self::Nics => "nics",
            Self::Cables => "cables",
        }
    }
}

/// Policy of validate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidatePolicy {
    /// What must be compared and agree.
    pub require: Vec<Requirement>,
    /// How long to wait for the report, milliseconds.
    pub timeout_ms: u64,
    /// Between two looks at the power state, milliseconds.
    pub poll_ms: u64,
    /// Write the ports that LLDP shows into the inventory where it has no cable.
    pub assign_ports: bool,
}

impl Default for ValidatePolicy {
    fn default() -> Self {
        Self { require: Requirement::ALL.to_vec(), timeout_ms: 900_000, poll_ms: 2_000, assign_ports: false }
    }
}

/// Policy of update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpdatePolicy {
    /// Bring servers to the catalogue on their way to ready. Otherwise the difference is said and marked, and only a wave applies it.
    pub apply: bool,
    /// How long writing one image may take, with the controller away or not, milliseconds.
    pub job_timeout_ms: u64,
    /// How long a component may take to show its version after that, and after a restart, milliseconds.
    pub settle_ms: u64,
    /// Between two looks at it, milliseconds.
    pub look_ms: u64,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self { apply: true, job_timeout_ms: 7_200_000, settle_ms: 900_000, look_ms: 10_000 }
    }
}

/// Policy of retire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetirePolicy {
    /// Who erases the drives of a server that is released or retired.
    pub erase: Erase,
}

/// Who erases drives. Either way a person vouches for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Erase {
    /// A person, by means of their own.
    #[default]
    Person,
    /// The boot provisioner of `[boot]`.
    Provisioner,
}

/// Policy of harden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HardenPolicy {
    /// The baseline.
    pub control: Vec<ControlPolicy>,
}

impl Default for HardenPolicy {
    fn default() -> Self {
        let control =
            |id: &str, desired| ControlPolicy { id: id.to_owned(), desired, require: true, matches: Vec::new() };
        // Each of the two is asked of the vendors that have it; of others it would be `no-expectation`.
        let tls = vec!["hpe".to_owned(), "dell".to_owned()];
        let ssdp = vec!["hpe".to_owned(), "supermicro".to_owned()];
        Self {
            control: vec![
                control("ipmi-over-lan", Value::Flag(false)),
                control("snmp-v2c", Value::Flag(false)),
                ControlPolicy { matches: ssdp, ..control("ssdp", Value::Flag(false)) },
                ControlPolicy { matches: tls, ..control("tls-minimum-version", Value::Text("1.2".to_owned())) },
                control("session-timeout", Value::Number(1800)),
                ControlPolicy { require: false, ..control("default-account", Value::Flag(false)) },
            ],
        }
    }
}

/// One control of the baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPolicy {
    /// As in `docs/reference/controls.md`.
    pub id: String,
    /// What it should be.
    pub desired: Value,
    /// Must it be compliant for the stage to pass? Otherwise it is audited and reported.
    #[serde(default = "yes")]
    pub require: bool,
    /// Starts of the names of the drivers it is asked of; empty: all.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// The value of a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// On or off.
    Flag(bool),
    /// A number, in the control's unit.
    Number(i64),
    /// A text.
    Text(String),
    /// Several texts, in order.
    Texts(Vec<String>),
}
