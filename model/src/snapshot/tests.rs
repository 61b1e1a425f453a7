//! What stands in a snapshot beside frontends: each kind is found by itself.

use super::*;
use crate::backend::{Backend, BackendName};
use crate::endpoints::Endpoints;
use crate::fact::Origin;
use crate::instance::Addresses;
use crate::rare::Rare;

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
        FactKey::Host(name) => {
            Fact::Host(Box::new(Host { name, addresses: addresses(), labels: crate::Metadata::default() }))
        }
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

const MIXED: [&str; 9] = [
    "frontend:a.example",
    "frontend:b.example/api",
    "service:api",
    "service:web",
    "instance:api/api-1",
    "instance:web/web-1",
    "instance:web/web-2",
    "instance:web-2/x",
    "host:node-1",
];

#[test]
fn each_kind_is_found_by_itself_in_its_order() {
    let snapshot = snapshot(&MIXED);

    assert_eq!(keys(snapshot.facts()), MIXED);
    assert_eq!(keys(snapshot.frontends().map(|(_, stated)| stated)), MIXED[..2]);
    assert_eq!(keys(snapshot.services().map(|(_, stated)| stated)), MIXED[2..4]);
    assert_eq!(keys(snapshot.instances().map(|(_, stated)| stated)), MIXED[4..8]);
    assert_eq!(keys(snapshot.hosts().map(|(_, stated)| stated)), MIXED[8..]);
    let counts = FactKind::ALL.map(|kind| snapshot.count(kind));
    assert_eq!((counts, snapshot.len()), ([2, 2, 4, 1], 9));
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
    assert_eq!(after(FactKind::Host, None), MIXED[8..]);
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
