//! The chunked coding (RFC 9112 §7.1), read strictly: what two readers could understand in two ways is refused.
//!
//! ```text
//!  Size ─► (ext) ─► SizeLf ─► Data ─► DataCr ─► DataLf ─► Size …
//!            size 0: └──────► TrailerStart ─► (name ─► value ─► lf) … ─► EndLf ─► Done
//! ```
//!
//! White space around sizes and extensions, which RFC 9112 calls bad and generates never, is refused. The state
//! is a few octets whatever the input; content is taken in slices, never octet by octet.

use super::error::BodyError;
use super::fields::{is_same_variable, is_token_octet};

/// Octets of a chunk size: what 64 bits hold.
const MAX_SIZE_DIGITS: u8 = 16;
/// Octets of all chunk extensions of a body together; nobody uses any.
const MAX_EXTENSION_BYTES: u32 = 4 << 10;
/// Octets of a trailer section.
const MAX_TRAILER_BYTES: u32 = 8 << 10;
/// The longest name among [`FORBIDDEN_TRAILERS`].
const LONGEST_FORBIDDEN: usize = 19;

/// Fields that would change framing, routing, identity or handling after the fact (RFC 9110 §6.5.1).
const FORBIDDEN_TRAILERS: [&[u8]; 24] = [
    b"transfer-encoding",
    b"content-length",
    b"host",
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"upgrade",
    b"expect",
    b"max-forwards",
    b"authorization",
    b"proxy-authorization",
    b"proxy-authenticate",
    b"cookie",
    b"set-cookie",
    b"content-encoding",
    b"content-type",
    b"content-range",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-port",
    b"x-forwarded-host",
    b"x-real-ip",
];

/// Where a chunked body stands.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    /// The size being read, then what remains of the chunk.
    size: u64,
    digits: u8,
    extension_bytes: u32,
    trailer_bytes: u32,
    name: [u8; LONGEST_FORBIDDEN],
    name_len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Size,
    ExtensionName {
        empty: bool,
    },
    ExtensionValue,
    ExtensionToken,
    ExtensionQuoted,
    ExtensionEscape,
    ExtensionEnd,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl Chunked {
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Done
    }

    /// Reads on and returns how many octets belong to the body; hands each run of content to `content`.
    pub(super) fn read(&mut self, input: &[u8], mut content: impl FnMut(&[u8])) -> Result<usize, BodyError> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            if self.state == State::Data {
                let run = usize::try_from(self.size).unwrap_or(usize::MAX).min(input.len() - at);
                content(&input[at..at + run]);
                at += run;
                self.size -= run as u64;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.state = self.step(input[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// One octet outside content.
    fn step(&mut self, octet: u8) -> Result<State, BodyError> {
        match self.state {
            State::Size => self.size_octet(octet),
            State::ExtensionName { .. }
            | State::ExtensionValue
            | State::ExtensionToken
            | State::ExtensionQuoted
            | State::ExtensionEscape
            | State::ExtensionEnd => self.extension_octet(octet),
            State::SizeLf => {
                expect(octet, b'\n', "a chunk size line does not end with CRLF")?;
                self.digits = 0;
                Ok(if self.size == 0 { State::TrailerStart } else { State::Data })
            }
            State::DataCr => {
                expect(octet, b'\r', "a chunk is longer than its size")?;
                Ok(State::DataLf)
            }
            State::DataLf => {
                expect(octet, b'\n', "a chunk is longer than its size")?;
                Ok(State::Size)
            }
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf => {
                self.trailer_octet(octet)
            }
            State::EndLf => {
                expect(octet, b'\n', "the last line does not end with CRLF")?;
                Ok(State::Done)
            }
            State::Data | State::Done => Ok(self.state),
        }
    }

    fn size_octet(&mut self, octet: u8) -> Result<State, BodyError> {
        let digit = match octet {
            b'0'..=b'9' => octet - b'0',
            b'a'..=b'f' => octet - b'a' + 10,
            b'A'..=b'F' => octet - b'A' + 10,
            b'\r' if self.digits > 0 => return Ok(State::SizeLf),
            b';' if self.digits > 0 => return Ok(State::ExtensionName { empty: true }),
            _ => return Err(BodyError::Chunk("the size is not a hexadecimal number")),
        };
        if self.digits == 0 {
            self.size = 0;
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(digit);
        if self.digits > MAX_SIZE_DIGITS || self.size > i64::MAX as u64 {
            return Err(BodyError::Chunk("the size is too large"));
        }
        Ok(State::Size)
    }

    /// `chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] )`.
    fn extension_octet(&mut self, octet: u8) -> Result<State, BodyError> {
        self.extension_bytes += 1;
        if self.extension_bytes > MAX_EXTENSION_BYTES {
            return Err(BodyError::Chunk("too many extensions"));
        }
        match (self.state, octet) {
            (State::ExtensionName { .. }, _) if is_token_octet(octet) => {
                Ok(State::ExtensionName { empty: false })
            }
            (State::ExtensionName { empty: false }, b'=') => Ok(State::ExtensionValue),
            (State::ExtensionValue, b'"') => Ok(State::ExtensionQuoted),
            (State::ExtensionValue | State::ExtensionToken, _) if is_token_octet(octet) => {
                Ok(State::ExtensionToken)
            }
            (State::ExtensionQuoted, b'"') => Ok(State::ExtensionEnd),
            (State::ExtensionQuoted, b'\\') => Ok(State::ExtensionEscape),
            (State::ExtensionQuoted | State::ExtensionEscape, b'\t' | b' '..=b'~' | 0x80..) => {
                Ok(State::ExtensionQuoted)
            }
            (State::ExtensionName { empty: false } | State::ExtensionToken | State::ExtensionEnd, b';') => {
                Ok(State::ExtensionName { empty: true })
            }
            (State::ExtensionName { empty: false } | State::ExtensionToken | State::ExtensionEnd, b'\r') => {
                Ok(State::SizeLf)
            }
            _ => Err(BodyError::Chunk("an extension is malformed")),
        }
    }

    fn trailer_octet(&mut self, octet: u8) -> Result<State, BodyError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > MAX_TRAILER_BYTES {
            return Err(BodyError::Trailer("too large"));
        }
        match (self.state, octet) {
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerStart | State::TrailerName, _) if is_token_octet(octet) => {
                if self.state == State::TrailerStart {
                    self.name_len = 0;
                }
                if let Some(slot) = self.name.get_mut(self.name_len) {
                    *slot = octet;
                }
                self.name_len = self.name_len.saturating_add(1);
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') => {
                if self.is_forbidden() {
                    return Err(BodyError::Trailer("a field that may not stand there"));
                }
                Ok(State::TrailerValue)
            }
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::TrailerStart | State::TrailerName, _) => {
                Err(BodyError::Trailer("a field name is malformed"))
            }
            _ => Err(BodyError::Trailer("a field value has a control character")),
        }
    }

    fn is_forbidden(&self) -> bool {
        self.name
            .get(..self.name_len)
            .is_some_and(|name| FORBIDDEN_TRAILERS.iter().any(|lower| is_same_variable(name, lower)))
    }
}

fn expect(octet: u8, wanted: u8, why: &'static str) -> Result<(), BodyError> {
    if octet == wanted { Ok(()) } else { Err(BodyError::Chunk(why)) }
}
