//! One request, top to bottom. Start reading here.
//!
//! ```text
//! forward:  refuse early ─► find the route ─► middleware before ─► send (pick, connect, ask, retry) ─► deliver
//!     └── Err(LocalReply) ─► reply: our own answer, and what is left of the request drained or the connection ended
//! ```

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;

use crate::accept::client::Client;
use crate::caught::{self, Panicked};
use crate::clock::millis;
use crate::http::{BodyReader, Framing, Method};
use crate::metrics::Limit;
use crate::respond::LocalReply;
use crate::upstream::deliver::{deliver, keep};
use crate::upstream::pump::Pump;
use crate::upstream::send::send;
use crate::visit::{Rest, Visit};
use crate::worker::Worker;

/// The host that a load balancer in front asks for to see whether we live, as in hipache.
const PING_HOST: &str = "__ping__";

/// What becomes of the client's connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request may come.
    Next,
    /// It ends. All that the client had to say was read.
    Close,
    /// It ends, gently: what the client still says must not destroy what was answered.
    Linger,
    /// It ends at once, so that a cut answer cannot look whole.
    Abort,
}

/// Answers the request whose head the client's connection holds.
pub(crate) async fn exchange(worker: &Worker, client: &mut Client) -> Then {
    let _busy = worker.busy();
    let mut visit = Visit::begin(worker, client);
    let outcome = caught(worker, pin!(forward(worker, client, &mut visit))).await;
    match outcome {
        Ok(Ok(then)) => then,
        Ok(Err(reply)) => tell(worker, client, reply, &mut visit).await,
        Err(Panicked) => lost(worker, client, &mut visit).await,
    }
}

/// Runs a part of an exchange, or of what is around it. A panic is counted, and ends no more than that part.
pub(crate) async fn caught<F: Future>(worker: &Worker, part: Pin<&mut F>) -> Result<F::Output, Panicked> {
    let outcome = caught::caught(part).await;
    if outcome.is_err() {
        worker.counters.panic();
        tracing::error!("an exchange was lost to a panic, which is a defect of portico; please report it");
    }
    outcome
}

/// Answers for ourselves, however that ends.
async fn tell(worker: &Worker, client: &mut Client, reply: LocalReply, visit: &mut Visit) -> Then {
    let told = caught(worker, pin!(answer(worker, client, reply, visit))).await;
    match told {
        Ok(then) => then,
        Err(Panicked) => lost(worker, client, visit).await,
    }
}

/// One exchange is lost to a panic: the client is told, unless an answer had begun.
async fn lost(worker: &Worker, client: &mut Client, visit: &mut Visit) -> Then {
    if !visit.is_lost() {
        return Then::Abort;
    }
    let told = caught(worker, pin!(answer(worker, client, LocalReply::Internal, visit))).await;
    told.unwrap_or(Then::Abort)
}

async fn forward(worker: &Worker, client: &mut Client, visit: &mut Visit) -> Result<Then, LocalReply> {
    refuse_early(worker, client)?;
    let (host, path) = (client.head.host(), client.head.path(client.octets()));
    // A test's defect of ours.
    #[cfg(test)]
    assert_ne!(host, "panic.test", "as the test wants it");
    let port = client.head.port();
    let known = worker.shared.known.load(Ordering::Acquire);
    let found = worker.with_table(|table| {
        visit.looks_in(table);
        table.find_at(host, port, path).cloned()
    });
    let route = found.ok_or_else(|| no_route(known))?;
    visit.goes_by(&route);
    let most = worker.settings().config.client.body_bytes.unwrap_or(u64::MAX);
    let mut pump = Pump::new(&client.head, most);
    let Some(mut begun) = send(worker, client, &route, (&mut pump, visit)).await? else {
        // The client left: there is nobody to answer.
        return Ok(Then::Abort);
    };
    let then = deliver(worker, client, route, &mut begun, (&mut pump, visit)).await;
    keep(worker, begun);
    then
}

