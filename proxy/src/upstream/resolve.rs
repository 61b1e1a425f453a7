//! Names of endpoints become addresses off the request path: looked up once when first needed, and again in the background,
//! whenever their time to live is over, for as long as requests ask for them.
//!
//! A name that nobody can tell anything of keeps its last addresses for as long as it takes; one that is said to have none keeps
//! them until that was said for a whole longest interval, because a name that is being moved is often gone for a moment.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use model::{Address, Alarm};
use tokio::sync::{mpsc, watch};

pub(crate) use super::addresses::Addresses;
use super::addresses::Known;
use super::lookups::Lookups;
use super::names::{Found, Names};
use crate::caught::watched;
use crate::clock::{Millis, millis, now_ms};
use crate::config::UpstreamLimits;

/// Names that may wait to be noticed; one more waits for the next request that asks.
const QUEUE: usize = 1024;
/// A name that nobody asked for during this many of the longest intervals is forgotten.
const FORGET_AFTER: u64 = 10;
/// How often it is looked which names are due.
const TICK: Duration = Duration::from_secs(1);
/// The longest time, in milliseconds, between two lookups of a name that found no address: it may just have been made.
const HOPE_MS: u64 = 8_000;

type Map = HashMap<Box<str>, Arc<Known>>;

/// The addresses of names, shared by all threads.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    known: Arc<ArcSwap<Map>>,
    wanted: mpsc::Sender<Box<str>>,
    news: watch::Receiver<u64>,
    panicked: Arc<AtomicU64>,
}

/// How soon names are looked up again, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Pace {
    least: u64,
    most: u64,
}

impl Pace {
    fn of(limits: &UpstreamLimits) -> Self {
        let least = millis(limits.resolve_min);
        Self { least, most: millis(limits.resolve_interval).max(least) }
    }

    /// After an answer that holds for `ttl`.
    fn after(self, ttl: Duration) -> u64 {
        millis(ttl).clamp(self.least, self.most)
    }

    /// After so many lookups in a row that found nothing.
    fn without(self, misses: u32) -> u64 {
        let doubled = self.least.saturating_mul(1 << misses.min(16));
        doubled.min(HOPE_MS.max(self.least)).min(self.most)
    }
}

impl Resolver {
    /// Starts the background task on the current runtime; it ends with the last `Resolver`.
    pub(crate) fn start(limits: &UpstreamLimits, alarm: &Alarm) -> Self {
        let names = Arc::new(Names::new(&limits.resolvers));
        Self::with(limits, alarm, move |name| {
            let names = Arc::clone(&names);
            async move { names.look_up(&name).await }
        })
    }

    /// As [`Resolver::start`], with another way to look names up.
    pub(crate) fn with<F, L>(limits: &UpstreamLimits, alarm: &Alarm, look_up: F) -> Self
    where
        F: Fn(Box<str>) -> L + Send + Sync + 'static,
        L: Future<Output = Found> + Send + 'static,
    {
        let known = Arc::new(ArcSwap::from_pointee(Map::new()));
        let (wanted, queue) = mpsc::channel(QUEUE);
        let (tell, news) = watch::channel(0);
        let task = Task { known: Arc::clone(&known), tell, pace: Pace::of(limits) };
        let panicked = Arc::<AtomicU64>::default();
        let lookups = Lookups::counting(Arc::clone(&panicked));
        tokio::spawn(watched(alarm.watch("the resolver"), task.run(queue, lookups, look_up)));
        Self { known, wanted, news, panicked }
    }

    /// Lookups that were lost to a panic.
    pub(crate) fn panicked(&self) -> u64 {
        self.panicked.load(Ordering::Relaxed)
    }

    /// The first thing that `look` finds at one of the endpoint's addresses, without waiting; nothing for a name that was never
    /// looked up. `dice` says which of several comes first. They are borrowed: a count of who reads them would be written by all
    /// threads for each request.
    pub(crate) fn find<T>(
        &self,
        address: &Address,
        dice: usize,
        mut look: impl FnMut(SocketAddr) -> Option<T>,
    ) -> Option<T> {
        let Address::Name { name, port } = address else {
            return address.socket_addr().and_then(look);
        };
        let known = self.known.load();
        Addresses::of(&**known.get(name)?, port.get(), dice, now_ms()).find_map(&mut look)
    }

    /// What the name last resolved to, without asking for it; for operators.
    pub(crate) fn last_known(&self, address: &Address) -> Vec<SocketAddr> {
        let Address::Name { name, port } = address else {
            return address.socket_addr().into_iter().collect();
        };
        let known = self.known.load();
        let ips = known.get(name).into_iter().flat_map(|known| &known.ips);
        ips.map(|&ip| SocketAddr::new(ip, port.get())).collect()
    }

