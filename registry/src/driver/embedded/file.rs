//! The store's file: who holds it, what when it is damaged, and from where its revisions go on then.
//!
//! Beside `registry.redb` stand `registry.redb.lock` (locked while a process has the store; its process id inside) and
//! `registry.redb.ceiling` (a revision that no change has passed: a new store in the place of a damaged one starts there).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use model::{Change, Quarantined, Revision};
use redb::backends::FileBackend;

use super::store::Store;
use super::tables::StoreError;
use crate::OpenError;

/// By how much the ceiling is raised at once: one small fsync for so many changes.
const CEILING_STEP: u64 = 10_000;

/// A store in a file, held by this process.
#[derive(Debug)]
pub(crate) struct StoreFile {
    path: PathBuf,
    history: usize,
    ceiling: Revision,
    /// Locked for as long as we have the store.
    _lock: File,
}

impl StoreFile {
    /// Takes hold of `path` and opens the store in it; a damaged file is set aside and an empty store takes its place.
    pub(crate) fn open(path: &Path, history: usize) -> Result<(Self, Store), OpenError> {
        let failed = |error: &dyn std::fmt::Display| OpenError::Store {
            url: format!("embedded:{}", path.display()),
            reason: error.to_string(),
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|e| failed(&format!("its folder cannot be made: {e}")))?;
        }
        let lock = hold(path)?;
        let known =
            read_ceiling(path).map_err(|e| failed(&format!("its ceiling file cannot be read: {e}")))?;
        let mut file =
            Self { path: path.to_owned(), history, ceiling: known.unwrap_or(Revision::ZERO), _lock: lock };
        if known.is_none() && !path.exists() {
            // Says "this is ours" before there is a store, so that no file of somebody else is ever set aside.
            file.write_ceiling(Revision::ZERO).map_err(|e| failed(&e))?;
        }
        let emptied = file.ceiling > Revision::ZERO && fs::metadata(path).is_ok_and(|m| m.len() == 0);
        let opened =
            if emptied { Err(StoreError::Damaged("it is empty".to_owned())) } else { file.open_store() };
        let store = match opened {
            Ok(store) => store,
            Err(StoreError::Held) => return Err(held(path)),
            Err(StoreError::Damaged(why)) if known.is_some() => {
                file.set_aside(&why).map_err(|e| failed(&e))?;
                file.open_store().map_err(|e| failed(&e))?
            }
            Err(StoreError::Damaged(why)) => {
                let remedy = "name another file, or move this one away";
                return Err(failed(&format!(
                    "not a store of portico, or damaged beyond telling ({why}); {remedy}"
                )));
            }
            Err(error) => return Err(failed(&error)),
        };
        file.reserve(store.revision()).map_err(|e| failed(&e))?;
        Ok((file, store))
    }

    /// Opens the store, without setting anything aside. Where there is none, one is made that goes on from the ceiling.
    pub(crate) fn open_store(&self) -> Result<Store, StoreError> {
        let fresh = fs::metadata(&self.path).map(|m| m.len() == 0);
        if fresh.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(true) } else { Err(e) })? {
            self.make_store()?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        // While a damaged file is about, the store may be an older copy of it: revisions go on above what was seen.
        let floor = if self.notices().is_empty() { Revision::ZERO } else { self.ceiling };
        self.store_in(file, floor)
    }

    /// Makes an empty store under another name and then renames it: there is never half of a new one.
    fn make_store(&self) -> Result<(), StoreError> {
        if self.ceiling > Revision::ZERO {
            tracing::warn!(path = %self.path.display(), revision = %self.ceiling, "the store is new; revisions go on");
        }
        let unfinished = beside(&self.path, "new");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&unfinished)?;
        drop(self.store_in(file.try_clone()?, self.ceiling)?);
        file.sync_all()?;
        fs::rename(&unfinished, &self.path)?;
        Ok(sync_folder(&self.path)?)
    }

    fn store_in(&self, file: File, floor: Revision) -> Result<Store, StoreError> {
        Store::open(FileBackend::new(file).map_err(super::tables::lift)?, self.history, floor)
    }

    /// Makes sure that changes up to `revision` stay below the ceiling.
    pub(crate) fn reserve(&mut self, revision: Revision) -> Result<(), StoreError> {
        if revision > self.ceiling {
            self.write_ceiling(Revision::new(revision.number().saturating_add(CEILING_STEP)))?;
        }
        Ok(())
    }

    fn write_ceiling(&mut self, ceiling: Revision) -> Result<(), StoreError> {
        let path = beside(&self.path, "ceiling");
        let fresh = beside(&self.path, "ceiling.new");
        let mut file = File::create(&fresh)?;
        writeln!(file, "{ceiling}")?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        sync_folder(&path)?;
        self.ceiling = ceiling;
        Ok(())
    }

    fn set_aside(&self, why: &str) -> Result<(), StoreError> {
        let aside = self.free_name();
        fs::rename(&self.path, &aside)?;
        sync_folder(&self.path)?;
        tracing::error!(
            path = %self.path.display(), aside = %aside.display(), why, revision = %self.ceiling,
            "the registry's file is damaged: it was set aside and an empty registry is served; restore a copy, or write the facts again"
        );
        Ok(())
    }

    fn free_name(&self) -> PathBuf {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut names = (seconds..).map(|n| beside(&self.path, &format!("damaged-{n}")));
        names.find(|name| !name.exists()).unwrap_or_else(|| beside(&self.path, "damaged"))
    }

    /// Where the file is.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// What `verify` has to say of the file: each damaged one that was set aside and is still there.
    pub(crate) fn notices(&self) -> Vec<Change> {
        let prefix = beside(&self.path, "damaged-");
        let folder = self.folder();
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let names = entries.flatten().map(|entry| entry.file_name());
        let ours = names.filter(|name| {
            let prefix = prefix.file_name().unwrap_or_default();
            name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
        });
        ours.map(|name| Change::Quarantine(folder.join(&name).to_string_lossy().into(), notice())).collect()
    }
}

fn notice() -> Quarantined {
    Quarantined {
        reason: "the registry's file was damaged and set aside under this name; what it held is not served".into(),
        remedy: "stop portico and put a good copy of the registry's file in its place, or write the facts again; then delete this file"
            .into(),
    }
}

/// `path` with `.suffix` behind its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Locks `path.lock` and writes our process id into it.
fn hold(path: &Path) -> Result<File, OpenError> {
    let at = beside(path, "lock");
    let failed = |error: io::Error| OpenError::Store {
        url: format!("embedded:{}", path.display()),
        reason: format!("{} cannot be locked: {error}", at.display()),
    };
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&at).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(held(path)),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

fn held(path: &Path) -> OpenError {
    let mut text = String::new();
    // Sixteen octets hold any process id; a lock file with more in it is not ours.
    let read = File::open(beside(path, "lock")).and_then(|file| file.take(16).read_to_string(&mut text));
    let holder = match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.is_empty() {
                format!("process {pid}")
            } else {
                format!("process {pid} ({})", name.trim())
            }
        }
        _ => "another process".to_owned(),
    };
    OpenError::Held { path: path.to_owned(), holder }
}

/// The ceiling; `None` when there never was one. For one that is not a number, the Unix time in seconds stands in: no store
/// has taken more than a change a second since 1970.
fn read_ceiling(path: &Path) -> io::Result<Option<Revision>> {
    match fs::read(beside(path, "ceiling")) {
        Ok(text) => {
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
            let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            Ok(Some(Revision::new(number.unwrap_or_else(seconds))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a name in the folder of `path` survive a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
