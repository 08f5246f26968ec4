//! Certificates kept on first use: the SHA-256 of a controller's leaf certificate, by server.
//!
//! Promises that the first certificate whose key was proven is written down before anything is sent, and that another one
//! later is refused until a person removes the file. Does not look at names or dates: controllers sign for themselves.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a certificate in DER form; shown as lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of this certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// From 64 hex digits; colons between them do not count.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()?;
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, digit| sum << 4 | digit)).collect();
        (digits.len() == 64).then_some(())?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where fingerprints are kept, by server.
pub trait PinStore: Send + Sync {
    /// The one kept, if there is one.
    fn get(&self, key: &str) -> io::Result<Option<Fingerprint>>;
    /// Keep the first one seen.
    fn keep(&self, key: &str, seen: Fingerprint) -> io::Result<()>;
    /// How a person forgets one, as a line of advice.
    fn how_to_forget(&self, key: &str) -> String;
}

/// One file for each server in a folder.
#[derive(Debug)]
pub struct FilePins(PathBuf);

impl FilePins {
    /// In `pins` under this folder.
    pub fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("pins"))
    }

    fn path(&self, key: &str) -> PathBuf {
        let name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
        self.0.join(format!("{name}.sha256"))
    }
}

impl PinStore for FilePins {
    fn get(&self, key: &str) -> io::Result<Option<Fingerprint>> {
        let path = self.path(key);
        match std::fs::read_to_string(&path) {
            Ok(text) => Fingerprint::parse(text.trim()).map(Some).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("`{}` holds no fingerprint", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn keep(&self, key: &str, seen: Fingerprint) -> io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
        writeln!(file, "{seen}")?;
        file.as_file().sync_all()?;
        file.persist(self.path(key))?;
        Ok(())
    }

    fn how_to_forget(&self, key: &str) -> String {
        format!("if the board or its certificate was replaced on purpose, remove `{}`", self.path(key).display())
    }
}

/// Kept for the life of the process only: `plugin call` with nothing to keep.
#[derive(Debug, Default)]
pub struct MemoryPins(Mutex<std::collections::BTreeMap<String, Fingerprint>>);

impl PinStore for MemoryPins {
    fn get(&self, key: &str) -> io::Result<Option<Fingerprint>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied())
    }

    fn keep(&self, key: &str, seen: Fingerprint) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), seen);
        Ok(())
    }

    fn how_to_forget(&self, _: &str) -> String {
        "it changed within one run: something stands in between".to_owned()
    }
}

/// The fingerprint of one server's controller, as the TLS layer uses it.
pub struct Pin {
    key: String,
    store: Arc<dyn PinStore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Fingerprint>,
    problem: Option<String>,
}

impl Pin {
    /// Read what is kept.
    pub fn load(key: &str, store: Arc<dyn PinStore>) -> io::Result<Self> {
        let known = store.get(key)?;
        Ok(Self { key: key.to_owned(), store, state: Mutex::new(State { known, problem: None }) })
    }

    /// Is this the certificate kept, or the first? `proven`: the peer holds its key, so a first one is written down.
    pub fn judge(&self, certificate: &CertificateDer<'_>, proven: bool) -> Result<(), String> {
        let seen = Fingerprint::of(certificate);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.known.is_some_and(|known| known != seen) {
            // A person may have removed the file since it was read.
            state.known = self.store.get(&self.key).unwrap_or(state.known);
        }
        let verdict = match state.known {
            Some(known) if known == seen => Ok(()),
            Some(known) => Err(format!(
                "the controller's certificate changed: kept sha256 {known}, seen {seen}; {}",
                self.store.how_to_forget(&self.key)
            )),
            None if !proven => Ok(()),
            None => self.store.keep(&self.key, seen).map_or_else(
                |error| Err(format!("the controller's certificate could not be kept: {error}")),
                |()| {
                    state.known = Some(seen);
                    Ok(())
                },
            ),
        };
        state.problem = verdict.as_ref().err().cloned();
        verdict
    }

    /// Why the last certificate was refused, if it was.
    pub fn problem(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).problem.clone()
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_proven_certificate_is_kept_and_another_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn PinStore> = Arc::new(FilePins::new(dir.path()));
        let (first, other) = (CertificateDer::from(vec![1_u8; 8]), CertificateDer::from(vec![2_u8; 8]));
        let pin = Pin::load("9440c9000001", Arc::clone(&store)).unwrap();
        assert!(pin.judge(&other, false).is_ok(), "nothing is kept before the key is proven");
        assert!(pin.judge(&first, true).is_ok());
        assert!(pin.judge(&other, false).unwrap_err().contains("changed"));
        let again = Pin::load("9440c9000001", store).unwrap();
        assert!(again.judge(&other, true).unwrap_err().contains("9440c9000001.sha256"));
        assert!(again.problem().is_some());
        assert!(again.judge(&first, true).is_ok());
        assert!(again.problem().is_none());
        std::fs::remove_file(dir.path().join("pins/9440c9000001.sha256")).unwrap();
        assert!(again.judge(&other, true).is_ok(), "a person removed the file while the host runs");
    }

    #[test]
    fn a_file_that_holds_no_fingerprint_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("pins")).unwrap();
        std::fs::write(dir.path().join("pins/a.sha256"), "zz").unwrap();
        assert!(FilePins::new(dir.path()).get("a").is_err());
    }
}
