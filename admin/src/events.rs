//! What happened between two snapshots, as lines of `/v1/events`: every fact, or who answers for services of one type.
//!
//! Of facts, every change is told in its order as far as the history tells of it, also of one that is gone again; else what differs.
//!
//! In: snapshots, records of the history. Out: [`Event`]s, some at a time: whoever tells them holds the two snapshots, and never all that differs. It takes work
//! in proportion to what differs, or to all there is where much does. Never here: a clock, a client.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use model::{
    ChangeRecord, Difference, Fact, FactKey, FactKind, Instance, Service, ServiceName, ServiceType, Snapshot,
};

use crate::weight::weight;
use crate::wire::{Event, FactDoc, Member};

/// How much the events of one step weigh together, in endpoints; the last one may weigh more.
const STEP: usize = 1024;
/// How many services that differ are kept by name; where there are more, all services are looked at.
const SERVICES: usize = 4096;

/// What there is to tell, and how far it is told.
pub(crate) struct Telling {
    before: Arc<Snapshot>,
    now: Arc<Snapshot>,
    past: Past,
    place: Place,
}

/// What the history tells of what is between two snapshots.
#[derive(Default)]
pub(crate) struct Past {
    /// When the newer one was seen, in milliseconds since the Unix epoch.
    seen_ms: u64,
    /// In the order in which it happened, newest first.
    records: Vec<ChangeRecord>,
    /// The facts of which all is told by that.
    told: BTreeSet<FactKey>,
}

/// How far it is told.
enum Place {
    /// What the history tells: to the last of its records that is left.
    Records,
    /// Facts: not yet begun.
    Facts,
    /// Facts, to this one.
    Behind(FactKey),
    /// Services of this type: not yet begun.
    Type(ServiceType),
    Services(Services),
    Present,
}

/// Services of a type, looked at in their order.
struct Services {
    of: ServiceType,
    /// Those that differ; `None`: all are looked at.
    touched: Option<BTreeSet<ServiceName>>,
    /// The last one that was looked at, and how many events of it are told.
    at: Option<(ServiceName, usize)>,
    /// Whether `present` is told behind them.
    first: bool,
}

impl Telling {
    /// What is told when nobody knows yet what was before: who answers for the type; of every fact, none.
    pub(crate) fn present(now: Arc<Snapshot>, of: Option<ServiceType>) -> Self {
        let services = of.map(|of| Services { of, touched: None, at: None, first: true });
        let place = services.map_or(Place::Present, Place::Services);
        Self { before: Arc::default(), now, past: Past::default(), place }
    }

    /// What happened; of a type the history is not asked.
    pub(crate) fn between(
        before: Arc<Snapshot>,
        now: Arc<Snapshot>,
        of: Option<ServiceType>,
        past: Past,
    ) -> Self {
        Self { before, now, past, place: of.map_or(Place::Records, Place::Type) }
    }

    /// Some of the events, and what is left; nothing is left at the end. It may take long: not for a thread that others wait for.
    pub(crate) fn step(self) -> (Vec<Event>, Option<Self>) {
        let Self { before, now, mut past, place } = self;
        let (told, place) = match place {
            Place::Records => past.step(),
            Place::Facts => past.rest(now.diff(&before), &now),
            Place::Behind(key) => past.rest(now.diff_after(&before, &key), &now),
            Place::Type(of) => {
                let touched = touched(&before, &now);
                Services { of, touched, at: None, first: false }.step(&before, &now)
            }
            Place::Services(services) => services.step(&before, &now),
            Place::Present => (vec![Event::Present { revision: now.revision().number() }], None),
        };
        (told, place.map(|place| Self { before, now, past, place }))
    }
}

impl Past {
    /// What records, newest first, tell of how `now` came to be. Where the last one of a fact is not what is served (a view that is held,
    /// an entry that was set aside), what differs is told of it instead.
    pub(crate) fn new(seen_ms: u64, mut records: Vec<ChangeRecord>, now: &Snapshot) -> Self {
        let mut is_told = BTreeMap::new();
        for record in &records {
            is_told.entry(record.key.clone()).or_insert_with(|| {
                let served = now.get(&record.key).map(|stated| &*stated.fact);
                !record.set_aside && record.after.as_deref() == served
            });
        }
        records.retain(|record| !record.set_aside && is_told.get(&record.key) == Some(&true));
        let told = is_told.into_iter().filter_map(|(key, is_told)| is_told.then_some(key)).collect();
        Self { seen_ms, records, told }
    }

    /// The first of what the history tells.
    fn step(&mut self) -> (Vec<Event>, Option<Place>) {
        let (mut told, mut weighs) = (Vec::new(), 0);
        while let Some(record) = self.records.pop() {
            weighs += record.after.as_deref().map_or(1, weight);
            let revision = record.revision.number();
            told.push(event(&record.key, record.after.as_deref(), revision, record.at_ms));
            if weighs >= STEP {
                return (told, Some(Place::Records));
            }
        }
        (told, Some(Place::Facts))
    }

    /// The first of what differs beside, and where to go on.
    fn rest<'s>(
        &self,
        all: impl Iterator<Item = Difference<'s>>,
        now: &Snapshot,
    ) -> (Vec<Event>, Option<Place>) {
        let (revision, mut told, mut weighs) = (now.revision().number(), Vec::new(), 0);
        for Difference { key, after, .. } in all.filter(|all| !self.told.contains(&all.key)) {
            let after = after.map(|stated| &*stated.fact);
            told.push(event(&key, after, revision, self.seen_ms));
            weighs += after.map_or(1, weight);
            if weighs >= STEP {
                return (told, Some(Place::Behind(key)));
            }
        }
        (told, None)
    }
}

