//! The zones that are made of what the registry holds, kept at what it says; off the way of questions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use model::{DomainName, Fact, RecordType, Revision, Snapshot};

use crate::config::Config;
use crate::files::FileZones;
use crate::zone::derived::Derivation;
use crate::zone::facts::{Grounds, Home, Homes};
use crate::zone::frontends::{Fleet, Proxies};
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
    let any = Derivation {
        apex: DomainName::root(),
        ttl_service: seconds(config.ttl_service),
        ttl_host: seconds(config.ttl_host),
        negative_ttl: seconds(config.negative_ttl),
        name_servers,
    };
    let derivation = config.zone.clone().map(|apex| Derivation { apex, ..any.clone() });
    let reverse = |range: &Range| {
        Some(Source::Reverse(Reverse { range: range.clone(), derivation: derivation.clone()? }))
    };
    let mut zones: Vec<Source> = ranges.iter().filter_map(reverse).collect();
    zones.extend(derivation.map(Source::Registry));
    Sources { zones, frontends: Some(any), ranges: ranges.into(), ttl: seconds(config.ttl_host) }
}

/// All such zones, and the snapshot they are of.
pub(crate) struct Derived {
    sources: Arc<Sources>,
    /// None until the facts are known.
    current: Option<Current>,
    revision: Revision,
    known: bool,
    /// Where healthy proxies are.
    healthy: Arc<[IpAddr]>,
    /// Of the clock, when that was told.
    second: u64,
}

/// Zones at a snapshot, by apex.
struct Current {
    snapshot: Arc<Snapshot>,
    homes: Homes,
    claims: Claims,
    proxies: Proxies,
    zones: BTreeMap<DomainName, Kept>,
    /// Those that could not be made of this snapshot: names of an older one are served, or none.
    behind: BTreeMap<DomainName, Source>,
    /// Those of them that can be served.
    served: ZoneSet,
}

impl Derived {
    pub(crate) fn new(sources: Arc<Sources>) -> Self {
        let revision = Revision::default();
        Self { sources, current: None, revision, known: false, healthy: Arc::default(), second: 0 }
    }

    /// Brings the zones to this snapshot, once that is known to be what the registry says, beside zones of files with these apexes.
    pub(crate) fn follow(&mut self, snapshot: &Arc<Snapshot>, known: bool, files: BTreeSet<DomainName>) {
        (self.revision, self.known) = (snapshot.revision(), known);
        if !known {
            return;
        }
        let serial_of = self.current.as_ref().map(|current| &current.proxies);
        let proxies = serial_of.cloned().unwrap_or_default();
        let proxies = proxies.follow(Arc::clone(&self.healthy), snapshot.revision(), self.second);
        match &mut self.current {
            Some(current) if *current.homes.files() == files => {
                current.follow(&self.sources, snapshot, proxies);
            }
            _ => self.current = Some(Current::build(&self.sources, snapshot, files, proxies)),
        }
    }

    /// Where healthy proxies are, at this second of the clock; told of once the snapshot is followed.
    pub(crate) fn hear(&mut self, healthy: Arc<[IpAddr]>, second: u64) {
        (self.healthy, self.second) = (healthy, second);
    }

    /// What record facts stand on; nothing, until the facts are known.
    pub(crate) fn grounds(&self) -> Grounds {
        let Some(current) = &self.current else {
            return Grounds { revision: self.revision, ..Grounds::default() };
        };
        let base = |apex: DomainName| Some((current.zones.get(&apex)?.base()?.clone(), apex));
        let bases = self.sources.apexes().filter_map(base).map(|(base, apex)| (apex, base)).collect();
        Grounds { revision: self.revision, homes: current.homes.clone(), bases }
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
        if !self.known {
            all = all.awaiting(self.sources.apexes());
        }
        if too_old { all.with_old(&derived) } else { all }
    }
}

impl Current {
    fn build(
        sources: &Sources,
        snapshot: &Arc<Snapshot>,
        files: BTreeSet<DomainName>,
        proxies: Proxies,
    ) -> Self {
        let mut homes = Homes::new(sources.apexes(), files, snapshot);
        let claims = sources.claims(snapshot);
        sources.tell_bases(&mut homes, (snapshot, &claims), |_| true);
        let mut current = Self {
            snapshot: Arc::clone(snapshot),
            homes: homes.clone(),
            claims: claims.clone(),
            proxies: proxies.clone(),
            zones: BTreeMap::new(),
            behind: BTreeMap::new(),
            served: ZoneSet::default(),
        };
        let fleet = Fleet { names: homes.frontends(), proxies: &proxies };
        let view = View { snapshot, homes: &homes, claims: &claims, fleet, ttl: sources.ttl };
        let of_facts = homes.of_facts().cloned().map(Source::Facts);
        let of_frontends = homes.of_frontends().filter_map(|apex| sources.of_frontends(apex));
        let all = sources.zones.iter().cloned().chain(of_facts).chain(of_frontends);
        all.for_each(|source| current.begin(source, view));
        current
    }

