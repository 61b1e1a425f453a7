//! A connection's life: requests one after the other, until one side has had enough.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch::Receiver;

use super::admission::{admit, turn_away};
use super::client::{Client, Next};
use super::counted::{Counted, Seat};
use super::deadline::SWEEP_MS;
use super::handover::{give, give_fresh};
use super::passed_on::is_introduced;
use super::socket::{Socket, watch};
use super::transport::Transport;
use crate::caught::Panicked;
use crate::exchange::{self, Then, caught};
use crate::metrics::Limit;
use crate::proxy_protocol::Ends;
use crate::respond::LocalReply;
use crate::upstream::connect::is_exhausted;
use crate::worker::Worker;

/// Accepts connections until `draining` says so; then the listener is closed. Its policy is the one at `place` of the list.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    place: usize,
    mut draining: Receiver<bool>,
) {
    tokio::select! {
        biased;
        _ = draining.wait_for(|draining| *draining) => {}
        () = accept_all(worker, listener, place) => {}
    }
}

async fn accept_all(worker: Rc<Worker>, listener: TcpListener, place: usize) {
    let watched = listener.local_addr().and_then(|local| {
        listener.set_nonblocking(true)?;
        Ok((local, watch(listener, Interest::READABLE)?))
    });
    let (local, listener) = match watched {
        Ok(watched) => watched,
        Err(error) => return tracing::error!(%error, "a listener cannot be watched"),
    };
    let (mut tight, mut had_room, mut below_limit) = (false, true, true);
    loop {
        tight = tight && worker.shared.descriptors.is_still_tight();
        let has_room = has_room(&worker, place);
        if had_room && !has_room {
            worker.counters.limit(Limit::ListenerConnections);
        }
        had_room = has_room;
        let at_limit = at_limit(&worker);
        if at_limit && below_limit {
            worker.counters.limit(Limit::Connections);
        }
        below_limit = !at_limit;
        if tight || !has_room || at_limit {
            pause().await;
            continue;
        }
        match poll_fn(|cx| poll_next(&listener, cx)).await {
            Ok((socket, peer)) => {
                if worker.shared.descriptors.is_tight(&socket) {
                    tight = true;
                    make_room(&worker);
                }
                // Counted here, so that the limit sees it before the next one is accepted.
                let counted = Counted::new(&worker, place);
                match worker.next_door() {
                    Some(door) => give_fresh(door, socket, (peer, local), counted),
                    None => {
                        start(
                            &worker,
                            Box::pin(serve(Rc::clone(&worker), Came::Fresh(counted, socket, (peer, local)))),
                        );
                    }
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept, pausing");
                if is_exhausted(&error) {
                    make_room(&worker);
                }
                pause().await;
            }
        }
    }
}

/// Serves a connection beside the others. In a box: a task is moved more than once on its way, and this one is large.
pub(super) fn start(worker: &Rc<Worker>, mut serving: Pin<Box<impl Future<Output = ()> + 'static>>) {
    let worker = Rc::clone(worker);
    // What panics there was counted, and its connection is closed.
    tokio::task::spawn_local(async move { caught(&worker, serving.as_mut()).await });
}

/// The next connection, once there is one.
fn poll_next(
    listener: &AsyncFd<TcpListener>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<(Socket, SocketAddr)>> {
    loop {
        let mut ready = ready!(listener.poll_read_ready(cx))?;
        match take_next(listener.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            taken => return Poll::Ready(taken),
        }
    }
}

/// The next connection that waits, as quiet as [`listen`](super::listener::listen) made its listener: without a call to say
/// that it must not block, nor one for an option.
fn take_next(listener: &TcpListener) -> io::Result<(Socket, SocketAddr)> {
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    // Who came by TCP has an address.
    let peer =
        peer.and_then(|peer| SocketAddr::try_from(peer).ok()).ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((Socket::new(socket.into()), peer))
}

/// Descriptors are running out: what is unused goes first.
fn make_room(worker: &Worker) {
    worker.counters.limit(Limit::OpenFiles);
    worker.pool.clear();
    worker.pipes.clear();
}

fn at_limit(worker: &Worker) -> bool {
    worker.shared.connections.load(Ordering::Relaxed) >= worker.settings().connections
}

/// True unless the listener at `place` has as many connections as it may have.
fn has_room(worker: &Worker, place: usize) -> bool {
    let settings = worker.settings();
    let most = settings.config.listen.get(place).and_then(|listener| listener.connections);
    most.is_none_or(|most| worker.shared.open_at(place) < most)
}

/// Long enough for connections to end meanwhile.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(SWEEP_MS)).await;
}

/// True when it says that one connection was gone before we came for it (accept(2)), and nothing of the next.
fn is_of_one_connection(error: &io::Error) -> bool {
    use nix::errno::Errno::{ECONNABORTED, EHOSTUNREACH, EINTR, ENETDOWN, ENETUNREACH, EPROTO};
    let code = error.raw_os_error().map(nix::errno::Errno::from_raw);
    matches!(code, Some(ECONNABORTED | EHOSTUNREACH | EINTR | ENETDOWN | ENETUNREACH | EPROTO))
}

/// How a connection came to this thread.
pub(super) enum Came {
    /// It was just accepted. Its ends: the client's, and ours.
    Fresh(Counted, Socket, (SocketAddr, SocketAddr)),
    /// Another thread gave it, between two requests.
    AtRest(Box<(Seat, Client)>),
}

/// Serves one connection to its end, or until another thread does.
pub(super) async fn serve(worker: Rc<Worker>, came: Came) {
    let (seat, mut client);
    match came {
        Came::Fresh(counted, socket, (peer, local)) => {
            let metered = worker.counters.connection();
            let settings = worker.settings();
            let Some(listener) = settings.config.listen.get(counted.place()) else { return };
            let ends = Ends { client: peer, local };
            client = Client::new(&worker, Transport::Plain(socket), listener, ends);
            if !is_introduced(&worker, &mut client, listener, peer).await {
                return;
            }
            let place = match admit(&worker, &client, listener) {
                Ok(place) => place,
                Err(kept_out) => return Box::pin(turn_away(&worker, client, kept_out)).await,
            };
            seat = Seat { place, metered, counted };
        }
        Came::AtRest(given) => (seat, client) = *given,
    }
    loop {
        let next = caught(&worker, pin!(client.next(&worker))).await;
        let then = match next {
            Ok(Next::Request) => exchange::exchange(&worker, &mut client).await,
            Ok(Next::Refused(reply)) => exchange::refuse(&worker, &mut client, reply).await,
            Ok(Next::End) => return,
            Err(Panicked) => exchange::refuse(&worker, &mut client, LocalReply::Internal).await,
        };
        if then == Then::Close && client.had_its_last(&worker) {
            worker.counters.limit(Limit::RequestsPerConnection);
        }
        match then {
            Then::Next if client.has_had_its_turn() => tokio::task::yield_now().await,
            Then::Next if client.buffer.is_none() => {
                // It is at rest.
                if let Some(door) = worker.next_door() {
                    return give(door, client, seat);
                }
            }
            Then::Next => {}
            Then::Close => return client.close(&worker).await,
            Then::Linger => return client.linger(&worker).await,
            Then::Abort => return client.transport.abort(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::config::UpstreamLimits;
    use crate::settings::Settings;
    use crate::upstream::names::Found;
    use crate::upstream::resolve::Resolver;

    async fn ask(address: SocketAddr, what: &str, host: &str) -> String {
        let mut client = TcpStream::connect(address).await.expect("it listens");
        let request = format!("{what} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("it answers to the end");
        answer
    }

    const PING: &str = "GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n";
    const V1: &str = "PROXY TCP4 203.0.113.5 192.0.2.1 56324 8443\r\n";

    fn worker() -> Rc<Worker> {
        let resolver = Resolver::with(&UpstreamLimits::default(), &model::Alarm::default(), |_| {
            std::future::ready(Found::Nothing)
        });
        Rc::new(Worker::alone(resolver))
    }

    /// All that a client is told that said `early` a while before a drain, which begins when `late` was just sent.
    async fn told(is_passed_on: bool, early: Option<&str>, late: &str) -> String {
        let worker = worker();
        if is_passed_on {
            let mut config = worker.settings().config.clone();
            config.listen[0].proxy_protocol = vec!["127.0.0.0/8".parse().expect("a network")];
            worker.shared.settings.store(Settings::new(config).expect("no pages").into());
            worker.sweep().await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let local = listener.local_addr().expect("bound");
        let mut client = TcpStream::connect(local).await.expect("it listens");
        let (socket, peer) = take_next(&listener).expect("it came");
        let came = Came::Fresh(Counted::new(&worker, 0), socket, (peer, local));
        start(&worker, Box::pin(serve(Rc::clone(&worker), came)));
        if let Some(early) = early {
            client.write_all(early.as_bytes()).await.expect("it reads");
            let requests = early.matches("GET ").count() as u64;
            // The worker is a task of this very thread: each turn of it comes to a wait.
            for turn in 0.. {
                if turn > 20 && worker.counters.totals().requests() == requests {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }

        // Nothing comes between these two, the reactor's look at the socket neither.
        let sent = client.try_write(late.as_bytes());
        worker.start_draining();

        assert_eq!(sent.expect("there is room"), late.len());
        let mut told = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), client.read_to_end(&mut told)).await;
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(matches!(ended, Ok(Ok(_))), "no clean end: {ended:?} after {told:?}");
        told
    }

    #[tokio::test]
    async fn a_request_that_was_sent_before_a_drain_is_answered_wherever_its_connection_stands() {
        let passed_on = [V1, PING].concat();
        for (what, is_passed_on, early, late) in [
            ("just accepted", false, None, PING),
            ("waits for its first request", false, Some(""), PING),
            ("waits for another one", false, Some(PING), PING),
            ("just accepted, and passed on", true, None, &passed_on),
            ("waits to be introduced", true, Some(""), &passed_on),
            ("was introduced", true, Some(V1), PING),
        ] {
            let told = tokio::task::LocalSet::new().run_until(told(is_passed_on, early, late)).await;

            let asked = 1 + early.map_or(0, |early| early.matches("GET ").count());
            assert_eq!(told.matches("HTTP/1.1 200 ").count(), asked, "{what}: {told}");
            assert_eq!(told.matches("\r\nconnection: close").count(), 1, "{what}: {told}");
        }
    }

    #[tokio::test]
    async fn a_drain_waits_for_no_request_and_for_no_rest_of_an_introduction() {
        for (what, is_passed_on, early, late) in [
            ("just accepted", false, None, ""),
            ("waits for its first request", false, Some(""), ""),
            ("between two lines", false, None, "\r\n"),
            ("just accepted, and passed on", true, None, ""),
            ("is being introduced", true, None, "PROXY TCP4 203."),
            ("was introduced", true, None, V1),
        ] {
            let told = tokio::task::LocalSet::new().run_until(told(is_passed_on, early, late)).await;

            assert_eq!(told, "", "{what}");
        }
    }

    #[tokio::test]
    async fn a_panic_costs_one_exchange_and_its_client_is_told() {
        let worker = worker();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (_serving, draining) = tokio::sync::watch::channel(false);
        let serving = async {
            tokio::task::spawn_local(accept(Rc::clone(&worker), listener, 0, draining));
            // As the head is read, as it is forwarded, as our own answer to it is made.
            for (what, host) in [
                ("PANIC /", "__ping__"),
                ("GET /", "panic.test"),
                ("GET /panics-as-it-is-answered", "nobody.test"),
            ] {
                let lost = ask(address, what, host).await;
                assert!(
                    lost.starts_with("HTTP/1.1 500 ") && lost.contains("\r\nconnection: close"),
                    "{what}: {lost}"
                );
                assert!(ask(address, "GET /", "__ping__").await.starts_with("HTTP/1.1 200 "));
            }
        };
        tokio::task::LocalSet::new().run_until(serving).await;

        let totals = worker.counters.totals();
        assert_eq!((totals.panics, totals.in_flight(), worker.exchanges()), (3, 0, 0));
        assert_eq!(totals.local_replies[LocalReply::Internal.index()], 3);
    }
}
