//! Deadlines without timers: each connection owns one mark in time, and a coarse sweep wakes what is past it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::clock::Millis;

/// How often the sweep runs, in milliseconds: a deadline fires at most this much late.
pub(crate) const SWEEP_MS: u64 = 100;

/// Sweeps that a wait must have seen to be told of by [`Deadline::has_waited`]: a whole interval lies between two.
const WAITED: u8 = 2;

/// Sweeps for which a connection is at work once something went on at it. So many that it is so too where it waits in vain: the
/// connections of a thread that does not keep up must not look like few.
const AT_WORK: u8 = 10;

/// The most that one sweep adds to a wait, in milliseconds: while the whole process stood still nobody was slow.
const LONGEST_SWEEP_MS: u64 = 10 * SWEEP_MS;

/// The fewest octets that a client must move in the time it is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MinimumRate {
    /// In each window; 0: none.
    pub(crate) octets: u64,
    /// In milliseconds.
    pub(crate) window: u64,
}

/// A connection's deadline.
#[derive(Debug)]
pub(crate) struct Deadline {
    at: Cell<Millis>,
    fired: Cell<bool>,
    /// For so many sweeps more it is at work: something went on since the last.
    at_work: Cell<u8>,
    /// It fired because its time is over.
    passed: Cell<bool>,
    idle: Cell<Idle>,
    waker: RefCell<Option<Waker>>,
    pace: Pace,
    /// Sweeps since [`Deadline::has_waited`] was asked first; `None`: it was not asked.
    watched: Cell<Option<u8>>,
}

/// Whether a wait is one between two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Idle {
    /// Something is going on.
    Busy,
    /// For the first request of a connection.
    First,
    /// For another one.
    Further,
}

/// How fast the client is. The sweep's clock runs only while the client is what is waited for.
#[derive(Debug, Default)]
struct Pace {
    owing: Cell<bool>,
    /// Octets moved by the client in this exchange.
    moved: Cell<u64>,
    /// As many had been moved when the window began.
    seen: Cell<u64>,
    /// How much of the window has passed, in milliseconds.
    waited: Cell<u64>,
}

impl Deadline {
    /// From now on, waiting ends at `at`.
    pub(crate) fn arm(&self, at: Millis) {
        self.at.set(at);
        self.fired.set(false);
        self.at_work.set(AT_WORK);
        self.passed.set(false);
        self.idle.set(Idle::Busy);
        self.pace.owing.set(false);
    }

    /// What is waited for now is the client, which has moved so many octets in this exchange; `None`: it is somebody else.
    pub(crate) fn pace(&self, moved: Option<u64>) {
        self.pace.owing.set(moved.is_some());
        if let Some(moved) = moved {
            self.pace.moved.set(moved);
        }
    }

    /// Another exchange begins, with nothing moved yet.
    pub(crate) fn begin(&self) {
        self.pace.owing.set(false);
        self.pace.seen.set(0);
        self.pace.waited.set(0);
        self.watched.set(None);
    }

    /// True once this exchange has waited for a whole sweep since it was asked first. The task is woken for that, if it polled
    /// the deadline.
    pub(crate) fn has_waited(&self) -> bool {
        let sweeps = self.watched.get().unwrap_or(0);
        self.watched.set(Some(sweeps));
        sweeps >= WAITED
    }

    /// As [`Deadline::arm`], for a wait for a request: a drain ends it at once. `first`: the connection had none yet.
    pub(crate) fn arm_idle(&self, at: Millis, first: bool) {
        self.arm(at);
        self.idle.set(if first { Idle::First } else { Idle::Further });
    }

