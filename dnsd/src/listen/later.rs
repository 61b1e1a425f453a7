//! The thread that answers later, the one queue in front of it, and the way back to who asked.
//!
//! What holds a zone never waits for it: a message that finds the queue full is refused at once (SERVFAIL).

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, SockaddrStorage};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::wildcard::{self, Destination};
use crate::config::{LATER_AT_ONCE, LATER_QUEUE};
use crate::later::{Doer, Task};
use crate::metrics::Block;
use crate::query::{Client, Context, Done};

/// How long what was begun may take once all ends.
const END: Duration = Duration::from_millis(1500);

/// A message that is answered later, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    task: Task,
    client: Client,
    reply: Reply,
}

/// The way back to who asked.
#[derive(Debug)]
pub(super) enum Reply {
    /// By a datagram.
    Datagram {
        /// The socket that the question came by.
        socket: Arc<UdpSocket>,
        /// To whom.
        to: SockaddrStorage,
        /// From which address, where the socket has many.
        from: Option<Destination>,
    },
    /// On the connection that the question came on.
    Connection(Owed),
}

/// An answer that a connection waits for: it comes, or nothing does, as an empty one; in any case once.
#[derive(Debug)]
pub(super) struct Owed(Option<mpsc::Sender<Vec<u8>>>);

impl Owed {
    /// To whom holds the other end, which has room for all that it waits for.
    pub(super) fn to(connection: &mpsc::Sender<Vec<u8>>) -> Self {
        Self(Some(connection.clone()))
    }

    fn pay(mut self, answer: Vec<u8>) -> bool {
        self.0.take().is_some_and(|connection| connection.try_send(answer).is_ok())
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            let _ = connection.try_send(Vec::new());
        }
    }
}

impl Reply {
    /// False when the answer could not be sent.
    fn send(self, answer: Vec<u8>) -> bool {
        match self {
            Self::Datagram { socket, to, from } => {
                wildcard::send(&socket, &answer, Some(&to), from, MsgFlags::MSG_DONTWAIT).is_ok()
            }
            Self::Connection(owed) => owed.pay(answer),
        }
    }
}

/// The queue of what is answered later.
#[derive(Debug, Clone)]
pub(crate) struct Queue(mpsc::Sender<Job>);

/// Where the thread takes from.
#[derive(Debug)]
pub(crate) struct Jobs(mpsc::Receiver<Job>);

/// A queue of [`LATER_QUEUE`], and its other end.
pub(crate) fn queue() -> (Queue, Jobs) {
    let (sender, jobs) = mpsc::channel(LATER_QUEUE);
    (Queue(sender), Jobs(jobs))
}

impl Queue {
    /// Hands on what is answered later. True when there is something to send now: the answer in `out`.
    pub(super) fn settle(
        &self,
        context: &Context<'_>,
        done: Done,
        client: Client,
        block: &Block,
        out: &mut Vec<u8>,
        reply: impl FnOnce() -> Reply,
    ) -> bool {
        let task = match done {
            // A transfer is its connection's business.
            Done::Dropped | Done::Limited | Done::Transfer(_) => return false,
            Done::Answered(_) | Done::Slipped(_) => return true,
            Done::Later(task) => task,
        };
        if let Ok(place) = self.0.try_reserve() {
            place.send(Job { task, client, reply: reply() });
            return false;
        }
        let done = task.refuse(context, &client, out);
        block.later_refused(&done);
        matches!(done, Done::Answered(_) | Done::Slipped(_))
    }
}

/// Does what comes, so much of it at once, until all ends.
pub(super) async fn serve(jobs: Jobs, doer: Arc<Doer>, block: Arc<Block>, ended: watch::Receiver<bool>) {
    let (Jobs(mut jobs), mut working, mut ends) = (jobs, JoinSet::new(), ended);
    loop {
        let has_room = working.len() < LATER_AT_ONCE;
        let job = tokio::select! {
            job = jobs.recv(), if has_room => job,
            Some(done) = working.join_next() => {
                ended_well(&done, &block);
                continue;
            }
            _ = ends.wait_for(|ended| *ended) => break,
        };
        let Some(job) = job else { break };
        working.spawn(perform(job, Arc::clone(&doer), Arc::clone(&block)));
    }
    // Whoever still comes is refused at once; what waits for its turn is begun no more: it is answered nothing.
    drop(jobs);
    let end = async {
        while let Some(done) = working.join_next().await {
            ended_well(&done, &block);
        }
    };
    let _ = timeout(END, end).await;
}

/// A panic is a defect of ours and costs one message.
fn ended_well(done: &Result<(), tokio::task::JoinError>, block: &Block) {
    if done.as_ref().is_err_and(tokio::task::JoinError::is_panic) {
        block.panicked();
    }
}

async fn perform(job: Job, doer: Arc<Doer>, block: Arc<Block>) {
    let Job { task, client, reply } = job;
    let mut out = Vec::new();
    let Some(sent) = doer.perform(&task, client, &mut out).await else { return };
    block.sent(sent);
    if !reply.send(out) {
        block.unsent(1);
    }
}
