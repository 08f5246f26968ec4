//! Typed calls on a driver, each with its fixed grant.
//!
//! Promises that a function which looks is lent an endpoint that passes GET and HEAD only, whatever gate the caller hands in,
//! and that the others carry the one action they are for. Does not retry: the lifecycle does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_lifecycle::{Action, ServerId};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, Trap};

use super::broker::{Endpoint, Images, Secrets};
use super::engine::Runtime;
use super::error::CallError;
use super::kv::{Drawer, Kv};
use super::registry::Plugin;
use super::state::{CallState, Lent, Progress, Settings};
use super::told::tell;
use super::wit::bmc_driver::{BootOverride, Identity, Inventory, PowerAction, PowerState};
use super::wit::boot_provisioner::{BootProfile, Machine, MachineState};
use super::wit::event_log::Page;
use super::wit::firmware::{Image, Step};
use super::wit::fleet_manager::{BmcAccess, ComplianceReport, Member};
use super::wit::hardening::{Control, Finding, Hardened};
use super::wit::jobs::JobState;
use super::wit::telemetry::Reading;
use super::wit::ticketing::{Draft, Ticket, TicketState};
use super::wit::types::{Completion, Job, ResetKind, ServerRef};
use super::wit::warranty::Answer as Entitlements;
use crate::egress::{Effect, Gate};

/// What one call is lent.
#[derive(Clone)]
pub struct Lend {
    /// The system the call is about.
    pub endpoint: Arc<Endpoint>,
    /// The guard: server, standing, lease. Its grant is set by the function called.
    pub gate: Gate,
    /// Secrets the call may name.
    pub secrets: Secrets,
    /// Firmware images the call may send. With them a call has, beside its own time, the time that sending them takes.
    pub images: Images,
    /// Paths whose POST only asks: [`Exchange::questions`](super::Exchange).
    pub questions: Vec<String>,
    /// What the operator configured for the plugin.
    pub settings: Arc<Settings>,
    /// Told how far the call is.
    pub progress: Option<Arc<dyn Progress>>,
    /// Another limit than the configured one.
    pub timeout: Option<Duration>,
    /// What the plugin's kept values are about, where that is no server.
    pub about: Option<String>,
}

impl Lend {
    /// An endpoint and its guard, and nothing more.
    pub fn new(endpoint: Arc<Endpoint>, gate: Gate) -> Self {
        let (secrets, images, questions, settings) = (Secrets::none(), Images::none(), Vec::new(), Arc::default());
        Self { endpoint, gate, secrets, images, questions, settings, progress: None, timeout: None, about: None }
    }
}

/// What a function of the contract may do to a server. What is not listed is taken to change something; so is `ticketing.find`,
/// because search is a POST in Jira.
pub fn grant(interface: &str, function: &str) -> Effect {
    match (interface, function) {
        ("bmc-driver", "identify" | "read-inventory" | "get-power" | "get-boot")
        | ("hardening", "audit")
        | ("firmware", "plan")
        | ("telemetry", "read-sensors")
        | ("event-log", "read")
        | ("jobs", "poll")
        | ("metadata", "describe")
        | ("fleet-manager", "find" | "check-firmware")
        | ("boot-provisioner", "get-state")
        | ("warranty", "lookup") => Effect::Look,
        ("bmc-driver", "set-power") => Effect::Act(Action::Power),
        ("bmc-driver", "set-boot") | ("boot-provisioner", _) => Effect::Act(Action::Boot),
        ("bmc-driver", "reset") => Effect::Act(Action::Reset),
        ("hardening", _) => Effect::Act(Action::Harden),
        ("firmware", _) | ("fleet-manager", "update-firmware") => Effect::Act(Action::Firmware),
        _ => Effect::Act(Action::Configure),
    }
}

/// A plugin ready to be called.
#[derive(Clone)]
pub struct Driver {
    pub(super) runtime: Arc<Runtime>,
    pub(super) plugin: Arc<Plugin>,
    pub(super) kv: Option<Arc<dyn Kv>>,
}

/// One call under way: a fresh instance in its own store.
pub(super) struct Run {
    pub(super) store: Store<CallState>,
    pub(super) instance: Instance,
    clock: Clock,
    _permit: OwnedSemaphorePermit,
}

/// The limits in time of one call.
#[derive(Clone)]
pub(super) struct Clock {
    deadline: Instant,
    allowed: Duration,
    cpu: Duration,
    span: tracing::Span,
}

/// How waiting for a guest ended without a value.
pub(super) enum Stop {
    Deadline,
    Broke(wasmtime::Error),
}

