//! What writers ask for, and what they are told.

use model::{Fact, FactKey, Revision};

/// Several facts written together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Write {
    /// Who writes, for the history: `cli:root@host`, `api:127.0.0.1`.
    pub who: String,
    /// What; at most one edit a key.
    pub edits: Vec<Edit>,
    /// What else must be true; at most [`MAX_GUARDS`], none of a key that is edited.
    pub guards: Vec<Guard>,
}

/// The most guards of one write.
pub const MAX_GUARDS: usize = 8;

/// A fact that a write hangs on and does not change: it takes no revision by it, and the history does not name it.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Which fact.
    pub key: FactKey,
    /// What must be true of it when the edits are made.
    pub expected: Expected,
}

impl Write {
    /// All that must be true, the guards' first: whoever may not write at all is told that.
    pub(crate) fn expectations(&self) -> impl Iterator<Item = (&FactKey, Expected)> {
        let guards = self.guards.iter().map(|guard| (&guard.key, guard.expected));
        guards.chain(self.edits.iter().map(|edit| (&edit.key, edit.expected)))
    }
}

/// One fact put or removed, when it is at the expected revision.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Which fact.
    pub key: FactKey,
    /// What it shall say; `None` removes it.
    pub fact: Option<Fact>,
    /// What must be true of it now.
    pub expected: Expected,
}

/// What a writer expects of a fact that it touches, or is guarded by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Something is there.
    Present,
    /// Nothing is there.
    Absent,
    /// It is at this revision.
    At(Revision),
}

impl Expected {
    /// Whether a fact at `actual` (`None`: no fact) is as expected.
    pub fn holds(self, actual: Option<Revision>) -> bool {
        match self {
            Self::Any => true,
            Self::Present => actual.is_some(),
            Self::Absent => actual.is_none(),
            Self::At(revision) => actual == Some(revision),
        }
    }
}

/// An accepted write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The revision it made. Our own snapshot is at it, or later, when this is returned.
    pub revision: Revision,
}

/// Why a write was not accepted; named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Read again, decide again.
    #[error("{key} is not as expected: {}", describe_actual(.actual))]
    Conflict {
        /// Which fact.
        key: FactKey,
        /// Its revision now; `None` when it does not exist.
        actual: Option<Revision>,
    },
    /// Correct the write: it can never be accepted as it is.
    #[error("the write cannot be accepted: {0}")]
    Invalid(String),
    /// Try later: the store cannot be reached. Nothing was written, or it is not known whether it was.
    #[error("the registry cannot be reached: {0}")]
    Unavailable(String),
    /// Write elsewhere: this store takes no writes from us.
    #[error("the registry is read-only: {0}")]
    ReadOnly(String),
    /// Mend the store: what it numbers changes with is damaged.
    #[error("the registry takes no writes: {0}")]
    Damaged(String),
    /// Make room: the store's disk or memory is full.
    #[error("the registry is full: {0}")]
    Full(String),
}

fn describe_actual(actual: &Option<Revision>) -> String {
    actual.map_or_else(|| "it does not exist".to_owned(), |revision| format!("it is at revision {revision}"))
}
