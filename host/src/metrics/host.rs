//! The host's own series: itself, the store, the pipeline's work, plugins. Shown to those only who see every server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::DescriptorEncoder;

use super::counts::Counts;
use super::families as family;
use super::store::Store;
use crate::inventory::Lag;
use crate::monitor::label;
use crate::plugin::Plugin;

/// What is shown of the host.
pub struct Host {
    pub store: Store,
    pub leads: bool,
    pub polls: Vec<(Arc<str>, u64)>,
    pub lag: Lag,
    pub plugins: Vec<Arc<Plugin>>,
    pub counts: Arc<Counts>,
}

/// Bytes of memory the process has, as the kernel says.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kibibytes.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1024)
}

impl Host {
    /// The process, and whether the store answers.
    pub fn itself(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        family::BUILD.write(encoder, |samples| samples.info(&[env!("CARGO_PKG_VERSION")]))?;
        family::MEMORY.write(encoder, |samples| resident().map_or(Ok(()), |bytes| samples.gauge(&[], bytes)))?;
        family::BUS_UP.write(encoder, |samples| samples.gauge(&[], i64::from(self.store.up)))?;
        family::LEADER.write(encoder, |samples| samples.gauge(&[], i64::from(self.leads)))
    }

    /// What it works on and has counted.
    pub fn work(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        family::POLLS.write(encoder, |samples| {
            self.polls.iter().try_for_each(|(outcome, count)| samples.counter(&[outcome], *count))
        })?;
        self.store(encoder)?;
        family::LAG.write(encoder, |samples| {
            let behind = Duration::from_millis(self.lag.behind_ms).as_secs_f64();
            if self.lag.elected { samples.gauge(&[], behind) } else { Ok(()) }
        })?;
        self.counted(encoder)?;
        self.plugins(encoder)
    }

    fn store(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let streams = || self.store.status.iter().flat_map(|status| &status.streams);
        family::BACKLOG.write(encoder, |samples| {
            streams().try_for_each(|one| samples.gauge(&[one.stage.as_str()], one.length.saturating_sub(one.in_flight)))
        })?;
        family::IN_FLIGHT.write(encoder, |samples| {
            streams().try_for_each(|one| samples.gauge(&[one.stage.as_str()], one.in_flight))
        })?;
        let status = self.store.status.as_ref();
        let mut one = |family: family::Family, value: Option<u64>| {
            family.write(encoder, |samples| value.map_or(Ok(()), |value| samples.gauge(&[], value)))
        };
        one(family::DEAD, status.map(|status| status.dead))?;
        one(family::TIMERS, status.map(|status| status.timers))?;
        one(family::DRIFT, status.map(|_| self.store.drift))?;
        family::CASES.write(encoder, |samples| {
            self.store.cases.iter().try_for_each(|(code, count)| samples.gauge(&[code], *count))
        })?;
        family::ORDERS.write(encoder, |samples| {
            self.store.orders.iter().try_for_each(|(state, count)| samples.gauge(&[state], *count))
        })?;
        family::WAVE_SERVERS.write(encoder, |samples| {
            self.store.waves.iter().try_for_each(|((wave, state), count)| samples.gauge(&[wave, state], *count))
        })
    }

    fn counted(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        // Copied, so that nothing is held while a slow reader takes the bytes.
        let (transitions, failures, seconds) = {
            let counted = self.counts.read();
            (counted.transitions.clone(), counted.failures.clone(), counted.stage_seconds.clone())
        };
        family::TRANSITIONS.write(encoder, |samples| {
            transitions.iter().try_for_each(|((stage, event), count)| samples.counter(&[stage.as_str(), event], *count))
        })?;
        family::FAILURES.write(encoder, |samples| {
            failures.iter().try_for_each(|((stage, code), count)| samples.counter(&[stage.as_str(), code], *count))
        })?;
        family::STAGE_DURATION.write(encoder, |samples| {
            seconds.iter().try_for_each(|(stage, histogram)| samples.histogram(&[stage.as_str()], histogram))
        })
    }

    fn plugins(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (calls, seconds) = {
            let counted = self.counts.read();
            (counted.calls.clone(), counted.call_seconds.clone())
        };
        family::PLUGIN.write(encoder, |samples| {
            self.plugins
                .iter()
                .try_for_each(|plugin| samples.info(&[&label(&plugin.info.name), &label(&plugin.info.version)]))
        })?;
        family::CALLS.write(encoder, |samples| {
            calls.iter().try_for_each(|((plugin, function, outcome), count)| {
                samples.counter(&[plugin, function, outcome], *count)
            })
        })?;
        family::CALL_DURATION.write(encoder, |samples| {
            seconds
                .iter()
                .try_for_each(|((plugin, function), histogram)| samples.histogram(&[plugin, function], histogram))
        })
    }
}
