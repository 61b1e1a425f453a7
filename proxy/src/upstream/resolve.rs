//! Names of endpoints become addresses off the request path: looked up once when first needed, and again in the background
//! for as long as requests ask for them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use model::{Address, AddressHost};
use tokio::sync::{mpsc, watch};

use crate::clock::{Millis, millis, now_ms};

/// Names that may wait to be looked up; one more waits for the next request that asks.
const QUEUE: usize = 1024;
/// A name that nobody asked for during this many intervals is forgotten.
const FORGET_AFTER: u64 = 10;

/// The addresses of a name, shared by all threads.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    known: Arc<ArcSwap<HashMap<Box<str>, Arc<Known>>>>,
    wanted: mpsc::Sender<Box<str>>,
    news: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Known {
    ips: Box<[IpAddr]>,
    asked: AtomicU64,
}

impl Resolver {
    /// Starts the background task on the current runtime; it ends with the last `Resolver`.
    pub(crate) fn start(interval: Duration) -> Self {
        let known = Arc::new(ArcSwap::from_pointee(HashMap::new()));
        let (wanted, queue) = mpsc::channel(QUEUE);
        let (tell, news) = watch::channel(0);
        tokio::spawn(keep_resolving(Arc::clone(&known), queue, tell, interval));
        Self { known, wanted, news }
    }

    /// The socket address of a name that was looked up before, without waiting.
    pub(crate) fn known(&self, address: &Address, dice: usize) -> Option<SocketAddr> {
        let AddressHost::Name(name) = &address.host else { return address.socket_addr() };
        let known = Arc::clone(self.known.load().get(name)?);
        known.asked.store(now_ms(), Ordering::Relaxed);
        let ip = known.ips.get(dice.checked_rem(known.ips.len())?)?;
        Some(SocketAddr::new(*ip, address.port.get()))
    }

    /// The socket address to connect to; for a name, one of its addresses in turn by `dice`.
    ///
    /// Waits only when the name was never looked up before; the caller bounds the wait. `None`: it has no address.
    pub(crate) async fn resolve(&self, address: &Address, dice: usize) -> Option<SocketAddr> {
        let AddressHost::Name(name) = &address.host else { return address.socket_addr() };
        let mut news = self.news.clone();
        loop {
            news.mark_unchanged();
            if self.known.load().contains_key(name) {
                return self.known(address, dice);
            }
            // A full queue is no loss: this request asks again when the next name was answered.
            let _full = self.wanted.try_send(name.clone());
            news.changed().await.ok()?;
        }
    }
}

async fn keep_resolving(
    known: Arc<ArcSwap<HashMap<Box<str>, Arc<Known>>>>,
    mut queue: mpsc::Receiver<Box<str>>,
    tell: watch::Sender<u64>,
    interval: Duration,
) {
    let mut again = tokio::time::interval(interval.max(Duration::from_secs(1)));
    loop {
        let names: Vec<Box<str>> = tokio::select! {
            name = queue.recv() => match name {
                Some(name) if known.load().contains_key(&name) => continue,
                Some(name) => vec![name],
                None => return,
            },
            _ = again.tick() => still_wanted(&known, now_ms(), millis(interval)),
        };
        for name in names {
            let found = look_up(&name).await;
            let before = known.load().get(&name).cloned();
            let (ips, asked) = match before {
                // A name server that is away for a moment takes no endpoint away.
                Some(before) if found.is_empty() => {
                    (before.ips.clone(), before.asked.load(Ordering::Relaxed))
                }
                Some(before) => (found, before.asked.load(Ordering::Relaxed)),
                None => (found, now_ms()),
            };
            known.rcu(|map| {
                let mut map = HashMap::clone(map);
                map.insert(name.clone(), Arc::new(Known { ips: ips.clone(), asked: AtomicU64::new(asked) }));
                map
            });
            tell.send_modify(|count| *count += 1);
        }
    }
}

fn still_wanted(known: &ArcSwap<HashMap<Box<str>, Arc<Known>>>, now: Millis, interval: u64) -> Vec<Box<str>> {
    let oldest = now.saturating_sub(interval.saturating_mul(FORGET_AFTER));
    let wanted = |known: &Known| known.asked.load(Ordering::Relaxed) >= oldest;
    if known.load().values().any(|known| !wanted(known)) {
        known.rcu(|map| {
            map.iter()
                .filter(|(_, k)| wanted(k))
                .map(|(n, k)| (n.clone(), Arc::clone(k)))
                .collect::<HashMap<_, _>>()
        });
    }
    known.load().keys().cloned().collect()
}

async fn look_up(name: &str) -> Box<[IpAddr]> {
    match tokio::net::lookup_host((name, 0)).await {
        Ok(found) => found.map(|socket| socket.ip()).collect(),
        Err(error) => {
            tracing::warn!(name, %error, "cannot resolve the name of an endpoint");
            Box::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_resolve_once_and_addresses_at_once() {
        let resolver = Resolver::start(Duration::from_secs(30));
        let literal = Address::parse_url("http://10.0.0.1:81").expect("url");
        assert_eq!(resolver.resolve(&literal, 0).await, Some(SocketAddr::from(([10, 0, 0, 1], 81))));
        let name = Address::parse_url("http://localhost:82").expect("url");
        let found = resolver.resolve(&name, 0).await.expect("localhost has an address");
        assert!(found.ip().is_loopback() && found.port() == 82);
        assert!(resolver.known.load().contains_key("localhost"));
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_no_endless_wait() {
        let resolver = Resolver::start(Duration::from_secs(30));
        let name = Address::parse_url("http://no-such-name.invalid").expect("url");
        assert_eq!(resolver.resolve(&name, 0).await, None);
    }
}
