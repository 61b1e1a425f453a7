//! A request on its way to an endpoint: the rewritten head, then the body as the client sends it, in bounded memory.

use std::task::{Context, Poll, ready};

use crate::accept::buffer::Buffer;
use crate::accept::transport::Transport;
use crate::accept::turn::{TURN_OCTETS, end_turn};
use crate::http::{BodyError, BodyReader, RequestHead};

/// Moves one request from the client's buffer and connection to an endpoint.
///
/// The client's buffer keeps the head (its spans are in use) and as much of the body as fits: while nothing of it had to
/// make room, the request can be sent again to another endpoint.
#[derive(Debug)]
pub(crate) struct Pump {
    /// Octets of the head in the client's buffer.
    head: usize,
    reader: BodyReader,
    /// How far the buffer's octets are known to belong to this request.
    parsed: usize,
    /// How far they are sent.
    sent: usize,
    /// The rewritten head, with the first body octets behind it.
    first: Vec<u8>,
    first_sent: usize,
    /// Body octets received so far, framing included.
    body: u64,
    /// How much more of its content is allowed.
    allowed: u64,
    /// False while the client waits for a 100 before it sends its body.
    invited: bool,
    replayable: bool,
    touched: bool,
    moved: u64,
    done: bool,
}

/// Whom a request on its way waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The client, to send more of the body.
    Client,
    /// The endpoint, to take what is there.
    Endpoint,
    /// The endpoint, to answer.
    Answer,
}

/// Why a request could not be sent whole.
#[derive(Debug)]
pub(crate) enum PumpError {
    /// The client's connection is gone: nobody is there to be answered.
    ClientGone,
    /// The client ended its side in the middle of its body.
    Truncated,
    /// The client's framing is wrong.
    Malformed(BodyError),
    /// The body is larger than allowed.
    TooLarge,
    /// The endpoint takes no more.
    EndpointGone,
}

impl Pump {
    /// A pump for the request with this head, which is at the front of the client's buffer; with at most `most` octets of
    /// content, its chunks not counted.
    pub(crate) fn new(head: &RequestHead, most: u64) -> Self {
        Self {
            head: head.len(),
            reader: BodyReader::new(head.framing()),
            parsed: head.len(),
            sent: head.len(),
            first: Vec::new(),
            first_sent: 0,
            body: 0,
            allowed: most,
            invited: !head.expects_continue(),
            replayable: true,
            touched: false,
            moved: 0,
            done: false,
        }
    }

    /// Starts (again) with this rewritten head; what is known of the body is laid behind it, to leave in one write.
    pub(crate) fn start(&mut self, mut head: Vec<u8>, octets: &[u8]) {
        head.extend_from_slice(octets.get(self.head..self.parsed).unwrap_or_default());
        self.first = head;
        self.first_sent = 0;
        self.sent = self.parsed;
        self.touched = false;
        self.done = false;
    }

    /// The scratch memory of the head, for the next one; `None` while something of it has not left yet.
    pub(crate) fn reclaim(&mut self) -> Option<Vec<u8>> {
        (self.first_sent == self.first.len()).then(|| {
            self.first_sent = 0;
            std::mem::take(&mut self.first)
        })
    }

    /// True once the endpoint was given all of it.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// True while everything sent so far is still here to be sent again.
    pub(crate) fn is_replayable(&self) -> bool {
        self.replayable
    }

    /// True once at least one octet left for the endpoint.
    pub(crate) fn is_touched(&self) -> bool {
        self.touched
    }

    /// Octets moved so far, either way: it grows while the request makes progress.
    pub(crate) fn progress(&self) -> u64 {
        self.moved
    }

    /// Whom it waits for.
    pub(crate) fn awaited(&self) -> Awaited {
        if self.done {
            Awaited::Answer
        } else if self.first_sent < self.first.len() || self.sent < self.parsed {
            Awaited::Endpoint
        } else if self.invited || self.body > 0 {
            Awaited::Client
        } else {
            Awaited::Answer
        }
    }

