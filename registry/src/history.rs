//! What was changed, when and by whom: the question and why it may stay unanswered.

use model::{FactKey, Revision};

/// Which part of the history to read; newest first.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// At most this many records.
    pub limit: usize,
    /// Only older than this revision.
    pub before: Option<Revision>,
    /// Only of this fact.
    pub key: Option<FactKey>,
}

/// Why a read of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Try later.
    #[error("the registry cannot be reached: {0}")]
    Unavailable(String),
    /// Mend the store: what holds the history is something else.
    #[error("the history cannot be read: {0}")]
    Damaged(String),
}
