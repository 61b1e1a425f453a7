//! An answer's octets: written record by record into a limit, names compressed (RFC 1035 §4.1.4).

use model::record::Part;
use model::{DomainName, RecordData, RecordSet, RecordType};

use super::{Edns, HEAD, IN, Told, write_opt};

/// Where a pointer can point to: 14 bits.
const POINTED: usize = 0x4000;
/// A pointer's first bits.
pub(crate) const POINTER: u16 = 0xc000;
/// What a record takes at least beside its data: a pointer, type, class, TTL and length.
const RECORD: usize = 12;
/// How many places of names are remembered; names behind them are written out.
const PLACES: usize = 256;

/// The head of an answer, its counts left out.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// As the question's.
    pub id: u16,
    /// The second word.
    pub flags: u16,
}

/// The sections that records stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// What was asked for.
    Answer,
    /// Who else knows, or the SOA.
    Authority,
    /// What is asked for next.
    Additional,
}

/// A set did not fit; nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Writes one message to the end of a buffer.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
    /// Where the message begins in it.
    start: usize,
    /// How many octets it may have, those of its OPT record left out.
    limit: usize,
    counts: [u16; 4],
    places: Places,
    /// Where the records begin.
    body: usize,
    /// Where pointers stand, for whoever wants to know.
    pointers: Option<Vec<u16>>,
}

/// Where names stand in the message, from a label on, and how long they are in wire form.
#[derive(Debug)]
struct Places {
    at: [(u16, u16); PLACES],
    count: usize,
}

impl<'b> Writer<'b> {
    /// Begins a message: its head, its question as it came. Of its `limit`, `opt` octets are kept for its OPT record.
    pub fn new(out: &'b mut Vec<u8>, head: Head, question: &[u8], limit: usize, opt: usize) -> Self {
        let start = out.len();
        out.extend(head.id.to_be_bytes());
        out.extend(head.flags.to_be_bytes());
        out.extend([0; 8]);
        out.extend(question);
        let limit = limit.saturating_sub(opt);
        let body = out.len() - start;
        let counts = [u16::from(!question.is_empty()), 0, 0, 0];
        let places = Places { at: [(0, 0); PLACES], count: 0 };
        let mut writer = Self { out, start, limit, counts, places, body, pointers: None };
        if !question.is_empty() {
            writer.remember(HEAD, question.len().saturating_sub(4));
        }
        writer
    }

    /// From now on it is noted where pointers stand.
    pub(crate) fn note_pointers(&mut self) {
        self.pointers = Some(Vec::new());
    }

    /// Where pointers stand that were noted, from the beginning of the message on.
    pub(crate) fn pointers(&self) -> &[u16] {
        self.pointers.as_deref().unwrap_or_default()
    }

    /// How many octets of the message are written.
    pub(crate) fn written(&self) -> usize {
        self.message().len()
    }

    /// How many records each section has so far.
    pub(crate) fn counts(&self) -> [u16; 3] {
        let [_, answers, authority, additional] = self.counts;
        [answers, authority, additional]
    }

    fn message(&self) -> &[u8] {
        &self.out[self.start..]
    }

    /// Writes all records of a set, or none, in the order that is given for so many.
    ///
    /// # Errors
    /// [`Full`] when not all fit.
    pub fn set<O: AsRef<[u16]>>(
        &mut self,
        section: Section,
        owner: &DomainName,
        set: &RecordSet,
        order: impl FnOnce(usize) -> O,
    ) -> Result<(), Full> {
        let (length, places) = (self.out.len(), self.places.count);
        let all = set.data();
        // No order is drawn for what does not fit: only names in its data, and few of those, become shorter.
        if !compresses(set.record_type()) {
            let least: usize = all.iter().map(|data| RECORD + data.octets().len()).sum();
            if self.message().len() + least > self.limit {
                return Err(Full);
            }
        }
        let mut owner_at = None;
        for place in order(all.len()).as_ref() {
            let Some(data) = all.get(usize::from(*place)) else { continue };
            match owner_at.filter(|at| *at < POINTED) {
                Some(at) => self.pointer(at),
                None => {
                    owner_at = Some(self.message().len());
                    if let Some(pointed) = self.owner(owner) {
                        owner_at = Some(pointed);
                    }
                }
            }
            self.record(data, set.ttl());
            if self.message().len() > self.limit {
                self.out.truncate(length);
                self.places.count = places;
                return Err(Full);
            }
        }
        let count = &mut self.counts[1 + section as usize];
        *count = count.saturating_add(u16::try_from(all.len()).unwrap_or(u16::MAX));
        Ok(())
    }

    /// Writes records of a set from the one at `from` on, as long as the message has fewer than `enough` octets and has room for them;
    /// returns which one is next. Names are spelled as they stand in the set (RFC 5936 §3.4).
    pub fn records(&mut self, section: Section, set: &RecordSet, from: usize, enough: usize) -> usize {
        let (mut owner_at, mut next) = (None, from);
        while let Some(data) = set.data().get(next).filter(|_| self.message().len() < enough) {
            let (length, places) = (self.out.len(), self.places.count);
            match owner_at.filter(|at| *at < POINTED) {
                Some(at) => self.pointer(at),
                None => {
                    owner_at = Some(self.message().len());
                    self.name(set.name().as_wire(), true);
                }
            }
            self.record(data, set.ttl());
            if self.message().len() > self.limit {
                self.out.truncate(length);
                self.places.count = places;
                break;
            }
            next += 1;
        }
        let count = &mut self.counts[1 + section as usize];
        *count = count.saturating_add(u16::try_from(next.saturating_sub(from)).unwrap_or(u16::MAX));
        next
    }

