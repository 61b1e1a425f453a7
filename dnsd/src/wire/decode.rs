//! A message as it came in, read.

use model::{DomainName, RecordType};

use super::options::{self, Options, Wrong};
use super::{Code, HEAD, IN, flags, opcode};
use crate::zone::Question;

/// A question that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'m> {
    /// The message's id, copied into the answer.
    pub id: u16,
    /// The second word of its head.
    pub flags: u16,
    /// The question section as it came, spelling included; copied into the answer.
    pub asked: &'m [u8],
    /// Of which name: its wire form, within the limits of one.
    pub name: &'m [u8],
    /// For which type.
    pub record_type: RecordType,
    /// In which class.
    pub class: u16,
    /// What EDNS says, where it was used.
    pub edns: Option<Edns>,
    /// Whether it is signed (RFC 8945).
    pub signed: bool,
    /// What its options say.
    pub options: Options<'m>,
}

/// What a client says of itself (RFC 6891).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// The largest UDP message it takes.
    pub udp: u16,
    /// It wants signatures (DO).
    pub dnssec: bool,
}

/// A message that is not answered from zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<'m> {
    /// Nothing is sent: it is an answer itself (which would make loops), or shorter than a head.
    Silent,
    /// This is sent.
    Told(Refusal<'m>),
    /// It has a cookie and no question: it asks for a cookie (RFC 7873 §5.4). This is sent where there are none.
    Unasked(Refusal<'m>),
}

/// What is sent instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'m> {
    /// The message's id.
    pub id: u16,
    /// The second word of its head.
    pub flags: u16,
    /// The question section as it came, where it could be read; else nothing.
    pub asked: &'m [u8],
    /// Why.
    pub code: Code,
    /// What EDNS says, where it could be read.
    pub edns: Option<Edns>,
    /// What its options say, likewise.
    pub options: Options<'m>,
}

/// Reads a message.
///
/// # Errors
/// [`Refused`] where it is no question that zones can answer.
pub fn decode(message: &[u8]) -> Result<Query<'_>, Refused<'_>> {
    let head = message.first_chunk::<HEAD>().ok_or(Refused::Silent)?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (id, flags) = (word(0), word(2));
    if flags & flags::QR != 0 {
        return Err(Refused::Silent);
    }
    let refuse = |code| {
        Refused::Told(Refusal { id, flags, asked: &[], code, edns: None, options: Options::default() })
    };
    if opcode(flags) != 0 {
        return Err(refuse(Code::NotImplemented));
    }
    let mut reader = Reader::of(message);
    // RFC 9619 §4: one, or none.
    let question = match word(4) {
        0 => None,
        1 => Some(reader.question().ok_or(refuse(Code::Malformed))?),
        _ => return Err(refuse(Code::Malformed)),
    };
    let asked = &message[HEAD..reader.at];
    let (before, additional) = (usize::from(word(6)) + usize::from(word(8)), usize::from(word(10)));
    let refusal = |code, edns| Refusal { id, flags, asked, code, edns, options: Options::default() };
    let opt = reader.opt(before, additional).ok_or(Refused::Told(refusal(Code::Malformed, None)))?;
    let edns = opt.map(|opt| opt.edns);
    if opt.is_some_and(|opt| opt.version > 0) {
        return Err(Refused::Told(refusal(Code::BadVersion, edns)));
    }
    let options = match opt.map(|opt| opt.options) {
        None => Options::default(),
        Some(Ok(options)) => options,
        Some(Err(wrong)) => {
            // Where one of them is wrong, EDNS itself was understood.
            let edns = edns.filter(|_| wrong == Wrong::Length);
            return Err(Refused::Told(refusal(Code::Malformed, edns)));
        }
    };
    let Some((name, record_type, class)) = question else {
        let refusal = Refusal { options, ..refusal(Code::Malformed, edns) };
        let asks_for_cookie = options.cookie.is_some();
        return Err(if asks_for_cookie { Refused::Unasked(refusal) } else { Refused::Told(refusal) });
    };
    Ok(Query { id, flags, asked, name, record_type, class, edns, options, signed: reader.signed })
}

