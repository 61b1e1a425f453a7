//! What record facts stand on, for whoever asks before a fact is written: the zones of names, and what those have otherwise.

use std::collections::BTreeMap;

use model::{DomainName, Revision};

use super::homes::Homes;
use crate::zone::tree::Zone;

/// The zones at a revision, before record facts. A copy shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grounds {
    /// The revision of the facts.
    pub(crate) revision: Revision,
    /// Which zone each name belongs to.
    pub(crate) homes: Homes,
    /// What zones have otherwise, by apex; those of record facts alone have nothing.
    pub(crate) bases: BTreeMap<DomainName, Zone>,
}
