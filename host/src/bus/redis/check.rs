//! What must be so before work begins: a server that keeps what it is given, streams where streams belong.
//!
//! A list with a stream's name is what the proof of concept left, or what one of its hooks writes still: it is set aside as
//! `…:legacy` and drained, with the proof of concept's other lists, into `netbox:bmc:discovered`, one foreign entry with the
//! raw text in `d` for each element. Elements that are no leases end as dead letters where people see them.

use farrier_lifecycle::Stage;
use redis::{Value, cmd};

use super::link::{list, number, say, text};
use super::work::{data_of, stream};
use super::{BusError, RedisBus};
use crate::bus::Bus;
use crate::bus::shared::millis;

/// Lists of the proof of concept that are not named like a stream, and the end where their oldest element is.
pub(super) const LEGACY: [(&str, &str); 2] = [("bm:events:dhcp_lease", "left"), ("netbox:dhcp:leases", "right")];

/// What the server says of itself.
struct Info(String);

impl Info {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// `redis 7.0.15`, `valkey 9.1.2`.
    fn store(&self) -> String {
        match self.get("valkey_version") {
            Some(version) => format!("valkey {version}"),
            None => format!("redis {}", self.get("redis_version").unwrap_or("of an unknown version")),
        }
    }
}

fn unusable(problem: impl Into<String>, hint: &str) -> BusError {
    BusError::Unusable { problem: problem.into(), hint: hint.to_owned() }
}

impl RedisBus {
    async fn info(&self) -> Result<Info, BusError> {
        self.main.query(&cmd("INFO")).await.and_then(|info| text(&info)).map(Info)
    }

    /// The store's name and version.
    pub(super) async fn store(&self) -> Result<String, BusError> {
        Ok(self.info().await?.store())
    }

    /// Everything [`Bus::check`] promises.
    pub(super) async fn check_all(&self) -> Result<Vec<String>, BusError> {
        let mut warnings = check_server(&self.info().await?)?;
        self.library.load(&self.main).await.map_err(|error| say(&error))?;
        for stage in Stage::WORKED {
            let key = self.library.key(stream(stage));
            let mut call = self.library.call_bare("set_aside");
            call.arg(&key);
            if self.call(&call).await? == Value::Int(1) {
                warnings
                    .push(format!("`{key}` was a list; it is `{key}:legacy` now, and drained. Writers must use XADD"));
            }
            self.check_type(&key).await?;
        }
        for key in ["farrier:journal", "farrier:audit", "farrier:dead"] {
            self.check_type(&self.library.key(key)).await?;
        }
        let mut call = self.library.call("adopt");
        call.arg(self.now()).arg(millis(self.lease)).arg(Stage::WORKED.map(stream).as_slice());
        self.call(&call).await?;
        if let Some((host, _)) = &self.host {
            let mut call = self.library.call("take_back");
            call.arg(host).arg(&self.process).arg(Stage::WORKED.map(stream).as_slice());
            let taken = number(&self.call(&call).await?)?;
            if taken > 0 {
                tracing::info!(taken, "commands of this host's earlier process taken back");
            }
        }
        self.import().await?;
        let swept = self.sweep_now().await?;
        if swept > 0 {
            warnings.push(format!("{swept} commands stood on no stream and were published again"));
        }
        Ok(warnings)
    }

    async fn check_type(&self, key: &str) -> Result<(), BusError> {
        let kind = text(&self.main.query(cmd("TYPE").arg(key)).await?)?;
        if matches!(kind.as_str(), "none" | "stream") {
            return Ok(());
        }
        Err(unusable(
            format!("`{key}` is a {kind}, not a stream"),
            "rename the key, or give this host a database of its own",
        ))
    }

    /// Drain legacy lists, a bounded number of elements.
    pub(super) async fn import(&self) -> Result<(), BusError> {
        let mut call = self.library.call_bare("import");
        call.arg(self.library.key(stream(Stage::Discover)));
        for (key, end) in LEGACY {
            call.arg(key).arg(end);
        }
        for stage in Stage::WORKED {
            let (bare, key) = (stream(stage), self.library.key(stream(stage)));
            call.arg(format!("{key}:legacy")).arg("right");
            if bare != key {
                // With a site, the bare name may still be what an old hook writes.
                call.arg(bare).arg("right").arg(format!("{bare}:legacy")).arg("right");
            }
        }
        let moved = number(&self.call(&call).await?)?;
        if moved > 0 {
            tracing::info!(moved, "elements of legacy lists taken over");
        }
        Ok(())
    }

    /// One call for each server that has a command outstanding.
    pub(super) async fn sweep_now(&self) -> Result<u64, BusError> {
        let mut swept = 0;
        for command in self.list().await?.iter().filter_map(farrier_lifecycle::Server::outstanding) {
            let mut call = self.library.call("sweep");
            call.arg(command.server.as_str()).arg(stream(command.stage)).arg(command.token.to_string());
            call.arg(data_of(&command.server, command.stage, command.token)?);
            if self.call(&call).await? == Value::Int(1) {
                tracing::warn!(server = %command.server, stage = %command.stage, "a lost command is published again");
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// All ids, in order.
    pub(super) async fn ids(&self) -> Result<Vec<String>, BusError> {
        let answer = self.main.query(cmd("SMEMBERS").arg(self.library.key("farrier:servers"))).await?;
        let mut ids: Vec<_> = list(answer)?.iter().map(text).collect::<Result<_, _>>()?;
        ids.sort();
        Ok(ids)
    }
}

/// Refuse what loses entries, warn of what may.
fn check_server(info: &Info) -> Result<Vec<String>, BusError> {
    let version = info.get("redis_version").unwrap_or_default();
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < 7 {
        return Err(unusable(format!("the server is {}", info.store()), "Redis 7.0 or Valkey 7.2, or newer"));
    }
    if info.get("role") == Some("slave") {
        return Err(unusable("the server is a replica", "set `bus.url` to the primary"));
    }
    let mut warnings = Vec::new();
    let policy = info.get("maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" {
        let problem = format!("`maxmemory-policy` is {policy}, which deletes entries when memory is short");
        if info.get("maxmemory") != Some("0") {
            return Err(unusable(problem, "set `maxmemory-policy noeviction`"));
        }
        warnings.push(format!("{problem}; set `maxmemory-policy noeviction`"));
    }
    if info.get("aof_enabled") != Some("1") {
        warnings.push("the server keeps no append-only file: a restart loses what came since the last snapshot; set `appendonly yes`".to_owned());
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(text: &str) -> Info {
        Info(text.replace(' ', "\r\n"))
    }

    #[test]
    fn a_server_that_loses_entries_is_refused() {
        for bad in [
            "redis_version:6.2.14",
            "redis_version:7.0.15 role:slave",
            "redis_version:7.0.15 maxmemory:100000 maxmemory_policy:allkeys-lru",
        ] {
            assert!(matches!(check_server(&info(bad)), Err(BusError::Unusable { .. })), "{bad}");
        }
    }

    #[test]
    fn a_server_that_may_lose_entries_is_warned_of() {
        let good = "redis_version:7.2.4 valkey_version:9.1.2 role:master maxmemory:0 maxmemory_policy:noeviction aof_enabled:1";
        assert_eq!(check_server(&info(good)).unwrap(), Vec::<String>::new());
        assert_eq!(info(good).store(), "valkey 9.1.2");
        let poor = "redis_version:7.0.15 maxmemory:0 maxmemory_policy:allkeys-lru aof_enabled:0";
        assert_eq!(check_server(&info(poor)).unwrap().len(), 2);
    }
}
