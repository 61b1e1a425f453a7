//! What is served, walked back into what it was made of: functions of values, asked by an operator.
//!
//! In: the zones and the ready answers that questions are answered from, a snapshot of the registry, zone files as they are on disk now.
//! Out: each [`Difference`]. Never here: the code that made the zones: `stated` reads the facts a second time, in the plainest way; a
//! stored hash or revision that is believed; a question that waits.
//!
//! ```text
//! snapshot ─► stated (a second reading) ─┐
//! zone files, read again ────────────────┼─► compare ◄─ zones, name by name ─► Difference
//!                 zones ─► answers anew ─┴─► ready ◄─ Index, name by name
//! ```

mod compare;
mod sets;
mod stated;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{DomainName, RecordType, Revision, Snapshot};

use crate::files::ZoneFile;
use crate::served::Served;
use crate::zone::facts::{Home, Homes, unserved};
use crate::zone::sources::{Source, Sources};
use crate::zone::{Zone, ZoneSet};
use compare::compare;
use sets::Sets;

/// What to do about a difference that no operator made.
const DEFECT: &str = "this is a defect of portico, please report it; a restart makes the zones anew";

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A zone, a name or a record set.
    Records,
    /// An answer that is ready.
    Ready,
    /// A zone file and its zone.
    File,
}

/// One thing that is served otherwise than it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of which kind.
    pub kind: Kind,
    /// The name and type, the zone, or the file.
    pub key: String,
    /// What differs.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Difference {
    fn defect(kind: Kind, key: String, reason: String) -> Self {
        Self { kind, key, reason, remedy: DEFECT.to_owned() }
    }
}

/// Tells of each zone that is not what `snapshot`, which is of the zones' revision, says: zones of the registry, zones of record facts.
pub(crate) fn of_registry(
    zones: &ZoneSet,
    snapshot: &Snapshot,
    sources: &Sources,
    files: &BTreeSet<DomainName>,
    healthy: &Arc<[IpAddr]>,
    tell: &mut dyn FnMut(Difference),
) {
    let stated = stated_zones(snapshot, sources, files, healthy);
    for (apex, sets) in &stated {
        match zones.at(apex) {
            Some(zone) => compare(zone, sets, tell),
            None => {
                let reason = "the registry states it, and it is not served".to_owned();
                tell(Difference::defect(Kind::Records, format!("zone {apex}"), reason));
            }
        }
    }
    // The serials of frontends' zones have the time in them.
    let homes = Homes::new(sources.apexes(), files.clone(), snapshot);
    for zone in zones.zones().filter(|zone| !files.contains(zone.apex())) {
        let apex = zone.apex();
        if !stated.contains_key(apex) {
            let reason = "it is served, and neither the registry nor a zone file states it".to_owned();
            tell(Difference::defect(Kind::Records, format!("zone {apex}"), reason));
        } else if !homes.is_of_frontends(apex) && is_ahead(zone.serial(), snapshot.revision()) {
            let reason = format!(
                "its serial {} is ahead of the registry's revision {}",
                zone.serial(),
                snapshot.revision()
            );
            tell(Difference::defect(Kind::Records, format!("{apex} SOA"), reason));
        }
    }
}

