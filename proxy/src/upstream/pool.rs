//! A thread's unused connections to endpoints, by address; the one used last is taken first.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;

use model::SocketPath;

use crate::accept::transport::Transport;
use crate::clock::Millis;

/// What a connection to an endpoint is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Remote {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(SocketPath),
}

/// A connection between two exchanges.
#[derive(Debug)]
struct Idle {
    transport: Transport,
    until: Millis,
}

/// Unused connections to endpoints.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: RefCell<HashMap<Remote, Vec<Idle>, foldhash::fast::RandomState>>,
    /// All of them.
    count: Cell<usize>,
    /// Which part the next sweep looks at.
    part: Cell<usize>,
}

/// Sweeps that it takes to look at every connection: at ten a second a connection is closed a second late at most.
const PARTS: usize = 10;

/// How many unused connections may be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// For one address.
    pub(crate) address: usize,
    /// For all of them together.
    pub(crate) all: usize,
}

impl Pool {
    /// A connection to `remote` that nothing was heard of since it was put back; the others of that kind are closed.
    pub(crate) fn take(&self, remote: &Remote, now: Millis) -> Option<Transport> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(remote)?;
        while let Some(Idle { transport, until }) = list.pop() {
            self.count.set(self.count.get().saturating_sub(1));
            if until > now && !transport.stirred() {
                return Some(transport);
            }
        }
        None
    }

    /// Keeps a connection until `until`; false where there is no room for it, and it is closed.
    pub(crate) fn put(&self, remote: Remote, transport: Transport, until: Millis, room: Room) -> bool {
        if self.count.get() >= room.all {
            return false;
        }
        let mut idle = self.idle.borrow_mut();
        let list = idle.entry(remote).or_default();
        let fits = list.len() < room.address;
        if fits {
            list.push(Idle { transport, until });
            self.count.set(self.count.get() + 1);
        }
        fits
    }

    /// Closes what was unused for too long, and what the endpoint closed: of each address one connection in [`PARTS`], so that no
    /// request waits for thousands. All were looked at after as many calls.
    pub(crate) fn sweep(&self, now: Millis) {
        let part = self.part.get();
        self.part.set((part + 1) % PARTS);
        let mut left = 0;
        self.idle.borrow_mut().retain(|_, list| {
            let mut at = part;
            list.retain(|idle| {
                at += 1;
                !at.is_multiple_of(PARTS) || (idle.until > now && !idle.transport.stirred())
            });
            left += list.len();
            !list.is_empty()
        });
        self.count.set(left);
    }

    /// Closes all.
    pub(crate) fn clear(&self) {
        self.idle.borrow_mut().clear();
        self.count.set(0);
    }
}
