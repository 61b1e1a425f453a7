//! The last known good snapshot of a remote store, on disk: routes serve while the store is away, also after a restart.
//!
//! In: snapshots, and whether the store just confirmed them. Out: at start, what was saved. Never here: more than one write a second; work
//! in proportion to the table; a reason not to start (a file that cannot be used is said and done without).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Revision, Snapshot};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::driver::embedded::StoreError;
use crate::driver::embedded::tables::{FACTS, META, REVISION, lift, origin_code, read_fact, write_json};
use crate::{Link, State};

/// Changes within this time share a write.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is noted that an unchanged snapshot is still what the store says.
const CONFIRM: Duration = Duration::from_secs(60);
/// How long to wait before a file that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Memory for pages of the file, in octets.
const PAGE_CACHE: usize = 2 << 20;

/// Whose snapshot it is.
const SOURCE: TableDefinition<'_, &str, &str> = TableDefinition::new("source");
/// In [`SOURCE`]: the store's URL, its password hidden.
const URL: &str = "url";
/// In [`META`]: when the store last confirmed it, in milliseconds since the Unix epoch.
const CONFIRMED: &str = "confirmed_ms";

/// The file.
#[derive(Debug)]
pub(crate) struct Cache {
    database: Arc<Database>,
    /// What is in the file.
    written: Arc<Snapshot>,
    path: PathBuf,
    url: String,
}

/// What was in the file at start.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) snapshot: Snapshot,
    pub(crate) confirmed_ms: u64,
}

impl Cache {
    /// Opens the file at `path`, or makes it, and reads what `url`'s store last said. Blocking.
    ///
    /// A damaged file is made anew; one that another process holds, or a failing disk, means no cache. Both are logged.
    pub(crate) fn open(path: &Path, url: &str) -> Option<(Self, Option<Saved>)> {
        let opened = match Self::try_open(path, url) {
            Err(StoreError::Damaged(why)) => {
                tracing::warn!(path = %path.display(), why, "the last known good file is damaged; a new one is begun");
                remove(path).and_then(|()| Self::try_open(path, url))
            }
            opened => opened,
        };
        match opened {
            Ok(opened) => Some(opened),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no last known good file: a restart while the store is away serves nothing");
                None
            }
        }
    }

    fn try_open(path: &Path, url: &str) -> Result<(Self, Option<Saved>), StoreError> {
        let path: PathBuf = path.to_owned();
        let url = url.to_owned();
        // redb reports damage as an error; the few places where it panics instead are damage, too.
        std::panic::catch_unwind(move || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut builder = Database::builder();
            builder.set_cache_size(PAGE_CACHE).set_check_integrity_on_open(true);
            let database = builder.create(&path).map_err(lift)?;
            let saved = read(&database, &url)?;
            let written = saved.as_ref().map_or_else(Snapshot::empty, |saved| saved.snapshot.clone());
            let mut cache = Self { database: Arc::new(database), written: Arc::new(written), path, url };
            if saved.is_none() {
                cache.begin()?;
            }
            Ok((cache, saved))
        })
        .unwrap_or_else(|_| Err(StoreError::Damaged("its pages contradict each other".to_owned())))
    }

    /// Empties the file: nothing is saved, of this store.
    fn begin(&mut self) -> Result<(), StoreError> {
        let writing = self.database.begin_write().map_err(lift)?;
        writing.delete_table(FACTS).map_err(lift)?;
        writing.delete_table(META).map_err(lift)?;
        writing.open_table(FACTS).map_err(lift)?;
        writing.open_table(META).map_err(lift)?;
        writing.open_table(SOURCE).map_err(lift)?.insert(URL, self.url.as_str()).map_err(lift)?;
        writing.commit().map_err(lift)
    }

    /// Writes what changes, at most once a second, until `stop`; and then what is left.
    pub(crate) async fn follow(
        mut self,
        mut snapshots: watch::Receiver<Arc<Snapshot>>,
        mut state: watch::Receiver<Arc<State>>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut noted: Option<Instant> = None;
        let mut failing = false;
        loop {
            let stopped = tokio::select! {
                changed = snapshots.changed() => changed.is_err(),
                changed = state.changed() => changed.is_err(),
                _ = stop.wait_for(|stop| *stop) => true,
            };
            let now = Arc::clone(&state.borrow_and_update());
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            let news = snapshot.revision() != self.written.revision() || noted.is_none();
            let due = now.link == Link::Live && noted.is_none_or(|at| at.elapsed() >= CONFIRM);
            if let Some(confirmed) = now.confirmed.filter(|_| !now.from_cache && (news || due || stopped)) {
                let (path, url) = (self.path.clone(), self.url.clone());
                self = match self.write(snapshot, confirmed.elapsed()).await {
                    Ok(cache) => {
                        if std::mem::take(&mut failing) {
                            tracing::info!(path = %path.display(), "the last known good file is written again");
                        }
                        cache
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut failing, true) {
                            tracing::warn!(path = %path.display(), %error, "the last known good file cannot be written; tried again");
                        }
                        match Self::open_again(path, url, &mut stop).await {
                            Some(cache) => cache,
                            None => return,
                        }
                    }
                };
                noted = Some(Instant::now());
            }
            if stopped {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    async fn write(mut self, snapshot: Arc<Snapshot>, age: Duration) -> Result<Self, StoreError> {
        let task = tokio::task::spawn_blocking(move || {
            let writing = self.database.begin_write().map_err(lift)?;
            write_difference(&writing, &self.written, &snapshot, age)?;
            writing.commit().map_err(lift)?;
            self.written = snapshot;
            Ok(self)
        });
        task.await.unwrap_or_else(|error| Err(StoreError::Io(error.to_string())))
    }

    /// After an error of the disk: what is in the file is read anew. `None`: stopped meanwhile.
    async fn open_again(path: PathBuf, url: String, stop: &mut watch::Receiver<bool>) -> Option<Self> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                _ = stop.wait_for(|stop| *stop) => return None,
            }
            let (path, url) = (path.clone(), url.clone());
            let open = move || match Self::try_open(&path, &url) {
                Err(StoreError::Damaged(_)) => Self::open(&path, &url),
                // What is wrong was said when it could not be written.
                opened => opened.ok(),
            };
            if let Ok(Some((cache, _))) = tokio::task::spawn_blocking(open).await {
                return Some(cache);
            }
        }
    }
}

