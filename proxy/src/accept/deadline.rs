//! Deadlines without timers: each connection owns one mark in time, and a coarse sweep wakes what is past it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::clock::Millis;

/// How often the sweep runs, in milliseconds: a deadline fires at most this much late.
pub(crate) const SWEEP_MS: u64 = 100;

/// A connection's deadline.
#[derive(Debug)]
pub(crate) struct Deadline {
    at: Cell<Millis>,
    fired: Cell<bool>,
    idle: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Deadline {
    /// From now on, waiting ends at `at`.
    pub(crate) fn arm(&self, at: Millis) {
        self.at.set(at);
        self.fired.set(false);
        self.idle.set(false);
    }

    /// As [`Deadline::arm`], for a wait between two requests: a drain ends it at once.
    pub(crate) fn arm_idle(&self, at: Millis) {
        self.arm(at);
        self.idle.set(true);
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

    fn fire(&self) {
        self.fired.set(true);
        self.at.set(Millis::MAX);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// All deadlines of a thread.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    all: RefCell<Vec<Rc<Deadline>>>,
}

impl Deadlines {
    /// A deadline that is never, until armed. It leaves the sweep when its last owner drops it.
    pub(crate) fn add(&self) -> Rc<Deadline> {
        let deadline = Rc::new(Deadline {
            at: Cell::new(Millis::MAX),
            fired: Cell::new(false),
            idle: Cell::new(false),
            waker: RefCell::new(None),
        });
        self.all.borrow_mut().push(Rc::clone(&deadline));
        deadline
    }

    /// Wakes what is past its deadline.
    pub(crate) fn sweep(&self, now: Millis) {
        self.all.borrow_mut().retain(|deadline| {
            if deadline.at.get() <= now {
                deadline.fire();
            }
            Rc::strong_count(deadline) > 1
        });
    }

    /// Ends every wait between two requests.
    pub(crate) fn end_idle(&self) {
        for deadline in self.all.borrow().iter().filter(|d| d.idle.get()) {
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

    fn expired(deadline: &Deadline) -> bool {
        deadline.poll_expired(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_deadline_fires_once_it_has_passed_and_can_be_armed_again() {
        let deadlines = Deadlines::default();
        let deadline = deadlines.add();
        deadlines.sweep(1_000_000);
        assert!(!expired(&deadline), "never armed");
        deadline.arm(50);
        deadlines.sweep(49);
        assert!(!expired(&deadline));
        deadlines.sweep(50);
        assert!(expired(&deadline));
        deadline.arm(90);
        assert!(!expired(&deadline));
    }

    #[test]
    fn only_idle_waits_end_early() {
        let deadlines = Deadlines::default();
        let (busy, idle) = (deadlines.add(), deadlines.add());
        busy.arm(50);
        idle.arm_idle(50);
        deadlines.end_idle();
        assert!(expired(&idle) && !expired(&busy));
    }

    #[test]
    fn a_dropped_deadline_leaves_the_sweep() {
        let deadlines = Deadlines::default();
        drop(deadlines.add());
        deadlines.sweep(0);
        assert!(deadlines.all.borrow().is_empty());
    }
}
