//! One host for each `state_dir`: the lock, and the name that outlives a restart.
//!
//! Promises that while a process has the lock no other has it, and that the lock ends with the process however it ends. That
//! is what lets a restarted host take its own work back at once, on either store: whoever had it before is gone.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::BusError;
use super::shared::nonce;

/// The lock on a `state_dir`, held until dropped.
pub struct Lock {
    _file: Flock<File>,
    state_dir: PathBuf,
}

impl Lock {
    /// Take it, or say who has it.
    pub fn take(state_dir: &Path) -> Result<Self, BusError> {
        let path = state_dir.join("bus.lock");
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| unusable(&path, &error))?;
        let mut file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(file, _)| held(state_dir, file))?;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|error| unusable(&path, &error))?;
        Ok(Self { _file: file, state_dir: state_dir.to_owned() })
    }

    /// The host's name for itself, made at the first start.
    pub fn host_id(&self) -> Result<String, BusError> {
        let path = self.state_dir.join("host-id");
        if let Ok(id) = std::fs::read_to_string(&path)
            && id.trim().len() == 16
        {
            return Ok(id.trim().to_owned());
        }
        let id = nonce();
        std::fs::write(&path, format!("{id}\n")).map_err(|error| unusable(&path, &error))?;
        Ok(id)
    }
}

fn held(state_dir: &Path, mut file: File) -> BusError {
    let mut pid = String::new();
    // Who it is only makes the message better.
    let pid = file.read_to_string(&mut pid).map(|_| pid.trim().to_owned()).unwrap_or_default();
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    BusError::Unusable {
        problem: format!("`{}` is in use by process {pid} ({})", state_dir.display(), name.trim()),
        hint: "one host for each `state_dir`: stop the other, or give this one its own".to_owned(),
    }
}

/// A file of the store that cannot be used.
pub fn unusable(path: &Path, error: &dyn std::error::Error) -> BusError {
    BusError::Unusable {
        problem: format!("open `{}`: {error}", path.display()),
        hint: "`state_dir` must exist and belong to this user".to_owned(),
    }
}