    /// True once the deadline has passed; else the task that polls is woken when it does.
    pub(crate) fn poll_expired(&self, cx: &Context<'_>) -> bool {
        if self.fired.get() {
            return true;
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        false
    }

    /// True once its time is over; not where the wait ended for another reason: a client that is slow, a drain, a shortage.
    pub(crate) fn has_passed(&self) -> bool {
        self.passed.get()
    }

    fn fire(&self) {
        self.fired.set(true);
        self.at.set(Millis::MAX);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// One more sweep asks whether something goes on here.
    fn is_at_work(&self) -> bool {
        let left = self.at_work.get();
        self.at_work.set(left.saturating_sub(1));
        left > 0
    }

    /// One more sweep has seen it.
    fn seen(&self) {
        if let Some(sweeps @ ..WAITED) = self.watched.get() {
            self.watched.set(Some(sweeps + 1));
            if sweeps + 1 == WAITED {
                self.wake();
            }
        }
    }
}

impl Pace {
    /// True when the window ends now and too little was moved in it.
    fn is_too_slow(&self, elapsed: u64, minimum: MinimumRate) -> bool {
        let waited = self.waited.get() + elapsed;
        self.waited.set(waited);
        if waited < minimum.window {
            return false;
        }
        self.waited.set(0);
        let moved = self.moved.get().saturating_sub(self.seen.replace(self.moved.get()));
        moved < minimum.octets
    }
}

/// One look at all deadlines, in slices.
#[derive(Debug)]
pub(crate) struct Sweep {
    now: Millis,
    /// Milliseconds since the last one.
    elapsed: u64,
    minimum: MinimumRate,
    /// The next to be looked at.
    at: usize,
    at_work: usize,
    /// How many clients were found too slow.
    pub(crate) slow: u64,
}

/// Deadlines that are looked at before others get their turn.
const SLICE: usize = 256;

/// All deadlines of a thread.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    all: RefCell<Vec<Rc<Deadline>>>,
    swept: Cell<Millis>,
    at_work: Cell<usize>,
}

impl Deadlines {
    /// A deadline that is never, until armed. It leaves the sweep when its last owner drops it.
    pub(crate) fn add(&self) -> Rc<Deadline> {
        let deadline = Rc::new(Deadline {
            at: Cell::new(Millis::MAX),
            fired: Cell::new(false),
            at_work: Cell::new(0),
            passed: Cell::new(false),
            idle: Cell::new(Idle::Busy),
            waker: RefCell::new(None),
            pace: Pace::default(),
            watched: Cell::new(None),
        });
        self.all.borrow_mut().push(Rc::clone(&deadline));
        deadline
    }

    /// Begins a sweep, which [`Deadlines::go_on`] does.
    pub(crate) fn begin_sweep(&self, now: Millis, minimum: MinimumRate) -> Sweep {
        let elapsed = now.saturating_sub(self.swept.replace(now)).min(LONGEST_SWEEP_MS);
        Sweep { now, elapsed, minimum, at: 0, at_work: 0, slow: 0 }
    }

    /// Wakes what is past its deadline, and what waits for a client that is slower than the minimum. A few hundred at once, so
    /// that no request waits for thousands; true once all were seen.
    pub(crate) fn go_on(&self, sweep: &mut Sweep) -> bool {
        let mut all = self.all.borrow_mut();
        for _ in 0..SLICE {
            let Some(deadline) = all.get(sweep.at) else { break };
            if Rc::strong_count(deadline) == 1 {
                all.swap_remove(sweep.at);
                continue;
            }
            if deadline.at.get() <= sweep.now {
                deadline.passed.set(true);
                deadline.fire();
            } else if deadline.pace.owing.get() && deadline.pace.is_too_slow(sweep.elapsed, sweep.minimum) {
                sweep.slow += 1;
                deadline.fire();
            }
            deadline.seen();
            sweep.at_work += usize::from(deadline.is_at_work());
            sweep.at += 1;
        }
        let is_over = sweep.at >= all.len();
        if is_over {
            self.at_work.set(sweep.at_work);
        }
        is_over
    }

    /// How many connections something went on at, in the second before the last sweep.
    pub(crate) fn at_work(&self) -> usize {
        self.at_work.get()
    }

    /// Ends every wait for a request.
    pub(crate) fn end_idle(&self) {
        self.end(|idle| idle != Idle::Busy);
    }

    /// Ends every wait for a further request; who has just come may still ask.
    pub(crate) fn end_kept(&self) {
        self.end(|idle| idle == Idle::Further);
    }

    fn end(&self, which: impl Fn(Idle) -> bool) {
        for deadline in self.all.borrow().iter().filter(|d| which(d.idle.get())) {
            deadline.fire();
        }
    }

