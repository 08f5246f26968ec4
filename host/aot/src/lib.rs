//! Compiled components on disk.
//!
//! Promises that a component is compiled once for each combination of its bytes and the engine's exact version and
//! settings, and that what is read back is byte for byte what was written. Does not protect against someone who can write
//! as the daemon's user: the folder is 0700 and that user's.
//!
//! Not obvious: the file is read whole and its digest checked on the very bytes that become code, instead of mapping the
//! file after a check. It costs half a millisecond and leaves nothing to change in between.

use std::hash::{Hash, Hasher};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

const DIGEST: usize = 32;

/// Why a component could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AotError {
    /// The folder cannot be made, or is open to others.
    #[error("folder for compiled plugins `{path}`: {problem}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Not a component, or one this engine cannot compile.
    #[error("compile: {0}")]
    Compile(String),
}

/// Where a component came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Compiled by this call.
    Compiled,
    /// Read from the folder.
    Cached,
    /// Compiled by this call because the file in the folder was not what had been written.
    Repaired,
}

/// The folder of compiled components.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Open the folder; make it with mode 0700 if it is missing, refuse it if others may write to it or own it.
    pub fn open(dir: &Path) -> Result<Self, AotError> {
        let fail = |problem: String| AotError::Folder { path: dir.to_owned(), problem };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| fail(error.to_string()))?;
        let meta = std::fs::metadata(dir).map_err(|error| fail(error.to_string()))?;
        if meta.permissions().mode() & 0o022 != 0 {
            return Err(fail("others may write to it; it holds native code, so run `chmod 700` on it".to_owned()));
        }
        let probe = tempfile::NamedTempFile::new_in(dir).map_err(|error| fail(error.to_string()))?;
        let own = probe.as_file().metadata().map_err(|error| fail(error.to_string()))?.uid();
        if own != meta.uid() {
            return Err(fail("it belongs to another user; it holds native code".to_owned()));
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// The component of these bytes, compiled for this engine. Blocks for as long as compiling takes.
    pub fn component(&self, engine: &Engine, wasm: &[u8]) -> Result<(Component, Origin), AotError> {
        let path = self.path(engine, wasm);
        let found = std::fs::read(&path);
        if let Ok(bytes) = &found
            && let Some(component) = restore(engine, bytes)
        {
            return Ok((component, Origin::Cached));
        }
        let code = engine.precompile_component(wasm).map_err(|error| AotError::Compile(format!("{error:#}")))?;
        let mut file = Sha256::digest(&code).to_vec();
        file.extend_from_slice(&code);
        // A folder that cannot be written costs a compilation at the next start, nothing else.
        let _ = self.keep(&path, &file);
        let component =
            restore(engine, &file).ok_or_else(|| AotError::Compile("own output not accepted".to_owned()))?;
        Ok((component, if found.is_ok() { Origin::Repaired } else { Origin::Compiled }))
    }

    /// Where the compiled form of these bytes is kept for this engine.
    pub fn path(&self, engine: &Engine, wasm: &[u8]) -> PathBuf {
        let mut key = Feed(Sha256::new_with_prefix(Sha256::digest(wasm)));
        engine.precompile_compatibility_hash().hash(&mut key);
        let key = key.0.finalize();
        self.dir.join(format!("{key:x}.cwasm"))
    }

    fn keep(&self, path: &Path, file: &[u8]) -> std::io::Result<()> {
        let mut temporary = tempfile::NamedTempFile::new_in(&self.dir)?;
        temporary.write_all(file)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        Ok(())
    }
}

/// `None` if the digest in front of the code is not the code's, or the engine refuses it.
fn restore(engine: &Engine, file: &[u8]) -> Option<Component> {
    let (digest, code) = file.split_at_checked(DIGEST)?;
    if Sha256::digest(code).as_slice() != digest {
        return None;
    }
    // SAFETY: `deserialize` requires bytes that this wasmtime's `precompile_component` made. They were: the digest of these
    // very bytes was written beside them by `Cache::component` in the same atomic rename, in a folder only the daemon's user
    // can write to, under a name that holds the hash of wasmtime's exact version and settings.
    #[allow(unsafe_code)]
    unsafe {
        Component::deserialize(engine, code).ok()
    }
}

/// Feeds a hash into SHA-256, whose result is the same in every process.
struct Feed(Sha256);

impl Hasher for Feed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Never asked for: the digest is taken from the inside.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn compiled_once_and_a_flipped_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(&dir.path().join("compiled")).unwrap();
        let engine = Engine::default();
        let wasm = wat::parse_str("(component)").unwrap();
        assert_eq!(cache.component(&engine, &wasm).unwrap().1, Origin::Compiled);
        assert_eq!(cache.component(&engine, &wasm).unwrap().1, Origin::Cached);
        let path = cache.path(&engine, &wasm);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(cache.component(&engine, &wasm).unwrap().1, Origin::Repaired);
        assert_eq!(cache.component(&engine, &wasm).unwrap().1, Origin::Cached);
    }

    #[test]
    fn a_folder_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Cache::open(&open).unwrap_err().to_string().contains("others may write"));
    }
}
