//! A real Prometheus with the example's configuration, and what its API is asked.
//!
//! Promises that what is changed of the example is named in [`Prometheus::start`] and nothing else: files, target, times. It ends when
//! it is dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farrier_lab::rig::free_port;
use serde_json::Value;

/// The folder of examples.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// `prometheus` or `promtool`, unpacked by `cargo xtask test`.
pub fn program(name: &str) -> Option<PathBuf> {
    let given = std::env::var_os("FARRIER_DEBIAN").map(PathBuf::from);
    let folder = given.or_else(|| Some(std::env::current_exe().ok()?.ancestors().nth(3)?.join("debian")))?;
    let program = folder.join("prometheus/usr/bin").join(name);
    program.is_file().then_some(program)
}

/// Files of the example with this ending, in order.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(examples().join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    assert!(!files.is_empty(), "nothing in {folder}");
    files
}

/// A program's output, which must end well.
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

/// A Prometheus that scrapes one host; killed on drop.
pub struct Prometheus {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// With the example's files; `target` is `127.0.0.1:PORT`, the token and the authority are in `secrets`.
    pub fn start(program: &Path, folder: &Path, target: &str, secrets: &Path) -> Self {
        let text = std::fs::read_to_string(examples().join("prometheus/prometheus.yml")).unwrap();
        let changes = [
            ("/etc/prometheus/secrets/farrier-ca.pem", secrets.join("farrier_api_cert").display().to_string()),
            ("/etc/prometheus/secrets/farrier-token", secrets.join("metrics_token").display().to_string()),
            ("rules/farrier-", examples().join("prometheus/rules/farrier-").display().to_string()),
            ("farrier.example.net:8640", target.to_owned()),
            ("scrape_interval: 30s", "scrape_interval: 1s".to_owned()),
            ("evaluation_interval: 30s", "evaluation_interval: 1s".to_owned()),
            ("scrape_timeout: 20s", "scrape_timeout: 1s".to_owned()),
        ];
        let text = changes.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "the example has no {from}");
            text.replace(from, to)
        });
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, text).unwrap();
        let port = free_port().unwrap();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--log.level=warn");
        let log = std::fs::File::create(folder.join("prometheus.log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}/api/v1"), http: reqwest::Client::new() }
    }

    /// `data` of an answer, or its error.
    pub async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let request = self.http.get(format!("{}/{path}", self.url)).query(query);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer["error"].to_string()) }
    }

    /// Rows of an instant query.
    pub async fn rows(&self, query: &str) -> Result<Vec<Value>, String> {
        let data = self.ask("query", &[("query", query)]).await?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// `label_values(series, label)`, as Grafana asks it.
    pub async fn values(&self, query: &str) -> Vec<String> {
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
        let (series, label) = inner.rsplit_once(',').unwrap();
        let data = self.ask(&format!("label/{}/values", label.trim()), &[("match[]", series)]).await.unwrap();
        data.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    }

    /// Wait until a query has a row.
    pub async fn until(&self, query: &str, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let rows = self.rows(query).await;
            if rows.as_ref().is_ok_and(|rows| !rows.is_empty()) {
                return;
            }
            assert!(Instant::now() < deadline, "{query}: {rows:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
