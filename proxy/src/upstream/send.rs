//! A request to one endpoint after the other, until one answers or no further one may be tried.

use super::ask::{Fault, HEADROOM, Patience, ask};
use super::connect::{ConnectError, Connection, connect, reuse};
use super::gate::{Place, Refusal, enter};
use super::pump::{Awaited, Pump, PumpError};
use crate::accept::buffer::Buffer;
use crate::accept::client::Client;
use crate::clock::millis;
use crate::health::{Attempt, DeadReason, InFlight, NoRetry, RequestBody, Sent, may_retry};
use crate::http::{BodyError, ResponseError, ResponseHead, Version, write_response};
use crate::log::End;
use crate::metrics::{Limit, UpstreamFailure};
use crate::respond::LocalReply;
use crate::route::{Candidate, Route, Tried};
use crate::visit::Visit;
use crate::worker::Worker;

/// An answer that has begun: its final head is here.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) head: Box<ResponseHead>,
    /// The head's octets, and what came behind them.
    pub(crate) buffer: Buffer,
    pub(crate) connection: Connection,
    pub(crate) patience: Patience,
    /// Which of the route's endpoints answered.
    pub(crate) index: usize,
    pub(crate) in_flight: InFlight,
    /// Among the connections to the endpoint, until the exchange has ended.
    pub(crate) place: Option<Place>,
    /// The exchange has ended so that the connection may serve another.
    pub(crate) is_at_rest: bool,
}

/// A failed attempt.
#[derive(Debug)]
struct Failed {
    reply: LocalReply,
    /// What it says about the endpoint; `None`: nothing.
    failure: Option<UpstreamFailure>,
    /// The limit that its answer is beyond.
    limit: Option<Limit>,
    /// Why the endpoint is out now; `None`: it is not to blame.
    dead: Option<DeadReason>,
    sent: Sent,
    /// Interim answers that the client has already.
    answered: bool,
    remedy: Remedy,
}

/// What is to be done about a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// Another endpoint may do better.
    Another,
    /// An unused connection had been closed under our hands: the same endpoint deserves a new one.
    Fresh,
    /// No endpoint can help: the client is told.
    Answer,
    /// Nobody is there to be told.
    Nothing,
}

/// Sends the client's request, which `pump` moves, by `route`. `None`: the client left before there was an answer.
///
/// # Errors
/// The reply that stands for the failure, after as many attempts as are allowed.
pub(crate) async fn send(
    worker: &Worker,
    client: &mut Client,
    route: &Route,
    (pump, visit): (&mut Pump, &mut Visit),
) -> Result<Option<Begun>, LocalReply> {
    // What is malformed on arrival costs no connection.
    let begun = match pump.parse(client.octets()) {
        Ok(()) => try_endpoints(worker, client, route, (pump, visit)).await,
        Err(error) => Err(reply_to(error)),
    };
    match begun {
        Ok(Some(_)) => {}
        Ok(None) => {
            visit.failed(pump);
            visit.ended(End::ClientGone);
        }
        Err(_) => visit.failed(pump),
    }
    begun
}

