//! Names of endpoints become addresses off the request path: looked up once when first needed, and again in the background
//! for as long as requests ask for them.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use model::{Address, AddressHost};
use tokio::sync::{mpsc, watch};

use super::lookups::Lookups;
use crate::clock::{Millis, millis, now_ms};

/// Names that may wait to be noticed; one more waits for the next request that asks.
const QUEUE: usize = 1024;
/// A name that nobody asked for during this many intervals is forgotten.
const FORGET_AFTER: u64 = 10;
/// How often it is looked which names are due.
const TICK: Duration = Duration::from_secs(1);
/// When a name without an address is looked up again, in milliseconds: it may just have been made.
const HOPE_MS: u64 = 2_000;
/// The most addresses of a name that are used.
const MOST: usize = 64;
/// How long an address that could not be connected to stands behind the others of its name, in milliseconds.
const AVOID_MS: u64 = 10_000;

type Map = HashMap<Box<str>, Arc<Known>>;

/// The addresses of names, shared by all threads.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    known: Arc<ArcSwap<Map>>,
    wanted: mpsc::Sender<Box<str>>,
    news: watch::Receiver<u64>,
}

/// What is known of a name.
#[derive(Debug)]
struct Known {
    ips: Box<[IpAddr]>,
    /// For each address, until when the others of the name are tried before it.
    avoid: Box<[AtomicU64]>,
    asked: AtomicU64,
    looked_up: AtomicU64,
}

/// The socket addresses of an endpoint, in the order in which they are to be tried.
#[derive(Debug)]
pub(crate) struct Addresses(Inner);

#[derive(Debug)]
enum Inner {
    Literal(Option<SocketAddr>),
    Named {
        known: Arc<Known>,
        port: u16,
        /// Where in the list to begin.
        first: usize,
        /// The places that come last, as a mask.
        last: u64,
        /// Steps taken; the list is walked twice.
        steps: usize,
    },
}

impl Resolver {
    /// Starts the background task on the current runtime; it ends with the last `Resolver`.
    pub(crate) fn start(interval: Duration) -> Self {
        Self::with(interval, look_up)
    }

    /// As [`Resolver::start`], with another way to look names up.
    pub(crate) fn with<F, L>(interval: Duration, look_up: F) -> Self
    where
        F: Fn(Box<str>) -> L + Send + Sync + 'static,
        L: Future<Output = Vec<IpAddr>> + Send + 'static,
    {
        let known = Arc::new(ArcSwap::from_pointee(Map::new()));
        let (wanted, queue) = mpsc::channel(QUEUE);
        let (tell, news) = watch::channel(0);
        let task = Task { known: Arc::clone(&known), tell, interval: millis(interval) };
        tokio::spawn(task.run(queue, look_up));
        Self { known, wanted, news }
    }

    /// The addresses of an endpoint, without waiting; none for a name that was never looked up. `dice` says which of
    /// several comes first.
    pub(crate) fn known(&self, address: &Address, dice: usize) -> Addresses {
        let AddressHost::Name(name) = &address.host else {
            return Addresses(Inner::Literal(address.socket_addr()));
        };
        match self.known.load().get(name) {
            Some(known) => Addresses::of(Arc::clone(known), address.port.get(), dice, now_ms()),
            None => Addresses(Inner::Literal(None)),
        }
    }

    /// What the name last resolved to, without asking for it; for operators.
    pub(crate) fn last_known(&self, address: &Address) -> Vec<SocketAddr> {
        let AddressHost::Name(name) = &address.host else {
            return address.socket_addr().into_iter().collect();
        };
        let known = self.known.load();
        let ips = known.get(name).into_iter().flat_map(|known| &known.ips);
        ips.map(|&ip| SocketAddr::new(ip, address.port.get())).collect()
    }

    /// The addresses to connect to. None: the name has no address.
    ///
    /// Waits only when the name was never looked up before; the caller bounds the wait.
    pub(crate) async fn resolve(&self, address: &Address, dice: usize) -> Addresses {
        if let AddressHost::Name(name) = &address.host {
            let mut news = self.news.clone();
            loop {
                news.mark_unchanged();
                if self.known.load().contains_key(name) {
                    break;
                }
                // A full queue is no loss: this request asks again when the next name was answered.
                let _full = self.wanted.try_send(name.clone());
                if news.changed().await.is_err() {
                    break;
                }
            }
        }
        self.known(address, dice)
    }
}

