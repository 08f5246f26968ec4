//! Rules as data: what is a fault, after how long, and what is said of it.
//!
//! Promises that a file with a mistake is refused as a whole with the rule's code and the key, and that a file of the operator's own sets
//! single keys of a rule that exists, or adds one. Does not judge: `judge` does.

use std::path::Path;

use farrier_lifecycle::Blame;
use regex::Regex;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::config::Health as Settings;
use crate::plugin::wit::telemetry::Quantity;

/// The rules that come with the program.
const BUILT_IN: &str = include_str!("rules.toml");

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It works, and somebody should look.
    Warning,
    /// Something does not work, or will not soon.
    Critical,
}

impl Severity {
    /// As shown in lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What makes servers of a rack one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The rack alone.
    Rack,
    /// The rack and the side of the power supply: odd numbers are A, even ones B.
    Feed,
}

/// Many servers of one rack with the same fault are one fault of the rack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Together {
    /// What they must share.
    pub by: By,
    /// The code of the rack's fault.
    pub code: String,
    /// What is said of it: `{rack}`, `{feed}`, `{count}`, `{servers}`.
    pub text: String,
    /// What to do.
    pub hint: String,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub enum When {
    /// The look itself failed, with one of these codes.
    Look {
        /// Codes of faults.
        codes: Vec<String>,
    },
    /// Sensors.
    Sensor(SensorWhen),
    /// Power supplies of the inventory, and sensors called `psu1`, at this health or worse; or gone.
    PowerSupply(Severity),
    /// Drives at this health or worse.
    Drive(Severity),
    /// Drives with less than this percentage of their endurance left.
    Endurance(f64),
    /// Links that were up.
    Link {
        /// All down and less power than this: the server is off.
        off_below_watts: f64,
    },
    /// Entries of the controller's logs.
    Log(Box<LogWhen>),
}

/// Which sensors, and from where on they are bad.
#[derive(Clone, Debug)]
pub struct SensorWhen {
    /// Of these quantities; none: all.
    pub quantities: Vec<Quantity>,
    /// Only these names.
    pub sensor: Option<Regex>,
    /// And not these.
    pub except: Option<Regex>,
    /// Bad from this health on.
    pub at: Option<Severity>,
    /// And good again where it is critical: another rule has that.
    pub below_critical: bool,
    /// Bad above this value as well.
    pub above: Option<f64>,
    /// Bad below this value as well.
    pub below: Option<f64>,
}

/// Which entries, and how many.
#[derive(Clone, Debug)]
pub struct LogWhen {
    /// Only of drivers whose name begins with one of these; none: all.
    pub vendors: Vec<String>,
    /// Only in logs of these names; none: all.
    pub logs: Vec<String>,
    /// From this severity on; none: any.
    pub severity: Option<Severity>,
    /// In the code.
    pub code: Option<Regex>,
    /// In the message.
    pub message: Option<Regex>,
    /// Not in the message.
    pub except: Option<Regex>,
    /// An entry with this in message or code counts as all that are needed.
    pub at_once: Option<Regex>,
    /// An entry with this takes back what was counted.
    pub recovered: Option<Regex>,
    /// Which part it is about, in the message; otherwise the message itself is said.
    pub part: Option<Regex>,
    /// So many within `within_ms` are a fault.
    pub count: u32,
    /// How long an entry counts, milliseconds.
    pub within_ms: u64,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Kebab case; names the fault.
    pub code: String,
    /// What is looked at.
    pub when: When,
    /// Bad in so many looks in a row before it is raised.
    pub looks: u32,
    /// And for so long, milliseconds.
    pub for_ms: u64,
    /// Good for so long before it is cleared, milliseconds.
    pub clear_after_ms: u64,
    /// How bad it is.
    pub severity: Severity,
    /// Who must act.
    pub blame: Blame,
    /// What is said: `{parts}`, `{count}`.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
    /// Log lines shown with it.
    pub log: Option<Regex>,
    /// Many of one rack are one.
    pub together: Option<Together>,
}

