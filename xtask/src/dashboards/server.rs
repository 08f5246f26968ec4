//! One server: what its controller says, over time.

use super::board::{Board, Look, Panel, SITE, Variable, lines, stat, table};

/// Servers of the chosen site.
const SERVER: Variable = Variable {
    name: "server",
    label: "Server",
    query: r#"label_values(farrier_server_info{site="$site"}, server)"#,
    many: false,
};

/// `farrier-server`.
pub fn board() -> Board {
    let about = "One server: its sensors, parts, logs, firmware, and how well its controller answers.";
    Board::new("farrier-server", "Farrier / Server", about)
        .choose(&[SITE, SERVER])
        .row("Now", now())
        .row("Heat and power", sensors())
        .row("Parts", parts())
        .row("Logs and controller", controller())
}

fn now() -> Vec<Panel> {
    let mut state = stat("State", "");
    state.targets.clear();
    vec![
        state.query(r#"max by (state) (farrier_server_info{site="$site", server="$server"})"#, "{{state}}"),
        stat("Health", r#"max(farrier_server_health{site="$site", server="$server"})"#).look(Look::Health),
        stat("Looked at", r#"max(farrier_poll_age_seconds{site="$site", server="$server"})"#)
            .unit("s")
            .look(Look::Above(300.0, 900.0)),
        stat("Power", r#"max(farrier_power_watts{site="$site", server="$server"})"#).unit("watt"),
        stat("Inlet", r#"max(farrier_temperature_celsius{site="$site", server="$server", sensor=~"inlet|intake"})"#)
            .unit("celsius")
            .look(Look::Above(32.0, 38.0)),
        stat("Compliant", r#"max(farrier_hardening_compliant{site="$site", server="$server"})"#).look(Look::Yes),
        stat(
            "Outdated components",
            r#"max(farrier_firmware_outdated_components{site="$site", server="$server"}) or vector(0)"#,
        )
        .about("As planned last; 0 also where nothing was planned, such as without a catalogue.")
        .look(Look::Above(1.0, 5.0)),
        stat("Warranty", r#"max(farrier_warranty_remaining_days{site="$site", server="$server"})"#)
            .unit("d")
            .look(Look::Below(7.0, 90.0)),
    ]
}

fn sensors() -> Vec<Panel> {
    let by_sensor = "{{sensor}}";
    vec![
        lines("Temperatures", 12)
            .unit("celsius")
            .query(r#"max by (sensor) (farrier_temperature_celsius{site="$site", server="$server"})"#, by_sensor),
        lines("Power", 12)
            .unit("watt")
            .query(r#"max by (sensor) (farrier_power_watts{site="$site", server="$server"})"#, by_sensor),
        lines("Fans", 12)
            .about("Turns a minute, or percent of the fastest: a vendor has one or the other.")
            .query(r#"max by (sensor) (farrier_fan_speed_rpm{site="$site", server="$server"})"#, by_sensor)
            .query(
                r#"100 * max by (sensor) (farrier_fan_speed_ratio{site="$site", server="$server"})"#,
                "{{sensor}} %",
            ),
        lines("Voltages", 12)
            .unit("volt")
            .query(r#"max by (sensor) (farrier_voltage_volts{site="$site", server="$server"})"#, by_sensor),
    ]
}

fn parts() -> Vec<Panel> {
    vec![
        table("Power supplies", 6).column(
            "Health",
            "short",
            Look::Health,
            r#"max by (slot) (farrier_power_supply_health{site="$site", server="$server"})"#,
        ),
        table("Drives", 9)
            .column(
                "Health",
                "short",
                Look::Health,
                r#"max by (slot) (farrier_drive_health{site="$site", server="$server"})"#,
            )
            .column(
                "Endurance left",
                "percentunit",
                Look::Below(0.05, 0.1),
                r#"max by (slot) (farrier_drive_endurance_ratio{site="$site", server="$server"})"#,
            ),
        table("Links", 9).column(
            "Up",
            "short",
            Look::Yes,
            r#"max by (nic) (farrier_link_up{site="$site", server="$server"})"#,
        ),
        table("Sensors", 12)
            .about("0 where the controller has nothing to say against it.")
            .column(
                "Health",
                "short",
                Look::Health,
                r#"max by (sensor) (farrier_sensor_health{site="$site", server="$server"}) or max by (sensor) (0 * farrier_temperature_celsius{site="$site", server="$server"})"#,
            ),
        table("Hardening", 12).column(
            "Findings",
            "short",
            Look::Plain,
            r#"max by (verdict) (farrier_hardening_findings{site="$site", server="$server"})"#,
        ),
    ]
}

fn controller() -> Vec<Panel> {
    vec![
        lines("New log entries", 8).query(
            r#"sum by (severity) (increase(farrier_log_entries_total{site="$site", server="$server"}[1h]))"#,
            "{{severity}}",
        ),
        lines("How long a look takes", 8)
            .unit("s")
            .query(r#"max(farrier_poll_duration_seconds{site="$site", server="$server"})"#, "a look"),
        lines("Reached", 8).query(r#"max(farrier_poll_success{site="$site", server="$server"})"#, "reached"),
    ]
}
