//! The compliance of a device, as the last comparison found it.

use super::answers::{self, error};
use super::route::Ome;
use crate::redfish::reply::Reply;
use crate::redfish::serve::Ask;

impl Ome {
    /// The baselines that hold a device, each with its report. More than one device is a violation.
    pub(super) fn report(&self, ask: &Ask) -> Reply {
        let Some(ids) = self.ids(ask, "Ids") else { return self.wrong(ask, 400, "no Ids") };
        let [id] = ids.as_slice() else {
            return self.wrong(ask, 400, "the compliance of several devices, where one was meant");
        };
        let state = self.state();
        if !state.found.contains_key(id) {
            drop(state);
            return error(400, "CUPD3090", "Unable to retrieve baseline list because the device is in no baseline.");
        }
        Reply::json(200, serde_json::Value::Array(vec![answers::baseline(&state, Some(*id))]))
    }
}
