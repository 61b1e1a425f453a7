//! A thread's end of the log: formats lines into chunks that circulate between the thread and the writer.
//!
//! Each sink has a fixed number of chunks, made as they are first needed. A full one goes to the writer and comes back
//! empty. When all are away, lines are dropped and counted: there is no other memory, and nothing to wait for.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use super::entry::Entry;
use super::line::Line;
use super::time::SecondText;
use super::writer::{Chunk, Message, Shared};
use super::{hipache, json};
use crate::clock::{Micros, now_us};
use crate::config::{LogFormat, MAX_LOGGED_FIELD, MAX_LOGGED_TARGET};
use crate::metrics::{Counters, Outcome};
use crate::middleware::Peer;

/// The octets of a chunk.
pub(super) const CHUNK: usize = 64 << 10;
/// What must be free in a chunk before a line is begun: more than the longest line takes.
pub(super) const LINE_ROOM: usize = MAX_LOGGED_TARGET + 9 * MAX_LOGGED_FIELD + (2 << 10);
/// Unused memories of entries that are kept …
const SPARE_TEXTS: usize = 256;
/// … none larger than this.
const SPARE_TEXT_BYTES: usize = 2 << 10;

/// A thread's handle on the access log and on its counters; clones are the same sink. It cannot leave its thread.
#[derive(Clone)]
pub struct Sink(Rc<Inner>);

struct Inner {
    counters: Counters,
    shared: Arc<Shared>,
    clock: Cell<Clock>,
    spare: RefCell<Vec<Vec<u8>>>,
    lines: RefCell<Lines>,
}

/// One moment by both clocks: lines take the wall clock's time without asking for it.
#[derive(Clone, Copy)]
struct Clock {
    at: Micros,
    unix_us: i64,
}

struct Lines {
    out: SyncSender<Message>,
    /// The chunk that is being filled; no memory: none is at hand.
    chunk: Vec<u8>,
    held: u32,
    home: Receiver<Vec<u8>>,
    back: SyncSender<Vec<u8>>,
    free: Vec<Vec<u8>>,
    /// Chunks that were made, and how many may be.
    made: usize,
    limit: usize,
    /// Chunks at the writer.
    away: usize,
    time: SecondText,
}

impl Sink {
    pub(super) fn new(counters: Counters, shared: Arc<Shared>, out: SyncSender<Message>) -> Self {
        let limit = shared.chunks_per_sink;
        let (back, home) = sync_channel(limit);
        let lines = Lines {
            out,
            chunk: Vec::new(),
            held: 0,
            home,
            back,
            free: Vec::with_capacity(limit),
            made: 0,
            limit,
            away: 0,
            time: SecondText::default(),
        };
        Self(Rc::new(Inner {
            counters,
            shared,
            clock: Cell::new(Clock::read()),
            spare: RefCell::default(),
            lines: RefCell::new(lines),
        }))
    }

    /// A request began: its first octet was read now.
    pub fn open(&self, peer: &Peer) -> Entry {
        self.0.counters.exchange_began();
        let logged = self.0.shared.format().is_some();
        let memory = if logged { self.0.spare.borrow_mut().pop().unwrap_or_default() } else { Vec::new() };
        Entry::new(self.clone(), peer, now_us(), logged, memory)
    }

    /// The thread's counters.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Hands what is there to the writer and reads the wall clock; to be called a few times a second, also when idle.
    ///
    /// A chunk that is not full waits while the writer still has an earlier one: a stuck writer must not collect chunks
    /// of a line each.
    pub fn flush(&self) {
        self.0.clock.set(Clock::read());
        if let Ok(mut lines) = self.0.lines.try_borrow_mut() {
            lines.come_home();
            if lines.away == 0 {
                let dropped = lines.send();
                drop(lines);
                self.0.dropped(dropped);
            }
        }
    }

    /// Lets go of memory that is not in use; the next lines make theirs anew.
    pub fn let_go(&self) {
        if let Ok(mut spare) = self.0.spare.try_borrow_mut() {
            *spare = Vec::new();
        }
        if let Ok(mut lines) = self.0.lines.try_borrow_mut() {
            lines.come_home();
            lines.made -= lines.free.len().min(lines.made);
            lines.free.clear();
        }
    }

