//! The firmware catalogue: which images are for which servers, and that each file is what its digest says.
//!
//! Promises that a host serves only with a catalogue whose every file was read and had its digest, and that of several images for one
//! component of a server the most exactly named is taken. It writes nothing to any server, and chooses no order: `order` does, over
//! what the driver planned.

mod dates;
mod digest;
mod order;
pub mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use digest::CatalogueError;
pub use order::{Unmet, Wanted, order};

use farrier_lifecycle::{Facts, Timestamp};

use crate::config::{Config, Image, for_driver};

/// An image whose file was read and is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As in the configuration.
    pub image: Image,
    stamp: digest::Stamp,
}

impl Known {
    /// The name of its file.
    pub fn name(&self) -> String {
        self.image.file.file_name().map_or_else(|| "image".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// Is the file still the one that was read, by size and time? What is sent is checked byte by byte all the same.
    pub fn unchanged(&self) -> bool {
        digest::Stamp::of(&self.image.file).is_ok_and(|now| now == self.stamp)
    }

    /// As the order of writing takes it.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted { component: &self.image.component, version: &self.image.version, requires: &self.image.requires }
    }

    /// How exactly it names the servers it is for.
    fn exact(&self) -> (usize, usize) {
        (self.image.model.as_ref().map_or(0, String::len), self.image.matches.trim_end_matches('*').len())
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    images: Vec<Known>,
    configured: bool,
}

impl Catalogue {
    /// Read every file of the configured catalogue. What was read before and has the same size and time is not read again; digests are
    /// remembered in `state_dir`.
    pub async fn open(config: &Config) -> Result<Self, CatalogueError> {
        let Some(firmware) = config.firmware.clone() else { return Ok(Self::default()) };
        let cache = config.state_dir.join("firmware-digests.json");
        let read = tokio::task::spawn_blocking(move || digest::read(&firmware.image, &cache));
        let images = read.await.map_err(|error| CatalogueError::Host(error.to_string()))??;
        Ok(Self { images, configured: true })
    }

    /// Is there a catalogue at all?
    pub const fn is_configured(&self) -> bool {
        self.configured
    }

    /// The images for a server of this driver and model, one for each component.
    pub fn of(&self, driver: Option<&str>, model: Option<&str>) -> Vec<&Known> {
        let applies = |known: &&Known| {
            for_driver(&known.image.matches, driver.unwrap_or_default())
                && known
                    .image
                    .model
                    .as_deref()
                    .is_none_or(|prefix| model.is_some_and(|model| model.starts_with(prefix)))
        };
        let mut best: BTreeMap<&str, &Known> = BTreeMap::new();
        for known in self.images.iter().filter(applies) {
            let place = best.entry(&known.image.component).or_insert(known);
            if known.exact() > place.exact() {
                *place = known;
            }
        }
        best.into_values().collect()
    }

    /// What it knows of the versions on a server.
    pub fn dates(&self, facts: &Facts) -> Dates<'_> {
        Dates(self.of(facts.driver.as_deref(), facts.model.as_deref()))
    }

    /// The image of a digest.
    pub fn by_digest(&self, sha256: &str) -> Option<&Known> {
        self.images.iter().find(|known| known.image.sha256 == sha256)
    }

    /// Every digest with its file.
    pub fn files(&self) -> impl Iterator<Item = (String, PathBuf)> {
        self.images.iter().map(|known| (known.image.sha256.clone(), known.image.file.clone()))
    }

    /// Does it have this file?
    pub fn has(&self, file: &Path) -> bool {
        self.images.iter().any(|known| known.image.file == file)
    }
}

/// When firmware was released, for one server.
pub struct Dates<'a>(Vec<&'a Known>);

impl Dates<'_> {
    /// Of this version of a component: by the catalogue where it has it, else by the date in the version's text.
    pub fn of(&self, component: &str, version: &str) -> Option<Timestamp> {
        let known = self.0.iter().map(|known| &known.image);
        let mut same = known.filter(|image| image.component == component && version::same(&image.version, version));
        let released = same.find_map(|image| image.released.as_deref());
        released.and_then(dates::dated).or_else(|| dates::dated(version))
    }
}

#[cfg(test)]
mod tests;