/// All zones that the facts state, each with all its sets.
fn stated_zones(
    snapshot: &Snapshot,
    sources: &Sources,
    files: &BTreeSet<DomainName>,
    healthy: &Arc<[IpAddr]>,
) -> BTreeMap<DomainName, Sets> {
    let mut homes = Homes::new(sources.apexes(), files.clone(), snapshot);
    sources.tell_bases(&mut homes, (snapshot, &sources.claims(snapshot)), |_| true);
    let mut stated: BTreeMap<DomainName, Sets> = BTreeMap::new();
    for source in &sources.zones {
        let sets = match source {
            Source::Registry(derivation) => stated::of_registry(derivation, snapshot),
            Source::Reverse(reverse) => {
                stated::of_range(&reverse.derivation, &reverse.range.apex, &reverse.range.net, snapshot)
            }
            Source::Frontends(_) | Source::Facts(_) => Sets::default(),
        };
        stated.insert(source.apex().clone(), sets);
    }
    if let Some(derivation) = &sources.frontends {
        let allowed = |apex: &DomainName| homes.kept_from_frontends(apex).is_none();
        stated.extend(stated::of_frontends(derivation, snapshot, healthy, allowed));
    }
    // Which facts stand where they are stated: the rules are asked, of zones that are made from nothing.
    let out: BTreeSet<_> = unserved(snapshot, sources, files.clone(), Arc::clone(healthy))
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    for (fact, _) in snapshot.records().filter(|(fact, _)| !out.contains(&fact.key())) {
        let home = homes.of(fact.name(), fact.record_type());
        let ttl = match &home {
            Some(Home::Facts(apex)) => snapshot.record(apex, RecordType::SOA).and_then(|(soa, _)| soa.ttl()),
            _ => None,
        };
        if let Some(apex) = home.and_then(Home::taker) {
            let ttl = fact.ttl().or(ttl).unwrap_or(sources.ttl);
            let data = fact.data().iter().cloned().map(|data| (data, 1));
            stated.entry(apex).or_default().put(fact.name(), fact.record_type(), ttl, data);
        }
    }
    // A zone that lacks what each zone has cannot be served; the facts of it are named elsewhere.
    let whole = |apex: &DomainName, sets: &Sets| {
        [RecordType::SOA, RecordType::NS].iter().all(|record_type| sets.get(apex, *record_type).is_some())
    };
    stated.retain(|apex, sets| whole(apex, sets));
    stated
}

/// Whether a serial is one that the registry has not reached (RFC 1982).
fn is_ahead(serial: u32, revision: Revision) -> bool {
    let reached = u32::try_from(revision.number() & u64::from(u32::MAX)).unwrap_or(0);
    serial.wrapping_sub(reached).cast_signed() > 0
}

/// Tells of each zone file that is not what is served of it. Reads them all.
pub(crate) fn of_files(
    zones: &ZoneSet,
    files: &[(ZoneFile, Arc<Zone>)],
    most: usize,
    tell: &mut dyn FnMut(Difference),
) {
    for (file, read) in files {
        let key = file.path.display().to_string();
        let mut of_file = |reason, remedy: &str| {
            tell(Difference { kind: Kind::File, key: key.clone(), reason, remedy: remedy.to_owned() });
        };
        let now = match file.load(most) {
            Ok(now) => now,
            Err(error) => {
                let reason = format!("{error}; the zone that was read before is served");
                of_file(reason, "correct the file, then SIGHUP reads it");
                continue;
            }
        };
        let Some(zone) = zones.at(read.apex()) else {
            of_file(format!("its zone {} is not served", read.apex()), DEFECT);
            continue;
        };
        if now.apex() != read.apex() {
            let reason = format!("it holds {} now, and {} is served of it", now.apex(), read.apex());
            of_file(reason, "SIGHUP reads it");
            continue;
        }
        let (mut first, mut count) = (None, 0_usize);
        compare(zone, &Sets::of(&now), &mut |difference: Difference| {
            first.get_or_insert_with(|| format!("{}: {}", difference.key, difference.reason));
            count += 1;
        });
        if let Some(first) = first {
            let more = if count > 1 { format!("; {} more", count - 1) } else { String::new() };
            of_file(
                format!("the file changed since it was read ({first}{more})"),
                "SIGHUP reads it (systemctl reload portico)",
            );
        }
    }
}

/// Tells of each answer that is ready and is not the one that the zones give.
pub(crate) fn of_ready(served: &Served, tell: &mut dyn FnMut(Difference)) {
    // How old they are is looked at beside.
    let young = served.zones().clone().with_too_old([]);
    for (name, what) in served.ready().differing(&young) {
        tell(Difference::defect(Kind::Ready, name.to_string(), what.to_owned()));
    }
}
