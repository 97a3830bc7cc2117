//! Certificates and the TLS side of a listener.

use arc_swap::ArcSwap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// The files that a TLS listener is made from, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those that lead to its root.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// Whether clients show certificates, and who vouches for them.
    pub client: ClientAuthentication,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// They are not asked to.
    None,
    /// They may; one that is shown must be vouched for by an authority in this file.
    Request(PathBuf),
    /// They must.
    Require(PathBuf),
}

/// A TLS listener cannot be made from its files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is not PEM of the expected kind.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("{path}: no certificate in it")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Certificate, key or authorities are not usable together.
    #[error(transparent)]
    Unusable(#[from] rustls::Error),
    /// The authorities cannot verify clients.
    #[error("client certificates cannot be verified: {0}")]
    ClientAuthorities(#[from] VerifierBuilderError),
}

/// A listener's TLS configuration, which can be replaced while connections are open.
pub(crate) struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let current = ArcSwap::from(server_config(&files)?);
        Ok(Self { files, current })
    }

    /// Reads the files again. On an error the configuration stays as it was.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        self.current.store(server_config(&self.files)?);
        Ok(())
    }

    /// What the next connection is accepted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let verifier = |authorities: &Path| {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authorities)? {
            roots.add(certificate)?;
        }
        Ok::<_, TlsError>(WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        ))
    };
    let builder = match &files.client {
        ClientAuthentication::None => builder.with_no_client_auth(),
        ClientAuthentication::Request(authorities) => builder
            .with_client_cert_verifier(verifier(authorities)?.allow_unauthenticated().build()?),
        ClientAuthentication::Require(authorities) => {
            builder.with_client_cert_verifier(verifier(authorities)?.build()?)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(in_file(&files.key))?;
    let config = builder.with_single_cert(certificates(&files.certificate)?, key)?;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(in_file(path))?;
    if certificates.is_empty() {
        return Err(TlsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

fn in_file(path: &Path) -> impl FnOnce(pem::Error) -> TlsError {
    let path = path.to_owned();
    |reason| TlsError::File { path, reason }
}