async fn try_endpoints(
    worker: &Worker,
    client: &mut Client,
    route: &Route,
    (pump, visit): (&mut Pump, &mut Visit),
) -> Result<Option<Begun>, LocalReply> {
    let retries = worker.settings().config.upstream.retries;
    let key = client.request_key(route);
    let pick = |tried: &Tried| route.pick(key, tried, &mut worker.rng.borrow_mut(), worker.now());
    let mut tried = Tried::new();
    let mut next = pick(&tried).ok_or(LocalReply::NoEndpoint)?;
    worker.budget.borrow_mut().deposit(worker.now());
    loop {
        let candidate = next;
        visit.tries(candidate.address());
        let mut failed = match attempt(worker, client, route, candidate, (pump, visit), true).await {
            Ok(begun) => return Ok(Some(begun)),
            Err(failed) => failed,
        };
        if failed.deserves_fresh(client, pump) {
            failed = match attempt(worker, client, route, candidate, (pump, visit), false).await {
                Ok(begun) => return Ok(Some(begun)),
                Err(failed) => failed,
            };
        }
        if failed.remedy == Remedy::Nothing {
            return Ok(None);
        }
        if worker.is_over() {
            // Not the endpoint's fault, and no time for another.
            return Err(LocalReply::Unavailable);
        }
        blame(worker, client, route, candidate, &failed);
        if failed.remedy == Remedy::Answer {
            return Err(failed.reply);
        }
        tried.insert(candidate.index);
        let another = pick(&tried);
        let attempt = Attempt {
            sent: failed.sent,
            idempotent: client.head.method().is_idempotent(),
            body: if pump.is_replayable() { RequestBody::Whole } else { RequestBody::Gone },
            answered: failed.answered,
            attempts: tried.len(),
            another: another.is_some(),
        };
        let allowed = may_retry(attempt, retries, &mut worker.budget.borrow_mut(), worker.now());
        next = match (allowed, another) {
            (Ok(()), Some(another)) => another,
            (Ok(()), None) => return Err(failed.reply),
            (Err(why), _) => return Err(refusal(worker, failed.reply, why, retries)),
        };
        worker.counters.retry();
    }
}

/// The reply when no further attempt is made.
fn refusal(worker: &Worker, reply: LocalReply, why: NoRetry, retries: usize) -> LocalReply {
    if why == NoRetry::Budget {
        worker.counters.retry_denied();
    }
    match (why, reply) {
        (NoRetry::NoOther, _) => reply,
        (NoRetry::Exhausted, _) if retries == 0 => LocalReply::RetryDisabled,
        (
            _,
            LocalReply::GatewayTimeout
            | LocalReply::BadAnswer(_)
            | LocalReply::InvalidEndpoint
            | LocalReply::Unavailable,
        ) => reply,
        (NoRetry::Exhausted | NoRetry::Budget, _) => LocalReply::RetriesUsed,
        (NoRetry::NotIdempotent | NoRetry::BodyGone | NoRetry::Answered, _) => LocalReply::NotRepeatable,
    }
}

/// Counts a failure, and marks the endpoint where it is to blame.
fn blame(worker: &Worker, client: &Client, route: &Route, candidate: Candidate<'_>, failed: &Failed) {
    if let Some(failure) = failed.failure {
        worker.counters.upstream_failure(failure);
    }
    if let Some(limit) = failed.limit {
        worker.counters.limit(limit);
    }
    if let Some(reason) = failed.dead {
        worker.bury(client.head.host(), route, candidate.index, reason);
    }
}

