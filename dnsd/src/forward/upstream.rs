//! Who is asked: as the configuration names them, and as the machine does.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::config::UPSTREAMS;
use crate::listen::is_here;

/// Where the machine names its resolvers.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// DNS's port.
const PORT: u16 = 53;

/// Who is asked for names that no zone holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// Whom `/etc/resolv.conf` names, this process left out.
    System,
    /// A resolver there.
    At(SocketAddr),
}

/// Why a text names no upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an address of a resolver, such as 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53, or \"system\""
)]
pub struct UpstreamError;

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        if text == "system" {
            return Ok(Self::System);
        }
        let with_port = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
        let address = text.parse::<SocketAddr>().or_else(|_| with_port()).map_err(|_| UpstreamError)?;
        let usable = address.port() > 0 && !address.ip().is_unspecified() && !address.ip().is_multicast();
        if usable { Ok(Self::At(address)) } else { Err(UpstreamError) }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::At(address) if address.port() == PORT => write!(f, "{}", address.ip()),
            Self::At(address) => write!(f, "{address}"),
        }
    }
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// Questions would come back.
    #[error("`dns.forward` names {0}, where this process listens itself (dns.listen); name another resolver")]
    Ourselves(SocketAddr),
    /// The machine's own list cannot be read.
    #[error(
        "`dns.forward` is \"system\", but {RESOLV_CONF} cannot be read ({0}); name the resolvers in dns.forward"
    )]
    Unreadable(#[from] std::io::Error),
    /// It has none but us.
    #[error(
        "`dns.forward` is \"system\", but {RESOLV_CONF} names no resolver other than this process; name one in dns.forward"
    )]
    Nobody,
}

/// Whom to ask, each once, the first [`UPSTREAMS`] of them. `listens`: where this process is asked itself.
///
/// # Errors
/// [`ForwardError`] where questions would come back, or nobody is left.
pub(crate) fn resolve(wanted: &[Upstream], listens: &[SocketAddr]) -> Result<Vec<SocketAddr>, ForwardError> {
    let mut found = Vec::new();
    for upstream in wanted {
        match *upstream {
            Upstream::At(address) if is_ours(address, listens) => {
                return Err(ForwardError::Ourselves(address));
            }
            Upstream::At(address) => found.push(address),
            Upstream::System => {
                let text = std::fs::read_to_string(RESOLV_CONF)?;
                found.extend(name_servers(&text).filter(|address| !is_ours(*address, listens)));
            }
        }
    }
    let mut each = Vec::new();
    for address in found {
        if !each.contains(&address) && each.len() < UPSTREAMS {
            each.push(address);
        }
    }
    if each.is_empty() && !wanted.is_empty() { Err(ForwardError::Nobody) } else { Ok(each) }
}

/// The resolvers that a text in the form of resolv.conf names.
fn name_servers(text: &str) -> impl Iterator<Item = SocketAddr> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        match address.parse::<Upstream>() {
            Ok(Upstream::At(address)) => Some(address),
            // Of an address with an interface (fe80::1%eth0) nobody knows here which one is meant.
            _ => None,
        }
    })
}

fn is_ours(upstream: SocketAddr, listens: &[SocketAddr]) -> bool {
    let ip = upstream.ip().to_canonical();
    listens.iter().any(|listen| {
        let same_family = listen.is_ipv4() == ip.is_ipv4();
        listen.port() == upstream.port()
            && (listen.ip() == ip || listen.ip().is_unspecified() && same_family && is_here(ip))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_an_address_or_the_system() {
        let check = |text: &str, expected: Option<&str>| {
            let read = text.parse::<Upstream>().map(|upstream| match upstream {
                Upstream::System => "system".to_owned(),
                Upstream::At(address) => address.to_string(),
            });
            assert_eq!(read.ok().as_deref(), expected, "{text}");
            if let Ok(upstream) = text.parse::<Upstream>() {
                assert_eq!(upstream.to_string().parse(), Ok(upstream));
            }
        };
        check("system", Some("system"));
        check("192.0.2.53", Some("192.0.2.53:53"));
        check("192.0.2.53:5353", Some("192.0.2.53:5353"));
        check("2001:db8::53", Some("[2001:db8::53]:53"));
        check("[2001:db8::53]:5353", Some("[2001:db8::53]:5353"));
        for wrong in ["", "resolver.example", "192.0.2.53:0", "0.0.0.0", "224.0.0.1", "192.0.2.53:x"] {
            check(wrong, None);
        }
    }

    #[test]
    fn the_systems_resolvers_are_its_name_servers() {
        let text = "# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.2\n nameserver\tfd00::2 # x\nnameserver fe80::1%eth0\nnameserver\n";
        let found: Vec<_> = name_servers(text).map(|address| address.to_string()).collect();
        assert_eq!(found, ["10.0.0.2:53", "[fd00::2]:53"]);
    }

    #[test]
    fn no_question_comes_back() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let check = |upstream: &str, listen: &str, ours: bool| {
            let found = resolve(&[Upstream::At(at(upstream))], &[at(listen)]);
            assert_eq!(matches!(found, Err(ForwardError::Ourselves(_))), ours, "{upstream} {listen}");
        };
        check("127.0.0.1:53", "127.0.0.1:53", true);
        check("127.0.0.1:54", "127.0.0.1:53", false);
        check("127.0.0.2:53", "127.0.0.1:53", false);
        check("127.0.0.2:53", "0.0.0.0:53", true);
        check("192.0.2.1:53", "0.0.0.0:53", false);
        check("127.0.0.2:53", "[::]:53", false);
        check("[::ffff:127.0.0.1]:53", "127.0.0.1:53", true);
    }

    #[test]
    fn each_is_asked_once_and_not_too_many() {
        let many = (0..100).map(|last| Upstream::At(SocketAddr::from(([192, 0, 2, last / 2], 53))));
        let found = resolve(&many.collect::<Vec<_>>(), &[]).expect("others");
        assert_eq!(found.len(), UPSTREAMS);
        assert!(resolve(&[], &[]).is_ok_and(|none| none.is_empty()));
    }
}
