//! The Lua function library: its text, its name, its calls.
//!
//! Promises that two versions of this program can share one server: library and functions are named by the hash of their
//! text, so neither replaces the other's.

use redis::{Cmd, RedisError, cmd};
use sha2::{Digest, Sha256};

use super::link::Link;

const TEXT: &str = concat!(include_str!("bus.lua"), "\n", include_str!("side.lua"));

/// The library, and the shard it is called for.
pub struct Library {
    text: String,
    prefix: String,
    suffix: String,
    route: String,
}

impl Library {
    /// For the shard of this site.
    pub fn new(site: Option<&str>) -> Self {
        let hash = Sha256::digest(TEXT);
        let id = hash.iter().take(4).fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
        // In braces it is a hash tag: all keys of a site live in one slot.
        let suffix = site.map(|site| format!(":{{{site}}}")).unwrap_or_default();
        Self {
            text: TEXT.replace("@ID@", &id),
            prefix: format!("farrier_{id}_"),
            route: format!("farrier:journal{suffix}"),
            suffix,
        }
    }

    /// A key in its shard.
    pub fn key(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    /// The start of a call: function, routing key, suffix. Arguments follow.
    pub fn call(&self, function: &str) -> Cmd {
        let mut call = cmd("FCALL");
        call.arg(format!("{}{function}", self.prefix)).arg(1).arg(&self.route).arg(&self.suffix);
        call
    }

    /// A call of a function that takes keys as they are, in no shard.
    pub fn call_bare(&self, function: &str) -> Cmd {
        let mut call = cmd("FCALL");
        call.arg(format!("{}{function}", self.prefix)).arg(0);
        call
    }

    /// Load it; that it is there already is as good.
    pub async fn load(&self, link: &Link) -> Result<(), RedisError> {
        match link.once(cmd("FUNCTION").arg("LOAD").arg(&self.text)).await {
            Err(error) if error.to_string().contains("already exists") => Ok(()),
            answer => answer.map(drop),
        }
    }
}
