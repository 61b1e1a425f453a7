//! A view that suddenly lost most of a large table is held: served on as before, and believed later, or when an operator says so.
//!
//! In: what is served, what the store says now, the time. Out: whether it is believed, and what would go if it were. Never here: a clock.
//!
//! A store that was flushed, restarted empty or restored from an old copy is far more often an accident than a wish, and a front door that
//! follows it at once turns the accident into an outage. Somebody who removes frontends names them, and is believed at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use model::{Change, FactKey, Revision, Snapshot, Stated};

use crate::Held;
use crate::driver::Lost;

/// A table of fewer frontends is small, and always follows.
pub const LARGE_TABLE: usize = 50;
/// How much of a large table must be gone at once for the view to be held, in percent.
pub const SUDDEN_LOSS_PERCENT: usize = 80;

/// How long views are held; zero: they are believed at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Those that suddenly lost most of a large table.
    pub(crate) loss: Duration,
    /// Those of an older copy of the store.
    pub(crate) older: Duration,
}

/// Whether `gone` of `served` frontends at once are more likely an accident than a wish.
pub(crate) fn is_sudden_loss(served: usize, gone: usize) -> bool {
    served >= LARGE_TABLE && gone * 100 >= served * SUDDEN_LOSS_PERCENT
}

/// What an older copy of a store would take back: what is served by a revision that it lost, and what was removed by one.
pub(crate) fn taken_back(served: &Snapshot, view: &Snapshot, lost: Lost) -> HashSet<FactKey> {
    let newer = served.facts().filter(|now| {
        let is_lost = now.revision > lost.after && now.revision < lost.before;
        let is_older = |then: &Stated| then.revision <= lost.after && then.fact != now.fact;
        is_lost && view.get(&now.fact.key()).is_none_or(is_older)
    });
    let knows_more = served.revision() > lost.after;
    let removed = view
        .facts()
        .filter(|then| knows_more && then.revision <= lost.after && served.get(&then.fact.key()).is_none());
    newer.chain(removed).map(|stated| stated.fact.key()).collect()
}

/// A view that is held.
#[derive(Debug)]
pub(crate) struct Hold {
    /// What the store says, kept up to date.
    pub(crate) view: Snapshot,
    /// The store's revision of it.
    pub(crate) revision: Revision,
    /// What is served and would go, or be taken back to what it was.
    missing: HashSet<FactKey>,
    since: Instant,
    until: Instant,
    /// Whether the store is an older copy of itself.
    older: bool,
}

/// Why a view is held no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was believed because it stayed as it was for so long.
    Time,
    /// It was believed because an operator said so.
    Accepted,
    /// It was believed because it says again what is served.
    Recovered,
    /// The store is lost: nobody says any more what was not believed.
    Lost,
}

impl Hold {
    /// Holds `view`, which lacks `missing`, from `now` on for `patience`; one that takes the place of `before` ends when that would have.
    pub(crate) fn new(
        view: Snapshot,
        revision: Revision,
        missing: HashSet<FactKey>,
        (now, patience): (Instant, Duration),
        before: Option<&Self>,
    ) -> Self {
        let (since, until) = before.map_or((now, now + patience), |before| (before.since, before.until));
        let older = before.is_some_and(|before| before.older);
        Self { view, revision, missing, since, until, older }
    }

    /// The same, of a store that `is_older`.
    pub(crate) fn older(self, is_older: bool) -> Self {
        Self { older: self.older || is_older, ..self }
    }

    /// When it will be believed.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Takes in what the store says since, and what is served after that.
    pub(crate) fn change(&mut self, revision: Revision, changes: &[Change], served: &Snapshot) {
        self.revision = self.revision.max(revision);
        self.view = self.view.apply(Revision::ZERO, changes.iter().cloned());
        for change in changes {
            match change {
                Change::Put(stated) => drop(self.missing.remove(&stated.fact.key())),
                Change::Remove(key) if served.get(key).is_none() => drop(self.missing.remove(key)),
                _ => {}
            }
        }
    }

    /// More is gone at once: `gone` of what is served.
    pub(crate) fn lose(&mut self, revision: Revision, changes: Vec<Change>, gone: HashSet<FactKey>) {
        self.revision = self.revision.max(revision);
        self.view = self.view.apply(Revision::ZERO, changes);
        self.missing.extend(gone);
    }

    /// Whether it says again all that is served.
    pub(crate) fn is_over(&self) -> bool {
        self.missing.is_empty()
    }

    /// What is said of it.
    pub(crate) fn told(&self, served: &Snapshot) -> Held {
        Held {
            since: self.since,
            until: self.until,
            removes: self.missing.len(),
            of: served.len(),
            older: self.older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(served: usize, gone: usize, expected: bool) {
        assert_eq!(is_sudden_loss(served, gone), expected, "{gone} of {served}");
    }

    #[test]
    fn four_fifths_of_fifty_are_a_sudden_loss() {
        check(50, 40, true);
        check(50, 50, true);
        check(50, 39, false);
        check(49, 49, false);
        check(0, 0, false);
        check(1_000_000, 800_000, true);
        check(1_000_000, 799_999, false);
    }
}
