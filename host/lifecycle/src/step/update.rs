//! A firmware wave takes a ready server back to update.
//!
//! Promises that only a server at rest, promised to nobody and held by nobody is taken, and that one wave takes it once: whoever asks
//! again after a crash, or beside another who asks the same, moves nothing. An active server is never taken; it is its tenant's.

use super::request::refused;
use super::{Refused, Step, Walk};
use crate::{Note, NoteKind, Stage};

impl Walk<'_> {
    pub(super) fn update(&self, by: &str, wave: &str) -> Result<Step, Refused> {
        let before = self.before;
        if before.wave.as_deref() == Some(wave) {
            return Ok(Step::Ignore("this wave has taken it already"));
        }
        self.not_held()?;
        if before.in_service() {
            let text = "the server is in a tenant's hands";
            return Err(refused("active", text, "`farrier server release NAME` first; a wave takes ready servers"));
        }
        if !before.is_ready() {
            return Err(refused(
                "not-ready",
                format!("the server is {}, not ready", before.lifecycle_state()),
                "a server that is not ready gets its firmware on its way to ready",
            ));
        }
        self.not_promised(None)?;
        let mut server = self.next();
        server.wave = Some(wave.to_owned());
        self.enter(&mut server, Stage::Update);
        let text = format!("update: firmware wave {wave}, requested by {by}");
        Ok(self.commit(server, Some(Note::new(NoteKind::Info, text))))
    }
}
