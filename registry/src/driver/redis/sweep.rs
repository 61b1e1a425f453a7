//! Reconciling: what lost messages hid is found by comparing digests, round and round, at a bounded rate.
//!
//! Two walks: one over what is known (changed? gone?), one over the store's keys (new?). Each comes round within the time given, as
//! long as the store has no more than about [`MAX_STEP`] keys for each step.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::{RedisError, Value};
use tokio::time::Instant;

use super::connect::{Stop, octets};
use super::content::Digest;
use super::follow::Session;
use super::known::Cursor;
use super::names::{Meaning, RawKey};
use super::number::MAX_KEYS;
use super::scripts::DIGESTS;
use super::settle::{Found, Gathered, Gone, refuses};
use crate::LARGE_TABLE;

/// How many steps a round has.
const STEPS: u32 = 50;
/// The shortest and the longest pause between steps; the longest also bounds how late a hung store is noticed.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));
/// The most keys one step looks at in each walk.
const MAX_STEP: usize = 1000;
/// The fewest.
const MIN_STEP: usize = 16;

/// A store of so few keys, or of a fifth of those that are known, is listed at once when everything may have changed.
const NEARLY_EMPTY: usize = 64;

/// How far the walks have come.
#[derive(Debug)]
pub(super) struct Sweep {
    /// How long a round may take.
    round: Duration,
    pause: Duration,
    due: Instant,
    /// The last key compared.
    compared: Option<Cursor>,
    cursor: u64,
    /// How many keys the store holds, ours or not.
    stored: usize,
    /// The walks that must come round without a pause.
    hurry: Option<Hurry>,
    /// Whether the store lets us run scripts; otherwise contents are read to be compared.
    scripted: bool,
}

/// Which walks have come round since it was asked to hurry.
#[derive(Debug, Default, Clone, Copy)]
struct Hurry {
    measured: bool,
    compared: bool,
    scanned: bool,
}

impl Sweep {
    pub(super) fn new(round: Duration) -> Self {
        let pause = (round / STEPS).clamp(PAUSE.0, PAUSE.1);
        Self {
            round,
            pause,
            due: Instant::now(),
            compared: None,
            cursor: 0,
            stored: 0,
            hurry: None,
            scripted: true,
        }
    }

    /// Everything may have changed: both walks start again and do not pause until they came round.
    pub(super) fn hurry(&mut self) {
        self.hurry = Some(Hurry::default());
        self.compared = None;
        self.cursor = 0;
        self.due = Instant::now();
    }

    /// Everything may have changed, unless that is looked into already. Whether it is news.
    pub(super) fn doubts(&mut self) -> bool {
        let is_news = self.hurry.is_none();
        if is_news {
            self.hurry();
        }
        is_news
    }

    /// The next step need not wait.
    pub(super) fn soon(&mut self) {
        self.due = Instant::now();
    }

    fn hurries(&self) -> bool {
        self.hurry.is_some()
    }

    /// Whether it was just asked to hurry: how much is left in the store comes before everything else.
    pub(super) fn begins_to_hurry(&self) -> bool {
        self.hurry.is_some_and(|hurry| !hurry.measured)
    }

    /// Everything was just read.
    pub(super) fn restart(&mut self) {
        self.hurry = None;
        self.compared = None;
        self.cursor = 0;
        self.due = Instant::now() + self.pause;
    }

    /// When the next step is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// How many of `all` keys one step takes, so that the walk comes round in time, with a fifth to spare.
    fn step(&self, all: usize) -> usize {
        if self.hurries() {
            return MAX_STEP;
        }
        let steps = (self.round * 4 / 5).as_millis() / self.pause.as_millis().max(1);
        let steps = usize::try_from(steps).unwrap_or(usize::MAX).max(1);
        all.div_ceil(steps).clamp(MIN_STEP, MAX_STEP)
    }
}

