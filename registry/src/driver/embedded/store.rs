//! The store itself: blocking, on any storage that redb can use, so that tests can cut its power.
//!
//! What [`Store::commit`] returned is on the disk: a commit is one transaction with one fsync at its end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use model::{Change, ChangeRecord, Origin, Revision, Stated};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend, Table,
    TableHandle,
};

use super::tables::{
    FACTS, HISTORY, HistoryRow, META, REVISION, StoreError, lift, origin_code, read_fact, read_json,
    read_key, write_json,
};
use crate::driver::LIST_BATCH;
use crate::{HistoryQuery, PublishError, Write};

/// Memory for pages of the store, in octets. Little: what was read once to list it is not read again, and the system keeps pages, too.
const PAGE_CACHE: usize = 8 << 20;

/// An open store.
#[derive(Debug)]
pub struct Store {
    database: Database,
    history: u64,
    revision: Revision,
}

/// One accepted write of a commit.
#[derive(Debug)]
pub struct Committed {
    /// The last revision it took, or the present one when it changed nothing.
    pub revision: Revision,
    /// What it changed, in order.
    pub changes: Vec<Change>,
}

/// What a commit says to each of its writes.
pub type Verdicts = Vec<Result<Committed, PublishError>>;

impl Store {
    /// Opens the store in `backend`, or makes one when it is empty. Every page is verified; the cost is one read of the file.
    ///
    /// `history`: how many changes are kept. `floor`: the least revision to go on from.
    ///
    /// # Errors
    /// [`StoreError`]; also when redb cannot make sense of the file at all.
    pub fn open(backend: impl StorageBackend, history: usize, floor: Revision) -> Result<Self, StoreError> {
        // redb reports damage as an error; the few places where it panics instead are damage, too.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(PAGE_CACHE).set_check_integrity_on_open(true);
            let database = builder.create_with_backend(backend).map_err(lift)?;
            let mut store = Self { database, history: history as u64, revision: Revision::ZERO };
            store.prepare(floor)?;
            Ok(store)
        }));
        opened.unwrap_or_else(|_| Err(StoreError::Damaged("its pages contradict each other".to_owned())))
    }

    /// Makes the tables where there are none, and reads the revision.
    fn prepare(&mut self, floor: Revision) -> Result<(), StoreError> {
        let reading = self.database.begin_read().map_err(lift)?;
        let tables: Vec<String> = reading.list_tables().map_err(lift)?.map(|t| t.name().to_owned()).collect();
        drop(reading);
        if tables.is_empty() {
            let writing = self.database.begin_write().map_err(lift)?;
            writing.open_table(FACTS).map_err(lift)?;
            writing.open_table(HISTORY).map_err(lift)?;
            writing.open_table(META).map_err(lift)?.insert(REVISION, floor.number()).map_err(lift)?;
            writing.commit().map_err(lift)?;
        }
        let reading = self.database.begin_read().map_err(lift)?;
        let meta = match reading.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_)) => {
                return Err(StoreError::Foreign(format!("it holds the tables {}", tables.join(", "))));
            }
            Err(error) => return Err(lift(error)),
        };
        reading.open_table(FACTS).map_err(lift)?;
        reading.open_table(HISTORY).map_err(lift)?;
        let number = meta.get(REVISION).map_err(lift)?.map_or(0, |number| number.value());
        self.revision = floor.max(Revision::new(number));
        Ok(())
    }

    /// What stands there now, for as long as it is read: later commits do not change it.
    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        self.database.begin_read().map_err(lift)
    }

    /// The revision of the last change.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Reads every fact, a batch at a time; an entry that cannot be read is a `Quarantine`.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub fn list(&self, mut each: impl FnMut(Vec<Change>)) -> Result<(), StoreError> {
        let reading = self.database.begin_read().map_err(lift)?;
        let facts = reading.open_table(FACTS).map_err(lift)?;
        let mut batch = Vec::new();
        for row in facts.iter().map_err(lift)? {
            let (key, value) = row.map_err(lift)?;
            batch.push(read_fact(key.value(), value.value()));
            if batch.len() == LIST_BATCH {
                each(std::mem::take(&mut batch));
            }
        }
        each(batch);
        Ok(())
    }

    /// Writes each of `writes` whole or not at all, in order and in one durable transaction. `at_ms`: now, for the history.
    ///
    /// # Errors
    /// [`StoreError`]: it is not known which of them are there; open the store again.
    pub fn commit<'a>(
        &mut self,
        writes: impl IntoIterator<Item = &'a Write>,
        at_ms: u64,
    ) -> Result<Verdicts, StoreError> {
        let writing = self.database.begin_write().map_err(lift)?;
        let mut revision = self.revision;
        let mut verdicts = Vec::new();
        {
            let mut facts = writing.open_table(FACTS).map_err(lift)?;
            let mut history = writing.open_table(HISTORY).map_err(lift)?;
            for write in writes {
                verdicts.push(match conflict(&facts, write)? {
                    Some(conflict) => Err(conflict),
                    None => Ok(apply(&mut facts, &mut history, write, at_ms, &mut revision)?),
                });
            }
            while history.len().map_err(lift)? > self.history {
                history.pop_first().map_err(lift)?;
            }
            writing.open_table(META).map_err(lift)?.insert(REVISION, revision.number()).map_err(lift)?;
        }
        if revision == self.revision {
            writing.abort().map_err(lift)?;
        } else {
            writing.commit().map_err(lift)?;
            self.revision = revision;
        }
        Ok(verdicts)
    }

    /// Reads the history, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub fn history(&self, query: &HistoryQuery) -> Result<Vec<ChangeRecord>, StoreError> {
        let reading = self.database.begin_read().map_err(lift)?;
        let history = reading.open_table(HISTORY).map_err(lift)?;
        let before = query.before.map_or(u64::MAX, Revision::number);
        let key = query.key.as_ref().map(ToString::to_string);
        let mut records = Vec::new();
        for row in history.range(..before).map_err(lift)?.rev() {
            if records.len() >= query.limit {
                break;
            }
            let (revision, row) = row.map_err(lift)?;
            let row = row.value();
            if key.as_ref().is_none_or(|key| key == row.2) {
                records.extend(record(revision.value(), row));
            }
        }
        Ok(records)
    }
}

