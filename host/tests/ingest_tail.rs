//! Following a file through restarts, rotation, truncation and a sink that is away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use farrier::ingest::tail::{Format, Tail};
use farrier::ingest::{Filter, LeaseSink, SinkError};
use farrier_lifecycle::Lease;
use tempfile::TempDir;

#[derive(Default)]
struct Kept {
    ips: Mutex<Vec<String>>,
    away: Mutex<bool>,
}

#[async_trait::async_trait]
impl LeaseSink for Kept {
    async fn deliver(&self, lease: &Lease) -> Result<(), SinkError> {
        if *self.away.lock().unwrap() {
            return Err(SinkError::Away("down".to_owned()));
        }
        self.ips.lock().unwrap().push(lease.ip.to_string());
        Ok(())
    }
}

struct Bench {
    dir: TempDir,
    sink: Kept,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), sink: Kept::default() }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("dnsmasq.log")
    }

    fn open(&self, format: Format) -> Tail {
        Tail::open(&self.log(), format, &self.dir.path().join("state"), Filter::default()).unwrap()
    }

    /// What one pass delivers.
    async fn pass(&self, tail: &mut Tail) -> Vec<String> {
        tail.pass(&self.sink).await.unwrap();
        std::mem::take(&mut self.sink.ips.lock().unwrap())
    }

    fn ack(&self, ips: &[&str]) {
        append(&self.log(), ips);
    }
}

fn append(path: &Path, ips: &[&str]) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    for ip in ips {
        let last = ip.rsplit('.').next().unwrap();
        writeln!(file, "Nov 22 15:47:17 dnsmasq-dhcp[77]: DHCPACK(eth0) {ip} a0:36:9f:01:00:{last}").unwrap();
    }
}

#[tokio::test]
async fn a_restart_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let mut tail = bench.open(Format::DnsmasqLog);
    assert!(tail.pass(&bench.sink).await.is_err(), "the file is missing");
    bench.ack(&["10.0.0.1", "10.0.0.2"]);
    assert_eq!(bench.pass(&mut tail).await, ["10.0.0.1", "10.0.0.2"]);
    drop(tail);
    bench.ack(&["10.0.0.3"]);
    let mut tail = bench.open(Format::DnsmasqLog);
    assert_eq!(bench.pass(&mut tail).await, ["10.0.0.3"]);
    assert_eq!(bench.pass(&mut tail).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_rotated_file_is_read_to_its_end_also_when_nobody_looked() {
    let bench = Bench::new();
    let mut tail = bench.open(Format::DnsmasqLog);
    bench.ack(&["10.0.0.1"]);
    assert_eq!(bench.pass(&mut tail).await, ["10.0.0.1"]);
    let rotated = bench.dir.path().join("dnsmasq.log.1");
    std::fs::rename(bench.log(), &rotated).unwrap();
    append(&rotated, &["10.0.0.2"]);
    assert_eq!(bench.pass(&mut tail).await, ["10.0.0.2"], "its writer still writes there");
    append(&rotated, &["10.0.0.3"]);
    drop(tail);
    bench.ack(&["10.0.0.4"]);
    let mut tail = bench.open(Format::DnsmasqLog);
    let mut seen = bench.pass(&mut tail).await;
    seen.extend(bench.pass(&mut tail).await);
    assert_eq!(seen, ["10.0.0.3", "10.0.0.4"]);
}

#[tokio::test]
async fn truncation_and_a_file_of_the_same_inode_begin_anew() {
    let bench = Bench::new();
    let mut tail = bench.open(Format::DnsmasqLog);
    bench.ack(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_eq!(bench.pass(&mut tail).await.len(), 3);
    File::options().write(true).open(bench.log()).unwrap().set_len(0).unwrap();
    bench.ack(&["10.0.0.4"]);
    assert_eq!(bench.pass(&mut tail).await, ["10.0.0.4"], "shorter than it was");
    File::options().write(true).open(bench.log()).unwrap().set_len(0).unwrap();
    bench.ack(&["10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8"]);
    assert_eq!(bench.pass(&mut tail).await.len(), 4, "longer than it was, but not the same");
}

#[tokio::test]
async fn nothing_is_stored_before_it_is_delivered() {
    for format in [Format::DnsmasqLog, Format::DnsmasqLeases] {
        let bench = Bench::new();
        match format {
            Format::DnsmasqLog => bench.ack(&["10.0.0.1"]),
            _ => std::fs::write(bench.log(), "0 a0:36:9f:01:00:01 10.0.0.1 * *\n").unwrap(),
        }
        let mut tail = bench.open(format);
        *bench.sink.away.lock().unwrap() = true;
        assert!(tail.pass(&bench.sink).await.is_err());
        assert!(tail.pass(&bench.sink).await.is_err(), "{format:?}: still undelivered");
        *bench.sink.away.lock().unwrap() = false;
        assert_eq!(bench.pass(&mut tail).await, ["10.0.0.1"], "{format:?}");
        let mut again = bench.open(format);
        assert_eq!(bench.pass(&mut again).await, Vec::<String>::new(), "{format:?}: stored");
    }
}

#[tokio::test]
async fn the_last_word_on_an_address_counts() {
    let bench = Bench::new();
    let header =
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
    let row = |ip: &str, mac: &str, life: u32, expire: u64| format!("{ip},{mac},,{life},{expire},77,0,0,,0,\n");
    let text = [
        header.to_owned(),
        row("10.0.0.1", "a0:36:9f:01:00:01", 3600, 4_000_000_000),
        row("10.0.0.2", "a0:36:9f:01:00:02", 3600, 4_000_000_000),
        row("10.0.0.1", "a0:36:9f:01:00:01", 0, 1_795_000_000),
    ];
    std::fs::write(bench.log(), text.concat()).unwrap();
    let mut tail = bench.open(Format::KeaCsv);
    assert_eq!(bench.pass(&mut tail).await, ["10.0.0.2"], "the first was released");
}
