//! An authenticated identity, and what is known about the peer before it is one.

use std::net::IpAddr;
use std::sync::Arc;

/// Who a session acts as, once authenticated.
///
/// Cheap to clone: sessions, channels and log lines share the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user's name, which permissions are looked up by.
    pub name: Arc<str>,
    /// The built-in roles that the user's tags grant.
    pub roles: Roles,
    /// How the identity was proven.
    pub authentication: Authentication,
    /// Whether the peer is on this machine.
    pub loopback: bool,
}

/// How an identity was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// A password was shown.
    Password,
    /// Knowledge of a password was shown without sending it.
    Scram,
    /// A certificate was verified by the transport.
    Certificate,
    /// Nothing was proven; the listener allows it.
    Anonymous,
}

/// A role that a user's tags can grant. It governs administration, never messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// May administer everything.
    Administrator,
    /// May read everything that can be administered.
    Monitoring,
    /// May manage policies of namespaces it has access to.
    Policymaker,
    /// May look at namespaces it has access to.
    Management,
    /// May label messages with another user's name.
    Impersonator,
}

impl Role {
    const ALL: [Self; 5] = [
        Self::Administrator,
        Self::Monitoring,
        Self::Policymaker,
        Self::Management,
        Self::Impersonator,
    ];

    /// The tag that grants the role.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Monitoring => "monitoring",
            Self::Policymaker => "policymaker",
            Self::Management => "management",
            Self::Impersonator => "impersonator",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of roles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// The roles that these tags grant; other tags are free-form labels and grant nothing.
    pub fn from_tags<'a>(tags: impl IntoIterator<Item = &'a str>) -> Self {
        let mut roles = Self::default();
        for tag in tags {
            if let Some(role) = Role::ALL.into_iter().find(|role| role.tag() == tag) {
                roles.0 |= role.bit();
            }
        }
        roles
    }

    /// Whether the role is in the set.
    #[must_use]
    pub const fn contains(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Whether the set has any role.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What the transport knows about the other end before anyone has authenticated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Whether the connection comes from this machine.
    pub loopback: bool,
    /// The client's verified certificate in DER, where the listener asked for one.
    pub certificate: Option<Arc<[u8]>>,
}

impl Peer {
    /// A peer at this address, without a certificate.
    ///
    /// An IPv4 address mapped into IPv6 counts as the IPv4 address that it is.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self {
            loopback: address.to_canonical().is_loopback(),
            certificate: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_grant_their_roles_and_labels_grant_none() {
        let roles = Roles::from_tags(["monitoring", "team-blue", "impersonator"]);
        assert!(roles.contains(Role::Monitoring));
        assert!(roles.contains(Role::Impersonator));
        assert!(!roles.contains(Role::Administrator));
        assert!(Roles::from_tags(["Administrator"]).is_empty());
    }

    #[test]
    fn a_mapped_loopback_address_is_loopback() {
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        assert!(Peer::at(mapped).loopback);
        let remote: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert!(!Peer::at(remote).loopback);
    }
}
