//! What this node knows of the store: by key, what it said when it was last read; by fact, which key states it.
//!
//! In: readings. Out: the [`Change`]s they make. Several keys may state one fact: portico's JSON and hipache's list, or spellings of one
//! host; portico's JSON wins, then the canonical spelling, and the others are set aside as clashes.
//!
//! Nearly every entry is the only one of its fact, is served, and says it just as portico would write it: then the fact alone is kept
//! ([`plain`]), and key and digest are made of it when they are wanted. There may be a million of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{Change, Check, Fact, FactKey, FactKind, Origin, Quarantined, Revision, Snapshot, Stated};
use tokio::time::Instant;

use super::content::{Digest, Reading};
use super::names::{Meaning, Names, RawKey, shown};

mod plain;

pub(super) use plain::Cursor;

/// What a key said when it was last read.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) digest: Digest,
    /// The revision of its last change.
    pub(super) revision: Revision,
    pub(super) reading: Reading,
    /// When it ends by itself.
    pub(super) ends: Option<Instant>,
}

/// What we made of an entry.
#[derive(Debug, Clone, PartialEq)]
enum Shown {
    Nothing,
    Served(Stated),
    Aside(Quarantined),
}

#[derive(Debug)]
struct Held {
    entry: Entry,
    shown: Shown,
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What is stated by entries that are plain.
    plain: Snapshot,
    /// Keys that were taken in and may be plain.
    fresh: Vec<RawKey>,
    /// Entries that are plain, all of one origin, about to be put there in one go.
    waiting: Vec<Stated>,
    /// All other entries.
    entries: BTreeMap<RawKey, Held>,
    /// Of the facts that they state.
    claims: HashMap<FactKey, Vec<RawKey>>,
    /// How many of the entries are checks: most stores have none.
    checks: usize,
}

impl Known {
    /// What stood under `raw` when it was last read.
    pub(super) fn get(&self, names: &Names, raw: &RawKey) -> Option<Entry> {
        match self.entries.get(raw) {
            Some(held) => Some(held.entry.clone()),
            None if self.plain.is_empty() => None,
            None => Some(plain::entry(self.plain_under(names, raw)?)),
        }
    }

    /// Whether anything stood under `raw` when it was last read.
    pub(super) fn contains(&self, names: &Names, raw: &RawKey) -> bool {
        self.entries.contains_key(raw) || self.plain_under(names, raw).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.entries.len()
    }

    /// Whether any of the entries is a check.
    pub(super) fn has_checks(&self) -> bool {
        self.checks > 0
    }

    /// The fact that is served under `key`, and the raw key that states it.
    pub(super) fn served(&self, names: &Names, key: &FactKey) -> Option<(RawKey, Stated)> {
        if let Some(stated) = self.plain.get(key) {
            return Some((names.spelled(key, stated.origin), stated.clone()));
        }
        self.claims.get(key)?.iter().find_map(|raw| match &self.entries.get(raw)?.shown {
            Shown::Served(stated) => Some((Arc::clone(raw), stated.clone())),
            _ => None,
        })
    }

    /// All keys that state, or should state, this fact.
    pub(super) fn claimants(&self, names: &Names, key: &FactKey) -> Vec<RawKey> {
        match self.plain.get(key) {
            Some(stated) => vec![names.spelled(key, stated.origin)],
            None => self.claims.get(key).cloned().unwrap_or_default(),
        }
    }

