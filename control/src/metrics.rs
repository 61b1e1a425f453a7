//! What a controller counts of what it does, for whoever scrapes it.
//!
//! In: turns, calls to engines, hooks, facts as they change. Out: [`Totals`]. Never here: a name that is not a host's, a service's or a
//! hook's of the configuration: there are as many numbers as there are of these.

mod call;
mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::HostName;

pub(crate) use call::Counted;
pub(crate) use seen::Ages;

/// The upper bounds of a histogram's buckets, in seconds: what is slower is in one more.
pub const BOUNDS: [f64; 13] =
    [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

/// How many took how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram {
    counts: [u64; BOUNDS.len()],
    /// How many there were.
    pub count: u64,
    /// How long all of them took.
    pub sum: Duration,
}

impl Histogram {
    /// Adds one.
    pub fn record(&mut self, took: Duration) {
        let bucket = BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound);
        if let Some(count) = bucket.and_then(|bucket| self.counts.get_mut(bucket)) {
            *count += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// Each bucket's upper bound in seconds, with how many took at most that long.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        BOUNDS.iter().zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((*bound, *sum))
        })
    }
}

/// How a call to an engine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// As it should.
    Done,
    /// The engine said no.
    Refused,
    /// It was not reached, or did not answer in time.
    Unreachable,
    /// Nobody waited for its end.
    GivenUp,
}

impl Ended {
    /// `done`, `refused`, `unreachable` or `given_up`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::GivenUp => "given_up",
        }
    }
}

/// What was counted since this process began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Turns of a controller that controls.
    pub turns: Histogram,
    /// Calls to the engine of a host, by what was asked and by how it ended.
    pub calls: BTreeMap<(HostName, &'static str, Ended), u64>,
    /// Images that were fetched, whatever came of it.
    pub pulls: Histogram,
    /// Versions of services that became what runs.
    pub rollouts_done: u64,
    /// Versions of services that failed.
    pub rollouts_failed: u64,
    /// Hooks that ran, by name, and whether they failed.
    pub hooks: BTreeMap<(String, bool), u64>,
    /// From when an instance got its place to when it was healthy.
    pub healthy: Histogram,
    /// From when an instance left every set to when it was gone.
    pub stopped: Histogram,
}

/// Where a controller counts.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Totals>);

impl Metrics {
    /// What was counted so far.
    pub fn totals(&self) -> Totals {
        self.lock().clone()
    }

    pub(crate) fn turned(&self, took: Duration) {
        self.lock().turns.record(took);
    }

    pub(crate) fn hooked(&self, name: &str, failed: bool) {
        *self.lock().hooks.entry((name.to_owned(), failed)).or_default() += 1;
    }

    /// Forgets hosts that are not there any more.
    pub(crate) fn keep(&self, hosts: &BTreeSet<&HostName>) {
        self.lock().calls.retain(|(host, _, _), _| hosts.contains(host));
    }

    fn called(&self, host: &HostName, call: &'static str, ended: Ended, took: Duration) {
        let mut totals = self.lock();
        *totals.calls.entry((host.clone(), call, ended)).or_default() += 1;
        if call == "pull" {
            totals.pulls.record(took);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_as_long_as_a_bound_is_in_its_bucket_and_what_took_longer_than_all_is_counted() {
        let mut histogram = Histogram::default();

        for ms in [1, 2, 300, 2_000_000] {
            histogram.record(Duration::from_millis(ms));
        }

        let all: Vec<(f64, u64)> = histogram.cumulative().collect();
        assert_eq!((all[0], all[1], all[5], all[12]), ((0.001, 1), (0.003, 2), (0.3, 3), (1000.0, 3)));
        assert_eq!((histogram.count, histogram.sum), (4, Duration::from_millis(2_000_303)));
    }
}
