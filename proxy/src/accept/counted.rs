//! A client connection in the counts that limits look at: of the process, of its listener, of its thread.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::admission::Place;
use crate::metrics::Connection;
use crate::worker::{Shared, Worker};

/// Counts a client connection for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted {
    worker: Rc<Worker>,
    /// `None`: somebody else counts it now.
    total: Option<Total>,
    /// Which listener it came to.
    place: usize,
}

/// What a connection takes of the counts over all threads.
#[derive(Debug, Clone, Copy)]
struct Total {
    /// Which listener it came to, where that has a limit of its own.
    limited: Option<usize>,
}

impl Total {
    fn give_back(self, shared: &Shared) {
        shared.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(open) = self.limited.and_then(|place| shared.listeners.get(place)) {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Counted {
    /// One more, at the listener at `place` of the list.
    pub(crate) fn new(worker: &Rc<Worker>, place: usize) -> Self {
        worker.has_one_more();
        worker.shared.connections.fetch_add(1, Ordering::Relaxed);
        let settings = worker.settings();
        let listener = settings.config.listen.get(place);
        let limited = listener.is_some_and(|listener| listener.connections.is_some()).then_some(place);
        if let Some(open) = limited.and_then(|place| worker.shared.listeners.get(place)) {
            open.fetch_add(1, Ordering::Relaxed);
        }
        Self { worker: Rc::clone(worker), total: Some(Total { limited }), place }
    }

    /// Which listener it came to: its place in the list.
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// It goes to another thread; counted all the while, also among those of `ip`, if it was.
    pub(crate) fn leave(mut self, ip: Option<IpAddr>) -> OnItsWay {
        OnItsWay { shared: Arc::clone(&self.worker.shared), total: self.total.take(), place: self.place, ip }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.worker.has_one_less();
        if let Some(total) = self.total.take() {
            total.give_back(&self.worker.shared);
        }
    }
}

/// Counts a connection between two threads.
#[derive(Debug)]
pub(crate) struct OnItsWay {
    shared: Arc<Shared>,
    total: Option<Total>,
    place: usize,
    /// `None`: it has no place among those of an address, or somebody else gives it back.
    ip: Option<IpAddr>,
}

impl OnItsWay {
    /// It came to this thread.
    pub(crate) fn arrive(mut self, worker: &Rc<Worker>) -> (Counted, Place) {
        worker.has_one_more();
        let counted = Counted { worker: Rc::clone(worker), total: self.total.take(), place: self.place };
        (counted, Place::arrive(worker, self.ip.take()))
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if let Some(total) = self.total.take() {
            total.give_back(&self.shared);
        }
        if let Some(ip) = self.ip.take() {
            self.shared.addresses.leave(ip);
        }
    }
}

/// All that a connection that was let in holds of its thread, besides its client.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) place: Place,
    pub(crate) metered: Connection,
    pub(crate) counted: Counted,
}
