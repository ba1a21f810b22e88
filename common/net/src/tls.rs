//! TLS: rustls with the ring provider, Mozilla's roots, extra certificates, or none on request.

use fault::{Error, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::PathBuf;
use std::sync::Arc;

/// Makes ring the provider of libraries that take the process's default (MySQL, object stores).
pub fn install_provider() {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What to trust.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Accept any certificate (`--tls-insecure`).
    pub insecure: bool,
    /// Trust the certificates in this PEM file besides Mozilla's roots (`--tls-ca-file`).
    pub ca_file: Option<PathBuf>,
}

impl Tls {
    /// A configuration for rustls. An unreadable or empty certificate file: exit 2.
    pub fn config(&self) -> Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::usage(format!("cannot set up TLS: {error}")))?;
        if self.insecure {
            let verifier = Arc::new(AcceptAny { provider });
            return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
        }
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = &self.ca_file {
            let name = path.display();
            let unreadable =
                |error: &dyn std::fmt::Display| Error::usage(format!("cannot read certificates from {name}: {error}"));
            let mut count = 0;
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
                count += 1;
            }
            if count == 0 {
                return Err(Error::usage(format!("{name} holds no PEM certificate")));
            }
        }
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// Accepts every certificate; handshake signatures are still checked, so that a broken peer is noticed.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_files_are_checked() {
        assert!(Tls::default().config().is_ok());
        assert!(Tls { insecure: true, ca_file: None }.config().is_ok());
        let missing = Tls { insecure: false, ca_file: Some("/nonexistent.pem".into()) }.config().unwrap_err();
        assert!(missing.to_string().contains("/nonexistent.pem"), "{missing}");
        let empty = Tls { insecure: false, ca_file: Some("/dev/null".into()) }.config().unwrap_err();
        assert!(empty.to_string().contains("no PEM certificate"), "{empty}");
    }
}
