//! What the facts were: the history, told backwards.
//!
//! In: two revisions, records of the history. Out: for each fact that was touched between them, what it said at the one and at the
//! other. Never here: a guess. What nobody saw (a foreign writer's change while no portico followed the store) is said to be unknown.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ChangeRecord, Fact, FactKey, Revision};

use crate::{HistoryQuery, ReadError, Registry};

/// How many records are read at once.
const PAGE: usize = 500;

/// What a fact said at some revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Was {
    /// This; `None`: it was not there.
    Known(Option<Arc<Fact>>),
    /// Nobody saw it.
    Unknown,
}

/// A fact that was touched between two revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Which.
    pub key: FactKey,
    /// At the first revision.
    pub before: Was,
    /// At the second one.
    pub after: Was,
}

impl Touched {
    /// False when it says at the one revision what it says at the other, whatever it said in between.
    pub fn differs(&self) -> bool {
        self.before == Was::Unknown || self.before != self.after
    }

    fn turned(self) -> Self {
        Self { key: self.key, before: self.after, after: self.before }
    }
}

/// Why the past stays unknown; named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// Name an earlier revision.
    #[error("revision {asked} is yet to come: the registry is at {now}")]
    Future {
        /// What was asked for.
        asked: Revision,
        /// The present one.
        now: Revision,
    },
    /// Name a later revision.
    #[error("revision {asked} is older than the history, which goes back to revision {oldest}")]
    TooOld {
        /// What was asked for.
        asked: Revision,
        /// The oldest revision whose facts are known.
        oldest: Revision,
    },
    /// Ask a portico that may write to the store.
    #[error(
        "this node may only read the store: its revisions are its own, and the store's history numbers others"
    )]
    Local,
    /// Try later.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Registry {
    /// The facts that were touched between two revisions, by key. `from` may be the later one: then the way back is told.
    ///
    /// # Errors
    /// [`PastError`], named by what to do next.
    pub async fn touched(&self, from: Revision, to: Revision) -> Result<Vec<Touched>, PastError> {
        if self.state().borrow().read_only {
            return Err(PastError::Local);
        }
        let now = self.snapshots().borrow().revision();
        if let Some(asked) = [from, to].into_iter().find(|asked| *asked > now) {
            return Err(PastError::Future { asked, now });
        }
        let (older, newer) = (from.min(to), from.max(to));
        let mut span = Span::new(older, newer);
        let mut before = Some(newer.next());
        while span.wants_more() {
            let query = HistoryQuery { limit: PAGE, before, key: None };
            let page = self.history(query).await?;
            let (full, last) = (page.len() == PAGE, page.last().map(|record| record.revision));
            page.into_iter().for_each(|record| span.take(record));
            before = last;
            if !full {
                break;
            }
        }
        // The oldest record tells what was there before it; of what was before that nothing is known.
        let oldest = span.first.map_or(newer, |first| Revision::new(first.number().saturating_sub(1)));
        if !span.reaches && oldest > older {
            return Err(PastError::TooOld { asked: older, oldest });
        }
        let touched = span.keys.into_iter().map(|(key, pair)| Touched {
            key,
            before: pair.before,
            after: Was::Known(pair.after),
        });
        Ok(if from <= to { touched.collect() } else { touched.map(Touched::turned).collect() })
    }
}

/// What became of each key behind `older`, as told by records from `newer` down.
#[derive(Debug)]
struct Span {
    older: Revision,
    newer: Revision,
    keys: BTreeMap<FactKey, Pair>,
    /// How many keys nobody saw before their first change; an older record may still tell.
    unknown: usize,
    /// Whether a record at or below `older` was seen: then none is missing above it.
    reaches: bool,
    /// The oldest record seen.
    first: Option<Revision>,
}

#[derive(Debug)]
struct Pair {
    before: Was,
    after: Option<Arc<Fact>>,
}

impl Span {
    fn new(older: Revision, newer: Revision) -> Self {
        Self { older, newer, keys: BTreeMap::new(), unknown: 0, reaches: older == newer, first: None }
    }

