//! The other side of DNS: a question that we ask, and the answer to it, read (RFC 1035 §4.1, RFC 5452, RFC 6891).
//!
//! An answer is whatever an upstream, or somebody in its place, sent: each octet is looked at with suspicion, and nothing is kept of it but
//! record sets under the question that was asked.

use std::collections::HashMap;

use model::record::MAX_TTL;
use model::{DomainName, RecordData, RecordSet, RecordType};

use super::decode::Reader;
use super::{Edns, HEAD, Head, IN, OPT, Section, Writer, flags, opcode};

/// The largest UDP answer that we ask for: one that no usual network cuts into pieces (DNS flag day 2020).
const UDP: u16 = 1232;
/// The most records of an answer; one with more is not taken.
const MAX_RECORDS: usize = 4096;
/// The most labels, pointers counted as such, that a name is put together from.
const MAX_STEPS: usize = 256;

/// What an upstream is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ask {
    /// Of which name; compared without regard to case.
    pub name: DomainName,
    /// For which records.
    pub record_type: RecordType,
    /// Signatures are wanted (DO).
    pub dnssec: bool,
    /// Nothing shall be validated (CD).
    pub unchecked: bool,
}

/// What an upstream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its RCODE, with the upper bits of EDNS.
    pub code: u16,
    /// It was cut, and is to be asked for again over TCP.
    pub truncated: bool,
    /// Its record sets, in the order they came in, OPT left out.
    pub sets: Vec<(Section, RecordSet)>,
}

/// Why octets are no answer that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Another id, another question, or no answer at all: perhaps from somebody else.
    Foreign,
    /// Malformed, or beyond what is taken.
    Malformed,
}

/// Writes a question, to the end of `out`. Nothing of the client is in it but what it asked.
pub fn ask(id: u16, ask: &Ask, out: &mut Vec<u8>) {
    let said = flags::RD | if ask.unchecked { flags::CD } else { 0 };
    let kind = [ask.record_type.0.to_be_bytes(), IN.to_be_bytes()].concat();
    let question = [ask.name.as_wire(), &kind].concat();
    let writer = Writer::new(out, Head { id, flags: said }, &question, usize::from(UDP), OPT);
    writer.finish(said, Some((Edns { udp: UDP, dnssec: ask.dnssec }, 0, &super::Told::default())));
}

/// Reads the answer to a question.
///
/// # Errors
/// [`Unfit`] for what is not such an answer.
pub fn read(message: &[u8], id: u16, ask: &Ask) -> Result<Told, Unfit> {
    let head = message.first_chunk::<HEAD>().ok_or(Unfit::Foreign)?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let said = word(2);
    if word(0) != id || said & flags::QR == 0 || opcode(said) != 0 {
        return Err(Unfit::Foreign);
    }
    let (code, truncated) = (said & 0xf, said & flags::TC != 0);
    let mut reader = Reader::of(message);
    // Who does not understand a message may leave out what it asked.
    if word(4) == 0 && code != 0 && word(6) == 0 {
        return Ok(Told { code, truncated, sets: Vec::new() });
    }
    if word(4) != 1 || !reader.repeats(ask).ok_or(Unfit::Malformed)? {
        return Err(Unfit::Foreign);
    }
    let counts = [6, 8, 10].map(|at| usize::from(word(at)));
    // What was cut is not looked at: it is asked for again.
    if truncated {
        return Ok(Told { code, truncated, sets: Vec::new() });
    }
    if counts.iter().sum::<usize>() > MAX_RECORDS {
        return Err(Unfit::Malformed);
    }
    let (sets, high) = reader.sets(counts).ok_or(Unfit::Malformed)?;
    Ok(Told { code: code | u16::from(high) << 4, truncated, sets })
}

/// Sets that are not whole yet: their owners as they came first, TTLs, data.
#[derive(Default)]
struct Gathered {
    places: HashMap<(Section, DomainName, RecordType), usize>,
    sets: Vec<(Section, DomainName, RecordType, u32, Vec<RecordData>)>,
}

impl Gathered {
    fn put(&mut self, section: Section, owner: DomainName, ttl: u32, data: RecordData) {
        let record_type = data.record_type();
        let place = *self.places.entry((section, owner.clone(), record_type)).or_insert(self.sets.len());
        match self.sets.get_mut(place) {
            // One TTL for all: the shortest (RFC 2181 §5.2).
            Some(set) => {
                set.3 = set.3.min(ttl);
                set.4.push(data);
            }
            None => self.sets.push((section, owner, record_type, ttl, vec![data])),
        }
    }

    fn whole(self) -> Option<Vec<(Section, RecordSet)>> {
        let whole = |(section, owner, record_type, ttl, data)| {
            Some((section, RecordSet::new(owner, record_type, ttl, data).ok()?))
        };
        self.sets.into_iter().map(whole).collect()
    }
}