impl Clock {
    pub(super) async fn wait<T>(&self, call: impl Future<Output = wasmtime::Result<T>>) -> Result<T, Stop> {
        match tokio::time::timeout_at(self.deadline.into(), call.instrument(self.span.clone())).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Stop::Broke(error)),
            Err(_) => Err(Stop::Deadline),
        }
    }

    /// What a stop means, from what the store knows of it.
    pub(super) fn judge(&self, stop: Stop, state: &CallState) -> CallError {
        let stderr = state.stderr.text();
        let failure = match stop {
            Stop::Deadline => CallError::Deadline { millis: self.allowed.as_millis() },
            Stop::Broke(_) if state.limits.exceeded().is_some() => {
                CallError::OutOfMemory { limit: state.limits.exceeded().unwrap_or_default().to_owned(), stderr }
            }
            Stop::Broke(error) if error.downcast_ref() == Some(&Trap::Interrupt) => {
                CallError::CpuBudget { millis: self.cpu.as_millis(), stderr }
            }
            Stop::Broke(error) => {
                let backtrace = error.downcast_ref::<wasmtime::WasmBacktrace>().map(ToString::to_string);
                CallError::Trap {
                    message: error.root_cause().to_string(),
                    backtrace: backtrace.unwrap_or_default(),
                    stderr,
                }
            }
        };
        let _entered = self.span.enter();
        if let CallError::Trap { backtrace, stderr, .. } = &failure {
            tracing::warn!(error = %failure, backtrace, stderr, "plugin call stopped");
        } else {
            tracing::warn!(error = %failure, "plugin call stopped");
        }
        failure
    }
}

/// What a call is about, before it has an instance.
pub(super) struct Ask<'a> {
    plugin: &'a str,
    function: &'a str,
    server: Option<&'a ServerId>,
    timeout: Option<Duration>,
    lent: Option<Lent>,
}

impl<'a> Ask<'a> {
    /// A call that is lent nothing.
    pub(super) const fn bare(plugin: &'a str, function: &'a str) -> Self {
        Self { plugin, function, server: None, timeout: None, lent: None }
    }
}

impl Run {
    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Wait for a free place, then make the instance. Both count as the call's time.
    pub(super) async fn begin(
        runtime: &Runtime,
        pre: &InstancePre<CallState>,
        ask: Ask<'_>,
    ) -> Result<Self, CallError> {
        let deadline = runtime.deadline(ask.timeout);
        let clock = Clock {
            deadline,
            allowed: ask.timeout.unwrap_or(runtime.call_timeout),
            cpu: runtime.cpu(),
            span: tracing::info_span!(
                "plugin",
                plugin = ask.plugin,
                function = ask.function,
                server = ask.server.map(tracing::field::display)
            ),
        };
        let permits = Arc::clone(&runtime.permits);
        let Ok(Ok(permit)) = tokio::time::timeout_at(deadline.into(), permits.acquire_owned()).await else {
            return Err(CallError::Deadline { millis: clock.allowed.as_millis() });
        };
        let mut store = runtime.store(CallState::new(runtime.memory(), deadline, ask.lent));
        match clock.wait(pre.instantiate_async(&mut store)).await {
            Ok(instance) => Ok(Self { store, instance, clock, _permit: permit }),
            Err(stop) => Err(clock.judge(stop, store.data())),
        }
    }
}

impl Driver {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.plugin.info.name
    }

    /// What it is.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// A fresh instance, lent what it may have.
    pub(super) async fn begin(&self, function: &str, lend: &Lend, grant: Effect) -> Result<Run, CallError> {
        let server = lend.gate.server.as_ref();
        let about = server.map(ToString::to_string).or_else(|| lend.about.clone());
        let drawer = self.kv.as_ref().zip(about).map(|(kv, about)| Drawer::new(Arc::clone(kv), self.name(), about));
        let granted = Lent {
            endpoint: Arc::clone(&lend.endpoint),
            gate: Gate { grant, ..lend.gate.clone() },
            secrets: lend.secrets.clone(),
            images: lend.images.clone(),
            questions: lend.questions.clone(),
            settings: Arc::clone(&lend.settings),
            drawer,
            progress: lend.progress.clone(),
        };
        let usual = || lend.timeout.unwrap_or(self.runtime.call_timeout);
        let timeout = lend.images.time().map_or(lend.timeout, |upload| Some(usual() + upload));
        let ask = Ask { plugin: self.name(), function, server, timeout, lent: Some(granted) };
        Run::begin(&self.runtime, &self.plugin.pre, ask).await
    }
}

/// The plugin's answer, or what the guard had said before it.
fn answer<T>(result: Result<T, super::wit::types::Error>, state: &mut CallState) -> Result<T, CallError> {
    result.map_err(|error| state.denied.take().map_or(CallError::Plugin(error), CallError::Refused))
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $interface:ident $interface_name:literal $function:literal
        ($($argument:ident: $type:ty),*) as $call:ident -> $returns:ty;)*) => {
        impl Driver {
            $(
                $(#[$doc])*
                pub async fn $name(&self, lend: &Lend $(, $argument: $type)*) -> Result<$returns, CallError> {
                    const FUNCTION: &str = concat!($interface_name, ".", $function);
                    let Some(indices) = &self.plugin.exports.$interface else {
                        return Err(CallError::Missing { function: FUNCTION });
                    };
                    let call = async {
                        let mut run = self.begin(FUNCTION, lend, grant($interface_name, $function)).await?;
                        let clock = run.clock();
                        let guest = match indices.load(&mut run.store, &run.instance) {
                            Ok(guest) => guest,
                            Err(error) => return Err(clock.judge(Stop::Broke(error), run.store.data())),
                        };
                        match clock.wait(guest.$call(&mut run.store $(, $argument)*)).await {
                            Ok(result) => answer(result, run.store.data_mut()),
                            Err(stop) => Err(clock.judge(stop, run.store.data())),
                        }
                    };
                    tell(&self.runtime.told, self.name(), FUNCTION, call).await
                }
            )*
        }
    };
}

