//! A copy of a whole store, facts and history, made while it runs.

use std::fs::File;

use model::Revision;

/// A copy of a store: a registry by itself, once it has a name.
#[derive(Debug)]
pub struct Backup {
    /// The revision of the last change in it.
    pub revision: Revision,
    /// Its size.
    pub octets: u64,
    /// The copy, without a name; gone when this is. Read it from its start, wherever its cursor stands.
    pub file: File,
}

/// Why there is no copy; named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Use the store's own means, which this names.
    #[error("{0}")]
    Elsewhere(String),
    /// Try later.
    #[error("the registry cannot be copied: {0}")]
    Unavailable(String),
    /// Make room: the copy is made beside the store first.
    #[error("no room for a copy: {0}")]
    Full(String),
}
