//! Leases on a Redis that others work on, seen by `serve --observe`.
//!
//! Promises that each is judged as a host judges what stands on `netbox:bmc:discovered`, and that it stays there for whoever takes it.
//! An entry that cannot be read is named in the log once, and is nobody's dead letter. What the sink does not take is not asked for again:
//! an observer keeps nothing.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Class, Filter, LeaseSink, Parsed, from_foreign};
use crate::bus::{Fields, Peek};
use crate::egress::now;

/// Between two looks at the lists of the proof of concept; entries of the stream are seen at once.
const POLL: Duration = Duration::from_millis(200);

/// Longest pause after Redis was away.
const LONGEST: Duration = Duration::from_secs(15);

/// Deliver what is and what comes onto the bus until `shutdown`. While Redis is away, the pause between looks grows.
pub async fn follow(mut peek: Peek, filter: &Filter, sink: &dyn LeaseSink, shutdown: &CancellationToken) {
    info!("looking at leases on the bus, and taking none");
    let mut pause = POLL;
    while let Some(looked) = shutdown.run_until_cancelled(peek.look(POLL)).await {
        match looked {
            Ok(found) => {
                pause = POLL;
                deliver(&found, filter, sink).await;
            }
            Err(error) => {
                warn!(%error, retry_ms = pause.as_millis(), "leases on the bus are not seen");
                shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}

async fn deliver(found: &[Fields], filter: &Filter, sink: &dyn LeaseSink) {
    let mut leases: Vec<Parsed> = found.iter().filter_map(|fields| read(fields)).collect();
    leases.sort_by_key(|parsed| parsed.lease.at);
    for parsed in &leases {
        let lease = &parsed.lease;
        if let Class::Ignored(reason) = filter.classify(parsed) {
            debug!(mac = %lease.mac, ip = %lease.ip, code = reason.code(), %reason, "lease ignored");
        } else if let Err(error) = sink.deliver(lease).await {
            warn!(mac = %lease.mac, ip = %lease.ip, %error, "a lease on the bus was seen and not looked into");
        }
    }
}

fn read(fields: &[(String, String)]) -> Option<Parsed> {
    from_foreign(fields, now())
        .inspect_err(|error| warn!(%error, code = error.code(), "an entry on the bus is no lease"))
        .ok()
}
