//! The records of an answer, as octets.

use std::num::NonZeroU16;

use model::{DomainName, RecordType};

use crate::respond::order;
use crate::wire::{HEAD, Head, IN, LARGEST, POINTER, Section, Writer};
use crate::zone::{self, Answer, Outcome, Question, ZoneSet};

/// The records of an answer: those that were asked for, told in another order each time, and what stands behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body<'i> {
    form: &'i Form,
    octets: &'i [u8],
}

/// What there is to know of a body beside its octets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// How many records each section has.
    counts: [u16; 3],
    /// How long each record is that was asked for, where they are all alike and nothing beside their order changes.
    each: Option<NonZeroU16>,
    /// How many octets it has, and where they begin among those of its name.
    length: u16,
    start: u32,
    /// What else there is to their order; nothing where it never changes.
    moves: Option<Box<Moves>>,
}

/// How records that are not alike change their places.
#[derive(Debug, PartialEq, Eq)]
struct Moves {
    /// Where each record that was asked for ends.
    ends: Box<[u16]>,
    /// How often each of these is to be the first one; empty: all alike.
    weights: Box<[u16]>,
    /// The pointers behind them that lead into one of them.
    pointers: Box<[Pointer]>,
}

/// A pointer to a place that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pointer {
    /// Where it stands in the octets.
    at: u16,
    /// Into which record it leads.
    record: u16,
    /// How far into it.
    into: u16,
}

impl Form {
    /// Of the answer that the zones have for this name and type, whose octets come to the end of `all`; `None` where it is not of a form
    /// that can be ready.
    pub(super) fn make(
        zones: &ZoneSet,
        name: &DomainName,
        record_type: RecordType,
        all: &mut Vec<u8>,
    ) -> Option<Self> {
        let answer = zone::answer(zones, &Question { name: name.clone(), record_type });
        let entry = answer.answers.first().filter(|_| is_ready(&answer, name))?;
        let asked = [name.as_wire(), &record_type.0.to_be_bytes(), &IN.to_be_bytes()].concat();
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Head { id: 0, flags: 0 }, &asked, LARGEST, 0);
        writer.note_pointers();
        let in_order = |count: usize| (0..u16::try_from(count).unwrap_or(u16::MAX)).collect::<Vec<_>>();
        writer.set(Section::Answer, &entry.owner, &entry.set, in_order).ok()?;
        let tail = writer.written();
        for entry in &answer.additional {
            writer.set(Section::Additional, &entry.owner, &entry.set, in_order).ok()?;
        }
        let (counts, pointers) = (writer.counts(), writer.pointers().to_vec());
        let start = HEAD + asked.len();
        let ends = ends(out.get(start..tail)?, entry.set.data().len())?;
        let pointers = pointers_that_move(&out, &pointers, start, &ends)?;
        let octets = out.get(start..)?;
        let moves = Moves { ends, weights: entry.weights.into(), pointers };
        let each = moves.each();
        let moves = (each.is_none() && moves.ends.len() > 1).then(|| Box::new(moves));
        let (length, start) = (u16::try_from(octets.len()).ok()?, u32::try_from(all.len()).ok()?);
        all.extend_from_slice(octets);
        Some(Self { counts, each, length, start, moves })
    }

    /// With its octets, which are among these.
    #[inline]
    pub(super) fn of<'i>(&'i self, all: &'i [u8]) -> Body<'i> {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        let octets = all.get(start..).and_then(|from| from.get(..usize::from(self.length)));
        Body { form: self, octets: octets.unwrap_or_default() }
    }
}

