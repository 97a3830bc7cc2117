//! The listeners of all protocols: bound together, served together, drained together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sabir_transport::{
    BindError, ClientAuthentication, Listener, Service, Serving, TlsFiles, Transport,
};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::config::choice::ClientAuth;
use crate::config::protocols::Tls;

/// The plain and the encrypted listener of AMQP 0-9-1, by their sections.
const AMQP091: &str = "amqp091";
const AMQP091_TLS: &str = "amqp091.tls";

/// Bound addresses on which nobody is accepted yet.
pub(super) struct Bound(Vec<(&'static str, Listener)>);

/// Listeners at work.
pub(super) struct Listeners(Vec<(&'static str, Serving)>);

/// Binds everything that is configured.
pub(super) fn bind(config: &Config, transport: &Transport) -> Result<Bound, BindError> {
    let section = &config.amqp091;
    let mut bound = Vec::new();
    if let Some(address) = section.listen.address() {
        bound.push((AMQP091, transport.bind(address, None)?));
    }
    if let Some(address) = section.tls.listen.address() {
        bound.push((
            AMQP091_TLS,
            transport.bind(address, Some(tls_files(&section.tls)))?,
        ));
    }
    Ok(Bound(bound))
}

fn tls_files(tls: &Tls) -> TlsFiles {
    TlsFiles {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        client: match tls.client_auth {
            ClientAuth::None => ClientAuthentication::None,
            ClientAuth::Request => ClientAuthentication::Request(tls.client_ca.clone()),
            ClientAuth::Require => ClientAuthentication::Require(tls.client_ca.clone()),
        },
    }
}

impl Bound {
    /// The addresses by section.
    pub(super) fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        let addresses = self
            .0
            .iter()
            .map(|(name, listener)| (*name, listener.address()));
        addresses
            .map(|(name, address)| (name.to_owned(), address))
            .collect()
    }

    /// Starts to accept connections, with sessions of the service.
    pub(super) fn serve(self, amqp091: &Arc<dyn Service>) -> Listeners {
        let serving = self.0.into_iter().map(|(name, listener)| {
            let service = Arc::clone(amqp091);
            (name, listener.serve(service))
        });
        Listeners(serving.collect())
    }
}

impl Listeners {
    /// Reads all certificates again.
    pub(super) fn reload(&self) {
        let encrypted = self.0.iter().filter(|(name, _)| *name == AMQP091_TLS);
        for (name, serving) in encrypted {
            match serving.reload_tls() {
                Ok(()) => tracing::info!(listener = name, "certificates read again"),
                Err(error) => {
                    tracing::error!(listener = name, %error, "the old certificates stay in force");
                }
            }
        }
    }

    /// Has all sessions say goodbye and waits for their connections to end; tells how many had to
    /// be cut.
    pub(super) async fn drain(self, within: Duration) -> usize {
        let mut drains: JoinSet<usize> = self
            .0
            .into_iter()
            .map(|(_, serving)| serving.drain(within))
            .collect();
        let mut cut = 0;
        while let Some(drained) = drains.join_next().await {
            cut += drained.unwrap_or_default();
        }
        cut
    }
}
