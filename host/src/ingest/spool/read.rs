//! One pass over the spool folder.
//!
//! Promises that each file is delivered, put aside with its reason, or left for the next pass; and that one bad file never stops the
//! good ones. The order of names is the order of lease times.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use farrier_lifecycle::Timestamp;
use nix::fcntl::OFlag;
use tracing::{debug, warn};

use crate::ingest::{Class, Filter, LeaseSink, Parsed, SinkError, from_json};

/// Largest file that is read; a lease takes less than 2 KiB.
const LARGEST: u64 = 64 * 1024;

/// Files of one pass.
const BATCH: usize = 500;

/// A temporary file this old will not be finished: its hook was killed.
const STALE: Duration = Duration::from_mins(1);

/// Files kept in `bad`; more are deleted, since anybody may fill the folder.
const MOST_BAD: usize = 1000;

/// The folder, and what is remembered of it between passes.
pub struct Spool {
    dir: PathBuf,
    filter: Filter,
    /// Leave every file where it is: another reader's.
    keep: bool,
    /// Files that were taken in or complained of and were not removed; nothing more is done with them.
    done: HashSet<String>,
}

impl Spool {
    /// Of this folder.
    pub fn new(dir: &Path, filter: Filter) -> Self {
        Self { dir: dir.to_owned(), filter, keep: false, done: HashSet::new() }
    }

    /// Of a folder that is another's: nothing in it is deleted or moved.
    pub fn beside(dir: &Path, filter: Filter) -> Self {
        Self { keep: true, ..Self::new(dir, filter) }
    }

    /// Which folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Deliver what is there, oldest lease first; how many were taken in. `Err`: the sink is away, and the rest waits.
    pub async fn pass(&mut self, sink: &dyn LeaseSink) -> Result<usize, SinkError> {
        let dir = self.dir.clone();
        let mut names = tokio::task::spawn_blocking(move || list(&dir)).await.unwrap_or_default();
        self.done.retain(|name| names.contains(name));
        names.retain(|name| !self.done.contains(name));
        names.truncate(BATCH);
        let mut taken = 0;
        for name in names {
            taken += usize::from(self.one(&name, sink).await?);
        }
        Ok(taken)
    }

    async fn one(&mut self, name: &str, sink: &dyn LeaseSink) -> Result<bool, SinkError> {
        let path = self.dir.join(name);
        if name.starts_with('.') {
            if stale(&path) {
                self.aside(name, "it was never finished: its hook was killed while it wrote it");
            }
            return Ok(false);
        }
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                self.aside(name, &format!("it cannot be read: {error}"));
                return Ok(false);
            }
        };
        let parsed = match from_json(&text, now()) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.aside(name, &format!("{}: {error}", error.code()));
                return Ok(false);
            }
        };
        self.deliver(name, &parsed, sink).await
    }

    async fn deliver(&mut self, name: &str, parsed: &Parsed, sink: &dyn LeaseSink) -> Result<bool, SinkError> {
        let lease = &parsed.lease;
        if let Class::Ignored(reason) = self.filter.classify(parsed) {
            debug!(mac = %lease.mac, ip = %lease.ip, code = reason.code(), %reason, "lease ignored");
            self.remove(name);
            return Ok(false);
        }
        match sink.deliver(lease).await {
            Ok(()) => {
                debug!(mac = %lease.mac, ip = %lease.ip, source = lease.source, "lease taken from the spool");
                self.remove(name);
                Ok(true)
            }
            Err(SinkError::Refused(reason)) => {
                self.aside(name, &reason);
                Ok(false)
            }
            Err(away) => Err(away),
        }
    }

    fn remove(&mut self, name: &str) {
        if self.keep {
            self.done.insert(name.to_owned());
            return;
        }
        if let Err(error) = std::fs::remove_file(self.dir.join(name)) {
            warn!(file = name, %error, "a delivered lease cannot be deleted; the spool folder should belong to this user");
            self.done.insert(name.to_owned());
        }
    }

    fn aside(&mut self, name: &str, reason: &str) {
        if self.keep {
            warn!(file = name, reason, "a spool file cannot be taken in; it is left where it is");
            self.done.insert(name.to_owned());
            return;
        }
        warn!(file = name, reason, "a spool file was put aside");
        let path = self.dir.join(name);
        let kept = put_aside(&self.dir, name, reason);
        // A link, a folder or a full disk: what cannot be kept is deleted, what cannot be deleted is left alone.
        if kept.is_err() && std::fs::remove_file(&path).is_err() && path.symlink_metadata().is_ok() {
            self.done.insert(name.to_owned());
        }
    }
}

