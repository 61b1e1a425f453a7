//! Somebody who only wants to be served, while others do harm.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::Connection;

/// How long a bystander waits between two requests.
const PAUSE: Duration = Duration::from_millis(5);

/// What a bystander saw.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// How long each right answer took, the fastest first.
    pub(crate) took: Vec<Duration>,
    /// Anything else.
    pub(crate) wrong: Vec<String>,
}

/// Asks one request after the other, each second one on a connection of its own, until told to stop.
pub(crate) struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Service>,
}

impl Bystander {
    /// One that asks for `host` and expects this body.
    pub(crate) fn start(address: SocketAddr, host: &'static str, body: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut service = Service::default();
            let mut kept = Connection::open(address);
            for turn in 0.. {
                if told.load(Ordering::SeqCst) {
                    break;
                }
                let begin = Instant::now();
                let reply = if turn % 2 == 0 {
                    kept.get(host, "/").read()
                } else {
                    Connection::open(address).get(host, "/").read()
                };
                match reply {
                    Some(reply) if reply.status == 200 && reply.body == body => {
                        service.took.push(begin.elapsed());
                    }
                    other => {
                        service.wrong.push(format!("{other:?}"));
                        kept = Connection::open(address);
                    }
                }
                thread::sleep(PAUSE);
            }
            service.took.sort();
            service
        });
        Self { stop, thread }
    }

    /// No more; what it saw.
    pub(crate) fn stop(self) -> Service {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

impl Service {
    /// The time within which this share (in percent) of the answers came.
    pub(crate) fn within(&self, percent: usize) -> Duration {
        self.took[(self.took.len() - 1) * percent / 100]
    }

    /// All answers were right, there were some, and they came soon: most at once, and none waited for what others hold.
    pub(crate) fn was_good(&self) {
        assert!(self.wrong.is_empty(), "{} wrong answers: {:?}", self.wrong.len(), self.wrong.first());
        assert!(self.took.len() > 10, "{} answers", self.took.len());
        let (most, all) = (self.within(95), self.within(100));
        // Far more than it takes, for machines that do a lot besides. A few may meet a system whose memory for TCP is used up (by
        // all that wait to be read, on either side of us), and wait until what it dropped is sent again.
        assert!(
            most < Duration::from_millis(500) && all < Duration::from_secs(10),
            "95 % took {most:?}, all {all:?}"
        );
    }
}
