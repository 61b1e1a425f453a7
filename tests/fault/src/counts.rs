//! Counts of what passed.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::script::Way;

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections that were let in, whatever became of them.
    pub accepted: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Connections that could not be passed on, because the target refused.
    pub unreachable: u64,
    /// Octets given to the target.
    pub up: u64,
    /// Octets given back to who connected.
    pub down: u64,
}

/// The same, while it is counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    ended: AtomicU64,
    unreachable: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

impl Counters {
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn ended(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn unreachable(&self) {
        self.unreachable.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn passed(&self, way: Way, octets: usize) {
        let counter = match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        };
        counter.fetch_add(octets as u64, Ordering::SeqCst);
    }

    pub(crate) fn read(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let ended = of(&self.ended);
        let accepted = of(&self.accepted);
        Counts {
            accepted,
            open: accepted - ended,
            unreachable: of(&self.unreachable),
            up: of(&self.up),
            down: of(&self.down),
        }
    }
}
