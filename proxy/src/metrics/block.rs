//! The counters of one thread.

use std::array;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{BUCKETS, Histogram, Limit, Rejected, Totals, UpstreamFailure};
use crate::respond::LocalReply;

/// Written by one thread only, read by whoever sums. Aligned so that two threads never share a cache line
/// (128: processors fetch lines in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Block {
    connections_accepted: Cell,
    connections_closed: Cell,
    connections_given: Cell,
    connections_taken: Cell,
    requests_began: Cell,
    requests_by_class: [Cell; 6],
    local_replies: Cells<{ LocalReply::NAMES.len() }>,
    bytes_in: Cell,
    bytes_out: Cell,
    upstream_connects: Cell,
    upstream_reuses: Cell,
    upstream_failures: Cells<{ UpstreamFailure::ALL.len() }>,
    retries: Cell,
    retries_denied: Cell,
    dead_marks: Cell,
    health_reports_dropped: Cell,
    log_lines_dropped: Cell,
    panics: Cell,
    limits: Cells<{ Limit::ALL.len() }>,
    rejected: Cells<{ Rejected::ALL.len() }>,
    duration: Latencies,
    upstream_duration: Latencies,
}

#[derive(Debug, Default)]
struct Cell(AtomicU64);

#[derive(Debug)]
struct Cells<const N: usize>([Cell; N]);

#[derive(Debug, Default)]
struct Latencies {
    counts: Cells<{ BUCKETS + 1 }>,
    sum_us: Cell,
}

impl Cell {
    /// A load and a store, not a locked addition: each block has one writer.
    fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<const N: usize> Default for Cells<N> {
    fn default() -> Self {
        Self(array::from_fn(|_| Cell::default()))
    }
}

impl<const N: usize> Cells<N> {
    fn get(&self) -> [u64; N] {
        array::from_fn(|i| self.0[i].get())
    }
}

impl Latencies {
    fn record(&self, us: u64) {
        self.counts.0[Histogram::bucket(us)].add(1);
        self.sum_us.add(us);
    }

    fn get(&self) -> Histogram {
        Histogram { counts: self.counts.get(), sum_us: self.sum_us.get() }
    }
}

impl Block {
    pub(super) fn read(&self) -> Totals {
        Totals {
            // What ends is read before what begins, so that a request that does both meanwhile is not "minus one in flight".
            connections_closed: self.connections_closed.get(),
            connections_given: self.connections_given.get(),
            connections_accepted: self.connections_accepted.get(),
            connections_taken: self.connections_taken.get(),
            requests_by_class: array::from_fn(|class| self.requests_by_class[class].get()),
            requests_began: self.requests_began.get(),
            local_replies: self.local_replies.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            upstream_connects: self.upstream_connects.get(),
            upstream_reuses: self.upstream_reuses.get(),
            upstream_failures: self.upstream_failures.get(),
            retries: self.retries.get(),
            retries_denied: self.retries_denied.get(),
            dead_marks: self.dead_marks.get(),
            health_reports_dropped: self.health_reports_dropped.get(),
            log_lines_dropped: self.log_lines_dropped.get(),
            panics: self.panics.get(),
            limits: self.limits.get(),
            rejected: self.rejected.get(),
            duration: self.duration.get(),
            upstream_duration: self.upstream_duration.get(),
        }
    }
}

/// How an exchange ended, for the counters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// The status that was sent; 0: none.
    pub status: u16,
    /// Which answer of our own it was.
    pub reply: Option<LocalReply>,
    /// Octets read from the client.
    pub bytes_in: u64,
    /// Octets written to the client.
    pub bytes_out: u64,
    /// From the first octet to the end, in microseconds.
    pub total_us: u64,
    /// The part spent with endpoints, in microseconds; `None`: none was reached.
    pub upstream_us: Option<u64>,
}

/// A thread's hold on its block. It cannot leave its thread: the block has one writer.
#[derive(Debug, Clone)]
pub struct Counters {
    block: Arc<Block>,
    stays: PhantomData<Rc<()>>,
}

impl Counters {
    pub(super) fn new(block: Arc<Block>) -> Self {
        Self { block, stays: PhantomData }
    }

    /// A client connection was accepted; it is open as long as the guard lives.
    pub fn connection(&self) -> Connection {
        self.block.connections_accepted.add(1);
        Connection { counters: self.clone(), given: false }
    }

    /// As [`Counters::connection`], for one that another thread accepted and gave to this one.
    pub fn connection_taken(&self) -> Connection {
        self.block.connections_taken.add(1);
        Connection { counters: self.clone(), given: false }
    }

    /// A request began.
    pub fn exchange_began(&self) {
        self.block.requests_began.add(1);
    }

    /// A request ended.
    pub fn exchange_ended(&self, outcome: &Outcome) {
        let class = usize::from(outcome.status / 100);
        self.block.requests_by_class[if class < 6 { class } else { 0 }].add(1);
        if let Some(reply) = outcome.reply {
            self.block.local_replies.0[reply.index()].add(1);
        }
        self.block.bytes_in.add(outcome.bytes_in);
        self.block.bytes_out.add(outcome.bytes_out);
        self.block.duration.record(outcome.total_us);
        if let Some(us) = outcome.upstream_us {
            self.block.upstream_duration.record(us);
        }
    }

    /// A connection to an endpoint was opened.
    pub fn upstream_connect(&self) {
        self.block.upstream_connects.add(1);
    }

    /// A request goes over a connection that was open already.
    pub fn upstream_reuse(&self) {
        self.block.upstream_reuses.add(1);
    }

    /// An attempt failed.
    pub fn upstream_failure(&self, failure: UpstreamFailure) {
        self.block.upstream_failures.0[failure as usize].add(1);
    }

    /// A further attempt is made.
    pub fn retry(&self) {
        self.block.retries.add(1);
    }

    /// A further attempt was forbidden by the budget.
    pub fn retry_denied(&self) {
        self.block.retries_denied.add(1);
    }

    /// An endpoint was marked dead.
    pub fn dead_mark(&self) {
        self.block.dead_marks.add(1);
    }

    /// A health report found its queue full.
    pub fn health_report_dropped(&self) {
        self.block.health_reports_dropped.add(1);
    }

    /// An exchange, or what was around it, was lost to a panic.
    pub fn panic(&self) {
        self.block.panics.add(1);
    }

    /// What this thread counted.
    #[cfg(test)]
    pub(crate) fn totals(&self) -> Totals {
        self.block.read()
    }

    /// Somebody ran into a limit.
    pub fn limit(&self, limit: Limit) {
        self.limits(limit, 1);
    }

    /// As [`Counters::limit`], several at once.
    pub fn limits(&self, limit: Limit, n: u64) {
        self.block.limits.0[limit as usize].add(n);
    }

    /// A listener's policy kept a connection out.
    pub fn rejected(&self, why: Rejected) {
        self.block.rejected.0[why as usize].add(1);
    }

    /// Lines of the access log were dropped.
    pub fn log_lines_dropped(&self, lines: u64) {
        self.block.log_lines_dropped.add(lines);
    }
}

/// An open client connection; dropping it closes it, for the counters.
#[derive(Debug)]
pub struct Connection {
    counters: Counters,
    given: bool,
}

impl Connection {
    /// It goes to another thread, which counts it from now on.
    pub fn give(mut self) {
        self.given = true;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let block = &self.counters.block;
        let ended = if self.given { &block.connections_given } else { &block.connections_closed };
        ended.add(1);
    }
}
