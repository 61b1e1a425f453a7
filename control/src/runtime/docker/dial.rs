//! The way to an engine: a stream of octets, over a socket of this machine, TCP, TLS, or a shell of another machine.

use std::io;
use std::sync::Arc;

use model::{EngineUrl, SocketPath};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::ssh::Ssh;
use super::{RuntimeError, Settings, Tls, tls};

/// A stream that leads to an engine.
pub(super) trait Way: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Way for T {}

/// How an engine is reached.
#[derive(Clone)]
pub(super) enum Dial {
    Unix(SocketPath),
    Tcp { host: Box<str>, port: u16, tls: Option<Arc<Tls>> },
    Ssh(Ssh),
}

impl Dial {
    pub(super) fn new(url: &EngineUrl, settings: &Settings) -> Result<Self, RuntimeError> {
        Ok(match url {
            EngineUrl::Unix(path) => Self::Unix(path.clone()),
            EngineUrl::Tcp { host, port } => {
                let is_plain = settings.plain.contains(url);
                let tls = settings.tls.clone().filter(|_| !is_plain).map(Arc::new);
                if tls.is_none() && !is_plain {
                    return Err(RuntimeError::Refused(format!(
                        "{url} is not spoken to without TLS: whoever is on the way would be root there; set \
                         control.tls_ca, tls_cert and tls_key, or name it in control.plain_engines"
                    )));
                }
                Self::Tcp { host: host.clone(), port: port.get(), tls }
            }
            EngineUrl::Ssh { user, host, port } => {
                let config = settings.ssh_config.as_deref();
                Self::Ssh(Ssh::new(config, user.as_deref(), host, port.map(u16::from)))
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
                    Some(tls) => Box::new(tls::connect(tls, host, stream).await?),
                    None => Box::new(stream),
                }
            }
            Self::Ssh(ssh) => Box::new(ssh.begin().await?),
        })
    }
}
