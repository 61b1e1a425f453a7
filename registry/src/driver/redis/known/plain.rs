//! Entries of which nothing is kept but the fact: the only ones that state it, as portico would write them.

use std::ops::Bound;
use std::sync::Arc;

use model::{Change, Fact, FactKey, Origin, Revision, Stated};

use super::{Entry, Held, Known, Shown};
use crate::driver::redis::content::{Content, Digest, Reading};
use crate::driver::redis::names::{Meaning, Names, RawKey};
use crate::format::{hipache, native};

/// How far a walk over all keys has come: plain ones go first.
#[derive(Debug, Clone)]
pub(in crate::driver::redis) enum Cursor {
    Plain(FactKey),
    Other(RawKey),
}

impl Known {
    /// At most `count` keys behind `after`, and how far that goes. Fewer: there are no more.
    pub(in crate::driver::redis) fn keys_after(
        &self,
        names: &Names,
        after: Option<&Cursor>,
        count: usize,
    ) -> (Vec<RawKey>, Option<Cursor>) {
        let (mut keys, mut cursor) = (Vec::new(), None);
        let (plain, other) = match after {
            None => (Some(None), Bound::Unbounded),
            Some(Cursor::Plain(key)) => (Some(Some(key)), Bound::Unbounded),
            Some(Cursor::Other(raw)) => (None, Bound::Excluded(Arc::clone(raw))),
        };
        let plain = plain.into_iter().flat_map(|after| self.plain.facts_after(after));
        for stated in plain.take(count) {
            let key = stated.fact.key();
            keys.push(names.spelled(&key, stated.origin));
            cursor = Some(Cursor::Plain(key));
        }
        for (raw, _) in self.entries.range((other, Bound::Unbounded)).take(count - keys.len()) {
            keys.push(Arc::clone(raw));
            cursor = Some(Cursor::Other(Arc::clone(raw)));
        }
        (keys, cursor)
    }

    /// Keeps of what was taken in no more than the fact, where that says all. To be called after each batch; without it, nothing
    /// is different but the memory taken.
    pub(in crate::driver::redis) fn pack(&mut self, names: &Names) {
        self.put_plain();
        let mut plain = Vec::new();
        for raw in std::mem::take(&mut self.fresh) {
            if let Some((key, stated)) = self.as_plain(names, &raw) {
                self.entries.remove(&raw);
                self.claims.remove(&key);
                plain.push(Change::Put(stated));
            }
        }
        if !plain.is_empty() {
            self.plain = self.plain.apply(Revision::ZERO, plain);
        }
    }

    /// Takes in what was read under `raw` by a shorter way than [`Known::take`], where it is plain and nothing else is known of its
    /// fact; otherwise takes nothing. To be followed by [`Known::put_plain`] or [`Known::pack`] before anything else is asked.
    pub(in crate::driver::redis) fn take_plain(
        &mut self,
        names: &Names,
        raw: &RawKey,
        entry: &Entry,
    ) -> bool {
        let (Reading::Fact(fact), None, 0) = (&entry.reading, entry.ends, self.checks) else { return false };
        let Meaning::Fact { key, origin, canonical: true } = names.meaning(raw) else { return false };
        if self.waiting.last().is_some_and(|before| before.origin != origin) {
            // Keys of one origin that are spelled canonically state facts that differ.
            self.put_plain();
        }
        let is_only_one = !self.claims.contains_key(&key) && self.plain.get(&key).is_none();
        let stated = Stated { fact: Arc::clone(fact), revision: entry.revision, origin };
        let is_plain = is_only_one && digest(&stated).as_ref() == Some(&entry.digest);
        if is_plain {
            self.waiting.push(stated);
        }
        is_plain
    }

    /// Puts what [`Known::take_plain`] took where everybody sees it.
    pub(in crate::driver::redis) fn put_plain(&mut self) {
        if !self.waiting.is_empty() {
            self.plain = self.plain.apply(Revision::ZERO, self.waiting.drain(..).map(Change::Put));
        }
    }

    /// The reverse, for the entry that states `key`.
    pub(super) fn unpack(&mut self, names: &Names, key: &FactKey) {
        let Some(stated) = self.plain.get(key).cloned() else { return };
        let raw = names.spelled(key, stated.origin);
        let entry = entry(&stated);
        self.entries.insert(Arc::clone(&raw), Held { entry, shown: Shown::Served(stated) });
        self.claims.insert(key.clone(), vec![raw]);
        self.plain = self.plain.apply(Revision::ZERO, [Change::Remove(key.clone())]);
    }

    /// What the entry under `raw` states, if it is plain.
    pub(super) fn plain_under(&self, names: &Names, raw: &RawKey) -> Option<&Stated> {
        let Meaning::Fact { key, origin, canonical: true } = names.meaning(raw) else { return None };
        self.plain.get(&key).filter(|stated| stated.origin == origin)
    }

    /// What the entry under `raw` states, if that could be all that is kept of it.
    fn as_plain(&self, names: &Names, raw: &RawKey) -> Option<(FactKey, Stated)> {
        let Held { entry, shown: Shown::Served(stated) } = self.entries.get(raw)? else { return None };
        let Meaning::Fact { key, canonical: true, .. } = names.meaning(raw) else { return None };
        let is_read_so = matches!(&entry.reading, Reading::Fact(fact) if Arc::ptr_eq(fact, &stated.fact));
        let is_only_one = self.claims.get(&key).is_some_and(|claimants| claimants.len() == 1);
        let stays = entry.ends.is_none() && entry.revision == stated.revision;
        let is_plain = is_read_so && is_only_one && stays && digest(stated).as_ref() == Some(&entry.digest);
        is_plain.then(|| (key, stated.clone()))
    }
}

/// The entry that states this, when it is plain.
pub(super) fn entry(stated: &Stated) -> Entry {
    Entry {
        digest: digest(stated).unwrap_or_else(|| Digest::new("")),
        revision: stated.revision,
        reading: Reading::Fact(Arc::clone(&stated.fact)),
        ends: None,
    }
}

/// The digest of what portico would write to state this.
fn digest(stated: &Stated) -> Option<Digest> {
    let content = match (stated.origin, &*stated.fact) {
        (Origin::Hipache, Fact::Frontend(frontend)) => {
            let list = hipache::write_list(frontend)?;
            Content::List(list.into_iter().map(String::into_bytes).collect())
        }
        (_, fact) => Content::Text(native::write_fact(fact).into_bytes()),
    };
    Some(content.digest())
}
