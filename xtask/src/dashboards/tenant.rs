//! What a tenant uses: servers, hours, energy, and how its servers are.

use super::board::{Board, Look, Panel, SITES, Variable, areas, lines, stat, table};

const TENANT: Variable =
    Variable { name: "tenant", label: "Tenant", query: "label_values(farrier_tenant_servers, tenant)", many: true };

/// `farrier-tenant`.
pub fn board() -> Board {
    let about = "What tenants use in the time chosen on top: servers, server hours, energy. A token bound to a tenant shows its own.";
    Board::new("farrier-tenant", "Farrier / Tenant usage", about)
        .choose(&[SITES, TENANT])
        .row("Usage", usage())
        .row("Over time", over_time())
        .row("Servers", servers())
}

fn usage() -> Vec<Panel> {
    let mut panel = table("Usage in the time chosen", 24)
        .about("Energy and hours are averages over the samples in the time chosen, times its length.")
        .column(
            "Servers now",
            "short",
            Look::Plain,
            r#"sum by (tenant, site) (max by (tenant, site) (farrier_tenant_servers{site=~"$site", tenant=~"$tenant"}))"#,
        )
        .column(
            "Server hours",
            "h",
            Look::Plain,
            r#"max by (tenant, site) (avg_over_time(farrier_tenant_servers{site=~"$site", tenant=~"$tenant"}[$__range])) * $__range_s / 3600"#,
        )
        .column(
            "Power now",
            "watt",
            Look::Plain,
            r#"max by (tenant, site) (farrier_tenant_power_watts{site=~"$site", tenant=~"$tenant"})"#,
        )
        .column(
            "Energy",
            "kwatth",
            Look::Plain,
            r#"max by (tenant, site) (avg_over_time(farrier_tenant_power_watts{site=~"$site", tenant=~"$tenant"}[$__range])) * $__range_s / 3600000"#,
        );
    panel.height = 8;
    vec![
        stat(
            "Tenants",
            r#"count(count by (tenant) (farrier_tenant_servers{site=~"$site", tenant=~"$tenant"} > 0)) or vector(0)"#,
        ),
        stat("Servers", r#"sum(max by (tenant, site) (farrier_tenant_servers{site=~"$site", tenant=~"$tenant"}))"#),
        stat("Power", r#"sum(max by (tenant, site) (farrier_tenant_power_watts{site=~"$site", tenant=~"$tenant"}))"#)
            .unit("watt"),
        panel,
    ]
}

fn over_time() -> Vec<Panel> {
    vec![
        areas("Servers", 12).query(
            r#"sum by (tenant) (max by (tenant, site) (farrier_tenant_servers{site=~"$site", tenant=~"$tenant"}))"#,
            "{{tenant}}",
        ),
        areas("Power", 12).unit("watt").query(
            r#"sum by (tenant) (max by (tenant, site) (farrier_tenant_power_watts{site=~"$site", tenant=~"$tenant"}))"#,
            "{{tenant}}",
        ),
    ]
}

fn servers() -> Vec<Panel> {
    vec![
        table("The tenants' servers", 14)
            .column(
                "known",
                "bool_yes_no",
                Look::Plain,
                r#"max by (server, site, rack, model, tenant) (farrier_server_info{site=~"$site", tenant=~"$tenant", tenant!=""})"#,
            )
            .column(
                "Health",
                "short",
                Look::Health,
                r#"max by (server, site, tenant) (farrier_server_health{site=~"$site"} * on (server, site) group_left (tenant) max by (server, site, tenant) (farrier_server_info{tenant=~"$tenant", tenant!=""}))"#,
            ),
        lines("Warmest inlet", 10).unit("celsius").look(Look::Above(32.0, 38.0)).query(
            r#"max by (tenant) (farrier_temperature_celsius{site=~"$site", sensor=~"inlet|intake"} * on (server, site) group_left (tenant) max by (server, site, tenant) (farrier_server_info{tenant=~"$tenant", tenant!=""}))"#,
            "{{tenant}}",
        ),
    ]
}