impl Addresses {
    fn of(known: Arc<Known>, port: u16, dice: usize, now: Millis) -> Self {
        known.asked.store(now, Ordering::Relaxed);
        let avoided = known.avoid.iter().enumerate().filter(|(_, until)| until.load(Ordering::Relaxed) > now);
        let last = avoided.fold(0, |mask, (place, _)| mask | 1 << place);
        let first = dice.checked_rem(known.ips.len()).unwrap_or(0);
        Self(Inner::Named { known, port, first, last, steps: 0 })
    }

    /// At most how many are still to come.
    pub(crate) fn left(&self) -> usize {
        match &self.0 {
            Inner::Literal(literal) => literal.iter().len(),
            Inner::Named { known, first, last, steps, .. } => {
                let count = known.ips.len();
                (*steps..2 * count).filter(|&step| is_due(step, *first, count, *last)).count()
            }
        }
    }

    /// The address handed out last could not be connected to: others of the name come before it for a while.
    pub(crate) fn avoid(&self, now: Millis) {
        if let Inner::Named { known, first, steps, .. } = &self.0
            && let Some(place) = (first + steps.saturating_sub(1)).checked_rem(known.ips.len())
            && let Some(until) = known.avoid.get(place)
        {
            until.store(now.saturating_add(AVOID_MS), Ordering::Relaxed);
        }
    }
}

/// The list is walked from `first` on, once for those that come first and once for those in `last`.
fn is_due(step: usize, first: usize, count: usize, last: u64) -> bool {
    (last >> ((first + step) % count) & 1 == 1) == (step >= count)
}

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match &mut self.0 {
            Inner::Literal(literal) => literal.take(),
            Inner::Named { known, port, first, last, steps } => {
                let count = known.ips.len();
                let step = (*steps..2 * count).find(|&step| is_due(step, *first, count, *last))?;
                *steps = step + 1;
                Some(SocketAddr::new(*known.ips.get((*first + step) % count)?, *port))
            }
        }
    }
}

/// What happens in the background.
struct Task {
    known: Arc<ArcSwap<Map>>,
    tell: watch::Sender<u64>,
    interval: u64,
}

impl Task {
    async fn run<F, L>(self, mut queue: mpsc::Receiver<Box<str>>, look_up: F)
    where
        F: Fn(Box<str>) -> L,
        L: Future<Output = Vec<IpAddr>> + Send + 'static,
    {
        let mut lookups = Lookups::default();
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                name = queue.recv() => match name {
                    Some(name) if self.known.load().contains_key(&name) => {}
                    Some(name) => lookups.want(name),
                    None => return,
                },
                Some((name, found)) = lookups.next(&look_up) => self.note(name, found),
                _ = tick.tick() => self.due(now_ms()).into_iter().for_each(|name| lookups.want(name)),
            }
        }
    }

    /// Takes over what a lookup found, and tells who waits for it.
    fn note(&self, name: Box<str>, mut found: Vec<IpAddr>) {
        found.sort_unstable();
        found.dedup();
        found.truncate(MOST);
        let now = now_ms();
        let before = self.known.load().get(&name).cloned();
        match before {
            // A name server that is away for a moment takes no endpoint away; nor is a map copied for what is known.
            Some(before) if found.is_empty() || *before.ips == *found => {
                before.looked_up.store(now, Ordering::Relaxed);
            }
            before => {
                let asked = before.map_or(now, |before| before.asked.load(Ordering::Relaxed));
                let known = Arc::new(Known {
                    avoid: found.iter().map(|_| AtomicU64::new(0)).collect(),
                    ips: found.into(),
                    asked: AtomicU64::new(asked),
                    looked_up: AtomicU64::new(now),
                });
                let mut map = Map::clone(&self.known.load());
                map.insert(name, known);
                self.known.store(Arc::new(map));
            }
        }
        self.tell.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Forgets the names that nobody asks for, and returns those that are to be looked up again.
    fn due(&self, now: Millis) -> Vec<Box<str>> {
        let age = |moment: &AtomicU64| now.saturating_sub(moment.load(Ordering::Relaxed));
        let oldest = self.interval.saturating_mul(FORGET_AFTER).max(millis(TICK));
        let known = self.known.load();
        if known.values().any(|known| age(&known.asked) > oldest) {
            let wanted = known.iter().filter(|(_, known)| age(&known.asked) <= oldest);
            let wanted: Map = wanted.map(|(name, known)| (name.clone(), Arc::clone(known))).collect();
            self.known.store(Arc::new(wanted));
        }
        let known = self.known.load();
        let due = known.iter().filter(|(_, known)| {
            let wait = if known.ips.is_empty() { HOPE_MS.min(self.interval) } else { self.interval };
            age(&known.looked_up) >= wait
        });
        due.map(|(name, _)| name.clone()).collect()
    }
}

