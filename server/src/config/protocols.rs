//! One section per protocol. Those that this version does not speak yet have their section too,
//! so that a configuration which asks for them is refused in words.

use std::path::PathBuf;

use super::choice::{CertificateName, ClientAuth};
use super::listen::Listen;
use super::section::{Fault, Place, Reference, SectionEntry, Setting, Value, section};
use super::units::{ByteSize, TimeSpan};

section! {
    /// AMQP 0-9-1, the protocol of RabbitMQ's clients.
    Amqp091 {
        /// Where the listener for plain connections listens.
        listen: Listen = Listen::loopback(5672);
        /// Channels that one connection may open.
        channels_max: u32 = 2047, in 1 => 65_535;
        /// Largest frame, negotiated with the client.
        frame_bytes_max: ByteSize = ByteSize::kib(128), in ByteSize::kib(4) => ByteSize::mib(16);
        /// Heartbeat interval proposed to the client; `0s` proposes none.
        heartbeat: TimeSpan = TimeSpan::seconds(60), in TimeSpan::seconds(0) => TimeSpan::seconds(65_535);
        /// How long a consumer may keep a delivery unacknowledged before its channel is closed.
        acknowledgement_timeout: TimeSpan = TimeSpan::seconds(1800),
            in TimeSpan::seconds(1) => TimeSpan::seconds(604_800);
        /// Connections over TLS (`amqps`).
        tls: Tls = Tls::default();
    }
}

section! {
    /// A listener for TLS connections (`amqps` for AMQP). Certificates are read again on SIGHUP.
    Tls {
        /// Where the listener for TLS connections listens; RabbitMQ's port for it is 5671.
        listen: Listen = Listen::Off;
        /// File with the certificate chain of the broker, PEM.
        certificate: PathBuf = PathBuf::new();
        /// File with the private key, PEM.
        key: PathBuf = PathBuf::new();
        /// File with the authorities that client certificates are checked against, PEM.
        client_ca: PathBuf = PathBuf::new();
        /// Whether clients may or must present a certificate.
        client_auth: ClientAuth = ClientAuth::None;
        /// Which part of the certificate names the user of a client that authenticates with it.
        certificate_name: CertificateName = CertificateName::CommonName;
    }
}

impl Tls {
    /// What is missing for the listener to work.
    pub(super) fn faults(&self, path: &str) -> Vec<Fault> {
        if self.listen == Listen::Off {
            return Vec::new();
        }
        let needs_authority = self.client_auth != ClientAuth::None;
        [
            ("certificate", &self.certificate, true),
            ("key", &self.key, true),
            ("client_ca", &self.client_ca, needs_authority),
        ]
        .into_iter()
        .filter(|(_, file, needed)| *needed && file.as_os_str().is_empty())
        .map(|(name, ..)| Fault {
            path: format!("{path}.{name}"),
            reason: "the TLS listener needs this file".to_owned(),
        })
        .collect()
    }
}

/// The section of a protocol that this version does not speak.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Unavailable {
    /// Accepts `off` only.
    pub(crate) listen: Listen,
}

impl Default for Unavailable {
    fn default() -> Self {
        Self {
            listen: Listen::Off,
        }
    }
}

impl Setting for Unavailable {
    fn describe(&self, place: &Place<'_>, reference: &mut Reference) {
        reference.sections.push(SectionEntry {
            path: place.path.clone(),
            documentation: super::section::tidy(place.documentation),
        });
        let listen = Place {
            path: place.join("listen"),
            documentation: "Not available yet in this version: only `off` is accepted.",
            bounds: None,
        };
        self.listen.describe(&listen, reference);
    }

    fn check(&self, place: &Place<'_>, faults: &mut Vec<Fault>) {
        if self.listen != Listen::Off {
            faults.push(Fault {
                path: place.join("listen"),
                reason: format!(
                    "{}: this protocol is not available yet in this version; leave it \"off\"",
                    self.listen.toml()
                ),
            });
        }
    }
}
