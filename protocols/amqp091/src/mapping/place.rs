//! Where a session works and for whom, as error texts spell it.

use std::fmt;

use sabir_core::name::Name;
use sabir_core::refusal::Kind;

/// The virtual host and the user of a connection.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The namespace, which AMQP calls virtual host.
    pub virtual_host: Name,
    /// The principal's name.
    pub user: Name,
    /// Whether messages may carry another user's name.
    pub impersonates: bool,
}

impl Place {
    /// The words for something in this virtual host, such as `queue 'q' in vhost '/'`.
    pub fn entity<'a>(&'a self, kind: Kind, name: &'a str) -> Entity<'a> {
        Entity {
            kind: kind_name(kind),
            name,
            virtual_host: &self.virtual_host,
        }
    }

    /// The words for a queue.
    pub fn queue<'a>(&'a self, name: &'a str) -> Entity<'a> {
        self.entity(Kind::Queue, name)
    }

    /// The words for an exchange.
    pub fn exchange<'a>(&'a self, name: &'a str) -> Entity<'a> {
        self.entity(Kind::Exchange, name)
    }
}

/// Something in a virtual host; displayed as `queue 'q' in vhost '/'`.
#[derive(Debug, Clone, Copy)]
pub struct Entity<'a> {
    kind: &'static str,
    name: &'a str,
    virtual_host: &'a str,
}

impl fmt::Display for Entity<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} '{}' in vhost '{}'",
            self.kind, self.name, self.virtual_host
        )
    }
}

/// What AMQP calls a kind of thing.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Namespace => "vhost",
        Kind::Exchange => "exchange",
        Kind::Queue => "queue",
        Kind::Binding => "binding",
        Kind::Consumer => "consumer",
        Kind::Policy => "policy",
        Kind::Connection => "connection",
    }
}
