//! A fact put or removed.

use std::sync::Arc;

use crate::fact::{FactKey, Quarantined, Stated};
use crate::revision::Revision;

/// One step from a snapshot to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A fact now says this.
    Put(Stated),
    /// A fact is gone.
    Remove(FactKey),
    /// The entry under this raw key of the store cannot be used; the fact it stood for, if any, is removed by its own change.
    Quarantine(Box<str>, Quarantined),
    /// The entry under this raw key of the store is usable again, or gone.
    Release(Box<str>),
}

/// One line of the history: who changed what, when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRecord {
    /// The revision it made.
    pub revision: Revision,
    /// When, in milliseconds since the Unix epoch, by the clock of whoever wrote it.
    pub at_ms: u64,
    /// Who: a name the writer gave (`cli:root@host`, `api:10.0.0.3`, `redis` for a foreign Redis client).
    pub who: Box<str>,
    /// Which fact.
    pub key: FactKey,
    /// What stood there before; `None` when nothing did, or when it is not known.
    pub before: Option<Arc<crate::fact::Fact>>,
    /// False when nobody saw what stood there before: a foreign writer's change while no portico followed the store.
    pub before_known: bool,
    /// What stands there now; `None` when it was removed, or set aside.
    pub after: Option<Arc<crate::fact::Fact>>,
    /// True when something stands there now that cannot be used, so that it was set aside: nothing was removed.
    pub set_aside: bool,
}
