//! What is known of a name, and the order in which a request tries its addresses.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::clock::Millis;

/// The most addresses of a name that are used.
const MOST: usize = 64;
/// How long an address that could not be connected to stands behind the others of its name, in milliseconds.
const AVOID_MS: u64 = 10_000;

/// What is known of a name. The moments are changed in place, the addresses never: who walks them keeps them.
#[derive(Debug)]
pub(crate) struct Known {
    pub(super) ips: Box<[IpAddr]>,
    /// For each address, until when the others of the name are tried before it.
    avoid: Box<[AtomicU64]>,
    /// When a request asked for it last.
    pub(super) asked: AtomicU64,
    /// When it is looked up again …
    pub(super) due: AtomicU64,
    /// … and from when on, should none of its addresses be what it was.
    pub(super) soonest: AtomicU64,
    /// Lookups in a row that found no address.
    pub(super) misses: AtomicU32,
    /// Since when it is said to have no address; 0: it is not.
    pub(super) denied: AtomicU64,
}

impl Known {
    /// A name with these addresses, or with none, that was just asked for.
    pub(super) fn new(mut ips: Vec<IpAddr>, asked: Millis) -> Self {
        ips.truncate(MOST);
        Self {
            avoid: ips.iter().map(|_| AtomicU64::new(0)).collect(),
            ips: ips.into(),
            asked: AtomicU64::new(asked),
            due: AtomicU64::new(0),
            soonest: AtomicU64::new(0),
            misses: AtomicU32::new(0),
            denied: AtomicU64::new(0),
        }
    }
}

/// The socket addresses of an endpoint, in the order in which they are to be tried; `K` keeps what is known of its name for as long.
#[derive(Debug)]
pub(crate) struct Addresses<K = Arc<Known>>(Inner<K>);

#[derive(Debug)]
enum Inner<K> {
    Literal(Option<SocketAddr>),
    Named {
        known: K,
        port: u16,
        /// Where in the list to begin.
        first: usize,
        /// The places that come last, as a mask.
        last: u64,
        /// Steps taken; the list is walked twice.
        steps: usize,
    },
}

impl<K: Deref<Target = Known>> Addresses<K> {
    pub(super) fn literal(socket: Option<SocketAddr>) -> Self {
        Self(Inner::Literal(socket))
    }

    pub(super) fn of(known: K, port: u16, dice: usize, now: Millis) -> Self {
        // All threads read it: it is written once a millisecond at most.
        if known.asked.load(Ordering::Relaxed) != now {
            known.asked.store(now, Ordering::Relaxed);
        }
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

    /// The address handed out last could not be connected to: others of the name come before it for a while, and the name may have
    /// moved.
    pub(crate) fn avoid(&self, now: Millis) {
        if let Inner::Named { known, first, steps, .. } = &self.0
            && let Some(place) = (first + steps.saturating_sub(1)).checked_rem(known.ips.len())
            && let Some(until) = known.avoid.get(place)
        {
            until.store(now.saturating_add(AVOID_MS), Ordering::Relaxed);
            known.due.fetch_min(known.soonest.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// The list is walked from `first` on, once for those that come first and once for those in `last`.
fn is_due(step: usize, first: usize, count: usize, last: u64) -> bool {
    (last >> ((first + step) % count) & 1 == 1) == (step >= count)
}

impl<K: Deref<Target = Known>> Iterator for Addresses<K> {
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