/// One attempt at `candidate`, over a connection that was used before where `may_reuse`.
async fn attempt(
    worker: &Worker,
    client: &mut Client,
    route: &Route,
    candidate: Candidate<'_>,
    (pump, visit): (&mut Pump, &mut Visit),
    may_reuse: bool,
) -> Result<Begun, Failed> {
    let in_flight = candidate.enter();
    let settings = worker.settings();
    let (limits, times) = (&settings.config.upstream, &route.frontend().policy.timeouts);
    let patience = Patience {
        response: millis(times.response.unwrap_or(limits.response_timeout)),
        client_idle: millis(settings.config.client.idle_timeout),
        idle: millis(times.idle.unwrap_or(limits.idle_timeout)),
        tunnel: millis(times.idle.unwrap_or(settings.config.client.tunnel_timeout)),
    };
    let may_stop = client.may_stop(pump.is_received(), pump.parsed());
    let place = enter(worker, client, candidate.address(), may_stop).await.map_err(Failed::waiting)?;
    // A request that must not be sent twice asks the kernel whether the connection is still open.
    let sure = !client.head.method().is_idempotent();
    let reused = if may_reuse { reuse(worker, candidate.address(), sure) } else { None };
    let mut connection = match reused {
        Some(connection) => {
            worker.counters.upstream_reuse();
            connection
        }
        None => {
            let patience = millis(times.connect.unwrap_or(limits.connect_timeout));
            // In a box: most requests find a connection, and none of them shall carry what opening one takes.
            let connecting = Box::pin(connect(worker, client, candidate.address(), patience, may_stop));
            let connected = connecting.await;
            let connection = connected.map_err(Failed::connecting)?;
            worker.counters.upstream_connect();
            connection
        }
    };
    let mut scratch = worker.take_scratch();
    client.write_head(worker, &mut scratch);
    pump.start(scratch, client.octets());
    let mut head = worker.take_head();
    let mut buffer = worker.responses.take();
    buffer.reserve_front(HEADROOM);
    let mut interim = 0;
    loop {
        let asked = ask(worker, client, pump, &mut connection, (&mut head, &mut buffer), patience).await;
        if let Err(fault) = asked {
            return Err(Failed::asking(fault, pump, connection.reused, interim > 0));
        }
        if head.is_upgrade() && !pump.is_done() {
            let fault = Fault::Malformed(ResponseError::Malformed("101 before the request was whole"));
            return Err(Failed::asking(fault, pump, connection.reused, interim > 0));
        }
        if !head.is_informational() {
            if let Some(scratch) = pump.reclaim() {
                worker.give_scratch(scratch);
            }
            let index = candidate.index;
            let is_at_rest = false;
            return Ok(Begun { head, buffer, connection, patience, index, in_flight, place, is_at_rest });
        }
        interim += 1;
        if interim > limits.informational {
            let fault = Fault::Malformed(ResponseError::TooManyInterim);
            return Err(Failed::asking(fault, pump, connection.reused, true));
        }
        let passed = pass_interim(worker, client, &head, &buffer).await;
        visit.moved(0, passed.map_err(|_| Failed::client_left(Sent::Body))?);
        pump.invite();
        buffer.consume(head.len());
    }
}

/// Passes an interim answer (1xx) on to a client that can understand it (RFC 9110 §15.2: not to HTTP/1.0), and returns how
/// many octets that took.
async fn pass_interim(
    worker: &Worker,
    client: &mut Client,
    head: &ResponseHead,
    buffer: &Buffer,
) -> std::io::Result<u64> {
    if client.head.version() == Version::Http10 {
        return Ok(0);
    }
    let mut scratch = worker.take_scratch();
    write_response(head, buffer.filled(), Version::Http11, false, &[], &mut scratch);
    client.deadline.arm(worker.after(millis(worker.settings().config.client.idle_timeout)));
    let written = client.transport.write_all(&scratch, &client.deadline).await;
    if written.is_err() {
        worker.waited_out(&client.deadline, Limit::ClientIdleTimeout);
    }
    let octets = scratch.len() as u64;
    worker.give_scratch(scratch);
    written.map(|()| octets)
}

/// The reply to a request that failed on its own side.
fn reply_to(error: PumpError) -> LocalReply {
    match error {
        PumpError::Malformed(error) => LocalReply::to_bad_body(error),
        PumpError::TooLarge => LocalReply::BodyTooLarge,
        PumpError::Truncated | PumpError::ClientGone | PumpError::EndpointGone => {
            LocalReply::to_bad_body(BodyError::Truncated)
        }
    }
}

impl Failed {
    /// No connection to the endpoint was free: another one may have room, unless the client has waited already.
    fn waiting(refusal: Refusal) -> Self {
        let refused = Self::request(LocalReply::Unavailable, Sent::Nothing);
        match refusal {
            Refusal::Full => Self { remedy: Remedy::Another, ..refused },
            Refusal::TimedOut => refused,
            Refusal::ClientLeft => Self::client_left(Sent::Nothing),
        }
    }

