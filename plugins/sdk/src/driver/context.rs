//! The few resources every call starts from.
//!
//! Promises: the root, the system that is the server, its manager and its chassis, found by links. Does not: take the
//! first of several systems for the server without looking; some trays list GPU baseboards beside it.
//!
//! Not obvious: nothing is read until it is asked for.

use crate::http::Http;
use crate::json::Json;
use crate::redfish::{ROOT, Redfish, same};
use crate::services::{Nothing, Surroundings};
use crate::types::Error;
use serde_json::Value;
use std::rc::Rc;

/// One controller, for the length of one call.
pub struct Context<'h> {
    /// The reader and writer.
    pub redfish: Redfish<'h>,
    /// What outlives the call.
    pub around: &'h dyn Surroundings,
}

impl<'h> Context<'h> {
    /// A context over a transport, which remembers nothing beyond the call.
    pub fn new(http: &'h dyn Http) -> Self {
        Self::with(http, &Nothing)
    }

    /// The same with what outlives the call.
    pub fn with(http: &'h dyn Http, around: &'h dyn Surroundings) -> Self {
        Self { redfish: Redfish::new(http), around }
    }

    /// The service root. `Unsupported` where there is no Redfish service.
    pub fn root(&self) -> Result<Rc<Value>, Error> {
        self.redfish.get(ROOT).map_err(|error| match error {
            Error::NotFound(_) => Error::Unsupported(format!("no Redfish service at {ROOT}")),
            other => other,
        })
    }

    /// The system that is the server itself.
    pub fn system(&self) -> Result<Rc<Value>, Error> {
        let root = self.root()?;
        let systems = self.redfish.members(root.link(&["Systems"]).as_deref())?;
        if let [only] = systems.as_slice() {
            return Ok(Rc::clone(only));
        }
        let named = |s: &&Rc<Value>| s.text(&["Id"]).as_deref() == Some("System.Embedded.1");
        let physical = |s: &&Rc<Value>| s.text(&["SystemType"]).is_none_or(|t| t.eq_ignore_ascii_case("physical"));
        let whole =
            |s: &&Rc<Value>| physical(s) && s.link(&["Bios"]).is_some() && !s.list(&["Links", "ManagedBy"]).is_empty();
        let found = systems.iter().find(named).or_else(|| systems.iter().find(whole));
        found
            .or_else(|| systems.iter().find(physical))
            .cloned()
            .ok_or_else(|| Error::NotFound("the Redfish service lists no system that is a server".to_owned()))
    }

    /// The manager that is the controller.
    pub fn manager(&self) -> Result<Rc<Value>, Error> {
        let system = self.system()?;
        if let Some(link) = system.list(&["Links", "ManagedBy"]).first().and_then(|m| m.link(&[]))
            && let Some(manager) = self.redfish.find(Some(&link))?
        {
            return Ok(manager);
        }
        let root = self.root()?;
        let managers = self.redfish.members(root.link(&["Managers"]).as_deref())?;
        let bmc = managers.iter().find(|m| m.text(&["ManagerType"]).as_deref() == Some("BMC"));
        bmc.or_else(|| managers.first())
            .cloned()
            .ok_or_else(|| Error::NotFound("the Redfish service lists no manager".to_owned()))
    }

    /// The chassis the system is in; `None` where the tree names none.
    pub fn chassis(&self) -> Result<Option<Rc<Value>>, Error> {
        let system = self.system()?;
        let link = system.list(&["Links", "Chassis"]).first().and_then(|c| c.link(&[]));
        if let Some(chassis) = self.redfish.find(link.as_deref())? {
            return Ok(Some(chassis));
        }
        let root = self.root()?;
        let all = self.redfish.members(root.link(&["Chassis"]).as_deref())?;
        let own = |c: &&Rc<Value>| {
            let systems = c.list(&["Links", "ComputerSystems"]);
            systems
                .iter()
                .filter_map(|s| s.link(&[]))
                .any(|link| crate::redfish::id_of(&system).is_some_and(|id| same(&id, &link)))
        };
        Ok(all.iter().find(own).or_else(|| all.first()).cloned())
    }

    /// A resource linked from the manager; `None` where the manager has no such link.
    pub fn of_manager(&self, path: &[&str]) -> Result<Option<Rc<Value>>, Error> {
        let link = self.manager()?.link(path);
        self.redfish.find(link.as_deref())
    }

    /// A resource linked from the service root.
    pub fn of_root(&self, path: &[&str]) -> Result<Option<Rc<Value>>, Error> {
        let link = self.root()?.link(path);
        self.redfish.find(link.as_deref())
    }
}
