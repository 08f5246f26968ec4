//! Plugins: what is called, how long it takes, how it ends.

use super::board::{Board, Look, Panel, Variable, areas, bars, lines, table};

const PLUGIN: Variable =
    Variable { name: "plugin", label: "Plugin", query: "label_values(farrier_plugin_info, plugin)", many: true };

/// `farrier-plugins`.
pub fn board() -> Board {
    let about = "Every call into a plugin: how many, how long, how they end.";
    Board::new("farrier-plugins", "Farrier / Plugins", about)
        .choose(&[PLUGIN])
        .row("Calls", calls())
        .row("Time", time())
        .row("Loaded", loaded())
}

fn calls() -> Vec<Panel> {
    vec![
        areas("Calls a minute", 12).query(
            r#"60 * sum by (plugin) (rate(farrier_plugin_calls_total{plugin=~"$plugin"}[$__rate_interval]))"#,
            "{{plugin}}",
        ),
        areas("Calls a minute that did not end well", 12).query(
            r#"60 * sum by (plugin, outcome) (rate(farrier_plugin_calls_total{plugin=~"$plugin", outcome!="ok"}[$__rate_interval])) or vector(0)"#,
            "{{plugin}} {{outcome}}",
        ),
        bars("Calls by function", 12).query(
            r#"topk(20, sum by (function) (increase(farrier_plugin_calls_total{plugin=~"$plugin"}[$__range])))"#,
            "{{function}}",
        ),
        bars("Calls by outcome", 12).query(
            r#"sort_desc(sum by (outcome) (increase(farrier_plugin_calls_total{plugin=~"$plugin"}[$__range])))"#,
            "{{outcome}}",
        ),
    ]
}

fn time() -> Vec<Panel> {
    vec![
        lines("How long a call takes, 19 of 20", 12).unit("s").look(Look::Above(10.0, 30.0)).query(
            r#"histogram_quantile(0.95, sum by (plugin, le) (rate(farrier_plugin_call_duration_seconds_bucket{plugin=~"$plugin"}[$__rate_interval])))"#,
            "{{plugin}}",
        ),
        lines("On average", 12).unit("s").query(
            r#"sum by (plugin) (rate(farrier_plugin_call_duration_seconds_sum{plugin=~"$plugin"}[$__rate_interval])) / sum by (plugin) (rate(farrier_plugin_call_duration_seconds_count{plugin=~"$plugin"}[$__rate_interval]))"#,
            "{{plugin}}",
        ),
        table("Functions", 24)
            .column(
                "Calls",
                "short",
                Look::Plain,
                r#"sum by (plugin, function) (increase(farrier_plugin_call_duration_seconds_count{plugin=~"$plugin"}[$__range]))"#,
            )
            .column(
                "Half of them",
                "s",
                Look::Plain,
                r#"histogram_quantile(0.5, sum by (plugin, function, le) (increase(farrier_plugin_call_duration_seconds_bucket{plugin=~"$plugin"}[$__range])))"#,
            )
            .column(
                "19 of 20",
                "s",
                Look::Above(10.0, 30.0),
                r#"histogram_quantile(0.95, sum by (plugin, function, le) (increase(farrier_plugin_call_duration_seconds_bucket{plugin=~"$plugin"}[$__range])))"#,
            ),
    ]
}

fn loaded() -> Vec<Panel> {
    vec![table("Plugins", 24).column(
        "Hosts",
        "short",
        Look::Plain,
        r#"count by (plugin, version) (farrier_plugin_info{plugin=~"$plugin"})"#,
    )]
}
