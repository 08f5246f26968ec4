//! The ways to log in that a plugin may name.
//!
//! Promises that the host's own login and logout, which pass no guard, change nothing but a session: a driver of controllers may name only
//! the ways whose paths the host knows by itself, and what ends any other session lies under the path that began it.
//!
//! Not obvious: it is judged twice. [`problem`] refuses a plugin while it is loaded, where somebody reads why; [`ControllerAuth`] and
//! [`ends`] hold whatever was loaded.

use super::check;
use crate::plugin::wit::metadata::{AuthScheme, LoginToken, Logout, PluginInfo};

/// How the host logs in to a controller: a way without a path of the plugin's.
#[derive(Clone, Debug)]
pub struct ControllerAuth(AuthScheme);

impl ControllerAuth {
    /// As nobody.
    pub const NOBODY: Self = Self(AuthScheme::None);

    /// With each request.
    pub const BASIC: Self = Self(AuthScheme::Basic);

    /// The first way of a driver that has no path of its own.
    pub fn of(driver: &PluginInfo) -> Self {
        driver.auth.iter().find(|scheme| !has_path(scheme)).cloned().map_or(Self::BASIC, Self)
    }
}

impl From<ControllerAuth> for AuthScheme {
    fn from(auth: ControllerAuth) -> Self {
        auth.0
    }
}

/// Does the plugin say where to log in?
const fn has_path(scheme: &AuthScheme) -> bool {
    matches!(scheme, AuthScheme::LoginToken(_) | AuthScheme::Oauth2ClientCredentials(_))
}

/// The configuration's word for a scheme.
pub const fn word(scheme: &AuthScheme) -> &'static str {
    match scheme {
        AuthScheme::None => "none",
        AuthScheme::Basic => "basic",
        AuthScheme::Bearer => "bearer",
        AuthScheme::RedfishSession => "redfish-session",
        AuthScheme::LoginToken(_) => "login-token",
        AuthScheme::Oauth1Plaintext => "oauth1-plaintext",
        AuthScheme::Oauth2ClientCredentials(_) => "oauth2-client-credentials",
    }
}

/// What is wrong with the ways a plugin names, and what to do. `driver`: it drives controllers.
pub fn problem(schemes: &[AuthScheme], driver: bool) -> Option<(String, &'static str)> {
    if driver && let Some(scheme) = schemes.iter().find(|scheme| has_path(scheme)) {
        return Some((
            format!("it drives controllers and names a path to log in at (`{}`)", word(scheme)),
            "a login passes no guard: a driver logs in by `redfish-session` or `basic`",
        ));
    }
    schemes.iter().find_map(|scheme| match scheme {
        AuthScheme::LoginToken(how) => by_token(how),
        _ => None,
    })
}

fn by_token(how: &LoginToken) -> Option<(String, &'static str)> {
    let logout = match &how.logout {
        Some(Logout::Path(path)) => Some(path),
        Some(Logout::Session(session)) => Some(&session.path),
        Some(Logout::Location) | None => None,
    };
    if let Some(path) = logout.filter(|path| !ends(&how.path, path)) {
        return Some((
            format!("its logout `{}` is not under its login `{}`", path.escape_debug(), how.path.escape_debug()),
            "what ends a session is the path that began it, or one below it",
        ));
    }
    let agreed = how.version.iter().map(|version| &version.header);
    let refused =
        how.headers.iter().map(|(name, _)| name).chain(agreed).find_map(|name| check::header(name, false).err());
    refused.map(|text| (format!("its login sends what it may not: {text}"), "leave the header out"))
}

/// Does a DELETE of `path` end what a POST to `login` began? `/Sessions/7` and `/Sessions('7')` are under `/Sessions`.
pub fn ends(login: &str, path: &str) -> bool {
    let login = login.split('?').next().unwrap_or_default().trim_end_matches('/');
    let rest = path.strip_prefix(login).filter(|rest| !login.is_empty() && !rest.contains('?'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '(']))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plugin::wit::metadata::{Capabilities, Oauth2Client, SessionPath, TokenSource};

    fn token(logout: Option<Logout>) -> LoginToken {
        LoginToken {
            path: "/api/SessionService/Sessions".to_owned(),
            document: String::new(),
            headers: Vec::new(),
            token: TokenSource::Header("X-Auth-Token".to_owned()),
            header: "X-Auth-Token".to_owned(),
            logout,
            refusals: Vec::new(),
            version: None,
        }
    }

    #[test]
    fn a_session_is_ended_where_it_was_begun() {
        for (login, path) in [
            ("/rest/login-sessions", "/rest/login-sessions"),
            ("/rest/login-sessions/", "/rest/login-sessions/7"),
            ("/api/Sessions", "/api/Sessions('$id')"),
            ("/api/Sessions?x=1", "/api/Sessions/7/"),
        ] {
            assert!(ends(login, path), "{login} {path}");
        }
        for (login, path) in [
            ("/redfish/v1/SessionService/Sessions", "/redfish/v1/Systems/1/Storage/1/Volumes/1"),
            ("/rest/login-sessions", "/rest/login-sessions-of-others"),
            ("/rest/login-sessions", "/rest/login-sessions?all=true"),
            ("/", "/redfish/v1/Systems/1"),
            ("", "/redfish/v1/Systems/1"),
        ] {
            assert!(!ends(login, path), "{login} {path}");
        }
    }

    #[test]
    fn a_driver_names_no_path_and_others_end_only_their_session() {
        let oauth = AuthScheme::Oauth2ClientCredentials(Oauth2Client { token_path: "/t".to_owned(), scope: None });
        let by = |logout| AuthScheme::LoginToken(token(logout));
        let session = |path: &str| Logout::Session(SessionPath { id: "/Id".to_owned(), path: path.to_owned() });
        let good =
            [by(None), by(Some(Logout::Location)), by(Some(session("/api/SessionService/Sessions('$id')"))), oauth];
        assert_eq!(problem(&good, false), None);
        for scheme in &good {
            let schemes = [AuthScheme::RedfishSession, scheme.clone()];
            assert!(problem(&schemes, true).unwrap().0.contains(word(scheme)));
            let info = PluginInfo {
                name: "hostile".to_owned(),
                version: String::new(),
                description: String::new(),
                capabilities: Capabilities::empty(),
                matches: Vec::new(),
                auth: vec![scheme.clone(), AuthScheme::RedfishSession],
            };
            assert_eq!(AuthScheme::from(ControllerAuth::of(&info)), AuthScheme::RedfishSession);
        }
        for logout in [Logout::Path("/api/DeviceService/Devices(7)".to_owned()), session("/api/$id")] {
            assert!(problem(&[by(Some(logout))], false).unwrap().0.contains("is not under its login"));
        }
        let smuggles = LoginToken { headers: vec![("Transfer-Encoding".to_owned(), String::new())], ..token(None) };
        assert!(problem(&[AuthScheme::LoginToken(smuggles)], false).unwrap().0.contains("transfer-encoding"));
        assert_eq!(problem(&[AuthScheme::Basic, AuthScheme::RedfishSession], true), None);
    }
}
