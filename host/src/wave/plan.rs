//! What would be done to a server, from what is known of it: the catalogue or the fleet tool against what stages have seen.
//!
//! It asks no controller, so it says how old its knowledge is. Before anything is written the update stage plans anew from what the
//! controller says then.

use std::collections::BTreeMap;
use std::sync::Arc;

use farrier_lifecycle::Server;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::WaveError;
use super::view::time;
use crate::bus::{Bus, BusError};
use crate::config::{Config, FleetFirmware};
use crate::firmware::{Catalogue, Wanted, order, version};
use crate::stage::evidence::{self, Kind};

/// One component that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = FirmwareChange)]
pub struct Change {
    /// Which.
    pub component: String,
    /// What is installed.
    pub current: String,
    /// What would be.
    pub target: String,
    /// Does it take the server down? Null: not known before the driver plans.
    pub disruptive: Option<bool>,
    /// When the vendor released it.
    pub released: Option<String>,
}

/// What is known of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = FirmwarePlan)]
pub struct Plan {
    /// Its name.
    pub server: String,
    /// Its id.
    pub id: String,
    /// Slug of its site.
    pub site: Option<String>,
    /// Its rack.
    pub rack: Option<String>,
    /// As the controller reports it.
    pub model: Option<String>,
    /// Where it stands.
    pub state: String,
    /// Where its firmware comes from: `catalogue`, a fleet tool's plugin, or `none`.
    pub source: String,
    /// When what it has was seen last.
    pub seen: Option<String>,
    /// What differs, in the order of writing.
    pub changes: Vec<Change>,
    /// Why nothing can be said, or nothing could be written.
    pub problem: Option<String>,
}

impl Plan {
    /// Is it known to differ?
    pub fn differs(&self) -> bool {
        !self.changes.is_empty()
    }
}

/// Makes plans.
pub struct Plans {
    bus: Arc<dyn Bus>,
    config: Arc<Config>,
    catalogue: Arc<Catalogue>,
}

impl Plans {
    /// Over what this store knows.
    pub fn new(bus: Arc<dyn Bus>, config: Arc<Config>, catalogue: Arc<Catalogue>) -> Self {
        Self { bus, config, catalogue }
    }

    /// Is there anything that could update a server?
    pub fn possible(&self) -> Result<(), WaveError> {
        if self.config.policy.update.on().is_none() {
            return Err(WaveError::Off("policy.update = \"off\"".to_owned()));
        }
        let tool = self.config.fleet.iter().any(|tool| tool.firmware != FleetFirmware::Off);
        if tool || self.catalogue.is_configured() {
            return Ok(());
        }
        Err(WaveError::Off("there is no catalogue and no fleet tool for it".to_owned()))
    }

    /// Of one server.
    pub async fn of(&self, server: &Server) -> Result<Plan, BusError> {
        let facts = &server.facts;
        let tool = self.config.fleet(facts.driver.as_deref(), facts.site.as_deref());
        let tool = tool.filter(|tool| tool.firmware != FleetFirmware::Off);
        let source = match tool {
            Some(tool) => tool.plugin.clone(),
            None if self.catalogue.is_configured() => "catalogue".to_owned(),
            None => "none".to_owned(),
        };
        let planned = evidence::one(&*self.bus, &server.id, Kind::Firmware).await?;
        let mut plan = Plan {
            server: server.label().to_owned(),
            id: server.id.to_string(),
            site: facts.site.clone(),
            rack: facts.rack.clone(),
            model: facts.model.clone(),
            state: server.lifecycle_state().as_str().to_owned(),
            source,
            seen: None,
            changes: Vec::new(),
            problem: None,
        };
        if tool.is_some() {
            plan.seen = planned.as_ref().map(|kept| time(kept.at));
            plan.changes = planned.as_ref().map(|kept| steps(&kept.data)).unwrap_or_default();
            if planned.is_none() {
                plan.problem = Some("the fleet tool has not compared it yet".to_owned());
            }
        } else if self.catalogue.is_configured() {
            let planned = planned.map(|kept| steps(&kept.data)).unwrap_or_default();
            match evidence::one(&*self.bus, &server.id, Kind::Inventory).await? {
                Some(inventory) => {
                    plan.seen = Some(time(inventory.at));
                    self.catalogued(server, &inventory.data, &planned, &mut plan);
                }
                None => plan.problem = Some("its inventory has not been read yet".to_owned()),
            }
        }
        Ok(plan)
    }

    fn catalogued(&self, server: &Server, inventory: &Value, planned: &[Change], plan: &mut Plan) {
        let installed = installed(inventory);
        let images = self.catalogue.of(server.facts.driver.as_deref(), server.facts.model.as_deref());
        let differs: Vec<_> = images
            .into_iter()
            .filter(|one| installed.get(&one.image.component).is_some_and(|is| !version::same(is, &one.image.version)))
            .collect();
        let wanted: Vec<Wanted<'_>> = differs.iter().map(|one| one.wanted()).collect();
        let order = order(&wanted, &installed).unwrap_or_else(|unmet| {
            plan.problem = Some(unmet.to_string());
            (0..differs.len()).collect()
        });
        let change = |at: usize| {
            let image = &differs.get(at)?.image;
            let known = planned.iter().find(|one| one.component == image.component && one.target == image.version);
            Some(Change {
                component: image.component.clone(),
                current: installed.get(&image.component).cloned().unwrap_or_default(),
                target: image.version.clone(),
                disruptive: known.and_then(|one| one.disruptive),
                released: image.released.clone(),
            })
        };
        plan.changes = order.into_iter().filter_map(change).collect();
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Versions by component, of kept inventory.
fn installed(inventory: &Value) -> BTreeMap<String, String> {
    let list = inventory.get("firmware").and_then(Value::as_array);
    list.into_iter().flatten().map(|one| (text(one, "id"), text(one, "version"))).collect()
}

/// A kept plan's steps.
fn steps(kept: &Value) -> Vec<Change> {
    let list = kept.get("steps").and_then(Value::as_array);
    let step = |one: &Value| Change {
        component: text(one, "component"),
        current: text(one, "current"),
        target: text(one, "target"),
        disruptive: one.get("disruptive").and_then(Value::as_bool),
        released: None,
    };
    list.into_iter().flatten().map(step).collect()
}
