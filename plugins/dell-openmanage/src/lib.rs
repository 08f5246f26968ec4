//! Dell OpenManage Enterprise, as a fleet tool.
//!
//! Promises: a server is found by its service tag, discovered by its controller's address, held to a baseline, removed; firmware
//! is asked about and updated for one device, never for all of a baseline. Does not: make catalogues or baselines, install what is
//! older than what is there.
//!
//! Not obvious: the answer to a discovery holds the controller's password in clear. Nothing of an answer's connection profile is
//! read, kept or repeated here, and the host masks it before it comes.

mod devices;
mod discovery;
mod firmware;
mod jobs;

use farrier_plugin_sdk::Http;
use farrier_plugin_sdk::types::{Completion, Error, Job};
use farrier_plugin_sdk_fleet::openmanage::appliance;
use farrier_plugin_sdk_fleet::types::{
    AuthScheme, BmcAccess, Capabilities, ComplianceReport, JobState, LoginToken, Logout, Member, PluginInfo, ServerRef,
    SessionPath, TokenSource,
};
use farrier_plugin_sdk_fleet::{Fleet, FleetPlugin, export_fleet_manager};

/// The plugin.
#[derive(Default)]
pub struct DellOpenManage;

impl Fleet for DellOpenManage {
    fn info(&self) -> PluginInfo {
        PluginInfo {
            name: "dell-openmanage".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "Dell OpenManage Enterprise: servers and their firmware".to_owned(),
            capabilities: Capabilities::empty(),
            matches: Vec::new(),
            auth: vec![AuthScheme::LoginToken(login()), AuthScheme::Basic],
        }
    }

    fn find(&self, http: &dyn Http, server: &ServerRef) -> Result<Option<Member>, Error> {
        let ome = appliance(http);
        devices::locate(&ome, server)?.map(|device| devices::member(&ome, &device)).transpose()
    }

    fn register(&self, http: &dyn Http, server: &ServerRef, access: &BmcAccess) -> Result<Completion, Error> {
        discovery::register(&appliance(http), server, access)
    }

    fn unregister(&self, http: &dyn Http, server: &ServerRef) -> Result<Completion, Error> {
        discovery::unregister(&appliance(http), server)
    }

    fn check(&self, http: &dyn Http, server: &ServerRef, baseline: Option<&str>) -> Result<ComplianceReport, Error> {
        firmware::check(&appliance(http), server, baseline)
    }

    fn update(&self, http: &dyn Http, server: &ServerRef, baseline: Option<&str>) -> Result<Completion, Error> {
        firmware::update(&appliance(http), server, baseline)
    }

    fn poll(&self, http: &dyn Http, job: &Job) -> Result<JobState, Error> {
        jobs::poll(&appliance(http), job)
    }
}

fn login() -> LoginToken {
    LoginToken {
        path: "/api/SessionService/Sessions".to_owned(),
        document: r#"{"UserName":"$username","Password":"$password","SessionType":"API"}"#.to_owned(),
        headers: Vec::new(),
        token: TokenSource::Header("X-Auth-Token".to_owned()),
        header: "X-Auth-Token".to_owned(),
        logout: Some(Logout::Session(SessionPath {
            id: "/Id".to_owned(),
            path: "/api/SessionService/Sessions('$id')".to_owned(),
        })),
        refusals: Vec::new(),
        version: None,
    }
}

/// What the component exports.
pub type Component = FleetPlugin<DellOpenManage>;
export_fleet_manager!(Component);
