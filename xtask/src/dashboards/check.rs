//! What a dashboard must be before it is written.
//!
//! Promises: ids, reference letters and titles are there and unique, no panel stands on another or beyond the edge, each query has a
//! data source and uses only variables that are defined. Does not: know Grafana's whole schema; `tests/e2e/tests/prometheus.rs` asks it.

use std::collections::BTreeSet;

use serde_json::Value;

/// What Grafana itself sets.
const BUILT_IN: &[&str] = &["__range", "__range_s", "__rate_interval", "__interval", "__data"];

/// What is wrong, one line each.
pub fn wrong(board: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let uid = text(at(board, "/uid"));
    let plain = |uid: &str| uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !(1..=40).contains(&uid.len()) || !plain(&uid) {
        wrong.push(format!("the uid {uid:?} is not 1 to 40 letters, digits, dashes"));
    }
    if text(at(board, "/title")).is_empty() || at(board, "/schemaVersion").as_u64().is_none() {
        wrong.push("no title, or no schemaVersion".to_owned());
    }
    let mut variables = BTreeSet::new();
    for variable in array(at(board, "/templating/list")) {
        let asks = text(if at(variable, "/query").is_string() {
            at(variable, "/query")
        } else {
            at(variable, "/query/query")
        });
        wrong.extend(undefined(&asks, &variables).map(|name| format!("a variable uses ${name} before it is there")));
        if !variables.insert(text(at(variable, "/name"))) {
            wrong.push(format!("the variable {} is there twice", at(variable, "/name")));
        }
    }
    let panels = array(at(board, "/panels"));
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = text(at(panel, "/title"));
        if title.is_empty() || !at(panel, "/id").as_u64().is_some_and(|id| ids.insert(id)) {
            wrong.push(format!("the panel {title:?} has no title, or an id that another has"));
        }
        wrong.extend(queries(panel, &variables).into_iter().map(|what| format!("{title}: {what}")));
    }
    wrong.extend(places(panels));
    wrong
}

/// What stands there; null where nothing does.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Variables in a text that are neither defined nor Grafana's own.
fn undefined<'a>(text: &'a str, known: &'a BTreeSet<String>) -> impl Iterator<Item = String> + 'a {
    let names = text.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect::<String>()
    });
    names.filter(|name| !known.contains(name) && !BUILT_IN.contains(&name.as_str()))
}

fn queries(panel: &Value, variables: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let targets = array(at(panel, "/targets"));
    if at(panel, "/type") == "row" {
        return wrong;
    }
    if targets.is_empty() {
        wrong.push("no query".to_owned());
    }
    let mut letters = BTreeSet::new();
    for target in targets {
        let expr = at(target, "/expr").as_str().unwrap_or_default();
        if expr.is_empty()
            || at(target, "/datasource") != at(panel, "/datasource")
            || at(panel, "/datasource/uid").is_null()
        {
            wrong.push("a query without PromQL or data source".to_owned());
        }
        if !letters.insert(at(target, "/refId").as_str()) {
            wrong.push("two queries of one letter".to_owned());
        }
        let texts = [expr, at(target, "/legendFormat").as_str().unwrap_or_default()];
        wrong.extend(texts.iter().flat_map(|text| undefined(text, variables)).map(|name| format!("unknown ${name}")));
    }
    let columns: BTreeSet<_> =
        array(at(panel, "/fieldConfig/overrides")).iter().map(|one| at(one, "/matcher/options").as_str()).collect();
    if at(panel, "/type") == "table" && columns.len() != targets.len() + 1 {
        wrong.push("two columns of one name".to_owned());
    }
    wrong
}

/// Left, top, right, bottom.
fn place(panel: &Value) -> Option<[u64; 4]> {
    let at = |name: &str| at(panel, "/gridPos").get(name)?.as_u64();
    let (x, y, w, h) = (at("x")?, at("y")?, at("w")?, at("h")?);
    (w > 0 && h > 0 && x + w <= 24).then_some([x, y, x + w, y + h])
}

fn places(panels: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, panel) in panels.iter().enumerate() {
        let Some([left, top, right, bottom]) = place(panel) else {
            wrong.push(format!("{} stands nowhere, or beyond the edge", at(panel, "/title")));
            continue;
        };
        for other in panels.iter().skip(index + 1) {
            if place(other).is_some_and(|[l, t, r, b]| l < right && left < r && t < bottom && top < b) {
                wrong.push(format!("{} stands on {}", at(other, "/title"), at(panel, "/title")));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::super::{fleet, json};
    use super::wrong;

    type Break = (&'static str, fn(&mut serde_json::Value));

    #[test]
    fn what_is_broken_is_found() {
        let sound = json::of(&fleet::board());
        assert_eq!(wrong(&sound), Vec::<String>::new());
        let breaks: [Break; 7] = [
            ("stands on", |board| board["panels"][2]["gridPos"] = board["panels"][1]["gridPos"].clone()),
            ("beyond the edge", |board| board["panels"][1]["gridPos"]["x"] = json!(23)),
            ("an id that another has", |board| board["panels"][2]["id"] = board["panels"][1]["id"].clone()),
            ("unknown $nothing", |board| board["panels"][1]["targets"][0]["expr"] = json!("up{a=\"$nothing\"}")),
            ("no query", |board| board["panels"][1]["targets"] = json!([])),
            ("before it is there", |board| board["templating"]["list"][1]["query"]["query"] = json!("x($server)")),
            ("the uid", |board| board["uid"] = json!("with a space")),
        ];
        for (says, breaks) in breaks {
            let mut board = sound.clone();
            breaks(&mut board);
            assert!(wrong(&board).iter().any(|line| line.contains(says)), "{says}: {:?}", wrong(&board));
        }
    }
}
