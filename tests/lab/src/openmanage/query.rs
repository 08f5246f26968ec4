//! Collections: `$top`, `$skip`, `$filter`, pages.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::answers::error;
use super::route::Ome;
use crate::redfish::reply::Reply;
use crate::redfish::serve::Ask;

impl Ome {
    /// A page of a collection, filtered by one of `filters`; anything else in the query is a violation.
    ///
    /// As some appliances do, a filter matches the start of a value: a client must compare again.
    pub(super) fn collection(&self, ask: &Ask, kind: &str, members: &[Value], filters: &[&str]) -> Reply {
        let (mut skip, mut top, mut wanted, mut rest) = (0_usize, self.desk.setup.page, None, String::new());
        for pair in ask.query.as_deref().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, raw) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(raw).decode_utf8_lossy().into_owned();
            match (key, value.parse::<usize>()) {
                ("$skip", Ok(number)) => skip = number,
                ("$top", Ok(number)) => top = number.min(self.desk.setup.page),
                ("$filter", _) => {
                    wanted = expression(&value).filter(|(name, _)| filters.contains(&name.as_str()));
                    if wanted.is_none() {
                        return self.wrong(ask, 400, &format!("a filter the appliance does not know: {value}"));
                    }
                    rest = format!("&{pair}");
                }
                _ => return self.wrong(ask, 400, &format!("unknown in the query: {pair}")),
            }
        }
        let fits = |member: &&Value| {
            wanted.as_ref().is_none_or(|(name, start)| {
                member.get(name).and_then(Value::as_str).is_some_and(|value| value.starts_with(start.as_str()))
            })
        };
        let found: Vec<Value> = members.iter().filter(fits).cloned().collect();
        let part: Vec<Value> = found.iter().skip(skip).take(top).cloned().collect();
        let next = skip + part.len();
        let mut body = json!({
            "@odata.context": format!("/api/$metadata#Collection({kind})"), "@odata.count": found.len(), "value": part,
        });
        if next < found.len()
            && let Some(fields) = body.as_object_mut()
        {
            fields.insert("@odata.nextLink".to_owned(), json!(format!("{}?$skip={next}&$top={top}{rest}", ask.path)));
        }
        Reply::json(200, body)
    }

    /// A violation and its answer.
    pub(super) fn wrong(&self, ask: &Ask, status: u16, text: &str) -> Reply {
        self.desk.violation(format!("{} {}: {text}", ask.method, ask.path));
        error(status, "LAB0001", text)
    }

    /// A violation where an object has a key that is not in the list.
    pub(super) fn keys(&self, ask: &Ask, body: &Value, known: &[&str]) -> Option<Reply> {
        let unknown = body.as_object()?.keys().find(|key| !known.contains(&key.as_str()))?;
        Some(self.wrong(ask, 400, &format!("unknown key `{unknown}`")))
    }
}

/// `Name eq 'value'`
fn expression(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once(" eq ")?;
    let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    Some((name.trim().to_owned(), value.replace("''", "'")))
}
