//! A request to one endpoint after the other, until one answers or no further one may be tried.

use std::sync::Arc;

use super::ask::{Fault, HEADROOM, Patience, ask};
use super::connect::{ConnectError, Connection, connect, reuse};
use super::pump::{Pump, PumpError};
use crate::accept::buffer::Buffer;
use crate::accept::client::Client;
use crate::clock::millis;
use crate::health::{Attempt, DeadReason, InFlight, NoRetry, RequestBody, Sent, may_retry};
use crate::http::{BodyError, ResponseError, ResponseHead, Version, write_response};
use crate::metrics::UpstreamFailure;
use crate::respond::LocalReply;
use crate::route::{Candidate, Route, Tried};
use crate::visit::Visit;
use crate::worker::Worker;

/// An answer that has begun: its final head is here.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) head: ResponseHead,
    /// The head's octets, and what came behind them.
    pub(crate) buffer: Buffer,
    pub(crate) connection: Connection,
    pub(crate) pump: Pump,
    pub(crate) patience: Patience,
    /// Which of the route's endpoints answered.
    pub(crate) index: usize,
    pub(crate) in_flight: InFlight,
}

/// A failed attempt, by what is to be done about it.
#[derive(Debug)]
struct Failed {
    reply: LocalReply,
    /// What it says about the endpoint; `None`: nothing.
    failure: Option<UpstreamFailure>,
    /// Why the endpoint is out now; `None`: it is not to blame.
    dead: Option<DeadReason>,
    sent: Sent,
    /// Interim answers that the client has already.
    answered: bool,
    /// An unused connection had been closed under our hands: the same endpoint deserves a new one.
    stale: bool,
    /// The client is the reason: no other endpoint helps.
    final_: bool,
}

/// Sends the client's request by `route`.
///
/// # Errors
/// The reply that stands for the failure, after as many attempts as are allowed.
pub(crate) async fn send(
    worker: &Worker,
    client: &mut Client,
    route: &Arc<Route>,
    visit: &mut Visit,
) -> Result<Begun, LocalReply> {
    let most = worker.settings().config.client.body_bytes.unwrap_or(u64::MAX);
    let mut pump = Pump::new(client.head.len(), client.head.framing(), most);
    let begun = try_endpoints(worker, client, route, (&mut pump, visit)).await;
    if begun.is_err() {
        visit.failed(&pump);
    }
    begun
}

async fn try_endpoints(
    worker: &Worker,
    client: &mut Client,
    route: &Arc<Route>,
    (pump, visit): (&mut Pump, &mut Visit),
) -> Result<Begun, LocalReply> {
    let settings = worker.settings();
    let key = client.request_key(route);
    let mut tried = Tried::new();
    let mut attempts = 0;
    let mut reply = LocalReply::NoEndpoint;
    worker.budget.borrow_mut().deposit(worker.now());
    loop {
        let picked = route.pick(key, &tried, &mut worker.rng.borrow_mut(), worker.now());
        let Some(candidate) = picked else { return Err(reply) };
        attempts += 1;
        visit.tries(candidate.index);
        let mut outcome = attempt(worker, client, route, candidate, pump, true).await;
        if let Err(Failed { stale: true, answered: false, .. }) = outcome
            && pump.is_replayable()
            && client.head.method().is_idempotent()
        {
            outcome = attempt(worker, client, route, candidate, pump, false).await;
        }
        let failed = match outcome {
            Ok(begun) => return Ok(begun),
            Err(failed) => failed,
        };
        blame(worker, client, route, candidate, &failed);
        tried.insert(candidate.index);
        if failed.final_ {
            return Err(failed.reply);
        }
        let attempt = Attempt {
            sent: failed.sent,
            idempotent: client.head.method().is_idempotent(),
            body: if pump.is_replayable() { RequestBody::Whole } else { RequestBody::Gone },
            answered: failed.answered,
            attempts,
        };
        let retries = settings.config.upstream.retries;
        let allowed = may_retry(attempt, retries, &mut worker.budget.borrow_mut(), worker.now());
        reply = failed.reply;
        match allowed {
            Ok(()) => worker.counters.retry(),
            Err(why) => return Err(refusal(worker, reply, why, retries)),
        }
    }
}

/// The reply when no further attempt is made.
fn refusal(worker: &Worker, reply: LocalReply, why: NoRetry, retries: usize) -> LocalReply {
    if why == NoRetry::Budget {
        worker.counters.retry_denied();
    }
    match (why, reply) {
        (NoRetry::Exhausted, _) if retries == 0 => LocalReply::RetryDisabled,
        (_, LocalReply::GatewayTimeout | LocalReply::BadAnswer(_) | LocalReply::InvalidEndpoint) => reply,
        (NoRetry::Exhausted | NoRetry::Budget, _) => LocalReply::RetriesUsed,
        (NoRetry::NotIdempotent | NoRetry::BodyGone | NoRetry::Answered, _) => LocalReply::NotRepeatable,
    }
}

/// Counts a failure, and marks the endpoint where it is to blame.
fn blame(worker: &Worker, client: &Client, route: &Arc<Route>, candidate: Candidate<'_>, failed: &Failed) {
    if let Some(failure) = failed.failure {
        worker.counters.upstream_failure(failure);
    }
    if let Some(reason) = failed.dead {
        worker.bury(client.head.host(), route, candidate.index, reason);
    }
}

