//! The rules by which a host finds the driver of a controller.
//!
//! Promises: one line each for the table in `describe`. Does not: match; the host does, and ranks what matches.

use crate::types::{MatchRule, ServiceRootRule};

/// A service root with this `Vendor`, a `Product` that begins so, and this member of `Oem`; what is `None` does not matter.
pub fn root(vendor: Option<&str>, product_prefix: Option<&str>, oem: Option<&str>) -> MatchRule {
    let own = |text: Option<&str>| text.map(str::to_owned);
    MatchRule::ServiceRoot(ServiceRootRule { vendor: own(vendor), product_prefix: own(product_prefix), oem: own(oem) })
}

/// MAC addresses that begin so, in lower case with colons: `94:40:c9`.
pub fn ouis<const N: usize>(prefixes: [&str; N]) -> [MatchRule; N] {
    prefixes.map(|prefix| MatchRule::Oui(prefix.to_owned()))
}
