//! A connection to an endpoint: one from the pool, or a new one.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use model::Address;
use socket2::{Domain, Protocol, Type};

use super::guard::judge_range;
use super::pool::Remote;
use super::unix::{self, Barred};
use crate::accept::client::Client;
use crate::accept::descriptors::exhausted;
use crate::accept::socket::Socket;
use crate::accept::transport::Transport;
use crate::metrics::Limit;
use crate::worker::Worker;

/// Our side of a connection to an endpoint.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    pub(crate) remote: Remote,
    /// True when it served an exchange before: the endpoint may have closed it in the meantime, which is no sign of death.
    pub(crate) reused: bool,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The endpoint's host said no, or cannot be reached.
    Refused(io::Error),
    /// No answer in time.
    TimedOut,
    /// The endpoint's name has no address.
    Unresolved,
    /// Every address of the endpoint is one that none may have.
    Forbidden,
    /// We ran out of something; the endpoint is not to blame.
    Ours(io::Error),
    /// The client waits no longer.
    ClientLeft,
}

/// An unused connection from the pool. With `sure`, the kernel is asked whether it is still open.
pub(crate) fn reuse(worker: &Worker, address: &Address, sure: bool) -> Option<Connection> {
    let settings = worker.settings();
    let limits = &settings.config.upstream;
    if let Address::Unix(path) = address {
        let allowed = unix::judge(path, limits).is_ok();
        return if allowed { unused(worker, Remote::Unix(path.clone()), sure) } else { None };
    }
    worker.resolver.find(address, worker.roll(), |socket| {
        // It was judged when it was connected; since then the settings may have changed.
        judge_range(socket.ip(), limits).ok()?;
        unused(worker, Remote::Tcp(socket), sure)
    })
}

fn unused(worker: &Worker, remote: Remote, sure: bool) -> Option<Connection> {
    while let Some(transport) = worker.pool.take(&remote, worker.now()) {
        if !(sure && transport.closed()) {
            return Some(Connection { transport, remote, reused: true });
        }
    }
    None
}

/// A new connection for `client`, within `patience` milliseconds, to the first address of the endpoint that takes it. With
/// `may_stop` the client may close its side meanwhile.
pub(crate) async fn connect(
    worker: &Worker,
    client: &mut Client,
    address: &Address,
    patience: u64,
    may_stop: bool,
) -> Result<Connection, ConnectError> {
    let until = worker.after(patience);
    client.deadline.arm(until);
    if let Address::Unix(path) = address {
        let found =
            unix::locate(path, &worker.settings().config.upstream).map_err(|barred| match barred {
                Barred::Refused(_) => ConnectError::Forbidden,
                Barred::Unreachable(error) => ConnectError::of(error),
            })?;
        let opened = within(client, may_stop, unix::connect(&found)).await;
        return taken(worker, Remote::Unix(path.clone()), opened.map(|opened| opened.map(Socket::new)));
    }
    let resolving = worker.resolver.resolve(address, worker.roll());
    let mut addresses = within(client, may_stop, resolving).await.map_err(ConnectError::from)?;
    let mut failed = ConnectError::Unresolved;
    loop {
        // The time is shared by the addresses that are left, so that one in a black hole leaves some for the others.
        let share = until.saturating_sub(worker.now()) / (addresses.left() as u64).max(1);
        let Some(socket) = addresses.next() else { return Err(failed) };
        // What is judged is what is connected to: no second lookup can put another address in its place.
        if worker.shared.guard.judge(socket, &worker.settings().config.upstream).is_err() {
            if matches!(failed, ConnectError::Unresolved) {
                failed = ConnectError::Forbidden;
            }
            continue;
        }
        client.deadline.arm(worker.after(share));
        let opened = within(client, may_stop, open(socket)).await;
        failed = match taken(worker, Remote::Tcp(socket), opened) {
            Err(ConnectError::ClientLeft) => return Err(ConnectError::ClientLeft),
            Err(error) => error,
            connected => return connected,
        };
        if worker.is_over() {
            return Err(failed);
        }
        addresses.avoid(worker.now());
    }
}

