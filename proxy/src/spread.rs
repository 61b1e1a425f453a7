//! Connections at work, spread over the threads.
//!
//! The system deals connections out to the threads by a hash of their addresses: evenly where there are many, by chance where there
//! are few, and then a thread may have six of eight and another none. So each thread tells at its sweep how many of its connections
//! were at work in the last second, and one that has more than its share gives what is too much to those that have less.
//!
//! ```text
//! sweep: at work ──► Loads ──► plan ──► so many to that thread      a connection comes to rest, or is accepted ──► goes there
//! ```
//!
//! In: how many connections were at work. Out: to whom the next one goes. Never here: a socket; anything for a request but a look
//! at a number of the thread's own; anything for a connection that ends before two sweeps have seen it.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::apart::Apart;

/// What is beyond a thread's share by no more than one in so many is left where it is: that much is chance among many connections,
/// and not worth a move.
const SLACK: usize = 8;

/// How many connections each thread has at work.
#[derive(Debug)]
pub(crate) struct Loads(Box<[Load]>);

/// Set by its thread at each sweep; between two of them, who gives it a connection counts that.
type Load = Apart<AtomicUsize>;

impl Loads {
    /// Of so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Load::default()).collect())
    }

    fn tell(&self, thread: usize, at_work: usize) {
        if let Some(load) = self.0.get(thread) {
            load.store(at_work, Ordering::Relaxed);
        }
    }

    /// One goes to the thread `to`: told for it, so that others do not give it what it has already.
    fn gave(&self, to: usize) {
        if let Some(load) = self.0.get(to) {
            load.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> Vec<usize> {
        self.0.iter().map(|load| load.load(Ordering::Relaxed)).collect()
    }
}

/// Connections that one thread has to give to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gift {
    to: usize,
    connections: usize,
}

/// What a thread has to give.
#[derive(Debug)]
pub(crate) struct Spread {
    me: usize,
    gifts: RefCell<Vec<Gift>>,
    /// All of them together: what a request looks at.
    due: Cell<usize>,
    /// As many were too many at the sweep before.
    before: Cell<usize>,
}

impl Spread {
    /// Of the thread with this number.
    pub(crate) fn new(me: usize) -> Self {
        Self { me, gifts: RefCell::default(), due: Cell::new(0), before: Cell::new(0) }
    }

    /// So many of this thread's connections were `at_work` of late. What two sweeps in a row find to be too much is to
    /// be given away until the next.
    pub(crate) fn sweep(&self, loads: &Loads, at_work: usize) {
        if loads.0.len() < 2 {
            return;
        }
        loads.tell(self.me, at_work);
        // Who has one, or none, has nothing to give.
        let mut gifts = if at_work > 1 { plan(&loads.read(), self.me) } else { Vec::new() };
        let too_many = gifts.iter().map(|gift| gift.connections).sum();
        let mut left = self.before.replace(too_many).min(too_many);
        self.due.set(left);
        for gift in &mut gifts {
            gift.connections = gift.connections.min(left);
            left -= gift.connections;
        }
        gifts.retain(|gift| gift.connections > 0);
        *self.gifts.borrow_mut() = gifts;
    }

    /// Gives the connection in hand to the thread that `reserve` finds room at, and returns what it reserved. `None`: the connection
    /// stays; where there was no room nothing was given, and nothing is told.
    pub(crate) fn give<T>(&self, loads: &Loads, reserve: impl FnOnce(usize) -> Option<T>) -> Option<T> {
        let left = self.due.get().checked_sub(1)?;
        let mut gifts = self.gifts.borrow_mut();
        let gift = gifts.last_mut()?;
        let reserved = reserve(gift.to)?;
        self.due.set(left);
        loads.gave(gift.to);
        gift.connections = gift.connections.saturating_sub(1);
        if gift.connections == 0 {
            gifts.pop();
        }
        Some(reserved)
    }
}

/// What the thread `me` has to give to whom, so that all have their shares. All threads reckon alike, each for itself.
fn plan(loads: &[usize], me: usize) -> Vec<Gift> {
    let shares = shares(loads);
    let of = |thread: usize| too_many(loads[thread], shares[thread]);
    // Who stands before us in the row fills the first gaps.
    let (mut skipped, mut left) = ((0..me).map(of).sum::<usize>(), of(me));
    let mut gifts = Vec::new();
    for (to, (load, share)) in loads.iter().zip(&shares).enumerate() {
        let gap = share.saturating_sub(*load);
        let open = gap.saturating_sub(skipped);
        skipped = skipped.saturating_sub(gap);
        let connections = open.min(left);
        left -= connections;
        if connections > 0 {
            gifts.push(Gift { to, connections });
        }
    }
    gifts
}

