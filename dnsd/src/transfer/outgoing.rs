//! A zone on its way out, message by message (RFC 5936 §2.2; RFC 1995 §4 allows the same for IXFR).

use std::borrow::Cow;
use std::sync::Arc;

use model::{RecordSet, RecordType};
use tokio::sync::OwnedSemaphorePermit;

use super::signing::{Signer, now};
use crate::asker::Asker;
use crate::guard::Kind;
use crate::query::{self, Client, Done, Over};
use crate::respond::{self, Sent, UDP};
use crate::wire::{Code, Edns, Extended, Head, LARGEST, Query, Section, Told, Writer, asked_serial, flags};
use crate::zone::{Answer, Entry, Zone};

/// How many octets of a message are filled: names behind the first 16 KiB of a message cannot be pointed to.
const FILLED: usize = 16 << 10;

/// A transfer that goes on: the zone as it was when it was asked for, whatever changes meanwhile.
#[derive(Debug)]
pub struct Transfer {
    zone: Arc<Zone>,
    id: u16,
    flags: u16,
    /// What the first message says besides records.
    first: Option<(Box<[u8]>, Option<Edns>)>,
    /// What comes next; `None`: the SOA that ends it.
    place: Option<Place>,
    /// Signs each message.
    signer: Option<Signer>,
    _room: OwnedSemaphorePermit,
}

/// A record of a zone: of which name, in which of its sets, and there the how manieth.
#[derive(Debug)]
struct Place {
    key: Box<[u8]>,
    set: usize,
    record: usize,
}

/// What follows a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another one.
    More,
    /// Nothing: all was sent.
    Nothing,
    /// Nothing: a record is larger than a message. No [`RecordSet`] holds such a one.
    Impossible,
}

/// Answers a question for a whole zone, or for what changed in it: written to the end of `out`, or a transfer.
pub(crate) fn begin(
    query: &Query<'_>,
    message: &[u8],
    client: &Client,
    (asker, signer): (&Asker<'_>, &mut Option<Signer>),
    out: &mut Vec<u8>,
) -> Done {
    let context = asker.context;
    let refused = |code, out| asker.refuse(&query.refused(code), out);
    let whole = query.record_type == RecordType::AXFR;
    if !context.access.may_transfer(client.address, signer.as_ref().and_then(Signer::key)) {
        return refused(Code::Refused, out);
    }
    // RFC 5936 §4.2: a zone is no datagram.
    if whole && client.over == Over::Udp {
        return refused(Code::Malformed, out);
    }
    let Some(zone) = context.zones.at(&query.question().name) else {
        let code = if context.zones.is_known() { Code::NotAuthoritative } else { Code::Failure };
        return refused(code, out);
    };
    if context.zones.is_too_old(zone) {
        let told = Told { error: Some(Extended::InvalidData), ..*asker.told() };
        let refusal = query.refused(Code::Failure);
        return asker.send(Kind::Error, &[], &refusal, out, |_, out| respond::refuse(&refusal, &told, out));
    }
    let theirs = if whole { None } else { asked_serial(message) };
    if !whole && theirs.is_none() {
        // RFC 1995 §3: the client says what it has.
        return refused(Code::Malformed, out);
    }
    let is_current = theirs.is_some_and(|theirs| !is_newer(zone.serial(), theirs));
    if is_current || client.over == Over::Udp {
        let limit = query::limit(query, client.over);
        let limit = limit.saturating_sub(signer.as_ref().map_or(0, Signer::room));
        return asker.send(Kind::Data, query.name, &query.refused(Code::NoError), out, |told, out| {
            serial(query, zone, told, limit, out)
        });
    }
    match context.access.room() {
        Some(room) => Done::Transfer(Box::new(Transfer::new(zone, query, signer.take(), room))),
        None => refused(Code::Failure, out),
    }
}

/// Whether a serial comes after another (RFC 1982 §3.2).
pub(crate) fn is_newer(serial: u32, than: u32) -> bool {
    matches!(serial.wrapping_sub(than), 1..0x8000_0000)
}

/// The SOA alone: the client has it all, or shall ask over TCP (RFC 1995 §2, §4).
fn serial(query: &Query<'_>, zone: &Zone, told: &Told<'_>, limit: usize, out: &mut Vec<u8>) -> Sent {
    let mut answer = Answer { authoritative: true, ..Answer::default() };
    if let Some(soa) = zone.soa() {
        let owner = soa.name().clone();
        answer.answers.push(Entry { owner, set: Cow::Borrowed(soa), weights: &[], needed: true });
    }
    respond::respond(query, &answer, told, limit, 0, out)
}

impl Transfer {
    fn new(zone: &Arc<Zone>, query: &Query<'_>, signer: Option<Signer>, room: OwnedSemaphorePermit) -> Self {
        Self {
            zone: Arc::clone(zone),
            id: query.id,
            flags: flags::QR | flags::AA | query.flags & (flags::RD | flags::CD),
            first: Some((query.asked.into(), query.edns)),
            place: Some(Place { key: Box::default(), set: 0, record: 0 }),
            signer,
            _room: room,
        }
    }

    /// Writes the next message to the end of `out`.
    pub fn write(&mut self, out: &mut Vec<u8>) -> Next {
        let zone = Arc::clone(&self.zone);
        let Some(soa) = zone.soa() else { return Next::Impossible };
        let (is_first, (asked, edns)) = (self.first.is_some(), self.first.take().unwrap_or_default());
        let head = Head { id: self.id, flags: self.flags };
        let (start, told) = (out.len(), Told::default());
        let limit = LARGEST - self.signer.as_ref().map_or(0, Signer::room);
        let mut writer = Writer::new(out, head, &asked, limit, edns.map_or(0, |_| told.opt_length()));
        if is_first {
            writer.records(Section::Answer, soa, 0, FILLED);
        }
        let empty = writer.len();
        if let Some(place) = self.place.take() {
            self.place = fill(&mut writer, &zone, place);
        }
        let ends = self.place.is_none() && writer.records(Section::Answer, soa, 0, LARGEST) > 0;
        let is_stuck = writer.len() == empty;
        writer.finish(self.flags, edns.map(|edns| (Edns { udp: UDP, ..edns }, 0, &told)));
        if let Some(signer) = &mut self.signer {
            signer.sign(out, start, now());
        }
        match (ends, is_stuck) {
            (true, _) => Next::Nothing,
            (false, false) => Next::More,
            (false, true) => Next::Impossible,
        }
    }
}

/// Writes what the zone has from a place on, its SOA left out; where it goes on in the next message.
fn fill(writer: &mut Writer<'_>, zone: &Zone, place: Place) -> Option<Place> {
    for (key, node) in zone.behind(&place.key) {
        let begun = *key == *place.key;
        let (first, mut record) = if begun { (place.set, place.record) } else { (0, 0) };
        let sets = node.sets().iter().enumerate().skip(first);
        for (set, records) in sets.filter(|(_, records)| records.record_type() != RecordType::SOA) {
            record = writer.records(Section::Answer, records, record, FILLED);
            if record < records.data().len() {
                return Some(Place { key: key.into(), set, record });
            }
            record = 0;
        }
    }
    None
}

impl Zone {
    /// The SOA; there is one.
    pub(crate) fn soa(&self) -> Option<&RecordSet> {
        let (_, apex) = self.behind(&[]).next()?;
        apex.get(RecordType::SOA)
    }
}
