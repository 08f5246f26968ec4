//! Units, colours, options of a panel; the columns of a table.
//!
//! Promises that every number with a good and a bad side is coloured, and that a table shows names, not what a query calls them.

use serde_json::{Map, Value, json};

use super::board::{Kind, Look, Panel, Target};
use super::json::put;

const COLOURS: [&str; 3] = ["green", "orange", "red"];

fn mappings(look: Look) -> Value {
    let words: &[(&str, &str, &str)] = match look {
        Look::Health => &[("0", "ok", "green"), ("1", "warning", "orange"), ("2", "critical", "red")],
        Look::Yes => &[("0", "no", "red"), ("1", "yes", "green")],
        Look::Plain | Look::Above(..) | Look::Below(..) => return json!([]),
    };
    let mut options = Map::new();
    for (index, (value, text, color)) in words.iter().enumerate() {
        options.insert((*value).to_owned(), json!({"text": text, "color": color, "index": index}));
    }
    json!([{"type": "value", "options": options}])
}

fn thresholds(look: Look) -> Value {
    let steps = |colours: [&str; 3], [first, second]: [f64; 2]| {
        let values = [None, Some(first), Some(second)];
        let steps = colours.iter().zip(values).map(|(color, value)| json!({"color": color, "value": value}));
        steps.collect::<Vec<Value>>()
    };
    let [good, fair, bad] = COLOURS;
    let steps = match look {
        Look::Plain => vec![json!({"color": "text", "value": null})],
        Look::Health => steps([good, fair, bad], [1.0, 2.0]),
        Look::Yes => vec![json!({"color": bad, "value": null}), json!({"color": good, "value": 1.0})],
        Look::Above(warn, act) => steps([good, fair, bad], [warn, act]),
        Look::Below(act, warn) => steps([bad, fair, good], [act, warn]),
    };
    json!({"mode": "absolute", "steps": steps})
}

/// `fieldConfig`.
pub fn config(panel: &Panel) -> Value {
    let over_time = matches!(panel.kind, Kind::Lines | Kind::Areas);
    let mut defaults = json!({
        "unit": panel.unit,
        "color": {"mode": if over_time { "palette-classic" } else { "thresholds" }},
        "mappings": mappings(panel.look),
        "thresholds": thresholds(panel.look),
    });
    if over_time {
        let (mode, fill) = if panel.kind == Kind::Areas { ("normal", 40) } else { ("none", 0) };
        let custom = json!({
            "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": fill,
            "showPoints": "never", "spanNulls": false, "stacking": {"group": "A", "mode": mode},
            "thresholdsStyle": {"mode": if panel.look == Look::Plain { "off" } else { "dashed" }},
        });
        put(&mut defaults, "custom", custom);
    } else if panel.kind == Kind::Table {
        let custom = json!({"align": "auto", "cellOptions": {"type": "auto"}, "filterable": true, "inspect": false});
        put(&mut defaults, "custom", custom);
    }
    let mut overrides: Vec<Value> = Vec::new();
    if panel.kind == Kind::Table {
        overrides.extend(panel.targets.iter().map(column));
        overrides.push(json!({
            "matcher": {"id": "byName", "options": "server"},
            "properties": [{"id": "links", "value": [{
                "title": "This server",
                "url": "/d/farrier-server?${datasource:queryparam}&var-site=${__data.fields.site}&var-server=${__data.fields.server}",
            }]}],
        }));
    }
    json!({"defaults": defaults, "overrides": overrides})
}

fn column(target: &Target) -> Value {
    let mut properties = vec![json!({"id": "unit", "value": target.unit.unwrap_or("short")})];
    if target.look != Look::Plain {
        properties.push(json!({"id": "thresholds", "value": thresholds(target.look)}));
        properties.push(json!({"id": "mappings", "value": mappings(target.look)}));
        properties.push(json!({"id": "custom.cellOptions", "value": {"type": "color-text"}}));
    }
    json!({"matcher": {"id": "byName", "options": target.legend}, "properties": properties})
}

/// `transformations` of a table: one row for each combination of labels, columns named as described.
pub fn transformations(panel: &Panel) -> Value {
    let mut names = Map::new();
    for (letter, target) in ('A'..='Z').zip(&panel.targets) {
        let value = if panel.targets.len() == 1 { "Value".to_owned() } else { format!("Value #{letter}") };
        names.insert(value, target.legend.into());
    }
    json!([
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": true}, "indexByName": {}, "renameByName": names}},
    ])
}

/// `options`.
pub fn options(panel: &Panel) -> Value {
    let reduce = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    match panel.kind {
        Kind::Stat => json!({
            "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
            "percentChangeColorMode": "standard", "reduceOptions": reduce, "showPercentChange": false,
            "textMode": if panel.targets.iter().any(|target| !target.legend.is_empty()) { "name" } else { "auto" },
            "wideLayout": true,
        }),
        Kind::Lines | Kind::Areas => json!({
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        Kind::Table => json!({
            "cellHeight": "sm", "frameIndex": 0, "showHeader": true,
            "footer": {"show": false, "reducer": ["sum"], "countRows": false, "fields": []},
        }),
        Kind::Bars => json!({
            "displayMode": "basic",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false},
            "maxVizHeight": 300, "minVizHeight": 16, "minVizWidth": 8, "namePlacement": "auto",
            "orientation": "horizontal", "reduceOptions": reduce, "showUnfilled": true, "sizing": "auto",
            "valueMode": "color",
        }),
    }
}
