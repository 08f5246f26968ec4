//! The spool folder between hooks and reader: one file for each lease, named so that names sort by lease time.
//!
//! Promises that a file appears whole or not at all, and is deleted only after its lease was taken in, so that nothing is lost by a
//! crash on either side; a reader beside another deletes none. It does not promise that a lease is delivered once: taking one in twice changes nothing. Anybody may
//! write into the folder (DHCP servers run under users of their own), so what lies there is read with care: plain files only, bounded.

mod read;

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use read::Spool;

use super::LeaseSink;

/// Between two looks into the folder: short beside what a server takes to boot, and a readdir costs microseconds.
const POLL: Duration = Duration::from_millis(100);

/// First and longest pause after the sink was away.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(15));

/// Make the folder if it is missing: writable by all, and only owners may delete.
///
/// The folder's owner may delete everything, so it should be the user that reads the spool.
pub fn create(dir: &Path) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        // The mode of mkdir is cut by the umask, and Linux ignores the sticky bit there for some file systems.
        Ok(()) => std::fs::set_permissions(dir, Permissions::from_mode(0o1777)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Leave one file; `at` is the lease's time in milliseconds since the epoch. Makes the folder if it is missing.
///
/// The file is not synced: a crash of this program loses nothing, a power cut at most the leases of the last seconds, which
/// renewals bring again; a sync in the DHCP server's way would cost each client 0.3 ms on flash, and tens of them on a disk.
pub fn write(dir: &Path, at: u64, text: &[u8]) -> io::Result<PathBuf> {
    let arrival = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = format!("{at:015}-{arrival:020}-{}.json", std::process::id());
    let temporary = dir.join(format!(".{name}.tmp"));
    let open = || OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary);
    let mut file = match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => create(dir).and_then(|()| open())?,
        other => other?,
    };
    // The DHCP server's umask must not hide the file from its reader.
    let written = file
        .write_all(text)
        .and_then(|()| file.set_permissions(Permissions::from_mode(0o644)))
        .and_then(|()| std::fs::rename(&temporary, dir.join(&name)));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(dir.join(name))
}

/// Deliver what is and what comes into the folder until `shutdown`. While the sink is away, nothing is deleted and the pause
/// between tries grows; while the folder is missing, it is waited for.
pub async fn follow(mut spool: Spool, sink: &dyn LeaseSink, shutdown: &CancellationToken) {
    info!(spool = %spool.dir().display(), "reading leases from the spool");
    let mut pause = BACKOFF.0;
    loop {
        let wait = match spool.pass(sink).await {
            Ok(_) => {
                pause = BACKOFF.0;
                POLL
            }
            Err(error) => {
                warn!(%error, retry_ms = pause.as_millis(), "leases wait in the spool");
                let wait = pause;
                pause = (pause * 2).min(BACKOFF.1);
                wait
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
