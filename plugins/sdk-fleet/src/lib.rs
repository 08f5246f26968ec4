//! What a plugin for a vendor's fleet tool is written with.
//!
//! Promises: a type that implements [`Fleet`] is exported by `export_fleet_manager!`; its functions take an [`Http`], so they run
//! natively against an appliance of a test as well as in the sandbox. Does not: know any tool, log in, poll or wait.
//!
//! Not obvious: every function may be the second call after a crash. It looks for the work, done or still running, before it
//! starts any.

pub mod bindings;
pub mod openmanage;
pub mod rest;

use bindings::exports::farrier::provisioning as exports;
use farrier_plugin_sdk::Http;
use farrier_plugin_sdk::http::Host;
use farrier_plugin_sdk::types::{Completion, Error, Job};
use std::marker::PhantomData;
use types::{BmcAccess, ComplianceReport, JobState, Member, PluginInfo, ServerRef};

/// The types of the contract that only a fleet tool's plugin uses; the others are in [`farrier_plugin_sdk::types`].
pub mod types {
    pub use crate::bindings::exports::farrier::provisioning::fleet_manager::{
        BmcAccess, ComplianceReport, ComponentCompliance, Member,
    };
    pub use crate::bindings::exports::farrier::provisioning::jobs::{JobProgress, JobState};
    pub use crate::bindings::exports::farrier::provisioning::metadata::{
        ApiVersion, AuthScheme, Capabilities, LoginToken, Logout, PluginInfo, SessionPath, TokenSource,
    };
    pub use farrier_plugin_sdk::bindings::farrier::provisioning::types::ServerRef;
}

/// One vendor's fleet tool. The contract's promises for each function are in `fleet-manager.wit` and `jobs.wit`.
pub trait Fleet {
    /// Who the plugin is, and how the host logs in.
    fn info(&self) -> PluginInfo;
    /// What the tool knows of the server.
    fn find(&self, http: &dyn Http, server: &ServerRef) -> Result<Option<Member>, Error>;
    /// Have the tool manage the server.
    fn register(&self, http: &dyn Http, server: &ServerRef, access: &BmcAccess) -> Result<Completion, Error>;
    /// Have the tool forget the server.
    fn unregister(&self, http: &dyn Http, server: &ServerRef) -> Result<Completion, Error>;
    /// The server's firmware against a baseline of the tool.
    fn check(&self, http: &dyn Http, server: &ServerRef, baseline: Option<&str>) -> Result<ComplianceReport, Error>;
    /// Have the tool bring the server's firmware to a baseline.
    fn update(&self, http: &dyn Http, server: &ServerRef, baseline: Option<&str>) -> Result<Completion, Error>;
    /// How work of an earlier call is doing.
    fn poll(&self, http: &dyn Http, job: &Job) -> Result<JobState, Error>;
}

/// The exports of a fleet tool's plugin.
pub struct FleetPlugin<F>(PhantomData<F>);

impl<F: Fleet + Default + 'static> exports::metadata::Guest for FleetPlugin<F> {
    fn describe() -> PluginInfo {
        F::default().info()
    }
}

impl<F: Fleet + Default + 'static> exports::fleet_manager::Guest for FleetPlugin<F> {
    fn find(server: ServerRef) -> Result<Option<Member>, Error> {
        F::default().find(&Host, &server)
    }

    fn register(server: ServerRef, access: BmcAccess) -> Result<Completion, Error> {
        F::default().register(&Host, &server, &access)
    }

    fn unregister(server: ServerRef) -> Result<Completion, Error> {
        F::default().unregister(&Host, &server)
    }

    fn check_firmware(server: ServerRef, baseline: Option<String>) -> Result<ComplianceReport, Error> {
        F::default().check(&Host, &server, baseline.as_deref())
    }

    fn update_firmware(server: ServerRef, baseline: Option<String>) -> Result<Completion, Error> {
        F::default().update(&Host, &server, baseline.as_deref())
    }
}

impl<F: Fleet + Default + 'static> exports::jobs::Guest for FleetPlugin<F> {
    fn poll(job: Job) -> Result<JobState, Error> {
        F::default().poll(&Host, &job)
    }
}

/// Export a type that implements the `Guest` traits of the world `fleet-manager-plugin`.
///
/// Only for wasm: a native linker refuses the export names, and native builds are for tests.
#[macro_export]
macro_rules! export_fleet_manager {
    ($component:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export!($component with_types_in $crate::bindings);
    };
}
