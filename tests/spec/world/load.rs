//! Requests all the while, in threads of the test.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::client::{Connection, Reply};

/// Between two requests of a thread, so that the load is a load and not all there is.
const PACE: Duration = Duration::from_millis(1);

/// Whether an answer is as it has to be.
pub(crate) type Judge = Box<dyn FnOnce(&Reply) -> bool>;

/// What a load is to ask for, and what it is to be answered.
pub(crate) trait Ask: Send + Sync + 'static {
    /// The host of the `number`th request, and what its answer has to be by now.
    fn ask(&self, number: usize) -> (String, Judge);
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    requests: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

/// A running load; ended when dropped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many threads, each with a connection that it keeps.
    pub(crate) fn start(http: SocketAddr, threads: usize, ask: impl Ask) -> Self {
        let (shared, ask) = (Arc::<Shared>::default(), Arc::new(ask));
        let threads = (0..threads).map(|first| {
            let (shared, ask) = (Arc::clone(&shared), Arc::clone(&ask));
            thread::spawn(move || run(http, first, threads, &shared, &*ask))
        });
        Self { threads: threads.collect(), shared }
    }

    /// How many requests were answered so far.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// What was not answered as it has to be, so far.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.shared.failures.lock().unwrap().clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn run(http: SocketAddr, first: usize, step: usize, shared: &Shared, ask: &dyn Ask) {
    let mut connection = Connection::open(http);
    for number in (first..).step_by(step) {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let (host, is_right) = ask.ask(number);
        let reply = connection.get(&host, "/").read();
        shared.requests.fetch_add(1, Ordering::SeqCst);
        if !reply.as_ref().is_some_and(is_right) {
            shared.failures.lock().unwrap().push(format!("{host}: {reply:?}"));
        }
        // A connection ends when its node says so, or when it failed.
        if reply.is_none_or(|reply| reply.header("connection") == Some("close")) {
            connection = Connection::open(http);
        }
        thread::park_timeout(PACE);
    }
}