    fn connecting(error: ConnectError) -> Self {
        let (reply, failure, dead) = match error {
            ConnectError::Refused(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                (LocalReply::RetriesUsed, UpstreamFailure::Refused, Some(DeadReason::Refused))
            }
            ConnectError::Refused(_) => {
                (LocalReply::RetriesUsed, UpstreamFailure::ConnectError, Some(DeadReason::Unreachable))
            }
            ConnectError::TimedOut => (
                LocalReply::GatewayTimeout,
                UpstreamFailure::ConnectTimeout,
                Some(DeadReason::ConnectTimeout),
            ),
            ConnectError::Unresolved => {
                (LocalReply::InvalidEndpoint, UpstreamFailure::Unresolved, Some(DeadReason::Unreachable))
            }
            ConnectError::Forbidden => {
                (LocalReply::InvalidEndpoint, UpstreamFailure::Forbidden, Some(DeadReason::Forbidden))
            }
            ConnectError::ClientLeft => return Self::client_left(Sent::Nothing),
            ConnectError::Ours(error) => {
                tracing::warn!(%error, "cannot open a connection to an endpoint");
                (LocalReply::RetriesUsed, UpstreamFailure::ConnectError, None)
            }
        };
        let failure = Some(failure);
        Self { failure, dead, remedy: Remedy::Another, ..Self::request(reply, Sent::Nothing) }
    }

    fn request(reply: LocalReply, sent: Sent) -> Self {
        Self { reply, failure: None, limit: None, dead: None, sent, answered: false, remedy: Remedy::Answer }
    }

    fn client_left(sent: Sent) -> Self {
        Self { remedy: Remedy::Nothing, ..Self::request(reply_to(PumpError::ClientGone), sent) }
    }

    fn asking(fault: Fault, pump: &Pump, reused: bool, answered: bool) -> Self {
        let sent = match pump.is_touched() {
            false => Sent::Nothing,
            true if pump.has_body() => Sent::Body,
            true => Sent::Head,
        };
        let limit = fault.limit();
        let (reply, failure, dead) = match fault {
            Fault::Request(error) => return Self::request(reply_to(error), sent),
            Fault::ClientStalled => return Self::request(LocalReply::RequestTimeout, sent),
            Fault::ClientLeft => return Self::client_left(sent),
            // Closed while unused, which tells nothing about the endpoint.
            Fault::Closed { silent: true } if reused => {
                let (reply, failure) = (LocalReply::NotRepeatable, Some(UpstreamFailure::Reset));
                return Self { failure, answered, remedy: Remedy::Fresh, ..Self::request(reply, sent) };
            }
            Fault::Closed { .. } => {
                // Who tires of a client that sends its body too slowly is not dead.
                let dead = (pump.awaited() != Awaited::Client).then_some(DeadReason::Reset);
                (LocalReply::RetriesUsed, UpstreamFailure::Reset, dead)
            }
            // It may be the answer that is wrong, and not who gave it.
            Fault::Cut => (LocalReply::RetriesUsed, UpstreamFailure::Truncated, None),
            Fault::TimedOut => (
                LocalReply::GatewayTimeout,
                UpstreamFailure::ResponseTimeout,
                Some(DeadReason::ResponseTimeout),
            ),
            Fault::Malformed(error) => (error.into(), UpstreamFailure::Malformed, None),
        };
        // What an endpoint answered, however badly, was an answer to this request: no other endpoint is asked again.
        let is_answer = matches!(reply, LocalReply::BadAnswer(_));
        let remedy = if is_answer { Remedy::Answer } else { Remedy::Another };
        Self { reply, failure: Some(failure), limit, dead, sent, answered, remedy }
    }

    /// True when the same endpoint may be asked again over a new connection without a request happening twice.
    fn deserves_fresh(&self, client: &Client, pump: &Pump) -> bool {
        let harmless = self.sent == Sent::Nothing || client.head.method().is_idempotent();
        self.remedy == Remedy::Fresh && harmless && !self.answered && pump.is_replayable()
    }
}
