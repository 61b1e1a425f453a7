//! Turns: how much a connection may do before the others of its thread get theirs, however much there is to do for it.
//!
//! ```text
//! a round: every connection that is ready has a turn ─► the reactor looks at all sockets ─► those that became ready go first
//! ```

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

/// Octets that a connection may move in a turn; what is on its way through a pipe is let through.
pub(crate) const TURN_OCTETS: usize = 512 << 10;

/// Reads and writes of a socket in a turn that none of them had to wait for.
pub(crate) const TURN_CALLS: usize = 64;

/// Requests sent at once that a connection may have answered in a turn.
pub(crate) const TURN_REQUESTS: usize = 16;

/// Ends the turn of a task that could go on.
///
/// It comes behind all that is ready, and behind what the reactor finds to be ready then. Were it woken at once, the reactor would look
/// only after many a turn of it and its like: every 61, by tokio's default.
pub(crate) fn end_turn<T>(cx: &mut Context<'_>) -> Poll<T> {
    #[cfg(test)]
    tests::ENDED.set(tests::ENDED.get() + 1);
    let _yields_once = pin!(tokio::task::yield_now()).poll(cx);
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::rc::Rc;
    use std::sync::Arc;
    use std::thread;

    use model::{
        Address, Backend, BackendName, Change, Endpoint, Fact, Frontend, HostPattern, Origin, PathPrefix,
        Revision, Snapshot, Stated, Weight,
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::watch;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use crate::accept::connection::accept;
    use crate::config::UpstreamLimits;
    use crate::route::RouteTable;
    use crate::upstream::names::Found;
    use crate::upstream::resolve::Resolver;
    use crate::worker::Worker;

    thread_local! {
        /// Turns that were ended with more to do.
        pub(super) static ENDED: Cell<usize> = const { Cell::new(0) };
    }

    const PING: &[u8] = b"GET / HTTP/1.1\r\nHost: __ping__\r\n\r\n";

    /// A worker whose only route leads to an origin that answers each request without an end.
    fn worker() -> Rc<Worker> {
        let origin = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint =
            Endpoint { address: Address::from(origin.local_addr().expect("bound")), weight: Weight::ONE };
        thread::spawn(move || {
            for mut stream in origin.incoming().flatten() {
                thread::spawn(move || {
                    let block = vec![0; 1 << 20];
                    let _head = stream.read(&mut [0; 4096]);
                    let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n");
                    while stream.write_all(&block).is_ok() {}
                });
            }
        });
        let resolver = Resolver::with(&UpstreamLimits::default(), &model::Alarm::default(), |_| {
            std::future::ready(Found::Nothing)
        });
        let worker = Worker::alone(resolver);
        let backend = Backend {
            name: BackendName::parse("web").expect("a name"),
            endpoints: vec![endpoint].into(),
            rejected: model::Rare::default(),
        };
        let frontend = Frontend {
            host: HostPattern::parse("a.test").expect("a host"),
            path: PathPrefix::root(),
            backend,
            policy: model::Rare::default(),
        };
        let revision = Revision::new(1);
        let fact = Arc::new(Fact::Frontend(frontend));
        let put = Change::Put(Stated { fact, revision, origin: Origin::Native });
        let snapshot = Arc::new(Snapshot::empty().apply(revision, [put]));
        worker.shared.table.store(Arc::new(RouteTable::from_snapshot(snapshot, &worker.shared.states)));
        Rc::new(worker)
    }

    /// Asks for a ping so often, once `busy` says that the others have enough to do; the most that `done` grew by until one of them
    /// was answered.
    async fn most_before_an_answer(
        address: SocketAddr,
        busy: impl Fn() -> bool,
        done: impl Fn() -> usize,
    ) -> usize {
        let mut bystander = tokio::net::TcpStream::connect(address).await.expect("it listens");
        while !busy() {
            yield_now().await;
        }
        let mut most = 0;
        for _ in 0..100 {
            // The worker is a task of this very thread: nothing is done between these two.
            let before = done();
            bystander.write_all(PING).await.expect("it reads");
            let (mut answer, mut read) = ([0; 512], 0);
            while !answer[..read].ends_with(b"ok") {
                read += bystander.read(&mut answer[read..]).await.expect("it answers");
            }
            most = most.max(done() - before);
        }
        most
    }

    #[tokio::test]
    async fn downloads_without_an_end_keep_nobody_waiting_for_more_than_a_few_turns_each() {
        const DOWNLOADS: usize = 8;
        let worker = worker();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        for _ in 0..DOWNLOADS {
            let mut client = TcpStream::connect(address).expect("it listens");
            client.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").expect("it is open");
            thread::spawn(move || while client.read(&mut vec![0; 1 << 20]).is_ok_and(|n| n > 0) {});
        }
        let (_serving, draining) = watch::channel(false);

        let most = LocalSet::new()
            .run_until(async {
                spawn_local(accept(Rc::clone(&worker), listener, 0, draining));
                let turns = || ENDED.with(Cell::get);
                most_before_an_answer(address, || turns() > 10 * DOWNLOADS, turns).await
            })
            .await;

        // One round until its request is seen, one until its answer is, and the one that began before.
        assert!(most <= 3 * DOWNLOADS, "{most} turns of others");
    }

    /// The most requests of a client that sends `many` again and again, and reads all answers, before somebody else is answered.
    async fn most_requests_before_an_answer(many: Vec<u8>) -> usize {
        let worker = worker();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mut client = TcpStream::connect(address).expect("it listens");
        let mut answers = client.try_clone().expect("a descriptor");
        thread::spawn(move || while client.write_all(&many).is_ok() {});
        thread::spawn(move || while answers.read(&mut vec![0; 1 << 20]).is_ok_and(|n| n > 0) {});
        let (_serving, draining) = watch::channel(false);

        LocalSet::new()
            .run_until(async {
                spawn_local(accept(Rc::clone(&worker), listener, 0, draining));
                let requests = || usize::try_from(worker.counters.totals().requests()).unwrap_or(0);
                most_before_an_answer(address, || requests() > 10_000, requests).await
            })
            .await
    }

    #[tokio::test]
    async fn a_client_that_sends_thousands_of_requests_at_once_keeps_nobody_waiting_for_more_than_a_few_turns()
     {
        let most = most_requests_before_an_answer(PING.repeat(10_000)).await;

        assert!(most <= 200, "{most} requests of somebody else");
    }

    #[tokio::test]
    async fn requests_that_fill_the_buffer_just_so_keep_nobody_waiting_either() {
        let head = "GET / HTTP/1.1\r\nHost: __ping__\r\nX: ";
        let one = format!("{head}{}\r\n\r\n", "x".repeat(1024 - head.len() - 4));

        let most = most_requests_before_an_answer(one.repeat(4096).into_bytes()).await;

        assert!(most <= 200, "{most} requests of somebody else");
    }
}
