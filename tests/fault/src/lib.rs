//! For tests alone: a TCP proxy between two peers that does harm to what passes it, as a script says.
//!
//! In: an address to pass connections on to, and what to do to them, changed at any time. Out: an address to connect to, and
//! counts of what passed. Never here: a word of HTTP or Redis; a thread that outlives its [`FaultProxy`]; a listener on
//! anything but the loopback address.
//!
//! ```text
//!             door: open · refuse · reset · silent
//!   peer ──► address ──► [ way up:   delay · cut · half-close · trickle · stall · swallow · flip · insert ] ──► target
//!        ◄────────────── [ way down: the same, on its own                                                 ] ◄──
//! ```
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use fault::{Door, Fault, FaultProxy, Way};
//! let between = FaultProxy::start("127.0.0.1:6379".parse().expect("an address"))?;
//! // … connect the one peer to `between.address()`, then:
//! between.set(Way::Down, Fault::Cut { after: 100 }); // 100 further octets of the target's, then a reset
//! between.heal();                                    // all passes again, old connections and new ones
//! between.door(Door::Refuse);                        // nobody listens there any more; who is in stays in
//! between.cut();                                     // who is in, is not
//! # Ok(())
//! # }
//! ```
//!
//! What was set before an octet was sent counts for that octet. A fault counts octets from when it was set, on each
//! connection for itself, and from the beginning on connections that come later.

mod carry;
mod connection;
mod counts;
mod door;
mod script;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

pub use counts::Counts;
pub use script::{Door, Fault, Way};

use counts::Counters;
use script::{Rule, Script};
use std::sync::Arc;

/// The proxy. It works from [`FaultProxy::start`] until it is dropped, which ends all its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    counters: Arc<Counters>,
    /// `None` once it ends.
    script: Option<watch::Sender<Script>>,
    /// How many changes of the script the door has seen.
    seen: watch::Receiver<u64>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Listens on a free loopback port, and passes connections on to `target`, unharmed until told otherwise. The target is
    /// connected to only when somebody comes.
    ///
    /// # Errors
    /// No port is free, or no thread can be had.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counters = Arc::<Counters>::default();
        let (script, scripts) = watch::channel(Script::harmless(target));
        let (saw, seen) = watch::channel(0);
        let mine = Arc::clone(&counters);
        let run = move || runtime.block_on(door::keep(listener, address, scripts, saw, mine));
        let thread = thread::Builder::new().name("fault".into()).spawn(run)?;
        Ok(Self { address, counters, script: Some(script), seen, thread: Some(thread) })
    }

    /// Where to connect to instead of the target.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What passed, and who came.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// From now on this is done to what goes this way, on connections old and new.
    pub fn set(&self, way: Way, fault: Fault) {
        self.change(|script| match way {
            Way::Up => script.up = Rule::new(fault),
            Way::Down => script.down = Rule::new(fault),
        });
    }

    /// As [`FaultProxy::set`], both ways.
    pub fn set_both(&self, fault: Fault) {
        self.change(|script| {
            script.up = Rule::new(fault.clone());
            script.down = Rule::new(fault);
        });
    }

    /// From now on this happens to who comes.
    pub fn door(&self, door: Door) {
        self.change(|script| script.door = door);
    }

    /// All passes again: the door is open and no way does harm. What a fault has kept back goes on, what it destroyed does not
    /// come back.
    pub fn heal(&self) {
        self.change(|script| {
            *script = Script { number: script.number, cuts: script.cuts, ..Script::harmless(script.target) }
        });
    }

    /// Resets all connections there are now, on both sides.
    pub fn cut(&self) {
        self.change(|script| script.cuts += 1);
    }

    /// New connections go there from now on.
    pub fn redirect(&self, target: SocketAddr) {
        self.change(|script| script.target = target);
    }

    /// Changes the script, and waits (for microseconds) until the door has seen it.
    fn change(&self, change: impl FnOnce(&mut Script)) {
        let Some(script) = &self.script else { return };
        let mut number = 0;
        script.send_modify(|script| {
            change(script);
            script.number += 1;
            number = script.number;
        });
        while *self.seen.borrow() < number && self.seen.has_changed().is_ok() {
            thread::yield_now();
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.script.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
