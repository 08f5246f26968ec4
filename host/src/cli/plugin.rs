//! `farrier plugin`: look at plugins, and run one function of one component against one system.
//!
//! `call` promises that standard output is the function's value alone, as JSON: an error of the function is
//! `{"error":{case: payload}}` with exit code 1. It runs in the same sandbox with the same grants as in the host, needs no
//! running host, no configuration and no store, and ends every session it began.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::client::Client;
use super::output::{json as print, line};
use super::{Common, Format};
use crate::config::{self, Bmc, TlsPolicy};
use crate::egress::{Effect, Gate};
use crate::fault::Secret;
use crate::http::api::PluginView;
use crate::plugin::wit::metadata::AuthScheme;
use crate::plugin::{
    Broker, Driver, DynamicError, Fingerprint, Images, Lend, Login, MemoryPins, PinStore, Plugin, Plugins, Target,
    auth_word,
};
use crate::telemetry::{self, LogFormat};

/// The name under which the one endpoint's certificate is kept for the time of a call.
const PIN: &str = "call";

/// Arguments of `farrier plugin`.
#[derive(Debug, clap::Args)]
pub struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PluginCommand {
    /// Plugins of the configured folder, and what is wrong with those that do not load; with `--server`, those that host has loaded
    List {
        /// Another folder than the configured one
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// What one component says of itself, and the functions it exports
    Inspect {
        /// The component
        file: PathBuf,
    },
    /// Run one function of one component against a system
    Call(Box<CallArgs>),
}

/// Arguments of `farrier plugin call`.
#[derive(Debug, clap::Args)]
struct CallArgs {
    /// The component
    file: PathBuf,
    /// `interface.function`, or the function alone where it is unique: `identify`, `hardening.audit`
    function: String,
    /// Address of the system; `http://` is for this machine only
    #[arg(long, value_name = "URL")]
    endpoint: Url,
    /// The account; without one nothing is logged in to
    #[arg(long, requires = "password_file", value_name = "NAME")]
    username: Option<String>,
    /// A file whose first line is the password, token or key
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Arguments as JSON: an object by name, or an array in order
    #[arg(long, default_value = "null", value_name = "JSON")]
    args: String,
    /// Allow a function that changes something. No guard asks whether the system is in a tenant's hands: a call knows no server, and this
    /// is your word for it
    #[arg(long)]
    write: bool,
    /// A path whose POST only asks, for functions that look; may be given several times
    #[arg(long, value_name = "PATH")]
    question: Vec<String>,
    /// A secret the call may name; may be given several times
    #[arg(long, value_name = "NAME=FILE", value_parser = named_file)]
    secret: Vec<(String, PathBuf)>,
    /// A firmware image the call may send; the plugin names it by its SHA-256. May be given several times
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// How to log in, instead of the plugin's first way: none, basic, bearer, redfish-session, login-token, …
    #[arg(long, value_name = "SCHEME")]
    auth: Option<String>,
    /// What the plugin asks for by name, such as `project=DC`; may be given several times
    #[arg(long = "setting", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// The call's time, seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// Trust the authority in this PEM file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tls_pin", "tls_insecure"])]
    tls_ca: Option<PathBuf>,
    /// Trust the certificate with this SHA-256
    #[arg(long, value_name = "HEX", conflicts_with = "tls_insecure")]
    tls_pin: Option<String>,
    /// Trust whatever certificate comes first; implied for this machine
    #[arg(long)]
    tls_insecure: bool,
}

/// Run the command. With `--output json`, lists are one JSON document; what a call returns always is.
pub fn command(common: &Common, args: PluginArgs) -> anyhow::Result<ExitCode> {
    telemetry::init(LogFormat::Text, "warn");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let as_json = common.output == Format::Json;
    runtime.block_on(async {
        match args.command {
            PluginCommand::List { dir: None } if common.remote.server.is_some() => loaded(common).await,
            PluginCommand::List { dir } => list(&common.config, dir, as_json).await,
            PluginCommand::Inspect { file } => inspect(&file, as_json).await,
            PluginCommand::Call(args) => call(*args).await,
        }
    })
}

fn setting(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or_else(|| "give it as KEY=VALUE".to_owned())?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

async fn list(config: &Path, dir: Option<PathBuf>, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut settings = match &dir {
        Some(_) => config::Plugins::default(),
        None => config::load(config)?.plugins,
    };
    settings.dir = dir.unwrap_or(settings.dir);
    let (plugins, problems) = Plugins::open_uncached(&settings).await?;
    let rows: Vec<Value> = plugins.list().iter().map(|plugin| about(plugin)).collect();
    let failed: Vec<Value> = problems
        .iter()
        .map(|problem| json!({ "file": problem.file, "problem": problem.text, "hint": problem.hint }))
        .collect();
    if as_json {
        print(&json!({ "plugins": rows, "problems": failed }))?;
    } else {
        for plugin in plugins.list() {
            let info = &plugin.info;
            row(&info.name, &info.version, &info.description, &plugin.interfaces.join(", "));
        }
        for problem in &problems {
            line(&format!("not loaded: {problem}"));
        }
        if plugins.list().is_empty() && problems.is_empty() {
            line(&format!("no *.wasm in `{}`", settings.dir.display()));
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the host at `--server` has loaded.
async fn loaded(common: &Common) -> anyhow::Result<ExitCode> {
    let plugins: Vec<PluginView> = Client::new(common)?.get("/api/v1/plugins").await?.unwrap_or_default();
    if common.output == Format::Json {
        print(&json!({ "plugins": plugins, "problems": [] }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for plugin in &plugins {
        row(&plugin.name, &plugin.version, &plugin.description, &plugin.interfaces.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(name: &str, version: &str, description: &str, interfaces: &str) {
    line(&format!("{name:<20} {version:<8} {description}"));
    line(&format!("{:<20} {interfaces}", ""));
}

async fn inspect(file: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let driver = open(file).await?;
    let plugin = driver.plugin();
    let signatures = driver.signatures();
    if as_json {
        let function = |signature: &crate::plugin::Signature| {
            let parameters: Vec<Value> =
                signature.parameters.iter().map(|(name, ty)| json!({ "name": name, "type": ty })).collect();
            json!({ "function": signature.name(), "parameters": parameters, "writes": signature.writes })
        };
        let mut about = about(plugin);
        if let Some(fields) = about.as_object_mut() {
            fields.insert("functions".to_owned(), signatures.iter().map(function).collect());
        }
        print(&about)?;
        return Ok(ExitCode::SUCCESS);
    }
    let info = &plugin.info;
    line(&format!("{} {}: {}", info.name, info.version, info.description));
    line(&format!("sha256    {}", plugin.digest));
    line(&format!("can also  {}", none_or(&info.capabilities.names().join(", "))));
    line(&format!("logs in   {}", none_or(&info.auth.iter().map(auth_word).collect::<Vec<_>>().join(", "))));
    line("functions (! changes something)");
    for signature in signatures {
        let parameters: Vec<String> = signature.parameters.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
        let mark = if signature.writes { '!' } else { ' ' };
        line(&format!("  {mark} {}({})", signature.name(), parameters.join("; ")));
    }
    Ok(ExitCode::SUCCESS)
}

async fn call(args: CallArgs) -> anyhow::Result<ExitCode> {
    let arguments: Value = serde_json::from_str(&args.args).context("--args is not JSON")?;
    let driver = open(&args.file).await?;
    let signature = driver.signature(&args.function)?;
    if signature.writes && !args.write {
        bail!("`{}` changes something on the system: add `--write` if it is meant", signature.name());
    }
    let login = match (&args.username, &args.password_file) {
        (None, None) => None,
        (username, Some(file)) => {
            Some(Login { username: username.clone().unwrap_or_default(), password: Secret::read(file)? })
        }
        (Some(_), None) => bail!("`--username` needs `--password-file`"),
    };
    let auth = scheme(driver.plugin(), args.auth.as_deref())?;
    let broker = broker(&args)?;
    let endpoint = broker.endpoint(&Target { origin: args.endpoint.clone(), pin: PIN.to_owned(), auth, login })?;
    let mut lend = Lend::new(endpoint, Gate::detached(Effect::Look));
    lend.timeout = Some(Duration::from_secs(args.timeout));
    lend.questions.clone_from(&args.question);
    for (name, file) in &args.secret {
        lend.secrets = lend.secrets.grant(name, Secret::read(file)?);
    }
    lend.settings = Arc::new(args.settings.iter().cloned().collect());
    lend.images = Images::of(args.images.into_iter().map(image).collect::<anyhow::Result<Vec<_>>>()?);
    let outcome = driver.call_json(&signature, &arguments, &lend).await;
    broker.close().await;
    match outcome {
        Ok(Ok(value)) => {
            print(&value)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Err(error)) => {
            print(&json!({ "error": error }))?;
            Ok(ExitCode::FAILURE)
        }
        Err(DynamicError::Call(error)) => {
            print(&json!({ "error": { error.code(): error.to_string() } }))?;
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

/// A file under its digest.
fn image(file: PathBuf) -> anyhow::Result<(String, PathBuf)> {
    let mut sha = Sha256::new();
    let copied = std::fs::File::open(&file).and_then(|mut image| std::io::copy(&mut image, &mut sha));
    copied.with_context(|| format!("reading {}", file.display()))?;
    Ok((format!("{:x}", sha.finalize()), file))
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("expected NAME=FILE")?;
    Ok((name.to_owned(), PathBuf::from(file)))
}

async fn open(file: &Path) -> anyhow::Result<Driver> {
    let cache = cache_dir();
    Ok(Plugins::open_file(&config::Plugins::default(), cache.as_deref(), file).await??)
}

/// The user's own cache: compiling takes longer than most calls.
fn cache_dir() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let base = given.or_else(|| std::env::home_dir().map(|home| home.join(".cache")))?;
    Some(base.join("farrier"))
}

fn broker(args: &CallArgs) -> anyhow::Result<Broker> {
    let loopback = match args.endpoint.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let judged = args.tls_ca.is_some() || args.tls_pin.is_some() || args.tls_insecure;
    if args.endpoint.scheme() == "https" && !judged && !loopback {
        bail!("how is the system's certificate judged? add `--tls-ca FILE`, `--tls-pin SHA256` or `--tls-insecure`");
    }
    let settings = Bmc {
        tls: if args.tls_ca.is_some() { TlsPolicy::Ca } else { TlsPolicy::Pin },
        ca_file: args.tls_ca.clone(),
        ..Bmc::default()
    };
    let pins = MemoryPins::default();
    if let Some(text) = &args.tls_pin {
        let pin = Fingerprint::parse(text).context("--tls-pin is not a SHA-256 in hex")?;
        pins.keep(PIN, pin)?;
    }
    Ok(Broker::new(&settings, Arc::new(pins))?)
}

fn scheme(plugin: &Plugin, wanted: Option<&str>) -> anyhow::Result<AuthScheme> {
    let offered = &plugin.info.auth;
    let Some(wanted) = wanted else { return Ok(offered.first().cloned().unwrap_or(AuthScheme::None)) };
    if let Some(scheme) = offered.iter().find(|scheme| auth_word(scheme) == wanted) {
        return Ok(scheme.clone());
    }
    let simple = [
        AuthScheme::None,
        AuthScheme::Basic,
        AuthScheme::Bearer,
        AuthScheme::RedfishSession,
        AuthScheme::Oauth1Plaintext,
    ];
    simple.into_iter().find(|scheme| auth_word(scheme) == wanted).with_context(|| {
        let offered: Vec<&str> = offered.iter().map(auth_word).collect();
        format!("the plugin has no way to log in called `{wanted}`; it has {}", offered.join(", "))
    })
}

fn about(plugin: &Plugin) -> Value {
    let info = &plugin.info;
    json!({
        "name": info.name,
        "version": info.version,
        "description": info.description,
        "capabilities": info.capabilities.names(),
        "auth": info.auth.iter().map(auth_word).collect::<Vec<_>>(),
        "interfaces": plugin.interfaces,
        "sha256": plugin.digest,
        "file": plugin.file,
    })
}

fn none_or(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}
