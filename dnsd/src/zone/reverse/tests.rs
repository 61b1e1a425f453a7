use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;
use model::record::RecordFact;
use model::{
    Addresses, Change, DomainName, Fact, FactKey, Host, HostName, Instance, InstanceName, InstanceState,
    Origin, RecordData, RecordSet, RecordType, Revision, Service, ServiceName, Snapshot, Stated, Ttl,
    WhenEmpty,
};
use proptest::prelude::*;

use super::ranges;
use crate::config::Config;
use crate::derived::{Derived, sources};
use crate::files::FileZones;
use crate::verify;
use crate::zone::sources::Sources;
use crate::zone::{Outcome, Question, ZoneSet, answer};

/// An aligned range, one that is cut, one address alone, and one of IPv6.
const RANGES: &str = "10.0.0.0/24 10.0.1.0/31 10.0.2.1/32 fd00::/124";

fn configured() -> Arc<Sources> {
    let reverse = RANGES.split(' ').map(|net| net.parse::<IpNet>().expect("a range")).collect();
    let config = Config { reverse, ..Config::default() };
    let ranges = ranges(&config.reverse, config.zone.as_ref()).expect("ranges");
    Arc::new(sources(&config, ranges, &[]))
}

fn derived() -> Derived {
    Derived::new(configured())
}

fn zones(derived: &Derived) -> ZoneSet {
    derived.with(&FileZones::default(), false)
}

fn built(snapshot: &Snapshot) -> Derived {
    let mut derived = derived();
    derived.follow(&Arc::new(snapshot.clone()), true, BTreeSet::new());
    derived
}

fn put(fact: Fact) -> Change {
    Change::Put(Stated { fact: Arc::new(fact), revision: Revision::new(1), origin: Origin::Native })
}

fn addresses(text: &str) -> Addresses {
    Addresses::new(text.split(' ').map(|text| text.parse().expect("an address"))).expect("addresses")
}

fn instance(service: &str, name: &str, at: &str, state: InstanceState) -> Change {
    let service = ServiceName::parse(service).expect("a name");
    let name = InstanceName::parse(name).expect("a name");
    let instance = Instance { state, ..Instance::new(service, name, addresses(at)) };
    put(Fact::Instance(Box::new(instance)))
}

fn host(name: &str, at: &str) -> Change {
    let name = HostName::parse(name).expect("a name");
    put(Fact::Host(Box::new(Host::new(name, addresses(at)))))
}

fn service(name: &str, when_empty: WhenEmpty, ttl: Option<u64>) -> Change {
    let ttl = ttl.map(|ttl| Ttl::new(ttl).expect("a time"));
    let service = Service::new(ServiceName::parse(name).expect("a name"));
    put(Fact::Service(Box::new(Service { when_empty, ttl, ..service })))
}

fn record(owner: &str, target: &str) -> RecordFact {
    let data = RecordData::parse(RecordType::PTR, target).expect("data");
    let owner = DomainName::parse(owner).expect("a name");
    RecordFact::new(&owner, RecordType::PTR, None, vec![data]).expect("a set")
}

/// What is told of an address, with how long it may be kept.
fn asked(zones: &ZoneSet, address: &str) -> String {
    let name = super::range::name(address.parse().expect("an address")).expect("a name");
    let answered = answer(zones, &Question { name, record_type: RecordType::PTR });
    let told = |set: &RecordSet| {
        set.data().iter().map(|data| format!("{} {data}", set.ttl())).collect::<Vec<_>>().join(" ")
    };
    match answered.outcome {
        Outcome::Fine => answered.answers.iter().map(|entry| told(&entry.set)).collect(),
        outcome => format!("{outcome:?}"),
    }
}

#[test]
fn of_thousands_with_one_address_the_first_is_told_and_then_the_next() {
    let of = |number: usize| instance("web", &format!("i{number:04}"), "10.0.0.1", InstanceState::Healthy);
    let facts = Snapshot::empty().apply(Revision::new(7), (0..3000).map(of));
    let mut derived = built(&facts);
    assert_eq!(asked(&zones(&derived), "10.0.0.1"), "5 i0000.web.svc.internal.");

    let Change::Put(first) = of(0) else { panic!("it is put") };
    let gone = facts.apply(Revision::new(8), [Change::Remove(first.fact.key())]);
    derived.follow(&Arc::new(gone.clone()), true, BTreeSet::new());
    assert_eq!(asked(&zones(&derived), "10.0.0.1"), "5 i0001.web.svc.internal.");

    let ahead = gone.apply(Revision::new(9), [host("z", "10.0.0.1")]);
    derived.follow(&Arc::new(ahead), true, BTreeSet::new());
    assert_eq!(asked(&zones(&derived), "10.0.0.1"), "30 z.node.svc.internal.");
}

