//! What of the facts DNS does not serve, for `verify`: the same rules, asked of every fact.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{DomainName, FactKey, Frontend, RecordFact, RecordType, Snapshot};

use super::homes::{Home, Homes};
use super::reason::Reason;
use super::rules::Rules;
use crate::zone::frontends::{Fleet, Proxies, place};
use crate::zone::kept::View;
use crate::zone::sources::Sources;
use crate::zone::tree::Zone;

/// Every fact that is not served and could be, with why: record sets, by name and type, then services, then
/// frontends. `healthy`: where proxies are.
pub(crate) fn unserved(
    snapshot: &Snapshot,
    sources: &Sources,
    files: BTreeSet<DomainName>,
    healthy: Arc<[IpAddr]>,
) -> Vec<(FactKey, Reason)> {
    let mut homes = Homes::new(sources.apexes(), files, snapshot);
    let claims = sources.claims(snapshot);
    let has_facts = |apex: &DomainName| snapshot.records_at_or_below(apex).next().is_some();
    sources.tell_bases(&mut homes, (snapshot, &claims), has_facts);
    let proxies = Proxies::default().follow(healthy, snapshot.revision(), 0);
    let fleet = Fleet { names: homes.frontends(), proxies: &proxies };
    let view = View { snapshot, homes: &homes, claims: &claims, fleet, ttl: sources.ttl };
    let (mut bases, mut found) = (Bases::new(), Vec::new());
    for (fact, _) in snapshot.records() {
        let reason = of_fact(view, sources, &mut bases, fact);
        found.extend(reason.map(|reason| (fact.key(), reason)));
    }
    let taken = |(service, zone)| (FactKey::Service(service), Reason::Taken(zone));
    found.extend(sources.taken(snapshot).into_iter().map(taken));
    let frontends = snapshot.frontends().map(|(frontend, _)| frontend).filter(|frontend| frontend.policy.dns);
    found.extend(frontends.filter_map(|frontend| Some((frontend.key(), of_frontend(&homes, frontend)?))));
    found
}

/// Why a frontend that wants its name to be answered has none.
fn of_frontend(homes: &Homes, frontend: &Frontend) -> Option<Reason> {
    let Some((apex, _)) = place(&frontend.host) else { return Some(Reason::Nameless) };
    match homes.kept_from_frontends(&apex)? {
        Home::Derived(apex) | Home::File(apex) | Home::Facts(apex) => Some(Reason::Foreign(apex)),
    }
}

/// Why one record fact is not served; `None`: it is. Costs as much as the zones that it may belong to.
pub(crate) fn reason_of(
    snapshot: &Snapshot,
    sources: &Sources,
    files: BTreeSet<DomainName>,
    healthy: Arc<[IpAddr]>,
    fact: &RecordFact,
) -> Option<Reason> {
    let mut homes = Homes::new(sources.apexes(), files, snapshot);
    let claims = sources.claims(snapshot);
    let is_around = |apex: &DomainName| fact.name().is_at_or_below(apex);
    sources.tell_bases(&mut homes, (snapshot, &claims), is_around);
    let proxies = Proxies::default().follow(healthy, snapshot.revision(), 0);
    let fleet = Fleet { names: homes.frontends(), proxies: &proxies };
    let view = View { snapshot, homes: &homes, claims: &claims, fleet, ttl: sources.ttl };
    of_fact(view, sources, &mut Bases::new(), fact)
}

/// What zones have beside record facts, made once for all facts.
type Bases = BTreeMap<DomainName, Option<Zone>>;

fn of_fact(view: View<'_>, sources: &Sources, bases: &mut Bases, fact: &RecordFact) -> Option<Reason> {
    let View { snapshot, homes, .. } = view;
    match homes.of(fact.name(), fact.record_type()) {
        None => Some(Reason::NoZone),
        Some(Home::File(apex)) => Some(Reason::File(apex)),
        Some(Home::Facts(apex)) => of_zone(snapshot, homes, &apex, None, fact),
        Some(Home::Derived(apex)) => {
            let told = || homes.base(&apex).cloned().or_else(|| sources.base(&apex, view));
            let base = bases.entry(apex.clone()).or_insert_with(told);
            of_zone(snapshot, homes, &apex, base.as_ref(), fact)
        }
    }
}

fn of_zone(
    snapshot: &Snapshot,
    homes: &Homes,
    apex: &DomainName,
    base: Option<&Zone>,
    fact: &RecordFact,
) -> Option<Reason> {
    let rules = Rules { snapshot, homes, apex, base, ttl: 0, serial: snapshot.revision() };
    if base.is_none() && snapshot.record(apex, RecordType::NS).is_none() {
        return Some(Reason::NoNs(apex.clone()));
    }
    rules.verdict(fact).err()
}
