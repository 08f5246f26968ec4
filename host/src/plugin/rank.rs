//! Which drivers to try on a controller, best guess first.
//!
//! A MAC prefix and the DHCP vendor class nominate, the service root ranks, and none of them decides: `identify` does. So a
//! wrong table costs a question and never a server. The generic driver is always last.

use farrier_lifecycle::Mac;
use serde_json::Value;

use super::wit::metadata::{MatchRule, PluginInfo, ServiceRootRule};
use crate::config::Plugins as Settings;

/// Why a driver is a candidate; the order is the order of trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    ServiceRoot,
    Nominated,
    Generic,
}

/// Names of the candidates.
pub fn candidates(
    drivers: &[&PluginInfo],
    settings: &Settings,
    mac: Option<Mac>,
    vendor_class: Option<&str>,
    root: Option<&Value>,
) -> Vec<String> {
    let place = |name: &str| settings.order.iter().position(|other| other == name).unwrap_or(usize::MAX);
    let mut found: Vec<_> = drivers
        .iter()
        .filter_map(|info| {
            reason(info, settings, mac, vendor_class, root).map(|reason| (reason, place(&info.name), &info.name))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, _, name)| name.clone()).collect()
}

fn reason(
    info: &PluginInfo,
    settings: &Settings,
    mac: Option<Mac>,
    vendor_class: Option<&str>,
    root: Option<&Value>,
) -> Option<Reason> {
    let roots = || {
        info.matches.iter().filter_map(|rule| if let MatchRule::ServiceRoot(rule) = rule { Some(rule) } else { None })
    };
    if roots().any(|rule| !is_empty(rule) && root.is_some_and(|root| matches_root(rule, root))) {
        return Some(Reason::ServiceRoot);
    }
    if is_nominated(info, settings, mac, vendor_class) {
        return Some(Reason::Nominated);
    }
    (info.matches.is_empty() || roots().any(is_empty)).then_some(Reason::Generic)
}

const fn is_empty(rule: &ServiceRootRule) -> bool {
    rule.vendor.is_none() && rule.product_prefix.is_none() && rule.oem.is_none()
}

fn matches_root(rule: &ServiceRootRule, root: &Value) -> bool {
    let text = |name: &str| root.get(name).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let is = |wanted: &Option<String>, test: &dyn Fn(String) -> bool| {
        wanted.as_ref().is_none_or(|wanted| test(wanted.to_lowercase()))
    };
    is(&rule.vendor, &|vendor| text("Vendor") == vendor)
        && is(&rule.product_prefix, &|prefix| text("Product").starts_with(&prefix))
        && is(&rule.oem, &|oem| {
            let keys = root.get("Oem").and_then(Value::as_object);
            keys.is_some_and(|keys| keys.keys().any(|key| key.to_lowercase() == oem))
        })
}

fn is_nominated(info: &PluginInfo, settings: &Settings, mac: Option<Mac>, vendor_class: Option<&str>) -> bool {
    let begins = |oui: &str| mac.is_some_and(|mac| prefix_of(oui, mac));
    let own = info.matches.iter().any(|rule| matches!(rule, MatchRule::Oui(oui) if begins(oui)));
    let configured = settings.ouis.iter().any(|(oui, name)| *name == info.name && begins(oui));
    // `iDRAC`, `iLO`: vendor classes name the product, as plugins do.
    let class = vendor_class.is_some_and(|class| {
        let class = class.to_lowercase();
        let mut words = class.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| info.name.split('-').any(|part| part.len() >= 3 && part == word))
    });
    own || configured || class
}

/// Is this prefix of two to six octets, in any spelling, the beginning of the MAC?
fn prefix_of(oui: &str, mac: Mac) -> bool {
    let digits: String = oui.to_lowercase().chars().filter(char::is_ascii_hexdigit).collect();
    digits.len() >= 4 && mac.to_string().replace(':', "").starts_with(&digits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plugin::wit::metadata::Capabilities;

    fn driver(name: &str, matches: Vec<MatchRule>) -> PluginInfo {
        PluginInfo {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            description: String::new(),
            capabilities: Capabilities::empty(),
            matches,
            auth: Vec::new(),
        }
    }

    fn root_rule(vendor: Option<&str>, oem: Option<&str>) -> MatchRule {
        MatchRule::ServiceRoot(ServiceRootRule {
            vendor: vendor.map(str::to_owned),
            product_prefix: None,
            oem: oem.map(str::to_owned),
        })
    }

    fn estate() -> Vec<PluginInfo> {
        let oui = |oui: &str| MatchRule::Oui(oui.to_owned());
        vec![
            driver("dell-idrac", vec![root_rule(Some("Dell"), None), oui("a8:3c:a5")]),
            driver("hpe-ilo", vec![root_rule(Some("hpe"), None), root_rule(None, Some("Hpe")), oui("94:40:c9")]),
            driver("redfish", vec![root_rule(None, None)]),
            driver("supermicro", vec![root_rule(None, Some("Supermicro")), oui("7C-C2-55")]),
        ]
    }

    fn ask(mac: &str, class: Option<&str>, root: Option<&Value>, settings: &Settings) -> Vec<String> {
        let estate = estate();
        candidates(&estate.iter().collect::<Vec<_>>(), settings, mac.parse().ok(), class, root)
    }

    #[test]
    fn the_service_root_outranks_the_mac_and_the_generic_driver_is_last() {
        let root = serde_json::json!({ "Vendor": "HPE", "Oem": { "Hpe": {} } });
        let settings = Settings::default();
        assert_eq!(ask("a8:3c:a5:00:00:01", None, Some(&root), &settings), ["hpe-ilo", "dell-idrac", "redfish"]);
        assert_eq!(ask("7c:c2:55:00:00:01", None, None, &settings), ["supermicro", "redfish"]);
        assert_eq!(ask("02:00:00:00:00:01", None, None, &settings), ["redfish"]);
        assert_eq!(ask("02:00:00:00:00:01", Some("iDRAC"), None, &settings), ["dell-idrac", "redfish"]);
    }

    #[test]
    fn configuration_nominates_and_orders_equals() {
        let ouis = [("02:00:00", "hpe-ilo"), ("020000", "dell-idrac")];
        let settings = Settings {
            ouis: ouis.iter().map(|(oui, name)| ((*oui).to_owned(), (*name).to_owned())).collect(),
            order: vec!["hpe-ilo".to_owned()],
            ..Settings::default()
        };
        assert_eq!(ask("02:00:00:00:00:01", None, None, &settings), ["hpe-ilo", "dell-idrac", "redfish"]);
    }
}
