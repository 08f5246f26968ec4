//! Prometheus and Grafana, as far as a machine without Grafana goes: a real Prometheus scrapes a real host that looks at the lab, and every
//! query of every dashboard and every rule has an answer. The dashboards are checked against the types Grafana publishes.
//!
//! Promises nothing of how a dashboard looks: no Grafana was run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod prometheus_rig;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::netbox::Version;
use farrier_lab::rig::{Programs, Rig, RigConfig, free_port, skip};
use prometheus_rig::{Prometheus, examples, files, output, program};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(2);

/// The blocks of a YAML list that begin with this key, each to the next one.
fn blocks<'a>(text: &'a str, key: &str) -> Vec<(String, &'a str)> {
    let named = |rest: &'a str| (rest.lines().next().unwrap().trim().to_owned(), rest);
    text.split(key).skip(1).map(named).collect()
}

/// Alert and its text in the rules' file.
fn alerts() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(examples().join("prometheus/rules/farrier-alerts.yml")).unwrap();
    blocks(&text, "- alert: ").into_iter().map(|(name, text)| (name, text.to_owned())).collect()
}

#[test]
fn rules_are_sound_and_every_alert_fires_and_ends() {
    let Some(promtool) = program("promtool") else { return skip("no promtool: target/debian has no prometheus") };
    output(Command::new(&promtool).args(["check", "rules", "--lint-fatal"]).args(files("prometheus/rules", ".yml")));
    for config in ["prometheus/prometheus.yml", "compose/prometheus.yml"] {
        output(Command::new(&promtool).args(["check", "config", "--syntax-only"]).arg(examples().join(config)));
    }
    output(Command::new(&promtool).args(["test", "rules"]).args(files("prometheus/tests", ".yml")));
    let (mut fires, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for file in files("prometheus/tests", ".yml") {
        let text = std::fs::read_to_string(file).unwrap();
        for case in text.split("- name: ").skip(1) {
            let mut fired = BTreeSet::new();
            for (name, block) in blocks(case, "alertname: ") {
                if !block.contains("exp_alerts: []") {
                    fired.insert(name.clone());
                    fires.insert(name);
                } else if fired.contains(&name) {
                    ends.insert(name);
                }
            }
        }
    }
    let all: BTreeSet<String> = alerts().into_keys().collect();
    assert!(all.len() > 20, "{all:?}");
    assert_eq!(fires, all, "every alert fires in a test");
    assert_eq!(ends, all, "and ends in it");
}

/// Metrics of ours in a query that the page does not have.
fn metrics(query: &str, known: &str) -> Vec<String> {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && !"_:".contains(letter));
    let ours = words.filter(|word| word.starts_with("farrier_")).map(|word| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word)
    });
    ours.filter(|name| !known.contains(&format!("`{name}`"))).map(str::to_owned).collect()
}

