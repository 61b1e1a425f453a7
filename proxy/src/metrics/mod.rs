//! What a proxy counts: one block of counters a thread, summed when somebody asks.
//!
//! In: a few relaxed additions per request from the thread that owns the block. Out: [`Totals`], plain numbers.
//! Never here: a lock or a shared cache line on the request path, an exposition format (admin's).

mod block;
mod histogram;
mod limit;
mod rejected;
mod totals;

use std::sync::{Arc, Mutex, PoisonError};

pub use block::{Connection, Counters, Outcome};
pub use histogram::{BUCKETS, Histogram};
pub use limit::Limit;
pub use rejected::Rejected;
pub use totals::Totals;

use block::Block;

/// How an attempt to reach an endpoint failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamFailure {
    /// The endpoint's name did not resolve.
    Unresolved,
    /// The endpoint has an address that none may have.
    Forbidden,
    /// The connect was refused.
    Refused,
    /// The connect took too long.
    ConnectTimeout,
    /// The connect failed otherwise: unreachable, out of ports or descriptors.
    ConnectError,
    /// The connection was reset or closed before an answer began.
    Reset,
    /// No response head in time.
    ResponseTimeout,
    /// Silence in the middle of a response, or an endpoint that took nothing in for too long.
    IdleTimeout,
    /// The answer is not HTTP we accept, or its head is too large.
    Malformed,
    /// The answer ended before its framing said so.
    Truncated,
    /// A 5xx that counts as death.
    ServerError,
}

impl UpstreamFailure {
    /// Every failure, in the order of [`Totals::upstream_failures`].
    pub const ALL: [Self; 11] = [
        Self::Unresolved,
        Self::Forbidden,
        Self::Refused,
        Self::ConnectTimeout,
        Self::ConnectError,
        Self::Reset,
        Self::ResponseTimeout,
        Self::IdleTimeout,
        Self::Malformed,
        Self::Truncated,
        Self::ServerError,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectError => "connect_error",
            Self::Reset => "reset",
            Self::ResponseTimeout => "response_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::ServerError => "server_error",
        }
    }
}

/// The blocks of all threads of a proxy.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Taken when a thread starts and on a scrape, never on the request path. With the numbers of those that serve.
    blocks: Mutex<Vec<(Option<usize>, Arc<Block>)>>,
}

impl Metrics {
    /// No blocks yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// A block of its own for the calling thread; the returned handle cannot leave it.
    ///
    /// What a thread counted stays in the totals after its end.
    pub fn counters(&self) -> Counters {
        self.block(None)
    }

    /// As [`Metrics::counters`], for the thread with this number among those that serve.
    pub fn of_worker(&self, number: usize) -> Counters {
        self.block(Some(number))
    }

    fn block(&self, worker: Option<usize>) -> Counters {
        let block = Arc::<Block>::default();
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).push((worker, Arc::clone(&block)));
        Counters::new(block)
    }

    /// The sum over all threads, now.
    pub fn totals(&self) -> Totals {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut totals = Totals::default();
        for (_, block) in blocks.iter() {
            totals.merge(&block.read());
        }
        totals
    }

    /// What each thread that serves counted, in the order of their numbers.
    pub fn by_worker(&self) -> Vec<Totals> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let serving = blocks.iter().filter_map(|(number, block)| Some(((*number)?, block)));
        let mut workers: Vec<_> = serving.map(|(number, block)| (number, block.read())).collect();
        workers.sort_unstable_by_key(|(number, _)| *number);
        workers.into_iter().map(|(_, totals)| totals).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::LocalReply;

    #[test]
    fn totals_are_the_sum_over_the_threads_also_over_those_that_ended() {
        let metrics = Metrics::new();

        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let counters = metrics.counters();
                    let connection = counters.connection();
                    for status in [200, 204, 302, 404, 502] {
                        counters.exchange_began();
                        counters.exchange_ended(&Outcome {
                            status,
                            reply: (status == 502).then_some(LocalReply::NoEndpoint),
                            bytes_in: 10,
                            bytes_out: 100,
                            total_us: 1_000,
                            upstream_us: Some(500),
                        });
                    }
                    counters.upstream_failure(UpstreamFailure::Refused);
                    counters.exchange_began();
                    std::mem::forget(connection);
                });
            }
        });

        let totals = metrics.totals();
        assert_eq!(totals.requests_by_class, [0, 0, 6, 3, 3, 3]);
        assert_eq!(totals.requests(), 15);
        assert_eq!(totals.local_replies[LocalReply::NoEndpoint.index()], 3);
        assert_eq!((totals.bytes_in, totals.bytes_out), (150, 1_500));
        assert_eq!((totals.connections_accepted, totals.connections_open()), (3, 3));
        assert_eq!(totals.in_flight(), 3);
        assert_eq!(totals.upstream_failures[UpstreamFailure::Refused as usize], 3);
        assert_eq!((totals.duration.count(), totals.duration.sum_us), (15, 15_000));
        assert_eq!((totals.upstream_duration.count(), totals.upstream_duration.sum_us), (15, 7_500));
    }

    #[test]
    fn a_connection_is_open_until_its_guard_goes() {
        let metrics = Metrics::new();
        let counters = metrics.counters();

        let connection = counters.connection();
        assert_eq!(metrics.totals().connections_open(), 1);

        drop(connection);
        assert_eq!(metrics.totals().connections_open(), 0);
        assert_eq!(metrics.totals().connections_accepted, 1);
    }

    #[test]
    fn a_connection_that_changes_threads_is_one_connection() {
        let metrics = Metrics::new();
        let (giver, taker) = (metrics.of_worker(0), metrics.of_worker(1));
        let open = || metrics.by_worker().iter().map(Totals::connections_open).collect::<Vec<_>>();

        giver.connection().give();
        let connection = taker.connection_taken();
        assert_eq!(open(), [0, 1]);

        drop(connection);
        assert_eq!(open(), [0, 0]);
        assert_eq!((metrics.totals().connections_accepted, metrics.totals().connections_open()), (1, 0));
    }

    #[test]
    fn each_thread_that_serves_is_told_apart_whichever_starts_first() {
        let metrics = Metrics::new();
        let (second, other, first) = (metrics.of_worker(1), metrics.counters(), metrics.of_worker(0));
        let _connections = [second.connection(), second.connection(), first.connection()];
        other.panic();

        let open: Vec<_> = metrics.by_worker().iter().map(Totals::connections_open).collect();

        assert_eq!(open, [1, 2]);
        assert_eq!(metrics.totals().connections_open(), 3);
    }

    #[test]
    fn the_failures_are_counted_in_the_order_they_are_listed_in() {
        for (index, failure) in UpstreamFailure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, index, "{}", failure.name());
        }
    }
}