/// What came of opening a connection.
fn taken(
    worker: &Worker,
    remote: Remote,
    opened: Result<io::Result<Socket>, Unmet>,
) -> Result<Connection, ConnectError> {
    match opened {
        Ok(Ok(opened)) if worker.shared.descriptors.is_reserved(&opened) => {
            worker.counters.limit(Limit::OpenFiles);
            worker.pool.clear();
            Err(ConnectError::Ours(exhausted()))
        }
        Ok(Ok(opened)) => Ok(Connection { transport: Transport::Plain(opened), remote, reused: false }),
        Ok(Err(error)) => {
            if is_exhausted(&error) {
                // What is unused goes first.
                worker.pool.clear();
            }
            Err(ConnectError::of(error))
        }
        Err(unmet) => Err(unmet.into()),
    }
}

/// A socket connected to `address`.
async fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // Heads and bodies leave in whole writes: waiting for more would only delay them.
    let _kept_default = socket.set_tcp_nodelay(true);
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32) => {}
        done => return done.map(|()| Socket::new(socket)),
    }
    let mut socket = Socket::new(socket);
    drop(socket.watch()?.writable().await?);
    match socket.options().take_error()? {
        Some(error) => Err(error),
        None => Ok(socket),
    }
}

impl ConnectError {
    fn of(error: io::Error) -> Self {
        // No local port or address left, or none of that family.
        let ours = is_exhausted(&error) || error.kind() == io::ErrorKind::AddrNotAvailable;
        if ours { Self::Ours(error) } else { Self::Refused(error) }
    }
}

/// True when descriptors or memory ran out.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    use nix::errno::Errno::{self, EMFILE, ENFILE, ENOBUFS, ENOMEM};
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

/// Why a wait ended without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unmet {
    TimedOut,
    ClientLeft,
}

impl From<Unmet> for ConnectError {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::TimedOut => Self::TimedOut,
            Unmet::ClientLeft => Self::ClientLeft,
        }
    }
}

/// What `future` yields before the client's deadline passes, and while the client is there.
async fn within<F: Future>(client: &mut Client, may_stop: bool, future: F) -> Result<F::Output, Unmet> {
    let mut future = pin!(future);
    let Client { transport, deadline, .. } = client;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending if deadline.poll_expired(cx) => Poll::Ready(Err(Unmet::TimedOut)),
        Poll::Pending if transport.poll_left(cx, deadline, may_stop) => Poll::Ready(Err(Unmet::ClientLeft)),
        Poll::Pending => Poll::Pending,
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener};
    use std::time::Duration;

    use super::*;
    use crate::accept::deadline::SWEEP_MS;
    use crate::config::UpstreamLimits;
    use crate::proxy_protocol::Ends;
    use crate::upstream::names::Found;
    use crate::upstream::resolve::Resolver;

    #[tokio::test]
    async fn a_name_is_reached_though_some_of_its_addresses_are_dead() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        // Nobody listens at the first; nothing comes back from the second, a documentation address.
        let ips = ["127.0.0.2", "192.0.2.1", "127.0.0.1"].map(|ip| ip.parse::<IpAddr>().expect("an address"));
        let found = Found::Addresses(ips.to_vec(), Duration::from_secs(30));
        let resolver = Resolver::with(&UpstreamLimits::default(), &model::Alarm::default(), move |_| {
            std::future::ready(found.clone())
        });
        let worker = Worker::alone(resolver);
        let address = Address::parse_url(&format!("http://three.test:{port}")).expect("url");
        // Somebody who waits.
        let peer = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (stream, from) = listener.accept().expect("it came");
        stream.set_nonblocking(true).expect("a socket");
        let (transport, ends) =
            (Transport::Plain(Socket::new(stream.into())), Ends { client: from, local: from });
        let mut client = Client::new(&worker, transport, &worker.settings().config.listen[0], ends);
        let mut tick = tokio::time::interval(Duration::from_millis(SWEEP_MS));
        let sweep = async {
            loop {
                tick.tick().await;
                worker.deadlines.sweep(worker.now(), worker.settings().min_rate);
            }
        };

        let connecting = async {
            for _ in 0..20 {
                let connection =
                    connect(&worker, &mut client, &address, 900, false).await.expect("one of them answers");
                assert_eq!(connection.remote, Remote::Tcp(SocketAddr::from(([127, 0, 0, 1], port))));
            }
        };

        tokio::select! {
            () = connecting => {}
            () = sweep => {}
        }
        drop(peer);
    }
}
