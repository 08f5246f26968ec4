//! Someone, or a program in someone's name.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use farrier_lifecycle::Server;
use serde::{Deserialize, Serialize};

use super::Permission;
use crate::config::Grant;

/// A bundle of permissions with a name people use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees everything at its sites, changes nothing.
    Viewer,
    /// Works at racks: sees its sites and asks for a stage to be tried again there.
    Technician,
    /// Runs the pipeline.
    Operator,
    /// Allows what needs a second person: work on active servers, orders that policy holds back.
    Approver,
    /// Makes and revokes tokens, and everything else.
    Admin,
    /// Sees its own servers and orders, and orders more.
    Tenant,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Technician, Self::Operator, Self::Approver, Self::Admin, Self::Tenant];

    /// As written in tokens and the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Technician => "technician",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
            Self::Tenant => "tenant",
        }
    }

    /// Does the role allow it?
    pub const fn allows(self, permission: Permission) -> bool {
        use Permission as P;
        match permission {
            P::Public | P::SignedIn | P::ReadServers => true,
            P::ReadPipeline => !matches!(self, Self::Tenant),
            P::Revalidate => matches!(self, Self::Technician | Self::Operator | Self::Admin),
            P::Operate => matches!(self, Self::Operator | Self::Admin),
            P::Approve => matches!(self, Self::Approver | Self::Admin),
            P::ReadOrders => matches!(self, Self::Tenant | Self::Operator | Self::Approver | Self::Admin),
            P::Order => matches!(self, Self::Tenant | Self::Operator | Self::Admin),
            P::ReadAudit => matches!(self, Self::Approver | Self::Admin),
            P::Administer => matches!(self, Self::Admin),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<_> = Self::ALL.iter().map(|role| role.as_str()).collect();
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("no role is called `{text}`; the roles are {}", words.join(", ")))
    }
}

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// Nobody did.
    Nothing,
    /// The unix socket in `state_dir`, which only the host's user can open.
    Socket,
    /// A bearer token.
    Token,
    /// A browser's session.
    Session,
    /// A client certificate.
    Certificate,
}

/// Somebody, with what they may do and see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// What stands in the journal: `ana@example.org`, `token:ci`, `local:root`.
    pub name: String,
    /// How they proved it.
    pub means: Means,
    /// What they may do: the union of these.
    pub roles: BTreeSet<Role>,
    /// Slugs of the sites they see; `None`: every site.
    pub sites: Option<BTreeSet<String>>,
    /// The tenant whose servers and orders alone they see.
    pub tenant: Option<String>,
}

impl Principal {
    /// Nobody.
    pub fn nobody() -> Self {
        Self { name: "nobody".to_owned(), means: Means::Nothing, roles: BTreeSet::new(), sites: None, tenant: None }
    }

    /// Whoever can open the socket is who runs the host.
    pub fn local(user: &str) -> Self {
        Self {
            name: format!("local:{user}"),
            means: Means::Socket,
            roles: BTreeSet::from([Role::Admin]),
            sites: None,
            tenant: None,
        }
    }

    /// Whoever the configuration gives this to. A word that is no role gives nothing; loading refuses it.
    pub fn granted(name: String, means: Means, grant: &Grant) -> Self {
        Self {
            name,
            means,
            roles: grant.roles.iter().filter_map(|role| role.parse().ok()).collect(),
            sites: grant.sites.as_ref().map(|sites| sites.iter().cloned().collect()),
            tenant: grant.tenant.clone(),
        }
    }

    /// What they may do, by name.
    pub fn permissions(&self) -> Vec<Permission> {
        Permission::ALL.into_iter().filter(|permission| self.may(*permission)).collect()
    }

    /// May they do it at all? Where it is about a server, [`Principal::sees`] it must hold as well.
    pub fn may(&self, permission: Permission) -> bool {
        permission == Permission::Public || self.roles.iter().any(|role| role.allows(permission))
    }

    /// Do they see a part of the fleet only?
    pub const fn bound(&self) -> bool {
        self.sites.is_some() || self.tenant.is_some()
    }

    /// Is the server one of theirs? What is not seen is answered as if it did not exist.
    pub fn sees(&self, server: &Server) -> bool {
        self.sees_site(server.facts.site.as_deref()) && self.sees_tenant(server.tenant.as_deref())
    }

    /// Is the site one of theirs? Somebody bound to sites does not see what has none yet.
    pub fn sees_site(&self, site: Option<&str>) -> bool {
        self.sites.as_ref().is_none_or(|mine| site.is_some_and(|site| mine.contains(site)))
    }

    /// Is the tenant theirs? Somebody with the role tenant and no tenant sees nothing.
    pub fn sees_tenant(&self, tenant: Option<&str>) -> bool {
        match &self.tenant {
            Some(mine) => tenant == Some(mine.as_str()),
            None => self.roles.iter().any(|role| *role != Role::Tenant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_knows_the_same_roles() {
        assert_eq!(Role::ALL.map(Role::as_str), crate::config::ROLES);
    }

    #[test]
    fn a_word_that_is_no_role_gives_nothing() {
        let grant = Grant { roles: vec!["root".to_owned(), "viewer".to_owned()], sites: None, tenant: None };
        let ana = Principal::granted("ana".to_owned(), Means::Certificate, &grant);
        assert_eq!(ana.roles, BTreeSet::from([Role::Viewer]));
        assert!(ana.may(Permission::ReadServers) && !ana.may(Permission::Operate));
        assert!(!Principal::nobody().may(Permission::SignedIn) && Principal::nobody().may(Permission::Public));
    }
}