impl Reader<'_> {
    /// Whether the question is the one that was asked; `None` where it is malformed.
    fn repeats(&mut self, ask: &Ask) -> Option<bool> {
        let name = self.name()?;
        let (record_type, class) = (RecordType(self.word()?), self.word()?);
        Some(name == ask.name && record_type == ask.record_type && class == IN)
    }

    /// All record sets of three sections with so many records, and the upper bits of the code. What follows them is of no matter.
    fn sets(&mut self, counts: [usize; 3]) -> Option<(Vec<(Section, RecordSet)>, u8)> {
        let (mut gathered, mut high) = (Gathered::default(), 0);
        for (section, count) in
            [Section::Answer, Section::Authority, Section::Additional].into_iter().zip(counts)
        {
            for _ in 0..count {
                let owner = self.name()?;
                let (record_type, class) = (RecordType(self.word()?), self.word()?);
                let ttl = u32::from_be_bytes(*self.take(4)?.first_chunk()?);
                let length = usize::from(self.word()?);
                let end = self.at.checked_add(length)?;
                if record_type == RecordType::OPT {
                    [high, ..] = ttl.to_be_bytes();
                } else if record_type.is_data() {
                    if class != IN {
                        return None;
                    }
                    let data = self.data(record_type, end)?;
                    // A TTL with its first bit set is none (RFC 2181 §8).
                    gathered.put(section, owner, if ttl > MAX_TTL { 0 } else { ttl }, data);
                }
                self.at = end;
                if end > self.message.len() {
                    return None;
                }
            }
        }
        Some((gathered.whole()?, high))
    }

    /// A record's data up to `end`, the names in it uncompressed (RFC 3597 §4).
    fn data(&mut self, record_type: RecordType, end: usize) -> Option<RecordData> {
        let (before, names) = compressed(record_type);
        let mut data = self.take(before)?.to_vec();
        for _ in 0..names {
            data.extend(self.name()?.as_wire());
        }
        data.extend(self.take(end.checked_sub(self.at)?)?);
        RecordData::new(record_type, data).ok()
    }

    /// A name, its pointers followed: each leads to before what was read of the name so far.
    fn name(&mut self) -> Option<DomainName> {
        let (mut wire, mut at, mut limit) = (Vec::with_capacity(64), self.at, self.at);
        let mut behind = None;
        for _ in 0..MAX_STEPS {
            let length = usize::from(*self.message.get(at)?);
            match length {
                0 => {
                    wire.push(0);
                    self.at = behind.unwrap_or(at + 1);
                    return DomainName::from_wire(&wire).ok();
                }
                1..=63 => {
                    wire.extend(self.message.get(at..=at + length)?);
                    at += 1 + length;
                }
                192.. => {
                    let to = (length & 0x3f) << 8 | usize::from(*self.message.get(at + 1)?);
                    behind = behind.or(Some(at + 2));
                    if to >= limit {
                        return None;
                    }
                    (at, limit) = (to, to);
                }
                _ => return None,
            }
        }
        None
    }
}

