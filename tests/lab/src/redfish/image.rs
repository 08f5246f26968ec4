//! Firmware images as the lab defines them: a line that says what they are, and padding.
//!
//! Promises that an image's first line is `FARRIER-LAB-IMAGE component=bios version=U46_v2.40 [bad=verify|boot|version]`, with
//! `_` for a blank in the version, and that what controllers do with it follows from that line alone. It is no vendor's
//! format: drivers and host treat images as bytes, and so must nothing of theirs depend on it.

use std::io::{self, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

const MAGIC: &str = "FARRIER-LAB-IMAGE";
/// Within so many bytes the first line ends.
const LINE: usize = 1024;

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// The controller refuses it while it verifies: the task fails, nothing is written.
    Verify,
    /// It is written, the component never reports the new version, and the server's health turns critical.
    Boot,
    /// It is written, and the component reports another version than it should.
    Version,
}

impl Bad {
    const ALL: [(&'static str, Self); 3] = [("verify", Self::Verify), ("boot", Self::Boot), ("version", Self::Version)];
}

/// What an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The component as drivers name it: `bmc`, `bios`, or the inventory's name in lower case with dashes.
    pub component: String,
    /// The version as the inventory shows it once it is written.
    pub version: String,
    /// What is wrong with it, if anything.
    pub bad: Option<Bad>,
}

impl Image {
    /// A good image.
    pub fn new(component: &str, version: &str) -> Self {
        Self { component: component.to_owned(), version: version.to_owned(), bad: None }
    }

    /// The same with something wrong.
    #[must_use]
    pub fn bad(self, bad: Bad) -> Self {
        Self { bad: Some(bad), ..self }
    }

    /// Write it to a file of `size` bytes (no shorter than its first line), and give its SHA-256 in lower-case hexadecimal.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path, size: u64) -> io::Result<String> {
        let bad = Bad::ALL.iter().find(|(_, bad)| Some(*bad) == self.bad).map(|(word, _)| format!(" bad={word}"));
        let version = self.version.replace(' ', "_");
        let line = format!("{MAGIC} component={} version={version}{}\n", self.component, bad.unwrap_or_default());
        let (mut file, mut sha) = (io::BufWriter::new(std::fs::File::create(path)?), Sha256::new());
        file.write_all(line.as_bytes())?;
        sha.update(line.as_bytes());
        let block = [0_u8; 8192];
        let mut left = size.saturating_sub(u64::try_from(line.len()).unwrap_or(u64::MAX));
        while left > 0 {
            let some = usize::try_from(left).unwrap_or(block.len()).min(block.len());
            let bytes = block.get(..some).unwrap_or_default();
            file.write_all(bytes)?;
            sha.update(bytes);
            left -= u64::try_from(some).unwrap_or(left);
        }
        file.flush()?;
        Ok(format!("{:x}", sha.finalize()))
    }

    /// What these bytes are; `None` where they are no image.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().take(LINE).position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let mut words = line.split_whitespace();
        (words.next() == Some(MAGIC)).then_some(())?;
        let mut image = Self::new("", "");
        for word in words {
            match word.split_once('=')? {
                ("component", value) => value.clone_into(&mut image.component),
                ("version", value) => image.version = value.replace('_', " "),
                ("bad", value) => image.bad = Some(Bad::ALL.iter().find(|(word, _)| *word == value)?.1),
                _ => return None,
            }
        }
        (!image.component.is_empty() && !image.version.is_empty()).then_some(image)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bin");
        for image in [Image::new("bios", "U46 v2.40 (08/01/2025)"), Image::new("bmc", "3.12").bad(Bad::Boot)] {
            let digest = image.write(&path, 100_000).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!((bytes.len(), Image::read(&bytes)), (100_000, Some(image)));
            assert_eq!(digest, format!("{:x}", Sha256::digest(&bytes)));
        }
        for junk in [b"MZ\x90 no image\n".as_slice(), b"FARRIER-LAB-IMAGE component=bios\n", b""] {
            assert_eq!(Image::read(junk), None);
        }
    }
}
