//! One question, top to bottom: octets in, octets out.

use std::net::IpAddr;

use model::RecordType;

use crate::asker::{Asker, counted};
use crate::guard::{Guards, Now, OPEN};
use crate::respond::{self, Sent, UDP};
use crate::wire::{Code, LARGEST, PLAIN_UDP, Query, Refused, decode};
use crate::zone::{self, ZoneSet};

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// In a datagram.
    Udp,
    /// On a connection.
    Tcp,
}

/// Who sent a message, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// From where; IPv4 is never mapped into IPv6.
    pub address: IpAddr,
    /// How.
    pub over: Over,
}

/// What messages are answered from: the same for all that a thread took at once.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The zones.
    pub zones: &'a ZoneSet,
    /// Who gets what of them.
    pub guards: &'a Guards,
    /// The time.
    pub now: Now,
}

impl<'a> Context<'a> {
    /// These zones, for everybody, now.
    pub fn open(zones: &'a ZoneSet) -> Self {
        Self { zones, guards: &OPEN, now: Now::read() }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Nothing is sent.
    Dropped,
    /// This was written, and is to be sent.
    Answered(Sent),
    /// Nothing is sent: its network has had as much as it may.
    Limited,
    /// Likewise, and this was written, which says to come over TCP.
    Slipped(Sent),
}

/// Answers one message: the answer goes to the end of `out`. The order of records is drawn from `seed`.
pub fn answer(context: &Context<'_>, message: &[u8], client: &Client, seed: u64, out: &mut Vec<u8>) -> Done {
    let query = match decode(message) {
        Ok(query) => query,
        Err(Refused::Silent) => return Done::Dropped,
        Err(Refused::Told(refusal)) => {
            return Asker::of(context, client, &refusal.options, seed).refuse(&refusal, out);
        }
        Err(Refused::Unasked(refusal)) => {
            return Asker::of(context, client, &refusal.options, seed).tell_cookie(refusal, out);
        }
    };
    let asker = Asker::of(context, client, &query.options, seed);
    if let Some(stop) = asker.stop() {
        return asker.turn_away(&query, stop, out);
    }
    if let Some(code) = unanswerable(&query) {
        return asker.refuse(&query.refused(code), out);
    }
    let answer = zone::answer(context.zones, &query.question());
    let limit = limit(&query, client.over);
    let (kind, name) = counted(&query, &answer);
    asker.send(kind, name, &query.refused(Code::NoError), out, |told, out| {
        respond::respond(&query, &answer, told, limit, seed, out)
    })
}

/// Why no zone is asked.
fn unanswerable(query: &Query<'_>) -> Option<Code> {
    match query.record_type {
        _ if !query.is_internet() => Some(Code::Refused),
        RecordType::ANY => None,
        RecordType::AXFR | RecordType::IXFR => Some(Code::Refused),
        RecordType::OPT => Some(Code::Malformed),
        // Questions and messages have these, each with a meaning that is not known here (RFC 6895 §3.1).
        RecordType(128..=254) => Some(Code::NotImplemented),
        _ => None,
    }
}

/// How many octets the answer may have.
fn limit(query: &Query<'_>, over: Over) -> usize {
    match (over, query.edns) {
        (Over::Tcp, _) => LARGEST,
        (Over::Udp, None) => PLAIN_UDP,
        (Over::Udp, Some(edns)) => usize::from(edns.udp.min(UDP)).max(PLAIN_UDP),
    }
}
