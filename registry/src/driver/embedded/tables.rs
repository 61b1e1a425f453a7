//! What is in the file: three tables and the errors of reaching them.

use model::{Change, Fact, FactKey, FactKind, Origin, Quarantined, Revision, Stated};
use redb::TableDefinition;

use crate::format::{FormatError, native};

/// A fact's key as text → its revision, where it came from ([`origin_code`]), its native JSON.
pub(crate) const FACTS: TableDefinition<'_, &str, (u64, u8, &[u8])> = TableDefinition::new("facts");
/// A revision → when (Unix ms), who, the key as text, native JSON before and after.
pub(crate) const HISTORY: TableDefinition<'_, u64, HistoryRow<'static>> = TableDefinition::new("history");
/// Numbers about the whole.
pub(crate) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// In [`META`]: the revision of the last change.
pub(crate) const REVISION: &str = "revision";

/// A row of [`HISTORY`].
pub(crate) type HistoryRow<'a> = (u64, &'a str, &'a str, Option<&'a [u8]>, Option<&'a [u8]>);

/// Why a store could not be read or written; named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Set the file aside: what it holds is not what was written.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// Leave the file alone: it is not ours.
    #[error("not a store of portico: {0}")]
    Foreign(String),
    /// Leave the file alone: another process has it open.
    #[error("another process has it open")]
    Held,
    /// Make room.
    #[error("no room: {0}")]
    Full(String),
    /// Look at the disk.
    #[error("{0}")]
    Io(String),
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full(error.to_string())
            }
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::Corrupted(what) => Self::Damaged(what),
            redb::Error::DatabaseAlreadyOpen => Self::Held,
            redb::Error::UpgradeRequired(version) => Self::Foreign(format!("redb file format {version}")),
            redb::Error::TableTypeMismatch { table, .. } => {
                Self::Foreign(format!("its table `{table}` holds something else"))
            }
            error => Self::Io(error.to_string()),
        }
    }
}

/// Each of redb's own errors, as ours.
pub(crate) fn lift(error: impl Into<redb::Error>) -> StoreError {
    error.into().into()
}

/// How an [`Origin`] is written down.
pub(crate) fn origin_code(origin: Origin) -> u8 {
    match origin {
        Origin::Native => 0,
        Origin::Hipache => 1,
    }
}

fn origin_of(code: u8) -> Origin {
    if code == 1 { Origin::Hipache } else { Origin::Native }
}

/// A row of [`FACTS`] as a change of an empty snapshot: the fact, or the entry set aside.
pub(crate) fn read_fact(key: &str, (revision, origin, json): (u64, u8, &[u8])) -> Change {
    let fact = kind_of(key).and_then(|kind| native::read_fact(kind, json)).and_then(|fact| {
        let found = fact.key().to_string();
        if found == key { Ok(fact) } else { Err(misplaced(&found)) }
    });
    match fact {
        Ok(fact) => {
            let revision = Revision::new(revision);
            Change::Put(Stated { fact: fact.into(), revision, origin: origin_of(origin) })
        }
        Err(error) => Change::Quarantine(key.into(), Quarantined::from(error)),
    }
}

/// The kind that a key says its fact is of.
fn kind_of(key: &str) -> Result<FactKind, FormatError> {
    let begins = |kind: &FactKind| key.split_once(':').is_some_and(|(begin, _)| begin == kind.name());
    FactKind::ALL.into_iter().find(begins).ok_or_else(|| {
        let remedy = "a newer portico wrote it, perhaps; run that one, or leave it alone";
        FormatError::at("", "its key is of no kind that this portico knows", remedy)
    })
}

fn misplaced(found: &str) -> FormatError {
    FormatError::at(
        "",
        format!("it holds `{found}`"),
        "write it again under its own key, and remove this one",
    )
}

/// The JSON of a fact of this kind; `None` for one that cannot be read any more.
pub(crate) fn read_json(kind: FactKind, json: Option<&[u8]>) -> Option<std::sync::Arc<Fact>> {
    native::read_fact(kind, json?).ok().map(std::sync::Arc::new)
}

/// A fact as its JSON.
pub(crate) use crate::format::native::write_fact as write_json;

/// A key as its text says.
pub(crate) fn read_key(text: &str) -> Option<FactKey> {
    FactKey::parse(text).ok()
}