impl Body<'_> {
    /// How many octets it has.
    pub(crate) fn len(self) -> usize {
        self.octets.len()
    }

    /// How many records each section has.
    pub(crate) fn counts(self) -> [u16; 3] {
        self.form.counts
    }

    /// Writes it to the end of a message that begins at `start`, its records in an order that is drawn from `seed`.
    #[inline]
    pub(crate) fn write(self, out: &mut Vec<u8>, start: usize, seed: u64) {
        match (self.form.each, &self.form.moves) {
            (Some(each), _) => self.shuffle(usize::from(each.get()), out, seed),
            (None, Some(moves)) => self.shift(moves, out, start, seed),
            (None, None) => out.extend_from_slice(self.octets),
        }
    }

    /// Records that are all as long.
    fn shuffle(self, each: usize, out: &mut Vec<u8>, seed: u64) {
        let count = usize::from(self.form.counts[0]);
        for place in order(count, &[], seed) {
            let from = usize::from(place) * each;
            out.extend_from_slice(&self.octets[from..from + each]);
        }
        out.extend_from_slice(&self.octets[count * each..]);
    }

    /// Any records, and what leads into them.
    fn shift(self, moves: &Moves, out: &mut Vec<u8>, start: usize, seed: u64) {
        let body = out.len();
        // Where each record stands now.
        let mut places = [0_u16; MAX_RECORDS];
        for place in order(moves.ends.len(), &moves.weights, seed) {
            let place = usize::from(place);
            let from = moves.start_of(place);
            places[place] = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
            out.extend_from_slice(&self.octets[from..usize::from(moves.ends[place])]);
        }
        out.extend_from_slice(&self.octets[out.len() - body..]);
        for Pointer { at, record, into } in &moves.pointers {
            let to = (places[usize::from(*record)] + into) | POINTER;
            let at = body + usize::from(*at);
            out[at..at + 2].copy_from_slice(&to.to_be_bytes());
        }
    }
}

impl Moves {
    /// How long each record is, where they differ in nothing but their order.
    fn each(&self) -> Option<NonZeroU16> {
        let each = *self.ends.first()?;
        let alike = self.ends.iter().zip(1..).all(|(end, count)| each.checked_mul(count) == Some(*end));
        let simple = self.ends.len() > 1 && self.weights.is_empty() && self.pointers.is_empty();
        NonZeroU16::new(each).filter(|_| alike && simple)
    }

    /// Where a record begins.
    fn start_of(&self, record: usize) -> usize {
        record.checked_sub(1).map_or(0, |before| usize::from(self.ends[before]))
    }
}

/// The most records that are ready; larger sets are asked for over TCP in any case.
pub(super) const MAX_RECORDS: usize = 128;

/// One set of the name's own; beside it only sets of one record, which have no order.
fn is_ready(answer: &Answer<'_>, name: &DomainName) -> bool {
    let own = matches!(&answer.answers[..], [entry] if entry.owner == *name && entry.set.data().len() <= MAX_RECORDS);
    let one_each = answer.additional.iter().all(|entry| entry.set.data().len() == 1);
    own && one_each && answer.outcome == Outcome::Fine && answer.authoritative && answer.authority.is_empty()
}

/// Where each of so many records ends. Their owner is a pointer to the question.
fn ends(records: &[u8], count: usize) -> Option<Box<[u16]>> {
    const OWNER_TO_TTL: usize = 10;
    let (mut ends, mut at) = (Vec::with_capacity(count), 0);
    for _ in 0..count {
        let length = records.get(at + OWNER_TO_TTL..)?.first_chunk()?;
        at += OWNER_TO_TTL + 2 + usize::from(u16::from_be_bytes(*length));
        ends.push(u16::try_from(at).ok()?);
    }
    (at == records.len()).then(|| ends.into())
}

/// The pointers that lead into records whose order changes; `None` where one of these records itself leads into another. `start`: where
/// the records begin in the message; those that move end at `ends`.
fn pointers_that_move(
    message: &[u8],
    pointers: &[u16],
    start: usize,
    ends: &[u16],
) -> Option<Box<[Pointer]>> {
    let mut moving = Vec::new();
    if ends.len() < 2 {
        return Some(Box::default());
    }
    let tail = start + usize::from(*ends.last()?);
    // Where a record moves to, a pointer may not reach.
    let reach = usize::from(!POINTER);
    for &at in pointers {
        let to = message.get(usize::from(at)..)?.first_chunk()?;
        let to = usize::from(u16::from_be_bytes(*to) & !POINTER);
        if to < start || to >= tail {
            continue;
        }
        if usize::from(at) < tail || tail > reach {
            return None;
        }
        let into = to - start;
        let record = ends.iter().position(|end| into < usize::from(*end))?;
        let from = record.checked_sub(1).map_or(0, |before| usize::from(ends[before]));
        moving.push(Pointer {
            at: u16::try_from(usize::from(at) - start).ok()?,
            record: u16::try_from(record).ok()?,
            into: u16::try_from(into - from).ok()?,
        });
    }
    Some(moving.into())
}
