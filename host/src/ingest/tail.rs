//! Follows the log or lease file of a DHCP server, for sites that may not run hooks.
//!
//! Promises that nothing written to the file is passed over, across restarts of either side and rotation: the place read to is
//! stored, and moves only after the leases before it were taken in. It sees less than a hook: lease files know nothing of an end in
//! time to tell, logs of plain dnsmasq and of ISC dhcpd nothing of vendor classes. The first start reads from the beginning of the file.

mod dhcpd;
mod dhcpd_log;
mod dnsmasq;
mod infer;
mod kea;
mod position;
mod source;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use farrier_lifecycle::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::position::Store;
use self::source::Source;
use super::{Class, Filter, LeaseError, LeaseSink, Parsed, SinkError, clean, from_foreign};

/// Between two looks at the file.
const POLL: Duration = Duration::from_millis(200);

/// Longest pause after the sink or the file was away.
const LONGEST: Duration = Duration::from_secs(15);

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Log of dnsmasq; with `log-dhcp` it has vendor classes.
    DnsmasqLog,
    /// dnsmasq's lease file.
    DnsmasqLeases,
    /// ISC dhcpd's lease file; a `host` with `fixed-address` is not in it.
    DhcpdLeases,
    /// Log of ISC dhcpd.
    DhcpdLog,
    /// Kea's lease file (memfile).
    KeaCsv,
    /// Log of Kea.
    KeaLog,
}

impl Format {
    /// The server's name, as hooks write it.
    const fn server(self) -> &'static str {
        match self {
            Self::DnsmasqLog | Self::DnsmasqLeases => "dnsmasq",
            Self::DhcpdLeases | Self::DhcpdLog => "isc",
            Self::KeaCsv | Self::KeaLog => "kea",
        }
    }
}

/// A file that cannot be followed now, or leases that were not taken in.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The file or the stored position.
    #[error("follow `{path}`: {problem}")]
    File {
        /// Which of them.
        path: String,
        /// What the system said.
        problem: std::io::Error,
    },
    /// Nothing in the file says what it is.
    #[error("what `{path}` is cannot be told from what stands in it; --format says it: {formats}")]
    Unknown {
        /// Which file.
        path: String,
        /// The words for what it may be.
        formats: String,
    },
    /// Where the leases go to is away.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// What a format makes of fresh bytes.
#[derive(Debug, Default)]
struct Batch {
    /// Bytes that need not be seen again.
    consumed: usize,
    /// Leases, as written.
    leases: Vec<Parsed>,
    /// What is known of a file that is rewritten as a whole.
    known: Option<BTreeMap<String, String>>,
}

/// What of a format must be remembered from one piece of the file to the next.
#[derive(Debug)]
enum Reader {
    DnsmasqLog(dnsmasq::Log),
    DhcpdLeases,
    DhcpdLog,
    KeaCsv,
    KeaLog,
}

impl Reader {
    /// `None` for lease files that are rewritten as a whole.
    fn new(format: Format) -> Option<Self> {
        Some(match format {
            Format::DnsmasqLog => Self::DnsmasqLog(dnsmasq::Log::default()),
            Format::DhcpdLeases => Self::DhcpdLeases,
            Format::DhcpdLog => Self::DhcpdLog,
            Format::KeaCsv => Self::KeaCsv,
            Format::KeaLog => Self::KeaLog,
            Format::DnsmasqLeases => return None,
        })
    }

    fn read(&mut self, fresh: &[u8], now: Timestamp) -> Batch {
        match self {
            Self::DnsmasqLog(log) => log.read(fresh, now),
            Self::DhcpdLeases => dhcpd::read(fresh, now),
            Self::DhcpdLog => dhcpd_log::read(fresh, now),
            Self::KeaCsv => kea::read_csv(fresh, now),
            Self::KeaLog => kea::read_log(fresh, now),
        }
    }
}

/// One followed file.
pub struct Tail {
    format: Format,
    reader: Option<Reader>,
    source: Source,
    store: Store,
    filter: Filter,
}

impl Tail {
    /// Follow `path`; the position is kept in `state_dir`, which is made if missing.
    pub fn open(path: &Path, format: Format, state_dir: &Path, filter: Filter) -> Result<Self, TailError> {
        let store = Store::new(state_dir, path).map_err(|problem| fault(state_dir, problem))?;
        let source = Source::new(path, store.load());
        Ok(Self { format, reader: Reader::new(format), source, store, filter })
    }