/// What EDNS says in a message of whatever kind, and its options; `None` where it was not used, or cannot be read.
pub fn edns(message: &[u8]) -> Option<(Edns, Options<'_>)> {
    let head = message.first_chunk::<HEAD>()?;
    let count = |at: usize| usize::from(u16::from_be_bytes([head[at], head[at + 1]]));
    let mut reader = Reader::of(message);
    for _ in 0..count(4) {
        reader.question()?;
    }
    let opt = reader.opt(count(6) + count(8), count(10))??;
    Some((opt.edns, opt.options.ok()?)).filter(|_| opt.version == 0)
}

/// That a message is not answered, for this reason, whatever it is; `None` where nothing is sent.
pub fn refusal(message: &[u8], code: Code) -> Option<Refusal<'_>> {
    match decode(message) {
        Ok(query) => Some(query.refused(code)),
        Err(Refused::Told(refusal) | Refused::Unasked(refusal)) => Some(Refusal { code, ..refusal }),
        Err(Refused::Silent) => None,
    }
}

/// An OPT record.
#[derive(Clone, Copy)]
struct Opt<'m> {
    edns: Edns,
    version: u8,
    options: Result<Options<'m>, Wrong>,
}

/// Reads a message from its beginning.
pub(super) struct Reader<'m> {
    pub(super) message: &'m [u8],
    pub(super) at: usize,
    /// Whether a signature was met.
    signed: bool,
}

impl<'m> Reader<'m> {
    /// Behind the head.
    pub(super) fn of(message: &'m [u8]) -> Self {
        Self { message, at: HEAD, signed: false }
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    pub(super) fn word(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
    }

    /// A question's name cannot be compressed: there is nothing before it.
    fn question(&mut self) -> Option<(&'m [u8], RecordType, u16)> {
        let rest = self.message.get(self.at..)?;
        let name = self.take(DomainName::wire_length(rest).ok()?)?;
        Some((name, RecordType(self.word()?), self.word()?))
    }

    /// Walks over all records, of which each takes octets, and gives back the OPT record, if there is one; `None` when something is
    /// malformed, or more follows than was said.
    #[expect(clippy::option_option, reason = "malformed, absent, there")]
    fn opt(&mut self, before: usize, additional: usize) -> Option<Option<Opt<'m>>> {
        let mut opt = None;
        for place in 0..before + additional {
            let is_root = self.message.get(self.at) == Some(&0);
            self.skip_name()?;
            let (record_type, udp) = (RecordType(self.word()?), self.word()?);
            let &[_, version, high, _] = self.take(4)?.first_chunk()?;
            let length = usize::from(self.word()?);
            let data = self.take(length)?;
            if record_type == RecordType::TSIG {
                // One, the last of all (RFC 8945 §5.1).
                if place < before || place + 1 != before + additional {
                    return None;
                }
                self.signed = true;
            }
            if record_type != RecordType::OPT {
                continue;
            }
            // One, among the additional records, at the root (RFC 6891 §6.1.1).
            if place < before || opt.is_some() || !is_root {
                return None;
            }
            let edns = Edns { udp, dnssec: high & 0x80 != 0 };
            opt = Some(Opt { edns, version, options: options::read(data) });
        }
        (self.at == self.message.len()).then_some(opt)
    }

    /// Past a name that may end in a pointer; where that leads is nobody's business here.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            let length = *self.take(1)?.first()?;
            match length {
                0 => return Some(()),
                1..=63 => self.take(usize::from(length)).map(drop)?,
                192.. => return self.take(1).map(drop),
                _ => return None,
            }
        }
    }
}

impl<'m> Query<'m> {
    /// That it is not answered, and why.
    pub fn refused(&self, code: Code) -> Refusal<'m> {
        let Self { id, flags, asked, edns, options, .. } = *self;
        Refusal { id, flags, asked, code, edns, options }
    }

    /// What zones are asked.
    pub fn question(&self) -> Question {
        // It was checked when it was read.
        let name = DomainName::from_wire(self.name).unwrap_or_else(|_| DomainName::root());
        Question { name, record_type: self.record_type }
    }

    /// Whether it is of the class that is served.
    pub fn is_internet(&self) -> bool {
        self.class == IN
    }
}
