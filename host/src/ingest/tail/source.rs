//! Reads a growing file through rotation, truncation and replacement.
//!
//! Promises the bytes of the file in order, each at least once: a rotated file is read to its end, also when it was rotated while
//! nobody read, as long as it lies in the same folder. A partial last line of a rotated file is lost with its writer.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::position::{HEAD, Position};

/// Most bytes read at once; a lease takes a few hundred.
const PIECE: u64 = 1024 * 1024;

/// Largest lease file that is read as a whole.
const WHOLE: u64 = 64 * 1024 * 1024;

/// Bytes after the position.
pub struct Fresh {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// There are more.
    pub full: bool,
}

/// The file.
pub struct Source {
    path: PathBuf,
    file: Option<File>,
    position: Position,
    /// Inode, change time and length of a whole file when it was read last.
    seen: Option<Seen>,
    /// The same of the reading whose leases are being delivered.
    reading: Option<Seen>,
}

/// Inode, change time in seconds and nanoseconds, length.
type Seen = (u64, i64, i64, u64);

impl Source {
    /// From this position on.
    pub fn new(path: &Path, position: Position) -> Self {
        Self { path: path.to_owned(), file: None, position, seen: None, reading: None }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far it was read.
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// Bytes after the position, if there are any. `Err`: the file is missing or cannot be read.
    pub fn fresh(&mut self) -> io::Result<Option<Fresh>> {
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        if let Some(fresh) = self.read()? {
            return Ok(Some(fresh));
        }
        // At its end: is it still the file of this name?
        let current = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let same = current.ino() == self.position.inode && current.len() >= self.position.offset;
        if same {
            return Ok(None);
        }
        self.file = Some(self.begin()?);
        self.read()
    }

    /// The whole file, if it changed since.
    pub fn whole(&mut self) -> io::Result<Option<Vec<u8>>> {
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        let seen = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len());
        if self.seen == Some(seen) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(WHOLE).read_to_end(&mut bytes)?;
        self.reading = Some(seen);
        Ok(Some(bytes))
    }

    /// A whole file was delivered, and this is now known of it.
    pub fn learn(&mut self, known: BTreeMap<String, String>) {
        self.position.known = known;
        self.seen = self.reading.take();
    }

    /// These bytes were delivered.
    pub fn advance(&mut self, consumed: usize) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        self.position.offset += u64::try_from(consumed).map_err(io::Error::other)?;
        if self.position.head < HEAD {
            let first = first(file)?;
            self.position.remember(&first);
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<Option<Fresh>> {
        let Some(file) = &mut self.file else { return Ok(None) };
        if file.metadata()?.len() <= self.position.offset {
            return Ok(None);
        }
        // Truncated and grown again past the position, or another file under an inode used again.
        if !self.position.is_of(&first(file)?) {
            self.position = Position { inode: self.position.inode, ..Position::default() };
            self.position.remember(&[]);
        }
        file.seek(SeekFrom::Start(self.position.offset))?;
        let mut bytes = Vec::new();
        file.take(PIECE).read_to_end(&mut bytes)?;
        let full = u64::try_from(bytes.len()).is_ok_and(|len| len == PIECE);
        Ok((!bytes.is_empty()).then_some(Fresh { bytes, full }))
    }

    /// The file the position is of, wherever it was rotated to; else the file of this name from its beginning.
    fn open(&mut self) -> io::Result<File> {
        if self.position.offset > 0 {
            let ours = |metadata: &Metadata| metadata.is_file() && metadata.ino() == self.position.inode;
            let candidates = std::iter::once(self.path.clone()).chain(rotated(&self.path));
            for path in candidates {
                if path.metadata().is_ok_and(|metadata| ours(&metadata))
                    && let Ok(file) = File::open(&path)
                    && self.position.is_of(&first(&file)?)
                {
                    return Ok(file);
                }
            }
        }
        self.begin()
    }

    fn begin(&mut self) -> io::Result<File> {
        let file = File::open(&self.path)?;
        self.position = Position { inode: file.metadata()?.ino(), ..Position::default() };
        self.position.remember(&[]);
        Ok(file)
    }
}

fn first(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let mut filled = 0;
    while let Some(space) = head.get_mut(filled..).filter(|space| !space.is_empty()) {
        match file.read_at(space, u64::try_from(filled).map_err(io::Error::other)?)? {
            0 => break,
            read => filled += read,
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// Files beside it whose names begin with its name: `dnsmasq.log.1`, `dnsmasq.log-20261122`.
fn rotated(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Vec::new();
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let begins = |path: &PathBuf| {
        let other = path.file_name().unwrap_or_default();
        other != name && other.as_encoded_bytes().starts_with(name.as_encoded_bytes())
    };
    entries.flatten().map(|entry| entry.path()).filter(begins).collect()
}