/// A rule as written; which keys a kind needs is checked when it is read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    code: String,
    kind: String,
    severity: Severity,
    blame: Blame,
    text: String,
    hint: Option<String>,
    #[serde(default = "one")]
    looks: u32,
    #[serde(default)]
    for_ms: u64,
    #[serde(default)]
    clear_after_ms: u64,
    log: Option<String>,
    together: Option<Together>,
    #[serde(default)]
    codes: Vec<String>,
    #[serde(default)]
    quantity: Vec<String>,
    sensor: Option<String>,
    except: Option<String>,
    at: Option<Severity>,
    #[serde(default)]
    below_critical: bool,
    above: Option<f64>,
    below: Option<f64>,
    off_below_watts: Option<f64>,
    #[serde(default)]
    vendors: Vec<String>,
    #[serde(default)]
    logs: Vec<String>,
    severity_at: Option<Severity>,
    message_code: Option<String>,
    message: Option<String>,
    at_once: Option<String>,
    recovered: Option<String>,
    part: Option<String>,
    #[serde(default = "one")]
    count: u32,
    within_ms: Option<u64>,
}

const fn one() -> u32 {
    1
}

/// A file of rules that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// It cannot be read.
    #[error("read the rules in `{path}`")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, or holds something else than rules.
    #[error("{path}: {problem}; a rules file holds `[[rule]]` tables with a `code` each")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// One rule is wrong.
    #[error("rule `{code}`: {problem}")]
    Rule {
        /// Its code.
        code: String,
        /// What is wrong.
        problem: String,
    },
    /// `health.disable` names none.
    #[error("health.disable: there is no rule `{0}`; `farrier health rules` lists them")]
    Unknown(String),
}

/// The rules in force: those of the program, changed and extended by the configured file, without the disabled.
pub fn load(settings: &Settings) -> Result<Vec<Rule>, RuleError> {
    let mut tables = tables("the built-in rules", BUILT_IN)?;
    if let Some(path) = &settings.rules_file {
        for (code, table) in read(path)? {
            match tables.iter_mut().find(|(known, _)| *known == code) {
                Some((_, known)) => known.extend(table),
                None => tables.push((code, table)),
            }
        }
    }
    if let Some(unknown) = settings.disable.iter().find(|code| !tables.iter().any(|(known, _)| known == *code)) {
        return Err(RuleError::Unknown(unknown.clone()));
    }
    tables.retain(|(code, _)| !settings.disable.contains(code));
    tables.into_iter().map(|(code, table)| rule(&code, table)).collect()
}

fn read(path: &Path) -> Result<Vec<(String, Table)>, RuleError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| RuleError::Unreadable { path: name.clone(), source })?;
    tables(&name, &text)
}

fn tables(path: &str, text: &str) -> Result<Vec<(String, Table)>, RuleError> {
    let wrong = |problem: String| RuleError::Malformed { path: path.to_owned(), problem };
    let file: Table = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
    let mut found: Vec<(String, Table)> = Vec::new();
    for (key, value) in file {
        let ("rule", Value::Array(rules)) = (key.as_str(), value) else {
            return Err(wrong(format!("`{key}` is no list of rules")));
        };
        for rule in rules {
            let Value::Table(table) = rule else { return Err(wrong("a rule is no table".to_owned())) };
            let code = table.get("code").and_then(Value::as_str).map(str::to_owned);
            let code =
                code.filter(|code| kebab(code)).ok_or_else(|| wrong("a rule has no kebab-case code".to_owned()))?;
            if found.iter().any(|(known, _)| *known == code) {
                return Err(wrong(format!("the rule `{code}` stands there twice")));
            }
            found.push((code, table));
        }
    }
    Ok(found)
}

fn kebab(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=48).contains(&text.len()) && text.chars().all(good) && !text.starts_with('-') && !text.ends_with('-')
}