    fn wants_more(&self) -> bool {
        !self.reaches || self.unknown > 0
    }

    /// Takes in the next older record.
    fn take(&mut self, record: ChangeRecord) {
        let ChangeRecord { revision, key, before, before_known, after, .. } = record;
        if revision > self.newer {
            return;
        }
        self.first = Some(revision);
        if revision <= self.older {
            self.reaches = true;
            // What the record below made is what stood there, whether or not anybody saw it later.
            if let Some(pair) = self.keys.get_mut(&key).filter(|pair| pair.before == Was::Unknown) {
                pair.before = Was::Known(after);
                self.unknown -= 1;
            }
            return;
        }
        let before = if before_known { Was::Known(before) } else { Was::Unknown };
        let unknown = before == Was::Unknown;
        match self.keys.get_mut(&key) {
            Some(pair) => {
                self.unknown -= usize::from(pair.before == Was::Unknown);
                pair.before = before;
            }
            None => drop(self.keys.insert(key, Pair { before, after })),
        }
        self.unknown += usize::from(unknown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::native;

    fn fact(name: &str) -> Arc<Fact> {
        let json = format!(r#"{{"host":"a","backend":"{name}","endpoints":[]}}"#);
        Arc::new(Fact::Frontend(native::read_frontend(json.as_bytes()).expect("frontend")))
    }

    /// A record as `7 a x>y`: `-` is nothing, `?` is what nobody saw.
    fn record(text: &str) -> ChangeRecord {
        let mut words = text.split([' ', '>']);
        let mut word = || words.next().expect("word");
        let (revision, key, before, after) = (word(), word(), word(), word());
        let fact = |name: &str| (!matches!(name, "-" | "?")).then(|| fact(name));
        ChangeRecord {
            revision: Revision::new(revision.parse().expect("number")),
            at_ms: 0,
            who: "test".into(),
            key: FactKey::parse(&format!("frontend:{key}")).expect("key"),
            before: fact(before),
            before_known: before != "?",
            after: fact(after),
            set_aside: false,
        }
    }

    /// `records`: newest first, parted by commas. The expected touches as `a x>y`.
    fn check(older: u64, newer: u64, records: &str, expected: &str) {
        let mut span = Span::new(Revision::new(older), Revision::new(newer));
        records.split(',').for_each(|text| span.take(record(text.trim())));
        let shown = |was: &Was| match was {
            Was::Unknown => "?".to_owned(),
            Was::Known(None) => "-".to_owned(),
            Was::Known(Some(fact)) => fact.as_frontend().expect("a frontend").backend.name.to_string(),
        };
        let told: Vec<String> = span
            .keys
            .iter()
            .map(|(key, pair)| {
                let name = key.to_string().replace("frontend:", "");
                format!("{name} {}>{}", shown(&pair.before), shown(&Was::Known(pair.after.clone())))
            })
            .collect();
        assert_eq!(told.join(", "), expected, "{older} to {newer}: {records}");
        let unknown = span.keys.values().filter(|pair| pair.before == Was::Unknown).count();
        assert_eq!(span.unknown, unknown);
    }

    #[test]
    fn the_first_and_the_last_record_of_a_span_tell_what_became_of_a_fact() {
        let records = "5 b y>-, 4 a w>z, 3 b ->y, 2 a x>w, 1 a ->x";
        check(1, 5, records, "a x>z, b ->-");
        check(0, 5, records, "a ->z, b ->-");
        check(3, 4, records, "a w>z");
        check(2, 3, records, "b ->y");
        check(4, 4, records, "");
    }

    #[test]
    fn what_nobody_saw_is_unknown_unless_an_older_record_tells() {
        check(4, 6, "6 a ?>y, 2 a ->x", "a x>y");
        check(4, 6, "6 a ?>y, 2 a x>-", "a ->y");
        check(4, 6, "6 a ?>y, 2 b ->x", "a ?>y");
        check(1, 6, "6 a ?>y, 2 a ->x", "a ->y");
        check(1, 6, "6 a x>y, 2 a ?>x", "a ?>y");
    }
}
