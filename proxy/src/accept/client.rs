//! A client's connection: its octets, the head that was read from them, and what is known of the peer.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use super::buffer::Buffer;
use super::deadline::Deadline;
use super::transport::Transport;
use super::turn::TURN_REQUESTS;
use crate::balance::RequestKey;
use crate::clock::millis;
use crate::config::Listener;
use crate::http::{Framing, HeadScan, Parsed, RequestError, RequestHead, write_request};
use crate::memory::Pressure;
use crate::metrics::Limit;
use crate::middleware::{Forwarded, Peer, Scheme};
use crate::proxy_protocol::Ends;
use crate::respond::LocalReply;
use crate::route::Route;
use crate::worker::Worker;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) transport: Transport,
    pub(crate) peer: Peer,
    pub(crate) deadline: Rc<Deadline>,
    /// Only while octets are in it.
    pub(crate) buffer: Option<Buffer>,
    pub(crate) head: RequestHead,
    /// Requests so far, the one in hand included.
    pub(super) requests: usize,
    pub(super) forwarded: Forwarded,
}

/// What came of waiting for a request.
#[derive(Debug)]
pub(crate) enum Next {
    /// A request's head is in [`Client::head`], its octets in front of [`Client::buffer`].
    Request,
    /// The client ended, or was idle for too long.
    End,
    /// What came cannot be answered but with this; the connection ends after it.
    Refused(LocalReply),
}

impl Client {
    /// The client of a connection from `peer`, which came to `listener`.
    pub(crate) fn new(worker: &Worker, transport: Transport, listener: &Listener, ends: Ends) -> Self {
        let deadline = worker.deadlines.add();
        // The port is that of the same door as the scheme.
        let port = listener.scheme.map_or(ends.local.port(), Scheme::port);
        let (peer, forwarded) = known(worker, listener, ends.client, port);
        Self { transport, peer, deadline, buffer: None, head: RequestHead::new(), requests: 0, forwarded }
    }

    /// The connection is one that a load balancer passes on: these are its ends.
    pub(crate) fn is_from(&mut self, worker: &Worker, listener: &Listener, ends: Ends) {
        (self.peer, self.forwarded) = known(worker, listener, ends.client, ends.local.port());
    }

