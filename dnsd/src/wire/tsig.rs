//! What signs a message: its last record (RFC 8945 §4.2).

use model::{DomainName, RecordType};

use super::records::Records;
use super::{HEAD, LARGEST};

/// The class of the record.
const ANY: u16 = 255;
/// What the record takes beside its names, its MAC and its other data.
const FIXED: usize = 10 + 16;

/// A TSIG record as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tsig<'m> {
    /// Which key.
    pub key: DomainName,
    /// Which algorithm.
    pub algorithm: DomainName,
    /// When it was signed, in seconds since 1970.
    pub time: u64,
    /// How far clocks may differ, in seconds.
    pub fudge: u16,
    /// The signature.
    pub mac: &'m [u8],
    /// The message's id when it was signed.
    pub original_id: u16,
    /// What was wrong with the signature that is answered.
    pub error: u16,
    /// The time where that was wrong.
    pub other: &'m [u8],
    /// The message before it, its head's count of records not yet reduced.
    pub before: &'m [u8],
}

/// What signs a message. `None`: nothing does, or it is malformed.
pub fn tsig(message: &[u8]) -> Option<Tsig<'_>> {
    let mut records = Records::of(message);
    let count = |at: usize| message.get(at..at + 2)?.first_chunk().map(|octets| u16::from_be_bytes(*octets));
    for _ in 0..count(4)? {
        records.pass_question()?;
    }
    let before = usize::from(count(6)?) + usize::from(count(8)?);
    let all = before + usize::from(count(10)?);
    for _ in 1..all {
        records.pass_record()?;
    }
    let start = records.place();
    let record = records.record().filter(|_| all > before)?;
    if record.record_type != RecordType::TSIG || record.class != ANY || !records.is_at_end() {
        return None;
    }
    let algorithm =
        DomainName::from_wire(record.data.get(..DomainName::wire_length(record.data).ok()?)?).ok()?;
    let (fixed, rest) = record.data.get(algorithm.as_wire().len()..)?.split_first_chunk::<10>()?;
    let &[t0, t1, t2, t3, t4, t5, f0, f1, m0, m1] = fixed;
    let (mac, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([m0, m1])))?;
    let (&[i0, i1, e0, e1, o0, o1], other) = rest.split_first_chunk::<6>()?;
    (other.len() == usize::from(u16::from_be_bytes([o0, o1]))).then(|| Tsig {
        key: record.name,
        algorithm,
        time: u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5]),
        fudge: u16::from_be_bytes([f0, f1]),
        mac,
        original_id: u16::from_be_bytes([i0, i1]),
        error: u16::from_be_bytes([e0, e1]),
        other,
        before: message.get(..start).unwrap_or_default(),
    })
}

impl Tsig<'_> {
    /// How many octets it takes, with a MAC and other data of so many.
    pub fn length(key: &DomainName, algorithm: &DomainName, mac: usize, other: usize) -> usize {
        key.as_wire().len() + FIXED + algorithm.as_wire().len() + mac + other
    }

    /// Adds it to the message that begins at `start` of `out`.
    pub fn write(&self, out: &mut Vec<u8>, start: usize) {
        out.extend(self.key.as_wire());
        out.extend([RecordType::TSIG.0, ANY, 0, 0].map(u16::to_be_bytes).as_flattened());
        let length = FIXED - 10 + self.algorithm.as_wire().len() + self.mac.len() + self.other.len();
        out.extend(short(length).to_be_bytes());
        out.extend(self.algorithm.as_wire());
        out.extend(&self.time.to_be_bytes()[2..]);
        out.extend(self.fudge.to_be_bytes());
        out.extend(short(self.mac.len()).to_be_bytes());
        out.extend(self.mac);
        out.extend(self.original_id.to_be_bytes());
        out.extend(self.error.to_be_bytes());
        out.extend(short(self.other.len()).to_be_bytes());
        out.extend(self.other);
        if let Some(count) = out.get_mut(start + 10..start + HEAD)
            && let Some(before) = count.first_chunk().map(|octets| u16::from_be_bytes(*octets))
        {
            count.copy_from_slice(&before.saturating_add(1).to_be_bytes());
        }
    }

    /// What is signed of it (RFC 8945 §4.3.3): names in lower case.
    pub fn variables(&self) -> Vec<u8> {
        let mut signed = self.key.folded().as_wire().to_vec();
        signed.extend([ANY, 0, 0].map(u16::to_be_bytes).as_flattened());
        signed.extend(self.algorithm.folded().as_wire());
        signed.extend(self.timers());
        signed.extend(self.error.to_be_bytes());
        signed.extend(short(self.other.len()).to_be_bytes());
        signed.extend(self.other);
        signed
    }

    /// What is signed of it where others were signed before (RFC 8945 §5.3.1).
    pub fn timers(&self) -> [u8; 8] {
        let [_, _, t0, t1, t2, t3, t4, t5] = self.time.to_be_bytes();
        let [f0, f1] = self.fudge.to_be_bytes();
        [t0, t1, t2, t3, t4, t5, f0, f1]
    }
}

fn short(length: usize) -> u16 {
    u16::try_from(length.min(LARGEST)).unwrap_or(u16::MAX)
}
