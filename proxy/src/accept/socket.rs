//! A connected socket that the reactor learns of only once there is something to wait for: a short connection, whose request is
//! there when it is accepted, costs no call to watch it and none to forget it.

use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

/// Both ways.
const ANY: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A non-blocking stream socket.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Ends before the socket does, so that no other socket with its number is forgotten in its place.
    watch: Option<AsyncFd<RawFd>>,
    socket: socket2::Socket,
}

impl Socket {
    /// `socket` must be non-blocking.
    pub(crate) fn new(socket: socket2::Socket) -> Self {
        Self { watch: None, socket }
    }

    /// The options of the socket.
    pub(crate) fn options(&self) -> &socket2::Socket {
        &self.socket
    }

    /// True once the reactor knows it.
    pub(crate) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// The reactor's view of it, from now on.
    pub(crate) fn watch(&mut self) -> io::Result<&AsyncFd<RawFd>> {
        if self.watch.is_none() {
            self.watch = Some(watch(self.socket.as_raw_fd(), ANY)?);
        }
        self.watch.as_ref().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// The reactor forgets it: another thread's is to know it.
    pub(crate) fn unwatch(&mut self) {
        self.watch = None;
    }

    /// Reads what is there; 0 is the peer's end. A short read spares the next, fruitless system call.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, Interest::READABLE, space.len(), |mut socket| socket.read(space))
    }

    /// Writes as much as the peer takes now.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, Interest::WRITABLE, octets.len(), |mut socket| socket.write(octets))
    }

    /// Does `io`, which moves `most` octets at most, now or once the socket is ready for it.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
        most: usize,
        mut io: impl FnMut(&socket2::Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let Some(watch) = &self.watch else {
                match io(&self.socket) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.watch().map(drop)?,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    done => return Poll::Ready(done),
                }
                continue;
            };
            let ready =
                if interest.is_readable() { watch.poll_read_ready(cx) } else { watch.poll_write_ready(cx) };
            let mut ready = ready!(ready)?;
            match io(&self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => {
                    // All that was there, or all that there was room for: an edge will tell of more.
                    if matches!(done, Ok(n) if n > 0 && n < most) {
                        ready.clear_ready();
                    }
                    return Poll::Ready(done);
                }
            }
        }
    }

    /// Reads at once, where the reactor does not know better.
    pub(crate) fn try_read(&self, space: &mut [u8]) -> io::Result<usize> {
        match &self.watch {
            // Not by a poll: a task that has done much in this turn would be told "no" (tokio's budget).
            Some(watch) => watch.try_io(Interest::READABLE, |_| self.read_now(space)),
            None => self.read_now(space),
        }
    }

    /// Reads at once, whatever the reactor knows.
    pub(crate) fn read_now(&self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&self.socket).read(space) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// What the reactor knows now, while the task is woken when it learns that there is something to be read, or an end.
    /// `None`: nothing has come.
    pub(crate) fn poll_stir(&mut self, cx: &mut Context<'_>) -> Option<io::Result<Ready>> {
        let watch = match self.watch() {
            Ok(watch) => watch,
            Err(error) => return Some(Err(error)),
        };
        if watch.poll_read_ready(cx).is_pending() {
            return None;
        }
        let known = pin!(watch.ready(ANY));
        match known.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ready) => Some(ready.map(|guard| guard.ready())),
            Poll::Pending => None,
        }
    }

    /// Looks at the next octet and leaves it.
    pub(crate) fn peek(&self) -> io::Result<usize> {
        self.socket.peek(&mut [MaybeUninit::uninit()])
    }
}

/// Makes a descriptor known to the reactor of this thread. It must stay open for as long as what is returned lives.
#[expect(
    deprecated,
    reason = "what came in its place is unsafe to call; both callers keep the descriptor open, and tell it apart"
)]
pub(crate) fn watch<D: AsRawFd>(descriptor: D, interest: Interest) -> io::Result<AsyncFd<D>> {
    AsyncFd::with_interest(descriptor, interest)
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
