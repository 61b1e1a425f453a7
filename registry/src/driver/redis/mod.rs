//! The Redis driver: hipache's own schema, and portico's facts beside it.
//!
//! In: a [`Place`], whatever any client does to the keys, writes, health reports. Out: [`Event`]s within milliseconds of what was done,
//! hipache's dead marks, history. Never here: a change of Redis' configuration that nobody asked for; an unbounded read; a panic on
//! anything that stands in the store.
//!
//! ```text
//! connect ─► list ─► follow: pushes (tracking | keyspace events) ─► touched keys ─► look ─► number ─► tell
//!    ▲                        sweep (digests, round and round) ──────────┘      (once in the fleet, by Lua)
//!    └── backoff ◄── Lost ◄── no answer in time
//! ```
//!
//! | key under the prefix | holds |
//! |---|---|
//! | `frontend:<host>` | hipache's list: an identifier, then URLs |
//! | `dead:<host>` | hipache's set of dead places in that list, with a TTL |
//! | `portico:frontend:<host><path>` | a frontend that a list cannot say, as JSON |
//! | `portico:service:<name>`, `portico:instance:<service>/<name>`, `portico:host:<name>` | one of these as JSON; an instance with a lease has a TTL |
//! | `portico:revision` | the counter |
//! | `portico:revision:lost` | the two revisions between which this copy of the store lost all, if it is an older one |
//! | `portico:revisions` | by raw key: its revision and the digest of what it said then |
//! | `portico:history` | a capped stream; the ID of a record is its revision |
//! | `portico:changes` | (channel) revision, who and keys of each write |
//! | `portico:node:<id>` | a node's report, with a TTL |
//! | `portico:nodes` | the nodes, by when they last said something, by the store's clock; (channel) each report, or that its node is gone |
//! | `hchecker_ping`, `portico:hchecker_ping` | (no prefix) when an active checker last ran; the same, where it was portico's |

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{ChangeRecord, FactKey, Revision};
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::driver::{BoxFuture, Driver, Event, Feed};
use crate::{Backup, BackupError, Config, HistoryQuery, OpenError, PublishError, ReadError, Write};
use connect::Stop;
use follow::{Inbox, Session, told_to_close};
use names::Names;
use write::Command;

mod ahead;
mod books;
mod candidate;
mod checker;
mod checkers;
mod connect;
mod content;
mod fleet;
mod follow;
pub(crate) mod foreign;
mod health;
mod known;
mod lease;
mod list;
mod listen;
mod look;
mod marks;
mod names;
mod number;
mod numbering;
mod past;
mod place;
mod plain;
mod pushes;
mod report;
mod scripts;
mod sentinel;
mod settle;
mod subscribe;
mod sum;
mod sweep;
mod words;
mod write;

pub use place::Place;

/// How many writes may wait for the task that follows the store.
const COMMAND_QUEUE: usize = 64;
/// The first pause before connecting again.
const BACKOFF: Duration = Duration::from_millis(50);

/// What all parts of the driver share.
#[derive(Debug)]
struct Shared {
    place: Place,
    names: Names,
    config: Config,
    /// By what this process is told from another one of the same name, and when it began.
    process: u64,
    began: Instant,
}

/// The driver of one Redis registry.
struct Redis {
    shared: Shared,
    commands: mpsc::Sender<Command>,
    /// Taken by [`Driver::run`].
    inbox: Mutex<Option<(mpsc::Receiver<Command>, watch::Receiver<bool>)>>,
    /// For reading the history; `None` while the store is lost.
    reading: Mutex<Option<MultiplexedConnection>>,
    closing: watch::Sender<bool>,
}

/// A driver for the store at `place`; connects later, in [`Driver::run`].
///
/// # Errors
/// [`OpenError`] for what no retry can mend: a CA file that cannot be read.
pub fn open(place: &Place, config: &Config) -> Result<Arc<dyn Driver>, OpenError> {
    let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
    let (closing, closed) = watch::channel(false);
    let mut place = place.clone();
    if let Some(path) = &config.ca_file {
        let failed = |error: std::io::Error| OpenError::Store {
            url: place.to_string(),
            reason: format!(
                "the CA file {} cannot be read ({error}); see `registry.ca_file`",
                path.display()
            ),
        };
        let roots = Arc::new(std::fs::read(path).map_err(failed)?);
        place.trust(&roots);
    }
    let names = Names::new(&place.prefix);
    let (process, began) = (fastrand::u64(1..1 << 53), Instant::now());
    let shared = Shared { place, names, config: config.clone(), process, began };
    Ok(Arc::new(Redis {
        shared,
        commands,
        inbox: Mutex::new(Some((receiver, closed))),
        reading: Mutex::new(None),
        closing,
    }))
}