fn rule(code: &str, table: Table) -> Result<Rule, RuleError> {
    let wrong = |problem: String| RuleError::Rule { code: code.to_owned(), problem };
    let written: Written =
        Value::Table(table).try_into().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    let when = when(&written).map_err(wrong)?;
    if let Some(together) = &written.together
        && (!kebab(&together.code) || (together.by == By::Feed && !matches!(when, When::PowerSupply(_))))
    {
        return Err(wrong("`together` needs a kebab-case code, and `by = \"feed\"` is for power supplies".to_owned()));
    }
    let log = regex("log", written.log.as_deref()).map_err(wrong)?;
    Ok(Rule {
        code: written.code,
        when,
        looks: written.looks.max(1),
        for_ms: written.for_ms,
        clear_after_ms: written.clear_after_ms,
        severity: written.severity,
        blame: written.blame,
        text: written.text,
        hint: written.hint,
        log,
        together: written.together,
    })
}

fn when(rule: &Written) -> Result<When, String> {
    let need = |name: &str| format!("`{name}` is missing for kind `{}`", rule.kind);
    Ok(match rule.kind.as_str() {
        "look" if rule.codes.is_empty() => return Err(need("codes")),
        "look" => When::Look { codes: rule.codes.clone() },
        "sensor" => When::Sensor(sensor(rule)?),
        "power-supply" => When::PowerSupply(rule.at.ok_or_else(|| need("at"))?),
        "drive" => When::Drive(rule.at.ok_or_else(|| need("at"))?),
        "endurance" => When::Endurance(rule.below.ok_or_else(|| need("below"))?),
        "link" => When::Link { off_below_watts: rule.off_below_watts.ok_or_else(|| need("off_below_watts"))? },
        "log" => When::Log(Box::new(log(rule, rule.within_ms.ok_or_else(|| need("within_ms"))?)?)),
        other => {
            return Err(format!(
                "`{other}` is no kind; known: look, sensor, power-supply, drive, endurance, link, log"
            ));
        }
    })
}

fn sensor(rule: &Written) -> Result<SensorWhen, String> {
    if rule.at.is_none() && rule.above.is_none() && rule.below.is_none() {
        return Err("one of `at`, `above`, `below` is needed".to_owned());
    }
    let quantities = rule.quantity.iter().map(|name| quantity(name).ok_or_else(|| format!("`{name}` is no quantity")));
    Ok(SensorWhen {
        quantities: quantities.collect::<Result<_, _>>()?,
        sensor: regex("sensor", rule.sensor.as_deref())?,
        except: regex("except", rule.except.as_deref())?,
        at: rule.at,
        below_critical: rule.below_critical,
        above: rule.above,
        below: rule.below,
    })
}

fn log(rule: &Written, within_ms: u64) -> Result<LogWhen, String> {
    if rule.message.is_none() && rule.message_code.is_none() {
        return Err("one of `message`, `message_code` is needed".to_owned());
    }
    Ok(LogWhen {
        vendors: rule.vendors.clone(),
        logs: rule.logs.clone(),
        severity: rule.severity_at,
        code: regex("message_code", rule.message_code.as_deref())?,
        message: regex("message", rule.message.as_deref())?,
        except: regex("except", rule.except.as_deref())?,
        at_once: regex("at_once", rule.at_once.as_deref())?,
        recovered: regex("recovered", rule.recovered.as_deref())?,
        part: regex("part", rule.part.as_deref())?,
        count: rule.count.max(1),
        within_ms,
    })
}

fn regex(key: &str, text: Option<&str>) -> Result<Option<Regex>, String> {
    text.map(|text| Regex::new(text).map_err(|error| format!("`{key}` is no regular expression: {error}"))).transpose()
}

fn quantity(name: &str) -> Option<Quantity> {
    Some(match name {
        "temperature-celsius" => Quantity::TemperatureCelsius,
        "power-watts" => Quantity::PowerWatts,
        "energy-joules" => Quantity::EnergyJoules,
        "fan-rpm" => Quantity::FanRpm,
        "fan-percent" => Quantity::FanPercent,
        "voltage-volts" => Quantity::VoltageVolts,
        "current-amperes" => Quantity::CurrentAmperes,
        "utilization-percent" => Quantity::UtilizationPercent,
        _ => return None,
    })
}
