//! A connected socket that the reactor learns of only once there is something to wait for: a short connection, whose request is
//! there when it is accepted, costs no call to watch it and none to forget it.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

use super::buffer::Buffer;
use super::turn::{TURN_CALLS, end_turn};

/// Both ways.
const ANY: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A non-blocking stream socket.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Ends before the socket does, so that no other socket with its number is forgotten in its place.
    watch: Option<AsyncFd<RawFd>>,
    socket: socket2::Socket,
    /// Reads and writes since it last had to wait.
    unbroken: usize,
}

impl Socket {
    /// `socket` must be non-blocking.
    pub(crate) fn new(socket: socket2::Socket) -> Self {
        Self { watch: None, socket, unbroken: 0 }
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

    /// Reads what is there; 0 is the peer's end. The buffer takes memory only where something is there.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        self.poll(cx, Interest::READABLE, |socket| read(socket, buffer.space()))
    }

    /// Writes as much as the peer takes now. `is_last`: the end follows at once, and what does not fill a segment leaves with it.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        octets: &[u8],
        is_last: bool,
    ) -> Poll<io::Result<usize>> {
        let more = if is_last { SendFlags::MORE } else { SendFlags::empty() };
        self.poll(cx, Interest::WRITABLE, |socket| write(socket, octets, more))
    }

    /// Does `io`, now or once the socket is ready for it; who did so [`TURN_CALLS`] times without a wait lets others go first. `io`
    /// returns how many octets it moved, and whether it knows that no more can be moved now, which spares the next, fruitless call.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut io: impl FnMut(&socket2::Socket) -> io::Result<(usize, bool)>,
    ) -> Poll<io::Result<usize>> {
        if self.unbroken >= TURN_CALLS {
            self.unbroken = 0;
            return end_turn(cx);
        }
        loop {
            let done = match &self.watch {
                // Mostly it is ready, and this asks no more of the reactor than that.
                Some(watch) => watch.try_io(interest, |_| io(&self.socket)),
                None => io(&self.socket),
            };
            match (done, &self.watch) {
                (Err(error), None) if error.kind() == ErrorKind::WouldBlock => self.watch().map(drop)?,
                (Err(error), Some(watch)) if error.kind() == ErrorKind::WouldBlock => {
                    let ready = if interest.is_readable() {
                        watch.poll_read_ready(cx)
                    } else {
                        watch.poll_write_ready(cx)
                    };
                    if ready.is_pending() {
                        self.unbroken = 0;
                    }
                    let _ready = ready!(ready)?;
                }
                (Err(error), _) if error.kind() == ErrorKind::Interrupted => {}
                (Err(error), _) => return Poll::Ready(Err(error)),
                (Ok((moved, was_all)), watch) => {
                    self.unbroken += 1;
                    // All that was there, or all that there was room for: an edge will tell of more. None can have come in between:
                    // the reactor looks for them on this very thread.
                    if was_all
                        && moved > 0
                        && let Some(watch) = watch
                    {
                        let blocks = |_: &RawFd| Err::<(), _>(ErrorKind::WouldBlock.into());
                        let _is_known_now = watch.try_io(interest, blocks);
                    }
                    return Poll::Ready(Ok(moved));
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
            match read(&self.socket, space) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done.map(|(read, _)| read),
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

/// As recv(2), and whether that was all. Not by way of libc, where each call is a place to cancel a thread at, which costs as
/// much again as the call itself.
fn read(socket: &socket2::Socket, space: &mut [u8]) -> io::Result<(usize, bool)> {
    let (read, _) = recv(socket, &mut *space, RecvFlags::empty())?;
    Ok((read, read < space.len()))
}

/// As send(2), and whether there was room for no more. A peer that is gone is an error, and no signal.
fn write(socket: &socket2::Socket, octets: &[u8], flags: SendFlags) -> io::Result<(usize, bool)> {
    let sent = send(socket, octets, flags | SendFlags::NOSIGNAL)?;
    Ok((sent, sent < octets.len()))
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
