//! The list of servers, adding and removing.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::answers::{self, error};
use super::route::OneView;
use super::state::{Hardware, Work, uuid};
use crate::redfish::reply::Reply;
use crate::redfish::serve::Ask;

impl OneView {
    /// A list with `start`, `count`, and a `filter` on these members; anything else in the query is a violation.
    pub(super) fn list(&self, ask: &Ask, members: &[Value], filters: &[&str]) -> Reply {
        let (mut start, mut count, mut wanted, mut rest) = (0_usize, self.desk.setup.page, None, String::new());
        for pair in ask.query.as_deref().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, raw) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(raw).decode_utf8_lossy().into_owned();
            match key {
                "start" if value.parse::<usize>().is_ok() => start = value.parse().unwrap_or(0),
                // The appliance gives no more than a page, whatever is asked for.
                "count" if value.parse::<i64>().is_ok() => {
                    count = value.parse::<usize>().unwrap_or(usize::MAX).min(self.desk.setup.page);
                }
                "sort"
                    if value
                        .split_once(':')
                        .is_some_and(|(_, way)| matches!(way, "ascending" | "descending" | "asc" | "desc")) =>
                {
                    rest = format!("{rest}&{pair}");
                }
                "filter" => {
                    wanted = expression(&value).filter(|(name, _)| filters.contains(&name.as_str()));
                    if wanted.is_none() {
                        return self.wrong(
                            ask,
                            400,
                            "LAB_FILTER",
                            &format!("a filter the appliance does not know: {value}"),
                        );
                    }
                    rest = format!("{rest}&{pair}");
                }
                _ => return self.wrong(ask, 400, "LAB_QUERY", &format!("unknown in the query: {pair}")),
            }
        }
        let fits = |member: &&Value| {
            wanted.as_ref().is_none_or(|(name, value)| member.get(name).and_then(Value::as_str) == Some(value.as_str()))
        };
        let found: Vec<Value> = members.iter().filter(fits).cloned().collect();
        answers::page(&ask.path, &found, start, count, &rest)
    }

    pub(super) fn list_servers(&self, ask: &Ask) -> Reply {
        let state = self.state();
        let all: Vec<Value> = state
            .hardware
            .iter()
            .filter_map(|one| Some(answers::server(one, state.machines.get(one.machine)?)))
            .collect();
        drop(state);
        self.list(ask, &all, &["serialNumber", "uuid", "name"])
    }

    pub(super) fn one_server(&self, ask: &Ask, id: &str) -> Reply {
        let state = self.state();
        let found = state.server(id).map(|(hardware, machine)| answers::server(hardware, machine));
        let gone = state.gone.iter().any(|one| one.eq_ignore_ascii_case(id));
        drop(state);
        match found {
            Some(body) => Reply::json(200, body),
            None if gone => error(404, "LAB_NO_SUCH_SERVER", "The server is not there."),
            None => self.wrong(ask, 404, "LAB_NO_SUCH_SERVER", "a server that never was"),
        }
    }

    /// Add a rack server by its controller's address.
    pub(super) fn add(&self, ask: &Ask) -> Reply {
        let Some(body) = self.desk.json(ask) else { return error(400, "LAB_BODY", "The body is not JSON.") };
        let known = ["hostname", "username", "password", "force", "licensingIntent", "configurationState"];
        if let Some(reply) = self.keys(ask, &body, &known) {
            return reply;
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (address, username, password) = (text("hostname"), text("username"), text("password"));
        let intent = ["OneView", "OneViewNoiLO", "OneViewStandard"].contains(&text("licensingIntent").as_str());
        let kind = ["Managed", "Monitored"].contains(&text("configurationState").as_str());
        if address.is_empty() || username.is_empty() || password.is_empty() || !intent || !kind {
            return self.wrong(ask, 400, "LAB_ADD", "an add without address, account, licence or state");
        }
        if body.get("force") == Some(&Value::Bool(true)) {
            return self.wrong(ask, 400, "LAB_FORCE", "force takes a server from its owner");
        }
        let mut state = self.state();
        let at = state.machines.iter().position(|machine| machine.address == address);
        if let Some(at) = at
            && state.hardware.iter().any(|one| one.machine == at)
        {
            drop(state);
            return self.wrong(ask, 400, "LAB_ALREADY_ADDED", "the address is added a second time");
        }
        let planted = self.desk.failing();
        let lies = planted.is_none() && self.desk.lying();
        let machine = at.and_then(|at| state.machines.get(at));
        let error = match machine {
            _ if planted.is_some() => planted,
            None => Some("LAB_UNREACHABLE".to_owned()),
            Some(machine) if machine.username != username || machine.password != password => {
                Some("LAB_BMC_LOGIN".to_owned())
            }
            Some(machine) if machine.owner.is_some() => Some("LAB_OWNED_ELSEWHERE".to_owned()),
            Some(_) if lies => Some("LAB_LIES".to_owned()),
            Some(_) => None,
        };
        let id = uuid(&machine.map_or_else(|| address.clone(), |machine| machine.serial.clone()));
        if let Some(machine) = at {
            state.hardware.push(Hardware { uuid: id.clone(), machine, state: "Adding", profile: None });
        }
        let task = state.begin(Work::Add, &id, &address, self.desk.setup.work, error, lies);
        accepted(&task)
    }

    pub(super) fn remove(&self, ask: &Ask, id: &str) -> Reply {
        let mut state = self.state();
        let Some((hardware, machine)) = state.server(id) else {
            let gone = state.gone.iter().any(|one| one.eq_ignore_ascii_case(id));
            drop(state);
            return if gone {
                error(404, "LAB_NO_SUCH_SERVER", "The server is not there.")
            } else {
                self.wrong(ask, 404, "LAB_NO_SUCH_SERVER", "a server that never was")
            };
        };
        let (id, name, now) = (hardware.uuid.clone(), machine.address.clone(), hardware.state);
        if hardware.profile.is_some() || matches!(now, "Removing" | "Adding" | "UpdatingFirmware") {
            drop(state);
            return self.wrong(ask, 409, "LAB_NOT_REMOVABLE", &format!("removed while {now}"));
        }
        state.hardware.iter_mut().filter(|one| one.uuid == id).for_each(|one| one.state = "Removing");
        let error = self.desk.failing();
        let task = state.begin(Work::Remove, &id, &name, self.desk.setup.work, error, false);
        accepted(&task)
    }
}

/// 202 with the task's place, and the task itself.
pub(super) fn accepted(task: &super::state::Task) -> Reply {
    Reply::json(202, answers::task(task)).header("Location", format!("/rest/tasks/{}", task.id))
}

/// `"name='value'"`, with its quotes.
fn expression(text: &str) -> Option<(String, String)> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let (name, value) = inner.split_once('=')?;
    let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    Some((name.trim().to_owned(), value.to_owned()))
}
