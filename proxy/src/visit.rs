//! What is remembered of one exchange while it goes on: its log entry, its route, and how much of the request is read.

use std::io;

use model::{Address, Revision};

use crate::accept::client::Client;
use crate::clock::millis;
use crate::http::{Framing, Method};
use crate::log::{End, Entry, Request};
use crate::metrics::Limit;
use crate::middleware::{DebugFields, Debugged, debug_wanted};
use crate::respond::{LocalReply, ReplyTo, write_reply};
use crate::route::{Route, RouteTable};
use crate::upstream::pump::Pump;
use crate::worker::Worker;

/// How much of a request's octets were read, when we answer for ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// All of it: the first so many octets of the client's buffer.
    Received(usize),
    /// Nothing behind the head.
    Unread(Framing),
    /// Somewhere in the middle, or it is malformed.
    Unclear,
}

/// One exchange, while it goes on.
#[derive(Debug)]
pub(crate) struct Visit {
    entry: Entry,
    rest: Option<Rest>,
    /// An answer's head is on its way to the client, or one of our own.
    begun: bool,
    debug: bool,
    /// Of the table it was looked up in, where somebody wants to know.
    revision: Option<Revision>,
}

impl Visit {
    /// A request came whose head is understood.
    pub(crate) fn begin(worker: &Worker, client: &mut Client) -> Self {
        let (head, octets) = (&client.head, client.octets());
        let mut entry = worker.log.open(&client.peer);
        entry.request(Request {
            method: head.method_text(octets),
            target: head.target(octets),
            version: head.version(),
            host: head.host(),
            referer: head.header(octets, "referer"),
            user_agent: head.header(octets, "user-agent"),
        });
        entry.received(head.len() as u64);
        let debug = debug_wanted(head, octets, &client.peer, worker.settings().config.debug_headers);
        if client.peer.is_trusted() {
            entry.client(client.real_ip());
        }
        Self { entry, rest: None, begun: false, debug, revision: None }
    }

    /// Something came that is not understood.
    pub(crate) fn malformed(worker: &Worker, client: &Client) -> Self {
        let mut entry = worker.log.open(&client.peer);
        entry.malformed(client.octets());
        entry.received(client.octets().len() as u64);
        Self { entry, rest: Some(Rest::Unclear), begun: false, debug: false, revision: None }
    }

    /// It is looked up in this table.
    pub(crate) fn looks_in(&mut self, table: &RouteTable) {
        if self.debug {
            self.revision = Some(table.revision());
        }
    }

    /// The route was found.
    pub(crate) fn goes_by(&mut self, route: &Route) {
        self.entry.backend(route.frontend().backend.name.as_str());
    }

    /// This endpoint of the route is tried now.
    pub(crate) fn tries(&mut self, endpoint: &Address) {
        self.entry.attempt(endpoint);
    }

    /// The attempts ended without an answer; `pump` knows how much of the request was read.
    pub(crate) fn failed(&mut self, pump: &Pump) {
        self.entry.received(pump.received());
        self.rest = Some(match pump.is_received() {
            true if pump.is_replayable() => Rest::Received(pump.parsed()),
            true | false => Rest::Unclear,
        });
    }

    /// An answer's head is here, and goes to the client with `status`.
    pub(crate) fn answered(&mut self, status: u16) {
        self.entry.answered();
        self.entry.sent(status);
        self.begun = true;
        self.rest = Some(Rest::Unclear);
    }

    /// It cannot go on, and nobody knows how far it went. True while the client can still be told.
    pub(crate) fn is_lost(&mut self) -> bool {
        self.rest = Some(Rest::Unclear);
        !self.begun
    }

    /// The fields that a debugging client is told of the answer that the endpoint at `index` of the route gave.
    pub(crate) fn debug_fields(&self, route: &Route, index: usize, client: &Client) -> Option<DebugFields> {
        let candidate = route.candidate(index).filter(|_| self.debug)?;
        Some(DebugFields::new(Debugged {
            endpoint: candidate.address(),
            index,
            backend: route.frontend().backend.name.as_str(),
            host: client.head.host(),
            revision: self.revision.unwrap_or_default(),
            total: self.entry.elapsed(),
            upstream: self.entry.attempt_elapsed(),
        }))
    }

    /// Octets of a body: read from the client, written to it.
    pub(crate) fn moved(&mut self, up: u64, down: u64) {
        self.entry.received(up);
        self.entry.wrote(down);
    }

    /// It ended.
    pub(crate) fn ended(&mut self, end: End) {
        self.entry.ended(end);
    }

    /// How much of the request was read.
    pub(crate) fn rest(&self, client: &Client) -> Rest {
        self.rest.unwrap_or(match (client.head.method(), client.head.framing()) {
            // What follows was meant for a tunnel, and may look like a request (RFC 9931).
            (Method::Connect, _) => Rest::Unclear,
            (_, Framing::None) => Rest::Received(client.head.len()),
            (_, framing) => Rest::Unread(framing),
        })
    }

    /// Answers for ourselves.
    ///
    /// # Errors
    /// The client is gone.
    pub(crate) async fn reply(
        &mut self,
        worker: &Worker,
        client: &mut Client,
        reply: LocalReply,
        close: bool,
    ) -> io::Result<()> {
        let settings = worker.settings();
        let to = ReplyTo {
            client: client.head.version(),
            close,
            head_request: client.head.method() == Method::Head,
            debug: self.debug,
            revision: self.revision,
            unix_seconds: unix_seconds(),
        };
        let mut octets = worker.take_scratch();
        write_reply(reply, &settings.pages, to, &mut octets);
        self.entry.replied(reply);
        self.begun = true;
        client.deadline.arm(worker.after(millis(settings.config.client.idle_timeout)));
        let written = client.transport.write_all(&octets, &client.deadline).await;
        if written.is_err() {
            worker.waited_out(&client.deadline, Limit::ClientIdleTimeout);
        }
        self.entry.wrote(octets.len() as u64);
        self.entry.ended(if written.is_ok() { End::Complete } else { End::ClientGone });
        worker.give_scratch(octets);
        written
    }
}

/// The wall clock: for a `Date`, where being wrong does no harm.
fn unix_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}
