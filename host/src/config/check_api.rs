//! What the types of `[api]` cannot say: no plain text on the network, files that are there, roles that exist.

use url::{Host, Url};

use super::api::{Api, Grant, Oidc, ROLES};

/// Every problem of the section.
pub fn problems(api: &Api, say: &mut impl FnMut(&str, String, &str)) {
    transport(api, say);
    if api.rate == 0 {
        say("api.rate", "no request would ever be answered".to_owned(), "50 is the default");
    }
    if api.connections == 0 {
        say("api.connections", "no connection would ever be taken".to_owned(), "1024 is the default");
    }
    if api.connections_per_address == Some(0) {
        let hint = "absent, it is a quarter of `connections`";
        say("api.connections_per_address", "no connection would ever be taken".to_owned(), hint);
    }
    if api.session_idle_ms < 60_000 || api.session_ms < api.session_idle_ms {
        let hint = "`session_idle_ms` is at least 60000, and `session_ms` no shorter";
        say("api.session_ms", "sessions would end before they are used".to_owned(), hint);
    }
    for (index, one) in api.certificate.iter().enumerate() {
        grant(&format!("api.certificate[{index}]"), &one.grant(), say);
    }
    if !api.certificate.is_empty() && api.client_ca_file.is_none() {
        let hint = "add `client_ca_file` with the authority that signed them";
        say("api.certificate", "no client certificate is ever asked for".to_owned(), hint);
    }
    if let Some(provider) = &api.oidc {
        oidc(provider, say);
    }
}

fn transport(api: &Api, say: &mut impl FnMut(&str, String, &str)) {
    match (&api.cert_file, &api.key_file) {
        (Some(_), None) => say("api.key_file", "`cert_file` needs its private key".to_owned(), "add `key_file`"),
        (None, Some(_)) => say("api.cert_file", "`key_file` needs its certificate".to_owned(), "add `cert_file`"),
        (None, None) if !api.listen.ip().is_loopback() && !api.behind_proxy => say(
            "api.listen",
            format!("{} can be reached from elsewhere, and tokens would pass in plain text", api.listen),
            "add `cert_file` and `key_file`; or, where something in front ends TLS, `behind_proxy = true`",
        ),
        _ => {}
    }
    if api.client_ca_file.is_some() && !api.tls() {
        say("api.client_ca_file", "client certificates need TLS".to_owned(), "add `cert_file` and `key_file`");
    }
    if api.behind_proxy && api.tls() {
        let hint = "with TLS here, what a proxy in front says of it is not believed: leave `behind_proxy` out";
        say("api.behind_proxy", "the listener ends TLS itself".to_owned(), hint);
    }
    for (key, file) in
        [("cert_file", &api.cert_file), ("key_file", &api.key_file), ("client_ca_file", &api.client_ca_file)]
    {
        if let Some(file) = file
            && !file.is_file()
        {
            say(&format!("api.{key}"), format!("`{}` is not a file", file.display()), "");
        }
    }
    if let Some(url) = &api.public_url
        && (!matches!(url.scheme(), "http" | "https") || url.path() != "/")
    {
        say("api.public_url", format!("`{url}` is not the root of a web site"), "such as https://farrier.example.org");
    }
}

fn oidc(provider: &Oidc, say: &mut impl FnMut(&str, String, &str)) {
    if provider.issuer.scheme() != "https" && !loopback(&provider.issuer) {
        let hint = "who can change what it answers can sign in as anyone: https, except on loopback";
        say("api.oidc.issuer", format!("`{}` is not https", provider.issuer), hint);
    }
    if provider.client_secret_file.is_some() && provider.client_secret_env.is_some() {
        say("api.oidc", "both `client_secret_file` and `client_secret_env` are given".to_owned(), "keep one");
    }
    if let Some(reference) = provider.secret() {
        super::check::secret("api.oidc.client_secret_file", &reference, say);
    }
    if provider.role.is_empty() {
        let hint = "add `[[api.oidc.role]]` with `claim`, `value` and `roles`";
        say("api.oidc.role", "nobody who signs in would have a role".to_owned(), hint);
    }
    for (index, one) in provider.role.iter().enumerate() {
        grant(&format!("api.oidc.role[{index}]"), &one.grant(), say);
    }
}

/// On this machine alone.
pub(super) fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn grant(path: &str, grant: &Grant, say: &mut impl FnMut(&str, String, &str)) {
    if grant.roles.is_empty() {
        say(&format!("{path}.roles"), "no role is given".to_owned(), "name at least one");
    }
    for role in grant.roles.iter().filter(|role| !ROLES.contains(&role.as_str())) {
        say(&format!("{path}.roles"), format!("no role is called `{role}`"), &format!("known: {}", ROLES.join(", ")));
    }
    if grant.roles.iter().any(|role| role == "tenant") && grant.tenant.is_none() {
        say(&format!("{path}.tenant"), "the role tenant sees nothing without one".to_owned(), "add `tenant`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut paths = Vec::new();
        problems(&toml::from_str(text).unwrap(), &mut |path, _, _| paths.push(path.to_owned()));
        paths
    }

    #[test]
    fn the_defaults_are_sound() {
        assert!(found("").is_empty());
    }

    #[test]
    fn one_address_has_a_share_of_the_connections_unless_a_proxy_is_in_front() {
        let of = |text: &str| toml::from_str::<Api>(text).unwrap().per_address();
        assert_eq!(of(""), 256);
        assert_eq!((of("connections = 3"), of("behind_proxy = true")), (1, 1024));
        assert_eq!(of("behind_proxy = true\nconnections_per_address = 9"), 9);
        assert_eq!(found("connections_per_address = 0"), ["api.connections_per_address"]);
    }

    #[test]
    fn nothing_passes_a_network_in_plain_text() {
        assert_eq!(found("listen = \"0.0.0.0:8640\""), ["api.listen"]);
        assert!(found("listen = \"0.0.0.0:8640\"\nbehind_proxy = true").is_empty());
        assert!(found("listen = \"[::1]:8640\"").is_empty());
    }

    #[test]
    fn an_issuer_in_plain_text_is_one_on_loopback() {
        let of = |issuer: &str| {
            found(&format!(
                "[oidc]\nissuer = \"{issuer}\"\nclient_id = \"x\"\n[[oidc.role]]\nclaim = \"groups\"\nvalue = \"ops\"\nroles = [\"operator\"]"
            ))
        };
        assert_eq!(of("http://sso.example.org"), ["api.oidc.issuer"]);
        assert_eq!(of("http://localhost.example.org"), ["api.oidc.issuer"]);
        assert!(of("http://127.0.0.1:9000").is_empty() && of("http://[::1]:9").is_empty());
        assert!(of("https://sso.example.org").is_empty());
    }

    #[test]
    fn roles_are_those_there_are() {
        let found = found(
            "client_ca_file = \"/proc/self/status\"\ncert_file = \"/proc/self/status\"\nkey_file = \"/proc/self/status\"\n\
             [[certificate]]\nsubject = \"ci\"\nroles = [\"root\"]\n[[certificate]]\nsubject = \"acme\"\nroles = [\"tenant\"]\n\
             [[certificate]]\nsubject = \"none\"\nroles = []",
        );
        assert_eq!(found, ["api.certificate[0].roles", "api.certificate[1].tenant", "api.certificate[2].roles"]);
    }
}
