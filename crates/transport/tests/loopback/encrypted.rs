//! TLS: handshakes, client certificates and new certificates for old.

use crate::toy::{Notes, Toys};
use crate::{PATIENCE, free_port};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sabir_security::certificate::{NameSource, user_name};
use sabir_transport::{
    ClientAuthentication, Clock, Limits, Serving, TlsError, TlsFiles, Transport,
};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// An authority and the files of a server that it vouches for.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("authority.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate and its key in PEM.
    fn certify(&self, common_name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn install(&self, common_name: &str) {
        let (certificate, key) = self.certify(common_name);
        fs::write(self.path("server.pem"), certificate).unwrap();
        fs::write(self.path("server.key"), key).unwrap();
    }

    fn files(&self, client: ClientAuthentication) -> TlsFiles {
        TlsFiles {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client,
        }
    }

    fn connector(&self, client: Option<&str>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(common_name) => {
                let (certificate, key) = self.certify(common_name);
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate], key)
                    .unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }
}

fn serve(files: TlsFiles, limits: Limits) -> (Serving, Arc<Notes>) {
    let toys = Toys::default();
    let notes = Arc::clone(&toys.notes);
    let transport = Transport::new(Clock::start(), limits);
    let listener = transport.bind(free_port(), Some(files)).unwrap();
    (listener.serve(Arc::new(toys)), notes)
}

async fn connect(serving: &Serving, connector: TlsConnector) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(serving.address()).await.unwrap();
    let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
    connector.connect(name, socket).await.unwrap()
}

async fn echo(stream: &mut TlsStream<TcpStream>, line: &[u8]) -> std::io::Result<()> {
    stream.write_all(line).await?;
    let mut received = vec![0; line.len()];
    let read = stream.read_exact(&mut received);
    tokio::time::timeout(PATIENCE, read).await.unwrap()?;
    assert!(received == line);
    Ok(())
}

fn served_name(stream: &TlsStream<TcpStream>) -> String {
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    user_name(&certificates[0], NameSource::CommonName).unwrap()
}

#[tokio::test]
async fn an_encrypted_connection_carries_lines_of_any_size() {
    let authority = Authority::new();
    authority.install("first");
    let (serving, notes) = serve(
        authority.files(ClientAuthentication::None),
        Limits::default(),
    );
    let mut stream = connect(&serving, authority.connector(None)).await;
    echo(&mut stream, b"hello\n").await.unwrap();
    let mut large = vec![b'x'; 200_000];
    large.push(b'\n');
    echo(&mut stream, &large).await.unwrap();
    let peers = notes.peers.lock().unwrap().clone();
    let (peer, facts) = &peers[0];
    assert_eq!(peer.certificate, None);
    assert_eq!(facts.as_ref().unwrap().version, "TLSv1_3");

    stream.write_all(b"quit\n").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"bye\n");
}

#[tokio::test]
async fn what_comes_with_the_end_of_the_handshake_is_read() {
    let authority = Authority::new();
    authority.install("first");
    let files = authority.files(ClientAuthentication::None);
    let (serving, _notes) = serve(files, Limits::default());
    let socket = TcpStream::connect(serving.address()).await.unwrap();
    let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
    let connector = authority.connector(None);
    let connecting = connector.connect_with(name, socket, |session| {
        std::io::Write::write_all(&mut session.writer(), b"hello\n").unwrap();
    });
    let mut stream = connecting.await.unwrap();
    let mut received = [0; 6];
    let read = stream.read_exact(&mut received);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(&received, b"hello\n");
}

#[tokio::test]
async fn a_client_certificate_reaches_the_session() {
    let authority = Authority::new();
    authority.install("first");
    let client = ClientAuthentication::Request(authority.path("authority.pem"));
    let (serving, notes) = serve(authority.files(client), Limits::default());
    let mut named = connect(&serving, authority.connector(Some("ann"))).await;
    echo(&mut named, b"hello\n").await.unwrap();
    let mut nameless = connect(&serving, authority.connector(None)).await;
    echo(&mut nameless, b"hello\n").await.unwrap();
    let peers = notes.peers.lock().unwrap().clone();
    let certificate = peers[0].0.certificate.as_ref().unwrap();
    assert_eq!(
        user_name(certificate, NameSource::CommonName),
        Ok("ann".into())
    );
    assert_eq!(peers[1].0.certificate, None);
}

#[tokio::test]
async fn a_required_certificate_must_be_shown_and_vouched_for() {
    let authority = Authority::new();
    authority.install("first");
    let client = ClientAuthentication::Require(authority.path("authority.pem"));
    let (serving, notes) = serve(authority.files(client), Limits::default());
    let stranger = Authority::new();
    let (certificate, key) = stranger.certify("eve");
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let forged = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    for connector in [
        authority.connector(None),
        TlsConnector::from(Arc::new(forged)),
    ] {
        let mut refused = connect(&serving, connector).await;
        assert!(echo(&mut refused, b"hello\n").await.is_err());
    }
    let mut stream = connect(&serving, authority.connector(Some("ann"))).await;
    echo(&mut stream, b"hello\n").await.unwrap();
    assert_eq!(notes.peers.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reload_serves_the_new_certificate_and_keeps_open_connections() {
    let authority = Authority::new();
    authority.install("first");
    let (serving, _) = serve(
        authority.files(ClientAuthentication::None),
        Limits::default(),
    );
    let mut old = connect(&serving, authority.connector(None)).await;
    assert_eq!(served_name(&old), "first");

    authority.install("second");
    serving.reload_tls().unwrap();
    let new = connect(&serving, authority.connector(None)).await;
    assert_eq!(served_name(&new), "second");
    echo(&mut old, b"still here\n").await.unwrap();

    fs::write(authority.path("server.pem"), "garbage").unwrap();
    assert!(matches!(serving.reload_tls(), Err(TlsError::Empty { .. })));
    let (certificate, _) = authority.certify("third");
    fs::write(authority.path("server.pem"), certificate).unwrap();
    assert!(matches!(serving.reload_tls(), Err(TlsError::Unusable(_))));
    let kept = connect(&serving, authority.connector(None)).await;
    assert_eq!(served_name(&kept), "second");
}

#[tokio::test]
async fn whoever_does_not_finish_the_handshake_is_cut_off() {
    let authority = Authority::new();
    authority.install("first");
    let limits = Limits {
        handshake_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let (serving, notes) = serve(authority.files(ClientAuthentication::None), limits);
    let mut silent = TcpStream::connect(serving.address()).await.unwrap();
    let mut rest = Vec::new();
    let read = silent.read_to_end(&mut rest);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(rest, b"");
    let mut garbled = TcpStream::connect(serving.address()).await.unwrap();
    garbled
        .write_all(b"AMQP\0\0\x09\x01 and more")
        .await
        .unwrap();
    let read = garbled.read_to_end(&mut rest);
    let _alert_or_reset: Result<usize, _> = tokio::time::timeout(PATIENCE, read).await.unwrap();
    assert!(notes.peers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn unusable_files_are_named() {
    let authority = Authority::new();
    authority.install("first");
    let mut files = authority.files(ClientAuthentication::None);
    files.key = authority.path("nowhere");
    let transport = Transport::new(Clock::start(), Limits::default());
    let error = transport.bind(free_port(), Some(files)).err().unwrap();
    assert!(error.to_string().contains("nowhere"), "{error}");
}
