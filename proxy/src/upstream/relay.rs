//! The answer on its way to the client: head and body in as few writes as possible, what is left of the request besides.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::ask::Patience;
use super::connect::Connection;
use super::pump::{Awaited, Pump, PumpError};
use super::splice::{Pipe, WORTHWHILE};
use crate::accept::buffer::Buffer;
use crate::accept::client::Client;
use crate::accept::transport::Transport;
use crate::accept::turn::{TURN_OCTETS, end_turn};
use crate::http::BodyReader;
use crate::metrics::Limit;
use crate::worker::Worker;

/// While no more octets of an answer came, the endpoint may have little under way, and wait for what came to be acknowledged.
const HASTY: u64 = 1 << 20;

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Whole. `clean`: the endpoint sent nothing beyond it, and is at rest.
    Whole {
        /// Whether the endpoint's connection is fit for another exchange.
        clean: bool,
    },
    /// The endpoint ended or broke in the middle: the client must see that.
    Truncated,
    /// The endpoint fell silent in the middle: the client must see that too.
    Silent,
    /// The client is gone, takes nothing any more, or does not send what the endpoint waits for.
    ClientGone,
    /// The drain's deadline has passed.
    GivenUp,
}

/// An answer's octets between the endpoint and the client.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    buffer: &'a mut Buffer,
    /// How many octets in front of the buffer may be sent to the client.
    ready: usize,
    reader: BodyReader,
    /// What a large body goes through, once its beginning has left the buffer.
    pipe: Option<Pipe>,
    /// Payload without its chunks, for a client that does not know them (HTTP/1.0).
    decoded: Option<Vec<u8>>,
    decoded_sent: usize,
    /// The endpoint sent more than its answer, or ended it by closing.
    dirty: bool,
    /// The endpoint closed, where closing is the end of the body.
    ended: bool,
    /// The client's connection ends with it.
    closes: bool,
    /// Octets written to the client.
    pub(crate) sent: u64,
    /// Octets received from the endpoint.
    pub(crate) received: u64,
}

impl<'a> Answer<'a> {
    /// `buffer` holds the endpoint's head, and what came behind it, which `reader` shall read. `closes`: the client's connection ends
    /// as soon as all is written.
    pub(crate) fn new(buffer: &'a mut Buffer, reader: BodyReader, closes: bool) -> Self {
        let received = buffer.len() as u64;
        Self {
            buffer,
            ready: 0,
            reader,
            pipe: None,
            decoded: None,
            decoded_sent: 0,
            dirty: false,
            ended: false,
            closes,
            sent: 0,
            received,
        }
    }

    /// Puts `head` in the place of the endpoint's, which is `old` octets long. `decode`: the client does not know chunks.
    ///
    /// # Errors
    /// The body octets that are here already break their framing: nothing was sent then.
    pub(crate) fn begin(
        &mut self,
        old: usize,
        head: &[u8],
        decode: bool,
    ) -> Result<(), crate::http::BodyError> {
        if decode {
            self.buffer.consume(old);
            self.decoded = Some(head.to_vec());
        } else {
            self.buffer.replace_front(old, head);
            self.ready = head.len();
        }
        self.parse()
    }

    /// Checks what was read last.
    fn parse(&mut self) -> Result<(), crate::http::BodyError> {
        let fresh = &self.buffer.filled()[self.ready..];
        let advance = match &mut self.decoded {
            Some(decoded) => {
                let advance = self.reader.advance_decoding(fresh, decoded)?;
                self.dirty |= advance.consumed < fresh.len();
                self.buffer.truncate(0);
                advance
            }
            None => {
                let advance = self.reader.advance(fresh)?;
                self.dirty |= advance.consumed < fresh.len();
                self.ready += advance.consumed;
                advance
            }
        };
        debug_assert!(advance.complete || !self.dirty, "octets are left over only behind a whole message");
        Ok(())
    }