    fn follow(&mut self, sources: &Sources, snapshot: &Arc<Snapshot>, proxies: Proxies) {
        let before = std::mem::replace(&mut self.snapshot, Arc::clone(snapshot));
        let proxies_before = std::mem::replace(&mut self.proxies, proxies.clone());
        let (homes_before, claims_before) = (self.homes.clone(), self.claims.clone());
        let mut records = changed_records(&before, snapshot);
        for (name, record_type) in &records {
            if *record_type == RecordType::SOA {
                self.homes.tell(name, snapshot.record(name, RecordType::SOA).is_some());
            }
        }
        let wanted = self.homes.follow_frontends(&before, snapshot);
        let mut touched = sources.touched(&mut self.claims, &before, snapshot);
        let claims = self.claims.clone();
        let fleet = Fleet { names: homes_before.frontends(), proxies: &proxies_before };
        let (ttl, old) = (sources.ttl, (&before, &homes_before, &claims_before));
        let old = View { snapshot: old.0, homes: old.1, claims: old.2, fleet, ttl };
        // No base of a configured zone depends on where record facts belong.
        self.update_bases([old, View { snapshot, claims: &claims, ..old }], &mut touched);
        records.extend(self.other_apexes(&homes_before, &touched));
        let homes = self.homes.clone();
        let moved = proxies.addresses() != proxies_before.addresses();
        let all = moved.then(|| homes.of_frontends()).into_iter().flatten();
        for apex in wanted.iter().chain(all) {
            touched.entry(apex.clone()).or_default();
        }
        let soas = records.iter().filter(|(_, record_type)| *record_type == RecordType::SOA);
        let apexes: BTreeSet<DomainName> = soas.map(|(apex, _)| apex.clone()).chain(wanted).collect();
        touch(&mut touched, &records, &apexes, [&homes_before, &homes]);
        let fleet = Fleet { names: homes.frontends(), proxies: &proxies };
        let new = View { snapshot, homes: &homes, claims: &claims, fleet, ttl };
        for apex in &apexes {
            if self.change_kind(sources, apex, [old, new]) {
                touched.remove(apex);
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

    /// A zone begins or ends, or is made of something else now; false where none of that is so.
    fn change_kind(&mut self, sources: &Sources, apex: &DomainName, [old, new]: [View<'_>; 2]) -> bool {
        let kind = |view: View<'_>| (view.homes.is_of_facts(apex), view.homes.is_of_frontends(apex));
        if kind(old) == kind(new) {
            return false;
        }
        if kind(old) != (false, false) {
            self.zones.remove(apex);
            self.behind.remove(apex);
            self.served.remove(apex);
        }
        let source = match kind(new) {
            (true, _) => Some(Source::Facts(apex.clone())),
            (_, true) => sources.of_frontends(apex),
            _ => None,
        };
        if let Some(source) = source {
            self.begin(source, new);
        }
        true
    }

    /// Brings bases to another snapshot: which record facts are zones depends on them.
    fn update_bases(&mut self, [old, new]: [View<'_>; 2], touched: &mut BTreeMap<DomainName, Touched>) {
        for (apex, touched) in touched {
            let Some(kept) = self.zones.get_mut(apex) else { continue };
            // If it cannot be made so, it is tried again, and then made from nothing, when its zone is.
            if let (Ok(()), Some(base)) = (kept.update_base(old, new, touched), kept.base()) {
                self.homes.tell_base(base.clone());
            }
        }
    }

    /// SOA record facts that make a zone now, or do so no more, because of names that came to a base or left it.
    fn other_apexes(
        &self,
        before: &Homes,
        touched: &BTreeMap<DomainName, Touched>,
    ) -> Vec<(DomainName, RecordType)> {
        let names = touched.values().filter_map(|touched| touched.of_base.as_ref()).flatten();
        let apexes: BTreeSet<_> = names.flat_map(|name| self.homes.soas_above(name)).collect();
        let others =
            apexes.into_iter().filter(|apex| before.is_of_facts(apex) != self.homes.is_of_facts(apex));
        others.map(|apex| (apex, RecordType::SOA)).collect()
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
        let Ok(kept) = Kept::anew(source, view) else { return };
        let apex = kept.source().apex().clone();
        tracing::info!(zone = %apex, "a zone of the registry can be made again");
        self.behind.remove(&apex);
        if let Some(base) = kept.base().filter(|_| self.homes.is_derived(&apex)) {
            self.homes.tell_base(base.clone());
        }
        self.serve(&apex, kept.zone());
        self.zones.insert(apex, kept);
    }

    fn fall_behind(&mut self, source: Source, error: &ZoneError) {
        let zone = source.apex();
        tracing::error!(%zone, %error, "a zone of the registry cannot be made: DNS stays at the revision before");
        self.behind.insert(zone.clone(), source);
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
        if let Some(base) = kept.base().filter(|_| self.homes.is_derived(apex)) {
            self.homes.tell_base(base.clone());
        }
        self.serve(apex, zone.as_ref());
    }

    fn serve(&mut self, apex: &DomainName, zone: Option<&Arc<Zone>>) {
        match zone {
            Some(zone) => self.served.put(Arc::clone(zone)),
            None => self.served.lack(apex),
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

/// Adds what those touch in each zone, by apex, before and after, where zones may begin or end at `apexes`.
fn touch(
    touched: &mut BTreeMap<DomainName, Touched>,
    records: &[(DomainName, RecordType)],
    apexes: &BTreeSet<DomainName>,
    both: [&Homes; 2],
) {
    let home =
        |homes: &Homes, name: &DomainName, record_type| homes.of(name, record_type).and_then(Home::taker);
    for homes in both {
        for (name, record_type) in records {
            if let Some(apex) = home(homes, name, *record_type) {
                let of_zone = touched.entry(apex).or_default();
                of_zone.names.insert(name.clone());
                if [RecordType::NS, RecordType::DNAME].contains(record_type) {
                    of_zone.subtrees.insert(name.clone());
                }
            }
        }
        // A zone that begins, or ends, gives and takes the names at and below its apex.
        for apex in apexes {
            let parent = apex.parent().and_then(|parent| home(homes, &parent, RecordType::A));
            if let Some(parent) = parent {
                touched.entry(parent).or_default().subtrees.insert(apex.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