    /// Deliver what is new; how many leases were taken in. Nothing of it is stored before all of it is delivered.
    pub async fn pass(&mut self, sink: &dyn LeaseSink) -> Result<usize, TailError> {
        let mut taken = 0;
        loop {
            let now = now();
            let Some(batch) = self.next(now).map_err(|problem| fault(self.source.path(), problem))? else {
                return Ok(taken);
            };
            for parsed in latest(batch.leases) {
                taken += usize::from(self.deliver(&parsed, sink).await?);
            }
            if let Some(known) = batch.known {
                self.source.learn(known);
            }
            self.source.advance(batch.consumed).map_err(|problem| fault(self.source.path(), problem))?;
            self.store.save(self.source.position()).map_err(|problem| fault(self.store.path(), problem))?;
        }
    }

    fn next(&mut self, now: Timestamp) -> std::io::Result<Option<Batch>> {
        let Some(reader) = &mut self.reader else {
            let Some(text) = self.source.whole()? else { return Ok(None) };
            let (leases, known) = dnsmasq::read_leases(&text, &self.source.position().known, now);
            return Ok(Some(Batch { consumed: 0, leases, known: Some(known) }));
        };
        let Some(fresh) = self.source.fresh()? else { return Ok(None) };
        let mut batch = reader.read(&fresh.bytes, now);
        if batch.consumed == 0 {
            if !fresh.full {
                return Ok(None);
            }
            warn!(file = %self.source.path().display(), bytes = fresh.bytes.len(), "passed over something endless in the file");
            batch.consumed = fresh.bytes.len();
        }
        Ok(Some(batch))
    }

    async fn deliver(&self, parsed: &Parsed, sink: &dyn LeaseSink) -> Result<bool, SinkError> {
        let lease = &parsed.lease;
        if let Class::Ignored(reason) = self.filter.classify(parsed) {
            debug!(mac = %lease.mac, ip = %lease.ip, code = reason.code(), %reason, "lease ignored");
            return Ok(false);
        }
        match sink.deliver(lease).await {
            Ok(()) => Ok(true),
            Err(SinkError::Refused(reason)) => {
                warn!(mac = %lease.mac, ip = %lease.ip, reason, "lease refused");
                Ok(false)
            }
            Err(away) => Err(away),
        }
    }
}

/// Follow until `shutdown`. While the sink or the file is away, the position stays and the pause between tries grows.
pub async fn follow(mut tail: Tail, sink: &dyn LeaseSink, shutdown: &CancellationToken) {
    info!(file = %tail.source.path().display(), format = ?tail.format, "reading leases from a file");
    let mut pause = POLL;
    loop {
        let wait = match tail.pass(sink).await {
            Ok(_) => {
                pause = POLL;
                POLL
            }
            Err(error) => {
                warn!(%error, retry_ms = pause.as_millis(), "leases wait in the file");
                let wait = pause;
                pause = (pause * 2).min(LONGEST);
                wait
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// The last word on each address, in order of lease time: what a file says earlier of an address is history.
fn latest(leases: Vec<Parsed>) -> Vec<Parsed> {
    let last: HashMap<IpAddr, usize> =
        leases.iter().enumerate().map(|(index, parsed)| (parsed.lease.ip, index)).collect();
    let mut kept: Vec<Parsed> = leases
        .into_iter()
        .enumerate()
        .filter(|(index, parsed)| last.get(&parsed.lease.ip) == Some(index))
        .map(|(_, parsed)| parsed)
        .collect();
    kept.sort_by_key(|parsed| parsed.lease.at);
    kept
}

/// A lease from the words of a file; one that cannot be read is named in the log and passed over.
fn lease(format: Format, words: &[(&str, &str)], now: Timestamp) -> Option<Parsed> {
    let server = [("source", format.server())];
    let fields: Vec<(String, String)> =
        words.iter().chain(&server).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    from_foreign(&fields, now)
        .inspect_err(|error: &LeaseError| {
            let shown = clean(format!("{words:?}").as_bytes()).unwrap_or_default();
            warn!(%error, code = error.code(), words = shown, "passed over a lease in the file");
        })
        .ok()
}

/// The complete lines, without their ends, and the bytes they take.
fn lines(fresh: &[u8]) -> (Vec<String>, usize) {
    let end = fresh.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let text = String::from_utf8_lossy(fresh.get(..end).unwrap_or_default());
    (text.lines().map(str::to_owned).collect(), end)
}

fn fault(path: &Path, problem: std::io::Error) -> TailError {
    TailError::File { path: path.display().to_string(), problem }
}

fn now() -> Timestamp {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).map(Timestamp).unwrap_or_default()
}
