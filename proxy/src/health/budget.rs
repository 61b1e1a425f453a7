//! How many retries may be added to the load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Length of one slot of the window.
const SLOT_MS: u64 = 100;
/// Slots of the window: ten seconds.
const SLOTS: usize = 100;
/// Slots of the last second, for the floor.
const SECOND: usize = 10;

/// Bits of a slot of [`Recent`] that count; the others say which slot it is.
const COUNT_BITS: u32 = 24;

/// The retries of the last second, of all threads together. Only retries touch it.
#[derive(Debug, Default)]
pub struct Recent([AtomicU64; SECOND]);

impl Recent {
    /// Retries in the slot `number` and those of the second before it.
    fn count(&self, number: u64) -> u64 {
        let slots = self.0.iter().map(|slot| slot.load(Ordering::Relaxed));
        let within = slots.filter(|slot| (slot >> COUNT_BITS) + SECOND as u64 > number);
        within.map(|slot| slot & ((1 << COUNT_BITS) - 1)).sum()
    }

    /// One more in the slot `number`. One that is older than what stands there counts as of now.
    fn add(&self, number: u64) {
        let slot = &self.0[(number % SECOND as u64) as usize];
        let more = |known: u64| match known >> COUNT_BITS {
            newest if newest < number => Some(number << COUNT_BITS | 1),
            _ => Some(known + 1),
        };
        // It is never refused.
        let _added = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

/// Retries allowed over the last ten seconds: a share of the requests, and never fewer than a floor a second.
///
/// One for each thread, with a share of its own; the floor is one for all of them (two threads that ask at the same moment may
/// both have the last one). Retries beyond it would turn a brown-out into a storm.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    percent: u64,
    floor: u64,
    slots: [Slot; SLOTS],
    /// The slot number (`now_ms / SLOT_MS`) that was written last.
    newest: u64,
    requests: u64,
    retries: u64,
    recent: Arc<Recent>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    requests: u32,
    retries: u32,
}

impl RetryBudget {
    /// A budget of `percent` retries for each hundred requests, and at least `floor` a second, by itself.
    pub fn new(percent: u32, floor: u32) -> Self {
        Self::sharing(percent, floor, Arc::default())
    }

    /// The same, with one floor for all that share `recent`.
    pub fn sharing(percent: u32, floor: u32, recent: Arc<Recent>) -> Self {
        Self {
            recent,
            percent: percent.into(),
            floor: floor.into(),
            slots: [Slot::default(); SLOTS],
            newest: 0,
            requests: 0,
            retries: 0,
        }
    }

    /// Counts a request (not a retry).
    pub fn deposit(&mut self, now_ms: u64) {
        let slot = self.slot(now_ms);
        if let Some(more) = slot.requests.checked_add(1) {
            slot.requests = more;
            self.requests += 1;
        }
    }

    /// Takes one retry out of the budget; false when there is none left.
    pub fn try_withdraw(&mut self, now_ms: u64) -> bool {
        self.slot(now_ms);
        let by_share = (self.retries + 1) * 100 <= self.requests * self.percent;
        if !by_share && self.recent.count(self.newest) >= self.floor {
            return false;
        }
        let slot = self.slot(now_ms);
        let Some(more) = slot.retries.checked_add(1) else { return false };
        slot.retries = more;
        self.retries += 1;
        self.recent.add(self.newest);
        true
    }

    /// The slot of `now_ms`; slots that left the window are emptied. A clock that went back writes into the newest.
    fn slot(&mut self, now_ms: u64) -> &mut Slot {
        let number = (now_ms / SLOT_MS).max(self.newest);
        let gone = usize::try_from(number - self.newest).unwrap_or(SLOTS).min(SLOTS);
        for step in 0..gone {
            let at = index(number - step as u64);
            let slot = std::mem::take(&mut self.slots[at]);
            self.requests -= u64::from(slot.requests);
            self.retries -= u64::from(slot.retries);
        }
        self.newest = number;
        &mut self.slots[index(number)]
    }
}

fn index(number: u64) -> usize {
    (number % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_requests_the_floor_alone_is_granted() {
        let mut budget = RetryBudget::new(20, 10);
        let granted = (0..100).filter(|_| budget.try_withdraw(5_000)).count();
        assert_eq!(granted, 10);
        assert!(!budget.try_withdraw(5_899));
        assert!(budget.try_withdraw(6_000), "a second later the floor is there again");
    }

    #[test]
    fn threads_share_one_floor() {
        let recent = Arc::<Recent>::default();
        let mut budgets = [0; 3].map(|_| RetryBudget::sharing(20, 10, Arc::clone(&recent)));
        let granted = (0..100).filter(|turn| budgets[turn % 3].try_withdraw(5_000 + *turn as u64)).count();
        assert_eq!(granted, 10);
        assert!(
            budgets.iter_mut().all(|budget| budget.try_withdraw(6_100)),
            "a second later it is there again"
        );
    }

    #[test]
    fn a_share_of_the_requests_is_granted() {
        let mut budget = RetryBudget::new(20, 0);
        for _ in 0..1_000 {
            budget.deposit(1_000);
        }
        let granted = (0..1_000).filter(|_| budget.try_withdraw(1_050)).count();
        assert_eq!(granted, 200);
    }

    #[test]
    fn requests_count_for_ten_seconds() {
        let mut budget = RetryBudget::new(20, 0);
        for _ in 0..100 {
            budget.deposit(1_000);
        }
        assert!(budget.clone().try_withdraw(10_999));
        assert!(!budget.clone().try_withdraw(11_000));
        assert!(!budget.try_withdraw(u64::MAX));
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let mut budget = RetryBudget::new(20, 1);
        assert!(budget.try_withdraw(50_000));
        assert!(!budget.try_withdraw(10_000));
    }

    proptest! {
        /// The window slides by slots, so bounds hold over one slot more than the window.
        #[test]
        fn never_more_than_share_or_floor_and_never_less_than_the_floor(
            steps in prop::collection::vec((0u64..400, any::<bool>()), 1..600),
            percent in 0u32..50,
            floor in 0u32..12,
        ) {
            let mut budget = RetryBudget::new(percent, floor);
            let (mut now, mut requests, mut retries) = (0u64, Vec::new(), Vec::new());
            for (wait, retry) in steps {
                now += wait;
                if !retry {
                    budget.deposit(now);
                    requests.push(now);
                    continue;
                }
                let within = |times: &[u64], window: u64| times.iter().filter(|&&t| t + window > now).count() as u64;
                let granted = budget.try_withdraw(now);
                if granted {
                    // Every request that the budget can see lies in the window; so does every retry within 9.9 s.
                    let by_share = (within(&retries, 9_900) + 1) * 100 <= within(&requests, 10_000) * u64::from(percent);
                    let by_floor = within(&retries, 900) < u64::from(floor);
                    prop_assert!(by_share || by_floor);
                    retries.push(now);
                } else {
                    prop_assert!(within(&retries, 1_000) >= u64::from(floor));
                }
            }
        }
    }
}
