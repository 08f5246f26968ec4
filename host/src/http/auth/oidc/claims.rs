//! From a provider's claims to a principal.
//!
//! Promises that a name in the journal cannot be chosen to look like a token's or a local user's, and that roles never spread: those
//! for other sites or another tenant than the first that fits are left out, since a principal has one set of sites for all its roles.

use serde_json::Value;

use crate::access::{Means, Principal};
use crate::config::{ClaimGrant, Oidc};

/// Who these claims are, and what that gives. No roles: they are known, and nothing is theirs.
pub fn principal(oidc: &Oidc, claims: &Value) -> Principal {
    let mut fitting = oidc.role.iter().filter(|grant| holds(claims, grant));
    let who = name(oidc, claims);
    let Some(first) = fitting.next() else {
        return Principal { name: who, means: Means::Session, ..Principal::nobody() };
    };
    let mut grant = first.grant();
    for more in fitting.map(ClaimGrant::grant) {
        if more.sites == grant.sites && more.tenant == grant.tenant {
            grant.roles.extend(more.roles);
        }
    }
    Principal::granted(who, Means::Session, &grant)
}

/// Is the claim this value, or does it hold it?
fn holds(claims: &Value, grant: &ClaimGrant) -> bool {
    let is = |value: &Value| match value {
        Value::String(text) => *text == grant.value,
        Value::Bool(flag) => flag.to_string() == grant.value,
        Value::Number(number) => number.to_string() == grant.value,
        _ => false,
    };
    match at(claims, &grant.claim) {
        Some(Value::Array(items)) => items.iter().any(is),
        Some(value) => is(value),
        None => false,
    }
}

/// The claim of this very name, or what the dots lead to.
fn at<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| path.split('.').try_fold(claims, |value, key| value.get(key)))
}

/// What they are called in the journal; by the subject, where the claim is absent, not verified, or could be taken for another's.
fn name(oidc: &Oidc, claims: &Value) -> String {
    let subject = || {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or("unknown");
        format!("oidc:{}", subject.chars().filter(|c| !c.is_control()).take(120).collect::<String>())
    };
    let verified = oidc.name_claim != "email" || claims.get("email_verified") == Some(&Value::Bool(true));
    let plain = |name: &&str| {
        !name.is_empty() && name.len() <= 120 && !name.chars().any(|c| c.is_control() || c.is_whitespace() || c == ':')
    };
    match at(claims, &oidc.name_claim).and_then(Value::as_str).filter(plain) {
        Some(name) if verified && name != "nobody" => name.to_owned(),
        _ => subject(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::access::Role;

    fn oidc(roles: &str) -> Oidc {
        toml::from_str(&format!("issuer = \"https://sso.example.org\"\nclient_id = \"farrier\"\n{roles}")).unwrap()
    }

    fn grant(claim: &str, value: &str, role: &str, more: &str) -> String {
        format!("[[role]]\nclaim = \"{claim}\"\nvalue = \"{value}\"\nroles = [\"{role}\"]\n{more}\n")
    }

    #[test]
    fn a_claim_is_a_text_a_list_or_inside_an_object() {
        let oidc = oidc(&(grant("groups", "ops", "operator", "") + &grant("realm.roles", "sec", "approver", "")));
        let roles = |claims: Value| principal(&oidc, &claims).roles;
        assert_eq!(roles(json!({ "sub": "1", "groups": "ops" })), BTreeSet::from([Role::Operator]));
        assert_eq!(roles(json!({ "sub": "1", "groups": ["dev", "ops"] })), BTreeSet::from([Role::Operator]));
        let both = json!({ "sub": "1", "groups": ["ops"], "realm": { "roles": ["sec"] } });
        assert_eq!(roles(both), BTreeSet::from([Role::Operator, Role::Approver]));
        for none in [json!({ "sub": "1" }), json!({ "groups": ["ops2"] }), json!({ "groups": { "ops": true } })] {
            assert_eq!(roles(none), BTreeSet::new());
        }
    }

    #[test]
    fn roles_do_not_spread_to_other_sites() {
        let oidc =
            oidc(&(grant("groups", "ams", "operator", "sites = [\"ams\"]") + &grant("groups", "all", "viewer", "")));
        let both = principal(&oidc, &json!({ "sub": "1", "groups": ["all", "ams"] }));
        assert_eq!(both.roles, BTreeSet::from([Role::Operator]));
        assert_eq!(both.sites, Some(BTreeSet::from(["ams".to_owned()])));
    }

    #[test]
    fn nobody_is_named_like_another() {
        let oidc = oidc("");
        let name = |claims: Value| principal(&oidc, &claims).name;
        let of = |email: &str| name(json!({ "sub": "77", "email": email, "email_verified": true }));
        assert_eq!(of("ana@example.org"), "ana@example.org");
        for false_name in ["token:ci", "local:root", "", "nobody", "a b"] {
            assert_eq!(of(false_name), "oidc:77", "{false_name}");
        }
        assert_eq!(name(json!({ "sub": "77", "email": "ana@example.org" })), "oidc:77", "not verified");
        assert_eq!(name(json!({ "sub": "77" })), "oidc:77");
    }
}
