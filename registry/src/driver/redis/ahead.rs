//! Reading ahead: keys are read by a task of its own while those before them are numbered and taken in.
//!
//! In: keys. Out: what was read of them, a batch after the other, in order. At most [`WAITING`] batches wait.

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::candidate::{Looked, look_at};
use super::connect::Stop;
use super::names::{Names, RawKey};
use super::settle::BATCH;

/// How many batches may wait to be taken in.
const WAITING: usize = 2;

/// Keys that are read.
pub(super) struct Ahead {
    batches: mpsc::Receiver<Result<Looked, RedisError>>,
    /// Ends with this.
    reader: JoinSet<()>,
}

impl Ahead {
    /// Begins to read `keys`. A value of more than `max_octets` is set aside.
    pub(super) fn start(
        mut connection: MultiplexedConnection,
        names: Names,
        max_octets: usize,
        keys: Vec<RawKey>,
    ) -> Self {
        let (sender, batches) = mpsc::channel(WAITING);
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let mut keys = keys.into_iter().peekable();
            while keys.peek().is_some() {
                let batch = keys.by_ref().take(BATCH).collect();
                let looked = look_at(&mut connection, &names, max_octets, batch).await;
                let is_last = looked.is_err();
                if sender.send(looked).await.is_err() || is_last {
                    return;
                }
            }
        });
        Self { batches, reader }
    }

    /// The next batch; `None`: all keys were read.
    pub(super) async fn next(&mut self) -> Result<Option<Looked>, Stop> {
        if let Some(looked) = self.batches.recv().await {
            return Ok(Some(looked?));
        }
        match self.reader.join_next().await {
            // A defect there is one here: what was read until then is not all there is.
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(error)) => Err(Stop::Lost(error.to_string())),
            Some(Ok(())) | None => Ok(None),
        }
    }
}
