//! Connections: questions behind their lengths, as many as the client likes without waiting for answers (RFC 7766 §6.2.1.1).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::later::{Owed, Reply};
use super::{Shared, answer};
use crate::config::{LATER_PER_CONNECTION, TCP_ANSWERS};
use crate::metrics::{Block, Limit};
use crate::query::{Client, Context, Done, Over};
use crate::transfer::{Next, Transfer};

/// How long nothing is accepted after the system could not, for lack of descriptors for example.
const REST: Duration = Duration::from_millis(50);
/// The room for what is read in one go; a buffer that grew larger is given back once it is empty.
const ROOM: usize = 4096;

/// Serves connections until `ended` says so; those that are open then end with the questions that were read.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    block: Arc<Block>,
    ended: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut ends = ended.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = ends.wait_for(|ended| *ended) => break,
        };
        let Ok((stream, peer)) = accepted else {
            sleep(REST).await;
            continue;
        };
        let client = Client { address: peer.ip().to_canonical(), over: Over::Tcp };
        let may_ask = shared.guards.load().lets_in(client.address);
        let admitted = if may_ask { shared.admission.admit(client.address) } else { Err(Limit::Denied) };
        match admitted {
            Ok(admitted) => {
                block.connected();
                let connection = Connection::new(stream, client, Arc::clone(&shared), Arc::clone(&block));
                let ended = ended.clone();
                connections.spawn(async move {
                    let _admitted = admitted;
                    // A client that is gone is no news.
                    let _ = connection.serve(ended).await;
                });
            }
            Err(limit) => block.met(limit),
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

struct Connection {
    stream: TcpStream,
    client: Client,
    shared: Arc<Shared>,
    block: Arc<Block>,
    /// Zones on their way, the first one first. There are `transfers` of all connections together.
    transfers: VecDeque<Box<Transfer>>,
    /// Where answers that are made later come: in any order (RFC 7766 §6.2.1.1).
    later: (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>),
    /// How many of them are waited for.
    owed: usize,
}

impl Connection {
    fn new(stream: TcpStream, client: Client, shared: Arc<Shared>, block: Arc<Block>) -> Self {
        Self {
            stream,
            client,
            shared,
            block,
            transfers: VecDeque::new(),
            later: mpsc::channel(LATER_PER_CONNECTION),
            owed: 0,
        }
    }

    async fn serve(mut self, mut ended: watch::Receiver<bool>) -> io::Result<()> {
        let (mut input, mut out) = (Vec::with_capacity(ROOM), Vec::new());
        // Since when there is a question that is not whole; whether the client said that no more come.
        let (mut since, mut last) = (None, false);
        loop {
            self.answer_all(&mut input, &mut out);
            self.transfer(&mut out);
            if !out.is_empty() {
                let written = timeout(self.shared.config.tcp_message, self.stream.write_all(&out)).await;
                written.map_err(|_| self.met(Limit::Message))??;
                out.clear();
                since = None;
                if !self.transfers.is_empty() {
                    self.look(&mut input, &mut out, &mut ended).await?;
                }
                continue;
            }
            let ends = last || *ended.borrow_and_update();
            if ends && self.owed == 0 {
                return Ok(());
            }
            if ends || self.owed >= LATER_PER_CONNECTION {
                let answer = self.later.1.recv().await;
                self.take(answer, &mut out);
                continue;
            }
            if input.is_empty() {
                give_back(&mut input);
                give_back(&mut out);
                since = None;
            }
            let limit = if input.is_empty() { Limit::Idle } else { Limit::Message };
            let until = match limit {
                Limit::Idle => Instant::now() + self.shared.config.tcp_idle,
                _ => *since.get_or_insert_with(Instant::now) + self.shared.config.tcp_message,
            };
            input.reserve(ROOM);
            let read = tokio::select! {
                read = timeout_at(until, self.stream.read_buf(&mut input)) => read,
                answer = self.later.1.recv() => {
                    self.take(answer, &mut out);
                    continue;
                }
                _ = ended.wait_for(|ended| *ended) => continue,
            };
            match read {
                Ok(read) => last = read? == 0,
                // It is not idle: it waits for an answer.
                Err(_) if limit == Limit::Idle && self.owed > 0 => {}
                Err(_) => return Err(self.met(limit)),
            }
        }
    }

    /// Between two messages of a transfer: others have their turn, and what came meanwhile is answered before the next one.
    async fn look(
        &mut self,
        input: &mut Vec<u8>,
        out: &mut Vec<u8>,
        ended: &mut watch::Receiver<bool>,
    ) -> io::Result<()> {
        yield_now().await;
        if *ended.borrow_and_update() {
            // A zone without its end is asked for again.
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        while let Ok(answer) = self.later.1.try_recv() {
            self.take(Some(answer), out);
        }
        if input.len() < ROOM {
            input.reserve(ROOM);
            match self.stream.try_read_buf(input) {
                // At its end nothing more is asked, and what was asked for is taken.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes the next message of the first transfer, if there is room for one.
    fn transfer(&mut self, out: &mut Vec<u8>) {
        let Some(transfer) = self.transfers.front_mut().filter(|_| out.len() < TCP_ANSWERS) else { return };
        let start = out.len();
        out.extend([0; 2]);
        let next = transfer.write(out);
        frame(out, start);
        match next {
            Next::More => {}
            Next::Nothing => drop(self.transfers.pop_front()),
            Next::Impossible => {
                out.truncate(start);
                self.transfers.clear();
            }
        }
    }

    /// An answer that was made later; an empty one is none.
    fn take(&mut self, answer: Option<Vec<u8>>, out: &mut Vec<u8>) {
        self.owed = self.owed.saturating_sub(1);
        let Some(answer) = answer.filter(|answer| !answer.is_empty()) else { return };
        out.extend(u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(answer);
    }

    fn met(&self, limit: Limit) -> io::Error {
        self.block.met(limit);
        io::ErrorKind::TimedOut.into()
    }

    /// Answers the questions that are whole, until enough waits to be written, or to be answered.
    fn answer_all(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) {
        let shared = Arc::clone(&self.shared);
        shared.with(|context| self.answer_from(context, input, out));
    }

    fn answer_from(&mut self, context: &Context<'_>, input: &mut Vec<u8>, out: &mut Vec<u8>) {
        let mut at = 0;
        while out.len() < TCP_ANSWERS
            && self.owed < LATER_PER_CONNECTION
            && let Some((length, rest)) = input.get(at..).and_then(<[u8]>::split_first_chunk::<2>)
            && let Some(message) = rest.get(..usize::from(u16::from_be_bytes(*length)))
        {
            at += 2 + message.len();
            let start = out.len();
            out.extend([0; 2]);
            let done = answer(context, message, &self.client, fastrand::u64(..), &self.block, out);
            if let Done::Transfer(transfer) = done {
                out.truncate(start);
                self.transfers.push_back(transfer);
                continue;
            }
            let reply = || {
                self.owed += 1;
                Reply::Connection(Owed::to(&self.later.0))
            };
            // What is refused at once has its length before it like any other answer.
            if self.shared.later.settle(context, done, self.client, &self.block, out, reply) {
                frame(out, start);
            } else {
                out.truncate(start);
            }
        }
        input.drain(..at);
    }
}

/// Writes how long the message behind these two octets is.
fn frame(out: &mut [u8], start: usize) {
    let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
    out[start..start + 2].copy_from_slice(&length.to_be_bytes());
}

fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > ROOM {
        *buffer = Vec::new();
    }
}