async fn look_up(name: Box<str>) -> Vec<IpAddr> {
    match tokio::net::lookup_host((&*name, 0)).await {
        Ok(found) => found.map(|socket| socket.ip()).collect(),
        Err(error) => {
            tracing::warn!(%name, %error, "cannot resolve the name of an endpoint");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str) -> Address {
        Address::parse_url(url).expect("url")
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    async fn addresses(resolver: &Resolver, name: &str, dice: usize) -> Vec<String> {
        resolver.resolve(&url(name), dice).await.map(|socket| socket.to_string()).collect()
    }

    #[tokio::test]
    async fn names_resolve_once_and_addresses_at_once() {
        let resolver = Resolver::start(Duration::from_secs(30));
        assert_eq!(addresses(&resolver, "http://10.0.0.1:81", 7).await, ["10.0.0.1:81"]);
        let found = resolver.resolve(&url("http://localhost:82"), 0).await.next().expect("localhost has one");
        assert!(found.ip().is_loopback() && found.port() == 82);
        assert!(resolver.known.load().contains_key("localhost"));
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_no_endless_wait() {
        let resolver = Resolver::start(Duration::from_secs(30));
        assert!(addresses(&resolver, "http://no-such-name.invalid", 0).await.is_empty());
    }

    #[tokio::test]
    async fn each_address_of_a_name_is_tried_once_and_those_that_failed_last() {
        let resolver = Resolver::with(Duration::from_secs(30), async |_| vec![ip(3), ip(1), ip(2), ip(1)]);
        let name = "http://three.test:80";
        assert_eq!(addresses(&resolver, name, 1).await, ["10.0.0.2:80", "10.0.0.3:80", "10.0.0.1:80"]);

        let mut tried = resolver.resolve(&url(name), 1).await;
        assert_eq!((tried.left(), tried.next().is_some(), tried.left()), (3, true, 2));
        tried.avoid(now_ms());
        assert_eq!(tried.count(), 2, "the order of a walk does not change while it goes on");

        assert_eq!(addresses(&resolver, name, 1).await, ["10.0.0.3:80", "10.0.0.1:80", "10.0.0.2:80"]);
    }

    #[tokio::test]
    async fn a_name_server_that_does_not_answer_holds_up_no_other_name() {
        let look_up = async |name: Box<str>| match &*name {
            "slow.test" => std::future::pending().await,
            _ => vec![ip(1)],
        };
        let resolver = Resolver::with(Duration::from_secs(30), look_up);
        let (slow, fast) = (url("http://slow.test"), "http://fast.test");
        tokio::select! {
            biased;
            _ = resolver.resolve(&slow, 0) => unreachable!("nobody answers"),
            found = addresses(&resolver, fast, 0) => assert_eq!(found, ["10.0.0.1:80"]),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_has_an_address_at_last_is_found_soon() {
        let known = Arc::new(ArcSwap::from_pointee(Map::new()));
        let task = Task { known: Arc::clone(&known), tell: watch::channel(0).0, interval: 30_000 };
        task.note("new.test".into(), Vec::new());
        task.note("old.test".into(), vec![ip(1)]);
        let now = now_ms();
        assert!(task.due(now).is_empty());
        assert_eq!(task.due(now + HOPE_MS + 1), ["new.test".into()]);
        task.note("old.test".into(), Vec::new());
        assert_eq!(known.load()["old.test"].ips.len(), 1, "an address is not lost to a failed lookup");
        assert!(task.due(now + 400_000).is_empty() && known.load().is_empty(), "forgotten by now");
    }
}
