//! One site: racks, and each server in a line.

use super::board::{Board, Look, Panel, SITE, lines, stat, table};

/// `farrier-site`.
pub fn board() -> Board {
    let about = "One site: power and heat by rack, who is ill, and every server in a line.";
    Board::new("farrier-site", "Farrier / Site", about)
        .choose(&[SITE])
        .row("Now", now())
        .row("Racks", racks())
        .row("Servers", servers())
        .row("Controllers", controllers())
}

fn now() -> Vec<Panel> {
    vec![
        stat("Servers", r#"count(max by (server) (farrier_server_info{site="$site"}))"#),
        stat("Critical", r#"count(farrier_server_health{site="$site"} == 2) or vector(0)"#).look(Look::Above(1.0, 1.0)),
        stat("Warning", r#"count(farrier_server_health{site="$site"} == 1) or vector(0)"#).look(Look::Above(1.0, 5.0)),
        stat("Silent controllers", r#"count(farrier_poll_success{site="$site"} == 0) or vector(0)"#)
            .look(Look::Above(1.0, 5.0)),
        stat("Power", r#"sum(max by (server) (farrier_power_watts{site="$site"}))"#).unit("watt"),
        stat("Warmest inlet", r#"max(farrier_temperature_celsius{site="$site", sensor=~"inlet|intake"})"#)
            .unit("celsius")
            .look(Look::Above(32.0, 38.0)),
        stat("Links down", r#"count(farrier_link_up{site="$site"} == 0) or vector(0)"#),
        stat("Sensors not ok", r#"count(farrier_sensor_health{site="$site"}) or vector(0)"#)
            .look(Look::Above(1.0, 5.0)),
    ]
}

fn racks() -> Vec<Panel> {
    vec![
        lines("Power by rack", 12).unit("watt").query(
            r#"sum by (rack) (max by (server) (farrier_power_watts{site="$site"}) * on (server) group_left (rack) max by (server, rack) (farrier_server_info{site="$site"}))"#,
            "{{rack}}",
        ),
        lines("Warmest inlet by rack", 12).unit("celsius").look(Look::Above(32.0, 38.0)).query(
            r#"max by (rack) (max by (server) (farrier_temperature_celsius{site="$site", sensor=~"inlet|intake"}) * on (server) group_left (rack) max by (server, rack) (farrier_server_info{site="$site"}))"#,
            "{{rack}}",
        ),
        lines("Ten that draw most", 12).unit("watt").query(
            r#"topk(10, max by (server) (farrier_power_watts{site="$site"}))"#,
            "{{server}}",
        ),
        lines("Ten with the hottest sensor", 12).unit("celsius").query(
            r#"topk(10, max by (server) (farrier_temperature_celsius{site="$site"}))"#,
            "{{server}}",
        ),
    ]
}

fn servers() -> Vec<Panel> {
    let mut panel = table("Servers", 24)
        .column(
            "known",
            "bool_yes_no",
            Look::Plain,
            r#"max by (server, site, rack, model, state, tenant) (farrier_server_info{site="$site"})"#,
        )
        .column("Health", "short", Look::Health, r#"max by (server, site) (farrier_server_health{site="$site"})"#)
        .column("Reached", "short", Look::Yes, r#"max by (server, site) (farrier_poll_success{site="$site"})"#)
        .column(
            "Looked at",
            "s",
            Look::Above(300.0, 900.0),
            r#"max by (server, site) (farrier_poll_age_seconds{site="$site"})"#,
        )
        .column("Power", "watt", Look::Plain, r#"max by (server, site) (farrier_power_watts{site="$site"})"#)
        .column(
            "Inlet",
            "celsius",
            Look::Above(32.0, 38.0),
            r#"max by (server, site) (farrier_temperature_celsius{site="$site", sensor=~"inlet|intake"})"#,
        )
        .column("Compliant", "short", Look::Yes, r#"max by (server, site) (farrier_hardening_compliant{site="$site"})"#)
        .column(
            "Outdated",
            "short",
            Look::Above(1.0, 5.0),
            r#"max by (server, site) (farrier_firmware_outdated_components{site="$site"}) or max by (server, site) (0 * farrier_poll_success{site="$site"})"#,
        )
        .column(
            "Warranty",
            "d",
            Look::Below(7.0, 90.0),
            r#"max by (server, site) (farrier_warranty_remaining_days{site="$site"})"#,
        );
    panel.height = 16;
    vec![panel.about(
        "A click on a server leads to its own dashboard. Outdated is as planned last, and 0 where nothing was planned.",
    )]
}

fn controllers() -> Vec<Panel> {
    vec![
        lines("Slowest looks", 8)
            .unit("s")
            .query(r#"topk(10, max by (server) (farrier_poll_duration_seconds{site="$site"}))"#, "{{server}}"),
        lines("Longest not looked at", 8)
            .unit("s")
            .look(Look::Above(300.0, 900.0))
            .query(r#"topk(10, max by (server) (farrier_poll_age_seconds{site="$site"}))"#, "{{server}}"),
        lines("New log entries an hour", 8)
            .query(r#"sum by (severity) (increase(farrier_log_entries_total{site="$site"}[1h]))"#, "{{severity}}"),
    ]
}
