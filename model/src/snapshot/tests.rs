//! What stands in a snapshot beside frontends: each kind is found by itself.

use super::*;
use crate::backend::{Backend, BackendName};
use crate::endpoints::Endpoints;
use crate::fact::Origin;
use crate::instance::Addresses;
use crate::rare::Rare;
use crate::record::RecordData;

fn addresses() -> Addresses {
    Addresses::new(["10.0.0.7".parse().expect("address")]).expect("addresses")
}

/// A fact of which nothing matters but its key.
fn fact(key: &str) -> Fact {
    match FactKey::parse(key).expect("key") {
        FactKey::Frontend { host, path } => {
            let name = BackendName::parse("web").expect("name");
            let backend = Backend { name, endpoints: Endpoints::default(), rejected: Rare::default() };
            Fact::Frontend(Frontend { host, path, backend, policy: Rare::default() })
        }
        FactKey::Service(name) => Fact::Service(Box::new(Service::new(name))),
        FactKey::Instance { service, name } => {
            Fact::Instance(Box::new(Instance::new(service, name, addresses())))
        }
        FactKey::Host(name) => Fact::Host(Box::new(Host::new(name, addresses()))),
        FactKey::Record { name, record_type } => {
            let data = RecordData::new(record_type, [0; 4]).expect("any octets");
            Fact::Record(Box::new(RecordFact::new(&name, record_type, None, vec![data]).expect("a set")))
        }
        FactKey::Deployment(service) => Fact::Deployment(Box::new(Deployment {
            service,
            version: crate::Version::new(1),
            revision: Revision::new(1),
            state: crate::DeploymentState::Done,
            reason: "".into(),
            stable: None,
            instances: 0,
            canary: None,
            previous: None,
        })),
        FactKey::Standing(host) => Fact::Standing(Box::new(Standing::new(host))),
        FactKey::Controller => Fact::Controller(Box::new(Controller {
            node: crate::NodeId("node".into()),
            term: 1,
            lease: crate::Lease::new(15).expect("a lease"),
        })),
    }
}

fn snapshot(keys: &[&str]) -> Snapshot {
    let put = |key: &&str| {
        let (fact, revision) = (Arc::new(fact(key)), Revision::new(1));
        Change::Put(Stated { fact, revision, origin: Origin::Native })
    };
    Snapshot::empty().apply(Revision::new(1), keys.iter().map(put))
}

fn keys<'a>(all: impl Iterator<Item = &'a Stated>) -> Vec<String> {
    all.map(|stated| stated.fact.key().to_string()).collect()
}

const MIXED: [&str; 16] = [
    "frontend:a.example",
    "frontend:b.example/api",
    "service:api",
    "service:web",
    "instance:api/api-1",
    "instance:web/web-1",
    "instance:web/web-2",
    "instance:web-2/x",
    "host:node-1",
    "record:b.example./A",
    "record:b.example./TYPE65534",
    "record:a.b.example./A",
    "deployment:api",
    "deployment:web",
    "standing:node-1",
    "controller:one",
];

#[test]
fn each_kind_is_found_by_itself_in_its_order() {
    let snapshot = snapshot(&MIXED);

    assert_eq!(keys(snapshot.facts()), MIXED);
    assert_eq!(keys(snapshot.frontends().map(|(_, stated)| stated)), MIXED[..2]);
    assert_eq!(keys(snapshot.services().map(|(_, stated)| stated)), MIXED[2..4]);
    assert_eq!(keys(snapshot.instances().map(|(_, stated)| stated)), MIXED[4..8]);
    assert_eq!(keys(snapshot.hosts().map(|(_, stated)| stated)), MIXED[8..9]);
    assert_eq!(keys(snapshot.records().map(|(_, stated)| stated)), MIXED[9..12]);
    assert_eq!(keys(snapshot.deployments().map(|(_, stated)| stated)), MIXED[12..14]);
    assert_eq!(keys(snapshot.standings().map(|(_, stated)| stated)), MIXED[14..15]);
    assert_eq!(snapshot.controller().map(|(controller, _)| &*controller.node.0), Some("node"));
    let counts = FactKind::ALL.map(|kind| snapshot.count(kind));
    assert_eq!((counts, snapshot.len()), ([2, 2, 4, 1, 3, 2, 1, 1], 16));
}

