//! Where a host's container engine is.

use std::fmt;
use std::num::NonZeroU16;

use crate::socket_path::{SocketPath, SocketPathError};

/// The longest URL, in octets.
const MAX_URL: usize = 512;
/// The port of an engine over TLS (Docker's own).
const TLS_PORT: NonZeroU16 = NonZeroU16::new(2376).unwrap();

/// Where a container engine is: `unix:///run/docker.sock`, `tcp://host:port` or `ssh://[user@]host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EngineUrl {
    /// A socket of this machine.
    Unix(SocketPath),
    /// Over TCP, with TLS unless the controller's configuration names it as one without.
    Tcp {
        /// A name or an address, without brackets.
        host: Box<str>,
        /// Its port; 2376 where none is written.
        port: NonZeroU16,
    },
    /// Through a shell of that machine.
    Ssh {
        /// As whom; `None`: as the controller's configuration says.
        user: Option<Box<str>>,
        /// A name or an address, without brackets.
        host: Box<str>,
        /// Its port; `None`: as the controller's configuration says.
        port: Option<NonZeroU16>,
    },
}

/// Why a text is not where an engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EngineUrlError {
    /// Not one of the three.
    #[error("it is no engine's URL; write `unix:///run/docker.sock`, `tcp://host:2376` or `ssh://user@host`")]
    Scheme,
    /// No path of a socket.
    #[error("{0}; an engine's is `unix:///run/docker.sock`")]
    Path(SocketPathError),
    /// Not a name or an address.
    #[error(
        "its host is neither a name nor an address; write `tcp://node-1.example.com:2376` or `tcp://[fd00::1]:2376`"
    )]
    Host,
    /// Not a port.
    #[error("its port is not 1 to 65535")]
    Port,
    /// Not a user.
    #[error("its user is not letters, digits, `_`, `.` and `-`; a password has no place in a fact")]
    User,
}

impl EngineUrl {
    /// Parses where an engine is.
    ///
    /// # Errors
    /// [`EngineUrlError`] says which part cannot be.
    pub fn parse(text: &str) -> Result<Self, EngineUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(EngineUrlError::Scheme)?;
        if text.len() > MAX_URL {
            return Err(EngineUrlError::Scheme);
        }
        match scheme {
            "unix" => SocketPath::parse(rest).map(Self::Unix).map_err(EngineUrlError::Path),
            "tcp" => {
                let (host, port) = host_and_port(rest)?;
                Ok(Self::Tcp { host, port: port.unwrap_or(TLS_PORT) })
            }
            "ssh" => {
                let (user, rest) =
                    rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
                let fine = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.' | b'-');
                // A user that begins with a hyphen would be read as an option of the command that connects.
                let is_user =
                    |user: &str| !user.is_empty() && !user.starts_with('-') && user.bytes().all(fine);
                if user.is_some_and(|user| !is_user(user)) {
                    return Err(EngineUrlError::User);
                }
                let (host, port) = host_and_port(rest)?;
                Ok(Self::Ssh { user: user.map(Into::into), host, port })
            }
            _ => Err(EngineUrlError::Scheme),
        }
    }
}

impl fmt::Display for EngineUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp { host, port } => write!(f, "tcp://{}:{port}", bracketed(host)),
            Self::Ssh { user, host, port } => {
                f.write_str("ssh://")?;
                user.iter().try_for_each(|user| write!(f, "{user}@"))?;
                f.write_str(&bracketed(host))?;
                port.iter().try_for_each(|port| write!(f, ":{port}"))
            }
        }
    }
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host_and_port(text: &str) -> Result<(Box<str>, Option<NonZeroU16>), EngineUrlError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(EngineUrlError::Host)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| EngineUrlError::Host)?;
            let port = match port.strip_prefix(':') {
                None if port.is_empty() => None,
                None => return Err(EngineUrlError::Host),
                port => port,
            };
            (address, port)
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            let fine = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
            if host.is_empty() || host.starts_with(['-', '.']) || !host.bytes().all(fine) {
                return Err(EngineUrlError::Host);
            }
            (host, port)
        }
    };
    let port = port.map(str::parse).transpose().map_err(|_| EngineUrlError::Port)?;
    Ok((host.into(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_at_a_socket_a_port_or_behind_a_shell() {
        let check = |text: &str, expected: &str| {
            let url = EngineUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.to_string(), expected);
            assert_eq!(EngineUrl::parse(expected), Ok(url), "what is written is read");
        };
        check("unix:///run/docker.sock", "unix:///run/docker.sock");
        check("tcp://node-1.example.com", "tcp://node-1.example.com:2376");
        check("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375");
        check("tcp://[fd00::1]:1", "tcp://[fd00::1]:1");
        check("ssh://ops@node-1", "ssh://ops@node-1");
        check("ssh://node-1:22", "ssh://node-1:22");
        check("ssh://ops@[::1]", "ssh://ops@[::1]");
    }

    #[test]
    fn what_is_no_engine_is_refused_with_the_part_that_is_wrong() {
        let check = |text: &str, expected| assert_eq!(EngineUrl::parse(text), Err(expected), "{text}");
        for text in ["", "/run/docker.sock", "http://a", "docker", &format!("unix:///{}", "a".repeat(512))] {
            check(text, EngineUrlError::Scheme);
        }
        check("unix://run/docker.sock", EngineUrlError::Path(SocketPathError::Relative));
        check("unix:///a/../b", EngineUrlError::Path(SocketPathError::Part));
        check("unix:///a\nb", EngineUrlError::Path(SocketPathError::Character));
        for text in [
            "tcp://",
            "tcp://:1",
            "tcp://-a",
            "tcp://a b",
            "tcp://[a]:1",
            "tcp://[::1",
            "tcp://[::1]1",
            "ssh://-oX",
            "tcp://u@a",
            "tcp://::1",
        ] {
            check(text, EngineUrlError::Host);
        }
        for text in ["tcp://a:0", "tcp://a:65536", "tcp://a:", "tcp://a:b"] {
            check(text, EngineUrlError::Port);
        }
        for text in ["ssh://@a", "ssh://a:secret@b", "ssh://-o@b"] {
            check(text, EngineUrlError::User);
        }
    }
}
