//! The OPT record of an answer (RFC 6891 §6.1), with its options: for every way on which an answer is made.

use model::RecordType;

use super::options::{COOKIE, EXTENDED, KEEPALIVE, NSID};
use super::{Edns, OPT};

/// The octets of a cookie in an answer: the client's, and ours (RFC 9018 §4).
pub const FULL_COOKIE: usize = 24;
/// An option's code and length.
const OPTION: usize = 4;

/// What the options of an answer say. Nothing, by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told<'a> {
    /// The cookie that the client is to send from now on.
    pub cookie: Option<[u8; FULL_COOKIE]>,
    /// Who answers; empty: that is not told.
    pub nsid: &'a [u8],
    /// How long a connection may be idle, in units of 100 ms.
    pub keepalive: Option<u16>,
    /// Why there is no other answer.
    pub error: Option<Extended>,
}

/// Why a question is not answered, for whoever looks for the reason (RFC 8914 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// The registry was not read yet.
    NotReady = 14,
    /// The client may not ask.
    Prohibited = 18,
    /// No zone of ours holds the name.
    NotAuthoritative = 20,
    /// What is known of the zone is too old.
    InvalidData = 24,
}

impl Extended {
    /// What a person reads.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotReady => "the registry was not read yet",
            Self::Prohibited => "your address may not ask here",
            Self::NotAuthoritative => "no zone here holds this name",
            Self::InvalidData => "the registry is lost for too long",
        }
    }
}

impl Told<'_> {
    /// How many octets the whole OPT record has.
    pub fn opt_length(&self) -> usize {
        let option = |length: usize| OPTION + length;
        OPT + self.cookie.map_or(0, |cookie| option(cookie.len()))
            + if self.nsid.is_empty() { 0 } else { option(self.nsid.len()) }
            + self.keepalive.map_or(0, |_| option(2))
            + self.error.map_or(0, |error| option(2 + error.text().len()))
    }
}

/// Writes the OPT record: `edns` says what we take, `high` are the upper bits of the code (RFC 6891 §6.1.3). Its length is that of
/// [`Told::opt_length`].
pub fn write_opt(out: &mut Vec<u8>, edns: Edns, high: u8, told: &Told<'_>) {
    out.push(0);
    out.extend(RecordType::OPT.0.to_be_bytes());
    out.extend(edns.udp.to_be_bytes());
    out.extend([high, 0, if edns.dnssec { 0x80 } else { 0 }, 0]);
    out.extend(short(told.opt_length() - OPT));
    if !told.nsid.is_empty() {
        option(out, NSID, &[told.nsid]);
    }
    if let Some(cookie) = &told.cookie {
        option(out, COOKIE, &[cookie]);
    }
    if let Some(keepalive) = told.keepalive {
        option(out, KEEPALIVE, &[&keepalive.to_be_bytes()]);
    }
    if let Some(error) = told.error {
        option(out, EXTENDED, &[&(error as u16).to_be_bytes(), error.text().as_bytes()]);
    }
}

fn option(out: &mut Vec<u8>, code: u16, parts: &[&[u8]]) {
    out.extend(code.to_be_bytes());
    out.extend(short(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        out.extend(*part);
    }
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_as_long_as_was_said() {
        let edns = Edns { udp: 1232, dnssec: true };
        let check = |told: Told<'_>, options: &[u8]| {
            let mut out = vec![9];
            write_opt(&mut out, edns, 1, &told);
            let length = u16::try_from(options.len()).expect("short").to_be_bytes();
            let head = [&[9, 0, 0, 41, 4, 208, 1, 0, 0x80, 0][..], &length].concat();
            assert_eq!(out, [&head, options].concat(), "{told:?}");
            assert_eq!(told.opt_length(), out.len() - 1);
        };
        check(Told::default(), &[]);
        check(Told { nsid: b"a1", ..Told::default() }, b"\0\x03\0\x02a1");
        check(Told { keepalive: Some(100), ..Told::default() }, b"\0\x0b\0\x02\0\x64");
        let cookie = [5; FULL_COOKIE];
        check(Told { cookie: Some(cookie), ..Told::default() }, &[&b"\0\x0a\0\x18"[..], &cookie].concat());
        let error = Told { error: Some(Extended::Prohibited), ..Told::default() };
        check(error, b"\0\x0f\0\x1f\0\x12your address may not ask here");
    }
}
