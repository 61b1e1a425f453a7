//! What is counted: by each thread for itself, summed by whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::query::{Done, Over};
use crate::respond::Sent;
use crate::wire::Code;

/// A limit that was met, and what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A TCP connection was closed: there were `tcp_connections`.
    Connections = 0,
    /// A TCP connection was closed: its address had `tcp_connections_per_address`.
    ConnectionsPerAddress = 1,
    /// A TCP connection was closed: no question came within `tcp_idle`.
    Idle = 2,
    /// A TCP connection was closed: a question, or the taking of an answer, took longer than `tcp_message`.
    Message = 3,
    /// A zone was not handed over: there were `transfers`.
    Transfers = 4,
    /// A TCP connection was closed: its address may not ask (`allow`, `deny`).
    Denied = 5,
}

impl Limit {
    /// Every one, in the order of their numbers, with the name of its setting.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Connections, "tcp_connections"),
        (Self::ConnectionsPerAddress, "tcp_connections_per_address"),
        (Self::Idle, "tcp_idle"),
        (Self::Message, "tcp_message"),
        (Self::Transfers, "transfers"),
        (Self::Denied, "deny"),
    ];
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages that came over UDP.
    pub udp: u64,
    /// Messages that came over TCP.
    pub tcp: u64,
    /// Answers, by their code, in the order of [`Code::ALL`].
    pub answers: [u64; Code::ALL.len()],
    /// Answers that were cut (TC).
    pub truncated: u64,
    /// Zones that were begun to be handed over.
    pub transfers: u64,
    /// Messages that are not answered: answers themselves, or too short.
    pub dropped: u64,
    /// Answers over UDP that were not sent: their network had had as much as it may.
    pub limited: u64,
    /// Likewise, and were sent cut.
    pub slipped: u64,
    /// Answers that the system did not take.
    pub unsent: u64,
    /// TCP connections that were accepted.
    pub connections: u64,
    /// Limits that were met, in the order of [`Limit::ALL`].
    pub limits: [u64; Limit::ALL.len()],
    /// Messages that were to be answered later: an upstream is asked first, for example.
    pub later: u64,
    /// Those of them that were refused at once (SERVFAIL): too many waited.
    pub later_refused: u64,
    /// Questions that ended in a panic, which is a defect.
    pub panics: u64,
}

/// The counters of one thread. Aligned so that two threads never share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Block {
    udp: AtomicU64,
    tcp: AtomicU64,
    answers: [AtomicU64; Code::ALL.len()],
    truncated: AtomicU64,
    transfers: AtomicU64,
    dropped: AtomicU64,
    limited: AtomicU64,
    slipped: AtomicU64,
    unsent: AtomicU64,
    connections: AtomicU64,
    limits: [AtomicU64; Limit::ALL.len()],
    later: AtomicU64,
    later_refused: AtomicU64,
    panics: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Block {
    /// A message came and this was done.
    pub(crate) fn answered(&self, over: Over, done: &Done) {
        match over {
            Over::Udp => add(&self.udp, 1),
            Over::Tcp => add(&self.tcp, 1),
        }
        self.done(done);
    }

    fn done(&self, done: &Done) {
        match done {
            Done::Dropped => add(&self.dropped, 1),
            Done::Limited => add(&self.limited, 1),
            Done::Slipped(sent) => {
                add(&self.slipped, 1);
                self.sent(*sent);
            }
            Done::Answered(sent) => self.sent(*sent),
            Done::Transfer(_) => add(&self.transfers, 1),
            Done::Later(_) => add(&self.later, 1),
        }
    }

    /// A message that was to be answered later was refused, and this was done.
    pub(crate) fn later_refused(&self, done: &Done) {
        add(&self.later_refused, 1);
        self.done(done);
    }

    /// This was sent.
    pub(crate) fn sent(&self, sent: Sent) {
        if let Some(at) = Code::ALL.iter().position(|code| *code == sent.code) {
            add(&self.answers[at], 1);
        }
        if sent.truncated {
            add(&self.truncated, 1);
        }
    }

    pub(crate) fn unsent(&self, count: usize) {
        add(&self.unsent, u64::try_from(count).unwrap_or(0));
    }

    pub(crate) fn connected(&self) {
        add(&self.connections, 1);
    }

    pub(crate) fn met(&self, limit: Limit) {
        add(&self.limits[limit as usize], 1);
    }

    pub(crate) fn panicked(&self) {
        add(&self.panics, 1);
    }

    fn add_to(&self, totals: &mut Totals) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        totals.udp += get(&self.udp);
        totals.tcp += get(&self.tcp);
        totals.truncated += get(&self.truncated);
        totals.transfers += get(&self.transfers);
        totals.dropped += get(&self.dropped);
        totals.limited += get(&self.limited);
        totals.slipped += get(&self.slipped);
        totals.unsent += get(&self.unsent);
        totals.connections += get(&self.connections);
        totals.later += get(&self.later);
        totals.later_refused += get(&self.later_refused);
        totals.panics += get(&self.panics);
        for (total, counter) in totals.answers.iter_mut().zip(&self.answers) {
            *total += get(counter);
        }
        for (total, counter) in totals.limits.iter_mut().zip(&self.limits) {
            *total += get(counter);
        }
    }
}

/// The counters of all threads.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(Arc<[Arc<Block>]>);

impl Metrics {
    pub(crate) fn of(blocks: impl IntoIterator<Item = Arc<Block>>) -> Self {
        Self(blocks.into_iter().collect())
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for block in &*self.0 {
            block.add_to(&mut totals);
        }
        totals
    }
}
