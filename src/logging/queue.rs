//! Messages on their way to standard error: written by a thread of its own, so that nobody who says something waits for who reads.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The most messages that wait.
const MESSAGES: usize = 1024;
/// The most octets of all of them.
const OCTETS: usize = 1 << 20;
/// How long the end waits for what was said before.
const PATIENCE: Duration = Duration::from_secs(1);

/// Messages of this process that standard error did not take in time.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many messages of this process' own log were dropped, because standard error is a pipe or a disk that does not keep up.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

enum Order {
    Message(Vec<u8>),
    /// Says when everything before it is written.
    Finish(SyncSender<()>),
}

/// The end that takes messages; clones are the same queue.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    orders: SyncSender<Order>,
    waiting: Arc<AtomicUsize>,
    dropped: &'static AtomicU64,
}

impl Queue {
    /// Starts the thread that writes; it ends with the last clone.
    pub(super) fn start() -> io::Result<Self> {
        Self::onto(io::stderr(), &DROPPED)
    }

    fn onto(sink: impl Write + Send + 'static, dropped: &'static AtomicU64) -> io::Result<Self> {
        let (orders, received) = sync_channel(MESSAGES);
        let waiting = Arc::<AtomicUsize>::default();
        let written = Arc::clone(&waiting);
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write(&received, &written, dropped, sink))?;
        Ok(Self { orders, waiting, dropped })
    }

    /// Waits until everything is written, unless that takes too long.
    pub(super) fn finish(&self) {
        let (done, wait) = sync_channel(1);
        // Where the queue is full, nobody reads.
        if self.orders.try_send(Order::Finish(done)).is_ok() {
            let _ = wait.recv_timeout(PATIENCE);
        }
    }

    fn offer(&self, message: &[u8]) {
        let before = self.waiting.fetch_add(message.len(), Ordering::Relaxed);
        let fits = before + message.len() <= OCTETS;
        if !fits || self.orders.try_send(Order::Message(message.to_vec())).is_err() {
            self.waiting.fetch_sub(message.len(), Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Each message comes in one piece, as the subscriber writes it.
impl Write for Queue {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.offer(message);
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn write(orders: &Receiver<Order>, waiting: &AtomicUsize, lost: &AtomicU64, mut sink: impl Write) {
    let mut told = 0;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Message(message) => {
                if sink.write_all(&message).is_err() {
                    // There is nobody to tell.
                    told = lost.fetch_add(1, Ordering::Relaxed) + 1;
                }
                waiting.fetch_sub(message.len(), Ordering::Relaxed);
            }
            Order::Finish(done) => drop(done.try_send(())),
        }
        // Said once there is room again; the words come back here through the queue.
        let dropped = lost.load(Ordering::Relaxed);
        if dropped > told && waiting.load(Ordering::Relaxed) == 0 {
            told = dropped;
            tracing::warn!(dropped, "messages of this log were dropped: standard error was not read in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use std::time::Instant;

    use super::*;

    /// Says what it is to write, and writes it once it may.
    struct Slow(SyncSender<Vec<u8>>, Arc<Mutex<()>>);

    impl Write for Slow {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let _may = self.1.lock();
            self.0.send(octets.to_vec()).map_err(io::Error::other)?;
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A count of one test: tests run beside each other in one process.
    fn count() -> &'static AtomicU64 {
        Box::leak(Box::default())
    }

    #[test]
    fn who_says_something_never_waits_and_what_does_not_fit_is_counted() {
        let (sink, written) = sync_channel(2 * MESSAGES);
        let gate = Arc::<Mutex<()>>::default();
        let queue = Queue::onto(Slow(sink, Arc::clone(&gate)), count()).expect("a thread");
        let closed = gate.lock().expect("the gate");
        let begun = Instant::now();

        for i in 0..2 * MESSAGES {
            queue.offer(format!("{i}\n").as_bytes());
        }

        assert!(begun.elapsed() < Duration::from_secs(10));
        let lost = queue.dropped.load(Ordering::Relaxed);
        assert!((1000..=1024).contains(&lost), "{lost}");
        drop(closed);
        let all: Vec<Vec<u8>> =
            written.iter().take(2 * MESSAGES - usize::try_from(lost).unwrap_or(0)).collect();
        assert_eq!(all.first().map(Vec::as_slice), Some(&b"0\n"[..]));
        queue.finish();
        assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn huge_messages_do_not_wait_in_any_number() {
        let (sink, _written) = sync_channel(2 * MESSAGES);
        let gate = Arc::<Mutex<()>>::default();
        let queue = Queue::onto(Slow(sink, Arc::clone(&gate)), count()).expect("a thread");
        let _closed = gate.lock().expect("the gate");

        for _ in 0..10 {
            queue.offer(&vec![b'x'; OCTETS / 3]);
        }

        assert!(queue.waiting.load(Ordering::Relaxed) <= OCTETS);
    }
}
