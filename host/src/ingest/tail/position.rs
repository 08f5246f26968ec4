//! How far a file was read, and where that is kept.
//!
//! Promises that a stored position is whole (temporary name, rename) and that a file which only looks the same is told apart: an
//! inode number is used again soon after a file is deleted, so the file's first bytes are kept with it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// First bytes of a file by which it is known again.
pub const HEAD: usize = 256;

/// How far a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Position {
    /// Of the file.
    pub inode: u64,
    /// Bytes that were read and delivered.
    pub offset: u64,
    /// How many first bytes the mark is of; at most [`HEAD`].
    pub head: usize,
    /// SHA-256 of them, hex.
    pub mark: String,
    /// Of files that are rewritten as a whole: the last word on each address.
    pub known: BTreeMap<String, String>,
}

impl Position {
    /// Whether a file that begins with these bytes may be the one that was read.
    pub fn is_of(&self, first: &[u8]) -> bool {
        first.get(..self.head).is_some_and(|head| mark(head) == self.mark)
    }

    /// Remember the first bytes, as far as they were read.
    pub fn remember(&mut self, first: &[u8]) {
        let read = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let head = first.get(..read).unwrap_or(first);
        self.head = head.len();
        self.mark = mark(head);
    }
}

fn mark(head: &[u8]) -> String {
    format!("{:x}", Sha256::digest(head))
}

/// Where a position is kept.
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// In `state_dir`, for the file `followed`; the name is made of its path, so that several can be followed.
    pub fn new(state_dir: &Path, followed: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(state_dir)?;
        let followed = std::path::absolute(followed)?;
        let key: String = mark(followed.as_os_str().as_encoded_bytes()).chars().take(16).collect();
        Ok(Self { path: state_dir.join(format!("tail-{key}.json")) })
    }

    /// The file it is kept in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The stored position; none, or one that cannot be read, means the beginning.
    pub fn load(&self) -> Position {
        let text = std::fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Keep it.
    pub fn save(&self, position: &Position) -> io::Result<()> {
        let temporary = self.path.with_extension("tmp");
        std::fs::write(&temporary, serde_json::to_vec(position)?)?;
        std::fs::rename(temporary, &self.path)
    }
}
