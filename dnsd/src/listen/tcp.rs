//! Connections: questions behind their lengths, as many as the client likes without waiting for answers (RFC 7766 §6.2.1.1).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Shared, answer};
use crate::config::TCP_ANSWERS;
use crate::metrics::{Block, Limit};
use crate::query::{Client, Context, Over};

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
        match shared.admission.admit(client.address) {
            Ok(admitted) => {
                block.connected();
                let connection =
                    Connection { stream, client, shared: Arc::clone(&shared), block: Arc::clone(&block) };
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
}

impl Connection {
    async fn serve(mut self, mut ended: watch::Receiver<bool>) -> io::Result<()> {
        let (mut input, mut out) = (Vec::with_capacity(ROOM), Vec::new());
        // Since when there is a question that is not whole.
        let mut since = None;
        loop {
            self.answer_all(&mut input, &mut out);
            if !out.is_empty() {
                let written = timeout(self.shared.config.tcp_message, self.stream.write_all(&out)).await;
                written.map_err(|_| self.met(Limit::Message))??;
                out.clear();
                since = None;
                continue;
            }
            if *ended.borrow_and_update() {
                return Ok(());
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
                _ = ended.wait_for(|ended| *ended) => return Ok(()),
            };
            if read.map_err(|_| self.met(limit))?? == 0 {
                return Ok(());
            }
        }
    }

    fn met(&self, limit: Limit) -> io::Error {
        self.block.met(limit);
        io::ErrorKind::TimedOut.into()
    }

    /// Answers the questions that are whole, until enough waits to be written.
    fn answer_all(&self, input: &mut Vec<u8>, out: &mut Vec<u8>) {
        self.shared.with(|context| self.answer_from(context, input, out));
    }

    fn answer_from(&self, context: &Context<'_>, input: &mut Vec<u8>, out: &mut Vec<u8>) {
        let mut at = 0;
        while out.len() < TCP_ANSWERS
            && let Some((length, rest)) = input.get(at..).and_then(<[u8]>::split_first_chunk::<2>)
            && let Some(message) = rest.get(..usize::from(u16::from_be_bytes(*length)))
        {
            at += 2 + message.len();
            let start = out.len();
            out.extend([0; 2]);
            if answer(context, message, &self.client, fastrand::u64(..), &self.block, out) {
                let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
                out[start..start + 2].copy_from_slice(&length.to_be_bytes());
            } else {
                out.truncate(start);
            }
        }
        input.drain(..at);
    }
}

fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > ROOM {
        *buffer = Vec::new();
    }
}
