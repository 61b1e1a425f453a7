//! What is known about a question: out of the cache, by the answer to the same question that is on its way, or from an upstream.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::ask::ask;
use super::cache::{Cache, Kept, Known};
use super::counters::Counters;
use super::peers::Peers;
use crate::config::{FORWARD_ATTEMPTS, FORWARD_TOTAL};
use crate::wire::Code;
use crate::wire::upstream::{Ask, Told};

/// How many questions in a row nobody answers before that is said in the log: one name's own servers may be gone.
const SILENCE: u32 = 3;

/// Asks upstreams, and remembers. Used by one thread: its locks are never waited for.
#[derive(Debug)]
pub(super) struct Resolver {
    cache: Mutex<Cache>,
    peers: Mutex<Peers>,
    flights: Mutex<HashMap<Ask, watch::Receiver<Option<Known>>>>,
    counters: Arc<Counters>,
    /// Questions in a row that no upstream answered.
    silent: AtomicU32,
}

/// A question on its way; forgotten when this is dropped.
struct Flight<'r> {
    resolver: &'r Resolver,
    ask: &'r Ask,
    done: watch::Sender<Option<Known>>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        lock(&self.resolver.flights).remove(self.ask);
    }
}

/// What became of one upstream's turn.
type Turn = (usize, Instant, std::io::Result<Told>);

impl Resolver {
    pub(super) fn new(upstreams: &[SocketAddr], cache_bytes: usize, counters: Arc<Counters>) -> Self {
        Self {
            cache: Mutex::new(Cache::new(cache_bytes)),
            peers: Mutex::new(Peers::new(upstreams)),
            flights: Mutex::default(),
            counters,
            silent: AtomicU32::new(0),
        }
    }

    /// How many answers are kept.
    pub(super) fn kept(&self) -> usize {
        lock(&self.cache).len()
    }

    /// What is known about a question, at most [`FORWARD_TOTAL`] from now.
    pub(super) async fn known(&self, ask: &Ask) -> Kept {
        if let Some(kept) = lock(&self.cache).get(ask, Instant::now()) {
            self.counters.hits();
            return kept;
        }
        let flight = lock(&self.flights).get(ask).cloned();
        if let Some(mut flight) = flight {
            self.counters.joined();
            let known = flight.wait_for(Option::is_some).await.map(|known| known.clone());
            return Kept { known: known.ok().flatten().unwrap_or(Known::Failed), age: 0 };
        }
        let (done, flying) = watch::channel(None);
        lock(&self.flights).insert(ask.clone(), flying);
        let flight = Flight { resolver: self, ask, done };
        let told = self.ask(ask).await;
        let now = Instant::now();
        let known = match told {
            Some(told) => Known::Told(lock(&self.cache).put(ask, told, now)),
            None => {
                self.counters.unanswered();
                lock(&self.cache).failed(ask, now);
                Known::Failed
            }
        };
        flight.done.send_replace(Some(known.clone()));
        Kept { known, age: 0 }
    }

    /// Asks one upstream after the other, each as soon as the one before it failed or is late, until one answers.
    async fn ask(&self, ask: &Ask) -> Option<Told> {
        let plan = lock(&self.peers).plan(Instant::now());
        let turns = plan.order.len().max(FORWARD_ATTEMPTS);
        let mut turns: VecDeque<usize> = plan.order.into_iter().cycle().take(turns).collect();
        let mut asked = JoinSet::new();
        if let Some(beside) = plan.beside {
            self.begin(&mut asked, beside, ask);
        }
        let deadline = tokio::time::Instant::now() + FORWARD_TOTAL;
        let (mut next, mut waited_for) = (tokio::time::Instant::now(), None);
        let mut heard = false;
        while !(turns.is_empty() && asked.is_empty()) {
            tokio::select! {
                () = sleep_until(deadline) => break,
                () = sleep_until(next), if !turns.is_empty() => {
                    self.late(waited_for.take());
                    let Some(turn) = turns.pop_front() else { continue };
                    self.begin(&mut asked, turn, ask);
                    next = tokio::time::Instant::now() + lock(&self.peers).patience(turn);
                    waited_for = Some(turn);
                }
                Some(Ok((place, since, outcome))) = asked.join_next() => {
                    heard |= outcome.is_ok();
                    if let Some(told) = self.judge(place, since, outcome) {
                        self.heard();
                        return Some(told);
                    }
                    // It says no more by being asked again.
                    turns.retain(|turn| *turn != place);
                    if waited_for == Some(place) {
                        (next, waited_for) = (tokio::time::Instant::now(), None);
                    }
                }
            }
        }
        self.late(waited_for);
        if heard {
            self.heard()
        } else {
            self.nobody()
        }
        None
    }

    fn begin(&self, asked: &mut JoinSet<Turn>, place: usize, what: &Ask) {
        let Some(to) = lock(&self.peers).address(place) else { return };
        let (what, counters) = (what.clone(), Arc::clone(&self.counters));
        asked.spawn(async move {
            let since = Instant::now();
            (place, since, ask(to, &what, &counters).await)
        });
    }

    /// What an upstream said, where that is an answer.
    fn judge(&self, place: usize, since: Instant, outcome: std::io::Result<Told>) -> Option<Told> {
        let now = Instant::now();
        match outcome {
            Ok(told) => {
                lock(&self.peers).answered(place, now.duration_since(since));
                let answers = [Code::NoError, Code::NoName, Code::NameExists];
                let answer = answers.iter().any(|code| *code as u16 == told.code);
                if !answer {
                    self.counters.failures();
                }
                answer.then_some(told)
            }
            Err(error) => {
                tracing::debug!(%error, place, "an upstream cannot be asked");
                self.counters.failures();
                lock(&self.peers).missed(place, now);
                None
            }
        }
    }

    fn late(&self, place: Option<usize>) {
        if let Some(place) = place {
            self.counters.late();
            lock(&self.peers).missed(place, Instant::now());
        }
    }

    fn heard(&self) {
        if self.silent.swap(0, Ordering::Relaxed) >= SILENCE {
            tracing::info!("upstreams of DNS answer again (dns.forward)");
        }
    }

    fn nobody(&self) {
        if self.silent.fetch_add(1, Ordering::Relaxed).saturating_add(1) == SILENCE {
            tracing::warn!("no upstream of DNS answers (dns.forward); names of other zones are SERVFAIL");
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
