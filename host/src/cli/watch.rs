//! `farrier watch`: what happens, line by line, until it is interrupted.
//!
//! Promises that no transition is left out or printed twice, also over a lost connection or a restart of the host: the stream is resumed
//! after the last event that was printed.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::Common;
use super::client::{Client, Failure, segment};
use super::output::{self, Format};
use crate::http::api::{FleetView, ProgressEvent, TransitionEvent};
use crate::http::view::ServerView;

/// Between two tries to reach a host that went away.
const PAUSE: Duration = Duration::from_secs(1);

/// What to follow.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Only this server: its name, id or BMC MAC
    name: Option<String>,
    /// End after this many transitions
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// One event of a stream, as it is put together from its lines.
#[derive(Default)]
struct Event {
    id: Option<String>,
    kind: String,
    data: String,
}

/// Takes a stream apart.
#[derive(Default)]
struct Reader {
    rest: Vec<u8>,
    event: Event,
}

impl Reader {
    /// The events that are whole with these bytes.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut whole = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            whole.extend(self.line(line.trim_end_matches(['\r', '\n'])));
        }
        whole
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment, or a field that does not concern us.
            _ => {}
        }
        None
    }
}

/// Who watches what, and how far.
struct Watch {
    format: Format,
    /// The id of the one server that is watched.
    server: Option<String>,
    left: Option<u64>,
    last: Option<String>,
}

/// Run until interrupted, or until enough was seen.
pub async fn command(common: &Common, args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(common)?;
    let server = match &args.name {
        Some(name) => {
            let server = client.get::<ServerView>(&format!("/api/v1/servers/{}", segment(name))).await?;
            Some(server.ok_or_else(|| client.no_host())?.id)
        }
        None => None,
    };
    let mut watch = Watch { format: common.output, server, left: args.count, last: cursor(&client).await? };
    let mut away = false;
    while watch.left != Some(0) {
        match follow(&client, &mut watch).await {
            Ok(()) => away = false,
            // It answers, and says no: it will say so again.
            Err(error) if error.is::<Failure>() && !is(&error, "no-host") => return Err(error),
            Err(error) => {
                if !away {
                    output::remark(&format!("the host is away, and tried again: {error:#}"));
                }
                away = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the journal is now; `None` for those who may not see the pipeline: they begin with what comes.
async fn cursor(client: &Client) -> anyhow::Result<Option<String>> {
    match client.get::<FleetView>("/api/v1/fleet").await {
        Ok(fleet) => Ok(Some(fleet.ok_or_else(|| client.no_host())?.cursor)),
        Err(error) if is(&error, "no-permission") => Ok(None),
        Err(error) => Err(error),
    }
}

fn is(error: &anyhow::Error, code: &str) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == code)
}

/// One connection, to its end.
async fn follow(client: &Client, watch: &mut Watch) -> anyhow::Result<()> {
    let mut response = client.events(watch.last.as_deref()).await?.ok_or_else(|| client.no_host())?;
    let mut reader = Reader::default();
    while let Some(bytes) = response.chunk().await? {
        for event in reader.feed(&bytes) {
            watch.take(&event)?;
            if watch.left == Some(0) {
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Watch {
    fn take(&mut self, event: &Event) -> anyhow::Result<()> {
        if let Some(id) = &event.id {
            self.last = Some(id.clone());
        }
        match event.kind.as_str() {
            "transition" => self.transition(&serde_json::from_str(&event.data)?),
            "progress" => self.progress(&serde_json::from_str(&event.data)?),
            "reset" => output::remark("the journal was lost or is too far ahead: something may be missing here"),
            _ => {}
        }
        Ok(())
    }

    fn wants(&self, server: &str) -> bool {
        self.server.as_ref().is_none_or(|only| only == server)
    }

    fn transition(&mut self, event: &TransitionEvent) {
        let entry = &event.entry;
        if !self.wants(&entry.server) {
            return;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.format == Format::Json {
            output::line(&serde_json::to_string(event).unwrap_or_default());
            return;
        }
        let note = entry.note.as_ref().map(|note| format!("  {}", note.text.replace('\n', "; "))).unwrap_or_default();
        let state = if entry.from == entry.to { entry.to.clone() } else { format!("{} → {}", entry.from, entry.to) };
        output::line(&format!(
            "{}  {}  {}/{}  {state}  {}{note}",
            entry.at, entry.name, entry.stage, entry.status, entry.event
        ));
    }

    fn progress(&self, event: &ProgressEvent) {
        if let (true, Some(line)) = (self.wants(&event.server) && self.format == Format::Text, &event.line) {
            output::line(&format!("{:24}  {}  {line}", "", event.server));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_taken_apart_however_it_is_cut() {
        let text = "event: transition\nid: 17\ndata: {\"a\":\ndata: 1}\n\n: quiet\n\nevent: progress\ndata: x\n\n";
        for cut in 1..text.len() {
            let mut reader = Reader::default();
            let events: Vec<Event> = text.as_bytes().chunks(cut).flat_map(|bytes| reader.feed(bytes)).collect();
            let seen: Vec<_> =
                events.iter().map(|event| (event.id.as_deref(), event.kind.as_str(), event.data.as_str())).collect();
            assert_eq!(seen, [(Some("17"), "transition", "{\"a\":\n1}"), (None, "progress", "x")], "{cut}");
        }
    }
}
