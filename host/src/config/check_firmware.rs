//! The catalogue, as far as it can be judged without reading the images: names, digests, dates, files that are there.

use std::collections::BTreeMap;

use super::Firmware;

/// What types cannot say of the catalogue.
pub fn problems(firmware: &Firmware, say: &mut impl FnMut(&str, String, &str)) {
    let mut first = BTreeMap::new();
    for (index, image) in firmware.image.iter().enumerate() {
        let path = |field: &str| format!("firmware.image[{index}].{field}");
        if image.sha256.len() != 64 || !image.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            let text = format!("`{}` is no SHA-256", image.sha256);
            say(&path("sha256"), text, "64 digits of lower-case hex, as `sha256sum FILE` prints them");
        }
        if !image.file.is_file() {
            let text = format!("`{}` is not a file", image.file.display());
            say(&path("file"), text, "fetch the image from the vendor, or take it out of the catalogue");
        }
        for (field, text) in [("component", &image.component), ("version", &image.version)] {
            if text.trim().is_empty() {
                say(&path(field), "must not be empty".to_owned(), "`farrier server show NAME` lists components");
            }
        }
        if let Some(released) = &image.released
            && released.parse::<jiff::civil::Date>().is_err()
        {
            say(&path("released"), format!("`{released}` is no date"), "as in 2026-01-31");
        }
        if let Some(own) = image.requires.iter().find(|one| one.component == image.component) {
            let text = format!("requires `{}` {} of itself", own.component, own.version);
            say(&path("requires"), text, "an image is written over whatever version is there");
        }
        let same = (image.matches.as_str(), image.model.as_deref(), image.component.as_str());
        if let Some(other) = first.insert(same, index) {
            let text = format!("is for the same servers and component as firmware.image[{other}]");
            say(&path("component"), text, "keep one of the two; the more exact `model` and `match` win");
        }
    }
}
