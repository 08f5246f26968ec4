//! The fault type of the lifecycle, under the host's own name, errors as text, and the secret that never shows itself.
//!
//! A leaf: usable by every module, uses none.

use std::fmt;
use std::path::Path;

pub use farrier_lifecycle::{Blame, Fault, Retry};
use zeroize::Zeroizing;

/// An error and its causes as one line. A cause that the text before it already says is not said again.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes
        .map(ToString::to_string)
        .fold(error.to_string(), |text, cause| if text.contains(&cause) { text } else { format!("{text}: {cause}") })
}

/// A credential or token. It has no `Display`, its `Debug` shows nothing, and its memory is wiped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wrap a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself; the one way to it, so that uses can be found.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Read from a file: the first line, without its end.
    ///
    /// Errors name the path and never the content.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| SecretError::Unreadable { path: path.display().to_string(), source })?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(SecretError::Empty { path: path.display().to_string() });
        }
        Ok(Self::new(line))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret file that cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Missing, or not readable by this user, or not text.
    #[error("read secret file `{path}`")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its first line is empty.
    #[error("secret file `{path}` has an empty first line")]
    Empty {
        /// The file.
        path: String,
    },
}
