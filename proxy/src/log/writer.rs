//! The thread that writes: the only place where the log may wait.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::sink::{CHUNK, Sink};
use super::target::{LogError, Target};
use crate::config::{AccessLog, LogFormat};
use crate::metrics::{Counters, Metrics};

/// Places in the queue for anything but chunks: at most one wake-up waits at a time, and some room.
const WAKES: usize = 4;
/// Each sink has this many chunks in any case: one to fill while the other is written.
const LEAST_CHUNKS: usize = 2;

/// Lines on their way, and where the memory goes back to.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) octets: Vec<u8>,
    pub(super) home: SyncSender<Vec<u8>>,
}

#[derive(Debug)]
pub(super) enum Message {
    Chunk(Chunk),
    /// Look at [`Orders`].
    Wake,
}

/// What the sinks and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) chunks_per_sink: usize,
    /// 0: off; else the format's number plus one.
    format: AtomicU8,
    /// Lines that found no chunk.
    dropped: AtomicU64,
    /// Of those, how many [`Writer::check`] has seen.
    seen: AtomicU64,
    complained: AtomicBool,
    /// Never taken on the request path.
    orders: Mutex<Orders>,
}

/// What the writer shall do next, besides writing.
#[derive(Debug, Default)]
struct Orders {
    /// Write there from now on; the inner `None`: nowhere.
    target: Option<Option<Target>>,
    reopen: bool,
    stop: Option<SyncSender<()>>,
    /// There is no thread any more.
    ended: bool,
}

impl Shared {
    pub(super) fn format(&self) -> Option<LogFormat> {
        match self.format.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(LogFormat::Hipache),
            _ => Some(LogFormat::Json),
        }
    }

    fn set_format(&self, config: &AccessLog) {
        let number = match (&config.target, config.format) {
            (None, _) => 0,
            (Some(_), LogFormat::Hipache) => 1,
            (Some(_), LogFormat::Json) => 2,
        };
        self.format.store(number, Ordering::Relaxed);
    }

    pub(super) fn count_dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The access log of a process; clones are the same log. The thread ends with the last handle or sink, or by [`Self::close`].
#[derive(Debug, Clone)]
pub struct Writer {
    shared: Arc<Shared>,
    out: SyncSender<Message>,
}

impl Writer {
    /// Opens the target and starts the thread. `sinks` says how many threads will share [`AccessLog::queue_bytes`].
    ///
    /// # Errors
    /// The target cannot be opened, or the thread not be started.
    pub fn start(config: &AccessLog, sinks: usize, metrics: &Arc<Metrics>) -> Result<Self, LogError> {
        let target = config.target.as_ref().map(Target::open).transpose()?;
        Self::start_on(target, config, sinks, metrics)
    }

