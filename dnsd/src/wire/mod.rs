//! Messages as octets (RFC 1035 §4.1, RFC 6891): a question read, an answer written; and a question of ours, with its answer ([`upstream`]).
//!
//! In: whatever a client sent. Out: a [`Query`], or why there is none ([`Refused`]); octets of an answer. Never here: a zone, a decision
//! about an answer; a panic, an allocation for more than a message needs.

mod decode;
mod encode;
mod opt;
mod options;
mod records;
#[cfg(test)]
mod tests;
mod tsig;
pub mod upstream;

pub use decode::{Edns, Query, Refusal, Refused, decode, edns, refusal};
pub(crate) use encode::POINTER;
pub use encode::{Full, Head, Section, Writer};
pub use opt::{Extended, FULL_COOKIE, Told, write_opt};
pub use options::{CLIENT_COOKIE, Cookie, Options};
pub use records::{Record, Records, asked_serial};
pub use tsig::{Tsig, tsig};

/// A message's head (RFC 1035 §4.1.1).
pub const HEAD: usize = 12;
/// An OPT record without options (RFC 6891 §6.1.2).
pub const OPT: usize = 11;
/// The most a UDP answer has without EDNS (RFC 1035 §4.2.1).
pub const PLAIN_UDP: usize = 512;
/// The most a message can have: its length over TCP has 16 bits (RFC 1035 §4.2.2).
pub const LARGEST: usize = 65_535;
/// The Internet's class, the only one that is served.
pub const IN: u16 = 1;

/// Bits of the second word of the head.
pub(crate) mod flags {
    /// An answer.
    pub(crate) const QR: u16 = 0x8000;
    /// What the client wants done. Copied.
    pub(crate) const OPCODE: u16 = 0x7800;
    /// From whom holds the zone.
    pub(crate) const AA: u16 = 0x0400;
    /// Cut: ask again over TCP.
    pub(crate) const TC: u16 = 0x0200;
    /// Shall others be asked? Copied.
    pub(crate) const RD: u16 = 0x0100;
    /// Others are asked, for those who may.
    pub(crate) const RA: u16 = 0x0080;
    /// Shall nothing be validated? Copied (RFC 4035 §3.2.2).
    pub(crate) const CD: u16 = 0x0010;
}

/// What a client wants done: QUERY is the only one that is done.
pub(crate) fn opcode(flags: u16) -> u16 {
    flags >> 11 & 0xf
}

/// RCODE values (RFC 1035 §4.1.1, RFC 2136 §2.2, RFC 6891 §9, RFC 7873 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// NOERROR
    NoError = 0,
    /// FORMERR
    Malformed = 1,
    /// SERVFAIL
    Failure = 2,
    /// NXDOMAIN
    NoName = 3,
    /// NOTIMP
    NotImplemented = 4,
    /// REFUSED
    Refused = 5,
    /// YXDOMAIN
    NameExists = 6,
    /// YXRRSET
    SetExists = 7,
    /// NXRRSET
    NoSet = 8,
    /// NOTAUTH
    NotAuthoritative = 9,
    /// NOTZONE
    NotZone = 10,
    /// BADVERS
    BadVersion = 16,
    /// BADCOOKIE
    BadCookie = 23,
}

impl Code {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::NoError,
        Self::Malformed,
        Self::Failure,
        Self::NoName,
        Self::NotImplemented,
        Self::Refused,
        Self::NameExists,
        Self::SetExists,
        Self::NoSet,
        Self::NotAuthoritative,
        Self::NotZone,
        Self::BadVersion,
        Self::BadCookie,
    ];

    /// Its name in the registry of IANA.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::Malformed => "FORMERR",
            Self::Failure => "SERVFAIL",
            Self::NoName => "NXDOMAIN",
            Self::NotImplemented => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::NameExists => "YXDOMAIN",
            Self::SetExists => "YXRRSET",
            Self::NoSet => "NXRRSET",
            Self::NotAuthoritative => "NOTAUTH",
            Self::NotZone => "NOTZONE",
            Self::BadVersion => "BADVERS",
            Self::BadCookie => "BADCOOKIE",
        }
    }
}