/// The same for all, but for one more for those that have the most, where it does not come out even.
fn shares(loads: &[usize]) -> Vec<usize> {
    let total: usize = loads.iter().sum();
    let (least, more) = (total / loads.len().max(1), total % loads.len().max(1));
    let mut by_load: Vec<usize> = (0..loads.len()).collect();
    by_load.sort_by_key(|thread| Reverse(loads[*thread]));
    let mut shares = vec![least; loads.len()];
    for thread in by_load.into_iter().take(more) {
        shares[thread] += 1;
    }
    shares
}

fn too_many(load: usize, share: usize) -> usize {
    let over = load.saturating_sub(share);
    if over > share / SLACK { over } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gifts(loads: &[usize], me: usize) -> Vec<(usize, usize)> {
        plan(loads, me).iter().map(|gift| (gift.to, gift.connections)).collect()
    }

    /// What all have when each has given what it has to.
    fn after(loads: &[usize]) -> Vec<usize> {
        let mut after = loads.to_vec();
        for me in 0..loads.len() {
            for (to, connections) in gifts(loads, me) {
                after[me] -= connections;
                after[to] += connections;
            }
        }
        after
    }

    #[test]
    fn who_has_more_than_its_share_gives_it_to_who_has_less() {
        for (loads, expected) in [
            (&[8, 0, 0][..], &[3, 3, 2][..]),
            (&[4, 4, 0], &[3, 3, 2]),
            (&[6, 2, 0], &[3, 3, 2]),
            (&[3, 3, 2], &[3, 3, 2]),
            (&[2, 3, 3], &[2, 3, 3]),
            (&[0, 2], &[1, 1]),
            (&[1, 0, 0], &[1, 0, 0]),
            (&[0, 0, 0], &[0, 0, 0]),
            (&[5], &[5]),
            (&[0, 9, 1, 9, 0], &[4, 4, 4, 4, 3]),
        ] {
            assert_eq!(after(loads), expected, "{loads:?}");
        }
    }

    #[test]
    fn what_is_chance_among_many_stays_where_it_is() {
        assert_eq!(after(&[36, 32, 28]), [36, 32, 28]);
        assert_eq!(after(&[37, 31, 28]), [32, 32, 32]);
        assert_eq!(after(&[270, 242]), [270, 242]);
    }

    #[test]
    fn only_what_two_sweeps_in_a_row_find_is_given() {
        let (loads, spread) = (Loads::new(3), Spread::new(0));
        let given = |at_work| {
            spread.sweep(&loads, at_work);
            std::iter::from_fn(|| spread.give(&loads, Some)).count()
        };

        assert_eq!([given(6), given(0), given(6)], [0, 0, 0]);
        assert_eq!(given(6), 4, "to two threads that told of nothing");
        assert_eq!(loads.read(), [6, 2, 2]);
        assert_eq!(given(2), 0);
    }

    #[test]
    fn a_thread_alone_keeps_all() {
        let (loads, spread) = (Loads::new(1), Spread::new(0));
        for _ in 0..3 {
            spread.sweep(&loads, 100);
            assert_eq!(spread.give(&loads, Some), None);
        }
    }

    #[test]
    fn what_a_thread_has_no_room_for_is_not_given_and_not_told() {
        let (loads, spread) = (Loads::new(2), Spread::new(0));
        (0..2).for_each(|_| spread.sweep(&loads, 4));

        let refused = spread.give(&loads, |_| None::<()>);
        assert_eq!((refused, loads.read()), (None, vec![4, 0]));

        let given: Vec<_> = std::iter::from_fn(|| spread.give(&loads, Some)).collect();
        assert_eq!((given, loads.read()), (vec![1, 1], vec![4, 2]));
    }

    proptest! {
        #[test]
        fn nobody_ends_with_less_than_its_share_where_others_had_too_much(
            loads in prop::collection::vec(0usize..40, 1..9),
        ) {
            let (shares, after) = (shares(&loads), after(&loads));
            prop_assert_eq!(after.iter().sum::<usize>(), loads.iter().sum::<usize>());
            for ((load, share), after) in loads.iter().zip(&shares).zip(&after) {
                let slack = share + share / SLACK;
                prop_assert!(*after <= slack.max(*share) && (*after >= *load.min(share)), "{:?} of {:?}", after, load);
            }
        }
    }
}