    pub(super) fn start_on(
        target: Option<Target>,
        config: &AccessLog,
        sinks: usize,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, LogError> {
        let sinks = sinks.max(1);
        let shared = Arc::new(Shared {
            chunks_per_sink: (config.queue_bytes / sinks / CHUNK).max(LEAST_CHUNKS),
            format: AtomicU8::new(0),
            dropped: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            complained: AtomicBool::new(false),
            orders: Mutex::default(),
        });
        shared.set_format(config);
        let (out, queue) = sync_channel(sinks * shared.chunks_per_sink + WAKES);
        let (state, metrics) = (Arc::clone(&shared), Arc::clone(metrics));
        let run =
            move || Thread { shared: state, target, counters: metrics.counters(), failing: 0 }.run(queue);
        thread::Builder::new().name("access-log".into()).spawn(run).map_err(LogError::Thread)?;
        Ok(Self { shared, out })
    }

    /// The calling thread's end of the log, with the counters that it and its entries count on.
    pub fn sink(&self, counters: Counters) -> Sink {
        Sink::new(counters, Arc::clone(&self.shared), self.out.clone())
    }

    /// Opens the file anew under its name: what log rotation asks for by SIGUSR1. Does not wait.
    pub fn reopen(&self) {
        self.shared.order(|orders| orders.reopen = true);
        self.wake();
    }

    /// Takes over target and format; [`AccessLog::queue_bytes`] stays as it was at the start.
    ///
    /// # Errors
    /// The new target cannot be opened: nothing changed.
    pub fn reload(&self, config: &AccessLog) -> Result<(), LogError> {
        let target = config.target.as_ref().map(Target::open).transpose()?;
        self.shared.order(|orders| orders.target = Some(target));
        self.shared.set_format(config);
        self.wake();
        Ok(())
    }

    /// Says in portico's own log when lines began to be dropped for want of room, and when that ended: once each.
    /// To be called about once a second, off the request path.
    pub fn check(&self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let more = dropped - self.shared.seen.swap(dropped, Ordering::Relaxed).min(dropped);
        let complained = self.shared.complained.swap(more > 0, Ordering::Relaxed);
        match (more > 0, complained) {
            (true, false) => tracing::warn!(
                dropped,
                "access log: lines are dropped, its target does not keep up; make the disk or the reader faster"
            ),
            (false, true) => tracing::info!(dropped, "access log: lines are no longer dropped"),
            _ => {}
        }
    }

    /// Writes what the sinks handed over so far and ends the thread. Blocks, for `deadline` at most; true when all was
    /// written. The sinks' own last chunks come with their end or their flush: let them go first.
    pub fn close(&self, deadline: Duration) -> bool {
        let (done, wait) = sync_channel(1);
        // A thread that is gone, or goes meanwhile, drops the sender that is waited for: it has written everything.
        self.shared.order(|orders| orders.stop = Some(done).filter(|_| !orders.ended));
        self.wake();
        !matches!(wait.recv_timeout(deadline), Err(RecvTimeoutError::Timeout))
    }

    fn wake(&self) {
        // Full: as many wake-ups wait as there are places for them. Disconnected: nobody is left to wake.
        let _ = self.out.try_send(Message::Wake);
    }
}

struct Thread {
    shared: Arc<Shared>,
    target: Option<Target>,
    counters: Counters,
    /// Lines lost to errors since the last write that went well.
    failing: u64,
}

impl Thread {
    fn run(mut self, queue: Receiver<Message>) {
        while let Ok(message) = queue.recv() {
            let stop = self.act(message);
            if let Some(done) = stop {
                // What came in between is still written. Whoever sends later finds the queue gone, and counts.
                while let Ok(message) = queue.try_recv() {
                    self.act(message);
                }
                drop(queue);
                let _ = done.try_send(());
                return;
            }
        }
    }

    /// Returns whom to tell when it is time to stop.
    fn act(&mut self, message: Message) -> Option<SyncSender<()>> {
        match message {
            Message::Chunk(Chunk { mut octets, home }) => {
                self.write(&octets);
                octets.clear();
                // A sink that is gone needs no chunks.
                let _ = home.try_send(octets);
                None
            }
            Message::Wake => {
                let mut orders = Orders::default();
                self.shared.order(|waiting| orders = std::mem::take(waiting));
                if let Some(target) = orders.target {
                    self.target = target;
                }
                if orders.reopen {
                    self.reopen();
                }
                orders.stop
            }
        }
    }

    fn write(&mut self, lines: &[u8]) {
        let Some(target) = &mut self.target else { return };
        match target.write(lines) {
            Ok(()) if self.failing > 0 => {
                tracing::info!(dropped = self.failing, target = ?target.named(), "access log: written again");
                self.failing = 0;
            }
            Ok(()) => {}
            Err((dropped, error)) => {
                if self.failing == 0 {
                    let target = target.named();
                    tracing::warn!(%error, ?target, "access log: cannot be written, lines are dropped until it can");
                }
                // Also when no line was lost: the complaint is over only after a write that went well.
                self.failing += dropped.max(1);
                self.counters.log_lines_dropped(dropped);
            }
        }
    }

    fn reopen(&mut self) {
        let Some(target) = &mut self.target else { return };
        match Target::open(target.named()) {
            Ok(opened) => *target = opened,
            Err(error) => tracing::warn!(%error, "access log: goes on in the file that was open"),
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.shared.order(|orders| *orders = Orders { ended: true, ..Orders::default() });
    }
}