/// Nobody has the host and path; or nobody knows yet, because the registry was never reached.
fn no_route(known: bool) -> LocalReply {
    if known { LocalReply::FrontendNotFound } else { LocalReply::Unavailable }
}

/// What needs no route to be answered.
fn refuse_early(worker: &Worker, client: &Client) -> Result<(), LocalReply> {
    let settings = worker.settings();
    let most = settings.config.client.body_bytes;
    let octets = client.octets();
    match (client.head.method(), client.head.framing()) {
        (Method::Connect, _) => Err(LocalReply::MethodNotAllowed),
        _ if client.head.host() == PING_HOST => Err(LocalReply::Pong),
        (_, Framing::Length(length)) if most.is_some_and(|most| length > most) => {
            Err(LocalReply::BodyTooLarge)
        }
        _ if settings.config.via && client.head.came_through(octets, worker.shared.via.name()) => {
            Err(LocalReply::LoopDetected)
        }
        // The way ends here: we are whom it asks (RFC 9110 §7.6.2). What a TRACE would echo is the client's own business.
        (method, _) if client.head.hops_left(octets)? == Some(0) => match method {
            Method::Options => Err(LocalReply::Options),
            _ => Err(LocalReply::MethodNotAllowed),
        },
        _ => Ok(()),
    }
}

/// Answers for ourselves. The connection goes on where the rest of the request is known and small.
async fn answer(worker: &Worker, client: &mut Client, reply: LocalReply, visit: &mut Visit) -> Then {
    // A test's defect of ours.
    #[cfg(test)]
    assert!(
        reply == LocalReply::Internal || client.head.path(client.octets()) != b"/panics-as-it-is-answered",
        "as the test wants it"
    );
    let rest = visit.rest(client);
    let most = worker.settings().config.client.drain_bytes;
    let known = match rest {
        Rest::Received(octets) => !client.speaks_on(octets),
        Rest::Unread(Framing::Length(length)) if length > most => {
            worker.counters.limit(Limit::ClientDrain);
            false
        }
        Rest::Unread(Framing::Length(_)) => !client.head.expects_continue(),
        Rest::Unread(_) | Rest::Unclear => false,
    };
    let close = !known || !client.goes_on(worker);
    let written = visit.reply(worker, client, reply, close).await;
    match rest {
        _ if written.is_err() => Then::Abort,
        Rest::Received(octets) => {
            client.consume(octets);
            if close { Then::Close } else { Then::Next }
        }
        Rest::Unread(framing) if !close => drain(worker, client, framing).await,
        Rest::Unread(_) | Rest::Unclear => Then::Linger,
    }
}

/// Answers what is not a request we understand; the connection ends after it, because nobody knows where the next one starts.
pub(crate) async fn refuse(worker: &Worker, client: &mut Client, reply: LocalReply) -> Then {
    let _busy = worker.busy();
    let mut visit = Visit::malformed(worker, client);
    tell(worker, client, reply, &mut visit).await
}

/// Reads the rest of a request whose answer did not need it, so that the next one can be read.
async fn drain(worker: &Worker, client: &mut Client, framing: Framing) -> Then {
    client.consume(client.head.len());
    let mut reader = BodyReader::new(framing);
    client.deadline.arm(worker.after(millis(worker.settings().config.client.idle_timeout)));
    let mut drained = 0;
    loop {
        match reader.advance(client.octets()) {
            Ok(advance) => {
                client.consume(advance.consumed);
                drained += advance.consumed as u64;
            }
            Err(_) => return Then::Linger,
        }
        if reader.is_complete() {
            return Then::Next;
        }
        let mut buffer = client.buffer.take().unwrap_or_else(|| worker.requests.take());
        client.deadline.pace(Some(drained));
        match client.transport.fill(&mut buffer, &client.deadline).await {
            Ok(n) if n > 0 => client.buffer = Some(buffer),
            // It has its answer, which a reset could destroy.
            _ => {
                worker.waited_out(&client.deadline, Limit::ClientIdleTimeout);
                return Then::Linger;
            }
        }
    }
}
