//! Which addresses no endpoint may have: what a registry's writer could otherwise reach through us.
//!
//! | address | why | `upstream.allow` lifts it |
//! |---|---|---|
//! | our own listeners, HTTP and admin | a request that comes back to us, or the operator's door | no |
//! | unspecified, multicast, broadcast | no origin has one | no |
//! | link-local, metadata services of clouds | credentials of the machine | yes |
//! | `upstream.deny` | as configured | yes |
//! | Unix sockets | services of the machine that trust who can open them | no, `upstream.unix` does: see [`super::unix`] |
//!
//! Loopback and private addresses are where containers are: they are allowed. The address that is judged is the one that is
//! connected to; a name is judged by what it resolved to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;

use crate::config::UpstreamLimits;

/// Metadata services that are not link-local: AWS and Google over IPv6, Alibaba, Azure, Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];
/// The metadata service of most clouds, link-local.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Why an address is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is a listener of ours.
    OwnListener,
    /// `0.0.0.0`, `::`, and their network.
    Unspecified,
    /// Multicast or broadcast.
    Multicast,
    /// A cloud's metadata service.
    Metadata,
    /// Link-local.
    LinkLocal,
    /// In `upstream.deny`.
    Denied,
    /// A Unix socket in no folder of `upstream.unix`.
    SocketNotAllowed,
    /// A Unix socket in such a folder that leads out of it, by a symbolic link.
    SocketEscapes,
}

impl Refusal {
    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::SocketNotAllowed => {
                "name its folder in upstream.unix, which SIGHUP takes over, or remove it"
            }
            Self::SocketEscapes => {
                "name the folder that the link leads to in upstream.unix and write the path there, or remove it"
            }
            _ => "remove it; see upstream.allow and upstream.deny in config/example.toml",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnListener => "refused: a listener of portico itself",
            Self::Unspecified => "refused: an unspecified address",
            Self::Multicast => "refused: a multicast or broadcast address",
            Self::Metadata => "refused: a metadata service (upstream.allow would let it pass)",
            Self::LinkLocal => "refused: a link-local address (upstream.allow would let it pass)",
            Self::Denied => "refused: in upstream.deny",
            Self::SocketNotAllowed => "refused: a Unix socket in no folder of upstream.unix",
            Self::SocketEscapes => "refused: a link that leads out of its folder of upstream.unix",
        })
    }
}

/// Our own listeners.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    own: Box<[SocketAddr]>,
}

impl Guard {
    /// For these listeners; an unspecified address stands for all addresses of the machine.
    pub(crate) fn new(own: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            own: own.into_iter().map(|own| SocketAddr::new(own.ip().to_canonical(), own.port())).collect(),
        }
    }

    /// Judges an address that a new connection would go to. Asks the kernel only where the port is that of an unspecified listener.
    ///
    /// # Errors
    /// Why it is refused.
    pub(crate) fn judge(&self, socket: SocketAddr, limits: &UpstreamLimits) -> Result<(), Refusal> {
        if self.is_own(socket, is_local) {
            return Err(Refusal::OwnListener);
        }
        judge_range(socket.ip(), limits)
    }

    fn is_own(&self, socket: SocketAddr, is_local: impl Fn(IpAddr) -> bool) -> bool {
        let ip = embedded(socket.ip());
        self.own.iter().filter(|own| own.port() == socket.port()).any(|own| match own.ip().is_unspecified() {
            true => own.is_ipv4() == ip.is_ipv4() && is_local(ip),
            false => own.ip() == ip,
        })
    }
}

/// Judges an address by its range alone: what may change while a connection is kept.
///
/// # Errors
/// Why it is refused.
pub(crate) fn judge_range(plain: IpAddr, limits: &UpstreamLimits) -> Result<(), Refusal> {
    let ip = embedded(plain);
    let is_in = |networks: &[IpNet]| networks.iter().any(|net| net.contains(&ip) || net.contains(&plain));
    let (unspecified, multicast, metadata, link_local) = match ip {
        IpAddr::V4(ip) => (
            ip.octets()[0] == 0,
            ip.is_multicast() || ip.is_broadcast(),
            ip == METADATA || METADATA_V4.contains(&ip),
            ip.is_link_local(),
        ),
        IpAddr::V6(ip) => {
            (ip.is_unspecified(), ip.is_multicast(), METADATA_V6.contains(&ip), ip.is_unicast_link_local())
        }
    };
    let refusal = match () {
        () if unspecified => Refusal::Unspecified,
        () if multicast => Refusal::Multicast,
        () if is_in(&limits.allow) => return Ok(()),
        () if metadata => Refusal::Metadata,
        () if link_local => Refusal::LinkLocal,
        () if is_in(&limits.deny) => Refusal::Denied,
        () => return Ok(()),
    };
    Err(refusal)
}

/// The IPv4 address that an IPv6 one stands for (mapped, compatible, NAT64 of RFC 6052, 6to4 of RFC 3056), else itself.
fn embedded(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => ip,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => ip,
    }
}