impl Driver for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn run(self: Arc<Self>, feed: Feed) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let taken = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some((commands, closed)) = taken else { return };
            let Feed { events, snapshots, health, report, nodes } = feed;
            let mut inbox = Inbox { commands, health, closed };
            let mut backoff = Backoff::new(self.shared.config.reconnect_max);
            loop {
                let mut begun = Instant::now();
                let stay = async {
                    let (snapshots, report) = (snapshots.clone(), report.clone());
                    let mut session =
                        Session::connect(&self.shared, &events, snapshots, report, &nodes).await?;
                    // Whoever sees us live may read the history.
                    self.set_reading(Some(session.connection.clone()));
                    // What is served before the listing is done is served by a node that others know of.
                    session.introduce().await?;
                    session.list().await?;
                    Ok(session)
                };
                let error = match unless_closed(&events, &mut inbox, stay).await {
                    Ok(mut session) => {
                        backoff.reset();
                        let stop = session.follow(&mut inbox).await;
                        begun = Instant::now();
                        if matches!(stop, Stop::Closed) {
                            session.leave().await;
                        }
                        stop
                    }
                    Err(stop) => stop,
                };
                self.set_reading(None);
                let Stop::Lost(error) = error else { return };
                words::away(&nodes);
                if events.send(Event::Lost { error: error.clone() }).await.is_err() {
                    return;
                }
                // An attempt that took long was a pause itself.
                if pause(&events, &mut inbox, begun + backoff.next(), &error).await.is_err() {
                    return;
                }
            }
        })
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Revision, PublishError>> {
        Box::pin(async move {
            let gone = || PublishError::Unavailable("the registry is closed".to_owned());
            let (answer, answered) = oneshot::channel();
            self.commands.send(Command::Write(write, answer)).await.map_err(|_| gone())?;
            answered.await.unwrap_or_else(|_| Err(gone()))
        })
    }

    fn renew(&self, key: FactKey, expected: Option<Revision>) -> BoxFuture<'_, Result<bool, PublishError>> {
        Box::pin(async move {
            let gone = || PublishError::Unavailable("the registry is closed".to_owned());
            let (answer, answered) = oneshot::channel();
            self.commands.send(Command::Renew(key, expected, answer)).await.map_err(|_| gone())?;
            answered.await.unwrap_or_else(|_| Err(gone()))
        })
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<'_, Result<Vec<ChangeRecord>, ReadError>> {
        Box::pin(async move {
            let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(mut reading) = reading else {
                return Err(ReadError::Unavailable(format!("{} is not connected", self.shared.place)));
            };
            past::read(&mut reading, &self.shared.names, &query).await
        })
    }

    fn backup(&self) -> BoxFuture<'_, Result<Backup, BackupError>> {
        let place = &self.shared.place;
        let why = format!("{place} keeps its own copies: use `redis-cli --rdb FILE`, `BGSAVE` or a replica");
        Box::pin(std::future::ready(Err(BackupError::Elsewhere(why))))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.closing.send_replace(true);
            self.set_reading(None);
        })
    }
}

impl Redis {
    fn set_reading(&self, connection: Option<MultiplexedConnection>) {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

/// Waits for `stay`, unless nobody listens any more. Writes wait for it too: it takes no longer than the settings' patience.
async fn unless_closed<T>(
    events: &mpsc::Sender<Event>,
    inbox: &mut Inbox,
    stay: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    tokio::select! {
        () = events.closed() => Err(Stop::Closed),
        () = told_to_close(&mut inbox.closed) => Err(Stop::Closed),
        stay = stay => stay,
    }
}

/// Waits until the next attempt, answering writes and dropping health reports meanwhile.
async fn pause(
    events: &mpsc::Sender<Event>,
    inbox: &mut Inbox,
    until: Instant,
    error: &str,
) -> Result<(), Stop> {
    loop {
        tokio::select! {
            // Writes first: none may be left waiting for longer than an attempt takes.
            biased;
            Some(command) = inbox.commands.recv() => command.refuse(error),
            Some(_) = inbox.health.recv() => {}
            () = events.closed() => return Err(Stop::Closed),
            () = told_to_close(&mut inbox.closed) => return Err(Stop::Closed),
            () = tokio::time::sleep_until(until) => return Ok(()),
        }
    }
}

/// Doubling pauses with jitter.
#[derive(Debug)]
struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    fn new(max: Duration) -> Self {
        Self { next: BACKOFF, max }
    }

    fn reset(&mut self) {
        self.next = BACKOFF;
    }

    /// From half of the pause to all of it, so that a fleet does not come back in step.
    fn next(&mut self) -> Duration {
        let pause = self.next.min(self.max);
        self.next = (pause * 2).min(self.max);
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        for expected in [50, 100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.next();
            let longest = Duration::from_millis(expected);
            assert!(pause <= longest && pause >= longest / 2, "{pause:?} of {longest:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= BACKOFF);
    }
}
