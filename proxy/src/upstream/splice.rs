//! Large counted bodies pass by: from one socket through a pipe to the other, inside the kernel, never copied here (splice(2)).

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;

use crate::accept::descriptors::Descriptors;
use crate::accept::transport::Transport;

/// A body of which at least so many octets are still to come is worth a pipe.
pub(crate) const WORTHWHILE: u64 = 64 << 10;

/// Octets that a pipe holds, where the system allows it: less means more turns, nothing else.
const ROOM: usize = 1 << 20;

/// Unused pipes that a thread keeps.
const KEPT: usize = 32;

/// Pipes of a thread at once, used and unused. A client that takes its answer slowly holds two descriptors with one, and a megabyte
/// of the kernel's: beyond so many, bodies are copied, which costs none of either.
const MOST: usize = 64;

/// A way through the kernel.
#[derive(Debug)]
pub(crate) struct Pipe {
    exit: OwnedFd,
    entry: OwnedFd,
    held: usize,
    /// Counted for as long as it lives.
    _counted: Counted,
}

/// One of a thread's pipes.
#[derive(Debug)]
struct Counted(Rc<Cell<usize>>);

impl Counted {
    fn new(pipes: &Rc<Cell<usize>>) -> Self {
        pipes.set(pipes.get() + 1);
        Self(Rc::clone(pipes))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Pipe {
    /// Octets in it.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Takes up to `most` octets out of `from`; 0 is the peer's end. Only an empty pipe may be filled: of a full one the system
    /// says the same as of a socket that has nothing.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Transport,
        most: u64,
    ) -> Poll<io::Result<usize>> {
        let Transport::Plain(socket) = from;
        let most = usize::try_from(most).unwrap_or(ROOM).min(ROOM);
        // It may hold fewer octets than there are: so a short one says nothing of the socket.
        let moved =
            socket.poll(cx, Interest::READABLE, |socket| Ok((pass(socket, &self.entry, most)?, false)));
        if let Poll::Ready(Ok(n)) = moved {
            self.held += n;
        }
        moved
    }

    /// Gives what is in it to `to`.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>, to: &mut Transport) -> Poll<io::Result<usize>> {
        let Transport::Plain(socket) = to;
        let held = self.held;
        let moved = socket.poll(cx, Interest::WRITABLE, |socket| {
            let passed = pass(&self.exit, socket, held)?;
            Ok((passed, passed < held))
        });
        if let Poll::Ready(Ok(n)) = moved {
            self.held = held.saturating_sub(n);
        }
        moved
    }
}

fn pass(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    Ok(splice(from, None, to, None, most, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?)
}

/// A thread's pipes.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    unused: RefCell<Vec<Pipe>>,
    /// All of them.
    count: Rc<Cell<usize>>,
}

impl Pipes {
    /// An empty pipe; `None` where there are enough, or no descriptor can be spared: then octets are copied.
    pub(crate) fn take(&self, descriptors: &Descriptors) -> Option<Pipe> {
        if let Some(pipe) = self.unused.borrow_mut().pop() {
            return Some(pipe);
        }
        if self.count.get() >= MOST {
            return None;
        }
        let (exit, entry) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
        if descriptors.is_tight(&exit) || descriptors.is_tight(&entry) {
            return None;
        }
        // As it is where a user's pipes may not grow.
        let _room = fcntl_setpipe_size(&entry, ROOM);
        Some(Pipe { exit, entry, held: 0, _counted: Counted::new(&self.count) })
    }

    /// Keeps `pipe` for the next body, if it is empty.
    pub(crate) fn give(&self, pipe: Pipe) {
        let mut kept = self.unused.borrow_mut();
        if pipe.held == 0 && kept.len() < KEPT {
            kept.push(pipe);
        }
    }

    /// Closes all.
    pub(crate) fn clear(&self) {
        self.unused.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_so_many_pipes_and_no_more() {
        let (pipes, descriptors) = (Pipes::default(), Descriptors::new(1 << 20));
        let mut used: Vec<_> = std::iter::from_fn(|| pipes.take(&descriptors)).collect();
        assert_eq!(used.len(), MOST);

        drop(used.pop());
        pipes.give(used.swap_remove(0));
        assert_eq!(pipes.count.get(), MOST - 1, "an unused one counts, one that is gone does not");
        used.extend(std::iter::from_fn(|| pipes.take(&descriptors)));

        assert_eq!(used.len(), MOST);
    }
}
