//! For tests only: running our binaries and pipelines, starting simulators, golden cases.
//!
//! Test libraries are normal dependencies of this crate and re-exported, so that building and testing resolve the same
//! features and a switch between the two recompiles nothing.

#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

pub use influxdb_line_protocol;
pub use proptest;
pub use tempfile;

pub mod cases;
pub mod conformance;
pub mod conformance_source;
pub mod http;
pub mod influx;
mod influx_source;
mod process;
pub mod prometheus;
pub mod readme;
pub mod server;
mod sim;
mod starrocks;
pub mod starrocks_sink;
pub mod starrocks_source;
pub mod table;

pub use process::{Outcome, Tool, bin, shell, tool};
pub use sim::Sim;
pub use starrocks::Starrocks;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;

/// The root of the workspace.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    match here.ancestors().nth(2) {
        Some(root) => root.to_owned(),
        None => here,
    }
}

/// A path under `testdata/`.
pub fn testdata(path: &str) -> PathBuf {
    root().join("testdata").join(path)
}

/// What a double speaks TLS with: the certificate of `testdata/tls`, for 127.0.0.1 and localhost, by the authority `ca.pem`.
pub fn tls_server() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(testdata("tls/server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(testdata("tls/server.key")).expect("its key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions of TLS").with_no_client_auth().with_single_cert(vec![certificate], key);
    Arc::new(config.expect("a key that fits the certificate"))
}

/// A temporary directory that goes with its value.
pub fn temp_dir() -> tempfile::TempDir {
    match tempfile::Builder::new().prefix("tsferry-test-").tempdir() {
        Ok(directory) => directory,
        Err(error) => panic!("cannot make a temporary directory: {error}"),
    }
}

/// Says that something was not tested, past the capture of the test harness: the test command counts these lines.
pub fn skip(reason: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "skipped: {reason}");
}
