//! Sockets: datagrams and connections in, octets of answers out (RFC 1035 §4.2, RFC 7766, RFC 9210).
//!
//! In: bound addresses, the pointer to the zones. Out: answers, counted. Never here: a decision about an answer; a wait or a buffer without
//! a limit.
//!
//! ```text
//! UDP: each thread, for each address, a socket of its own (SO_REUSEPORT): receive up to 32 ─► answer each ─► send all
//! TCP: one thread of its own, a task for each connection: read what is there ─► answer each ─► write all
//! later: both hand what is answered later to one thread of its own, which sends the answer the way the question came
//! ```

mod admission;
mod bind;
mod later;
mod notify;
mod tcp;
mod udp;
mod wildcard;

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use arc_swap::ArcSwap;
use model::{Alarm, Watched};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use bind::BindError;
pub(crate) use bind::{Sockets, bind, is_here};

use crate::config::Config;
use crate::forward::Forward;
use crate::guard::{Drawn, Guards};
use crate::later::Doer;
use crate::metrics::Block;
use crate::query::{self, Client, Context, Done};
use crate::served::Served;
use crate::transfer::{Access, Keys, Updater};
use admission::Admission;
pub(crate) use later::{Jobs, Queue};
pub(crate) use notify::tell;

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What is answered from.
    pub(crate) served: ArcSwap<Served>,
    /// Who gets what of it.
    pub(crate) guards: ArcSwap<Guards>,
    /// What guards have for the life of the process.
    drawn: Drawn,
    /// True once no more is taken.
    pub(crate) ended: AtomicBool,
    /// The settings.
    pub(crate) config: Config,
    /// Who has how many connections.
    pub(crate) admission: Admission,
    /// Who may have more than answers.
    pub(crate) access: Access,
    /// Where what is answered later waits.
    pub(crate) later: Queue,
    /// Forwarding, where it is on.
    pub(crate) forward: Option<Forward>,
}

impl Shared {
    /// With the other end of its queue.
    ///
    /// # Errors
    /// When the system has no chance to give.
    pub(crate) fn new(
        served: Served,
        config: Config,
        (upstreams, keys): (&[SocketAddr], Keys),
    ) -> io::Result<(Arc<Self>, Jobs)> {
        let (later, jobs) = later::queue();
        let admission = Admission::new(config.tcp_connections, config.tcp_connections_per_address);
        let forward = Forward::to(upstreams, &config);
        let drawn = Drawn::draw()?;
        let shared = Self {
            served: ArcSwap::from_pointee(served),
            guards: ArcSwap::from_pointee(Guards::new(&config, &drawn)),
            drawn,
            ended: AtomicBool::new(false),
            access: Access::new(&config, keys),
            config,
            admission,
            later,
            forward,
        };
        Ok((Arc::new(shared), jobs))
    }

    /// Sets the guards as they are in `config`; cookies that were made hold on, counts begin anew.
    pub(crate) fn guard(&self, config: &Config) {
        let config = Config { tcp_idle: self.config.tcp_idle, ..config.clone() };
        self.guards.store(Arc::new(Guards::new(&config, &self.drawn)));
    }

    /// Lets `answer` answer from what is there now: all messages that it is given, at one revision.
    pub(crate) fn with<T>(&self, answer: impl FnOnce(&Context<'_>) -> T) -> T {
        let (served, guards) = (self.served.load(), self.guards.load());
        let forward = self.forward.as_ref().map(|forward| &forward.policy);
        answer(&Context { guards: &guards, forward, access: &self.access, ..Context::open(&served) })
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
    (shared, jobs, updater): (&Arc<Shared>, Jobs, Updater),
    ended: &watch::Receiver<bool>,
    alarm: &Alarm,
) -> io::Result<Running> {
    let (alive, threads) = mpsc::channel(1);
    let (of_tcp, of_later) = (Arc::<Block>::default(), Arc::<Block>::default());
    let mut running = Running { threads, blocks: vec![Arc::clone(&of_tcp), Arc::clone(&of_later)] };
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
                let socket = Arc::new(socket);
                udp::serve(&socket, &shared, &block);
            })?;
        }
    }
    let doer = Arc::new(Doer::new(Arc::clone(shared), updater));
    let answering = later::serve(jobs, doer, of_later, ended.clone());
    on_a_thread("dns-later", alive.clone(), alarm.watch("the thread of DNS that answers later"), answering)?;
    let (shared, ended) = (Arc::clone(shared), ended.clone());
    let accepting = async move { accept_all(listeners, &shared, &of_tcp, &ended).await };
    on_a_thread("dns-tcp", alive, alarm.watch("the thread of DNS over TCP"), accepting)?;
    Ok(running)
}

/// Runs it on a thread and a reactor of its own, which is told to have ended when `alive` is dropped.
fn on_a_thread(
    name: &str,
    alive: mpsc::Sender<()>,
    watched: Watched,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let reactor = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    thread::Builder::new().name(name.into()).spawn(move || {
        let (_alive, _watched) = (alive, watched);
        reactor.block_on(work);
    })?;
    Ok(())
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

/// Answers one message into `out`, and counts it. A panic is a defect of ours and costs one message.
fn answer(
    context: &Context<'_>,
    message: &[u8],
    client: &Client,
    seed: u64,
    block: &Block,
    out: &mut Vec<u8>,
) -> Done {
    let length = out.len();
    // Nothing is shared with the next message but `out`, which is cut back.
    let answered = catch_unwind(AssertUnwindSafe(|| query::answer(context, message, client, seed, out)));
    let Ok(done) = answered else {
        out.truncate(length);
        block.panicked();
        return Done::Dropped;
    };
    block.answered(client.over, &done);
    done
}

#[cfg(test)]
mod tests;
