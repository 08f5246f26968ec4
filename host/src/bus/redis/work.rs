//! Fetches, waits, and the long calls: what the operations of the port are made of.

use std::time::Duration;

use farrier_lifecycle::{ServerId, Stage};
use redis::{Cmd, Value, cmd};

use super::link::{Link, breaks_link, list, pairs, say, text};
use super::{BLOCK, RedisBus};
use crate::bus::shared::{
    JOURNAL_KEPT, TIMELINE_KEPT, command_fields, entry, interest, millis, share, stage_of, to_json,
};
use crate::bus::{BusError, Commit, Entry, Fence};

impl RedisBus {
    /// Take what is there, without waiting; what an earlier caller never got comes first. With nothing, the last id of each
    /// stream.
    pub(super) async fn take_now(
        &self,
        stages: &[Stage],
        permits: usize,
    ) -> Result<(Vec<Entry>, Vec<String>), BusError> {
        let streams: Vec<_> = stages.iter().filter_map(|stage| stage.stream()).collect();
        let mut doubt = self.hands.fetch().await;
        let mut tried = 0;
        loop {
            if doubt.0 {
                let mut call = self.library.call("mine");
                call.arg(&self.process).arg(&streams);
                let lost = entries(self.call(&call).await?)?;
                let lost = lost.into_iter().filter(|entry| !self.hands.holds(entry.stage, &entry.id));
                let lost: Vec<_> = lost.take(permits).collect();
                if !lost.is_empty() {
                    self.hands.give(&lost);
                    return Ok((lost, Vec::new()));
                }
            }
            doubt.0 = true;
            let mut call = self.library.call("take");
            call.arg(&self.process).arg(self.now()).arg(millis(self.lease)).arg(permits);
            call.arg(share(permits, streams.len())).arg(&streams);
            match self.main.call_once(&self.library, &call).await {
                Ok(answer) => {
                    let mut parts = list(answer)?.into_iter();
                    let entries = entries(parts.next().unwrap_or_default())?;
                    let tails = list(parts.next().unwrap_or_default())?;
                    self.hands.give(&entries);
                    doubt.0 = false;
                    return Ok((entries, tails.iter().map(text).collect::<Result<_, _>>()?));
                }
                // Not simply repeated: what the lost reply said is read from the pending entries.
                Err(error) if breaks_link(&error) && tried == 0 => tried += 1,
                Err(error) => return Err(say(&error)),
            }
        }
    }

    /// The call that writes one change.
    pub(super) fn commit_call(&self, commit: &Commit) -> Result<Cmd, BusError> {
        let server = &commit.server;
        let outstanding = server.outstanding();
        let mut call = self.library.call("commit");
        call.arg(server.id.as_str()).arg(commit.expected).arg(server.version).arg(to_json(server)?);
        call.arg(outstanding.as_ref().map_or("", |command| stream(command.stage)));
        call.arg(outstanding.as_ref().map(|command| command.token.to_string()).unwrap_or_default());
        call.arg(server.timer().map(|at| at.0.to_string()).unwrap_or_default());
        call.arg(server.lease.ip.to_string()).arg(server.lease.at.0).arg(interest(server));
        call.arg(to_json(&commit.journal)?).arg(TIMELINE_KEPT).arg(JOURNAL_KEPT);
        let publish = commit.publish.as_ref();
        let data = publish.map(|command| data_of(&command.server, command.stage, command.token)).transpose()?;
        call.arg(data.unwrap_or_default()).arg(if commit.ack && commit.fence.is_some() { "1" } else { "" });
        let foreign = commit.ack_foreign.as_ref();
        call.arg(foreign.map_or("", |(stage, _)| stream(*stage))).arg(foreign.map_or("", |(_, id)| id.as_str()));
        if let Some(fence) = &commit.fence {
            fence_args(&mut call, fence);
        }
        Ok(call)
    }
}

/// Wait until something stands on one of these streams after the ids given, or for a while.
pub async fn wait_after(
    link: &tokio::sync::Mutex<Link>,
    keys: &[String],
    after: &[String],
    left: Duration,
) -> Result<(), BusError> {
    // The wait for the link is part of the wait: an event ends the one before it, too.
    let Ok(link) = tokio::time::timeout(left, link.lock()).await else { return Ok(()) };
    let mut read = cmd("XREAD");
    read.arg("COUNT").arg(1).arg("BLOCK").arg(millis(left.min(BLOCK)).max(1)).arg("STREAMS").arg(keys).arg(after);
    link.query(&read).await.map(drop)
}

/// Entries as the library answers them: stream, id, fields.
pub fn entries(value: Value) -> Result<Vec<Entry>, BusError> {
    let mut out = Vec::new();
    for item in list(value)? {
        let mut parts = list(item)?.into_iter();
        let mut next = || parts.next().unwrap_or_default();
        let (stream, id) = (text(&next())?, text(&next())?);
        out.push(entry(id, stage_of(&stream)?, pairs(next())?));
    }
    Ok(out)
}

/// The name of a stage's stream, without the site.
pub fn stream(stage: Stage) -> &'static str {
    stage.stream().unwrap_or_default()
}

/// Server, stream, token, epoch, owner, entry.
pub fn fence_args(call: &mut Cmd, fence: &Fence) {
    call.arg(fence.server.as_str()).arg(stream(fence.stage)).arg(fence.token.to_string());
    call.arg(fence.epoch).arg(&fence.owner).arg(&fence.entry);
}

/// The command of a fence, as its stream holds it.
pub fn data_of(server: &ServerId, stage: Stage, token: farrier_lifecycle::Token) -> Result<String, BusError> {
    let fields = command_fields(&farrier_lifecycle::Command { server: server.clone(), stage, token })?;
    Ok(fields.into_iter().next_back().map(|(_, data)| data).unwrap_or_default())
}
