//! A dashboard as Grafana reads it.
//!
//! Promises schema version 39, which Grafana 10.4 and later load and carry on, and panels that flow from left to right in the order
//! they are described in. Only fields that Grafana's published schema names are written.

use serde_json::{Value, json};

use super::board::{Board, Kind, Panel, Target, Variable};
use super::fields;

/// The data source chosen on top of the dashboard.
fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// The whole dashboard.
pub fn of(board: &Board) -> Value {
    let mut variables = vec![json!({
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
        "hide": 0, "multi": false, "includeAll": false, "options": [], "regex": "", "skipUrlSync": false,
    })];
    variables.extend(board.variables.iter().map(variable));
    json!({
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": ["farrier"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [{
            "builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": true, "hide": true,
            "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
        }]},
        "links": [{
            "asDropdown": true, "icon": "external link", "includeVars": true, "keepTime": true, "tags": ["farrier"],
            "targetBlank": false, "title": "Farrier", "tooltip": "", "type": "dashboards",
        }],
        "templating": {"list": variables},
        "panels": panels(board),
    })
}

/// One more field of an object.
pub fn put(json: &mut Value, name: &str, value: Value) {
    if let Some(object) = json.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn variable(variable: &Variable) -> Value {
    let mut json = json!({
        "name": variable.name, "label": variable.label, "type": "query", "datasource": datasource(),
        "query": {"qryType": 1, "query": variable.query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2, "sort": 1, "hide": 0, "multi": variable.many, "includeAll": variable.many, "options": [],
        "regex": "", "skipUrlSync": false,
    });
    if variable.many {
        put(&mut json, "allValue", ".*".into());
        put(&mut json, "current", json!({"selected": true, "text": ["All"], "value": ["$__all"]}));
    }
    json
}

/// Rows and panels with their places.
fn panels(board: &Board) -> Vec<Value> {
    let mut all = Vec::new();
    let mut top = 0;
    for (title, panels) in &board.rows {
        let id = all.len() + 1;
        all.push(json!({
            "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": top, "w": 24, "h": 1},
        }));
        top += 1;
        let (mut left, mut tall) = (0, 0);
        for one in panels {
            if left + one.width > 24 {
                top += tall;
                (left, tall) = (0, 0);
            }
            all.push(panel(one, all.len() + 1, left, top));
            left += one.width;
            tall = tall.max(one.height);
        }
        top += tall;
    }
    all
}

fn panel(panel: &Panel, id: usize, left: u32, top: u32) -> Value {
    let kind = match panel.kind {
        Kind::Stat => "stat",
        Kind::Lines | Kind::Areas => "timeseries",
        Kind::Table => "table",
        Kind::Bars => "bargauge",
    };
    let targets: Vec<Value> =
        ('A'..='Z').zip(&panel.targets).map(|(name, one)| target(panel.kind, name, one)).collect();
    let mut json = json!({
        "id": id, "type": kind, "title": panel.title, "datasource": datasource(),
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "fieldConfig": fields::config(panel),
        "options": fields::options(panel),
        "targets": targets,
    });
    if !panel.about.is_empty() {
        put(&mut json, "description", panel.about.into());
    }
    if panel.kind == Kind::Table {
        put(&mut json, "transformations", fields::transformations(panel));
    }
    json
}

fn target(kind: Kind, name: char, target: &Target) -> Value {
    let now = matches!(kind, Kind::Table | Kind::Bars);
    let legend = if kind == Kind::Table || target.legend.is_empty() { "__auto" } else { target.legend };
    json!({
        "refId": name.to_string(), "datasource": datasource(), "expr": target.expr, "legendFormat": legend,
        "instant": now, "range": !now, "editorMode": "code",
        "format": if kind == Kind::Table { "table" } else { "time_series" },
    })
}
