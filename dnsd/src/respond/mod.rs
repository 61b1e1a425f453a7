//! Answers made into messages: codes, flags, what is left out when not all fits.
//!
//! In: a [`Query`] and its [`Answer`], or why there is none. Out: octets. Never here: a zone. Only this room knows which code an outcome
//! has.

mod order;

use crate::ready::Ready;
use crate::wire::{
    Code, Edns, Extended, Full, HEAD, Head, PLAIN_UDP, Query, Refusal, Section, Told, Writer, flags,
    write_opt,
};
use crate::zone::{Answer, Entries, Outcome};
pub(crate) use order::order;

/// The largest UDP message we send and take: one that no usual network cuts into pieces (DNS flag day 2020).
pub const UDP: u16 = 1232;

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The code.
    pub code: Code,
    /// Whether it was cut (TC).
    pub truncated: bool,
}

/// Writes the answer to a question, at most `limit` octets, to the end of `out`; `told` goes into its OPT record, where it has one. The
/// order of its records is drawn from `seed`.
pub fn respond(
    query: &Query<'_>,
    answer: &Answer<'_>,
    told: &Told<'_>,
    limit: usize,
    seed: u64,
    out: &mut Vec<u8>,
) -> Sent {
    let told = &Told { error: error(answer.outcome), ..*told };
    let code = code(answer.outcome);
    let aa = if answer.authoritative { flags::AA } else { 0 };
    let said = flags::QR | aa | copied(query.flags) | code as u16;
    let head = Head { id: query.id, flags: said };
    let mut writer = Writer::new(out, head, query.asked, limit, room(query.edns, told));
    let truncated = sections(&mut writer, answer, seed).is_err();
    if truncated {
        // Whole sets, or none: what is cut is asked for again over TCP (RFC 2181 §9).
        writer.clear();
    }
    writer.finish(said | if truncated { flags::TC } else { 0 }, query.edns.map(|edns| (ours(edns), 0, told)));
    Sent { code, truncated }
}

/// How many octets the message has that holds what is ready for a question.
#[inline]
pub(crate) fn length(query: &Query<'_>, ready: Ready<'_>, told: &Told<'_>) -> usize {
    HEAD + query.asked.len() + ready.length() + room(query.edns, told)
}

/// Writes what is ready for a question.
#[inline]
pub(crate) fn ready(
    query: &Query<'_>,
    ready: Ready<'_>,
    told: &Told<'_>,
    seed: u64,
    out: &mut Vec<u8>,
) -> Sent {
    let (code, [answers, authority, additional]) = match ready {
        Ready::Body(body) => (Code::NoError, body.counts()),
        Ready::NoData(_) => (Code::NoError, [0, 1, 0]),
        Ready::NoName(_) => (Code::NoName, [0, 1, 0]),
    };
    let (start, opts) = (out.len(), u16::from(query.edns.is_some()));
    let said = flags::QR | flags::AA | copied(query.flags) | code as u16;
    let head = [query.id, said, 1, answers, authority, additional + opts].map(u16::to_be_bytes);
    out.extend_from_slice(head.as_flattened());
    out.extend_from_slice(query.asked);
    match ready {
        Ready::Body(body) => body.write(out, start, seed),
        Ready::NoData(soa) | Ready::NoName(soa) => soa.write(out, query.name.len()),
    }
    if let Some(edns) = query.edns {
        write_opt(out, ours(edns), 0, told);
    }
    Sent { code, truncated: false }
}

/// Writes that a message is to be sent again over TCP (TC), to the end of `out`.
pub fn cut(refused: &Refusal<'_>, told: &Told<'_>, out: &mut Vec<u8>) -> Sent {
    let sent = write_bare(&Refusal { code: Code::NoError, ..*refused }, told, flags::TC, out);
    Sent { truncated: true, ..sent }
}

fn sections(writer: &mut Writer<'_>, answer: &Answer<'_>, seed: u64) -> Result<(), Full> {
    section(writer, Section::Answer, &answer.answers, seed)?;
    section(writer, Section::Authority, &answer.authority, seed)?;
    section(writer, Section::Additional, &answer.additional, seed)
}

fn section(writer: &mut Writer<'_>, section: Section, entries: &Entries<'_>, seed: u64) -> Result<(), Full> {
    for entry in entries {
        let order = |count| order(count, entry.weights, seed);
        let written = writer.set(section, &entry.owner, &entry.set, order);
        if entry.needed {
            written?;
        }
    }
    Ok(())
}

/// Writes that a message is not answered, and why, to the end of `out`. The question is repeated, where one was read.
pub fn refuse(refused: &Refusal<'_>, told: &Told<'_>, out: &mut Vec<u8>) -> Sent {
    write_bare(refused, told, 0, out)
}

/// Writes a message without records.
fn write_bare(refused: &Refusal<'_>, told: &Told<'_>, more: u16, out: &mut Vec<u8>) -> Sent {
    let (asked, code) = (refused.flags, refused.code as u16);
    let said = flags::QR | more | asked & flags::OPCODE | copied(asked) | code & 0xf;
    let head = Head { id: refused.id, flags: said };
    let writer = Writer::new(out, head, refused.asked, PLAIN_UDP, room(refused.edns, told));
    // The code's upper bits are EDNS' (RFC 6891 §6.1.3).
    let high = u8::try_from(code >> 4).unwrap_or(0);
    writer.finish(said, refused.edns.map(|edns| (ours(edns), high, told)));
    Sent { code: refused.code, truncated: false }
}

/// Says in the message that begins at `start` that others are asked for this client (RA).
pub fn offer_recursion(out: &mut [u8], start: usize) {
    if let Some([_, low]) = out.get_mut(start + 2..start + 4) {
        *low |= flags::RA.to_be_bytes()[1];
    }
}

/// What an OPT record takes, where there is one.
fn room(edns: Option<Edns>, told: &Told<'_>) -> usize {
    edns.map_or(0, |_| told.opt_length())
}

fn copied(asked: u16) -> u16 {
    asked & (flags::RD | flags::CD)
}

/// What we say of ourselves; DO is copied (RFC 3225 §3).
fn ours(edns: Edns) -> Edns {
    Edns { udp: UDP, ..edns }
}

fn code(outcome: Outcome) -> Code {
    match outcome {
        Outcome::Fine => Code::NoError,
        Outcome::NoName => Code::NoName,
        Outcome::TooLong => Code::NameExists,
        Outcome::NotOurs => Code::Refused,
        Outcome::NotYet | Outcome::TooOld => Code::Failure,
    }
}

/// What is said beside the code to whoever looks for the reason (RFC 8914).
fn error(outcome: Outcome) -> Option<Extended> {
    match outcome {
        Outcome::Fine | Outcome::NoName | Outcome::TooLong => None,
        Outcome::NotOurs => Some(Extended::NotAuthoritative),
        Outcome::NotYet => Some(Extended::NotReady),
        Outcome::TooOld => Some(Extended::InvalidData),
    }
}
