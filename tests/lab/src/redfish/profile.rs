//! What differs between vendors and can be said as data.
//!
//! Promises one table: addresses, session pool, lockout, `ETag` rule, message prefix. It does not promise that
//! every firmware of a vendor behaves so; the facts are those of the recorded generations.

use super::config::Kind;

/// Which `If-Match` a write needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EtagRule {
    /// None, or the resource's own; `*` is answered 412.
    OwnOrNone,
    /// None, its own, or `*`.
    Any,
    /// Its own or `*`; none is answered 428.
    Required,
    /// The header is not looked at.
    Ignored,
}

/// What wrong passwords lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lockout {
    /// Nothing but a delay that is not simulated.
    Never,
    /// The account is locked after so many, for so many seconds.
    Account(u32, u64),
    /// The sender's address gets no answer after so many, for so many seconds.
    Source(u32, u64),
}

/// What a reset to the present state is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SameState {
    /// 400 with this message.
    Bad(&'static str),
    /// 409 with this message.
    Conflict(&'static str),
    /// Success, and nothing happens.
    Nothing,
}

/// One vendor's row.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) system: &'static str,
    pub(super) chassis: &'static str,
    pub(super) manager: &'static str,
    pub(super) bios: &'static str,
    pub(super) bios_settings: &'static str,
    /// Id of the account that exists at first.
    pub(super) first_account: u32,
    /// Highest account id.
    pub(super) last_account: u32,
    /// Accounts are slots that always exist, made by PATCH.
    pub(super) account_slots: bool,
    pub(super) session_limit: usize,
    /// Status and message of a refused login.
    pub(super) bad_login: (u16, &'static str),
    /// Message of an exhausted session pool; the status is 503.
    pub(super) pool_full: &'static str,
    pub(super) lockout: Lockout,
    pub(super) etag: EtagRule,
    /// Every resource has an `ETag`, not only those that say so in the data.
    pub(super) etag_everywhere: bool,
    pub(super) same_state: SameState,
    /// Longest page of a collection.
    pub(super) page: Option<usize>,
    /// `Location` after login is absolute.
    pub(super) absolute_location: bool,
    /// Prefix of the standard messages.
    pub(super) base: &'static str,
    /// Password lengths accepted for accounts.
    pub(super) password: (usize, usize),
}

/// Where sessions are made, the same for all kinds.
pub(super) const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
/// Where accounts are, the same for all kinds.
pub(super) const ACCOUNTS: &str = "/redfish/v1/AccountService/Accounts";
/// Where tasks are, the same for all kinds.
pub(super) const TASKS: &str = "/redfish/v1/TaskService/Tasks";
/// Where Dell's jobs are.
pub(super) const JOBS: &str = "/redfish/v1/Managers/iDRAC.Embedded.1/Oem/Dell/Jobs";

static HPE: Profile = Profile {
    system: "/redfish/v1/Systems/1",
    chassis: "/redfish/v1/Chassis/1",
    manager: "/redfish/v1/Managers/1",
    bios: "/redfish/v1/systems/1/bios",
    bios_settings: "/redfish/v1/systems/1/bios/settings",
    first_account: 1,
    last_account: 12,
    account_slots: false,
    session_limit: 12,
    bad_login: (400, "Base.1.17.UnauthorizedLoginAttempt"),
    pool_full: "Base.1.17.SessionLimitExceeded",
    lockout: Lockout::Never,
    etag: EtagRule::OwnOrNone,
    etag_everywhere: true,
    same_state: SameState::Bad("iLO.2.24.InvalidOperationForSystemState"),
    page: None,
    absolute_location: true,
    base: "Base.1.17",
    password: (8, 39),
};

static DELL: Profile = Profile {
    system: "/redfish/v1/Systems/System.Embedded.1",
    chassis: "/redfish/v1/Chassis/System.Embedded.1",
    manager: "/redfish/v1/Managers/iDRAC.Embedded.1",
    bios: "/redfish/v1/Systems/System.Embedded.1/Bios",
    bios_settings: "/redfish/v1/Systems/System.Embedded.1/Bios/Settings",
    first_account: 2,
    last_account: 16,
    account_slots: true,
    session_limit: 8,
    bad_login: (401, "IDRAC.2.8.SYS415"),
    pool_full: "IDRAC.2.8.RAC0218",
    lockout: Lockout::Source(3, 60),
    etag: EtagRule::Any,
    etag_everywhere: false,
    same_state: SameState::Conflict("IDRAC.2.8.PSU501"),
    page: Some(50),
    absolute_location: false,
    base: "Base.1.12",
    password: (1, 127),
};

static SUPERMICRO: Profile = Profile {
    system: "/redfish/v1/Systems/1",
    chassis: "/redfish/v1/Chassis/1",
    manager: "/redfish/v1/Managers/1",
    bios: "/redfish/v1/Systems/1/Bios",
    bios_settings: "/redfish/v1/Systems/1/Bios/SD",
    first_account: 2,
    last_account: 16,
    account_slots: false,
    session_limit: 16,
    bad_login: (401, "Base.1.10.InsufficientPrivilege"),
    pool_full: "Base.1.10.SessionLimitExceeded",
    lockout: Lockout::Account(3, 30),
    etag: EtagRule::Ignored,
    etag_everywhere: true,
    same_state: SameState::Nothing,
    page: None,
    absolute_location: false,
    base: "Base.1.10",
    password: (8, 20),
};

static GENERIC: Profile = Profile {
    system: "/redfish/v1/Systems/437XR1138R2",
    chassis: "/redfish/v1/Chassis/1U",
    manager: "/redfish/v1/Managers/BMC",
    bios: "/redfish/v1/Systems/437XR1138R2/Bios",
    bios_settings: "/redfish/v1/Systems/437XR1138R2/Bios/Settings",
    first_account: 1,
    last_account: 16,
    account_slots: false,
    session_limit: 16,
    bad_login: (401, "Base.1.15.ResourceAtUriUnauthorized"),
    pool_full: "Base.1.15.SessionLimitExceeded",
    lockout: Lockout::Account(5, 30),
    etag: EtagRule::Required,
    etag_everywhere: true,
    same_state: SameState::Conflict("Base.1.15.ActionParameterValueConflict"),
    page: None,
    absolute_location: false,
    base: "Base.1.15",
    password: (8, 64),
};

/// The row of a kind.
pub(super) fn profile(kind: Kind) -> &'static Profile {
    match kind {
        Kind::HpeIlo5 | Kind::HpeIlo6 => &HPE,
        Kind::DellIdrac9 => &DELL,
        Kind::SupermicroX13 => &SUPERMICRO,
        Kind::Generic => &GENERIC,
    }
}
