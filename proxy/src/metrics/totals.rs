//! The counters as plain numbers.

use super::{Histogram, Limit, Rejected, UpstreamFailure};
use crate::respond::LocalReply;

/// Everything a proxy counted since its start. Totals of several threads or nodes are merged by adding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Client connections accepted.
    pub connections_accepted: u64,
    /// Client connections closed, of those accepted.
    pub connections_closed: u64,
    /// Client connections that went to another thread, because this one had more than its share at work.
    pub connections_given: u64,
    /// Client connections that came from another thread.
    pub connections_taken: u64,
    /// Requests that began; the counts below are of those that ended.
    pub requests_began: u64,
    /// Requests that ended, by the hundreds of the status that was sent; index 0: none was sent.
    pub requests_by_class: [u64; 6],
    /// Answers of our own, in the order of [`LocalReply::NAMES`].
    pub local_replies: [u64; LocalReply::NAMES.len()],
    /// Octets read from clients.
    pub bytes_in: u64,
    /// Octets written to clients.
    pub bytes_out: u64,
    /// Connections to endpoints that were opened.
    pub upstream_connects: u64,
    /// Requests that went over a connection that was open already.
    pub upstream_reuses: u64,
    /// Attempts that failed, in the order of [`UpstreamFailure::ALL`].
    pub upstream_failures: [u64; UpstreamFailure::ALL.len()],
    /// Further attempts that were made.
    pub retries: u64,
    /// Further attempts that the budget forbade.
    pub retries_denied: u64,
    /// Endpoints marked dead.
    pub dead_marks: u64,
    /// Health reports that found the queue to the registry full.
    pub health_reports_dropped: u64,
    /// Lines of the access log that could not be written.
    pub log_lines_dropped: u64,
    /// Exchanges, connections, checks and lookups that were lost to a panic.
    pub panics: u64,
    /// Limits that somebody ran into, in the order of [`Limit::ALL`].
    pub limits: [u64; Limit::ALL.len()],
    /// Connections that a listener's policy kept out, in the order of [`Rejected::ALL`].
    pub rejected: [u64; Rejected::ALL.len()],
    /// From the first octet of a request to the end of its answer.
    pub duration: Histogram,
    /// The part of it spent with endpoints, of requests that reached one.
    pub upstream_duration: Histogram,
}

impl Totals {
    /// Requests that ended.
    pub fn requests(&self) -> u64 {
        self.requests_by_class.iter().sum()
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u64 {
        self.requests_began.saturating_sub(self.requests())
    }

    /// Client connections open.
    pub fn connections_open(&self) -> u64 {
        let came = self.connections_accepted + self.connections_taken;
        came.saturating_sub(self.connections_closed + self.connections_given)
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        // Taken apart so that a new counter cannot be forgotten here.
        let Self {
            connections_accepted,
            connections_closed,
            connections_given,
            connections_taken,
            requests_began,
            requests_by_class,
            local_replies,
            bytes_in,
            bytes_out,
            upstream_connects,
            upstream_reuses,
            upstream_failures,
            retries,
            retries_denied,
            dead_marks,
            health_reports_dropped,
            log_lines_dropped,
            panics,
            limits,
            rejected,
            duration,
            upstream_duration,
        } = self;
        *connections_accepted += other.connections_accepted;
        *connections_closed += other.connections_closed;
        *connections_given += other.connections_given;
        *connections_taken += other.connections_taken;
        *requests_began += other.requests_began;
        add(requests_by_class, &other.requests_by_class);
        add(local_replies, &other.local_replies);
        *bytes_in += other.bytes_in;
        *bytes_out += other.bytes_out;
        *upstream_connects += other.upstream_connects;
        *upstream_reuses += other.upstream_reuses;
        add(upstream_failures, &other.upstream_failures);
        *retries += other.retries;
        *retries_denied += other.retries_denied;
        *dead_marks += other.dead_marks;
        *health_reports_dropped += other.health_reports_dropped;
        *log_lines_dropped += other.log_lines_dropped;
        *panics += other.panics;
        add(limits, &other.limits);
        add(rejected, &other.rejected);
        duration.merge(&other.duration);
        upstream_duration.merge(&other.upstream_duration);
    }
}

fn add(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}