/// Each says how bad it is and what to do, in commands that there are and over metrics that there are.
#[test]
fn alerts_say_what_to_do() {
    let farrier = Programs::find().unwrap().farrier;
    let known = std::fs::read_to_string(examples().join("../docs/reference/metrics.md")).unwrap();
    let (mut commands, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for (name, text) in alerts() {
        assert!(name.starts_with("Farrier"), "{name}");
        let severities = ["critical", "warning", "info"];
        assert!(severities.iter().any(|one| text.contains(&format!("severity: {one}\n"))), "{name}");
        assert!(text.contains("  summary: \"") && text.contains("  description: \""), "{name}");
        // The alert over a rate of entries ends by itself, and waits for nothing.
        assert!(text.contains("  for: ") || name == "FarrierLogCritical", "{name}");
        let description = text.split("description: ").nth(1).unwrap();
        for command in description.split("`farrier ").skip(1) {
            let words = command.split('`').next().unwrap().split(' ').take(2);
            let is_command = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            let words: Vec<String> = words.filter(is_command).map(str::to_owned).collect();
            commands.insert(words);
        }
        unknown.extend(metrics(text.split("for: ").next().unwrap(), &known));
    }
    for file in files("grafana/dashboards", ".json").into_iter().chain(files("prometheus/rules", "recording.yml")) {
        let text = std::fs::read_to_string(file).unwrap();
        let queries = text.lines().filter(|line| line.contains("expr") || line.contains("\"query\""));
        unknown.extend(queries.flat_map(|line| metrics(line, &known)));
    }
    assert_eq!(unknown, BTreeSet::new(), "not in docs/reference/metrics.md");
    for command in commands {
        output(Command::new(&farrier).args(&command).arg("--help"));
    }
}

#[test]
fn dashboards_are_what_grafana_says_they_are() {
    let given = std::env::var_os("FARRIER_NPM").map(PathBuf::from);
    let npm = given.or_else(|| Some(std::env::current_exe().ok()?.ancestors().nth(3)?.join("npm")));
    let Some(modules) = npm.map(|npm| npm.join("grafana")).filter(|folder| folder.join("installed.txt").is_file())
    else {
        return skip("no npm packages with Grafana's schema");
    };
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grafana_schema/check.mjs");
    let asked = |dashboards: &[PathBuf]| {
        let output = Command::new("node").arg(&check).arg(&modules).args(dashboards).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let dashboards = files("grafana/dashboards", ".json");
    let (sound, said) = asked(&dashboards);
    assert!(sound, "{said}");

    // A check that finds nothing in a broken dashboard finds nothing.
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.json");
    let text = std::fs::read_to_string(&dashboards[0]).unwrap();
    for (from, to) in [("\"gridPos\"", "\"gridpos\""), ("\"schemaVersion\": 39", "\"schemaVersion\": \"39\"")] {
        std::fs::write(&broken, text.replacen(from, to, 1)).unwrap();
        assert!(!asked(std::slice::from_ref(&broken)).0, "{to} passes");
    }
}

/// A host with TLS, a look a second, a warranty, and an order that waits.
fn over(port: u16, folder: &Path, estate: &Estate) -> toml::Table {
    let lines = estate.servers.iter().map(|server| format!("{},Next Day,2020-01-01,2099-01-01\n", server.serial));
    let csv = folder.join("warranty.csv");
    std::fs::write(&csv, "serial,level,starts,ends\n".to_owned() + &lines.collect::<String>()).unwrap();
    let secret = |name: &str| folder.join("secrets").join(name).display().to_string();
    let text = format!(
        "[api]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"https://127.0.0.1:{port}\"\ncert_file = \"{}\"\nkey_file = \"{}\"\n\
         [monitor]\ninterval_ms = 1000\nslowest_ms = 5000\ninventory_every = 2\n[warranty]\ncsv_file = \"{}\"\n",
        secret("farrier_api_cert"),
        secret("farrier_api_key"),
        csv.display()
    );
    toml::from_str(&text).unwrap()
}

/// The certificate and the other secrets, made as a reader of the compose example makes them.
fn make_secrets(folder: &Path) {
    let script = folder.join("make-secrets.sh");
    std::fs::copy(examples().join("compose/make-secrets.sh"), &script).unwrap();
    output(&mut Command::new(script));
}

/// Twelve servers of all vendors at work: two with tenants, the others ready; the last four came after the host was started again.
async fn estate_at_work(folder: &Path, port: u16) -> Rig {
    let estate = Estate::sound(11, 12, DEFAULT_BASE);
    let names: Vec<String> = estate.servers.iter().map(|server| server.name.clone()).collect();
    let over = over(port, folder, &estate);
    let config = RigConfig { over, netbox: Some(Version::V4_6), ..farrier_e2e::config(estate) };
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease(&names[..8], 0).await.unwrap();
    let ready = |count: usize| {
        move |rows: &[farrier_lab::rig::ServerRow]| rows.iter().filter(|row| row.state == "ready").count() == count
    };
    rig.host.wait(PATIENCE, ready(8)).await.unwrap();
    // Warranties are asked for when a host starts, and once a day.
    rig.host.stop(Duration::from_secs(30)).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig
}

/// What happens while Prometheus looks.
async fn goes_on(rig: &Rig) {
    let estate = rig.lab.estate();
    let names: Vec<String> = estate.servers.iter().map(|server| server.name.clone()).collect();
    rig.lab.lease(&names[8..], 1).await.unwrap();
    rig.settled(PATIENCE).await.unwrap();
    for (name, tenant) in [(&names[0], "acme"), (&names[1], "globex")] {
        let body = json!({ "name": tenant, "slug": tenant });
        rig.netbox.as_ref().unwrap().create("tenancy/tenants", &body).unwrap();
        rig.host.farrier(&["server", "assign", name, "--tenant", tenant]).await.unwrap();
    }
}

/// A query with its variables; the times are Grafana's own.
fn filled(query: &str, chosen: &BTreeMap<String, String>) -> String {
    let times = [("$__rate_interval", "15s"), ("$__range_s", "300"), ("$__range", "5m")];
    let query = times.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
    chosen.iter().fold(query, |query, (name, value)| query.replace(&format!("${name}"), value))
}

/// Every combination of what can be chosen on top of a dashboard, all at once where that can be chosen; or for what there is nothing yet.
async fn choices(prometheus: &Prometheus, dashboard: &Value) -> Result<Vec<BTreeMap<String, String>>, String> {
    let mut all = vec![BTreeMap::new()];
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let (name, query) = (variable["name"].as_str().unwrap(), variable["query"]["query"].as_str());
        let Some(query) = query else { continue };
        let mut next = Vec::new();
        for chosen in all {
            let values = prometheus.values(&filled(query, &chosen)).await;
            if values.is_empty() {
                return Err(format!("{}: nothing to choose for {name}", dashboard["uid"]));
            }
            let values = if variable["multi"] == true { vec![".*".to_owned()] } else { values };
            next.extend(values.into_iter().map(|value| {
                let mut chosen = chosen.clone();
                chosen.insert(name.to_owned(), value);
                chosen
            }));
        }
        all = next;
    }
    Ok(all)
}

/// Queries without an answer, and why: each must have one for at least one choice, since not every vendor has every sensor.
async fn unanswered(prometheus: &Prometheus) -> Vec<String> {
    let mut without = Vec::new();
    for file in files("grafana/dashboards", ".json") {
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let choices = match choices(prometheus, &dashboard).await {
            Ok(choices) => choices,
            Err(why) => {
                without.push(why);
                continue;
            }
        };
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let mut why = "no rows".to_owned();
                let mut rows = 0;
                for chosen in &choices {
                    match prometheus.rows(&filled(target["expr"].as_str().unwrap(), chosen)).await {
                        Ok(found) => rows += found.len(),
                        Err(error) => why = error,
                    }
                }
                if rows == 0 {
                    without.push(format!("{} {} {}: {why}", dashboard["uid"], panel["title"], target["expr"]));
                }
            }
        }
    }
    without
}

