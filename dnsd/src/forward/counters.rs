//! What forwarding counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Questions that an upstream was sent, again over UDP or over TCP not counted.
    pub asked: u64,
    /// Those that were asked again over TCP: the answer was cut.
    pub asked_over_tcp: u64,
    /// Questions that were answered from the cache.
    pub hits: u64,
    /// Questions that waited for the answer to another one alike.
    pub joined: u64,
    /// Waits for an upstream that was not there in time, after which another one is asked, or the same once more.
    pub late: u64,
    /// Upstreams that could not be reached, or said that they cannot say.
    pub failures: u64,
    /// Answers that were none to what was asked, or malformed, and ignored.
    pub unfit: u64,
    /// Questions that nobody could answer (SERVFAIL).
    pub unanswered: u64,
    /// Questions of clients that are not in `forward_allow` (REFUSED).
    pub refused: u64,
    /// Answers in the cache now.
    pub kept: u64,
}

/// The counters; written by one thread, but for one.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    asked: AtomicU64,
    asked_over_tcp: AtomicU64,
    hits: AtomicU64,
    joined: AtomicU64,
    late: AtomicU64,
    failures: AtomicU64,
    unfit: AtomicU64,
    unanswered: AtomicU64,
    /// By each thread that answers; only questions that nobody may ask are counted.
    refused: AtomicU64,
}

/// A function for each counter.
macro_rules! counted {
    ($($name:ident),*) => {$(
        pub(super) fn $name(&self) {
            self.$name.fetch_add(1, Ordering::Relaxed);
        }
    )*};
}

impl Counters {
    counted!(asked, asked_over_tcp, hits, joined, late, failures, unfit, unanswered, refused);

    /// What was counted so far, but for what is kept.
    pub(super) fn totals(&self, kept: usize) -> Forwarded {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Forwarded {
            asked: get(&self.asked),
            asked_over_tcp: get(&self.asked_over_tcp),
            hits: get(&self.hits),
            joined: get(&self.joined),
            late: get(&self.late),
            failures: get(&self.failures),
            unfit: get(&self.unfit),
            unanswered: get(&self.unanswered),
            refused: get(&self.refused),
            kept: u64::try_from(kept).unwrap_or(u64::MAX),
        }
    }
}
