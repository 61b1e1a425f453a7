//! TLS to an engine, as `dockerd --tlsverify` wants it: both sides show a certificate. What goes wrong is said with its remedy.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Tls;

/// A connection to `host`, on which nothing was said yet. The files are read anew each time, so that renewed ones are used.
pub(super) async fn connect(tls: &Arc<Tls>, host: &str, stream: TcpStream) -> io::Result<Encrypted> {
    let files = Arc::clone(tls);
    let connector = tokio::task::spawn_blocking(move || connector(&files)).await??;
    let connected = connector.connect(server(host)?, stream).await;
    let stream = connected.map_err(|error| explained(error, tls, host))?;
    Ok(Encrypted { stream, tls: Arc::clone(tls), host: host.into(), heard: false })
}

fn server(host: &str) -> io::Result<ServerName<'static>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    ServerName::try_from(host.to_owned()).map_err(|_| {
        io::Error::other(format!("`{host}` cannot be in a certificate; write the engine's DNS name"))
    })
}

fn connector(tls: &Tls) -> io::Result<TlsConnector> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: {error}; TLS to an engine needs a PEM file there", path.display()))
    };
    let certificates = |path: &Path| {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let read = read.map_err(|error| wrong(path, &error))?;
        if read.is_empty() { Err(wrong(path, &"it has no certificate")) } else { Ok(read) }
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(&tls.authority)? {
        roots.add(authority).map_err(|error| wrong(&tls.authority, &error))?;
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| wrong(&tls.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&tls.certificate)?, key)
        .map_err(|error| wrong(&tls.key, &error))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

/// An encrypted connection to an engine.
pub(super) struct Encrypted {
    stream: TlsStream<TcpStream>,
    tls: Arc<Tls>,
    host: Box<str>,
    /// Whether anything came from the engine: TLS 1.3 tells who connects that it is refused only instead of the first answer.
    heard: bool,
}

impl Encrypted {
    fn explain(&self, error: io::Error) -> io::Error {
        let is_cut = matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
        );
        if is_cut && !self.heard {
            return io::Error::new(error.kind(), refused(&error, &self.tls));
        }
        explained(error, &self.tls, &self.host)
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = space.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, space);
        self.heard |= space.filled().len() > before;
        read.map_err(|error| self.explain(error))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets).map_err(|error| self.explain(error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context).map_err(|error| self.explain(error))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn refused(error: &dyn std::fmt::Display, tls: &Tls) -> String {
    format!(
        "it does not accept our certificate ({error}); {} (control.tls_cert) must be of the authority that its \
         --tlscacert names, for clients, and in time",
        tls.certificate.display()
    )
}

/// What TLS says, in the words of who can do something about it.
fn explained(error: io::Error, tls: &Tls, host: &str) -> io::Error {
    let Some(wrong) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return error };
    let authority = tls.authority.display();
    let text = match wrong {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!(
                "its certificate is not of the authority in {authority} (control.tls_ca); is it the engine that is \
                 meant, and is this the file of its authority?"
            )
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            format!(
                "its certificate is not for `{host}`; give the host's engine a name that is in the certificate \
                 (subjectAltName), or the engine a certificate with this one"
            )
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired; renew it there (dockerd --tlscert)".to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "its certificate is not valid yet; are the clocks right, here and there?".to_owned(),
        Error::InvalidMessage(_) => "it does not speak TLS; start it with --tlsverify, or name it in \
                                     control.plain_engines"
            .to_owned(),
        Error::AlertReceived(alert) if is_of_certificates(*alert) => refused(wrong, tls),
        other => other.to_string(),
    };
    io::Error::new(error.kind(), text)
}

fn is_of_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}
