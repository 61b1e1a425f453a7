//! What is answered from at one moment: the zones, and what is ready of them.

use crate::ready::Index;
use crate::zone::ZoneSet;

/// Zones, and what is ready of them. Immutable: [`Served::next`] makes the next one, sharing what did not change.
#[derive(Debug, Clone, Default)]
pub struct Served {
    zones: ZoneSet,
    ready: Index,
}

impl Served {
    /// These zones, from nothing.
    pub fn new(zones: ZoneSet) -> Self {
        Self::default().next(zones)
    }

    /// These zones; what is ready is made anew where they differ.
    #[must_use]
    pub fn next(&self, zones: ZoneSet) -> Self {
        // How old they are is looked at beside.
        let young = if zones.too_old() > 0 { &zones.clone().with_too_old([]) } else { &zones };
        Self { ready: self.ready.follow(&self.zones, young), zones }
    }

    /// The zones.
    pub fn zones(&self) -> &ZoneSet {
        &self.zones
    }

    /// What is ready of them.
    pub fn ready(&self) -> &Index {
        &self.ready
    }
}