/// The octets before names that may be compressed in data of that type, and how many such names follow one another.
fn compressed(record_type: RecordType) -> (usize, usize) {
    match record_type.0 {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR; DNAME.
        2..=5 | 7..=9 | 12 | 39 => (0, 1),
        // SOA, MINFO, RP.
        6 | 14 | 17 => (0, 2),
        // MX, AFSDB, RT, KX.
        15 | 18 | 21 | 36 => (2, 1),
        // SRV.
        33 => (6, 1),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Message, MessageType, Query};
    use hickory_proto::rr::{Name, RData, Record, rdata};
    use proptest::prelude::*;

    use super::*;

    fn asked(name: &str, record_type: RecordType) -> Ask {
        let name = DomainName::parse(name).expect("a name");
        Ask { name, record_type, dnssec: false, unchecked: false }
    }

    /// The answer of another program: hickory-proto compresses.
    fn answer(change: impl FnOnce(&mut Message)) -> Vec<u8> {
        let name = |text: &str| Name::from_ascii(text).expect("a name");
        let mut message = Message::query();
        message.metadata.id = 7;
        message.metadata.message_type = MessageType::Response;
        message.add_query(Query::query(name("WWW.example.com."), hickory_proto::rr::RecordType::A));
        let alias = RData::CNAME(rdata::CNAME(name("web.example.com.")));
        message.add_answer(Record::from_rdata(name("www.example.com."), 300, alias));
        for last in [1, 2] {
            let address = RData::A(rdata::A::new(192, 0, 2, last));
            message.add_answer(Record::from_rdata(name("web.example.com."), 59 + u32::from(last), address));
        }
        let soa = rdata::SOA::new(name("ns.example.com."), name("h.example.com."), 1, 2, 3, 4, 5);
        message.add_authority(Record::from_rdata(name("example.com."), 9, RData::SOA(soa)));
        change(&mut message);
        message.to_vec().expect("written")
    }

    #[test]
    fn a_question_is_read_by_another_program() {
        let (mut out, mut with) = (Vec::new(), asked("www.Example.com", RecordType::AAAA));
        (with.dnssec, with.unchecked) = (true, true);
        ask(0xbeef, &with, &mut out);
        let read = Message::from_vec(&out).expect("a message");
        assert_eq!(read.metadata.id, 0xbeef);
        assert!(read.metadata.recursion_desired && read.metadata.checking_disabled);
        assert_eq!(read.queries[0].to_string(), "www.Example.com. IN AAAA");
        let edns = read.edns.expect("EDNS");
        assert!(edns.max_payload() == 1232 && edns.flags().dnssec_ok && edns.options().as_ref().is_empty());
    }

    #[test]
    fn an_answer_is_its_record_sets() {
        let told = read(&answer(|_| {}), 7, &asked("www.example.com", RecordType::A)).expect("an answer");
        let sets: Vec<String> = told
            .sets
            .iter()
            .map(|(section, set)| {
                format!("{section:?} {} {} {} {}", set.name(), set.ttl(), set.record_type(), set.data().len())
            })
            .collect();
        assert_eq!((told.code, told.truncated), (0, false));
        assert_eq!(
            sets,
            [
                "Answer www.example.com. 300 CNAME 1",
                "Answer web.example.com. 60 A 2",
                "Authority example.com. 9 SOA 1"
            ]
        );
        assert_eq!(told.sets[0].1.data()[0].target(), DomainName::parse("web.example.com").ok());
    }

    #[test]
    fn what_was_not_asked_is_foreign() {
        let whole = answer(|_| {});
        let check = |message: &[u8], id, ask: &Ask, expected| {
            assert_eq!(read(message, id, ask).map(|told| told.code), expected);
        };
        let www = asked("www.example.com", RecordType::A);
        check(&whole, 7, &www, Ok(0));
        check(&whole, 8, &www, Err(Unfit::Foreign));
        check(&whole, 7, &asked("www.example.org", RecordType::A), Err(Unfit::Foreign));
        check(&whole, 7, &asked("www.example.com", RecordType::AAAA), Err(Unfit::Foreign));
        check(&whole[..11], 7, &www, Err(Unfit::Foreign));
        check(&whole[..whole.len() - 1], 7, &www, Err(Unfit::Malformed));
        check(&answer(|m| m.metadata.message_type = MessageType::Query), 7, &www, Err(Unfit::Foreign));
        check(&answer(|m| m.queries.clear()), 7, &www, Err(Unfit::Foreign));
        let refused = answer(|m| {
            *m = Message::error_msg(7, m.metadata.op_code, hickory_proto::op::ResponseCode::FormErr);
        });
        check(&refused, 7, &www, Ok(1));
    }

    #[test]
    fn pointers_that_lead_forward_or_in_circles_are_malformed() {
        let www = asked("www.example.com", RecordType::A);
        let whole = answer(|_| {});
        let first = 12 + www.name.as_wire().len() + 4;
        for to in [first, first + 1, whole.len(), 0x3fff] {
            let mut wrong = whole.clone();
            let pointer = 0xc000 | u16::try_from(to).expect("14 bits");
            wrong[first..first + 2].copy_from_slice(&pointer.to_be_bytes());
            assert_eq!(read(&wrong, 7, &www), Err(Unfit::Malformed), "{to}");
        }
    }

    #[test]
    fn any_octets_are_an_answer_or_none() {
        proptest!(|(octets in prop::collection::vec(any::<u8>(), 0..600))| {
            let _ = read(&octets, 7, &asked("www.example.com", RecordType::A));
        });
    }

    /// Octets of a real answer, some of them changed.
    #[test]
    fn what_is_taken_can_be_written() {
        let (whole, www) = (answer(|_| {}), asked("www.example.com", RecordType::A));
        let changes = prop::collection::vec((12..whole.len(), any::<u8>()), 0..6);
        proptest!(|(changes in changes, cut in 0..whole.len())| {
            let mut octets = whole.clone();
            for (at, octet) in changes {
                octets[at] = octet;
            }
            octets.truncate(octets.len() - cut / 8);
            if let Ok(told) = read(&octets, 7, &www) {
                let mut out = Vec::new();
                let mut writer = Writer::new(&mut out, Head { id: 7, flags: 0x8000 }, &[], 65_535, 0);
                for (section, set) in &told.sets {
                    let order = |count: usize| (0..u16::try_from(count).expect("few")).collect::<Vec<_>>();
                    prop_assert_eq!(writer.set(*section, set.name(), set, order), Ok(()));
                }
                writer.finish(0x8000, None);
                prop_assert!(Message::from_vec(&out).is_ok() || told.sets.iter().any(|(_, set)| !is_plain(set)));
            }
        });
    }

    /// Of a type whose data hickory-proto takes as we do.
    fn is_plain(set: &RecordSet) -> bool {
        matches!(set.record_type(), RecordType::A | RecordType::CNAME | RecordType::SOA)
    }
}