fn record(revision: u64, (at_ms, who, key, before, after): HistoryRow<'_>) -> Option<ChangeRecord> {
    let key = read_key(key)?;
    let kind = key.kind();
    let (told, before, after) = (before.is_some(), read_json(kind, before), read_json(kind, after));
    let before_known = before.is_some() || !told;
    let revision = Revision::new(revision);
    Some(ChangeRecord {
        revision,
        at_ms,
        who: who.into(),
        key,
        before,
        before_known,
        after,
        set_aside: false,
    })
}

type Facts<'t> = Table<'t, &'static str, (u64, u8, &'static [u8])>;
type History<'t> = Table<'t, u64, HistoryRow<'static>>;

/// The first expectation of `write` that does not hold.
fn conflict(facts: &Facts<'_>, write: &Write) -> Result<Option<PublishError>, StoreError> {
    for (key, expected) in write.expectations() {
        let actual =
            facts.get(key.to_string().as_str()).map_err(lift)?.map(|row| Revision::new(row.value().0));
        if !expected.holds(actual) {
            return Ok(Some(PublishError::Conflict { key: key.clone(), actual }));
        }
    }
    Ok(None)
}

fn apply(
    facts: &mut Facts<'_>,
    history: &mut History<'_>,
    write: &Write,
    at_ms: u64,
    revision: &mut Revision,
) -> Result<Committed, StoreError> {
    let mut changes = Vec::new();
    for edit in &write.edits {
        let key = edit.key.to_string();
        let next = revision.next();
        let after = edit.fact.as_ref().map(write_json);
        let before = match &after {
            Some(json) => {
                let row = (next.number(), origin_code(Origin::Native), json.as_bytes());
                facts.insert(key.as_str(), row).map_err(lift)?
            }
            None => facts.remove(key.as_str()).map_err(lift)?,
        };
        let before = before.map(|row| row.value().2.to_vec());
        changes.push(match &edit.fact {
            Some(fact) => {
                let fact = fact.clone().into();
                Change::Put(Stated { fact, revision: next, origin: Origin::Native })
            }
            None if before.is_none() => continue,
            None => Change::Remove(edit.key.clone()),
        });
        // What stood there may have been set aside; what stands there now can be read.
        changes.push(Change::Release(key.as_str().into()));
        let row = (
            at_ms,
            write.who.as_str(),
            key.as_str(),
            before.as_deref(),
            after.as_ref().map(String::as_bytes),
        );
        history.insert(next.number(), row).map_err(lift)?;
        *revision = next;
    }
    Ok(Committed { revision: *revision, changes })
}
