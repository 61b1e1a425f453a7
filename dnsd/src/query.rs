//! One question, top to bottom: octets in, octets out.

use crate::respond::{self, Sent, UDP};
use crate::wire::{Code, LARGEST, PLAIN_UDP, Query, Refused, decode};
use crate::zone::{self, Question, ZoneSet};
use model::RecordType;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// In a datagram.
    Udp,
    /// On a connection.
    Tcp,
}

/// Answers one message: the answer goes to the end of `out`. The order of records is drawn from `seed`. `None`: nothing is to be sent.
pub fn answer(zones: &ZoneSet, message: &[u8], over: Over, seed: u64, out: &mut Vec<u8>) -> Option<Sent> {
    let query = match decode(message) {
        Ok(query) => query,
        Err(Refused::Silent) => return None,
        Err(Refused::Told(refusal)) => return Some(respond::refuse(&refusal, out)),
    };
    if let Some(code) = unanswerable(&query) {
        return Some(respond::refuse(&query.refused(code), out));
    }
    let limit = limit(&query, over);
    let question = Question { name: query.name.clone(), record_type: query.record_type };
    let answer = zone::answer(zones, &question);
    Some(respond::respond(&query, &answer, limit, seed, out))
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
