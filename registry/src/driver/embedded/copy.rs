//! A copy of the store while it runs: one read transaction, row by row into a new redb file.
//!
//! The file has no name: whoever ends early leaves nothing behind. Its reader gives it one.

use std::fmt::Debug;
use std::path::PathBuf;

use model::Revision;
use redb::backends::FileBackend;
use redb::{Database, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::store::Store;
use super::tables::{FACTS, HISTORY, META, REVISION, StoreError, lift};
use crate::{Backup, BackupError};

/// Memory for pages of the copy, in octets.
const PAGE_CACHE: usize = 16 << 20;

/// What stood in the store at one moment.
pub(crate) struct Source {
    reading: ReadTransaction,
    revision: Revision,
    folder: PathBuf,
}

impl Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Source {
    /// Holds on to what stands in `store` now; the copy is made in `folder`.
    pub(crate) fn new(store: &Store, folder: PathBuf) -> Result<Self, StoreError> {
        Ok(Self { reading: store.begin_read()?, revision: store.revision(), folder })
    }

    /// Makes the copy. Blocking: one read and one write of the whole.
    pub(crate) fn copy(self) -> Result<Backup, BackupError> {
        self.try_copy().map_err(BackupError::from)
    }

    fn try_copy(&self) -> Result<Backup, StoreError> {
        let file = tempfile::tempfile_in(&self.folder)?;
        let mut builder = Database::builder();
        builder.set_cache_size(PAGE_CACHE);
        let backend = FileBackend::new(file.try_clone()?).map_err(lift)?;
        let database = builder.create_with_backend(backend).map_err(lift)?;
        let writing = database.begin_write().map_err(lift)?;
        copy_table(&self.reading, &writing, FACTS)?;
        copy_table(&self.reading, &writing, HISTORY)?;
        copy_table(&self.reading, &writing, META)?;
        // A store that went on from its ceiling may stand above what its file says.
        writing.open_table(META).map_err(lift)?.insert(REVISION, self.revision.number()).map_err(lift)?;
        writing.commit().map_err(lift)?;
        // Closed before it is read: what is in the file then is the whole of it.
        drop(database);
        let octets = file.metadata()?.len();
        Ok(Backup { revision: self.revision, octets, file })
    }
}

fn copy_table<K: redb::Key + 'static, V: redb::Value + 'static>(
    reading: &ReadTransaction,
    writing: &WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<(), StoreError> {
    let from = reading.open_table(table).map_err(lift)?;
    let mut to = writing.open_table(table).map_err(lift)?;
    for row in from.iter().map_err(lift)? {
        let (key, value) = row.map_err(lift)?;
        to.insert(key.value(), value.value()).map_err(lift)?;
    }
    Ok(())
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(why) => Self::Full(why),
            error => Self::Unavailable(error.to_string()),
        }
    }
}
