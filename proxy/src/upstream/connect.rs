//! A connection to an endpoint: one from the pool, or a new one.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use model::Address;
use tokio::net::TcpStream;

use crate::accept::deadline::Deadline;
use crate::accept::transport::Transport;
use crate::worker::Worker;

/// Our side of a connection to an endpoint.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    pub(crate) socket: SocketAddr,
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
    /// We ran out of something; the endpoint is not to blame.
    Ours(io::Error),
}

/// An unused connection from the pool. With `sure`, the kernel is asked whether it is still open.
pub(crate) fn reuse(worker: &Worker, address: &Address, sure: bool) -> Option<Connection> {
    let socket = worker.resolver.known(address, worker.roll())?;
    loop {
        let transport = worker.pool.take(socket, worker.now())?;
        if !(sure && transport.closed()) {
            return Some(Connection { transport, socket, reused: true });
        }
    }
}

/// A new connection, within `deadline`.
pub(crate) async fn connect(
    worker: &Worker,
    address: &Address,
    deadline: &Deadline,
) -> Result<Connection, ConnectError> {
    let resolved = within(deadline, worker.resolver.resolve(address, worker.roll())).await;
    let socket = resolved.ok_or(ConnectError::TimedOut)?.ok_or(ConnectError::Unresolved)?;
    let connected = within(deadline, TcpStream::connect(socket)).await.ok_or(ConnectError::TimedOut)?;
    let stream = connected.map_err(|error| match error.raw_os_error() {
        Some(code) if is_ours(code) => ConnectError::Ours(error),
        _ => ConnectError::Refused(error),
    })?;
    // Heads and bodies leave in whole writes: waiting for more would only delay them.
    let _kept_default = stream.set_nodelay(true);
    Ok(Connection { transport: Transport::Plain(stream), socket, reused: false })
}

fn is_ours(code: i32) -> bool {
    use nix::errno::Errno;
    matches!(
        Errno::from_raw(code),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM | Errno::EADDRNOTAVAIL
    )
}

/// What `future` yields before the deadline passes.
async fn within<F: Future>(deadline: &Deadline, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if deadline.poll_expired(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}
