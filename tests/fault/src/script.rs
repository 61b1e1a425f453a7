//! What is done to whom.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From who connected to the target.
    Up,
    /// From the target back.
    Down,
}

/// What is done to the octets that go one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Each piece of what is read (64 KiB at most), and the end, goes on so much later.
    Delay(Duration),
    /// Both sides are reset once so many octets have passed; 0: at once.
    Cut {
        /// Octets that still pass.
        after: u64,
    },
    /// The sink is told that nothing more comes (FIN) once so many octets have passed; what comes is read and dropped. The
    /// other way goes on.
    HalfClose {
        /// Octets that still pass.
        after: u64,
    },
    /// So many octets pass each second, one by one (in hundredths of a second's worth, above 100).
    Trickle {
        /// How many; 0 counts as 1.
        per_second: u32,
    },
    /// Nothing is read, so that the source's window fills. What waits goes on when the fault is taken away.
    Stall,
    /// All is read and nothing passes, not even the end. It is lost.
    Swallow,
    /// Each so many-th octet has all its bits turned.
    Flip {
        /// Every how many; 0 counts as 1.
        every: u64,
    },
    /// These octets come in once, after so many others.
    Insert {
        /// Octets that pass before.
        after: u64,
        /// What comes in.
        octets: Vec<u8>,
    },
}

/// What happens to who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Let in, and passed on.
    Open,
    /// Nobody listens: the system refuses. The port stays ours.
    Refuse,
    /// Let in and reset at once.
    Reset,
    /// Let in and told nothing, and nothing is read: like a process that hangs. Passed on once the door is another one.
    Silent,
}

/// A fault, and which one it is: the same fault set again counts anew.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) number: u64,
    pub(crate) fault: Fault,
}

impl Rule {
    pub(crate) fn new(fault: Fault) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), fault }
    }
}

/// All that is set.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// How often it changed.
    pub(crate) number: u64,
    pub(crate) target: SocketAddr,
    pub(crate) door: Door,
    pub(crate) up: Rule,
    pub(crate) down: Rule,
    /// How often all connections were cut.
    pub(crate) cuts: u64,
}

impl Script {
    pub(crate) fn harmless(target: SocketAddr) -> Self {
        let rule = || Rule::new(Fault::None);
        Self { number: 0, target, door: Door::Open, up: rule(), down: rule(), cuts: 0 }
    }

    pub(crate) fn way(&self, way: Way) -> &Rule {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }
}
