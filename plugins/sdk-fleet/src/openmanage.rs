//! `OpenManage` Enterprise's dialect: what its two plugins, one for servers and one for warranties, share.
//!
//! Promises: an error's message id, words and advice are kept. Does not: log in; the host does.
//!
//! Not obvious: the first page is fifty members whatever there is, and some appliances match the start of a value where they are
//! asked for the whole: what comes back of a filter is to be compared again.

use crate::rest::{Dialect, Rest, enveloped};
use farrier_plugin_sdk::Http;
use farrier_plugin_sdk::services::encode;

/// The devices.
pub const DEVICES: &str = "/api/DeviceService/Devices";

const DIALECT: Dialect = Dialect { prefix: "/api/", members: "value", next: "@odata.nextLink", said: enveloped };

/// An appliance, for the length of one call.
pub fn appliance(http: &dyn Http) -> Rest<'_> {
    Rest::new(http, DIALECT)
}

/// The path of a collection's members of whom `name` is `value`; a quote in the value is doubled.
pub fn filtered(collection: &str, name: &str, value: &str) -> String {
    let expression = format!("{name} eq '{}'", value.trim().replace('\'', "''"));
    format!("{collection}?$filter={}", encode(&expression))
}

#[cfg(test)]
mod tests {
    use super::filtered;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        assert_eq!(filtered("/api/D", "Tag", " A'1 "), "/api/D?$filter=Tag%20eq%20%27A%27%271%27");
    }
}