    /// How many octets the message has so far.
    #[expect(clippy::len_without_is_empty, reason = "a message has a head")]
    pub fn len(&self) -> usize {
        self.message().len()
    }

    /// Takes all records back.
    pub fn clear(&mut self) {
        self.out.truncate(self.start + self.body);
        self.counts = [self.counts[0], 0, 0, 0];
        self.places.count = 0;
    }

    /// Ends the message; what EDNS says of us goes last: `udp` octets are taken, `high` bits of the code, options.
    pub fn finish(mut self, flags: u16, edns: Option<(Edns, u8, &Told<'_>)>) {
        if let Some((edns, high, told)) = edns {
            write_opt(self.out, edns, high, told);
            self.counts[3] = self.counts[3].saturating_add(1);
        }
        let head = &mut self.out[self.start..];
        head[2..4].copy_from_slice(&flags.to_be_bytes());
        for (place, count) in head[4..HEAD].chunks_exact_mut(2).zip(self.counts) {
            place.copy_from_slice(&count.to_be_bytes());
        }
    }

    /// An owner that is the question's name points there, so that it has the client's spelling; returns where it points then.
    fn owner(&mut self, owner: &DomainName) -> Option<usize> {
        let asked = self.message().get(HEAD..HEAD + owner.as_wire().len());
        if self.counts[0] == 1 && asked.is_some_and(|asked| asked.eq_ignore_ascii_case(owner.as_wire())) {
            self.pointer(HEAD);
            return Some(HEAD);
        }
        self.name(owner.as_wire(), true);
        None
    }

    fn pointer(&mut self, at: usize) {
        let place = self.message().len();
        if let (Some(pointers), Ok(place)) = (&mut self.pointers, u16::try_from(place)) {
            pointers.push(place);
        }
        let at = u16::try_from(at).unwrap_or(0) | POINTER;
        self.out.extend(at.to_be_bytes());
    }

    fn record(&mut self, data: &RecordData, ttl: u32) {
        self.out.extend(data.record_type().0.to_be_bytes());
        self.out.extend(IN.to_be_bytes());
        self.out.extend(ttl.to_be_bytes());
        let at = self.out.len();
        self.out.extend([0; 2]);
        let compress = compresses(data.record_type());
        for part in data.parts() {
            match part {
                Part::Name(name) => self.name(name, compress),
                Part::Octets(octets) => self.out.extend(octets),
            }
        }
        let length = u16::try_from(self.out.len() - at - 2).unwrap_or(u16::MAX);
        self.out[at..at + 2].copy_from_slice(&length.to_be_bytes());
    }

    /// Writes a name, its end as a pointer to where that stands already, spelled alike.
    fn name(&mut self, name: &[u8], compress: bool) {
        let at = self.message().len();
        let mut rest = name;
        while let Some((&length, _)) = rest.split_first().filter(|(length, _)| **length > 0) {
            if compress && let Some(place) = self.place_of(rest) {
                let written = name.len() - rest.len();
                self.out.extend(&name[..written]);
                self.pointer(place);
                self.remember_labels(at, name, written);
                return;
            }
            rest = rest.get(1 + usize::from(length)..).unwrap_or_default();
        }
        self.out.extend(name);
        self.remember_labels(at, name, name.len());
    }

    fn place_of(&self, name: &[u8]) -> Option<usize> {
        let places = self.places.at[..self.places.count].iter();
        let alike = places.filter(|(_, length)| usize::from(*length) == name.len());
        alike.map(|(at, _)| usize::from(*at)).find(|at| stands_at(self.message(), *at, name))
    }

    /// Remembers the names that begin with each of the first labels of `name`, which was written at `at`, `written` octets of it.
    fn remember_labels(&mut self, at: usize, name: &[u8], written: usize) {
        let mut offset = 0;
        while let Some(&length) = name.get(offset).filter(|length| **length > 0) {
            if offset >= written {
                return;
            }
            self.places.put(at + offset, name.len() - offset);
            offset += 1 + usize::from(length);
        }
    }

    /// Remembers the name of so many octets that stands at `at`.
    fn remember(&mut self, at: usize, length: usize) {
        let mut offset = 0;
        while let Some(&label) = self.message().get(at + offset).filter(|label| **label > 0) {
            if offset >= length {
                return;
            }
            self.places.put(at + offset, length - offset);
            offset += 1 + usize::from(label);
        }
    }
}

impl Places {
    fn put(&mut self, at: usize, length: usize) {
        let (Ok(at), Ok(length)) = (u16::try_from(at), u16::try_from(length)) else { return };
        if usize::from(at) < POINTED && self.count < PLACES {
            self.at[self.count] = (at, length);
            self.count += 1;
        }
    }
}

/// Whether names in data of this type are compressed: those of RFC 1035 alone, because older readers know where they are (RFC 3597 §4).
fn compresses(record_type: RecordType) -> bool {
    let known = [RecordType::NS, RecordType::CNAME, RecordType::SOA, RecordType::PTR, RecordType::MX];
    known.contains(&record_type)
}

/// Whether `name` stands at `at`, spelled alike. Our own message is read: its pointers lead back.
fn stands_at(message: &[u8], mut at: usize, mut name: &[u8]) -> bool {
    while let Some(&length) = message.get(at) {
        if length >= 0xc0 {
            let Some(&low) = message.get(at + 1) else { return false };
            let to = usize::from(u16::from_be_bytes([length & 0x3f, low]));
            if to >= at {
                return false;
            }
            at = to;
            continue;
        }
        let label = 1 + usize::from(length);
        match (message.get(at..at + label), name.split_at_checked(label)) {
            (Some(here), Some((wanted, rest))) if here == wanted => name = rest,
            _ => return false,
        }
        if length == 0 {
            return true;
        }
        at += label;
    }
    false
}
