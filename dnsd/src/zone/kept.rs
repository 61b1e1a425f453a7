//! One zone that is made of what the registry holds, kept at a snapshot: its base, and on it what record facts add.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use model::{DomainName, RecordType, Snapshot};

use super::derived::Found;
use super::facts::{Homes, Rules};
use super::frontends::Fleet;
use super::reverse::Claims;
use super::sources::Source;
use super::tree::{Node, Zone, ZoneError};

/// A snapshot, and which zone each name belongs to in it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) homes: &'a Homes,
    /// Whose addresses are.
    pub(crate) claims: &'a Claims,
    /// Which names frontends want, and where proxies are.
    pub(crate) fleet: Fleet<'a>,
    /// How long records may be kept where neither their fact nor their zone says so, in seconds.
    pub(crate) ttl: u32,
}

/// What of a zone may have changed: which names by record facts, and which addresses are another's.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) names: BTreeSet<DomainName>,
    /// Names at which, and below which, every fact has to be looked at again.
    pub(crate) subtrees: BTreeSet<DomainName>,
    /// Of which addresses something else is told.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// The names of the base that differ, once it is at the new snapshot; `None` until then.
    pub(crate) of_base: Option<BTreeSet<DomainName>>,
    /// The base cannot follow: it has to be made from nothing.
    pub(crate) from_nothing: bool,
}

/// A zone, kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    source: Source,
    base: Option<Zone>,
    /// What is found by types of services in the base.
    found: Found,
    /// `None`: it cannot be served.
    zone: Option<Arc<Zone>>,
}

impl Kept {
    /// The zone, when it can be served.
    pub(crate) fn zone(&self) -> Option<&Arc<Zone>> {
        self.zone.as_ref()
    }

    /// What it has beside record facts.
    pub(crate) fn base(&self) -> Option<&Zone> {
        self.base.as_ref()
    }

    /// What its base is made of.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The same zone as if it were made of something else: so that it cannot be made, or can be again.
    #[cfg(test)]
    pub(crate) fn set_source(&mut self, source: Source) {
        self.source = source;
    }

    /// From nothing, but for a base that was told.
    ///
    /// # Errors
    /// [`ZoneError`] when the base cannot be made. A zone of facts that misses what each zone has is there, and not served.
    pub(crate) fn build(source: Source, view: View<'_>) -> Result<Self, ZoneError> {
        match view.homes.base(source.apex()) {
            Some(base) => Self::on(Some(base.clone()), source, view),
            None => Self::anew(source, view),
        }
    }

    /// From nothing, whatever was told.
    ///
    /// # Errors
    /// As [`Kept::build`].
    pub(crate) fn anew(source: Source, view: View<'_>) -> Result<Self, ZoneError> {
        Self::on(source.base(view)?, source, view)
    }

    fn on(base: Option<Zone>, source: Source, view: View<'_>) -> Result<Self, ZoneError> {
        let found = source.found(view.snapshot);
        let mut kept = Self { source, base, found, zone: None };
        let apex = kept.source.apex().clone();
        let names: BTreeSet<_> =
            view.snapshot.records_at_or_below(&apex).map(|(fact, _)| fact.name().clone()).collect();
        let nodes = kept.nodes(view, &names);
        let zone = match &kept.base {
            Some(base) if nodes.is_empty() => Ok(base.clone()),
            Some(base) => base.with(std::iter::empty(), nodes),
            None => Zone::of(apex, nodes),
        };
        kept.zone = served(zone)?;
        Ok(kept)
    }

    /// Brings the base to another snapshot: what differs is made anew, its serial at least.
    ///
    /// # Errors
    /// [`ZoneError`] when it cannot be made so; then it is as it was, and has to be made from nothing.
    pub(crate) fn update_base(
        &mut self,
        old: View<'_>,
        new: View<'_>,
        touched: &mut Touched,
    ) -> Result<(), ZoneError> {
        touched.from_nothing = true;
        let changed = self.source.changes(old, new, touched, &mut self.found);
        if let (Some(changed), Some(base)) = (changed, &self.base) {
            let names = changed.gone.names().chain(changed.names.names()).cloned().collect();
            self.base = Some(base.with(changed.gone.names(), changed.names)?);
            touched.of_base = Some(names);
        }
        touched.from_nothing = false;
        Ok(())
    }

