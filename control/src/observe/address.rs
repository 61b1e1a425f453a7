//! Where a host is that does not say it: where its engine is.
//!
//! In: an engine's URL. Out: addresses that others can reach. Never here: a packet to anybody but the resolver.
//!
//! | engine | the host is |
//! |---|---|
//! | a socket of this machine | where the configuration says that this machine is, else where it would reach others from |
//! | at an address | there |
//! | at a name | where that name is said to be: IPv4 where there is any, since published ports are there always |

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use model::{Addresses, EngineUrl, MAX_ADDRESSES};

use crate::runtime::BoxFuture;

/// How long a name may take to be resolved.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What a user can always do.
const REMEDY: &str = "say `addresses` of the host";
/// Addresses that are nobody's (RFC 5737, RFC 3849): the way to them is the way out.
const OUTSIDE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// Finds where the host of an engine is, or says why not, with the remedy.
pub type Find = Arc<dyn Fn(&EngineUrl) -> BoxFuture<'static, Result<Addresses, String>> + Send + Sync>;

/// Finds hosts by their engines; this machine is at `own`, where that is configured.
pub fn finder(own: Vec<IpAddr>) -> Find {
    Arc::new(move |engine| match engine {
        EngineUrl::Unix(_) => {
            let found = if own.is_empty() { outward() } else { some(own.iter().copied()) };
            Box::pin(std::future::ready(found))
        }
        EngineUrl::Tcp { host, .. } | EngineUrl::Ssh { host, .. } => {
            let host = host.to_string();
            Box::pin(async move { resolve(&host).await })
        }
    })
}

/// Where this machine would reach others from.
fn outward() -> Result<Addresses, String> {
    let from = |to: IpAddr| {
        let any =
            if to.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        // A connected UDP socket has chosen its way, and sent nothing.
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
        socket.connect(SocketAddr::new(to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(is_reachable)
    };
    let found = OUTSIDE.into_iter().find_map(from);
    found.map_or_else(
        || Err(format!("this machine has no way out by which it could tell its address; say `control.addresses` in the controller's configuration, or {REMEDY}")),
        |found| some([found]),
    )
}

async fn resolve(host: &str) -> Result<Addresses, String> {
    let asked = tokio::time::timeout(TIMEOUT, tokio::net::lookup_host((host, 0))).await;
    let found: BTreeSet<IpAddr> = match asked {
        Err(_) => return Err(format!("{host} was not resolved within {TIMEOUT:?}; correct it, or {REMEDY}")),
        Ok(Err(error)) => return Err(format!("{host} cannot be resolved: {error}; correct it, or {REMEDY}")),
        Ok(Ok(found)) => found.map(|found| found.ip().to_canonical()).collect(),
    };
    let reachable: Vec<IpAddr> = found.iter().copied().filter(is_reachable).collect();
    if reachable.is_empty() {
        // A loopback address may be this machine, or a way to another one.
        return Err(format!("{host} is an address that others cannot reach; {REMEDY}"));
    }
    let is_any_v4 = reachable.iter().any(IpAddr::is_ipv4);
    some(reachable.into_iter().filter(|ip| ip.is_ipv4() == is_any_v4).take(MAX_ADDRESSES))
}

/// Whether an address means the same machine to others.
fn is_reachable(ip: &IpAddr) -> bool {
    let is_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !is_local && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast()
}

fn some(addresses: impl IntoIterator<Item = IpAddr>) -> Result<Addresses, String> {
    Addresses::new(addresses).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(own: &[&str], engine: &str, expected: &str) {
        let own = own.iter().map(|ip| ip.parse().unwrap()).collect();
        let found = finder(own)(&EngineUrl::parse(engine).unwrap()).await;
        let found = match found {
            Ok(found) => found.iter().map(|ip| ip.to_string()).collect::<Vec<_>>().join(" "),
            Err(why) => why,
        };
        assert!(found.contains(expected), "{engine}: {found}");
    }

    #[tokio::test]
    async fn a_host_is_where_its_engine_is() {
        check(&["10.0.0.7", "fd00::7"], "unix:///run/docker.sock", "10.0.0.7 fd00::7").await;
        check(&["10.0.0.7"], "tcp://10.0.0.8:2376", "10.0.0.8").await;
        check(&[], "ssh://ops@[fd00::8]", "fd00::8").await;
    }

    #[tokio::test]
    async fn what_others_cannot_reach_is_told_with_the_remedy() {
        check(&["10.0.0.7"], "tcp://127.0.0.1:2375", "others cannot reach; say `addresses`").await;
        check(&[], "tcp://localhost:2375", "others cannot reach; say `addresses`").await;
        check(&[], "tcp://no-such-name.invalid", "cannot be resolved").await;
    }
}
