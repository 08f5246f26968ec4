//! In which order images are written, where one requires another component at some version.
//!
//! Promises that nothing is written before what it requires, that the driver's order stands otherwise, and that an image whose
//! requirement nothing meets is refused with the reason. A function of texts: it asks no controller.

use std::collections::BTreeMap;

use super::version;
use crate::config::ImageNeed;

/// An image to be written.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Which component.
    pub component: &'a str,
    /// To which version.
    pub version: &'a str,
    /// What must be there before.
    pub requires: &'a [ImageNeed],
}

/// Nothing meets what an image requires.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{image} requires {requires}: {why}")]
pub struct Unmet {
    /// Component and version of the image.
    pub image: String,
    /// Component and version it requires.
    pub requires: String,
    /// What is there instead.
    pub why: String,
}

/// The positions of `wanted` in the order in which they can be written. `installed`: versions by component.
pub fn order(wanted: &[Wanted<'_>], installed: &BTreeMap<String, String>) -> Result<Vec<usize>, Unmet> {
    let mut installed = installed.clone();
    let mut left: Vec<(usize, &Wanted<'_>)> = wanted.iter().enumerate().collect();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = left.iter().position(|(_, one)| one.requires.iter().all(|need| met(need, &installed)));
        let Some(at) = free else { return Err(unmet(&left, &installed)) };
        let (index, one) = left.remove(at);
        installed.insert(one.component.to_owned(), one.version.to_owned());
        order.push(index);
    }
    Ok(order)
}

fn met(need: &ImageNeed, installed: &BTreeMap<String, String>) -> bool {
    installed.get(&need.component).is_some_and(|is| version::at_least(is, &need.version) == Some(true))
}

fn unmet(left: &[(usize, &Wanted<'_>)], installed: &BTreeMap<String, String>) -> Unmet {
    let needs = left.iter().flat_map(|(_, one)| one.requires.iter().map(move |need| (one, need)));
    let missing: Vec<_> = needs.filter(|(_, need)| !met(need, installed)).collect();
    // One that waits for another of these is not the reason.
    let comes = |need: &ImageNeed| left.iter().any(|(_, one)| one.component == need.component);
    let reason = missing.iter().find(|(_, need)| !comes(need)).or_else(|| missing.first());
    let Some((one, need)) = reason else {
        return Unmet { image: String::new(), requires: String::new(), why: "the requirements are unclear".to_owned() };
    };
    let why = match installed.get(&need.component) {
        _ if comes(need) => "the catalogue brings it there only after this one".to_owned(),
        Some(is) if version::at_least(is, &need.version).is_none() => format!("it has {is}, which cannot be compared"),
        Some(is) => format!("it has {is}, and the catalogue brings it no further"),
        None => "the server has no such component".to_owned(),
    };
    let (image, requires) =
        (format!("{} {}", one.component, one.version), format!("{} {} or later", need.component, need.version));
    Unmet { image, requires, why }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn need(component: &str, version: &str) -> Vec<ImageNeed> {
        vec![ImageNeed { component: component.to_owned(), version: version.to_owned() }]
    }

    fn installed(versions: &[(&str, &str)]) -> BTreeMap<String, String> {
        versions.iter().map(|(component, version)| ((*component).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn what_is_required_comes_first_and_the_rest_stays_in_the_drivers_order() {
        let needs = need("bmc", "3.10");
        let wanted = [
            Wanted { component: "bios", version: "2.80", requires: &needs },
            Wanted { component: "nic-1", version: "22.1", requires: &[] },
            Wanted { component: "bmc", version: "3.11", requires: &[] },
        ];
        assert_eq!(order(&wanted, &installed(&[("bmc", "2.10"), ("bios", "2.10")])), Ok(vec![1, 2, 0]));
        assert_eq!(order(&wanted, &installed(&[("bmc", "3.10")])), Ok(vec![0, 1, 2]), "met already");
    }

    #[test]
    fn what_nothing_meets_is_refused_with_the_reason() {
        let needs = need("bmc", "3.10");
        let wanted = [Wanted { component: "bios", version: "2.80", requires: &needs }];
        let refused = |versions: &[(&str, &str)]| order(&wanted, &installed(versions)).unwrap_err().to_string();
        let start = "bios 2.80 requires bmc 3.10 or later: ";
        assert_eq!(refused(&[("bmc", "2.10")]), format!("{start}it has 2.10, and the catalogue brings it no further"));
        assert_eq!(refused(&[("bmc", "2A")]), format!("{start}it has 2A, which cannot be compared"));
        assert_eq!(refused(&[]), format!("{start}the server has no such component"));
        let (one, other) = (need("bmc", "3.0"), need("bios", "2.0"));
        let circle = [
            Wanted { component: "bios", version: "2.0", requires: &one },
            Wanted { component: "bmc", version: "3.0", requires: &other },
        ];
        let text = order(&circle, &installed(&[("bmc", "1.0"), ("bios", "1.0")])).unwrap_err().to_string();
        assert_eq!(text, "bios 2.0 requires bmc 3.0 or later: the catalogue brings it there only after this one");
    }
}
