//! Numbering from a session: what the store's books do not have is told to them once, and what they do not take is numbered here.
//!
//! In: candidates without a number. Out: revisions, those of the store where it takes writes from us, else our own.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use model::{Check, Fact, FactKey, Origin, Revision};

use super::candidate::Candidate;
use super::connect::{Refusal, Stop};
use super::content::Reading;
use super::follow::Session;
use super::known::{Entry, joined};
use super::names::{Meaning, Names, RawKey};
use super::number::{NOT_KNOWN, Numbered, SET_ASIDE, Terms, Unnumbered, document, number};
use super::settle::{Found, Gathered, found, refuses};
use super::sum::Sum;

impl Session<'_> {
    /// What stood under `key` when it was last seen, for the history: by this session, or by what was served before it.
    fn before(&self, key: &RawKey, meaning: &Meaning, read: &Read) -> String {
        if let Some(fact) = self.stated_by(key, meaning, read) {
            return document(&fact);
        }
        if self.listed {
            return String::new();
        }
        let (Meaning::Fact { key, .. } | Meaning::Check(key)) = meaning else { return String::new() };
        let served = self.snapshots.borrow();
        match served.get(key) {
            Some(stated) => document(&stated.fact),
            None if served.revision() > Revision::ZERO => String::new(),
            None => NOT_KNOWN.to_owned(),
        }
    }

    /// What is there now under `key`, for the history.
    fn after(&self, key: &RawKey, meaning: &Meaning, entry: Option<&Entry>, read: &Read) -> String {
        match (self.stated_by(key, meaning, read), entry) {
            (Some(fact), _) => document(&fact),
            (None, Some(Entry { reading: Reading::Unusable(_), .. })) => SET_ASIDE.to_owned(),
            (None, _) => String::new(),
        }
    }

    /// The fact that `key` states, or has a part in: what was `read` just now, else what is known.
    fn stated_by(&self, key: &RawKey, meaning: &Meaning, read: &Read) -> Option<Arc<Fact>> {
        let names = &self.shared.names;
        match meaning {
            Meaning::Check(FactKey::Frontend { host, .. }) => {
                let check = self.check_under(key, read);
                self.fact_under(&names.list(host), read).map(|fact| joined(&fact, check.as_ref()))
            }
            Meaning::Fact { key: FactKey::Frontend { host, .. }, origin: Origin::Hipache, .. } => {
                let fact = self.fact_under(key, read)?;
                // Most stores hold no checks at all.
                let may_have_one = read.has_checks || self.known.has_checks();
                let check = if may_have_one { self.check_under(&names.check(host), read) } else { None };
                Some(joined(&fact, check.as_ref()))
            }
            _ => self.fact_under(key, read),
        }
    }

    fn reading_under(&self, key: &RawKey, read: &Read) -> Option<Reading> {
        match read.get(key) {
            Some(entry) => entry.map(|entry| entry.reading.clone()),
            None => self.known.get(&self.shared.names, key).map(|entry| entry.reading),
        }
    }

    fn fact_under(&self, key: &RawKey, read: &Read) -> Option<Arc<Fact>> {
        match self.reading_under(key, read)? {
            Reading::Fact(fact) => Some(fact),
            Reading::Check(_) | Reading::Unusable(_) => None,
        }
    }

    fn check_under(&self, key: &RawKey, read: &Read) -> Option<Arc<Check>> {
        match self.reading_under(key, read)? {
            Reading::Check(check) => Some(check),
            Reading::Fact(_) | Reading::Unusable(_) => None,
        }
    }

    /// Has the store number what its books do not have; `sum`: over all of them. `None`: it takes no writes from us.
    pub(super) async fn number(
        &mut self,
        unnumbered: &mut Vec<Candidate>,
        sum: &Sum,
        gathered: &mut Gathered,
    ) -> Result<Option<Vec<RawKey>>, Stop> {
        let mut read = Read::new(&self.shared.names, &gathered.found, unnumbered);
        let mut changes = Vec::with_capacity(unnumbered.len());
        for Candidate { key, meaning, digest, entry, weight, .. } in unnumbered.iter() {
            let before = self.before(key, meaning, &read);
            read.now.insert(key, entry.as_ref());
            let after = self.after(key, meaning, entry.as_ref(), &read);
            changes.push(Unnumbered { key, digest, before, after, weight: *weight });
        }
        drop(read);
        let numbered = self.call_number(&changes, &sum.of(changes.len())).await?;
        let Some(numbered) = numbered else { return Ok(None) };
        // Only where both are one store do these numbers say what can be read.
        if self.writer_is_reader() {
            gathered.at = gathered.at.max(numbered.last);
        }
        let mut again = Vec::new();
        for (Candidate { key, entry, .. }, revision) in unnumbered.drain(..).zip(numbered.keys) {
            match revision {
                Some(revision) => drop(gathered.found.insert(key, found(entry, revision, revision))),
                None => again.push(key),
            }
        }
        Ok(Some(again))
    }

    /// Calls the numbering script; `None`: the store takes no writes from us, and revisions are local from now on.
    pub(super) async fn call_number(
        &mut self,
        changes: &[Unnumbered<'_>],
        sum: &str,
    ) -> Result<Option<Numbered>, Stop> {
        let (names, config, floor) = (&self.shared.names, &self.shared.config, self.floor());
        let Some(writer) = &mut self.writer else {
            self.become_read_only(Refusal::Away("the server to write to cannot be reached".to_owned()));
            return Ok(None);
        };
        let terms = Terms { floor, keep: config.history, node: &config.node.0 };
        match number(writer, names, &terms, changes, sum).await {
            Ok(numbered) => {
                if floor > self.highest.max(numbered.first) {
                    tracing::debug!(floor, first = numbered.first, "the counter is behind");
                }
                Ok(Some(numbered))
            }
            Err(error) if self.is_demoted(&error) => Err(error.into()),
            Err(error) if refuses(&error) => {
                let why = self.refusal(&error).await;
                self.become_read_only(why);
                Ok(None)
            }
            Err(error) if self.writer_is_reader() => Err(error.into()),
            Err(error) => {
                self.writer = None;
                self.become_read_only(Refusal::of(&error));
                Ok(None)
            }
        }
    }

    /// Gives revisions of our own to what differs from what is known.
    pub(super) fn number_locally(&self, unnumbered: Vec<Candidate>, gathered: &mut Gathered) {
        let floor = self.floor();
        for candidate in unnumbered {
            let known = self.known.get(&self.shared.names, &candidate.key);
            let same = match &known {
                Some(known) => known.digest == candidate.digest,
                None => candidate.digest.is_absent(),
            };
            let revision = match (same, known.map(|known| known.revision.number())) {
                (true, Some(revision)) => revision,
                (true, None) => 0,
                (false, _) => self.served_revision(&candidate).unwrap_or_else(|| {
                    gathered.at = gathered.at.max(floor) + 1;
                    gathered.at
                }),
            };
            gathered.found.insert(candidate.key, found(candidate.entry, revision, gathered.at));
        }
    }

    /// The revision this node already serves just this fact at, so that a restart of ours changes nothing.
    fn served_revision(&self, candidate: &Candidate) -> Option<u64> {
        let Candidate { key, meaning, entry, .. } = candidate;
        let now = BTreeMap::from([(key, entry.as_ref())]);
        let read = Read { found: &BTreeMap::new(), now, has_checks: matches!(meaning, Meaning::Check(_)) };
        let fact = self.stated_by(key, meaning, &read)?;
        let Meaning::Fact { key, .. } = meaning else { return None };
        let snapshot = self.snapshots.borrow();
        let served = snapshot.get(key)?;
        (served.fact == fact).then(|| served.revision.number())
    }
}

/// Entries that were read, and are not taken in yet.
struct Read<'a> {
    found: &'a BTreeMap<RawKey, Found>,
    /// Just now.
    now: BTreeMap<&'a RawKey, Option<&'a Entry>>,
    /// Whether checks are among them.
    has_checks: bool,
}

impl<'a> Read<'a> {
    /// What was found, before what is about to be read.
    fn new(names: &Names, found: &'a BTreeMap<RawKey, Found>, about: &[Candidate]) -> Self {
        let checks = (Bound::Included(&*names.checks), Bound::Unbounded);
        let first = found.range::<[u8], _>(checks).next();
        let has_checks = first.is_some_and(|(key, _)| key.starts_with(&names.checks))
            || about.iter().any(|candidate| matches!(candidate.meaning, Meaning::Check(_)));
        Self { found, now: BTreeMap::new(), has_checks }
    }

    fn get(&self, key: &RawKey) -> Option<Option<&Entry>> {
        let before = || self.found.get(key).map(|found| found.entry.as_ref());
        self.now.get(key).copied().or_else(before)
    }
}
