//! HPE OneView, as a fleet tool.
//!
//! Promises: a server is found by its serial number, added by its controller's address, held to a firmware bundle, removed; what
//! takes long is a task, whose end is judged by its effect where the appliance has forgotten it or contradicts itself. Does not:
//! take over a server that another appliance owns (`force` is never sent), change profiles beyond their firmware, power anything.
//!
//! Not obvious: adding a server makes OneView its owner, with an account of OneView's on the controller. That is why every function
//! looks for the server and for a running task before it starts one.

mod api;
mod firmware;
mod hardware;
mod membership;
mod tasks;

use api::appliance;
use farrier_plugin_sdk::Http;
use farrier_plugin_sdk::types::{Completion, Error, Job};
use farrier_plugin_sdk_fleet::export_fleet_manager;
use farrier_plugin_sdk_fleet::types::{
    ApiVersion, AuthScheme, BmcAccess, Capabilities, ComplianceReport, JobState, LoginToken, Logout, Member,
    PluginInfo, ServerRef, TokenSource,
};
use farrier_plugin_sdk_fleet::{Fleet, FleetPlugin};

/// The plugin.
#[derive(Default)]
pub struct HpeOneView;

/// `X-API-Version` of the recordings the shapes were read from, and of the newest document they were compared with.
const VERSIONS: (u32, u32) = (800, 6400);

impl Fleet for HpeOneView {
    fn info(&self) -> PluginInfo {
        PluginInfo {
            name: "hpe-oneview".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: "HPE OneView: servers and their firmware".to_owned(),
            capabilities: Capabilities::empty(),
            matches: Vec::new(),
            auth: vec![AuthScheme::LoginToken(login())],
        }
    }

    fn find(&self, http: &dyn Http, server: &ServerRef) -> Result<Option<Member>, Error> {
        let api = appliance(http);
        hardware::locate(&api, server)?.map(|found| hardware::member(&api, &found)).transpose()
    }

    fn register(&self, http: &dyn Http, server: &ServerRef, access: &BmcAccess) -> Result<Completion, Error> {
        membership::register(&appliance(http), server, access)
    }

    fn unregister(&self, http: &dyn Http, server: &ServerRef) -> Result<Completion, Error> {
        membership::unregister(&appliance(http), server)
    }

    fn check(&self, http: &dyn Http, server: &ServerRef, baseline: Option<&str>) -> Result<ComplianceReport, Error> {
        firmware::check(&appliance(http), server, baseline)
    }

    fn update(&self, http: &dyn Http, server: &ServerRef, baseline: Option<&str>) -> Result<Completion, Error> {
        firmware::update(&appliance(http), server, baseline)
    }

    fn poll(&self, http: &dyn Http, job: &Job) -> Result<JobState, Error> {
        tasks::poll(&appliance(http), job)
    }
}

/// `loginMsgAck` is needed where a login banner is configured, and does no harm elsewhere.
fn login() -> LoginToken {
    let document =
        r#"{"userName":"$username","password":"$password","authLoginDomain":"LOCAL","loginMsgAck":true}"#.to_owned();
    LoginToken {
        path: "/rest/login-sessions".to_owned(),
        document,
        headers: Vec::new(),
        token: TokenSource::JsonPointer("/sessionID".to_owned()),
        header: "Auth".to_owned(),
        logout: Some(Logout::Path("/rest/login-sessions".to_owned())),
        refusals: vec!["AUTHN_AUTH_FAIL".to_owned(), "Invalid username or password".to_owned()],
        version: Some(ApiVersion {
            path: "/rest/version".to_owned(),
            current: "/currentVersion".to_owned(),
            minimum: "/minimumVersion".to_owned(),
            lowest: VERSIONS.0,
            highest: VERSIONS.1,
            header: "X-API-Version".to_owned(),
        }),
    }
}

/// What the component exports.
pub type Component = FleetPlugin<HpeOneView>;
export_fleet_manager!(Component);
