//! One question, top to bottom: octets in, octets out.

use std::net::IpAddr;

use model::RecordType;

use crate::asker::{Asker, counted};
use crate::config::UDP_MESSAGE;
use crate::forward::Policy;
use crate::guard::{Guards, Kind, Now, OPEN};
use crate::later::{Task, Work};
use crate::ready::{Index, Ready};
use crate::respond::{self, Sent, UDP};
use crate::served::Served;
use crate::transfer::{self, Access, Signer, Transfer};
use crate::wire::{Code, LARGEST, PLAIN_UDP, Query, Refused, decode};
use crate::zone::{self, Outcome, ZoneSet};

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
    /// What is ready of them.
    pub ready: &'a Index,
    /// Who gets what of them.
    pub guards: &'a Guards,
    /// Whose questions are forwarded where zones cannot answer them; `None`: nobody's.
    pub forward: Option<&'a Policy>,
    /// Who may have more than answers.
    pub access: &'a Access,
    /// The time.
    pub now: Now,
}

impl<'a> Context<'a> {
    /// These zones, for everybody, now, and nothing beside.
    pub fn open(served: &'a Served) -> Self {
        let (zones, ready) = (served.zones(), served.ready());
        Self { zones, ready, guards: &OPEN, forward: None, access: Access::nobody(), now: Now::read() }
    }
}

/// What became of a message.
#[derive(Debug)]
pub enum Done {
    /// Nothing is sent.
    Dropped,
    /// This was written, and is to be sent.
    Answered(Sent),
    /// Several messages are sent, as the client takes them. Over TCP alone.
    Transfer(Box<Transfer>),
    /// It is answered later, once this is done; nothing was written.
    Later(Task),
    /// Nothing is sent: its network has had as much as it may.
    Limited,
    /// Likewise, and this was written, which says to come over TCP.
    Slipped(Sent),
}

/// Answers one message: the answer goes to the end of `out`. The order of records is drawn from `seed`.
pub fn answer(context: &Context<'_>, message: &[u8], client: &Client, seed: u64, out: &mut Vec<u8>) -> Done {
    if transfer::is_update(message) {
        return transfer::update(context, message, client, seed, out);
    }
    let start = out.len();
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
    let mut signer = match transfer::signer(context.access, &query, message, &asker, out) {
        Ok(signer) => signer,
        Err(refused) => return refused,
    };
    let asker = asker.signed(signer.is_some());
    let done = if let Some(code) = unanswerable(&query) {
        asker.refuse(&query.refused(code), out)
    } else if matches!(query.record_type, RecordType::AXFR | RecordType::IXFR) {
        transfer::begin(&query, message, client, (&asker, &mut signer), out)
    } else {
        let limit = limit(&query, client.over).saturating_sub(signer.as_ref().map_or(0, Signer::room));
        let ready =
            asker.ready(&query).filter(|ready| respond::length(&query, *ready, asker.told()) <= limit);
        match ready {
            Some(ready) => from_ready(&query, ready, &asker, seed, out),
            None => from_zones(&query, message, client, (&asker, limit, seed), out),
        }
    };
    if context.forward.is_some_and(|forward| forward.allows(client.address)) {
        respond::offer_recursion(out, start);
    }
    if let (Done::Answered(_) | Done::Slipped(_), Some(signer)) = (&done, &mut signer) {
        signer.sign(out, start, transfer::now());
    }
    done
}

/// What is ready is copied.
fn from_ready(query: &Query<'_>, ready: Ready<'_>, asker: &Asker<'_>, seed: u64, out: &mut Vec<u8>) -> Done {
    let (kind, name) = match ready {
        Ready::Body(_) | Ready::NoData(_) => (Kind::Data, query.name),
        Ready::NoName(soa) => (Kind::NoName, soa.apex_of(query.name)),
    };
    asker.send(kind, name, &query.refused(Code::NoError), out, |told, out| {
        respond::ready(query, ready, told, seed, out)
    })
}

/// What is not ready is asked of the zones; what they do not know, of others.
fn from_zones(
    query: &Query<'_>,
    message: &[u8],
    client: &Client,
    (asker, limit, seed): (&Asker<'_>, usize, u64),
    out: &mut Vec<u8>,
) -> Done {
    let (context, question) = (asker.context, query.question());
    let answer = zone::answer(context.zones, &question);
    if answer.outcome == Outcome::NotOurs && context.zones.lacks(&question.name) {
        // It is ours, and whoever else is asked does not know it.
        return asker.refuse(&query.refused(Code::Failure), out);
    }
    if let Some(forward) = context.forward.filter(|_| message.len() <= UDP_MESSAGE && !query.signed)
        && forward.takes(context.zones, query, client.address, (&question, &answer))
    {
        // What will be answered is not known yet: it is counted as data of the name that is asked for.
        let withheld = asker.withhold(Kind::Data, query.name, &query.refused(Code::NoError), out);
        return withheld.unwrap_or_else(|| Done::Later(Task::new(Work::Forward, message)));
    }
    let (kind, name) = counted(query, &answer);
    asker.send(kind, name, &query.refused(Code::NoError), out, |told, out| {
        respond::respond(query, &answer, told, limit, seed, out)
    })
}

/// Why no zone is asked.
fn unanswerable(query: &Query<'_>) -> Option<Code> {
    match query.record_type {
        _ if !query.is_internet() => Some(Code::Refused),
        RecordType::ANY | RecordType::AXFR | RecordType::IXFR => None,
        RecordType::OPT => Some(Code::Malformed),
        // Questions and messages have these, each with a meaning that is not known here (RFC 6895 §3.1).
        RecordType(128..=254) => Some(Code::NotImplemented),
        _ => None,
    }
}

/// How many octets the answer may have.
pub(crate) fn limit(query: &Query<'_>, over: Over) -> usize {
    match (over, query.edns) {
        (Over::Tcp, _) => LARGEST,
        (Over::Udp, None) => PLAIN_UDP,
        (Over::Udp, Some(edns)) => usize::from(edns.udp.min(UDP)).max(PLAIN_UDP),
    }
}