    /// Waits for the next request; holds no memory until its first octet is here.
    pub(crate) async fn next(&mut self, worker: &Worker) -> Next {
        let settings = worker.settings();
        let limits = &settings.config.client;
        loop {
            if self.buffer.is_none() && !self.first_octets(worker).await {
                return Next::End;
            }
            if self.octets() != b"\r\n" {
                break;
            }
            // An empty line that old clients send behind a body (RFC 9112 §2.2): no request has begun.
            self.consume(2);
        }
        let Some(buffer) = &mut self.buffer else { return Next::End };
        let mut scan = HeadScan::new(limits.request_line_bytes, limits.head_bytes);
        let mut armed = false;
        loop {
            if scan.is_worth_parsing(buffer.filled()) {
                // A test's defect of ours.
                #[cfg(test)]
                assert!(!buffer.filled().starts_with(b"PANIC "), "as the test wants it");
                match self.head.parse(buffer.filled(), &settings.request_limits) {
                    Ok(Parsed::Complete) => {
                        self.deadline.begin();
                        self.requests = self.requests.saturating_add(1);
                        return Next::Request;
                    }
                    Ok(Parsed::Partial) => {}
                    Err(error) => {
                        match error {
                            RequestError::HeadTooLarge => worker.counters.limit(Limit::ClientHead),
                            RequestError::TooManyFields => worker.counters.limit(Limit::ClientHeaders),
                            _ => {}
                        }
                        return Next::Refused(error.into());
                    }
                }
            }
            if !armed {
                self.deadline.arm(worker.after(millis(limits.head_timeout)));
                armed = true;
            }
            // One octet beyond the limit is room enough to see that it is exceeded.
            if !buffer.make_space(1, limits.head_bytes + 1) {
                worker.counters.limit(Limit::ClientHead);
                return Next::Refused(LocalReply::HeadTooLarge);
            }
            match self.transport.fill(buffer, &self.deadline).await {
                Ok(0) => return Next::End,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                    worker.waited_out(&self.deadline, Limit::ClientHeadTimeout);
                    return Next::Refused(LocalReply::RequestTimeout);
                }
                Err(_) => return Next::End,
            }
        }
    }

    /// Waits for the first octets of a request; false when none come.
    async fn first_octets(&mut self, worker: &Worker) -> bool {
        let until = worker.after(millis(worker.settings().config.client.keep_alive_timeout));
        self.deadline.arm_idle(until, self.requests == 0);
        // A first request is often there when its connection is accepted, another one is seldom there yet.
        if self.requests > 0 && self.transport.expects_a_wait().is_err() {
            return false;
        }
        let mut buffer = worker.requests.take();
        let came = matches!(self.fill_idle(worker, &mut buffer).await, Ok(1..));
        self.buffer = came.then_some(buffer);
        came
    }

    /// Waits for octets while no request is in hand, until the deadline. In a drain nothing is waited for; but what was sent before
    /// it is read, also where the reactor has not heard of it yet: its sender would see a reset.
    ///
    /// # Errors
    /// Nothing came in time; the connection is lost.
    pub(super) async fn fill_idle(&mut self, worker: &Worker, buffer: &mut Buffer) -> io::Result<usize> {
        if !worker.is_draining() {
            let filled = self.transport.fill(buffer, &self.deadline).await;
            if matches!(filled, Ok(1..)) || !worker.is_draining() {
                return filled;
            }
        }
        self.transport.try_fill(buffer).unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// True when another request may follow the one in hand.
    pub(crate) fn goes_on(&self, worker: &Worker) -> bool {
        self.head.keep_alive()
            && !worker.is_draining()
            && worker.pressure() == Pressure::None
            && !self.had_its_last(worker)
    }

    /// True once the connection has had as many requests as one may have.
    pub(crate) fn had_its_last(&self, worker: &Worker) -> bool {
        let most = worker.settings().config.client.requests_per_connection;
        most.is_some_and(|most| self.requests >= most)
    }

    /// True when other connections deserve a turn: so many requests came at once that answering them would never wait.
    pub(crate) fn has_had_its_turn(&self) -> bool {
        self.buffer.is_some() && self.requests.is_multiple_of(TURN_REQUESTS)
    }

    /// The first `n` octets are done with; the buffer goes back when nothing is left.
    pub(crate) fn consume(&mut self, n: usize) {
        if let Some(buffer) = &mut self.buffer {
            buffer.consume(n);
            if buffer.is_empty() {
                self.buffer = None;
                self.forwarded.rest();
            }
        }
    }

    /// The octets that the head's spans point into.
    pub(crate) fn octets(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], Buffer::filled)
    }

    /// True when the client asked for another protocol and speaks it already behind the `request` octets of its request:
    /// when it is refused, what looks like a request there is none (RFC 9931).
    pub(crate) fn speaks_on(&self, request: usize) -> bool {
        self.head.asked().upgrade && self.octets().len() > request
    }

    /// True when the client may close its side before it is answered and still wants the answer: its request is not `received`
    /// whole yet, was announced as its last, or more follows behind the `request` octets of it.
    pub(crate) fn may_stop(&self, received: bool, request: usize) -> bool {
        !received || !self.head.keep_alive() || self.octets().len() > request
    }

    /// What of the request decides which endpoint takes it.
    pub(crate) fn request_key(&mut self, route: &Route) -> RequestKey {
        let Self { head, buffer, forwarded, .. } = self;
        let octets = buffer.as_ref().map_or(&[][..], Buffer::filled);
        route.request_key(|| forwarded.client(head, octets), |name| head.header(octets, name))
    }

    /// Writes the request's head as the endpoint shall see it.
    pub(crate) fn write_head(&mut self, worker: &Worker, out: &mut Vec<u8>) {
        let Self { head, buffer, forwarded, .. } = self;
        let octets = buffer.as_ref().map_or(&[][..], Buffer::filled);
        let settings = worker.settings();
        let edits = forwarded.before(head, octets, settings.config.forwarded).edits;
        let via = if settings.config.via { worker.shared.via.line(head.version()) } else { b"" };
        write_request(head, octets, edits.replaced, &[edits.lines, via], out);
    }

    /// The client's address as a trusted peer says, or the peer's own.
    pub(crate) fn real_ip(&mut self) -> &[u8] {
        let Self { head, buffer, forwarded, .. } = self;
        forwarded.before(head, buffer.as_ref().map_or(&[][..], Buffer::filled), false).real_ip
    }

    /// Closes so that what was written still arrives: octets that were sent to us and not read would turn the close into a
    /// reset, and the reset would overtake our answer. They are read and thrown away, so many and so long as is allowed.
    pub(crate) async fn linger(&mut self, worker: &Worker) {
        self.transport.finish();
        self.deadline.arm(worker.after(LINGER_MS));
        let mut allowed = worker.settings().config.client.drain_bytes;
        let mut sink = self.buffer.take().unwrap_or_else(|| worker.requests.take());
        loop {
            sink.consume(sink.len());
            match self.transport.fill(&mut sink, &self.deadline).await {
                Ok(n) if n > 0 && n as u64 <= allowed => allowed -= n as u64,
                _ => return,
            }
        }
    }

    /// Closes a connection whose last request was read whole.
    pub(crate) async fn close(&mut self, worker: &Worker) {
        // Who asked for the end has said all, but for the empty line that old clients send behind a body (RFC 9112 §2.2).
        let may_say_more = self.head.keep_alive() || self.head.framing() != Framing::None;
        if self.buffer.is_some() || (may_say_more && self.transport.stirred()) {
            self.linger(worker).await;
        }
    }
}

/// Who the peer is, and what origins are told of it.
fn known(worker: &Worker, listener: &Listener, address: SocketAddr, port: u16) -> (Peer, Forwarded) {
    let settings = worker.settings();
    let trusted = listener.trusted.as_deref().unwrap_or(&settings.config.trusted);
    let (peer, scheme) = (Peer::new(address, trusted), listener.scheme.unwrap_or(Scheme::Http));
    (peer, Forwarded::new(peer, trusted, port, scheme))
}

/// How long a closing connection is read from, in milliseconds.
const LINGER_MS: u64 = 2_000;