#[test]
fn an_address_has_the_name_of_its_host_else_of_its_first_instance() {
    let draining = InstanceState::Draining;
    let facts = Snapshot::empty().apply(
        Revision::new(7),
        [
            host("node-1", "10.0.0.1 fd00::1"),
            instance("web", "b", "10.0.0.1", InstanceState::Healthy),
            instance("web", "c", "10.0.0.2 fd00::2", InstanceState::Healthy),
            instance("web", "a", "10.0.0.2", draining),
            instance("api", "z", "10.0.0.3 10.0.1.1", InstanceState::Unhealthy),
            service("api", WhenEmpty::NoData, Some(17)),
            instance("gone", "a", "10.0.0.4", InstanceState::Unhealthy),
            service("gone", WhenEmpty::NxDomain, None),
            instance("node", "a", "10.0.0.5", InstanceState::Healthy),
            instance("web", "far", "10.0.2.1 10.0.2.2", InstanceState::Healthy),
            put(Fact::Record(Box::new(record("9.0.0.10.in-addr.arpa", "printer.example.")))),
            put(Fact::Record(Box::new(record("1.0.0.10.in-addr.arpa", "other.example.")))),
        ],
    );
    let zones = zones(&built(&facts));
    let check = |address: &str, expected: &str| assert_eq!(asked(&zones, address), expected, "{address}");
    check("10.0.0.1", "30 node-1.node.svc.internal.");
    check("fd00::1", "30 node-1.node.svc.internal.");
    check("10.0.0.2", "5 a.web.svc.internal.");
    check("fd00::2", "5 c.web.svc.internal.");
    check("10.0.0.3", "17 z.api.svc.internal.");
    check("10.0.1.1", "17 z.api.svc.internal.");
    // An apex, at which nothing is told.
    check("10.0.1.0", "");
    check("10.0.1.2", "NotOurs");
    check("10.0.0.4", "NoName");
    check("10.0.0.5", "NoName");
    check("10.0.0.9", "30 printer.example.");
    check("10.0.2.1", "5 far.web.svc.internal.");
    check("10.0.2.2", "NotOurs");
    check("fd00::3", "NoName");
    check("fd00::10", "NotOurs");
}

#[test]
fn a_zone_of_addresses_has_a_serial_of_its_own() {
    let mut now = Snapshot::empty();
    let mut derived = derived();
    let mut follow = |revision, changes: Vec<Change>| {
        now = now.apply(Revision::new(revision), changes);
        derived.follow(&Arc::new(now.clone()), true, BTreeSet::new());
        let zones = zones(&derived);
        ["0.0.10.in-addr.arpa", "1.2.0.10.in-addr.arpa"].map(|apex| {
            let apex = DomainName::parse(apex).expect("a name");
            zones.at(&apex).map(|zone| zone.serial())
        })
    };
    let (healthy, draining) = (InstanceState::Healthy, InstanceState::Draining);
    assert_eq!(follow(1, vec![]), [Some(1), Some(1)]);
    assert_eq!(follow(2, vec![instance("web", "a", "10.0.0.1", healthy)]), [Some(2), Some(1)]);
    assert_eq!(follow(3, vec![instance("web", "a", "10.0.0.1", draining)]), [Some(2), Some(1)]);
    assert_eq!(follow(4, vec![instance("web", "b", "10.0.0.1", healthy)]), [Some(2), Some(1)]);
    assert_eq!(follow(5, vec![host("node-1", "10.0.2.1")]), [Some(2), Some(5)]);
    let printer = record("9.0.0.10.in-addr.arpa", "printer.example.");
    assert_eq!(follow(6, vec![put(Fact::Record(Box::new(printer)))]), [Some(6), Some(5)]);
}

/// A change of few names and addresses, so that they meet.
fn changes() -> impl Strategy<Value = Change> {
    let names = || prop::sample::select(vec!["a", "b", "node"]);
    let at = prop::sample::select(vec![
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.1 10.0.2.1",
        "10.0.1.0 10.0.1.1",
        "fd00::1 10.0.3.1",
    ]);
    let state = prop::sample::select(vec![InstanceState::Healthy, InstanceState::Unhealthy]);
    let owner = prop::sample::select(vec![
        "1.0.0.10.in-addr.arpa.",
        "1.2.0.10.in-addr.arpa.",
        "9.0.0.10.in-addr.arpa.",
    ]);
    (0..7, names(), names(), at, state, owner).prop_map(
        |(kind, first, second, at, state, owner)| match kind {
            0 => host(first, at),
            1 => Change::Remove(FactKey::Host(HostName::parse(first).expect("a name"))),
            2 => Change::Remove(FactKey::Instance {
                service: ServiceName::parse(first).expect("a name"),
                name: InstanceName::parse(second).expect("a name"),
            }),
            3 => {
                let when = if second == "a" { WhenEmpty::NxDomain } else { WhenEmpty::NoData };
                service(first, when, (state == InstanceState::Healthy).then_some(9))
            }
            4 => match state {
                InstanceState::Healthy => put(Fact::Record(Box::new(record(owner, "x.example.")))),
                _ => Change::Remove(record(owner, "x.example.").key()),
            },
            _ => instance(first, second, at, state),
        },
    )
}

proptest! {
    #[test]
    fn reverse_zones_that_follow_are_those_built_from_nothing(steps in prop::collection::vec(prop::collection::vec(changes(), 1..4), 1..10)) {
        let mut derived = built(&Snapshot::empty());
        let mut now = Snapshot::empty();
        for (step, changes) in (1..).zip(steps) {
            let before = zones(&derived);
            now = now.apply(Revision::new(step), changes);
            derived.follow(&Arc::new(now.clone()), true, BTreeSet::new());
            let (followed, fresh) = (zones(&derived), zones(&built(&now)));
            let sets = |zones: &ZoneSet| {
                let all = zones.zones().flat_map(|zone| zone.sets());
                all.filter(|set| set.record_type() != RecordType::SOA).cloned().collect::<Vec<_>>()
            };
            prop_assert_eq!(sets(&followed), sets(&fresh));
            prop_assert_eq!(followed.zones().len(), 6);
            let mut differing = Vec::new();
            let mut tell = |found| differing.push(found);
            verify::of_registry(&followed, &now, &configured(), &BTreeSet::new(), &Arc::default(), &mut tell);
            prop_assert_eq!(differing, vec![]);
            for zone in followed.zones() {
                let serial = before.at(zone.apex()).map(|zone| zone.serial()).expect("a zone");
                prop_assert!(zone.serial() >= serial);
            }
        }
    }
}
