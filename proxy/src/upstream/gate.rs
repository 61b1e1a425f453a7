//! How many connections to one address may be in use, over all threads, and who waits for one.
//!
//! First come, first served: a place that is given back goes to whoever waits longest, in whichever thread. Only where there
//! is a limit is any of this touched. A thread remembers the gates it uses, so that the map they share is locked at most once
//! for each address and sweep.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;

use model::Address;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::accept::client::Client;
use crate::metrics::Limit;
use crate::worker::Worker;

/// The gates of all addresses that are in use; shared by the threads.
#[derive(Debug)]
pub(crate) struct Gates {
    /// Connections to one address that may be in use.
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    gates: HashMap<Address, Weak<Gate>>,
    /// With so many, those that nobody uses any more are forgotten.
    tidy_at: usize,
}

/// One address's gate.
#[derive(Debug)]
struct Gate {
    room: Semaphore,
    waiting: AtomicUsize,
}

/// A place among the connections to an address; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Gate>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.room.add_permits(1);
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many wait as may.
    Full,
    /// It took too long.
    TimedOut,
    /// The client left while it waited.
    ClientLeft,
}

impl Gates {
    /// Gates for `most` connections each.
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.min(Semaphore::MAX_PERMITS), known: Mutex::default() }
    }

    fn of(&self, address: &Address) -> Arc<Gate> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = known.gates.get(address).and_then(Weak::upgrade) {
            return gate;
        }
        if known.gates.len() >= known.tidy_at {
            known.gates.retain(|_, gate| gate.strong_count() > 0);
            known.tidy_at = 2 * known.gates.len() + 64;
        }
        let gate = Arc::new(Gate { room: Semaphore::new(self.most), waiting: AtomicUsize::new(0) });
        known.gates.insert(address.clone(), Arc::downgrade(&gate));
        gate
    }
}

/// The gates that a thread uses.
#[derive(Debug)]
pub(crate) struct Used {
    all: Arc<Gates>,
    used: RefCell<HashMap<Address, Arc<Gate>, foldhash::fast::RandomState>>,
}

impl Used {
    /// None yet.
    pub(crate) fn new(all: Arc<Gates>) -> Self {
        Self { all, used: RefCell::default() }
    }

    fn of(&self, address: &Address) -> Arc<Gate> {
        let mut used = self.used.borrow_mut();
        if let Some(gate) = used.get(address) {
            return Arc::clone(gate);
        }
        let gate = self.all.of(address);
        used.insert(address.clone(), Arc::clone(&gate));
        gate
    }

    /// Lets go of the gates that nobody is in.
    pub(crate) fn sweep(&self) {
        let most = self.all.most;
        self.used.borrow_mut().retain(|_, gate| gate.room.available_permits() < most);
    }
}

/// A place among the connections to `address`, after a wait where all are taken. `None`: there is no limit. With `may_stop` the
/// client may close its side meanwhile.
pub(crate) async fn enter(
    worker: &Worker,
    client: &mut Client,
    address: &Address,
    may_stop: bool,
) -> Result<Option<Place>, Refusal> {
    let Some(used) = &worker.gates else { return Ok(None) };
    let gate = used.of(address);
    if gate.room.try_acquire().map(SemaphorePermit::forget).is_ok() {
        return Ok(Some(Place(gate)));
    }
    let settings = worker.settings();
    let limits = &settings.config.upstream;
    let waited = match Waiting::new(&gate, limits.queue) {
        Some(_waiting) => {
            worker.counters.limit(Limit::UpstreamConnections);
            client.deadline.arm(worker.after(crate::clock::millis(limits.queue_timeout)));
            wait(client, &gate, may_stop).await
        }
        None => Err(Refusal::Full),
    };
    match waited {
        Err(Refusal::Full) => worker.counters.limit(Limit::UpstreamQueue),
        Err(Refusal::TimedOut) => worker.counters.limit(Limit::UpstreamQueueTimeout),
        Ok(()) | Err(Refusal::ClientLeft) => {}
    }
    waited.map(|()| Some(Place(gate)))
}

/// Waits for a place, which is the caller's to give back then.
async fn wait(client: &mut Client, gate: &Gate, may_stop: bool) -> Result<(), Refusal> {
    let mut acquired = pin!(gate.room.acquire());
    poll_fn(|cx| match acquired.as_mut().poll(cx) {
        Poll::Ready(Ok(permit)) => {
            permit.forget();
            Poll::Ready(Ok(()))
        }
        // Nobody closes it.
        Poll::Ready(Err(_)) => Poll::Ready(Err(Refusal::TimedOut)),
        Poll::Pending if client.transport.poll_left(cx, &client.deadline, may_stop) => {
            Poll::Ready(Err(Refusal::ClientLeft))
        }
        Poll::Pending if client.deadline.poll_expired(cx) => Poll::Ready(Err(Refusal::TimedOut)),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// One that waits at a gate, for as long as it lives.
#[derive(Debug)]
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(gate: &'a Gate, most: usize) -> Option<Self> {
        let enter = |waiting| (waiting < most).then_some(waiting + 1);
        let entered = gate.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter);
        entered.is_ok().then_some(Self(&gate.waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: usize) -> Address {
        Address::parse_url(&format!("http://10.0.0.1:{port}")).expect("url")
    }

    #[test]
    fn a_gate_is_shared_while_it_is_used_and_forgotten_after() {
        let gates = Arc::new(Gates::new(1));
        let (one, two) = (Used::new(Arc::clone(&gates)), Used::new(Arc::clone(&gates)));

        one.of(&address(80)).room.try_acquire().expect("room").forget();
        let place = Place(one.of(&address(80)));
        assert!(two.of(&address(80)).room.try_acquire().is_err(), "the other thread has it");
        two.used.borrow_mut().clear();
        one.used.borrow_mut().clear();
        assert!(two.of(&address(80)).room.try_acquire().is_err(), "a place in use keeps its gate");
        drop(place);
        assert!(one.of(&address(80)).room.try_acquire().is_ok());

        one.sweep();
        two.sweep();
        for port in 1..1_000 {
            drop(gates.of(&address(port)));
        }
        assert!(gates.known.lock().expect("not poisoned").gates.len() < 200);
    }

    #[test]
    fn so_many_may_wait_and_no_more() {
        let gate = Gate { room: Semaphore::new(0), waiting: AtomicUsize::new(0) };
        let (first, _second) = (Waiting::new(&gate, 2), Waiting::new(&gate, 2));
        assert!(Waiting::new(&gate, 2).is_none());

        drop(first);

        assert!(Waiting::new(&gate, 2).is_some());
    }
}
