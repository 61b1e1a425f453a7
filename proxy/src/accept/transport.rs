//! A connection's octets: plain now, TLS later. Try, or wait until it is worth trying.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use super::buffer::Buffer;
use super::deadline::Deadline;
use super::socket::Socket;

/// Either side's connection.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Octets as they are.
    Plain(Socket),
}

impl Transport {
    /// Writes as much of `octets` as the peer takes now.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(socket) = self;
        socket.poll_write(cx, octets, false)
    }

    /// The same, of what is the last of all: [`Transport::finish`] or the connection's end must follow at once, and goes along with
    /// it, where else it would be a packet more for both sides to send, hear of and acknowledge.
    pub(crate) fn poll_write_last(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(socket) = self;
        socket.poll_write(cx, octets, true)
    }

    /// Reads what is there to `buffer`; 0 is the peer's end. An empty buffer has no memory while nothing is there.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        let Self::Plain(socket) = self;
        let read = socket.poll_fill(cx, buffer);
        match &read {
            Poll::Ready(Ok(read)) => buffer.extend(*read),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => buffer.rest(),
        }
        read
    }

    /// As [`Transport::poll_fill`], at once; `None`: nothing is there. Asks the kernel, whatever the reactor knows.
    pub(crate) fn try_fill(&mut self, buffer: &mut Buffer) -> Option<io::Result<usize>> {
        let Self::Plain(socket) = self;
        let read = socket.read_now(buffer.space());
        if matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            buffer.rest();
            return None;
        }
        buffer.extend(*read.as_ref().unwrap_or(&0));
        Some(read)
    }

    /// As [`Transport::poll_fill`], waiting for at least one octet, or the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] once the deadline has passed.
    pub(crate) async fn fill(&mut self, buffer: &mut Buffer, deadline: &Deadline) -> io::Result<usize> {
        poll_fn(|cx| match self.poll_fill(cx, buffer) {
            Poll::Pending if deadline.poll_expired(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            other => other,
        })
        .await
    }

    /// Writes all of `octets`.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] once the deadline has passed.
    pub(crate) async fn write_all(&mut self, mut octets: &[u8], deadline: &Deadline) -> io::Result<()> {
        poll_fn(|cx| {
            while !octets.is_empty() {
                match self.poll_write(cx, octets)? {
                    Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(n) => octets = &octets[n..],
                    Poll::Pending if deadline.poll_expired(cx) => {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Makes the connection known to the reactor: from now on a read that is not worth trying is not tried.
    pub(crate) fn expects_a_wait(&mut self) -> io::Result<()> {
        let Self::Plain(socket) = self;
        socket.watch().map(drop)
    }

    /// All that came was taken, and a lot is still to come: the kernel shall say so now (tcp(7), `TCP_QUICKACK`), and not wait 20 ms
    /// for something of ours that it could go along with. After a rest, a peer may have no more than a segment under way.
    pub(crate) fn acknowledge(&self) {
        let Self::Plain(socket) = self;
        // A Unix socket knows no acknowledgements.
        let _not_tcp = rustix::net::sockopt::set_tcp_quickack(socket, true);
    }

    /// True when something came that nobody read, be it the end. Asks the reactor, and the kernel only where that says yes or
    /// knows nothing; an octet may be lost by it, so what has stirred is to be closed.
    pub(crate) fn stirred(&self) -> bool {
        let Self::Plain(socket) = self;
        !matches!(socket.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// True once the peer is gone, or closed its side with nothing left to be read (unless it `may_stop`).
    ///
    /// Asks the reactor: no system call as long as the peer's side is open. The task is woken when it closes, but for a peer
    /// that has sent something which nobody reads yet. A connection that the reactor does not know is made known to it only
    /// once `deadline` has seen a wait: most answers come sooner.
    pub(crate) fn poll_left(&mut self, cx: &mut Context<'_>, deadline: &Deadline, may_stop: bool) -> bool {
        let Self::Plain(socket) = self;
        if !socket.is_watched() && !deadline.has_waited() {
            return false;
        }
        match socket.poll_stir(cx) {
            None => false,
            Some(Ok(ready)) if ready.is_write_closed() => true,
            Some(Ok(ready)) => ready.is_read_closed() && !may_stop && !matches!(socket.peek(), Ok(1..)),
            Some(Err(_)) => true,
        }
    }

    /// As [`Transport::stirred`], asking the kernel: for a request that must not be lost to a connection just closed.
    pub(crate) fn closed(&self) -> bool {
        let Self::Plain(socket) = self;
        !matches!(socket.peek(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn finish(&mut self) {
        let Self::Plain(socket) = self;
        // A peer that is gone already needs no farewell.
        let _gone = socket.options().shutdown(std::net::Shutdown::Write);
    }

    /// Closes so that the peer sees an error (RST), never a clean end.
    pub(crate) fn abort(self) {
        let Self::Plain(socket) = self;
        // Without the option the peer sees a close in the middle of a message instead, which framing tells apart in most cases.
        let _best_effort = socket.options().set_linger(Some(Duration::ZERO));
    }
}
