//! An answer that has begun, to its end: head and body to the client, the connection back to the pool.

use std::sync::atomic::Ordering;

use super::pool::Room;
use super::pump::Pump;
use super::relay::{Answer, End, relay};
use super::send::Begun;
use super::tunnel::{TunnelEnd, tunnel};
use crate::accept::client::Client;
use crate::clock::millis;
use crate::exchange::Then;
use crate::health::{DeadReason, verdict};
use crate::http::{BodyReader, Framing, Version, write_response};
use crate::log::End as Ended;
use crate::metrics::{Limit, UpstreamFailure};
use crate::middleware::DebugFields;
use crate::respond::LocalReply;
use crate::route::Route;
use crate::visit::Visit;
use crate::worker::Worker;

/// Delivers `begun`, an answer by `route`, to the client, while `pump` moves what is left of the request.
///
/// # Errors
/// A reply, when nothing was sent to the client yet and nothing of the answer can be.
pub(crate) async fn deliver(
    worker: &Worker,
    client: &mut Client,
    route: Route,
    begun: &mut Begun,
    (pump, visit): (&mut Pump, &mut Visit),
) -> Result<Then, LocalReply> {
    judge(worker, client, &route, begun);
    let close = ends_connection(worker, client, begun, pump);
    visit.answered(begun.head.status());
    let head = write_head(worker, client, &route, (begun, close), visit);
    // What may take long holds no endpoint but its own.
    let frontend = route.picked();
    if begun.head.is_upgrade() {
        // In a box: a tunnel is seldom, and large.
        return Ok(Box::pin(switch_protocols(worker, client, begun, head, (pump, visit))).await);
    }
    let decode = client.head.version() == Version::Http10 && begun.head.framing() == Framing::Chunked;
    let mut answer = Answer::new(&mut begun.buffer, BodyReader::new(begun.head.framing()), close);
    let begins = answer.begin(begun.head.len(), &head, decode);
    worker.give_scratch(head);
    if begins.is_err() {
        worker.counters.upstream_failure(UpstreamFailure::Malformed);
        return Err(LocalReply::BadAnswer("the answer's body is malformed"));
    }
    let end = relay(worker, client, pump, &mut begun.connection, &mut answer, begun.patience).await;
    visit.moved(pump.received(), answer.sent);
    answer.give_back(worker);
    let ended = match end {
        End::Whole { .. } => Ended::Complete,
        End::Truncated => {
            worker.counters.upstream_failure(UpstreamFailure::Truncated);
            Ended::UpstreamBroken
        }
        End::Silent => {
            worker.counters.upstream_failure(UpstreamFailure::IdleTimeout);
            worker.bury_later(client.head.host(), &frontend.key(), &begun.in_flight, DeadReason::IdleTimeout);
            Ended::UpstreamBroken
        }
        End::ClientGone => Ended::ClientGone,
        End::GivenUp => Ended::Abandoned,
    };
    visit.ended(ended);
    let End::Whole { clean } = end else { return Ok(Then::Abort) };
    client.consume(pump.parsed());
    let then = match (pump.is_received(), close) {
        (false, _) => Then::Linger,
        (true, true) => Then::Close,
        (true, false) => Then::Next,
    };
    begun.is_at_rest = clean && pump.is_done();
    Ok(then)
}

/// The head of the answer as the client shall see it.
fn write_head(
    worker: &Worker,
    client: &Client,
    route: &Route,
    (begun, close): (&Begun, bool),
    visit: &Visit,
) -> Vec<u8> {
    let mut head = worker.take_scratch();
    let debug = visit.debug_fields(route, begun.index, client);
    let added = debug.as_ref().map(DebugFields::added).unwrap_or_default();
    write_response(&begun.head, begun.buffer.filled(), client.head.version(), close, &added, &mut head);
    head
}

/// True when the client's connection ends with this answer.
fn ends_connection(worker: &Worker, client: &Client, begun: &Begun, pump: &Pump) -> bool {
    begun.head.needs_close(client.head.version())
        || !client.goes_on(worker)
        || !pump.is_received()
        || client.speaks_on(pump.parsed())
}

/// The exchange has ended at its endpoint. Keeps what the next one can use: the head's memory, and the connection if both sides
/// are at rest.
pub(crate) fn keep(worker: &Worker, begun: Begun) {
    let Begun { head, connection, is_at_rest, in_flight, place, .. } = begun;
    drop((in_flight, place));
    if is_at_rest && head.reusable() && !worker.is_draining() {
        let settings = worker.settings();
        let limits = &settings.config.upstream;
        let until = worker.after(millis(limits.keep_alive_timeout));
        let room = Room { address: limits.idle_per_endpoint, all: limits.idle_connections };
        if !worker.pool.put(connection.remote, connection.transport, until, room) {
            worker.counters.limit(Limit::UpstreamIdle);
        }
    }
    worker.give_head(head);
}

/// Marks the endpoint where its status says that it is dead.
fn judge(worker: &Worker, client: &Client, route: &Route, begun: &Begun) {
    let status = begun.head.status();
    if status < 500 {
        return;
    }
    let settings = worker.settings();
    let (method, retry_after) = (client.head.method(), begun.head.has_retry_after());
    // One that is checked comes back as soon as it passes.
    let checked = settings.config.health.active_checks && route.frontend().policy.check.is_some();
    let active = checked || worker.shared.active_checker.load(Ordering::Relaxed);
    if verdict(status, method, retry_after, settings.config.health.dead_on_500, active) {
        worker.counters.upstream_failure(UpstreamFailure::ServerError);
        worker.bury(client.head.host(), route, begun.index, DeadReason::Status(status));
    }
}

/// Passes 101 on and joins both sides; what the client sent behind its request goes to the endpoint only now.
async fn switch_protocols(
    worker: &Worker,
    client: &mut Client,
    begun: &mut Begun,
    head: Vec<u8>,
    (pump, visit): (&mut Pump, &mut Visit),
) -> Then {
    let Begun { head: old, buffer, connection, patience, in_flight, .. } = begun;
    let _tunnel = in_flight.tunnel();
    let (mut down, patience) = (std::mem::replace(buffer, worker.responses.take()), *patience);
    client.deadline.arm(worker.after(patience.client_idle));
    let written = client.transport.write_all(&head, &client.deadline).await;
    visit.moved(pump.received(), head.len() as u64);
    worker.give_scratch(head);
    if written.is_err() {
        worker.waited_out(&client.deadline, Limit::ClientIdleTimeout);
        visit.ended(Ended::ClientGone);
        return Then::Abort;
    }
    down.consume(old.len());
    client.consume(pump.parsed());
    let up = client.buffer.take().unwrap_or_else(|| worker.requests.take());
    let (moved, end) = tunnel(worker, client, connection, (up, down), patience).await;
    visit.moved(moved.up, moved.down);
    visit.ended(match end {
        TunnelEnd::Ended | TunnelEnd::Silent => Ended::Complete,
        TunnelEnd::ClientGone => Ended::ClientGone,
        TunnelEnd::EndpointGone => Ended::UpstreamBroken,
        TunnelEnd::GivenUp => Ended::Abandoned,
    });
    match end {
        // What the endpoint said last may still be on its way.
        TunnelEnd::Ended => Then::Close,
        TunnelEnd::Silent => Then::Linger,
        TunnelEnd::ClientGone | TunnelEnd::EndpointGone | TunnelEnd::GivenUp => Then::Abort,
    }
}
