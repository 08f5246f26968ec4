//! Accounts: created by POST, or by filling Dell's slots.
//!
//! Promises the vendor's limits on number and password length, that a duplicate name is refused, and that a
//! changed password is in force at once. Sessions survive a password change, as they do on hardware.

use serde_json::Value;

use super::bmc::Bmc;
use super::config::Kind;
use super::profile::ACCOUNTS;
use super::read::dynamic;
use super::reply::{Message, Reply};
use super::serve::Ask;
use super::state::Account;
use crate::ledger::Kind as Count;

const ROLES: [&str; 4] = ["Administrator", "Operator", "ReadOnly", "None"];

impl Bmc {
    /// `POST` to the accounts.
    pub(super) fn create_account(&self, json: &Value) -> Reply {
        let kind = self.kind();
        let mut account = Account { role: "ReadOnly".to_owned(), enabled: true, ..Account::default() };
        if let Err(message) = self.fill(&mut account, json) {
            return Reply::refuse(kind, 400, &[message]);
        }
        if account.username.is_empty() || account.password.is_empty() {
            return Reply::refuse_base(kind, 400, "CreateFailedMissingReqProperties", &["UserName"]);
        }
        let mut state = self.state();
        if state.accounts.values().any(|other| other.username == account.username) {
            let hpe = matches!(kind, Kind::HpeIlo5 | Kind::HpeIlo6);
            let id = if hpe {
                "iLO.2.24.UserAlreadyExist".to_owned()
            } else {
                format!("{}.ResourceAlreadyExists", self.profile.base)
            };
            return Reply::refuse(kind, 400, &[Message::full(&id, &[&account.username])]);
        }
        let free = (self.profile.first_account..=self.profile.last_account).find(|id| !state.accounts.contains_key(id));
        let Some(id) = free else {
            return Reply::refuse_base(kind, 400, "CreateLimitReachedForResource", &[]);
        };
        state.accounts.insert(id, account);
        let body = dynamic(&state, kind, "account", &id.to_string());
        drop(state);
        self.count(Count::SettingsChange, &format!("account {id} created"));
        Reply::json(201, body.unwrap_or_default()).header("Location", format!("{ACCOUNTS}/{id}"))
    }

    /// `PATCH` of one account or slot.
    pub(super) fn patch_account(&self, at: &str, id: &str, json: &Value) -> Reply {
        let kind = self.kind();
        let number = id.parse::<u32>().unwrap_or_default();
        let Some(before) = self.state().accounts.get(&number).cloned() else { return self.absent(at) };
        let mut after = before.clone();
        if let Err(message) = self.fill(&mut after, json) {
            return Reply::refuse(kind, 400, &[message]);
        }
        let mut state = self.state();
        let twin = state.accounts.iter().any(|(other, account)| *other != number && account.username == after.username);
        if twin && !after.username.is_empty() {
            return Reply::refuse_base(kind, 400, "PropertyValueConflict", &["UserName"]);
        }
        let facts = |account: &Account| {
            (account.username.clone(), account.password.clone(), account.role.clone(), account.enabled)
        };
        let changed = facts(&before) != facts(&after);
        state.accounts.insert(number, after);
        let body = dynamic(&state, kind, "account", id);
        drop(state);
        let detail = format!("account {id}");
        self.count(if changed { Count::SettingsChange } else { Count::NoChange }, &detail);
        Reply::done(kind, Some("Base.1.17.AccountModified").filter(|_| changed), body)
    }

    /// `DELETE` of one account.
    pub(super) fn delete_account(&self, ask: &Ask, id: &str) -> Reply {
        let at = super::resource::key(&ask.path);
        if let Err(reply) = self.precondition(ask, &at) {
            return reply;
        }
        let removed = id.parse::<u32>().ok().and_then(|id| self.state().accounts.remove(&id));
        if removed.is_none() {
            return self.missing(ask);
        }
        self.count(Count::SettingsChange, &format!("account {id} deleted"));
        Reply::done(self.kind(), None, None)
    }

    fn fill(&self, account: &mut Account, json: &Value) -> Result<(), Message> {
        let kind = self.kind();
        for (name, value) in json.as_object().into_iter().flatten() {
            let text = value.as_str();
            match (name.as_str(), text) {
                ("UserName", Some(text)) if text.len() <= 39 => text.clone_into(&mut account.username),
                ("Password", Some(text)) => {
                    let (least, most) = self.profile.password;
                    if text.len() < least || text.len() > most {
                        return Err(
                            Message::base(kind, "PropertyValueFormatError", &["", "Password"]).about("Password")
                        );
                    }
                    text.clone_into(&mut account.password);
                }
                ("RoleId", Some(text)) if ROLES.contains(&text) => text.clone_into(&mut account.role),
                ("Enabled", None) if value.is_boolean() => account.enabled = value.as_bool().unwrap_or(true),
                ("Oem" | "AccountTypes", _) => {}
                ("UserName" | "RoleId" | "Enabled", _) => {
                    return Err(Message::base(kind, "PropertyValueNotInList", &[&value.to_string(), name]).about(name));
                }
                _ => return Err(Message::base(kind, "PropertyUnknown", &[name]).about(name)),
            }
        }
        Ok(())
    }
}
