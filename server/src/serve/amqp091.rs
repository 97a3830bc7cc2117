//! Sessions of AMQP 0-9-1 for the connections of a listener.

use std::sync::Arc;

use sabir_amqp091::{AmqpSession, Config as AmqpConfig, Setup};
use sabir_core::id::SessionId;
use sabir_core::session::Door;
use sabir_security::certificate::NameSource;
use sabir_security::sasl::{Mechanisms, MechanismsConfig};
use sabir_transport::{NewConnection, Opened, Service};

use super::node::{Node, SessionIds};
use crate::config::Config;
use crate::config::choice::CertificateName;
use crate::shard::Shard;

/// Spreads session numbers over all bits, for the seeds of generated names.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Makes AMQP 0-9-1 sessions over the node's core.
pub(super) struct Amqp091 {
    shard: Arc<Shard>,
    sessions: Arc<SessionIds>,
    config: Arc<AmqpConfig>,
    mechanisms: Mechanisms,
    seed: u64,
}

impl Amqp091 {
    pub(super) fn new(config: &Config, node: &Node, seed: u64) -> Self {
        let certificate_name = match config.amqp091.tls.certificate_name {
            CertificateName::CommonName => NameSource::CommonName,
            CertificateName::DistinguishedName => NameSource::DistinguishedName,
        };
        let mechanisms = MechanismsConfig {
            certificate_name,
            ..MechanismsConfig::default()
        };
        Self {
            shard: Arc::clone(&node.shard),
            sessions: Arc::clone(&node.sessions),
            config: Arc::new(amqp_config(config)),
            mechanisms: Mechanisms::new(Arc::clone(node.accounts.store()), mechanisms),
            seed,
        }
    }
}

impl Service for Amqp091 {
    fn open(&self, connection: NewConnection) -> Opened {
        let id = self.sessions.next();
        self.shard.attach(id, connection.outbox);
        let session = AmqpSession::new(Setup {
            session: id,
            config: Arc::clone(&self.config),
            mechanisms: self.mechanisms.clone(),
            peer: connection.peer,
            name: format!(
                "{} -> {}",
                connection.peer_address, connection.local_address
            ),
            seed: self.seed ^ id.0.wrapping_mul(GOLDEN),
        });
        let door: Arc<dyn Door> = Arc::<Shard>::clone(&self.shard);
        Opened {
            id,
            session: Box::new(session),
            door,
        }
    }

    fn closed(&self, _session: SessionId) {}
}

fn amqp_config(config: &Config) -> AmqpConfig {
    let section = &config.amqp091;
    let limits = &config.limits;
    let milliseconds = |span: crate::config::units::TimeSpan| {
        u64::try_from(span.duration().as_millis()).unwrap_or(u64::MAX)
    };
    AmqpConfig {
        frame_bytes_max: at_most_u32(section.frame_bytes_max.bytes()),
        handshake_frame_bytes_max: at_most_u32(limits.unauthenticated_frame_bytes_max.bytes()),
        channels_max: u16::try_from(section.channels_max).unwrap_or(u16::MAX),
        heartbeat_seconds: u16::try_from(section.heartbeat.duration().as_secs())
            .unwrap_or(u16::MAX),
        handshake_ms_max: milliseconds(limits.handshake_timeout),
        message_bytes_max: limits.message_bytes_max.bytes(),
        acknowledgement_ms_max: milliseconds(section.acknowledgement_timeout),
        ..AmqpConfig::default()
    }
}

fn at_most_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