/// True when this machine has the address. Most that it has not are told by a bind that fails; where the kernel binds to
/// any address (`ip_nonlocal_bind`), the list of interfaces decides.
fn is_local(ip: IpAddr) -> bool {
    if ip.is_loopback() {
        return true;
    }
    if UdpSocket::bind((ip, 0)).is_err() {
        return false;
    }
    let interfaces = nix::ifaddrs::getifaddrs();
    interfaces.is_ok_and(|mut all| {
        all.any(|interface| {
            interface.address.is_some_and(|address| {
                let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()))) == Some(ip)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(allow: &[&str], deny: &[&str]) -> UpstreamLimits {
        let nets = |list: &[&str]| list.iter().map(|net| net.parse().expect("a network")).collect();
        UpstreamLimits { allow: nets(allow), deny: nets(deny), ..UpstreamLimits::default() }
    }

    fn check(ip: &str, limits: &UpstreamLimits, expected: Result<(), Refusal>) {
        assert_eq!(judge_range(ip.parse().expect("an address"), limits), expected, "{ip}");
    }

    #[test]
    fn where_containers_are_is_allowed() {
        let limits = limits(&[], &[]);
        for ip in
            ["127.0.0.1", "::1", "10.0.0.1", "172.17.0.2", "192.168.1.1", "fd12::1", "1.1.1.1", "2001:db8::1"]
        {
            check(ip, &limits, Ok(()));
        }
    }

    #[test]
    fn where_no_origin_can_be_or_should_be_is_refused_in_every_spelling() {
        let limits = limits(&[], &[]);
        for (ip, why) in [
            ("0.0.0.0", Refusal::Unspecified),
            ("0.1.2.3", Refusal::Unspecified),
            ("::", Refusal::Unspecified),
            ("::ffff:0.0.0.0", Refusal::Unspecified),
            ("224.0.0.1", Refusal::Multicast),
            ("255.255.255.255", Refusal::Multicast),
            ("ff02::1", Refusal::Multicast),
            ("169.254.169.254", Refusal::Metadata),
            ("::ffff:169.254.169.254", Refusal::Metadata),
            ("::169.254.169.254", Refusal::Metadata),
            ("64:ff9b::169.254.169.254", Refusal::Metadata),
            ("2002:a9fe:a9fe::", Refusal::Metadata),
            ("fd00:ec2::254", Refusal::Metadata),
            ("100.100.100.200", Refusal::Metadata),
            ("169.254.170.2", Refusal::LinkLocal),
            ("fe80::1", Refusal::LinkLocal),
            ("febf::1", Refusal::LinkLocal),
        ] {
            check(ip, &limits, Err(why));
        }
    }

    #[test]
    fn allow_makes_exceptions_from_deny_but_not_from_what_no_origin_has() {
        let limits = limits(&["127.0.0.1/32", "169.254.0.0/16", "0.0.0.0/0"], &["127.0.0.0/8", "fd00::/8"]);
        check("127.0.0.1", &limits, Ok(()));
        check("169.254.169.254", &limits, Ok(()));
        check("0.0.0.0", &limits, Err(Refusal::Unspecified));
        check("224.0.0.1", &limits, Err(Refusal::Multicast));
        check("fd00::1", &limits, Err(Refusal::Denied));
        let limits = self::limits(&[], &["127.0.0.0/8", "::1/128"]);
        check("127.0.0.1", &limits, Err(Refusal::Denied));
        check("::ffff:127.0.0.2", &limits, Err(Refusal::Denied));
        check("::1", &limits, Err(Refusal::Denied));
    }

    #[test]
    fn own_listeners_are_known_at_every_address_of_the_machine() {
        let own = |own: &[&str], socket: &str| {
            let guard = Guard::new(own.iter().map(|own| own.parse().expect("a socket address")));
            let local = |ip: IpAddr| ip.is_loopback() || ip == IpAddr::from([10, 0, 0, 1]);
            guard.is_own(socket.parse().expect("a socket address"), local)
        };
        assert!(own(&["127.0.0.1:80"], "127.0.0.1:80"));
        assert!(own(&["127.0.0.1:80"], "[::ffff:127.0.0.1]:80"));
        assert!(own(&["[::ffff:127.0.0.1]:80"], "127.0.0.1:80"));
        assert!(!own(&["127.0.0.1:80"], "127.0.0.1:81"));
        assert!(!own(&["127.0.0.1:80"], "127.0.0.2:80"));
        assert!(own(&["[::1]:9", "0.0.0.0:80"], "10.0.0.1:80"));
        assert!(own(&["0.0.0.0:80"], "127.0.0.7:80"));
        assert!(!own(&["0.0.0.0:80"], "10.0.0.2:80"));
        assert!(!own(&["0.0.0.0:80"], "[::1]:80"));
        assert!(own(&["[::]:80"], "[::1]:80"));
    }

    #[test]
    fn the_machine_knows_its_addresses() {
        assert!(is_local(IpAddr::from([127, 0, 0, 1])));
        assert!(!is_local(IpAddr::from([192, 0, 2, 1])));
    }
}