    /// Ends every wait.
    pub(crate) fn end_all(&self) {
        self.all.borrow().iter().for_each(|deadline| deadline.fire());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: MinimumRate = MinimumRate { octets: 0, window: 0 };

    impl Deadlines {
        /// A whole sweep; returns how many clients were too slow.
        pub(crate) fn sweep(&self, now: Millis, minimum: MinimumRate) -> u64 {
            let mut sweep = self.begin_sweep(now, minimum);
            while !self.go_on(&mut sweep) {}
            sweep.slow
        }
    }

    fn expired(deadline: &Deadline) -> bool {
        deadline.poll_expired(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_deadline_fires_once_it_has_passed_and_can_be_armed_again() {
        let deadlines = Deadlines::default();
        let deadline = deadlines.add();
        deadlines.sweep(1_000_000, ANY);
        assert!(!expired(&deadline), "never armed");
        deadline.arm(50);
        deadlines.sweep(49, ANY);
        assert!(!expired(&deadline));
        deadlines.sweep(50, ANY);
        assert!(expired(&deadline) && deadline.has_passed());
        deadline.arm(90);
        assert!(!expired(&deadline) && !deadline.has_passed());
    }

    #[test]
    fn only_idle_waits_end_early() {
        let deadlines = Deadlines::default();
        let (busy, first, further) = (deadlines.add(), deadlines.add(), deadlines.add());
        busy.arm(50);
        first.arm_idle(50, true);
        further.arm_idle(50, false);

        deadlines.end_kept();
        assert!(expired(&further) && !expired(&first) && !expired(&busy));

        deadlines.end_idle();
        assert!(expired(&first) && !first.has_passed() && !expired(&busy));
    }

    #[test]
    fn an_exchange_has_waited_once_a_whole_sweep_has_passed() {
        let deadlines = Deadlines::default();
        let deadline = deadlines.add();
        let asked = [(); 4].map(|()| {
            let waited = deadline.has_waited();
            deadlines.sweep(0, ANY);
            waited
        });
        assert_eq!(asked, [false, false, true, true]);

        deadline.begin();
        assert!(!deadline.has_waited(), "another exchange");
    }

    #[test]
    fn a_connection_is_at_work_for_a_second_after_something_went_on() {
        let deadlines = Deadlines::default();
        let (one, _silent, gone) = (deadlines.add(), deadlines.add(), deadlines.add());
        let sweeps_at_work = || {
            (0..3 * AT_WORK)
                .map(|_| {
                    deadlines.sweep(0, ANY);
                    deadlines.at_work()
                })
                .sum::<usize>()
        };
        one.arm(1_000);
        gone.arm(1_000);
        drop(gone);
        assert_eq!(sweeps_at_work(), usize::from(AT_WORK));

        one.arm_idle(1_000, false);
        assert_eq!(sweeps_at_work(), usize::from(AT_WORK));
    }

    #[test]
    fn a_sweep_comes_in_slices_and_leaves_none_out() {
        let deadlines = Deadlines::default();
        let kept: Vec<_> = (0..3 * SLICE).map(|at| (at % 3 > 0).then_some(deadlines.add())).collect();
        kept.iter().flatten().for_each(|deadline| deadline.arm(50));

        let mut sweep = deadlines.begin_sweep(50, ANY);
        let mut slices = 1;
        while !deadlines.go_on(&mut sweep) {
            slices += 1;
        }

        assert_eq!(slices, 3);
        assert!(kept.iter().flatten().all(|deadline| expired(deadline)));
        assert_eq!(deadlines.all.borrow().len(), 2 * SLICE, "those that nobody holds are gone");
    }

    #[test]
    fn a_dropped_deadline_leaves_the_sweep() {
        let deadlines = Deadlines::default();
        drop(deadlines.add());
        deadlines.sweep(0, ANY);
        assert!(deadlines.all.borrow().is_empty());
    }

    #[test]
    fn a_client_is_too_slow_when_too_little_moves_while_it_is_waited_for() {
        let minimum = MinimumRate { octets: 10, window: 200 };
        // What is moved in total at each sweep while the client owes; `None`: somebody else does.
        for (paces, slow) in [
            (&[Some(0), Some(9), Some(9)][..], true),
            (&[Some(0), Some(10), Some(10), Some(20), Some(20)], false),
            (&[Some(0), Some(10), Some(10), Some(19), Some(19)], true),
            (&[Some(0), None, None, None, None, None], false),
            (&[Some(0), None, None, Some(0)], true),
        ] {
            let deadlines = Deadlines::default();
            let deadline = deadlines.add();
            deadline.arm(1_000_000);
            deadline.begin();
            let mut found = 0;
            deadlines.sweep(0, minimum);
            for (turn, pace) in (1..).zip(paces) {
                deadline.pace(*pace);
                found += deadlines.sweep(turn * SWEEP_MS, minimum);
            }
            assert_eq!((found > 0, expired(&deadline)), (slow, slow), "{paces:?}");
        }
    }

    #[test]
    fn a_process_that_stood_still_blames_nobody() {
        let deadlines = Deadlines::default();
        let deadline = deadlines.add();
        deadline.arm(Millis::MAX - 1);
        deadline.pace(Some(0));
        let minimum = MinimumRate { octets: 1, window: 30_000 };
        assert_eq!(deadlines.sweep(3_600_000, minimum), 0);
    }
}
