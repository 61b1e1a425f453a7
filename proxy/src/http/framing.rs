//! Where a body ends: counted, chunked or until the peer closes.

use super::chunked::Chunked;
use super::error::BodyError;

/// How a message says where its body ends (RFC 9112 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// No body, and no field that speaks of one.
    #[default]
    None,
    /// `Content-Length`, in octets.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Until the connection closes; responses only.
    UntilClose,
}

/// What [`BodyReader::advance`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// How many octets of the input belong to this message.
    pub consumed: usize,
    /// How many of those are content, freed from its coding.
    pub content: usize,
    /// The message is whole: what follows is another one.
    pub complete: bool,
}

/// Finds the end of one body in a stream that arrives in any pieces, and checks its coding on the way.
///
/// It holds no octets of the stream: what it accepted may be forwarded as it is.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl BodyReader {
    /// A reader for a body of that framing, before its first octet.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None => State::Length(0),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::default()),
            Framing::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Reads on; `input[..consumed]` may be forwarded unchanged.
    ///
    /// # Errors
    /// [`BodyError`] when the coding is malformed: nothing of `input` may be forwarded.
    pub fn advance(&mut self, input: &[u8]) -> Result<Advance, BodyError> {
        self.read(input, |_| {})
    }

    /// Reads on and appends the content, freed from its coding, to `out`; trailers are checked and dropped.
    ///
    /// # Errors
    /// [`BodyError`] when the coding is malformed; `out` may then hold some of the content before it.
    pub fn advance_decoding(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Advance, BodyError> {
        self.read(input, |content| out.extend_from_slice(content))
    }

    fn read(&mut self, input: &[u8], mut content: impl FnMut(&[u8])) -> Result<Advance, BodyError> {
        match &mut self.state {
            State::Length(remaining) => {
                let consumed = usize::try_from(*remaining).unwrap_or(usize::MAX).min(input.len());
                content(&input[..consumed]);
                *remaining -= consumed as u64;
                Ok(Advance { consumed, content: consumed, complete: *remaining == 0 })
            }
            State::Chunked(chunked) => {
                let mut found = 0;
                let consumed = chunked.read(input, |run| {
                    found += run.len();
                    content(run);
                })?;
                Ok(Advance { consumed, content: found, complete: chunked.is_complete() })
            }
            State::UntilClose => {
                content(input);
                Ok(Advance { consumed: input.len(), content: input.len(), complete: false })
            }
        }
    }

    /// True when the whole body was read. A body until close never is, before [`Self::finish_at_eof`].
    pub fn is_complete(&self) -> bool {
        match &self.state {
            State::Length(remaining) => *remaining == 0,
            State::Chunked(chunked) => chunked.is_complete(),
            State::UntilClose => false,
        }
    }

    /// How many octets of a counted body are still to come; `None` when that cannot be known.
    pub fn remaining(&self) -> Option<u64> {
        match &self.state {
            State::Length(remaining) => Some(*remaining),
            State::Chunked(_) | State::UntilClose => None,
        }
    }

    /// Counts octets of a counted body (or one until close) that went past without being seen (splice).
    ///
    /// # Errors
    /// [`BodyError::Chunk`] for a chunked body, which has to be seen, and for more octets than remain.
    pub fn skip(&mut self, octets: u64) -> Result<(), BodyError> {
        match &mut self.state {
            State::Length(remaining) if octets <= *remaining => {
                *remaining -= octets;
                Ok(())
            }
            State::UntilClose => Ok(()),
            State::Length(_) => Err(BodyError::Chunk("more octets than the length")),
            State::Chunked(_) => Err(BodyError::Chunk("octets went past unseen")),
        }
    }

    /// The peer closed: was that the end?
    ///
    /// # Errors
    /// [`BodyError::Truncated`] when octets are missing.
    pub fn finish_at_eof(&self) -> Result<(), BodyError> {
        match &self.state {
            State::UntilClose => Ok(()),
            State::Length(_) | State::Chunked(_) if self.is_complete() => Ok(()),
            State::Length(_) | State::Chunked(_) => Err(BodyError::Truncated),
        }
    }
}