    /// Writes to the client what may be written.
    fn poll_flush(&mut self, cx: &mut Context<'_>, client: &mut Transport) -> Poll<Result<(), End>> {
        loop {
            let octets = match &self.decoded {
                Some(decoded) => &decoded[self.decoded_sent..],
                None => &self.buffer.filled()[..self.ready],
            };
            if octets.is_empty() {
                break;
            }
            let is_last = self.closes && self.reader.is_complete();
            let write = if is_last { Transport::poll_write_last } else { Transport::poll_write };
            let n = match ready!(write(client, cx, octets)) {
                Ok(n) if n > 0 => n,
                _ => return Poll::Ready(Err(End::ClientGone)),
            };
            self.sent += n as u64;
            if self.decoded.is_some() {
                self.decoded_sent += n;
            } else {
                self.buffer.consume(n);
                self.ready -= n;
            }
        }
        if let Some(decoded) = &mut self.decoded {
            decoded.clear();
            self.decoded_sent = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more from the endpoint.
    fn poll_fill(&mut self, cx: &mut Context<'_>, endpoint: &mut Transport) -> Poll<Result<(), End>> {
        self.buffer.truncate(0);
        self.buffer.consume(0);
        match ready!(endpoint.poll_fill(cx, self.buffer)) {
            Ok(n) if n > 0 => {
                self.received += n as u64;
                Poll::Ready(self.parse().map_err(|_| End::Truncated))
            }
            Ok(_) if self.reader.finish_at_eof().is_ok() => {
                self.ended = true;
                self.dirty = true;
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(End::Truncated)),
        }
    }

    /// Passes on what is in the pipe, or fills it: so that more can be passed on.
    fn poll_pass(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Transport,
        endpoint: &mut Transport,
    ) -> Poll<Result<(), End>> {
        let (Some(pipe), Some(most)) = (&mut self.pipe, self.reader.remaining()) else {
            return Poll::Ready(Ok(()));
        };
        if pipe.held() > 0 {
            return Poll::Ready(match ready!(pipe.poll_drain(cx, client)) {
                Ok(n) if n > 0 => {
                    self.sent += n as u64;
                    Ok(())
                }
                _ => Err(End::ClientGone),
            });
        }
        let filled = pipe.poll_fill(cx, endpoint, most);
        if filled.is_pending() && self.received < HASTY {
            endpoint.acknowledge();
        }
        Poll::Ready(match ready!(filled) {
            Ok(n) if n > 0 => {
                self.received += n as u64;
                self.reader.skip(n as u64).map_err(|_| End::Truncated)
            }
            _ => Err(End::Truncated),
        })
    }

    /// Moves what can be moved now; ready once the answer has ended.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        client: &mut Transport,
        endpoint: &mut Transport,
    ) -> Poll<End> {
        let start = self.sent;
        loop {
            if let Err(end) = ready!(self.poll_flush(cx, client)) {
                return Poll::Ready(end);
            }
            let passing = self.pipe.as_ref().is_some_and(|pipe| pipe.held() > 0);
            if !passing && (self.ended || self.reader.is_complete()) {
                return Poll::Ready(End::Whole { clean: !self.dirty });
            }
            if self.sent - start > TURN_OCTETS as u64 {
                return end_turn(cx);
            }
            if self.pipe.is_none() && self.reader.remaining().is_some_and(|left| left >= WORTHWHILE) {
                self.pipe = worker.pipes.take(&worker.shared.descriptors);
                self.buffer.rest();
            }
            let moved = match self.pipe {
                Some(_) => ready!(self.poll_pass(cx, client, endpoint)),
                None => ready!(self.poll_fill(cx, endpoint)),
            };
            if let Err(end) = moved {
                return Poll::Ready(end);
            }
        }
    }

    /// Gives the pipe back, if it has one.
    pub(crate) fn give_back(self, worker: &Worker) {
        if let Some(pipe) = self.pipe {
            worker.pipes.give(pipe);
        }
    }

    /// True while the client has not taken what is there for it.
    fn awaits_client(&self) -> bool {
        self.ready > 0
            || self.pipe.as_ref().is_some_and(|pipe| pipe.held() > 0)
            || self.decoded.as_ref().is_some_and(|d| self.decoded_sent < d.len())
    }
}

/// Relays an answer to its end; what is left of the request goes on being sent meanwhile.
pub(crate) async fn relay(
    worker: &Worker,
    client: &mut Client,
    pump: &mut Pump,
    connection: &mut Connection,
    answer: &mut Answer<'_>,
    patience: Patience,
) -> End {
    let is_last = !client.head.keep_alive();
    let Client { transport, deadline, buffer, .. } = client;
    let Some(buffer) = buffer else { return End::ClientGone };
    let mut pumping = !pump.is_done();
    let mut client_failed = false;
    let mut armed_at = None;
    poll_fn(|cx| {
        if pumping && let Poll::Ready(pumped) = pump.poll(cx, transport, buffer, &mut connection.transport, 0)
        {
            pumping = false;
            client_failed = !matches!(pumped, Ok(()) | Err(PumpError::EndpointGone));
        }
        if let Poll::Ready(end) = answer.poll(cx, worker, transport, &mut connection.transport) {
            return Poll::Ready(end);
        }
        if worker.is_over() {
            return Poll::Ready(End::GivenUp);
        }
        if !pumping && transport.poll_left(cx, deadline, is_last || buffer.len() > pump.parsed()) {
            return Poll::Ready(End::ClientGone);
        }
        let progress = (answer.sent, answer.received, pump.progress());
        if armed_at != Some(progress) {
            armed_at = Some(progress);
            let takes = if answer.awaits_client() { patience.client_idle } else { patience.idle };
            deadline.arm(worker.after(takes));
        }
        if !deadline.poll_expired(cx) {
            let client_owes = answer.awaits_client() || (pumping && pump.awaited() == Awaited::Client);
            deadline.pace(client_owes.then(|| pump.received() + answer.sent));
            return Poll::Pending;
        }
        // An endpoint that waits for the rest of the request is not to blame for its silence.
        let client_owes = answer.awaits_client() || client_failed || pump.awaited() == Awaited::Client;
        if client_owes && !client_failed {
            worker.waited_out(deadline, Limit::ClientIdleTimeout);
        }
        Poll::Ready(if client_owes { End::ClientGone } else { End::Silent })
    })
    .await
}
