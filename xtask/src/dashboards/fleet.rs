//! The fleet: everything at a glance, and each site in a line.

use super::board::{Board, Look, SITES, areas, bars, lines, stat, table};

/// `farrier-fleet`.
pub fn board() -> Board {
    let about = "Every site: what stands where in its life, what is ill, what draws power, what runs out.";
    Board::new("farrier-fleet", "Farrier / Fleet", about)
        .choose(&[SITES])
        .row("Now", now())
        .row("Over time", over_time())
        .row("Sites", sites())
        .row("What runs out", ends())
        .row("Hardware", hardware())
}

fn now() -> Vec<super::board::Panel> {
    vec![
        stat("Servers", r#"sum(max by (site, state) (farrier_servers{site=~"$site"}))"#),
        stat("Ready", r#"sum(max by (site, state) (farrier_servers{site=~"$site", state="ready"})) or vector(0)"#),
        stat("Active", r#"sum(max by (site, state) (farrier_servers{site=~"$site", state="active"})) or vector(0)"#),
        stat("Failed", r#"sum(max by (site, state) (farrier_servers{site=~"$site", state="failed"})) or vector(0)"#)
            .look(Look::Above(1.0, 10.0)),
        stat("Critical", r#"count(farrier_server_health{site=~"$site"} == 2) or vector(0)"#)
            .look(Look::Above(1.0, 1.0)),
        stat("Silent controllers", r#"count(farrier_poll_success{site=~"$site"} == 0) or vector(0)"#)
            .look(Look::Above(1.0, 5.0)),
        stat("Alerts firing", r#"count(ALERTS{alertstate="firing", alertname=~"Farrier.+"}) or vector(0)"#)
            .look(Look::Above(1.0, 5.0)),
        stat("Open cases", "sum(max by (code) (farrier_cases)) or vector(0)").look(Look::Above(1.0, 10.0)),
    ]
}

fn over_time() -> Vec<super::board::Panel> {
    vec![
        areas("Servers by state", 12)
            .query(r#"sum by (state) (max by (site, state) (farrier_servers{site=~"$site"}))"#, "{{state}}"),
        areas("Servers by health", 12)
            .about("As their controllers judge them. Of a server that was not reached nothing is known.")
            .query(r#"count(farrier_server_health{site=~"$site"} == 0) or vector(0)"#, "ok")
            .query(r#"count(farrier_server_health{site=~"$site"} == 1) or vector(0)"#, "warning")
            .query(r#"count(farrier_server_health{site=~"$site"} == 2) or vector(0)"#, "critical"),
        areas("Power by site", 12)
            .unit("watt")
            .query(r#"sum by (site) (max by (server, site) (farrier_power_watts{site=~"$site"}))"#, "{{site}}"),
        lines("Warmest inlet by site", 12)
            .unit("celsius")
            .look(Look::Above(32.0, 38.0))
            .query(r#"max by (site) (farrier_temperature_celsius{site=~"$site", sensor=~"inlet|intake"})"#, "{{site}}"),
    ]
}

fn sites() -> Vec<super::board::Panel> {
    let health = r#"sum by (site) (farrier_server_health{site=~"$site"} > bool 0)"#;
    let silent = r#"sum by (site) (farrier_poll_success{site=~"$site"} == bool 0)"#;
    vec![
        table("Sites", 24)
            .column(
                "Servers",
                "short",
                Look::Plain,
                r#"sum by (site) (max by (site, state) (farrier_servers{site=~"$site"}))"#,
            )
            .column("Not healthy", "short", Look::Above(1.0, 5.0), health)
            .column("Silent", "short", Look::Above(1.0, 5.0), silent)
            .column(
                "Power",
                "watt",
                Look::Plain,
                r#"sum by (site) (max by (server, site) (farrier_power_watts{site=~"$site"}))"#,
            )
            .column(
                "Warmest inlet",
                "celsius",
                Look::Above(32.0, 38.0),
                r#"max by (site) (farrier_temperature_celsius{site=~"$site", sensor=~"inlet|intake"})"#,
            )
            .column(
                "Not compliant",
                "short",
                Look::Above(1.0, 5.0),
                r#"sum by (site) (farrier_hardening_compliant{site=~"$site"} == bool 0)"#,
            ),
    ]
}

fn ends() -> Vec<super::board::Panel> {
    vec![
        stat("Warranty ends in 90 days", r#"count(farrier_warranty_remaining_days{site=~"$site"} < 90) or vector(0)"#)
            .look(Look::Above(1.0, 50.0)),
        stat("in 7 days", r#"count(farrier_warranty_remaining_days{site=~"$site"} < 7) or vector(0)"#)
            .look(Look::Above(1.0, 1.0)),
        stat("Outdated firmware", r#"count(farrier_firmware_outdated_components{site=~"$site"} > 0) or vector(0)"#)
            .look(Look::Above(1.0, 50.0)),
        stat("Not compliant", r#"count(farrier_hardening_compliant{site=~"$site"} == 0) or vector(0)"#)
            .look(Look::Above(1.0, 10.0)),
        stat("Drift in NetBox", "max(farrier_drift_devices) or vector(0)").look(Look::Above(1.0, 50.0)),
        stat("Dead letters", "max(farrier_dead_letters)").look(Look::Above(1.0, 10.0)),
        stat("Orders waiting", r#"sum(max by (state) (farrier_orders{state="waiting"})) or vector(0)"#)
            .look(Look::Above(1.0, 5.0)),
        stat("Servers in waves", "sum(max by (wave, state) (farrier_wave_servers)) or vector(0)"),
    ]
}

fn hardware() -> Vec<super::board::Panel> {
    vec![
        bars("Models", 12).query(
            r#"sort_desc(count by (model) (max by (server, model) (farrier_server_info{site=~"$site"})))"#,
            "{{model}}",
        ),
        bars("Drivers", 6).query(
            r#"sort_desc(count by (driver) (max by (server, driver) (farrier_server_info{site=~"$site"})))"#,
            "{{driver}}",
        ),
        bars("Tenants", 6).query(
            r#"sort_desc(count by (tenant) (max by (server, tenant) (farrier_server_info{site=~"$site"})))"#,
            "{{tenant}}",
        ),
    ]
}