impl Session<'_> {
    /// One step of both walks.
    pub(super) async fn reconcile(&mut self) -> Result<(), Stop> {
        let pause = if self.sweep.hurries() { Duration::ZERO } else { self.sweep.pause };
        self.sweep.due = Instant::now() + pause;
        // Every time, so that a flush nobody tells of is seen as one, not as one loss after the other.
        self.sweep.stored = redis::cmd("DBSIZE").query_async(&mut self.connection).await?;
        let measured = self.sweep.hurry.as_mut().map(|hurry| std::mem::replace(&mut hurry.measured, true));
        let all = self.known.len();
        let shrunk = all > 0 && self.sweep.stored <= all / 5;
        let suddenly = shrunk && all >= LARGE_TABLE && self.dirty.is_empty();
        if (measured == Some(false) || suddenly) && self.is_nearly_empty().await? {
            if self.writer_is_reader() {
                return self.vanish().await;
            }
            if shrunk {
                // A replica that lost what it held has lost its counter, too: only a listing says from where to go on.
                return Err(Stop::Lost(format!("{} lost most of what it held", self.shared.place.read)));
            }
        }
        self.compare().await?;
        self.discover().await?;
        if self.sweep.hurry.is_some_and(|hurry| hurry.compared && hurry.scanned) {
            self.sweep.hurry = None;
            self.sweep.due = Instant::now() + self.sweep.pause;
        }
        Ok(())
    }

    /// The walk over what is known.
    async fn compare(&mut self) -> Result<(), Stop> {
        let step = self.sweep.step(self.known.len());
        let names = &self.shared.names;
        let (keys, cursor) = self.known.keys_after(names, self.sweep.compared.as_ref(), step);
        self.sweep.compared = cursor.filter(|_| keys.len() == step);
        if let (None, Some(hurry)) = (&self.sweep.compared, &mut self.sweep.hurry) {
            hurry.compared = true;
        }
        if !self.sweep.scripted {
            self.dirty.extend(keys);
            return self.settle().await;
        }
        let mut counter = self.highest;
        // A script stops the whole server: several short ones, so that others have their turn in between.
        // One even without keys: the counter is asked for, too.
        let count = keys.len().div_ceil(MAX_KEYS).max(1);
        for keys in (0..count).map(|n| &keys[n * MAX_KEYS..keys.len().min((n + 1) * MAX_KEYS)]) {
            match self.digests(keys).await {
                Ok(now) => counter = now,
                Err(error) if refuses(&error) => {
                    self.sweep.scripted = false;
                    self.sweep.compared = None;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.dirty.is_empty() && self.read_only.is_none() && counter != self.highest {
            // A number we have not heard of, or a counter that was lost.
            return self.settle().await;
        }
        Ok(())
    }

    /// Asks for the digests of `keys`, notes those that are not what is known, and answers where the counter stands.
    async fn digests(&mut self, keys: &[RawKey]) -> Result<u64, RedisError> {
        let names = &self.shared.names;
        let mut call = DIGESTS.prepare_invoke();
        call.key(&names.revision).arg(&names.lists);
        for key in keys {
            call.key(&**key);
        }
        let mut replies = call.invoke_async::<Vec<Value>>(&mut self.connection).await?.into_iter();
        let mut text = || replies.next().and_then(octets).and_then(|octets| String::from_utf8(octets).ok());
        let counter = text().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        for key in keys {
            let now = text().map(|digest| Digest::new(&digest));
            if now != self.known.get(names, key).map(|known| known.digest) {
                self.dirty.insert(RawKey::clone(key));
            }
        }
        Ok(counter)
    }

    /// The walk over the store's keys.
    async fn discover(&mut self) -> Result<(), Stop> {
        let count = self.sweep.step(self.sweep.stored);
        let (next, found) = self.scan(self.sweep.cursor, count).await?;
        self.sweep.cursor = next;
        for key in found {
            match self.shared.names.meaning(&key) {
                Meaning::Dead(host) if self.marks.knows(&host) => {}
                _ if self.known.contains(&self.shared.names, &key) => {}
                _ => self.touched(key),
            }
        }
        if next == 0 {
            self.marks.touch_all();
            if let Some(hurry) = &mut self.sweep.hurry {
                hurry.scanned = true;
            }
        }
        Ok(())
    }

    /// The store was flushed: all that is known and not among the few keys it holds now is gone at once.
    async fn vanish(&mut self) -> Result<(), Stop> {
        let (stay, hosts) = self.what_is_left().await?;
        let mut gathered = Gathered { at: self.highest, ..Gathered::default() };
        if self.read_only.is_none() {
            // The counter went too; it goes on above what we served.
            if let Some(numbered) = self.call_number(&[], "").await? {
                gathered.at = gathered.at.max(numbered.last);
            }
        }
        self.dirty = stay;
        hosts.into_iter().for_each(|host| self.marks.touched(host));
        self.marks.touch_all();
        self.sweep.restart();
        if self.known.len() > 0 && !self.dirty.iter().any(|key| self.known.contains(&self.shared.names, key))
        {
            let before = (std::mem::take(&mut self.known), std::mem::take(&mut self.deadlines));
            let told = self.announce(gathered.at, Vec::new(), Gone::All).await;
            // Forgetting takes its time, and nobody waits for it.
            drop(before);
            return told;
        }
        let (known, _) = self.known.keys_after(&self.shared.names, None, usize::MAX);
        let gone = known.into_iter().filter(|key| !self.dirty.contains(key));
        let nothing = |key| (key, Found { entry: None, revision: 0, seen_at: gathered.at });
        gathered.found = gone.map(nothing).collect();
        self.tell_as(gathered, Gone::AtOnce).await
    }

    /// The keys that were not flushed, and the hosts of dead marks.
    async fn what_is_left(&mut self) -> Result<(BTreeSet<RawKey>, BTreeSet<Box<str>>), Stop> {
        if self.sweep.stored == 0 {
            return Ok((BTreeSet::new(), BTreeSet::new()));
        }
        let (stay, hosts) = self.scan_all().await?;
        let mut stay: BTreeSet<RawKey> = stay.into_iter().collect();
        // What the books still name was not flushed but removed, and takes a number.
        let books = redis::cmd("HKEYS").arg(&self.shared.names.revisions).to_owned();
        let books: Vec<Value> = books.query_async(&mut self.connection).await?;
        stay.extend(books.into_iter().filter_map(octets).map(RawKey::from));
        Ok((stay, hosts))
    }

    /// Whether the store holds next to nothing of what it held, so that it is quicker to ask what is left than what is gone.
    async fn is_nearly_empty(&mut self) -> Result<bool, Stop> {
        if self.sweep.stored == 0 {
            return Ok(true);
        }
        let few = NEARLY_EMPTY.max(self.known.len() / 5);
        if self.sweep.stored > few {
            return Ok(false);
        }
        let named = redis::cmd("HLEN").arg(&self.shared.names.revisions).to_owned();
        Ok(named.query_async::<usize>(&mut self.connection).await.is_ok_and(|named| named <= few))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(round: Duration, keys: usize) {
        let sweep = Sweep::new(round);
        let steps = keys.div_ceil(sweep.step(keys));
        let whole = sweep.pause * u32::try_from(steps).expect("steps");
        assert!(whole <= round, "{keys} keys in {whole:?} of {round:?}");
    }

    #[test]
    fn a_round_comes_round_in_time() {
        for keys in [0, 1, 100, 10_000, 30_000] {
            check(Duration::from_secs(5), keys);
            check(Duration::from_secs(60), keys);
        }
        check(Duration::from_millis(500), 10_000);
    }

    #[test]
    fn a_step_is_bounded_however_many_keys_there_are() {
        assert_eq!(Sweep::new(Duration::from_secs(5)).step(100_000_000), MAX_STEP);
    }
}