/// One attempt at `candidate`, over a connection that was used before where `may_reuse`.
async fn attempt(
    worker: &Worker,
    client: &mut Client,
    route: &Arc<Route>,
    candidate: Candidate<'_>,
    pump: &mut Pump,
    may_reuse: bool,
) -> Result<Begun, Failed> {
    let in_flight = candidate.enter();
    let settings = worker.settings();
    let (limits, times) = (&settings.config.upstream, &route.frontend().policy.timeouts);
    let patience = Patience {
        response: millis(times.response.unwrap_or(limits.response_timeout)),
        client_idle: millis(settings.config.client.idle_timeout),
        idle: millis(times.idle.unwrap_or(limits.idle_timeout)),
    };
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
            let connected = connect(worker, candidate.address(), &client.deadline, patience).await;
            let connection = connected.map_err(Failed::connecting)?;
            worker.counters.upstream_connect();
            connection
        }
    };
    let mut scratch = worker.take_scratch();
    client.write_head(&mut scratch);
    if let Some(buffer) = &client.buffer {
        pump.start(scratch, buffer).map_err(|error| Failed::request(error, Sent::Nothing))?;
    }
    let mut head = ResponseHead::new();
    let mut buffer = worker.responses.take();
    buffer.reserve_front(HEADROOM);
    let mut interim = 0;
    loop {
        let asked = ask(worker, client, pump, &mut connection, (&mut head, &mut buffer), patience).await;
        if let Err(fault) = asked {
            return Err(Failed::asking(fault, pump, connection.reused, interim > 0));
        }
        if !head.is_informational() || head.is_upgrade() {
            worker.give_scratch(pump.reclaim());
            let pump = std::mem::replace(pump, Pump::new(0, crate::http::Framing::None, 0));
            return Ok(Begun { head, buffer, connection, pump, patience, index: candidate.index, in_flight });
        }
        interim += 1;
        if interim > limits.informational {
            let fault = Fault::Malformed(ResponseError::Malformed("too many interim answers"));
            return Err(Failed::asking(fault, pump, connection.reused, true));
        }
        pass_interim(worker, client, &head, &buffer).await.map_err(|_| Failed::client_gone())?;
        buffer.consume(head.len());
    }
}

/// Passes an interim answer (1xx) on to a client that can understand it (RFC 9110 §15.2: not to HTTP/1.0).
async fn pass_interim(
    worker: &Worker,
    client: &mut Client,
    head: &ResponseHead,
    buffer: &Buffer,
) -> std::io::Result<()> {
    if client.head.version() == Version::Http10 {
        return Ok(());
    }
    let mut scratch = worker.take_scratch();
    write_response(head, buffer.filled(), Version::Http11, false, &[], &mut scratch);
    let written = client.transport.write_all(&scratch, &client.deadline).await;
    worker.give_scratch(scratch);
    written
}

impl Failed {
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
            ConnectError::Ours(error) => {
                tracing::warn!(%error, "cannot open a connection to an endpoint");
                (LocalReply::RetriesUsed, UpstreamFailure::ConnectError, None)
            }
        };
        let failure = Some(failure);
        Self { reply, failure, dead, sent: Sent::Nothing, answered: false, stale: false, final_: false }
    }

    fn request(error: PumpError, sent: Sent) -> Self {
        let reply = match error {
            PumpError::Malformed(error) => LocalReply::to_bad_body(error),
            PumpError::TooLarge => LocalReply::BodyTooLarge,
            PumpError::ClientGone | PumpError::EndpointGone => LocalReply::to_bad_body(BodyError::Truncated),
        };
        Self { reply, failure: None, dead: None, sent, answered: false, stale: false, final_: true }
    }

    fn client_gone() -> Self {
        Self::request(PumpError::ClientGone, Sent::Body)
    }

    fn asking(fault: Fault, pump: &Pump, reused: bool, answered: bool) -> Self {
        let sent = match pump.is_touched() {
            false => Sent::Nothing,
            true if pump.has_body() => Sent::Body,
            true => Sent::Head,
        };
        let (reply, failure, dead) = match fault {
            Fault::Request(error) => return Self::request(error, sent),
            Fault::ClientStalled => {
                let stalled = Self::request(PumpError::ClientGone, sent);
                return Self { reply: LocalReply::RequestTimeout, ..stalled };
            }
            // Closed while unused, which tells nothing about the endpoint.
            Fault::Closed { silent: true } if reused => {
                let failure = Some(UpstreamFailure::Reset);
                return Self {
                    reply: LocalReply::NotRepeatable,
                    failure,
                    dead: None,
                    sent,
                    answered,
                    stale: true,
                    final_: false,
                };
            }
            Fault::Closed { .. } => {
                (LocalReply::RetriesUsed, UpstreamFailure::Reset, Some(DeadReason::Reset))
            }
            Fault::TimedOut => (
                LocalReply::GatewayTimeout,
                UpstreamFailure::ResponseTimeout,
                Some(DeadReason::ResponseTimeout),
            ),
            Fault::Malformed(error) => (error.into(), UpstreamFailure::Malformed, None),
        };
        // What an endpoint answered, however badly, was an answer to this request: no other endpoint is asked again.
        let final_ = matches!(reply, LocalReply::BadAnswer(_));
        Self { reply, failure: Some(failure), dead, sent, answered, stale: false, final_ }
    }
}