#[test]
fn the_instances_of_a_service_are_its_own_alone() {
    let snapshot = snapshot(&MIXED);
    let of = |service: &str| {
        let service = ServiceName::parse(service).expect("name");
        keys(snapshot.instances_of(&service).map(|(_, stated)| stated))
    };

    assert_eq!(of("web"), ["instance:web/web-1", "instance:web/web-2"]);
    assert_eq!(of("web-2"), ["instance:web-2/x"]);
    assert_eq!((of("we"), of("zzz")), (Vec::new(), Vec::new()));
    assert!(snapshot.service(&ServiceName::parse("web-2").expect("name")).is_none());
}

#[test]
fn the_records_of_a_zone_are_those_at_or_below_its_name_alone() {
    let snapshot = snapshot(&[
        "record:example./A",
        "record:b.example./A",
        "record:b.example./TYPE65534",
        "record:a.b.example./A",
        "record:*.b.example./A",
        "record:b-c.example./A",
        "record:c.example./A",
    ]);
    let name = DomainName::parse("B.example").expect("a name");

    let below = keys(snapshot.records_at_or_below(&name).map(|(_, stated)| stated));
    assert_eq!(
        below,
        [
            "record:b.example./A",
            "record:b.example./TYPE65534",
            "record:*.b.example./A",
            "record:a.b.example./A"
        ]
    );
    assert_eq!(keys(snapshot.records_at(&name).map(|(_, stated)| stated)), below[..2]);
    assert!(
        snapshot.record(&name, RecordType::A).is_some() && snapshot.record(&name, RecordType::AAAA).is_none()
    );
    let none = DomainName::parse("d.example").expect("a name");
    assert_eq!(snapshot.records_at_or_below(&none).count(), 0);
}

#[test]
fn a_page_of_a_kind_ends_where_the_kind_ends() {
    let snapshot = snapshot(&MIXED);
    let after = |kind: FactKind, key: Option<&str>| {
        let key = key.map(|key| FactKey::parse(key).expect("key"));
        keys(snapshot.of_kind(kind, key.as_ref()))
    };

    assert_eq!(after(FactKind::Frontend, None), MIXED[..2]);
    assert_eq!(after(FactKind::Frontend, Some("frontend:a.example")), MIXED[1..2]);
    assert_eq!(after(FactKind::Service, Some("service:api")), MIXED[3..4]);
    assert_eq!(after(FactKind::Service, Some("service:web")), Vec::<String>::new());
    assert_eq!(after(FactKind::Instance, None), MIXED[4..8]);
    assert_eq!(after(FactKind::Host, None), MIXED[8..9]);
    assert_eq!(after(FactKind::Record, None), MIXED[9..12]);
    assert_eq!(after(FactKind::Record, Some(MIXED[9])), MIXED[10..12]);
}

#[test]
fn what_is_put_again_or_removed_twice_is_counted_once() {
    let first = snapshot(&["service:web", "host:node-1"]);
    let web = FactKey::Service(ServiceName::parse("web").expect("name"));
    let again =
        Stated { fact: Arc::new(fact("service:web")), revision: Revision::new(2), origin: Origin::Native };

    let put = first.apply(Revision::new(2), [Change::Put(again)]);
    let removed = put.apply(Revision::new(4), [Change::Remove(web.clone()), Change::Remove(web)]);

    assert_eq!([&first, &put, &removed].map(|at| at.count(FactKind::Service)), [1, 1, 0]);
    assert_eq!(removed.count(FactKind::Host), 1);
}
