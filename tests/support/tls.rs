//! A certificate for this machine that nobody else trusts, and TLS with it. Made anew for each test.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A certificate for `localhost` and 127.0.0.1, and what a server needs to show it.
#[derive(Clone)]
pub struct Certificate {
    /// The certificate as PEM text, for whoever should trust it.
    pub pem: String,
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// A new one.
    pub fn new() -> Certificate {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("a key that fits");
        Certificate { pem: made.cert.pem(), config: Arc::new(config) }
    }

    /// The server's end of an encrypted connection.
    pub fn accept(&self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(Arc::clone(&self.config)).expect("a connection"), stream)
    }
}