/// Names in order: leases first, as `.` sorts before digits the temporary ones are moved behind.
fn list(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let (mut leases, temporary): (Vec<_>, Vec<_>) =
        names.filter(|name| name != "bad").partition(|name| !name.starts_with('.'));
    leases.sort_unstable();
    leases.extend(temporary);
    leases
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file: File = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(io::Error::other("not a plain file of at most 64 KiB"));
    }
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text)?;
    Ok(text)
}

fn stale(path: &Path) -> bool {
    let modified = path.symlink_metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > STALE))
}

fn put_aside(dir: &Path, name: &str, reason: &str) -> io::Result<()> {
    let bad = dir.join("bad");
    match bad.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(io::Error::other("`bad` is not a folder")),
        Err(_) => std::fs::create_dir(&bad)?,
    }
    if !dir.join(name).symlink_metadata()?.is_file() || std::fs::read_dir(&bad)?.count() >= 2 * MOST_BAD {
        return Err(io::Error::other("not to be kept"));
    }
    let kept = name.trim_start_matches('.');
    std::fs::write(bad.join(format!("{kept}.reason")), format!("{reason}\n"))?;
    std::fs::rename(dir.join(name), bad.join(kept))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Mutex;

    use farrier_lifecycle::Lease;

    use super::*;
    use crate::ingest::spool;

    /// Keeps what it is given; is away while told to be, and refuses one address.
    #[derive(Default)]
    struct Kept {
        leases: Mutex<Vec<Lease>>,
        away: Mutex<bool>,
        refused: Option<String>,
    }

    #[async_trait::async_trait]
    impl LeaseSink for Kept {
        async fn deliver(&self, lease: &Lease) -> Result<(), SinkError> {
            if *self.away.lock().unwrap() {
                return Err(SinkError::Away("down".to_owned()));
            }
            if self.refused.as_deref() == Some(&lease.ip.to_string()) {
                return Err(SinkError::Refused("never".to_owned()));
            }
            self.leases.lock().unwrap().push(lease.clone());
            Ok(())
        }
    }

    impl Kept {
        fn ips(&self) -> Vec<String> {
            self.leases.lock().unwrap().iter().map(|lease| lease.ip.to_string()).collect()
        }
    }

    #[tokio::test]
    async fn a_reader_beside_another_leaves_every_file_to_it() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), 1000, "10.0.0.1", "");
        put(dir.path(), 1500, "10.0.0.9", r#","vendor_class":"PXEClient:Arch:00007""#);
        std::fs::write(dir.path().join("000-half.json"), r#"{"mac":"94:40:c9"#).unwrap();
        let (seen, taken) = (Kept::default(), Kept::default());
        let mut observer = Spool::beside(dir.path(), Filter::default());
        let mut host = Spool::new(dir.path(), Filter::default());
        assert_eq!(observer.pass(&seen).await.unwrap(), 1);
        assert_eq!(observer.pass(&seen).await.unwrap(), 0, "it is remembered");
        assert_eq!(left(dir.path()).len(), 3);
        assert_eq!(host.pass(&taken).await.unwrap(), 1);
        put(dir.path(), 2000, "10.0.0.2", "");
        assert_eq!(observer.pass(&seen).await.unwrap(), 1);
        assert_eq!(host.pass(&taken).await.unwrap(), 1);
        assert_eq!((seen.ips(), taken.ips()), (taken.ips(), vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()]));
    }

    fn put(dir: &Path, at: u64, ip: &str, more: &str) -> PathBuf {
        let text = format!(r#"{{"event":"add","mac":"94:40:c9:00:00:01","ip":"{ip}","at":{at},"source":"isc"{more}}}"#);
        spool::write(dir, at, text.as_bytes()).unwrap()
    }

    fn left(dir: &Path) -> Vec<String> {
        list(dir)
    }

    #[tokio::test]
    async fn leases_are_delivered_by_lease_time_and_then_deleted() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), 3000, "10.0.0.3", "");
        put(dir.path(), 1000, "10.0.0.1", "");
        put(dir.path(), 2000, "10.0.0.2", "");
        put(dir.path(), 1500, "10.0.0.9", r#","vendor_class":"PXEClient:Arch:00007""#);
        let (sink, mut spool) = (Kept::default(), Spool::new(dir.path(), Filter::default()));
        assert_eq!(spool.pass(&sink).await.unwrap(), 3);
        assert_eq!(sink.ips(), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(left(dir.path()), Vec::<String>::new());
    }

    #[tokio::test]
    async fn nothing_is_deleted_while_the_sink_is_away() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), 1000, "10.0.0.1", "");
        let (sink, mut spool) = (Kept::default(), Spool::new(dir.path(), Filter::default()));
        *sink.away.lock().unwrap() = true;
        assert!(spool.pass(&sink).await.is_err());
        assert_eq!(left(dir.path()).len(), 1);
        *sink.away.lock().unwrap() = false;
        assert_eq!(spool.pass(&sink).await.unwrap(), 1);
        assert_eq!(left(dir.path()).len(), 0);
    }

    #[tokio::test]
    async fn bad_files_are_put_aside_with_their_reason_and_stop_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("000-half.json"), r#"{"mac":"94:40:c9"#).unwrap();
        std::fs::write(dir.path().join("001-long.json"), vec![b' '; 100_000]).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("002-link.json")).unwrap();
        std::fs::create_dir(dir.path().join("003-folder")).unwrap();
        put(dir.path(), 1000, "10.0.0.1", "");
        let refused = put(dir.path(), 1001, "10.0.0.66", "");
        let sink = Kept { refused: Some("10.0.0.66".to_owned()), ..Kept::default() };
        let mut spool = Spool::new(dir.path(), Filter::default());
        assert_eq!(spool.pass(&sink).await.unwrap(), 1);
        assert_eq!(left(dir.path()), ["003-folder"], "a folder is left alone, a link is removed");
        let bad = dir.path().join("bad");
        let reason = std::fs::read_to_string(bad.join("000-half.json.reason")).unwrap();
        assert!(reason.starts_with("malformed-lease"), "{reason}");
        assert!(bad.join("001-long.json").exists());
        assert!(bad.join(refused.file_name().unwrap()).exists());
        assert!(std::fs::metadata("/etc/hostname").is_ok());
        assert_eq!(spool.pass(&sink).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_temporary_file_is_left_until_its_hook_must_be_dead() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".000.json.tmp");
        std::fs::write(&path, "{").unwrap();
        let (sink, mut spool) = (Kept::default(), Spool::new(dir.path(), Filter::default()));
        assert_eq!(spool.pass(&sink).await.unwrap(), 0);
        assert!(path.exists());
        let old = SystemTime::now() - 2 * STALE;
        File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
        assert_eq!(spool.pass(&sink).await.unwrap(), 0);
        assert!(dir.path().join("bad/000.json.tmp").exists());
    }

    #[tokio::test]
    async fn a_missing_folder_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let later = dir.path().join("not/yet");
        let (sink, mut spool) = (Kept::default(), Spool::new(&later, Filter::default()));
        assert_eq!(spool.pass(&sink).await.unwrap(), 0);
        put(&later, 1000, "10.0.0.1", "");
        assert_eq!(spool.pass(&sink).await.unwrap(), 1);
        assert_eq!(later.metadata().unwrap().permissions().mode() & 0o7777, 0o1777);
    }
}
