//! TLS: what the endpoint shows of itself, and whom a client of it trusts.
//!
//! rustls over graviola: the provider that is plain Rust and assembly, so that a build needs no C
//! compiler (the usual ones, aws-lc and ring, do), with formally verified arithmetic. It needs AVX2,
//! ADX and AES instructions and ends the process without them, so they are looked for first.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::audit::TlsDetails;
use crate::sys::features::has_graviola_instructions;

/// A certificate with its private key.
#[derive(Clone, Debug)]
pub struct TlsIdentity(Arc<ServerConfig>);

impl TlsIdentity {
    /// Reads a certificate chain and a private key, both in PEM.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        if !has_graviola_instructions() {
            return Err(TlsError::Cpu);
        }
        let chain = certificates(certificate)?;
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| TlsError::Unread(key.to_owned(), error))?;
        let provider = Arc::new(rustls_graviola::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(rustls::ConfigBuilder::<ServerConfig, _>::with_no_client_auth)
            .and_then(|config| config.with_single_cert(chain, private));
        let mut config = config.map_err(|error| TlsError::Unfit(certificate.to_owned(), error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// What shakes hands.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0))
    }
}

/// Whom a client trusts.
#[derive(Clone, Debug)]
pub struct TlsTrust(Arc<ClientConfig>);

impl TlsTrust {
    /// Trusts the certificates in a PEM file, and what they vouch for.
    pub fn load(path: &Path) -> Result<Self, TlsError> {
        if !has_graviola_instructions() {
            return Err(TlsError::Cpu);
        }
        let untrusted = |error| TlsError::Untrusted(path.to_owned(), error);
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(untrusted)?;
        }
        let provider = Arc::new(rustls_graviola::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(untrusted)?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Encrypts `stream` to the server that is called `name`.
    pub async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        name: &str,
        stream: S,
    ) -> io::Result<TlsStream<S>> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}

/// The certificates of a PEM file, in their order.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| TlsError::Unread(path.to_owned(), error))
}

/// What a client and this server agreed on.
pub(super) fn tls_details(connection: &ServerConnection) -> TlsDetails {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "unknown",
    };
    let suite = connection.negotiated_cipher_suite();
    let cipher_suite = suite.and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    TlsDetails { tls_version: version, cipher_suite }
}

/// Why a certificate or key is of no use.
#[derive(Debug)]
pub enum TlsError {
    /// The CPU lacks instructions that the TLS provider needs.
    Cpu,
    /// A file cannot be read, or is no PEM.
    Unread(PathBuf, pem::Error),
    /// The certificate is malformed, or the key is another's.
    Unfit(PathBuf, rustls::Error),
    /// A certificate is none that others can be checked with.
    Untrusted(PathBuf, rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("this CPU lacks instructions that TLS needs (AVX2, ADX, AES)"),
            Self::Unread(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Unfit(path, error) => {
                write!(f, "{} does not go with its key: {error}", path.display())
            }
            Self::Untrusted(path, error) => {
                write!(f, "{}: no certificate to trust: {error}", path.display())
            }
        }
    }
}

impl core::error::Error for TlsError {}