    pub(super) fn unix_us(&self, moment: Micros) -> i64 {
        let Clock { at, unix_us } = self.0.clock.get();
        let us = |us: Micros| i64::try_from(us).unwrap_or(i64::MAX);
        unix_us.saturating_add(us(moment)).saturating_sub(us(at))
    }

    pub(super) fn count(&self, outcome: &Outcome) {
        self.0.counters.exchange_ended(outcome);
    }

    pub(super) fn write(&self, line: &Line<'_>) {
        let Some(format) = self.0.shared.format() else { return };
        // Lines are never written from within writing one; if they were, the inner one would be dropped.
        let dropped = self.0.lines.try_borrow_mut().map_or(1, |mut lines| lines.write(line, format));
        self.0.dropped(dropped);
    }

    pub(super) fn give_back(&self, mut memory: Vec<u8>) {
        memory.clear();
        if let Ok(mut spare) = self.0.spare.try_borrow_mut()
            && spare.len() < SPARE_TEXTS
            && memory.capacity() <= SPARE_TEXT_BYTES
        {
            spare.push(memory);
        }
    }
}

impl Inner {
    fn dropped(&self, lines: u32) {
        if lines > 0 {
            self.counters.log_lines_dropped(lines.into());
            self.shared.count_dropped(lines.into());
        }
    }
}

impl Drop for Inner {
    /// What is there goes to the writer, also when it has an earlier chunk.
    fn drop(&mut self) {
        let mut dropped = 0;
        if let Ok(mut lines) = self.lines.try_borrow_mut() {
            dropped = lines.send() + lines.held;
        }
        self.dropped(dropped);
    }
}

impl Lines {
    /// Formats the line into the chunk. Returns how many lines were dropped.
    fn write(&mut self, line: &Line<'_>, format: LogFormat) -> u32 {
        let mut dropped = 0;
        if self.chunk.len() + LINE_ROOM > CHUNK {
            dropped += self.send();
        }
        if self.chunk.capacity() == 0 && !self.take_chunk() || self.chunk.len() + LINE_ROOM > CHUNK {
            return dropped + 1;
        }
        match format {
            LogFormat::Hipache => hipache::write(line, &mut self.time, &mut self.chunk),
            LogFormat::Json => json::write(line, &mut self.time, &mut self.chunk),
        }
        self.held += 1;
        if self.chunk.len() + LINE_ROOM > CHUNK {
            dropped += self.send();
        }
        dropped
    }

    fn take_chunk(&mut self) -> bool {
        self.come_home();
        if let Some(chunk) = self.free.pop() {
            self.chunk = chunk;
        } else if self.made < self.limit {
            self.made += 1;
            self.chunk = Vec::with_capacity(CHUNK);
        }
        self.chunk.capacity() > 0
    }

    fn come_home(&mut self) {
        while let Ok(chunk) = self.home.try_recv() {
            self.away = self.away.saturating_sub(1);
            self.free.push(chunk);
        }
    }

    /// Gives the chunk to the writer. When its queue is full the chunk stays; when the writer is gone its lines are
    /// dropped: returns how many.
    fn send(&mut self) -> u32 {
        if self.chunk.is_empty() {
            return 0;
        }
        let octets = std::mem::take(&mut self.chunk);
        match self.out.try_send(Message::Chunk(Chunk { octets, home: self.back.clone() })) {
            Ok(()) => {
                self.away += 1;
                self.held = 0;
                0
            }
            Err(TrySendError::Full(Message::Chunk(chunk))) => {
                self.chunk = chunk.octets;
                0
            }
            Err(TrySendError::Disconnected(Message::Chunk(chunk))) => {
                self.chunk = chunk.octets;
                self.chunk.clear();
                std::mem::take(&mut self.held)
            }
            Err(_) => 0,
        }
    }
}

impl Clock {
    fn read() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at: now_us(), unix_us: i64::try_from(since.as_micros()).unwrap_or(i64::MAX) }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}
