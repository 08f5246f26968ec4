//! The sections about other programs and systems: plugins, controllers, NetBox, Ansible, the boot listener, the catalogue.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::SecretRef;

/// The plugin engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// Every `*.wasm` in it is loaded at start-up.
    pub dir: PathBuf,
    /// Where compiled plugins are kept, 0700 and this user's; absent: `compiled` in `state_dir`. Several hosts of one user may share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
    /// Wall time of one call, milliseconds.
    pub call_timeout_ms: u64,
    /// Processor time of one call, milliseconds.
    pub cpu_ms: u64,
    /// Linear memory of one call, MiB.
    pub memory_mib: u32,
    /// Calls at once.
    pub instances: u32,
    /// Among equal match rules, the plugin named first wins; the others follow by name.
    pub order: Vec<String>,
    /// BMC MAC prefixes (three octets) and the plugin each nominates; a hint, never a decision. The PoC's table is known to be wrong.
    pub ouis: BTreeMap<String, String>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("/usr/lib/farrier/plugins"),
            cache_dir: None,
            call_timeout_ms: 60_000,
            cpu_ms: 2_000,
            memory_mib: 64,
            instances: 64,
            order: Vec::new(),
            ouis: BTreeMap::new(),
        }
    }
}

/// How controllers are reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bmc {
    /// HTTPS port of the controllers.
    pub port: u16,
    /// How their certificates are judged.
    pub tls: TlsPolicy,
    /// PEM file of the authority, for `tls = "ca"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// One request, milliseconds.
    pub request_timeout_ms: u64,
    /// Requests a second to one controller, at most.
    pub rate: u32,
    /// Answers longer than this many MiB are refused.
    pub max_response_mib: u32,
    /// Tried in order; the first that matches the driver (and site) is used.
    pub credentials: Vec<Credential>,
}

impl Default for Bmc {
    fn default() -> Self {
        Self {
            port: 443,
            tls: TlsPolicy::Pin,
            ca_file: None,
            request_timeout_ms: 15_000,
            rate: 50,
            max_response_mib: 8,
            credentials: Vec::new(),
        }
    }
}

/// How a controller's certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsPolicy {
    /// The first certificate seen is kept for the server; another one later is refused.
    Pin,
    /// Signed by the authority in `ca_file`.
    Ca,
}

/// A login for controllers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Start of the driver's name (`hpe`, `dell`), or `*` for all.
    #[serde(rename = "match")]
    pub matches: String,
    /// Only for servers of this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The account.
    pub username: String,
    /// Its password, in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Its password, in an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
}

impl Credential {
    /// Where the password is; `None` if neither or both keys are given, which loading refuses.
    pub fn password(&self) -> Option<SecretRef> {
        SecretRef::one(self.password_file.as_ref(), self.password_env.as_ref())
    }
}

/// Is a `match` (the start of a driver's name, or `*` for all) for this driver?
pub fn for_driver(matches: &str, driver: &str) -> bool {
    matches == "*" || driver.starts_with(matches)
}

/// A vendor's fleet tool: HPE OneView, Dell OpenManage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// The plugin's name: `hpe-oneview`.
    pub plugin: String,
    /// The tool's address; `https`.
    pub url: Url,
    /// Start of the name of the drivers whose servers it takes (`hpe`), or `*`.
    #[serde(rename = "match")]
    pub matches: String,
    /// Only servers of this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The account on the tool.
    pub username: String,
    /// Its password, in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Its password, in an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Firmware by this tool, and not by the catalogue.
    #[serde(default)]
    pub firmware: FleetFirmware,
    /// Name or id of the tool's firmware baseline; absent: the one it holds the server to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Paths whose POST only asks the tool something, and so may be sent where only looking is allowed.
    #[serde(default)]
    pub questions: Vec<String>,
    /// Hardening controls that are the tool's and are audited but not changed; `*` is all.
    #[serde(default = "Fleet::all")]
    pub owns: Vec<String>,
    /// How long one of the tool's jobs may take before a person must look, milliseconds.
    #[serde(default = "Fleet::default_job_timeout")]
    pub job_timeout_ms: u64,
}

/// What a fleet tool does about firmware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FleetFirmware {
    /// Nothing; the catalogue does.
    Off,
    /// It is compared and the difference said.
    #[default]
    Check,
    /// It is brought to the baseline.
    Update,
}

impl Fleet {
    fn all() -> Vec<String> {
        vec!["*".to_owned()]
    }

    const fn default_job_timeout() -> u64 {
        7_200_000
    }

    /// Where the password is; `None` if neither or both keys are given, which loading refuses.
    pub fn password(&self) -> Option<SecretRef> {
        SecretRef::one(self.password_file.as_ref(), self.password_env.as_ref())
    }

