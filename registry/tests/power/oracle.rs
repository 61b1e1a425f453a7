//! What the store must hold, kept in the simplest way.

use std::collections::BTreeMap;

use fastrand::Rng;
use model::{Change, Fact, FactKey, Revision};
use registry::driver::embedded::{Store, Verdicts};
use registry::format::native;
use registry::{Edit, Expected, HistoryQuery, PublishError, Write};

/// How many hosts are written to: few, so that facts are overwritten and removed.
const HOSTS: u32 = 12;

/// Everything a store says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
struct Contents {
    revision: u64,
    facts: BTreeMap<FactKey, (u64, Fact)>,
    /// The newest changes, oldest first: revision, key, what is there now.
    history: Vec<(u64, FactKey, Option<Fact>)>,
}

/// What was answered, and what may have been written besides.
#[derive(Debug)]
pub(crate) struct Oracle {
    answered: Contents,
    /// As it is when the last, unanswered commit made it to the disk.
    in_doubt: Option<Contents>,
    limit: usize,
    invented: u64,
}

impl Oracle {
    pub(crate) fn new(limit: usize) -> Self {
        Self { answered: Contents::default(), in_doubt: None, limit, invented: 0 }
    }

    /// One to four writes of one to three edits, some of which must be refused.
    pub(crate) fn invent(&mut self, dice: &mut Rng) -> Vec<Write> {
        (0..dice.usize(1..=4)).map(|_| self.invent_one(dice)).collect()
    }

    fn invent_one(&mut self, dice: &mut Rng) -> Write {
        self.invented += 1;
        let mut edits: Vec<Edit> = Vec::new();
        for _ in 0..dice.usize(1..=3) {
            let endpoints: Vec<String> =
                (0..dice.usize(0..20)).map(|n| format!("\"http://e{}-{n}\"", self.invented)).collect();
            let json =
                format!(r#"{{"host":"h{}","endpoints":[{}]}}"#, dice.u32(0..HOSTS), endpoints.join(","));
            let fact = Fact::Frontend(native::read_frontend(json.as_bytes()).unwrap());
            let key = fact.key();
            if edits.iter().any(|edit| edit.key == key) {
                continue;
            }
            let expected = match dice.u8(0..8) {
                0 => Expected::Absent,
                1 => Expected::Present,
                2 => Expected::At(Revision::new(self.answered.facts.get(&key).map_or(0, |(at, _)| *at))),
                _ => Expected::Any,
            };
            edits.push(Edit { key, fact: (dice.u8(0..4) > 0).then_some(fact), expected });
        }
        Write { who: format!("writer {}", self.invented), edits, guards: Vec::new() }
    }

    /// The commit was answered: it is there for good, and the answers were right.
    pub(crate) fn answered(&mut self, writes: &[Write], verdicts: &Verdicts) {
        assert_eq!(writes.len(), verdicts.len());
        for (write, verdict) in writes.iter().zip(verdicts) {
            let fine = self.answered.apply(write, self.limit);
            match verdict {
                Ok(committed) => {
                    assert!(fine, "accepted against expectation");
                    assert_eq!(committed.revision.number(), self.answered.revision);
                }
                Err(PublishError::Conflict { .. }) => assert!(!fine, "refused without a reason"),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The commit was not answered: all of it is there, or nothing.
    pub(crate) fn in_doubt(&mut self, writes: &[Write]) {
        let mut with = self.answered.clone();
        for write in writes {
            with.apply(write, self.limit);
        }
        self.in_doubt = Some(with);
    }

    /// Looks at everything in `store`.
    pub(crate) fn check(&mut self, store: &Store) {
        let found = Contents::read(store);
        match self.in_doubt.take() {
            Some(with) if found == with => self.answered = with,
            _ => assert_eq!(found, self.answered),
        }
    }
}

impl Contents {
    fn read(store: &Store) -> Self {
        let mut facts = BTreeMap::new();
        let each = |batch: Vec<Change>| {
            for change in batch {
                let Change::Put(stated) = change else { panic!("{change:?}") };
                facts.insert(stated.fact.key(), (stated.revision.number(), Fact::clone(&stated.fact)));
            }
        };
        store.list(each).expect("the facts");
        let query = HistoryQuery { limit: usize::MAX, ..HistoryQuery::default() };
        let records = store.history(&query).expect("the history").into_iter().rev();
        let history =
            records.map(|r| (r.revision.number(), r.key, r.after.map(|fact| Fact::clone(&fact)))).collect();
        Self { revision: store.revision().number(), facts, history }
    }

    fn apply(&mut self, write: &Write, limit: usize) -> bool {
        let actual = |key| self.facts.get(key).map(|(revision, _)| Revision::new(*revision));
        if !write.edits.iter().all(|edit| edit.expected.holds(actual(&edit.key))) {
            return false;
        }
        for edit in &write.edits {
            match &edit.fact {
                None if !self.facts.contains_key(&edit.key) => continue,
                None => drop(self.facts.remove(&edit.key)),
                Some(fact) => drop(self.facts.insert(edit.key.clone(), (self.revision + 1, fact.clone()))),
            }
            self.revision += 1;
            self.history.push((self.revision, edit.key.clone(), edit.fact.clone()));
        }
        let over = self.history.len().saturating_sub(limit);
        self.history.drain(..over);
        true
    }
}