calls! {
    /// Confirm that the plugin drives the controller; `unsupported` passes it to the next candidate.
    identify = bmc_driver "bmc-driver" "identify" () as call_identify -> Identity;
    /// Everything in the box.
    read_inventory = bmc_driver "bmc-driver" "read-inventory" () as call_read_inventory -> Inventory;
    /// Is it on?
    get_power = bmc_driver "bmc-driver" "get-power" () as call_get_power -> PowerState;
    /// Accepted, not done: read `get_power` until it agrees.
    set_power = bmc_driver "bmc-driver" "set-power" (action: PowerAction) as call_set_power -> ();
    /// What it boots next.
    get_boot = bmc_driver "bmc-driver" "get-boot" () as call_get_boot -> BootOverride;
    /// Say what it boots next.
    set_boot = bmc_driver "bmc-driver" "set-boot" (boot: &BootOverride) as call_set_boot -> ();
    /// Restart the controller, or bring it to factory settings.
    reset = bmc_driver "bmc-driver" "reset" (kind: ResetKind) as call_reset -> Completion;
    /// Compare with a baseline and change nothing.
    audit = hardening "hardening" "audit" (baseline: &[Control]) as call_audit -> Vec<Finding>;
    /// Bring to a baseline, then audit.
    harden = hardening "hardening" "harden" (baseline: &[Control]) as call_harden -> Hardened;
    /// Which images apply, in order; empty: up to date.
    plan = firmware "firmware" "plan" (catalogue: &[Image]) as call_plan -> Vec<Step>;
    /// Start one step of a plan.
    apply = firmware "firmware" "apply" (step: &Step) as call_apply -> Completion;
    /// Sensors, now.
    read_sensors = telemetry "telemetry" "read-sensors" () as call_read_sensors -> Vec<Reading>;
    /// The controller's log after a cursor.
    read_log = event_log "event-log" "read" (after: Option<&str>) as call_read -> Page;
    /// Empty one of the controller's logs.
    clear_log = event_log "event-log" "clear" (log: &str) as call_clear -> ();
    /// What the fleet tool knows of a server.
    find_member = fleet_manager "fleet-manager" "find" (server: &ServerRef) as call_find -> Option<Member>;
    /// Make the fleet tool manage a server.
    register = fleet_manager "fleet-manager" "register" (server: &ServerRef, access: &BmcAccess) as call_register -> Completion;
    /// Make it forget the server.
    unregister = fleet_manager "fleet-manager" "unregister" (server: &ServerRef) as call_unregister -> Completion;
    /// The fleet tool's firmware baseline against the server.
    check_firmware = fleet_manager "fleet-manager" "check-firmware" (server: &ServerRef, baseline: Option<&str>) as call_check_firmware -> ComplianceReport;
    /// Have the fleet tool bring the server to a baseline.
    update_firmware = fleet_manager "fleet-manager" "update-firmware" (server: &ServerRef, baseline: Option<&str>) as call_update_firmware -> Completion;
    /// Make a server known to a boot provisioner.
    enroll = boot_provisioner "boot-provisioner" "enroll" (machine: &Machine) as call_enroll -> Completion;
    /// What to serve at the next network boot.
    set_profile = boot_provisioner "boot-provisioner" "set-profile" (server: &ServerRef, profile: &BootProfile)
        as call_set_profile -> Completion;
    /// Where a boot provisioner has the server.
    get_state = boot_provisioner "boot-provisioner" "get-state" (server: &ServerRef) as call_get_state -> MachineState;
    /// Stop serving a server and forget it.
    release = boot_provisioner "boot-provisioner" "release" (server: &ServerRef) as call_release -> Completion;
    /// Open a ticket, or return the unresolved one of the same key.
    open_ticket = ticketing "ticketing" "open" (draft: &Draft) as call_open -> Ticket;
    /// The unresolved ticket of a key.
    find_ticket = ticketing "ticketing" "find" (dedup_key: &str) as call_find -> Option<Ticket>;
    /// Add to a ticket.
    comment = ticketing "ticketing" "comment" (key: &str, text: &str) as call_comment -> ();
    /// Move a ticket.
    set_ticket_state = ticketing "ticketing" "set-state" (key: &str, state: TicketState) as call_set_state -> ();
    /// Support entitlements of up to a hundred serials.
    entitlements = warranty "warranty" "lookup" (serials: &[String]) as call_lookup -> Entitlements;
    /// How the work an earlier call started is doing.
    poll = jobs "jobs" "poll" (job: &Job) as call_poll -> JobState;
}
