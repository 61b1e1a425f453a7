//! Records as they came in a message: names in them may be compressed (RFC 1035 §4.1.4).

use model::{DomainName, MAX_NAME, RecordData, RecordType};

use super::HEAD;

/// A record's first bits of a pointer.
const POINTER: u8 = 0xc0;

/// How many pointers are followed for one name: those who write names need one, and none of its labels needs more.
const MAX_HOPS: usize = 128;

/// A record of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'m> {
    /// Whose it is.
    pub name: DomainName,
    /// Its type.
    pub record_type: RecordType,
    /// Its class, which updates have meanings for (RFC 2136 §2.4).
    pub class: u16,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// Its data as it came.
    pub data: &'m [u8],
    /// Where that begins.
    at: usize,
}

/// Reads a message from its head on.
#[derive(Debug, Clone)]
pub struct Records<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Records<'m> {
    /// Of a message whose head was looked at.
    pub fn of(message: &'m [u8]) -> Self {
        Self { message, at: HEAD }
    }

    fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn word(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
    }

    /// A question: its name, type and class. `None` when it is malformed.
    pub fn question(&mut self) -> Option<(DomainName, RecordType, u16)> {
        Some((self.name()?, RecordType(self.word()?), self.word()?))
    }

    /// The next record. `None` when it is malformed, or there is none.
    pub fn record(&mut self) -> Option<Record<'m>> {
        let name = self.name()?;
        let (record_type, class) = (RecordType(self.word()?), self.word()?);
        let ttl = u32::from_be_bytes(*self.take(4)?.first_chunk()?);
        let length = usize::from(self.word()?);
        let at = self.at;
        Some(Record { name, record_type, class, ttl, data: self.take(length)?, at })
    }

    /// Past a question that is not looked at.
    pub fn pass_question(&mut self) -> Option<()> {
        self.pass_name()?;
        self.take(4).map(drop)
    }

    /// Past a record that is not looked at: where pointers in its name lead costs nothing.
    pub fn pass_record(&mut self) -> Option<()> {
        self.pass_name()?;
        self.take(8)?;
        let length = usize::from(self.word()?);
        self.take(length).map(drop)
    }

    fn pass_name(&mut self) -> Option<()> {
        loop {
            match *self.take(1)?.first()? {
                0 => return Some(()),
                length @ 1..=63 => drop(self.take(usize::from(length))?),
                POINTER.. => return self.take(1).map(drop),
                _ => return None,
            }
        }
    }

    /// Where the next one begins.
    pub fn place(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.at == self.message.len()
    }

    fn name(&mut self) -> Option<DomainName> {
        let (name, at) = name(self.message, self.at)?;
        self.at = at;
        Some(name)
    }
}

impl Record<'_> {
    /// Its data, names in it written out. `None` when it has not the form of its type.
    pub fn data(&self, message: &[u8]) -> Option<RecordData> {
        let (before, names) = names(self.record_type);
        let end = self.at + self.data.len();
        let mut octets = self.data.get(..before)?.to_vec();
        let mut at = self.at + before;
        for _ in 0..names {
            let (name, behind) = name(message.get(..end)?, at)?;
            octets.extend(name.as_wire());
            at = behind;
        }
        octets.extend(message.get(at..end)?);
        RecordData::new(self.record_type, octets).ok()
    }
}

/// Of the types in whose data names may be compressed (RFC 3597 §4): how many octets stand before the first name, and how many names there are.
fn names(record_type: RecordType) -> (usize, usize) {
    match record_type {
        RecordType::NS | RecordType::CNAME | RecordType::PTR | RecordType::DNAME => (0, 1),
        RecordType::SOA | RecordType::RP => (0, 2),
        RecordType::MX | RecordType::AFSDB | RecordType::KX => (2, 1),
        RecordType::SRV => (6, 1),
        _ => (0, 0),
    }
}

