//! Listing: everything that stands in the store, read once and told as a whole.

use std::collections::BTreeSet;

use model::{Change, Revision};
use redis::Value;
use tokio::time::Instant;

use super::Shared;
use super::ahead::Ahead;
use super::books::Damage;
use super::connect::{Refusal, Stop, octets};
use super::follow::{Deadlines, Session};
use super::known::{Entry, Known};
use super::look::look;
use super::names::{Meaning, Names, RawKey};
use super::place::Place;
use super::settle::{BEHIND, Gathered};
use crate::driver::{Event, LIST_BATCH, Lost};

/// How many keys one step of the scan asks for.
const SCAN: usize = 1000;
/// How often what changed during the listing is read again before it is told.
const ROUNDS: usize = 4;

/// What of a listing is read and taken in already, so that a large store is not there twice.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) known: Known,
    deadlines: Deadlines,
    /// How many keys changed after what was told before the listing.
    pub(super) seen: usize,
    /// The highest revision among them.
    at: u64,
}

impl Taken {
    /// Takes in what was gathered so far. `told`: the revision that was told before the listing.
    fn take(&mut self, names: &Names, gathered: Gathered, told: u64) {
        self.at =
            gathered.found.values().map(|found| found.revision).fold(self.at.max(gathered.at), u64::max);
        for (key, found) in gathered.found {
            if let Some(entry) = &found.entry
                && self.known.take_plain(names, &key, entry)
            {
                self.seen += usize::from(found.revision > told);
                continue;
            }
            self.known.put_plain();
            let before = self.known.get(names, &key);
            let was_seen = before.as_ref().is_some_and(|before| before.revision.number() > told);
            self.seen =
                (self.seen + usize::from(found.revision > told)).saturating_sub(usize::from(was_seen));
            let ends = |entry: Option<&Entry>| entry.and_then(|entry| entry.ends);
            self.deadlines.moved(&key, ends(before.as_ref()), ends(found.entry.as_ref()));
            self.known.take(names, &key, found.entry, Revision::new(self.at), &mut Vec::new());
        }
        self.known.pack(names);
    }
}

