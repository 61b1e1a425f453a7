//! The zones that are made of what the registry holds, kept at what it says; off the way of questions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{DomainName, Fact, RecordType, Revision, Snapshot};

use crate::config::Config;
use crate::files::FileZones;
use crate::zone::derived::Derivation;
use crate::zone::facts::{Home, Homes};
use crate::zone::kept::{Kept, Touched, View};
use crate::zone::sources::{Source, Sources};
use crate::zone::{ZoneError, ZoneSet};

/// What the configuration names, `listens` being where this process does.
pub(crate) fn sources(config: &Config, listens: &[SocketAddr]) -> Sources {
    let mut name_servers = config.name_servers.clone();
    if name_servers.is_empty() {
        name_servers =
            listens.iter().map(SocketAddr::ip).filter(|address| !address.is_unspecified()).collect();
        name_servers.sort();
        name_servers.dedup();
    }
    let seconds =
        |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX).min(model::record::MAX_TTL);
    let derivation = config.zone.clone().map(|apex| Derivation {
        apex,
        ttl_service: seconds(config.ttl_service),
        ttl_host: seconds(config.ttl_host),
        negative_ttl: seconds(config.negative_ttl),
        name_servers,
    });
    Sources { zones: derivation.map(Source::Registry).into_iter().collect(), ttl: seconds(config.ttl_host) }
}

/// All such zones, and the snapshot they are of.
pub(crate) struct Derived {
    sources: Arc<Sources>,
    /// None until the facts are known.
    current: Option<Current>,
    revision: Revision,
    known: bool,
}

/// Zones at a snapshot, by apex.
struct Current {
    snapshot: Arc<Snapshot>,
    homes: Homes,
    zones: BTreeMap<DomainName, Kept>,
}

impl Derived {
    pub(crate) fn new(sources: Arc<Sources>) -> Self {
        Self { sources, current: None, revision: Revision::default(), known: false }
    }

    /// Brings the zones to this snapshot, once that is known to be what the registry says, beside zones of files with these apexes.
    pub(crate) fn follow(&mut self, snapshot: &Arc<Snapshot>, known: bool, files: BTreeSet<DomainName>) {
        (self.revision, self.known) = (snapshot.revision(), known);
        if !known {
            return;
        }
        match &mut self.current {
            Some(current) if *current.homes.files() == files => current.follow(&self.sources, snapshot),
            _ => self.current = Some(Current::build(&self.sources, snapshot, files)),
        }
    }

    /// All zones there are. `too_old`: whether those that are derived are told no more.
    pub(crate) fn with(&self, files: &FileZones, too_old: bool) -> ZoneSet {
        let kept = self.current.iter().flat_map(|current| current.zones.values());
        let derived = kept.filter_map(Kept::zone).map(Arc::clone);
        let old: Vec<_> = derived.clone().filter(|_| too_old).collect();
        ZoneSet::new(self.revision, self.known, derived.chain(files.zones().map(Arc::clone)))
            .with_too_old(old)
    }
}

impl Current {
    fn build(sources: &Sources, snapshot: &Arc<Snapshot>, files: BTreeSet<DomainName>) -> Self {
        let homes = Homes::new(sources.apexes(), files, snapshot);
        let view = View { snapshot, homes: &homes, ttl: sources.ttl };
        let of_facts = homes.of_facts().cloned().map(Source::Facts);
        let kept = sources.zones.iter().cloned().chain(of_facts).filter_map(|source| {
            let apex = source.apex().clone();
            Kept::build(source, view).map_err(|error| tell(&apex, &error)).ok().map(|kept| (apex, kept))
        });
        let zones = kept.collect();
        Self { snapshot: Arc::clone(snapshot), homes, zones }
    }

    fn follow(&mut self, sources: &Sources, snapshot: &Arc<Snapshot>) {
        let before = std::mem::replace(&mut self.snapshot, Arc::clone(snapshot));
        let homes_before = self.homes.clone();
        let records = changed_records(&before, snapshot);
        for (name, record_type) in &records {
            if *record_type == RecordType::SOA {
                self.homes.tell(name, snapshot.record(name, RecordType::SOA).is_some());
            }
        }
        let old = View { snapshot: &before, homes: &homes_before, ttl: sources.ttl };
        let new = View { snapshot, homes: &self.homes, ttl: sources.ttl };
        let mut touched = touched(&records, [&homes_before, &self.homes]);
        let apexes = records.iter().filter(|(_, record_type)| *record_type == RecordType::SOA);
        for (apex, _) in apexes {
            match (homes_before.is_of_facts(apex), self.homes.is_of_facts(apex)) {
                (true, false) => drop(self.zones.remove(apex)),
                (false, true) => {
                    touched.remove(apex);
                    match Kept::build(Source::Facts(apex.clone()), new) {
                        Ok(kept) => drop(self.zones.insert(apex.clone(), kept)),
                        Err(error) => tell(apex, &error),
                    }
                }
                _ => {}
            }
        }
        for (apex, kept) in &mut self.zones {
            let updated = kept.update(old, new, touched.remove(apex));
            // If it cannot be made from nothing either, the names that were served are served on.
            if let Err(error) = updated.or_else(|_| kept.rebuild(new)) {
                tell(apex, &error);
            }
        }
    }
}

fn tell(apex: &DomainName, error: &ZoneError) {
    tracing::error!(zone = %apex, %error, "a zone of the registry cannot be made");
}

/// Names and types of the record facts that differ.
fn changed_records(old: &Snapshot, new: &Snapshot) -> Vec<(DomainName, RecordType)> {
    let key = |difference: model::Difference<'_>| match &*difference.before.or(difference.after)?.fact {
        Fact::Record(record) => Some((record.name().clone(), record.record_type())),
        _ => None,
    };
    new.diff(old).filter_map(key).collect()
}

/// What those touch in each zone, by apex, before and after.
fn touched(records: &[(DomainName, RecordType)], both: [&Homes; 2]) -> BTreeMap<DomainName, Touched> {
    let mut touched: BTreeMap<DomainName, Touched> = BTreeMap::new();
    for (name, record_type) in records {
        for homes in both {
            let home = |name: &DomainName, record_type| homes.of(name, record_type).and_then(Home::taker);
            if let Some(apex) = home(name, *record_type) {
                let of_zone = touched.entry(apex).or_default();
                of_zone.names.insert(name.clone());
                if [RecordType::NS, RecordType::DNAME].contains(record_type) {
                    of_zone.subtrees.insert(name.clone());
                }
            }
            // A zone that begins, or ends, gives and takes the names at and below its apex.
            let parent = name.parent().filter(|_| *record_type == RecordType::SOA);
            if let Some(apex) = parent.and_then(|parent| home(&parent, RecordType::A)) {
                touched.entry(apex).or_default().subtrees.insert(name.clone());
            }
        }
    }
    touched
}

#[cfg(test)]
mod tests;