    /// Takes in what was read under `raw` (`None`: nothing is there) and adds what changes by it to `changes`. `at`: the
    /// revision these changes are told at.
    pub(super) fn take(
        &mut self,
        names: &Names,
        raw: &RawKey,
        entry: Option<Entry>,
        at: Revision,
        changes: &mut Vec<Change>,
    ) {
        let meaning = names.meaning(raw);
        if let Meaning::Fact { key, .. } | Meaning::Check(key) = &meaning {
            self.unpack(names, key);
        }
        let a_check = usize::from(matches!(meaning, Meaning::Check(_)));
        let before = match entry {
            Some(entry) => match self.entries.get_mut(raw) {
                Some(held) => {
                    held.entry = entry;
                    Shown::Nothing
                }
                None => {
                    self.entries.insert(Arc::clone(raw), Held { entry, shown: Shown::Nothing });
                    self.checks += a_check;
                    Shown::Nothing
                }
            },
            None => self.entries.remove(raw).map_or(Shown::Nothing, |held| {
                self.checks -= a_check;
                held.shown
            }),
        };
        if matches!(before, Shown::Aside(_)) {
            changes.push(Change::Release(shown(raw)));
        }
        match meaning {
            Meaning::Check(key) => {
                self.show(names, &key, false, at, changes);
                self.show_check(names, raw, &key, changes);
            }
            Meaning::Fact { key, .. } => {
                self.claim(&key, raw);
                self.show(names, &key, matches!(before, Shown::Served(_)), at, changes);
                if let (FactKey::Frontend { host, path }, 1..) = (&key, self.checks)
                    && path.is_root()
                {
                    self.show_check(names, &names.check(host), &key, changes);
                }
                self.fresh.push(Arc::clone(raw));
            }
            _ => self.show_junk(raw, changes),
        }
    }

    fn claim(&mut self, key: &FactKey, raw: &RawKey) {
        let claimants = self.claims.entry(key.clone()).or_default();
        claimants.retain(|claimant| claimant != raw);
        if self.entries.contains_key(raw) {
            claimants.push(Arc::clone(raw));
        }
        if claimants.is_empty() {
            self.claims.remove(key);
        }
    }

    fn show_junk(&mut self, raw: &RawKey, changes: &mut Vec<Change>) {
        let Some(held) = self.entries.get_mut(raw) else { return };
        if let Reading::Unusable(why) = &held.entry.reading {
            let aside = Shown::Aside(why.clone());
            if held.shown != aside {
                changes.push(Change::Quarantine(shown(raw), why.clone()));
                held.shown = aside;
            }
        }
    }

    /// Decides which of the keys that state `key` is served, and tells what is different by it.
    fn show(
        &mut self,
        names: &Names,
        key: &FactKey,
        was_served: bool,
        at: Revision,
        changes: &mut Vec<Change>,
    ) {
        let claimants = self.claims.get(key).cloned().unwrap_or_default();
        let check = self.check(names, key);
        let winner = claimants.iter().filter_map(|raw| self.rank(names, raw)).min();
        let served_before = was_served || self.served(names, key).is_some();
        if served_before && winner.is_none() {
            changes.push(Change::Remove(key.clone()));
        }
        for raw in &claimants {
            let Some(held) = self.entries.get_mut(raw) else { continue };
            let now = match (&held.entry.reading, &winner) {
                (Reading::Unusable(why), _) => Shown::Aside(why.clone()),
                (Reading::Fact(fact), Some((_, _, first))) if first == raw => {
                    // One that comes forward because a better one went is new at this revision.
                    let newly = !matches!(held.shown, Shown::Served(_)) && served_before;
                    if newly {
                        held.entry.revision = held.entry.revision.max(at);
                    }
                    let check = check.as_ref().filter(|_| raw.starts_with(&names.lists));
                    let fact = joined(fact, check.map(|(check, _)| check));
                    let mut revision = held.entry.revision.max(check.map_or(Revision::ZERO, |(_, at)| *at));
                    if let Shown::Served(before) = &held.shown
                        && before.fact != fact
                        && before.revision >= revision
                    {
                        // Its check went, which is a change of its own.
                        revision = before.revision.max(at);
                        held.entry.revision = revision;
                    }
                    Shown::Served(stated(names, raw, &fact, revision))
                }
                (Reading::Check(_), _) => continue,
                (Reading::Fact(_), winner) => {
                    Shown::Aside(clash(key.kind(), raw, winner.as_ref().map(|(_, _, first)| first)))
                }
            };
            if held.shown == now {
                continue;
            }
            if matches!(held.shown, Shown::Aside(_)) && matches!(now, Shown::Served(_)) {
                changes.push(Change::Release(shown(raw)));
            }
            match &now {
                Shown::Served(stated) => changes.push(Change::Put(stated.clone())),
                Shown::Aside(why) => changes.push(Change::Quarantine(shown(raw), why.clone())),
                Shown::Nothing => {}
            }
            held.shown = now;
        }
    }

