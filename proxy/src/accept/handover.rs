//! Connections that change threads, from one that has more than its share at work to one that has less: between two requests, or
//! when they were just accepted. Neither reactor knows them on their way, and nothing of a request is in hand.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::sync::mpsc::{Permit, Receiver};
use tokio::sync::watch;

use super::client::Client;
use super::connection::{Came, serve, start};
use super::counted::{Counted, OnItsWay, Seat};
use super::socket::Socket;
use super::transport::Transport;
use crate::http::RequestHead;
use crate::middleware::{Forwarded, Peer};
use crate::worker::Worker;

/// A connection between two threads. Who drops it closes it, and all its counts are right.
#[derive(Debug)]
pub(crate) struct Given {
    transport: Transport,
    on_its_way: OnItsWay,
    known: Known,
}

/// What is known of its client.
#[derive(Debug)]
enum Known {
    /// No more than the ends of the connection, the client's first: it was just accepted.
    Ends(SocketAddr, SocketAddr),
    /// It was let in, and has had requests.
    Client(Box<LetIn>),
}

#[derive(Debug)]
struct LetIn {
    peer: Peer,
    forwarded: Forwarded,
    requests: usize,
}

/// Gives a connection that was just accepted through this door.
pub(super) fn give_fresh(
    door: Permit<'_, Given>,
    socket: Socket,
    (peer, local): (SocketAddr, SocketAddr),
    counted: Counted,
) {
    let (transport, known) = (Transport::Plain(socket), Known::Ends(peer, local));
    door.send(Given { transport, on_its_way: counted.leave(None), known });
}

/// Gives a connection between two requests through this door.
pub(super) fn give(door: Permit<'_, Given>, client: Client, seat: Seat) {
    let Client { mut transport, peer, forwarded, requests, .. } = client;
    let Transport::Plain(socket) = &mut transport;
    socket.unwatch();
    let Seat { place, metered, counted } = seat;
    metered.give();
    let known = Known::Client(Box::new(LetIn { peer, forwarded, requests }));
    door.send(Given { transport, on_its_way: counted.leave(place.leave()), known });
}

/// Serves what other threads give, until `draining` says so; then what is on its way already, and no more.
pub(crate) async fn take(
    worker: Rc<Worker>,
    mut given: Receiver<Given>,
    mut draining: watch::Receiver<bool>,
) {
    loop {
        let next = tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining), if !given.is_closed() => {
                given.close();
                continue;
            }
            next = given.recv() => next,
        };
        let Some(next) = next else { return };
        arrive(&worker, next);
    }
}

