//! Firmware images a call may send: files of the host, named by digest, streamed where a plugin puts the name.
//!
//! Promises that an image's bytes never enter a guest, that it is sent with its exact length, and that its last bytes leave
//! only after the digest of all of them was right and the guard was asked once more. A file that is not what its digest says
//! is therefore never sent whole. Does not hold a file in memory.
//!
//! Not obvious: an upload takes longer than a worker's lease lasts. So the guard, which is asked for an ordinary request's
//! time, is asked again while the image streams.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::Stream;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use crate::egress::{Denied, Gate};

/// Bytes a controller takes in a second at the worst: an old one with flash for a disk.
const SLOWEST: u64 = 256 << 10;
/// How long a controller may look at an image before it answers.
const VERIFY: Duration = Duration::from_mins(2);
/// Bytes in memory of one upload.
const CHUNK: usize = 64 << 10;
/// How often the guard is asked while an image streams, and for how long each time.
const ASK: Duration = Duration::from_secs(5);

/// The images one call may send, by lower-case hexadecimal SHA-256. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Images(Arc<BTreeMap<String, PathBuf>>);

impl Images {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// These files. Each name is the name a controller sees where the plugin gives no other.
    pub fn of(images: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        Self(Arc::new(images.into_iter().map(|(digest, path)| (digest.to_ascii_lowercase(), path)).collect()))
    }

    /// The file of a digest, if it is granted.
    pub fn get(&self, digest: &str) -> Option<&Path> {
        self.0.get(&digest.to_ascii_lowercase()).map(PathBuf::as_path)
    }

    /// How long sending the largest of them may take, beside what the call does otherwise; `None` where there is none.
    pub fn time(&self) -> Option<Duration> {
        let sizes = self.0.values().filter_map(|path| std::fs::metadata(path).ok());
        sizes.map(|file| upload_time(file.len())).max()
    }
}

/// How long sending so many bytes may take.
pub(super) fn upload_time(bytes: u64) -> Duration {
    VERIFY + Duration::from_secs(bytes / SLOWEST)
}

/// One image on its way out.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Bytes.
    pub length: u64,
    digest: String,
    path: PathBuf,
    problem: Arc<Mutex<Option<Denied>>>,
}

impl Upload {
    /// The image of a digest. Where it is granted and there is no such file, the problem is kept like one found later.
    pub fn open(images: &Images, digest: &str) -> Result<Self, String> {
        let shown: String = digest.chars().take(64).collect();
        let path = images.get(digest).ok_or_else(|| format!("no firmware image of digest `{shown}` is granted"))?;
        let upload =
            Self { length: 0, digest: digest.to_ascii_lowercase(), path: path.to_owned(), problem: Arc::default() };
        match std::fs::metadata(path) {
            Ok(file) if file.is_file() && file.len() > 0 => Ok(Self { length: file.len(), ..upload }),
            Ok(_) => {
                upload.fail("it is empty, or no file");
                Ok(upload)
            }
            Err(error) => {
                upload.fail(&error.to_string());
                Ok(upload)
            }
        }
    }

    /// The name of the file.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(|| "image.bin".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// Why the transfer was broken off, if it was.
    pub fn problem(&self) -> Option<Denied> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, denied: Denied) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(denied);
    }

    fn fail(&self, what: &str) {
        self.keep(Denied::Image { problem: format!("the firmware image {}: {what}", self.path.display()) });
    }

    /// The bytes. Ends with an error, and so breaks the transfer off, before the last of them where the image is not the
    /// one its digest names or the guard says no; [`Self::problem`] then says which.
    pub fn stream(&self, gate: Gate) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static {
        let begin = Sending { file: None, sha: Sha256::new(), left: self.length, asked: Instant::now(), gate };
        let upload = self.clone();
        futures_util::stream::unfold((upload, Some(begin)), |(upload, sending)| async move {
            let mut sending = sending.filter(|sending| sending.left > 0)?;
            match upload.next(&mut sending).await {
                Ok(bytes) => Some((Ok(bytes), (upload, Some(sending)))),
                Err(error) => {
                    if upload.problem().is_none() {
                        upload.fail(&error.to_string());
                    }
                    tracing::warn!(digest = upload.digest, %error, "the upload of a firmware image is broken off");
                    Some((Err(error), (upload, None)))
                }
            }
        })
    }

    async fn next(&self, sending: &mut Sending) -> io::Result<Vec<u8>> {
        let file = match &mut sending.file {
            Some(file) => file,
            None => sending.file.insert(tokio::fs::File::open(&self.path).await?),
        };
        let mut chunk = vec![0; usize::try_from(sending.left).unwrap_or(CHUNK).min(CHUNK)];
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was sent"));
        }
        chunk.truncate(read);
        sending.sha.update(&chunk);
        sending.left = sending.left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        if sending.left == 0 {
            let found = format!("{:x}", sending.sha.clone().finalize());
            if found != self.digest {
                let text = format!("it has the digest {found} and not {}", self.digest);
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        if sending.left == 0 || sending.asked.elapsed() >= ASK {
            sending.asked = Instant::now();
            sending.gate.pass(false, ASK).await.map_err(|denied| {
                self.keep(denied.clone());
                io::Error::other(denied)
            })?;
        }
        Ok(chunk)
    }
}

struct Sending {
    file: Option<tokio::fs::File>,
    sha: Sha256,
    left: u64,
    asked: Instant,
    gate: Gate,
}