/// Brings the file from `old` to `new`, which the store confirmed `age` ago.
fn write_difference(
    writing: &WriteTransaction,
    old: &Snapshot,
    new: &Snapshot,
    age: Duration,
) -> Result<(), StoreError> {
    let mut facts = writing.open_table(FACTS).map_err(lift)?;
    for difference in new.diff(old) {
        let key = difference.key.to_string();
        match difference.after {
            Some(stated) => {
                let json = write_json(&stated.fact);
                let row = (stated.revision.number(), origin_code(stated.origin), json.as_bytes());
                facts.insert(key.as_str(), row).map_err(lift)?;
            }
            None => drop(facts.remove(key.as_str()).map_err(lift)?),
        }
    }
    let mut meta = writing.open_table(META).map_err(lift)?;
    meta.insert(REVISION, new.revision().number()).map_err(lift)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let confirmed = u64::try_from(now.saturating_sub(age).as_millis()).unwrap_or(u64::MAX);
    meta.insert(CONFIRMED, confirmed).map_err(lift)?;
    Ok(())
}

/// What the file says of `url`'s store; `None`: nothing.
fn read(database: &Database, url: &str) -> Result<Option<Saved>, StoreError> {
    let reading = database.begin_read().map_err(lift)?;
    let source = match reading.open_table(SOURCE) {
        Ok(source) => source,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(lift(error)),
    };
    if source.get(URL).map_err(lift)?.is_none_or(|known| known.value() != url) {
        return Ok(None);
    }
    let meta = reading.open_table(META).map_err(lift)?;
    let Some(revision) = meta.get(REVISION).map_err(lift)? else { return Ok(None) };
    let confirmed_ms = meta.get(CONFIRMED).map_err(lift)?.map_or(0, |ms| ms.value());
    let facts = reading.open_table(FACTS).map_err(lift)?;
    let mut changes = Vec::new();
    for row in facts.iter().map_err(lift)? {
        let (key, value) = row.map_err(lift)?;
        changes.push(read_fact(key.value(), value.value()));
    }
    let snapshot = Snapshot::empty().apply(Revision::new(revision.value()), changes);
    Ok(Some(Saved { snapshot, confirmed_ms }))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