fn arrive(worker: &Rc<Worker>, given: Given) {
    let Given { transport, on_its_way, known } = given;
    let (counted, place) = on_its_way.arrive(worker);
    match known {
        Known::Ends(peer, local) => {
            let Transport::Plain(socket) = transport;
            let fresh = Came::Fresh(counted, socket, (peer, local));
            start(worker, Box::pin(serve(Rc::clone(worker), fresh)));
        }
        Known::Client(let_in) => {
            let LetIn { peer, forwarded, requests } = *let_in;
            let seat = Seat { place, metered: worker.counters.connection_taken(), counted };
            let (deadline, head) = (worker.deadlines.add(), RequestHead::new());
            let client = Client { transport, peer, deadline, buffer: None, head, requests, forwarded };
            start(worker, Box::pin(serve(Rc::clone(worker), Came::AtRest(Box::new((seat, client))))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{IpAddr, TcpListener, TcpStream};
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use tokio::sync::mpsc;
    use tokio::task::LocalSet;

    use super::*;
    use crate::accept::admission::Place;
    use crate::config::{Listener, UpstreamLimits};
    use crate::metrics::Rejected;
    use crate::proxy_protocol::Ends;
    use crate::settings::Settings;
    use crate::upstream::names::Found;
    use crate::upstream::resolve::Resolver;

    fn thread() -> Rc<Worker> {
        let resolver = Resolver::with(&UpstreamLimits::default(), &model::Alarm::default(), |_| {
            std::future::ready(Found::Nothing)
        });
        Rc::new(Worker::alone(resolver))
    }

    /// A connection at rest at `worker`, known to its reactor, and whoever is at the other end.
    fn at_rest(worker: &Rc<Worker>) -> (TcpStream, Client, Seat) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let peer = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (stream, from) = listener.accept().expect("it came");
        stream.set_nonblocking(true).expect("a socket");
        let ends = Ends { client: from, local: stream.local_addr().expect("connected") };
        let mut socket = Socket::new(stream.into());
        socket.watch().expect("a reactor");
        let mut client =
            Client::new(worker, Transport::Plain(socket), &worker.settings().config.listen[0], ends);
        client.requests = 1;
        assert!(worker.shared.addresses.enter(from.ip(), 1));
        let place = Place::arrive(worker, Some(from.ip()));
        let seat = Seat { place, metered: worker.counters.connection(), counted: Counted::new(worker, 0) };
        (peer, client, seat)
    }

    /// What a client is told that says `said` to a listener with this policy, is given as it is accepted, and arrives when the
    /// taker serves, or drains already.
    async fn told_when_given(
        worker: &Rc<Worker>,
        policy: fn(&mut Listener),
        said: &str,
        drains: bool,
    ) -> String {
        let mut config = worker.settings().config.clone();
        policy(&mut config.listen[0]);
        worker.shared.settings.store(Settings::new(config).expect("no pages").into());
        worker.sweep().await;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let local = listener.local_addr().expect("bound");
        let mut client = TcpStream::connect(local).expect("it listens");
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        client.write_all(said.as_bytes()).expect("it is open");
        let (stream, from) = listener.accept().expect("it came");
        stream.set_nonblocking(true).expect("a socket");
        let (door, given) = mpsc::channel(2);
        let permit = door.try_reserve().expect("room");
        give_fresh(permit, Socket::new(stream.into()), (from, local), Counted::new(worker, 0));
        assert!(!worker.has_connections() && worker.shared.connections.load(Ordering::Relaxed) == 1);

        drop(door);
        if drains {
            worker.start_draining();
        }
        let (_drain, draining) = watch::channel(drains);
        take(Rc::clone(worker), given, draining).await;
        let told = tokio::task::spawn_blocking(move || {
            let mut told = String::new();
            client.read_to_string(&mut told).map(|_| told)
        });
        told.await.expect("no panic").expect("a clean end")
    }

    #[tokio::test]
    async fn a_connection_given_as_it_is_accepted_is_let_in_and_served_as_its_listener_says() {
        const PING: &str = "GET / HTTP/1.1\r\nHost: __ping__\r\nConnection: close\r\n\r\n";
        let passed_on = ["PROXY TCP4 203.0.113.5 192.0.2.1 56324 8443\r\n", PING].concat();
        for (what, policy, said, status) in [
            ("plain", (|_| {}) as fn(&mut Listener), PING, "200"),
            (
                "passed on, and its client is who is let in",
                |listener| {
                    listener.proxy_protocol = vec!["127.0.0.0/8".parse().expect("a network")];
                    listener.allow = vec!["203.0.113.5/32".parse().expect("a network")];
                },
                &passed_on,
                "200",
            ),
            (
                "kept out",
                |listener| listener.deny = vec!["127.0.0.0/8".parse().expect("a network")],
                PING,
                "403",
            ),
        ] {
            for drains in [false, true] {
                let worker = thread();
                let serving = told_when_given(&worker, policy, said, drains);
                let told = LocalSet::new().run_until(serving).await;

                let what = format!("{what}, drains: {drains}: {told}");
                assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{what}");
                let totals = worker.counters.totals();
                assert_eq!((totals.connections_open(), totals.requests()), (0, 1), "{what}");
                assert_eq!(totals.rejected[Rejected::Denied as usize], u64::from(status == "403"), "{what}");
                assert_eq!(counted(&worker, IpAddr::from([127, 0, 0, 1])), (0, true), "{what}");
            }
        }
    }

    /// What the limits count of the connections of `worker`: in all, and whether its address has room.
    fn counted(worker: &Worker, ip: IpAddr) -> (usize, bool) {
        let has_room = worker.shared.addresses.enter(ip, 1);
        if has_room {
            worker.shared.addresses.leave(ip);
        }
        (worker.shared.connections.load(Ordering::Relaxed), has_room)
    }

    #[tokio::test]
    async fn what_was_on_its_way_as_the_drain_began_is_answered_and_nothing_more_is_taken() {
        // The thread gives to itself, which makes no difference.
        let worker = thread();
        let (mut peer, client, seat) = at_rest(&worker);
        let ip = client.peer.ip();
        let (door, given) = mpsc::channel(2);
        peer.write_all(b"GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n").expect("it is open");
        give(door.try_reserve().expect("room"), client, seat);
        assert!(!worker.has_connections());
        assert_eq!(counted(&worker, ip), (1, false), "counted all the while");

        let (_drain, draining) = watch::channel(true);
        worker.start_draining();
        let serving = async {
            take(Rc::clone(&worker), given, draining).await;
            let answer = tokio::task::spawn_blocking(move || {
                let mut answer = String::new();
                peer.read_to_string(&mut answer).map(|_| answer)
            });
            answer.await.expect("no panic").expect("a clean end")
        };
        let answer = LocalSet::new().run_until(serving).await;

        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nconnection: close"), "{answer}");
        assert!(door.try_reserve().is_err(), "it takes no more");
        let totals = worker.counters.totals();
        assert_eq!((totals.connections_taken, totals.connections_open(), totals.requests()), (1, 0, 1));
        assert_eq!(counted(&worker, ip), (0, true));
    }

    #[tokio::test]
    async fn a_connection_on_its_way_to_a_thread_that_is_gone_ends_and_its_counts_are_given_back() {
        let giver = thread();
        let (mut peer, client, seat) = at_rest(&giver);
        let ip = client.peer.ip();
        let (door, given) = mpsc::channel(2);
        give(door.try_reserve().expect("room"), client, seat);

        drop(given);

        assert_eq!(counted(&giver, ip), (0, true));
        assert_eq!(giver.counters.totals().connections_open(), 0);
        let ended = tokio::task::spawn_blocking(move || peer.read(&mut [0])).await.expect("no panic");
        assert!(ended.is_ok_and(|n| n == 0), "it is closed");
        assert!(door.try_reserve().is_err(), "what comes to rest later stays where it is");
    }
}