impl Session<'_> {
    /// Lists all frontends and dead marks.
    pub(super) async fn list(&mut self) -> Result<(), Stop> {
        self.send(Event::ListBegin).await?;
        let lost = self.lost().await?;
        // A counter that was lost goes on above what we serve; without it, revisions are local.
        self.read_only = None;
        let counted = self.call_number(&[], "").await?;
        self.turned = false;
        self.catch_up().await?;
        let (keys, hosts) = self.scan_all().await?;
        let mut gathered = Gathered { at: self.floor(), ..Gathered::default() };
        if let (Some(counted), true) = (counted, self.writer_is_reader()) {
            gathered.at = gathered.at.max(counted.last);
        }
        self.highest = gathered.at;
        let mut taken = Taken::default();
        self.read_all(keys, &mut gathered, &mut taken).await?;
        for _ in 0..ROUNDS {
            let missed = self.missed(&gathered, &taken).await?;
            if missed.is_empty() {
                break;
            }
            self.read_all(missed, &mut gathered, &mut taken).await?;
        }
        self.highest = gathered.at.max(taken.at);
        (self.known, self.deadlines) = (taken.known, taken.deadlines);
        self.tell_list(lost).await?;
        self.listed = true;
        self.sweep.restart();
        self.list_marks(hosts).await
    }

    /// Reads `keys`, a batch after the other, and takes in what it finds. Three batches are under way: one is read, one numbered, one
    /// taken in.
    async fn read_all(
        &mut self,
        keys: Vec<RawKey>,
        gathered: &mut Gathered,
        taken: &mut Taken,
    ) -> Result<(), Stop> {
        let Shared { names, config, .. } = self.shared;
        let (told, mut before) = (self.highest, Gathered::default());
        let mut ahead = Ahead::start(self.connection.clone(), names.clone(), config.max_value, keys);
        while let Some(looked) = ahead.next().await? {
            let numbered = self.weigh(looked, gathered);
            let take = async { taken.take(names, before, told) };
            let (again, ()) = tokio::join!(numbered, take);
            self.dirty.extend(again?);
            before = Gathered { found: std::mem::take(&mut gathered.found), at: gathered.at };
        }
        taken.take(names, before, told);
        Ok(())
    }

    /// What the master that the sentinels name lost of what this node knows, or of what another node that was here before knew.
    async fn lost(&mut self) -> Result<Option<Lost>, Stop> {
        if self.shared.place.read.sentinels.is_none() {
            return Ok(None);
        }
        let counter = &self.shared.names.revision;
        let mut ask = redis::pipe();
        ask.cmd("GET").arg(counter).cmd("GET").arg(format!("{counter}:lost"));
        let (counter, noted): (Option<u64>, Option<String>) = ask.query_async(&mut self.connection).await?;
        let (after, floor) = (counter.unwrap_or(0), self.floor());
        if after < floor {
            let (after, before) = (Revision::new(after), Revision::new(floor).next());
            return Ok(Some(Lost { after, before }));
        }
        let number = |digits: &str| digits.parse().ok().map(Revision::new);
        Ok(noted.and_then(|noted| {
            let (after, before) = noted.split_once(' ')?;
            Some(Lost { after: number(after)?, before: number(before)? })
        }))
    }

    /// Waits until a replica has heard of what we know. What it says before that would take back what was served.
    async fn catch_up(&mut self) -> Result<(), Stop> {
        if self.writer_is_reader() || self.read_only.is_some() {
            return Ok(());
        }
        self.highest = self.floor();
        let patience = Instant::now() + self.shared.config.timeout;
        loop {
            let (counter, _) = look(&mut self.connection, &self.shared.names, &[]).await?;
            if !self.is_behind(counter) {
                return Ok(());
            }
            if Instant::now() >= patience {
                let Place { read, .. } = &self.shared.place;
                let known = self.highest;
                return Err(Stop::Lost(format!("{read} is a replica at revision {counter}, behind {known}")));
            }
            tokio::time::sleep(BEHIND).await;
        }
    }

    async fn tell_list(&self, lost: Option<Lost>) -> Result<(), Stop> {
        let mut part: Vec<Change> = Vec::with_capacity(LIST_BATCH);
        if let Some(Refusal::Damaged(Damage(books))) = &self.read_only {
            part.extend(books.iter().map(|(key, why)| Change::Quarantine(key.clone(), why.clone())));
        }
        for change in self.known.statement() {
            part.push(change);
            if part.len() == LIST_BATCH {
                self.send(Event::List(std::mem::take(&mut part))).await?;
            }
        }
        self.send(Event::List(part)).await?;
        self.send(Event::Listed {
            revision: Revision::new(self.highest),
            follows_by: self.follows_by,
            read_only: self.read_only.is_some(),
            lost,
        })
        .await
    }

    /// The keys of all frontends in order, and the hosts of all dead marks.
    pub(super) async fn scan_all(&mut self) -> Result<(Vec<RawKey>, BTreeSet<Box<str>>), Stop> {
        let (mut keys, mut hosts, mut found) = (Vec::new(), BTreeSet::new(), Vec::new());
        let (mut cursor, mut is_first) = (0, true);
        let names = &self.shared.names;
        while is_first || cursor != 0 {
            is_first = false;
            // What the step before found is looked through meanwhile.
            let sort = async { found.drain(..).for_each(|key| sort(names, key, &mut keys, &mut hosts)) };
            let (step, ()) = tokio::join!(self.scan(cursor, SCAN), sort);
            (cursor, found) = step?;
        }
        found.into_iter().for_each(|key| sort(names, key, &mut keys, &mut hosts));
        // A scan may find a key twice.
        keys.sort_unstable();
        keys.dedup();
        Ok((keys, hosts))
    }

    /// One step of a scan: the next cursor (0: it came round) and keys that may be ours.
    pub(super) async fn scan(&mut self, cursor: u64, count: usize) -> Result<(u64, Vec<RawKey>), Stop> {
        let (next, keys): (u64, Vec<Value>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(self.shared.names.glob())
            .arg("COUNT")
            .arg(count)
            .query_async(&mut self.connection)
            .await?;
        Ok((next, keys.into_iter().filter_map(octets).map(RawKey::from).collect()))
    }
}

/// Puts a key that was found where it belongs.
fn sort(names: &Names, key: RawKey, keys: &mut Vec<RawKey>, hosts: &mut BTreeSet<Box<str>>) {
    match names.meaning(&key) {
        Meaning::Fact { .. } | Meaning::Junk(_) | Meaning::Check(_) => keys.push(key),
        Meaning::Dead(host) => drop(hosts.insert(host)),
        Meaning::Other => {}
    }
}
