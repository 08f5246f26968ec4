//! Reads images and remembers their digests.
//!
//! Promises that a file is hashed by streaming, and again whenever its size or its time has changed; and that everything wrong with the
//! catalogue is said at once. A cache that cannot be read or written costs time and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Known;
use crate::config::{Image, Problem};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// A catalogue that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Files that are not there, or not what the configuration says.
    #[error("the firmware catalogue has {} problem(s):\n{}", .0.len(), list(.0))]
    Problems(Vec<Problem>),
    /// The host failed, not the catalogue.
    #[error("the firmware catalogue could not be read: {0}")]
    Host(String),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n")
}

/// What a file was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Changed last, nanoseconds since the epoch.
    changed: u64,
}

impl Stamp {
    /// As it is now.
    pub fn of(file: &Path) -> io::Result<Self> {
        let meta = std::fs::metadata(file)?;
        let changed = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let changed = u64::try_from(changed).unwrap_or(u64::MAX);
        Ok(Self { size: meta.len(), changed })
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Remembered {
    stamp: Stamp,
    sha256: String,
}

/// Every image with its file read.
pub fn read(images: &[Image], cache: &Path) -> Result<Vec<Known>, CatalogueError> {
    let mut known = recall(cache);
    let (mut right, mut problems) = (Vec::new(), Vec::new());
    for (index, image) in images.iter().enumerate() {
        let problem = |field: &str, text: String, hint: &str| Problem {
            path: format!("firmware.image[{index}].{field}"),
            text,
            hint: hint.to_owned(),
        };
        match digest(&image.file, &mut known) {
            Ok((stamp, sha256)) if sha256 == image.sha256 => right.push(Known { image: image.clone(), stamp }),
            Ok((_, sha256)) => {
                let text = format!("`{}` has the digest {sha256}, not {}", image.file.display(), image.sha256);
                problems.push(problem("sha256", text, "fetch the image again, or correct the digest if it is yours"));
            }
            Err(error) => {
                let text = format!("`{}` cannot be read: {error}", image.file.display());
                problems.push(problem(
                    "file",
                    text,
                    "fetch the image from the vendor, or take it out of the catalogue",
                ));
            }
        }
    }
    known.retain(|file, _| images.iter().any(|image| image.file == *file));
    remember(cache, &known);
    if problems.is_empty() { Ok(right) } else { Err(CatalogueError::Problems(problems)) }
}

fn digest(file: &Path, known: &mut BTreeMap<PathBuf, Remembered>) -> io::Result<(Stamp, String)> {
    let stamp = Stamp::of(file)?;
    if let Some(before) = known.get(file).filter(|before| before.stamp == stamp) {
        return Ok((stamp, before.sha256.clone()));
    }
    let sha256 = hash(file)?;
    known.insert(file.to_owned(), Remembered { stamp, sha256: sha256.clone() });
    Ok((stamp, sha256))
}

fn hash(file: &Path) -> io::Result<String> {
    let (mut file, mut sha, mut chunk) = (File::open(file)?, Sha256::new(), vec![0; CHUNK]);
    loop {
        let read = file.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        sha.update(bytes);
    }
    let hex = sha.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(hex)
}

fn recall(cache: &Path) -> BTreeMap<PathBuf, Remembered> {
    std::fs::read(cache).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn remember(cache: &Path, known: &BTreeMap<PathBuf, Remembered>) {
    let written = serde_json::to_vec(known).map_err(io::Error::other).and_then(|bytes| std::fs::write(cache, bytes));
    if let Err(error) = written {
        tracing::warn!(file = %cache.display(), %error, "digests of firmware images are not remembered");
    }
}