/// Rules that do not work, recordings that record nothing, alerts that would fire though all is well.
async fn bad_rules(prometheus: &Prometheus) -> Vec<String> {
    let mut bad = Vec::new();
    let rules = prometheus.ask("rules", &[]).await.unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 40, "{}", rules.len());
    for rule in rules {
        let name = rule["name"].as_str().unwrap();
        if rule["health"] != "ok" {
            bad.push(format!("{name} is {}: {}", rule["health"], rule["lastError"]));
        }
        if rule["type"] == "recording" && prometheus.rows(name).await.unwrap().is_empty() {
            bad.push(format!("{name} records nothing"));
        }
        if rule["type"] == "alerting" && rule["state"] != "inactive" {
            bad.push(format!("{name} is {}: {}", rule["state"], rule["alerts"]));
        }
    }
    bad
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_has_an_answer() {
    let Some(prometheus) = program("prometheus") else { return skip("no Prometheus: target/debian has none") };
    let folder = tempfile::tempdir().unwrap();
    make_secrets(folder.path());
    let secrets = folder.path().join("secrets");
    let port = free_port().unwrap();
    let rig = estate_at_work(folder.path(), port).await;
    let token = rig.host.farrier(&["token", "create", "--name", "prometheus", "--role", "viewer"]).await.unwrap();
    std::fs::write(secrets.join("metrics_token"), token.lines().next().unwrap()).unwrap();
    let prometheus = Prometheus::start(&prometheus, folder.path(), &format!("127.0.0.1:{port}"), &secrets);
    prometheus.until("up{job=\"farrier\"} == 1", Duration::from_secs(30)).await;
    goes_on(&rig).await;
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let mut wrong = unanswered(&prometheus).await;
        wrong.extend(bad_rules(&prometheus).await);
        if wrong.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{}\n{}", wrong.join("\n"), rig.host.tail());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // Every series is one that the page has.
    let known = std::fs::read_to_string(examples().join("../docs/reference/metrics.md")).unwrap();
    let names = prometheus.ask("label/__name__/values", &[("match[]", "{job=\"farrier\"}")]).await.unwrap();
    let base = |name: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    for name in names.as_array().unwrap().iter().filter_map(Value::as_str).filter(|name| name.starts_with("farrier_")) {
        let there = known.contains(&format!("`{name}`")) || known.contains(&format!("`{}`", base(name)));
        assert!(there, "{name} is not in docs/reference/metrics.md");
    }
}
