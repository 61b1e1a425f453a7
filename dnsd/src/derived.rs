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
use crate::zone::reverse::{Claims, Range, Reverse};
use crate::zone::sources::{Source, Sources};
use crate::zone::{Zone, ZoneError, ZoneSet};

/// What the configuration names, `listens` being where this process does, `ranges` the addresses that have reverse zones.
pub(crate) fn sources(config: &Config, ranges: Vec<Range>, listens: &[SocketAddr]) -> Sources {
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
    let reverse = |range: &Range| {
        Some(Source::Reverse(Reverse { range: range.clone(), derivation: derivation.clone()? }))
    };
    let mut zones: Vec<Source> = ranges.iter().filter_map(reverse).collect();
    zones.extend(derivation.map(Source::Registry));
    Sources { zones, ranges: ranges.into(), ttl: seconds(config.ttl_host) }
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
    claims: Claims,
    zones: BTreeMap<DomainName, Kept>,
    /// Those that could not be made of this snapshot: names of an older one are served, or none.
    behind: BTreeMap<DomainName, Source>,
    /// Those of them that can be served.
    served: ZoneSet,
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

    /// Whether every zone is of the snapshot it was brought to; where one could not be made, what it had before is served on.
    pub(crate) fn is_whole(&self) -> bool {
        self.current.as_ref().is_none_or(|current| current.behind.is_empty())
    }

    /// All zones there are. `too_old`: whether those that are derived are told no more.
    pub(crate) fn with(&self, files: &FileZones, too_old: bool) -> ZoneSet {
        let derived = self.current.as_ref().map(|current| current.served.clone()).unwrap_or_default();
        let mut all = derived.at_revision(self.revision, self.known);
        files.zones().for_each(|zone| all.add(Arc::clone(zone)));
        if too_old { all.with_old(&derived) } else { all }
    }
}

impl Current {
    fn build(sources: &Sources, snapshot: &Arc<Snapshot>, files: BTreeSet<DomainName>) -> Self {
        let homes = Homes::new(sources.apexes(), files, snapshot);
        let claims = sources.claims(snapshot);
        let mut current = Self {
            snapshot: Arc::clone(snapshot),
            homes: homes.clone(),
            claims: claims.clone(),
            zones: BTreeMap::new(),
            behind: BTreeMap::new(),
            served: ZoneSet::default(),
        };
        let view = View { snapshot, homes: &homes, claims: &claims, ttl: sources.ttl };
        let of_facts = homes.of_facts().cloned().map(Source::Facts);
        sources.zones.iter().cloned().chain(of_facts).for_each(|source| current.begin(source, view));
        current
    }

    fn follow(&mut self, sources: &Sources, snapshot: &Arc<Snapshot>) {
        let before = std::mem::replace(&mut self.snapshot, Arc::clone(snapshot));
        let (homes_before, claims_before) = (self.homes.clone(), self.claims.clone());
        let records = changed_records(&before, snapshot);
        for (name, record_type) in &records {
            if *record_type == RecordType::SOA {
                self.homes.tell(name, snapshot.record(name, RecordType::SOA).is_some());
            }
        }
        let mut touched = sources.touched(&mut self.claims, &before, snapshot);
        touch(&mut touched, &records, [&homes_before, &self.homes]);
        let (homes, claims) = (self.homes.clone(), self.claims.clone());
        let old = View { snapshot: &before, homes: &homes_before, claims: &claims_before, ttl: sources.ttl };
        let new = View { snapshot, homes: &homes, claims: &claims, ttl: sources.ttl };
        let apexes = records.iter().filter(|(_, record_type)| *record_type == RecordType::SOA);
        for (apex, _) in apexes {
            match (homes_before.is_of_facts(apex), homes.is_of_facts(apex)) {
                (true, false) => self.end(apex),
                (false, true) => {
                    touched.remove(apex);
                    self.begin(Source::Facts(apex.clone()), new);
                }
                _ => {}
            }
        }
        // What missed a change cannot follow by what differs since: it is made from nothing.
        for (apex, source) in self.behind.clone() {
            touched.remove(&apex);
            self.catch_up(source, new);
        }
        for (apex, touched) in touched {
            self.update(&apex, [old, new], touched);
        }
    }

    /// A zone begins.
    fn begin(&mut self, source: Source, view: View<'_>) {
        let apex = source.apex().clone();
        match Kept::build(source.clone(), view) {
            Ok(kept) => {
                self.serve(&apex, kept.zone());
                self.zones.insert(apex, kept);
            }
            Err(error) => self.fall_behind(source, &error),
        }
    }

    /// A zone that could not be made is tried again.
    fn catch_up(&mut self, source: Source, view: View<'_>) {
        // Its reason was told when it fell behind.
        let Ok(kept) = Kept::build(source, view) else { return };
        let apex = kept.source().apex().clone();
        tracing::info!(zone = %apex, "a zone of the registry can be made again");
        self.behind.remove(&apex);
        self.serve(&apex, kept.zone());
        self.zones.insert(apex, kept);
    }

    fn fall_behind(&mut self, source: Source, error: &ZoneError) {
        let zone = source.apex();
        tracing::error!(%zone, %error, "a zone of the registry cannot be made: DNS stays at the revision before");
        self.behind.insert(zone.clone(), source);
    }

    /// A zone ends.
    fn end(&mut self, apex: &DomainName) {
        self.zones.remove(apex);
        self.behind.remove(apex);
        self.served.remove(apex);
    }

    fn update(&mut self, apex: &DomainName, [old, new]: [View<'_>; 2], touched: Touched) {
        let Some(kept) = self.zones.get_mut(apex) else { return };
        let updated = kept.update(old, new, touched);
        // If it cannot be made from nothing either, the names that were served are served on.
        if let Err(error) = updated.or_else(|_| kept.rebuild(new)) {
            let source = kept.source().clone();
            return self.fall_behind(source, &error);
        }
        let zone = kept.zone().cloned();
        self.serve(apex, zone.as_ref());
    }

    fn serve(&mut self, apex: &DomainName, zone: Option<&Arc<Zone>>) {
        match zone {
            Some(zone) => self.served.put(Arc::clone(zone)),
            None => self.served.remove(apex),
        }
    }
}

/// Names and types of the record facts that differ.
fn changed_records(old: &Snapshot, new: &Snapshot) -> Vec<(DomainName, RecordType)> {
    let key = |difference: model::Difference<'_>| match &*difference.before.or(difference.after)?.fact {
        Fact::Record(record) => Some((record.name().clone(), record.record_type())),
        _ => None,
    };
    new.diff(old).filter_map(key).collect()
}

/// Adds what those touch in each zone, by apex, before and after.
fn touch(
    touched: &mut BTreeMap<DomainName, Touched>,
    records: &[(DomainName, RecordType)],
    both: [&Homes; 2],
) {
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
}

#[cfg(test)]
mod tests;