    /// An interim answer went to the client: if it waited for one, it is its turn now.
    pub(crate) fn invite(&mut self) {
        self.invited = true;
    }

    /// True when the request has a body, seen so far.
    pub(crate) fn has_body(&self) -> bool {
        self.body > 0
    }

    /// True once the whole body was received from the client, sent on or not.
    pub(crate) fn is_received(&self) -> bool {
        self.reader.is_complete()
    }

    /// The octets of the client's buffer that belong to this request.
    pub(crate) fn parsed(&self) -> usize {
        self.parsed
    }

    /// Octets of the body that were received, framing included.
    pub(crate) fn received(&self) -> u64 {
        self.body
    }

    /// Takes note of the body octets that the client's buffer holds.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn parse(&mut self, octets: &[u8]) -> Result<(), PumpError> {
        let fresh = octets.get(self.parsed..).unwrap_or_default();
        if self.reader.is_complete() || fresh.is_empty() {
            return Ok(());
        }
        let advance = self.reader.advance(fresh).map_err(PumpError::Malformed)?;
        self.parsed += advance.consumed;
        self.body += advance.consumed as u64;
        let allowed = self.allowed.checked_sub(advance.content as u64);
        self.allowed = allowed.ok_or(PumpError::TooLarge)?;
        Ok(())
    }

    /// Sends what can be sent now; ready once all of it is sent. `keep` is how large the buffer may grow to stay replayable.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Transport,
        buffer: &mut Buffer,
        endpoint: &mut Transport,
        keep: usize,
    ) -> Poll<Result<(), PumpError>> {
        let start = self.moved;
        loop {
            if self.moved - start > TURN_OCTETS as u64 {
                return end_turn(cx);
            }
            while self.first_sent < self.first.len() {
                let n = ready!(self.poll_write(cx, endpoint, None))?;
                self.first_sent += n;
            }
            while self.sent < self.parsed {
                let n = ready!(self.poll_write(cx, endpoint, Some(buffer)))?;
                self.sent += n;
            }
            if self.reader.is_complete() {
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx, client, buffer, keep))?;
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        endpoint: &mut Transport,
        body: Option<&Buffer>,
    ) -> Poll<Result<usize, PumpError>> {
        let octets = match body {
            None => &self.first[self.first_sent..],
            Some(buffer) => &buffer.filled()[self.sent..self.parsed],
        };
        match ready!(endpoint.poll_write(cx, octets)) {
            Ok(n) if n > 0 => {
                self.touched = true;
                self.moved += n as u64;
                Poll::Ready(Ok(n))
            }
            _ => Poll::Ready(Err(PumpError::EndpointGone)),
        }
    }

    /// Reads more of the body. When the buffer is full the part that was sent makes room, and with it the chance of a replay.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Transport,
        buffer: &mut Buffer,
        keep: usize,
    ) -> Poll<Result<(), PumpError>> {
        if !buffer.make_space(1, self.head + keep) {
            buffer.truncate(self.head);
            self.parsed = self.head;
            self.sent = self.head;
            self.replayable = false;
        }
        if !self.replayable {
            // Nothing of what was sent is needed again: the space behind the head serves over and over.
            buffer.truncate(self.head);
            self.parsed = self.head;
            self.sent = self.head;
        }
        if buffer.space().is_empty() && !buffer.make_space(1, usize::MAX) {
            return Poll::Ready(Err(PumpError::ClientGone));
        }
        match ready!(client.poll_fill(cx, buffer)) {
            Ok(0) => Poll::Ready(Err(PumpError::Truncated)),
            Err(_) => Poll::Ready(Err(PumpError::ClientGone)),
            Ok(n) => {
                self.moved += n as u64;
                Poll::Ready(self.parse(buffer.filled()))
            }
        }
    }
}