/// The name that stands at `at`, and where what follows it begins. A pointer leads back, each further than the one before.
fn name(message: &[u8], at: usize) -> Option<(DomainName, usize)> {
    let mut wire = Vec::new();
    let (mut from, mut behind, mut highest) = (at, None, at);
    let mut hops = 0;
    loop {
        let length = *message.get(from)?;
        match length {
            0 => break,
            1..=63 => {
                let end = from + 1 + usize::from(length);
                wire.extend(message.get(from..end)?);
                from = end;
            }
            POINTER.. => {
                let low = *message.get(from + 1)?;
                behind.get_or_insert(from + 2);
                from = usize::from(u16::from_be_bytes([length & !POINTER, low]));
                hops += 1;
                if from >= highest || hops > MAX_HOPS {
                    return None;
                }
                highest = from;
            }
            _ => return None,
        }
        if wire.len() >= MAX_NAME {
            return None;
        }
    }
    wire.push(0);
    Some((DomainName::from_wire(&wire).ok()?, behind.unwrap_or(from + 1)))
}

/// The serial that a question for what changed in a zone says its client has: that of the SOA in its authority section (RFC 1995 §3).
pub fn asked_serial(message: &[u8]) -> Option<u32> {
    let mut records = Records::of(message);
    records.question()?;
    let answers = u16::from_be_bytes(*message.get(6..8)?.first_chunk()?);
    let authority = u16::from_be_bytes(*message.get(8..10)?.first_chunk()?);
    if answers != 0 || authority != 1 {
        return None;
    }
    let soa = records.record().filter(|record| record.record_type == RecordType::SOA)?.data(message)?;
    let numbers = soa.octets().last_chunk::<20>()?;
    numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a.b`, then `c` with a pointer to `b`.
    const NAMES: &[u8] = b"\x01a\x01b\0\x01c\xc0\x02";

    #[test]
    fn names_are_read_with_the_pointers_in_them() {
        let check = |message: &[u8], at: usize, expected: Option<(&str, usize)>| {
            let read = name(message, at).map(|(name, behind)| (name.to_string(), behind));
            assert_eq!(read, expected.map(|(name, behind)| (name.to_owned(), behind)), "{message:?} {at}");
        };
        check(NAMES, 0, Some(("a.b.", 5)));
        check(NAMES, 5, Some(("c.b.", 9)));
        check(b"\0", 0, Some((".", 1)));
        check(b"\x01a\xc0\x00", 0, None);
        check(b"\xc0\x02\xc0\x00", 2, None);
        // One pointer after the other, from the end back to a name.
        let chain = |hops: u16| {
            let pointers = (0..hops).map(|hop| if hop == 0 { 0 } else { 2 * hop }).map(|to| to | 0xc000);
            [&[0, 0][..], pointers.map(u16::to_be_bytes).collect::<Vec<_>>().as_flattened()].concat()
        };
        check(&chain(128), 2 * 128, Some((".", 2 * 129)));
        check(&chain(129), 2 * 129, None);
        check(b"\x01a", 0, None);
        check(b"\x40a\0", 0, None);
        check(&[&[63; 64].repeat(4)[..], &[0]].concat(), 0, None);
        check(&[&[[63].as_slice(), &[97; 63]].concat().repeat(4)[..], &[0]].concat(), 0, None);
    }

    #[test]
    fn data_has_its_names_written_out() {
        let names = b"\x01a\x01b\0\x01c\xc0\x0e";
        let mx = b"\xc0\x11\0\x0f\0\x01\0\0\0\x3c\0\x04\0\x0a\xc0\x0c";
        let message = [&[0; 12][..], names, mx].concat();
        let mut records = Records { message: &message, at: 21 };
        let mx = records.record().expect("a record");
        assert!(records.is_at_end() && records.record().is_none());
        assert_eq!(
            (mx.name.to_string(), mx.record_type, mx.class, mx.ttl),
            ("c.b.".into(), RecordType::MX, 1, 60)
        );
        assert_eq!(mx.data(&message).expect("well formed").octets(), b"\0\x0a\x01a\x01b\0");
        let outside = Record { data: &message[..1], at: message.len() - 1, ..mx };
        assert_eq!(outside.data(&message), None);
    }

    #[test]
    fn what_changed_is_asked_for_with_a_serial() {
        let question = b"\0\x01\0\0\0\x01\0\0\0\x01\0\0\x01z\0\0\xfb\0\x01";
        let soa =
            b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x18\xc0\x0c\xc0\x0c\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(asked_serial(&[&question[..], soa].concat()), Some(7));
        assert_eq!(asked_serial(question), None);
    }
}
