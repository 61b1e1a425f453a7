//! A connection's octets: plain now, TLS later. Try, or wait until it is worth trying.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::deadline::Deadline;

/// Either side's connection.
#[derive(Debug)]
pub(crate) enum Transport {
    /// TCP as it is.
    Plain(TcpStream),
}

impl Transport {
    /// Reads what is there into `space`; 0 is the peer's end. A short read spares the next, fruitless system call.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(stream) = self;
        let mut buffer = ReadBuf::new(space);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes as much of `octets` as the peer takes now.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let Self::Plain(stream) = self;
        Pin::new(stream).poll_write(cx, octets)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Plain(stream) = self;
        stream.poll_read_ready(cx)
    }

    /// Waits, without a buffer, until reading is worth trying.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] once the deadline has passed.
    pub(crate) async fn readable(&self, deadline: &Deadline) -> io::Result<()> {
        poll_fn(|cx| match self.poll_read_ready(cx) {
            Poll::Pending if deadline.poll_expired(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            other => other,
        })
        .await
    }

    /// Reads at least one octet, or the end.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] once the deadline has passed.
    pub(crate) async fn read(&mut self, space: &mut [u8], deadline: &Deadline) -> io::Result<usize> {
        poll_fn(|cx| match self.poll_read(cx, space) {
            Poll::Pending if deadline.poll_expired(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            other => other,
        })
        .await
    }

    /// Reads what is there, without waiting; `None` when nothing is.
    pub(crate) fn try_read(&mut self, space: &mut [u8]) -> Option<io::Result<usize>> {
        // Whoever finds nothing here waits by `readable` next, which leaves a waker of its own.
        match self.poll_read(&mut Context::from_waker(Waker::noop()), space) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
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

    /// True when an idle connection has something to say, which on a connection between two exchanges is its end.
    /// Asks the reactor only: no system call.
    pub(crate) fn stirred(&self) -> bool {
        self.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// As [`Transport::stirred`], asking the kernel: for a request that must not be lost to a connection just closed.
    pub(crate) fn closed(&self) -> bool {
        let Self::Plain(stream) = self;
        let mut octet = [std::mem::MaybeUninit::uninit()];
        match socket2::SockRef::from(stream).peek(&mut octet) {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            Ok(_) => true,
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn finish(&mut self) {
        let Self::Plain(stream) = self;
        // A peer that is gone already needs no farewell.
        let _gone = socket2::SockRef::from(&*stream).shutdown(std::net::Shutdown::Write);
    }

    /// Closes so that the peer sees an error (RST), never a clean end.
    pub(crate) fn abort(self) {
        let Self::Plain(stream) = self;
        // Without the option the peer sees a close in the middle of a message instead, which framing tells apart in most cases.
        let _best_effort = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}
