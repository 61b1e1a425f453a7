//! Sockets: datagrams and connections in, octets of answers out (RFC 1035 §4.2, RFC 7766, RFC 9210).
//!
//! In: bound addresses, the pointer to the zones. Out: answers, counted. Never here: a decision about an answer; a wait or a buffer without
//! a limit.
//!
//! ```text
//! UDP: each thread, for each address, a socket of its own (SO_REUSEPORT): receive up to 32 ─► answer each ─► send all
//! TCP: one thread of its own, a task for each connection: read what is there ─► answer each ─► write all
//! ```

mod admission;
mod bind;
mod tcp;
mod udp;
mod wildcard;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use arc_swap::ArcSwap;
use model::Alarm;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use bind::BindError;
pub(crate) use bind::{Sockets, bind};

use crate::config::Config;
use crate::guard::{Drawn, Guards, Now};
use crate::metrics::Block;
use crate::query::{self, Client, Context, Done};
use crate::zone::ZoneSet;
use admission::Admission;

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The zones that are answered from.
    pub(crate) zones: ArcSwap<ZoneSet>,
    /// Who gets what of them.
    pub(crate) guards: ArcSwap<Guards>,
    /// What guards have for the life of the process.
    drawn: Drawn,
    /// True once no more is taken.
    pub(crate) ended: AtomicBool,
    /// The settings.
    pub(crate) config: Config,
    /// Who has how many connections.
    pub(crate) admission: Admission,
}

impl Shared {
    /// # Errors
    /// When the system has no chance to give.
    pub(crate) fn new(zones: ZoneSet, config: Config) -> io::Result<Arc<Self>> {
        let admission = Admission::new(config.tcp_connections, config.tcp_connections_per_address);
        let drawn = Drawn::draw()?;
        Ok(Arc::new(Self {
            zones: ArcSwap::from_pointee(zones),
            guards: ArcSwap::from_pointee(Guards::new(&config, &drawn)),
            drawn,
            ended: AtomicBool::new(false),
            config,
            admission,
        }))
    }

    /// Sets the guards as they are in `config`; cookies that were made hold on, counts begin anew.
    pub(crate) fn guard(&self, config: &Config) {
        let config = Config { tcp_idle: self.config.tcp_idle, ..config.clone() };
        self.guards.store(Arc::new(Guards::new(&config, &self.drawn)));
    }

    /// Lets `answer` answer from what is there now: all messages that it is given, at one revision.
    pub(crate) fn with<T>(&self, answer: impl FnOnce(&Context<'_>) -> T) -> T {
        let (zones, guards) = (self.zones.load(), self.guards.load());
        answer(&Context { zones: &zones, guards: &guards, now: Now::read() })
    }
}

/// What runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// Closes when the last thread has ended.
    pub(crate) threads: mpsc::Receiver<()>,
    /// What each counts.
    pub(crate) blocks: Vec<Arc<Block>>,
}

/// Starts a thread for each socket of datagrams, and one for all connections: whoever asks much there takes nothing from the rest of the
/// house.
///
/// # Errors
/// When a thread or its reactor cannot be started.
pub(crate) fn start(
    sockets: Vec<Sockets>,
    shared: &Arc<Shared>,
    ended: &watch::Receiver<bool>,
    alarm: &Alarm,
) -> io::Result<Running> {
    let (alive, threads) = mpsc::channel(1);
    let of_tcp = Arc::<Block>::default();
    let mut running = Running { threads, blocks: vec![Arc::clone(&of_tcp)] };
    let mut listeners = Vec::new();
    for sockets in sockets {
        listeners.push(sockets.tcp);
        for (number, socket) in sockets.udp.into_iter().enumerate() {
            let (shared, block, alive) = (Arc::clone(shared), Arc::<Block>::default(), alive.clone());
            running.blocks.push(Arc::clone(&block));
            let alarm = alarm.clone();
            thread::Builder::new().name(format!("dns-{number}")).spawn(move || {
                let _watched = alarm.watch("a thread of DNS");
                let _alive = alive;
                // Closed before the thread is told to have ended.
                let socket = socket;
                udp::serve(&socket, &shared, &block);
            })?;
        }
    }
    let reactor = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let (shared, ended, alarm) = (Arc::clone(shared), ended.clone(), alarm.clone());
    thread::Builder::new().name("dns-tcp".into()).spawn(move || {
        let _watched = alarm.watch("the thread of DNS over TCP");
        let _alive = alive;
        reactor.block_on(accept_all(listeners, &shared, &of_tcp, &ended));
    })?;
    Ok(running)
}

/// Serves connections to all listeners, until all ends.
async fn accept_all(
    listeners: Vec<std::net::TcpListener>,
    shared: &Arc<Shared>,
    block: &Arc<Block>,
    ended: &watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    for listener in listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                drop(tasks.spawn(tcp::serve(listener, Arc::clone(shared), Arc::clone(block), ended.clone())));
            }
            Err(error) => tracing::error!(%error, "DNS over TCP cannot be served"),
        }
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(panic) = ended.map_err(tokio::task::JoinError::try_into_panic)
            && let Ok(panic) = panic
        {
            // Told by the alarm: nobody would accept any more.
            std::panic::resume_unwind(panic);
        }
    }
}

/// Answers one message into `out`, and counts it; true when there is something to send. A panic is a defect of ours and costs one message.
fn answer(
    context: &Context<'_>,
    message: &[u8],
    client: &Client,
    seed: u64,
    block: &Block,
    out: &mut Vec<u8>,
) -> bool {
    let length = out.len();
    // Nothing is shared with the next message but `out`, which is cut back.
    let answered = catch_unwind(AssertUnwindSafe(|| query::answer(context, message, client, seed, out)));
    let Ok(done) = answered else {
        out.truncate(length);
        block.panicked();
        return false;
    };
    block.answered(client.over, done);
    matches!(done, Done::Answered(_) | Done::Slipped(_))
}

#[cfg(test)]
mod tests;