    /// Does it take the servers of this driver and site?
    pub fn takes(&self, driver: &str, site: Option<&str>) -> bool {
        for_driver(&self.matches, driver) && (self.site.is_none() || self.site.as_deref() == site)
    }

    /// Is this control the tool's?
    pub fn owns(&self, control: &str) -> bool {
        self.owns.iter().any(|one| one == "*" || one == control)
    }
}

/// The listener for callbacks and iPXE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How servers under validation reach it.
    pub public_url: Url,
    /// Kernel of the validation image, as iPXE fetches it.
    #[serde(default = "Http::default_kernel")]
    pub kernel: String,
    /// Initial RAM disk of the validation image.
    #[serde(default = "Http::default_initrd")]
    pub initrd: String,
    /// More kernel arguments.
    #[serde(default)]
    pub kernel_args: String,
}

impl Http {
    fn default_kernel() -> String {
        "vmlinuz".to_owned()
    }

    fn default_initrd() -> String {
        "initrd.img".to_owned()
    }
}

/// The NetBox to read and write.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetBox {
    /// Its root, without `/api`.
    pub url: Url,
    /// Plain HTTP to another machine is meant: the token passes the network in the clear.
    #[serde(default)]
    pub allow_http: bool,
    /// The token, in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The token, in an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// PEM file of an authority to trust beside the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// One request, milliseconds.
    #[serde(default = "NetBox::default_timeout")]
    pub request_timeout_ms: u64,
    /// Requests at once; NetBox answers five to twelve a second for each core.
    #[serde(default = "NetBox::default_connections")]
    pub connections: usize,
    /// NetBox's `status` for our nine states, where a site wants another than the default.
    #[serde(default)]
    pub status: BTreeMap<String, String>,
    /// Prefix length of an address that no prefix in NetBox contains.
    #[serde(default = "NetBox::default_prefix_length")]
    pub prefix_length: u8,
    /// The secret of NetBox's webhooks, in a file; absent: none are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret_file: Option<PathBuf>,
    /// A tenant set in NetBox on a ready server is a request to deliver it, in the name of NetBox's account; otherwise it is shown as drift.
    #[serde(default)]
    pub webhook_requests: bool,
    /// Names of interfaces that are controllers'.
    #[serde(default = "NetBox::default_bmc_interfaces")]
    pub bmc_interfaces: Vec<String>,
}

impl NetBox {
    const fn default_timeout() -> u64 {
        30_000
    }

    const fn default_connections() -> usize {
        4
    }

    const fn default_prefix_length() -> u8 {
        24
    }

    fn default_bmc_interfaces() -> Vec<String> {
        ["bmc", "ilo", "idrac", "ipmi", "xcc"].map(str::to_owned).to_vec()
    }

    /// Where the token is; `None` if neither or both keys are given, which loading refuses.
    pub fn token(&self) -> Option<SecretRef> {
        SecretRef::one(self.token_file.as_ref(), self.token_env.as_ref())
    }

    /// Where the secret of webhooks is; `None`: they are not taken.
    pub fn webhook_secret(&self) -> Option<SecretRef> {
        SecretRef::one(self.webhook_secret_file.as_ref(), None)
    }
}

/// The inventory file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// TOML, or CSV with the PoC's columns.
    pub file: PathBuf,
}

/// Hardening by Ansible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ansible {
    /// The playbook.
    pub playbook: PathBuf,
    /// The program.
    #[serde(default = "Ansible::default_program")]
    pub program: String,
    /// Runs at once; two for each core is what helps.
    #[serde(default = "Ansible::default_runs")]
    pub runs: usize,
    /// One run, milliseconds.
    #[serde(default = "Ansible::default_timeout")]
    pub timeout_ms: u64,
}

impl Ansible {
    fn default_program() -> String {
        "ansible-playbook".to_owned()
    }

    const fn default_runs() -> usize {
        4
    }

    const fn default_timeout() -> u64 {
        600_000
    }
}

/// The firmware catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Firmware {
    /// Images, in no order; the driver knows the order.
    pub image: Vec<Image>,
}

/// One firmware image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Start of the driver's name it is for, or `*`.
    #[serde(rename = "match")]
    pub matches: String,
    /// Start of the server's model it is for; absent: every model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// As in the driver's inventory: `bios`, `bmc`.
    pub component: String,
    /// As the vendor writes it.
    pub version: String,
    /// Of the file, lower-case hex.
    pub sha256: String,
    /// The file.
    pub file: PathBuf,
    /// What must be installed before it; each at this version or a later one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<ImageNeed>,
    /// When the vendor released it, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<String>,
}

/// What an image needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageNeed {
    /// As in the driver's inventory.
    pub component: String,
    /// The least version.
    pub version: String,
}
