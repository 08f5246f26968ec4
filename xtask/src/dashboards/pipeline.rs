//! The pipeline: what waits, what is worked, what fails, and whether the host itself is well.

use super::board::{Board, Look, Panel, areas, bars, lines, stat, table};

/// `farrier-pipeline`.
pub fn board() -> Board {
    let about = "The stages, the bus, NetBox and the host itself.";
    Board::new("farrier-pipeline", "Farrier / Pipeline", about)
        .row("Now", now())
        .row("Stages", stages())
        .row("Failures", failures())
        .row("Monitoring", monitoring())
        .row("Host", host())
}

fn now() -> Vec<Panel> {
    vec![
        stat("Bus", "min(farrier_bus_up)").look(Look::Yes),
        stat("Leaders of monitoring", "sum(farrier_monitor_leader)").look(Look::Below(1.0, 1.0)),
        stat("Waiting for a stage", "sum(max by (stage) (farrier_stage_backlog))"),
        stat("Being worked", "sum(max by (stage) (farrier_stage_in_flight))"),
        stat("Timers", "max(farrier_timers)"),
        stat("Dead letters", "max(farrier_dead_letters)").look(Look::Above(1.0, 10.0)),
        stat("NetBox is behind", "max(farrier_netbox_lag_seconds) or vector(0)")
            .unit("s")
            .look(Look::Above(60.0, 300.0)),
        stat("Drift in NetBox", "max(farrier_drift_devices) or vector(0)").look(Look::Above(1.0, 50.0)),
    ]
}

fn stages() -> Vec<Panel> {
    vec![
        lines("Backlog", 8).query("max by (stage) (farrier_stage_backlog)", "{{stage}}"),
        lines("In flight", 8).query("max by (stage) (farrier_stage_in_flight)", "{{stage}}"),
        lines("Oldest in the stage", 8)
            .unit("s")
            .look(Look::Above(3600.0, 14400.0))
            .query("max by (stage) (farrier_stage_oldest_seconds) or vector(0)", "{{stage}}"),
        areas("Transitions a minute", 12)
            .query("60 * sum by (stage) (max by (stage, event) (rate(farrier_transitions_total[$__rate_interval])))", "{{stage}}"),
        lines("How long a stage takes", 12)
            .unit("s")
            .query(
                "histogram_quantile(0.5, sum by (stage, le) (increase(farrier_stage_duration_seconds_bucket[$__range])))",
                "{{stage}}, half of them",
            )
            .query(
                "histogram_quantile(0.95, sum by (stage, le) (increase(farrier_stage_duration_seconds_bucket[$__range])))",
                "{{stage}}, 19 of 20",
            ),
        table("Where servers stand", 12)
            .column("Servers", "short", Look::Plain, "max by (stage, status) (farrier_stage_servers)"),
        bars("Servers by state", 12)
            .query("sort_desc(sum by (state) (max by (site, state) (farrier_servers)))", "{{state}}"),
    ]
}

fn failures() -> Vec<Panel> {
    vec![
        areas("Failures an hour", 16).query(
            "sum by (stage, code) (max by (stage, code, job) (increase(farrier_stage_failures_total[1h]))) or vector(0)",
            "{{stage}} {{code}}",
        ),
        bars("Open cases", 8).query("max by (code) (farrier_cases) or vector(0)", "{{code}}"),
    ]
}

fn monitoring() -> Vec<Panel> {
    vec![
        areas("Looks a minute", 8)
            .query("60 * sum by (outcome) (rate(farrier_polls_total[$__rate_interval]))", "{{outcome}}"),
        lines("Controllers reached", 8).unit("percentunit").query("avg by (site) (farrier_poll_success)", "{{site}}"),
        lines("Oldest look", 8)
            .unit("s")
            .look(Look::Above(300.0, 900.0))
            .query("max by (site) (farrier_poll_age_seconds)", "{{site}}"),
    ]
}

fn host() -> Vec<Panel> {
    vec![
        lines("Memory", 8).unit("bytes").query("farrier_process_resident_memory_bytes", "{{instance}}"),
        lines("Scrapes", 8)
            .unit("s")
            .query("scrape_duration_seconds * on (job, instance) farrier_bus_up", "{{instance}}"),
        table("Hosts", 8).column(
            "Scraped",
            "short",
            Look::Yes,
            "max by (instance, version) (farrier_build_info * on (job, instance) group_left () up)",
        ),
    ]
}