    /// The usable check of planb's for a frontend, and the revision of its last change.
    pub(super) fn check(&self, names: &Names, key: &FactKey) -> Option<(Arc<Check>, Revision)> {
        let FactKey::Frontend { host, path } = key else { return None };
        if self.checks == 0 || !path.is_root() {
            return None;
        }
        let Held { entry, .. } = self.entries.get(&names.check(host))?;
        match &entry.reading {
            Reading::Check(check) => Some((Arc::clone(check), entry.revision)),
            Reading::Fact(_) | Reading::Unusable(_) => None,
        }
    }

    /// Tells of a check that cannot be used, or that belongs to no list because portico's JSON states the frontend.
    fn show_check(&mut self, names: &Names, raw: &RawKey, key: &FactKey, changes: &mut Vec<Change>) {
        let winner = self.served(names, key).map(|(winner, _)| winner);
        let native = winner.filter(|winner| !winner.starts_with(&names.lists));
        let Some(held) = self.entries.get_mut(raw) else { return };
        let now = match (&held.entry.reading, native) {
            (Reading::Unusable(why), _) => Shown::Aside(why.clone()),
            (_, Some(native)) => Shown::Aside(clash(key.kind(), raw, Some(&native))),
            (_, None) => Shown::Nothing,
        };
        if held.shown == now {
            return;
        }
        match &now {
            Shown::Aside(why) => changes.push(Change::Quarantine(shown(raw), why.clone())),
            _ => changes.push(Change::Release(shown(raw))),
        }
        held.shown = now;
    }

    /// The place of a key among those that state one fact, the best first; `None`: it states none.
    fn rank(&self, names: &Names, raw: &RawKey) -> Option<(bool, bool, RawKey)> {
        if !matches!(self.entries.get(raw)?.entry.reading, Reading::Fact(_)) {
            return None;
        }
        match names.meaning(raw) {
            Meaning::Fact { origin, canonical, .. } => {
                Some((origin != Origin::Native, !canonical, Arc::clone(raw)))
            }
            _ => None,
        }
    }

    /// All that is known, as the changes that state it.
    pub(super) fn statement(&self) -> impl Iterator<Item = Change> {
        let others = self.entries.iter().filter_map(|(raw, held)| match &held.shown {
            Shown::Served(stated) => Some(Change::Put(stated.clone())),
            Shown::Aside(why) => Some(Change::Quarantine(shown(raw), why.clone())),
            Shown::Nothing => None,
        });
        self.plain.facts().cloned().map(Change::Put).chain(others)
    }
}

/// A frontend of hipache's list with planb's check beside it.
pub(super) fn joined(fact: &Arc<Fact>, check: Option<&Arc<Check>>) -> Arc<Fact> {
    let Some(check) = check else { return Arc::clone(fact) };
    let Fact::Frontend(mut frontend) = Fact::clone(fact) else { return Arc::clone(fact) };
    frontend.policy.check = Some(Box::new(Check::clone(check)));
    Arc::new(Fact::Frontend(frontend))
}

fn stated(names: &Names, raw: &[u8], fact: &Arc<Fact>, revision: Revision) -> Stated {
    let origin = if raw.starts_with(&names.lists) { Origin::Hipache } else { Origin::Native };
    Stated { fact: Arc::clone(fact), revision, origin }
}

fn clash(kind: FactKind, raw: &[u8], winner: Option<&RawKey>) -> Quarantined {
    let winner = winner.map(|winner| shown(winner)).unwrap_or_default();
    Quarantined {
        reason: format!("`{winner}` states the same {kind} and wins").into(),
        remedy: format!("`DEL` the one that is not meant: `{}` or `{winner}`", shown(raw)).into(),
    }
}

#[cfg(test)]
mod tests;