fn event(key: &FactKey, after: Option<&Fact>, revision: u64, at_ms: u64) -> Event {
    let key = key.to_string();
    match after {
        Some(fact) => Event::Put { revision, key, fact: Box::new(FactDoc::from(fact)), at_ms },
        None => Event::Removed { revision, key, at_ms },
    }
}

/// The services that differ, or whose instances do; `None`: too many to keep.
fn touched(before: &Snapshot, now: &Snapshot) -> Option<BTreeSet<ServiceName>> {
    let mut touched = BTreeSet::new();
    for difference in now.diff(before) {
        if let FactKey::Service(service) | FactKey::Instance { service, .. } = difference.key {
            touched.insert(service);
        }
        if touched.len() > SERVICES {
            return None;
        }
    }
    Some(touched)
}

impl Services {
    fn step(mut self, before: &Snapshot, now: &Snapshot) -> (Vec<Event>, Option<Place>) {
        let mut told = Vec::new();
        while told.len() < STEP {
            let done = self.at.as_ref().map_or(0, |(_, done)| *done);
            let here = self.at.as_ref().filter(|_| done > 0).map(|(service, _)| service.clone());
            let behind = self.at.as_ref().map(|(service, _)| service);
            let Some(service) = here.or_else(|| self.next(behind, [before, now])) else {
                return (told, self.first.then_some(Place::Present));
            };
            let moves = moves([before, now], &service, &self.of, done, STEP - told.len());
            // Less than there was room for: that is all of it.
            let done = if told.len() + moves.len() < STEP { 0 } else { done + moves.len() };
            told.extend(moves);
            self.at = Some((service, done));
        }
        (told, Some(Place::Services(self)))
    }

    /// The service to look at behind this one.
    fn next(&self, behind: Option<&ServiceName>, both: [&Snapshot; 2]) -> Option<ServiceName> {
        if let Some(touched) = &self.touched {
            let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
            return touched.range((from, Bound::Unbounded)).next().cloned();
        }
        let key = behind.cloned().map(FactKey::Service);
        let next = |snapshot: &Snapshot| match snapshot
            .of_kind(FactKind::Service, key.as_ref())
            .next()
            .map(|stated| &*stated.fact)
        {
            Some(Fact::Service(service)) => Some(service.name.clone()),
            _ => None,
        };
        both.into_iter().filter_map(next).min()
    }
}

/// Who left, moved and joined, without the first `done`, and at most so many.
fn moves(
    [before, now]: [&Snapshot; 2],
    service: &ServiceName,
    of: &ServiceType,
    done: usize,
    most: usize,
) -> Vec<Event> {
    let (old, new) = (Members::of(before, service, of), Members::of(now, service, of));
    let at = now.revision().number();
    let gone = old.answering.iter().filter(|(name, _)| !new.answering.contains_key(*name));
    let left = gone.filter_map(|(_, instance)| old.member(instance, at)).map(Event::Left);
    let told = new.answering.iter().filter_map(|(name, instance)| {
        let member = new.member(instance, at)?;
        match old.answering.get(name).and_then(|was| old.member(was, at)) {
            Some(was) if was == member => None,
            Some(_) => Some(Event::Moved(member)),
            None => Some(Event::Joined(member)),
        }
    });
    left.chain(told).skip(done).take(most).collect()
}

/// Who answers for a service that is of a type, by name; nobody for one that is not.
#[derive(Default)]
struct Members<'s> {
    service: Option<&'s Service>,
    answering: BTreeMap<&'s str, &'s Instance>,
}

impl<'s> Members<'s> {
    fn of(snapshot: &'s Snapshot, name: &ServiceName, of: &ServiceType) -> Self {
        let is_of =
            |service: &&Service| service.dns_sd.as_ref().is_some_and(|dns_sd| dns_sd.service_type == *of);
        let service = snapshot.service(name).map(|(service, _)| service).filter(is_of);
        if service.is_none() {
            return Self::default();
        }
        let answering = snapshot.answering(name).into_iter();
        Self { service, answering: answering.map(|instance| (instance.name.as_str(), instance)).collect() }
    }

    fn member(&self, instance: &Instance, revision: u64) -> Option<Member> {
        let service = self.service?;
        let dns_sd = service.dns_sd.as_ref()?;
        Some(Member {
            revision,
            service_type: dns_sd.service_type.to_string(),
            service: service.name.to_string(),
            instance: instance.name.to_string(),
            name: dns_sd.name.as_ref().map(|name| name.as_str().to_owned()),
            addresses: instance.addresses.iter().map(|address| address.to_string()).collect(),
            ports: ports(service, instance),
        })
    }
}

/// The ports of a service, with the numbers that an instance has for them.
fn ports(service: &Service, instance: &Instance) -> BTreeMap<String, u16> {
    let stated = service.ports.iter().map(|port| (port.name.to_string(), port.port.get()));
    let own = instance.ports.iter().map(|(name, port)| (name.to_string(), port.get()));
    stated.chain(own).collect()
}

#[cfg(test)]
mod tests;
