//! The way to an engine: a stream of octets, over a socket of this machine, TCP, TLS, or a shell of another machine.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use model::{EngineUrl, SocketPath};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_rustls::TlsConnector;

use super::{RuntimeError, Tls};

/// What is kept of what a shell said while it failed, in octets.
const MOST_SAID: usize = 1024;

/// A stream that leads to an engine.
pub(super) trait Way: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Way for T {}

/// How an engine is reached.
#[derive(Clone)]
pub(super) enum Dial {
    Unix(SocketPath),
    Tcp { host: Box<str>, port: u16, tls: Option<(TlsConnector, ServerName<'static>)> },
    Ssh(Vec<String>),
}

impl Dial {
    pub(super) fn new(url: &EngineUrl, tls: Option<&Tls>) -> Result<Self, RuntimeError> {
        Ok(match url {
            EngineUrl::Unix(path) => Self::Unix(path.clone()),
            EngineUrl::Tcp { host, port } => {
                let tls = tls.map(|tls| Ok((connector(tls)?, server(host)?))).transpose()?;
                Self::Tcp { host: host.clone(), port: port.get(), tls }
            }
            EngineUrl::Ssh { user, host, port } => {
                Self::Ssh(words(user.as_deref(), host, port.map(u16::from)))
            }
        })
    }

    /// One connection.
    pub(super) async fn dial(&self) -> io::Result<Box<dyn Way>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path.as_path()).await?),
            Self::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((&**host, *port)).await?;
                stream.set_nodelay(true)?;
                match tls {
                    Some((tls, server)) => Box::new(tls.connect(server.clone(), stream).await?),
                    None => Box::new(stream),
                }
            }
            Self::Ssh(words) => Box::new(Shell::start(words)?),
        })
    }
}

/// As `docker` itself does it. Nobody is there to be asked for a password, and an engine that is gone is noticed.
fn words(user: Option<&str>, host: &str, port: Option<u16>) -> Vec<String> {
    let mut words = Vec::from(["-oBatchMode=yes", "-oServerAliveInterval=15", "-T"].map(str::to_owned));
    words.extend(user.map(|user| format!("-l{user}")));
    words.extend(port.map(|port| format!("-p{port}")));
    words.extend(["--", host, "docker", "system", "dial-stdio"].map(str::to_owned));
    words
}

fn server(host: &str) -> Result<ServerName<'static>, RuntimeError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(ServerName::IpAddress(address.into()));
    }
    ServerName::try_from(host.to_owned()).map_err(|_| {
        RuntimeError::Refused(format!("`{host}` cannot be in a certificate; write the engine's DNS name"))
    })
}

/// TLS as `dockerd --tlsverify` wants it: both sides show a certificate of the one authority.
fn connector(tls: &Tls) -> Result<TlsConnector, RuntimeError> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| {
        RuntimeError::Refused(format!("{}: {error}; TLS to an engine needs a PEM file there", path.display()))
    };
    let certificates = |path: &Path| {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        read.map_err(|error| wrong(path, &error))
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(&tls.authority)? {
        roots.add(authority).map_err(|error| wrong(&tls.authority, &error))?;
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| wrong(&tls.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&tls.certificate, &error))?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&tls.certificate)?, key)
        .map_err(|error| wrong(&tls.certificate, &error))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A shell of another machine that passes octets on to the engine there; it ends with this.
struct Shell {
    _child: Child,
    down: ChildStdout,
    up: ChildStdin,
    complaints: ChildStderr,
    /// What it complained of, while nothing has come from the engine.
    said: Vec<u8>,
    heard: bool,
}

impl Shell {
    fn start(words: &[String]) -> io::Result<Self> {
        let mut child = Command::new("ssh")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("ssh cannot be started: {error}")))?;
        let (Some(down), Some(up), Some(complaints)) =
            (child.stdout.take(), child.stdin.take(), child.stderr.take())
        else {
            return Err(io::Error::other("ssh has no streams"));
        };
        Ok(Self { _child: child, down, up, complaints, said: Vec::new(), heard: false })
    }

    /// Why it ended without a word of the engine's.
    fn poll_complaint(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let mut space = [0; MOST_SAID];
        loop {
            let mut piece = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut self.complaints).poll_read(context, &mut piece));
            if read.is_err() || piece.filled().is_empty() || self.said.len() >= MOST_SAID {
                let said = String::from_utf8_lossy(&self.said);
                return Poll::Ready(io::Error::other(format!("ssh: {}", said.trim())));
            }
            self.said.extend_from_slice(piece.filled());
        }
    }
}

impl AsyncRead for Shell {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = space.filled().len();
        ready!(Pin::new(&mut self.down).poll_read(context, space))?;
        self.heard |= space.filled().len() > before;
        if self.heard {
            return Poll::Ready(Ok(()));
        }
        self.poll_complaint(context).map(Err)
    }
}

impl AsyncWrite for Shell {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.up).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.up).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.up).poll_shutdown(context)
    }
}
