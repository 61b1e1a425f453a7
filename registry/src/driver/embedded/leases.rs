//! Leases: which facts end by themselves, and when. Time is an argument.
//!
//! By a clock that only goes on: a lease holds for its whole time after it was begun or renewed, also where the store was just opened.
//! Time in which nobody could say anything, because this process stood still, does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::{Change, Fact, FactKey, Revision};

/// We are asked for what ended about once a second. When that takes longer than this, we stood still, or the machine did.
const STILL: Duration = Duration::from_secs(3);

/// The leases of a store.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    running: BTreeMap<FactKey, Lease>,
    order: BTreeSet<(Instant, FactKey)>,
    /// When we were last asked for what ended.
    asked: Option<Instant>,
}

/// A lease that runs.
#[derive(Debug, Clone, Copy)]
struct Lease {
    end: Instant,
    /// How long it holds once it is renewed.
    time: Duration,
    /// Of the fact that has it.
    revision: Revision,
}

impl Leases {
    /// Takes in what changed: a fact with a lease begins one, any other has none.
    pub(crate) fn take(&mut self, changes: &[Change], now: Instant) {
        for change in changes {
            match change {
                Change::Put(stated) => {
                    let key = stated.fact.key();
                    self.end(&key);
                    if let Some(time) = lease(&stated.fact) {
                        self.begin(key, time, stated.revision, now);
                    }
                }
                Change::Remove(key) => self.end(key),
                Change::Quarantine(..) | Change::Release(_) => {}
            }
        }
    }

    /// The lease of this fact holds for its whole time from `now` on. False: it has none, or is not at the `expected` revision.
    pub(crate) fn renew(&mut self, key: &FactKey, expected: Option<Revision>, now: Instant) -> bool {
        let running = self.running.get(key).copied();
        let Some(Lease { time, revision, .. }) =
            running.filter(|lease| expected.is_none_or(|expected| expected == lease.revision))
        else {
            return false;
        };
        self.end(key);
        self.begin(key.clone(), time, revision, now);
        true
    }

    /// When the next one ends.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(end, _)| *end)
    }

    /// The facts whose lease ended by `now`; they are still in here until they are removed.
    pub(crate) fn ended(&mut self, now: Instant) -> Vec<FactKey> {
        let since =
            self.asked.replace(now).map_or(Duration::ZERO, |asked| now.saturating_duration_since(asked));
        if since > STILL {
            self.put_off(since);
        }
        self.order.iter().take_while(|(end, _)| *end <= now).map(|(_, key)| key.clone()).collect()
    }

    fn put_off(&mut self, by: Duration) {
        self.order = std::mem::take(&mut self.order).into_iter().map(|(end, key)| (end + by, key)).collect();
        self.running.values_mut().for_each(|lease| lease.end += by);
    }

    fn begin(&mut self, key: FactKey, time: Duration, revision: Revision, now: Instant) {
        let end = now + time;
        self.order.insert((end, key.clone()));
        self.running.insert(key, Lease { end, time, revision });
    }

    fn end(&mut self, key: &FactKey) {
        if let Some(Lease { end, .. }) = self.running.remove(key) {
            self.order.remove(&(end, key.clone()));
        }
    }
}

/// How long a fact holds by itself.
fn lease(fact: &Fact) -> Option<Duration> {
    fact.lease().map(|lease| Duration::from_secs(lease.seconds().into()))
}

#[cfg(test)]
mod tests {
    use model::{FactKind, Origin, Stated};

    use super::*;
    use crate::format::native;

    /// An instance of this name, with a lease of so many seconds where one is named: `a 5`.
    fn put(text: &str) -> Change {
        let (name, lease) = text.split_once(' ').unwrap_or((text, ""));
        let lease = if lease.is_empty() { String::new() } else { format!(r#","ttl":{lease}"#) };
        let json = format!(r#"{{"service":"web","name":"{name}","addresses":["10.0.0.7"]{lease}}}"#);
        let fact = native::read_fact(FactKind::Instance, json.as_bytes()).expect("instance");
        Change::Put(Stated { fact: fact.into(), revision: Revision::new(1), origin: Origin::Native })
    }

    fn key(name: &str) -> FactKey {
        FactKey::parse(&format!("instance:web/{name}")).expect("key")
    }

    fn at(begin: Instant, ms: u64) -> Instant {
        begin + Duration::from_millis(ms)
    }

    #[test]
    fn a_lease_holds_for_its_time_after_it_was_begun_or_renewed() {
        let (mut leases, begin) = (Leases::default(), Instant::now());

        leases.take(&[put("a 2"), put("b 1"), put("c")], begin);
        let renewed = ["a", "b", "c", "d"].map(|name| leases.renew(&key(name), None, at(begin, 900)));

        assert_eq!(renewed, [true, true, false, false]);
        assert_eq!(leases.next(), Some(at(begin, 1900)));
        assert_eq!(leases.ended(at(begin, 1899)), []);
        assert_eq!(leases.ended(at(begin, 1900)), [key("b")]);
        assert_eq!(leases.ended(at(begin, 2900)), [key("b"), key("a")], "until they are removed");
        leases.take(&[Change::Remove(key("a")), Change::Remove(key("b"))], at(begin, 2900));
        assert_eq!(leases.next(), None);
    }

    #[test]
    fn a_fact_that_is_written_anew_has_the_lease_that_it_then_says() {
        let (mut leases, begin) = (Leases::default(), Instant::now());

        leases.take(&[put("a 1"), put("b 1")], begin);
        leases.take(&[put("a 9"), put("b")], begin);

        assert_eq!((leases.next(), leases.order.len()), (Some(at(begin, 9000)), 1));
    }

    #[test]
    fn a_lease_is_renewed_by_whoever_knows_the_revision_of_its_fact() {
        let (mut leases, begin) = (Leases::default(), Instant::now());
        leases.take(&[put("a 2")], begin);

        let renewed = [0, 2, 1].map(|revision| {
            leases.renew(&key("a"), Some(Revision::new(revision)), at(begin, 100 * revision))
        });

        assert_eq!(renewed, [false, false, true]);
        assert_eq!(leases.next(), Some(at(begin, 2100)));
    }

    #[test]
    fn time_in_which_we_stood_still_does_not_count() {
        let (mut leases, begin) = (Leases::default(), Instant::now());
        leases.take(&[put("a 2")], begin);
        leases.ended(at(begin, 1000));

        let after = leases.ended(at(begin, 61_000));

        assert_eq!(after, []);
        assert_eq!(leases.ended(at(begin, 61_900)), []);
        assert_eq!(leases.ended(at(begin, 62_000)), [key("a")]);
    }
}