    /// The addresses to connect to. None: the name has no address.
    ///
    /// Waits only when the name was never looked up before; the caller bounds the wait.
    pub(crate) async fn resolve(&self, address: &Address, dice: usize) -> Addresses {
        let Address::Name { name, port } = address else {
            return Addresses::literal(address.socket_addr());
        };
        let mut news = self.news.clone();
        loop {
            news.mark_unchanged();
            if let Some(known) = self.known.load().get(name) {
                return Addresses::of(Arc::clone(known), port.get(), dice, now_ms());
            }
            // A full queue is no loss: this request asks again when the next name was answered.
            let _full = self.wanted.try_send(name.clone());
            if news.changed().await.is_err() {
                return Addresses::literal(None);
            }
        }
    }
}

/// What happens in the background.
struct Task {
    known: Arc<ArcSwap<Map>>,
    tell: watch::Sender<u64>,
    pace: Pace,
}

impl Task {
    async fn run<F, L>(self, mut queue: mpsc::Receiver<Box<str>>, mut lookups: Lookups, look_up: F)
    where
        F: Fn(Box<str>) -> L,
        L: Future<Output = Found> + Send + 'static,
    {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                name = queue.recv() => match name {
                    Some(name) if self.known.load().contains_key(&name) => {}
                    Some(name) => lookups.want(name),
                    None => return,
                },
                Some((name, found)) = lookups.next(&look_up) => self.note(name, found, now_ms()),
                _ = tick.tick() => self.due(now_ms()).into_iter().for_each(|name| lookups.want(name)),
            }
        }
    }

    /// Takes over what a lookup found, and tells who waits for it.
    fn note(&self, name: Box<str>, found: Found, now: Millis) {
        let before = self.known.load().get(&name).cloned();
        let known = match found {
            Found::Addresses(mut ips, ttl) => {
                ips.sort_unstable();
                ips.dedup();
                let wait = self.pace.after(ttl);
                let asked = before.as_ref().map_or(now, |before| before.asked.load(Ordering::Relaxed));
                let same = |before: &Arc<Known>| *before.ips == *ips;
                let known = before.filter(same).unwrap_or_else(|| Arc::new(Known::new(ips, asked)));
                if known.misses.swap(0, Ordering::Relaxed) > 0 {
                    tracing::info!(%name, "the name of an endpoint resolves again");
                }
                known.denied.store(0, Ordering::Relaxed);
                self.again(&known, now, wait);
                known
            }
            Found::Nothing => self.missed(&name, before, "it has no address", true, now),
            Found::Failed(why) => self.missed(&name, before, &why, false, now),
        };
        // No map is copied for what is known.
        if !self.known.load().get(&name).is_some_and(|before| Arc::ptr_eq(before, &known)) {
            let mut map = Map::clone(&self.known.load());
            map.insert(name, known);
            self.known.store(Arc::new(map));
        }
        self.tell.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A lookup found no address: the last ones stay, unless it was `denied` for long that there are any.
    fn missed(
        &self,
        name: &str,
        before: Option<Arc<Known>>,
        why: &str,
        denied: bool,
        now: Millis,
    ) -> Arc<Known> {
        let mut known = before.unwrap_or_else(|| Arc::new(Known::new(Vec::new(), now)));
        let misses = known.misses.fetch_add(1, Ordering::Relaxed);
        let kept = known.ips.len();
        if misses == 0 {
            tracing::warn!(%name, why, kept, "cannot resolve the name of an endpoint");
        }
        if !denied {
            known.denied.store(0, Ordering::Relaxed);
        } else if known.denied.load(Ordering::Relaxed) == 0 {
            known.denied.store(now.max(1), Ordering::Relaxed);
        } else if kept > 0 && now.saturating_sub(known.denied.load(Ordering::Relaxed)) >= self.pace.most {
            tracing::warn!(%name, "the name of an endpoint has had no address for long; those it had are given up");
            let without = Known::new(Vec::new(), known.asked.load(Ordering::Relaxed));
            without.misses.store(misses + 1, Ordering::Relaxed);
            without.denied.store(known.denied.load(Ordering::Relaxed), Ordering::Relaxed);
            known = Arc::new(without);
        }
        self.again(&known, now, self.pace.without(misses));
        known
    }

    fn again(&self, known: &Known, now: Millis, wait: u64) {
        known.soonest.store(now.saturating_add(self.pace.least), Ordering::Relaxed);
        known.due.store(now.saturating_add(wait), Ordering::Relaxed);
    }

    /// Forgets the names that nobody asks for, and returns those that are to be looked up again.
    fn due(&self, now: Millis) -> Vec<Box<str>> {
        let oldest = self.pace.most.saturating_mul(FORGET_AFTER).max(millis(TICK));
        let forgotten = |known: &Known| now.saturating_sub(known.asked.load(Ordering::Relaxed)) > oldest;
        let known = self.known.load();
        if known.values().any(|known| forgotten(known)) {
            let wanted = known.iter().filter(|(_, known)| !forgotten(known));
            let wanted: Map = wanted.map(|(name, known)| (name.clone(), Arc::clone(known))).collect();
            self.known.store(Arc::new(wanted));
        }
        let known = self.known.load();
        let due = known.iter().filter(|(_, known)| known.due.load(Ordering::Relaxed) <= now);
        due.map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