    /// At another snapshot, of which it may have the base already.
    ///
    /// # Errors
    /// [`ZoneError`] when the base cannot be made.
    pub(crate) fn update(
        &mut self,
        old: View<'_>,
        new: View<'_>,
        mut touched: Touched,
    ) -> Result<(), ZoneError> {
        if touched.from_nothing {
            return self.rebuild(new);
        }
        if touched.of_base.is_none() {
            self.update_base(old, new, &mut touched)?;
        }
        let Some(zone) = self.zone.clone().filter(|_| self.ttl(old) == self.ttl(new)) else {
            return self.rebuild(new);
        };
        let apex = self.source.apex().clone();
        if let Some(base_names) = touched.of_base.take() {
            let has_facts = |view: View<'_>| view.snapshot.records_at_or_below(&apex).next().is_some();
            if !has_facts(old) && !has_facts(new) {
                self.zone = self.base.clone().map(Arc::new);
                return Ok(());
            }
            for name in &base_names {
                touched.subtrees.extend(cuts(&apex, name, [old.snapshot, new.snapshot]));
            }
            touched.names.extend(base_names);
        }
        // Its serial is there.
        touched.names.insert(apex);
        for subtree in &touched.subtrees {
            for snapshot in [old.snapshot, new.snapshot] {
                let below = snapshot.records_at_or_below(subtree).map(|(fact, _)| fact.name().clone());
                touched.names.extend(below);
            }
        }
        let nodes = self.nodes(new, &touched.names);
        self.zone = served(zone.with(touched.names.iter(), nodes))?;
        Ok(())
    }

    /// From nothing, again.
    ///
    /// # Errors
    /// As [`Kept::build`]; then it is as it was.
    pub(crate) fn rebuild(&mut self, view: View<'_>) -> Result<(), ZoneError> {
        *self = Self::anew(self.source.clone(), view)?;
        Ok(())
    }

    /// What stands at each of these names.
    fn nodes(&self, view: View<'_>, names: &BTreeSet<DomainName>) -> Vec<(DomainName, Node)> {
        let rules = Rules {
            snapshot: view.snapshot,
            homes: view.homes,
            apex: self.source.apex(),
            base: self.base.as_ref(),
            ttl: self.ttl(view),
            serial: view.snapshot.revision(),
        };
        names.iter().filter_map(|name| Some((name.clone(), rules.node(name)?))).collect()
    }

    /// How long records may be kept where their fact does not say so: as the zone's SOA record fact may be.
    fn ttl(&self, view: View<'_>) -> u32 {
        let soa = match &self.source {
            Source::Facts(apex) => view.snapshot.record(apex, RecordType::SOA),
            Source::Registry(_) | Source::Reverse(_) | Source::Frontends(_) => None,
        };
        soa.and_then(|(soa, _)| soa.ttl()).unwrap_or(view.ttl)
    }
}

/// A zone that misses its SOA or its name servers is not served; nothing else can be wrong with it.
fn served(zone: Result<Zone, ZoneError>) -> Result<Option<Arc<Zone>>, ZoneError> {
    match zone {
        Ok(zone) => Ok(Some(Arc::new(zone))),
        Err(ZoneError::NoSoa(_) | ZoneError::NoNs(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The names at or above this one whose facts may delegate it, or lead it elsewhere.
fn cuts(apex: &DomainName, name: &DomainName, snapshots: [&Snapshot; 2]) -> Vec<DomainName> {
    let above = std::iter::successors(Some(name.clone()), DomainName::parent);
    let above = above.take_while(|name| name.is_at_or_below(apex));
    let is_cut = |name: &DomainName| {
        let types = [RecordType::NS, RecordType::DNAME];
        snapshots.iter().any(|snapshot| types.iter().any(|of| snapshot.record(name, *of).is_some()))
    };
    above.filter(is_cut).collect()
}
