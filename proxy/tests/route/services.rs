//! Frontends whose backend is a service: their endpoints are its instances, as these come, go and change.

use std::net::IpAddr;
use std::sync::Arc;

use model::{
    Addresses, Change, Fact, FactKey, Instance, InstanceName, InstanceState, Lease, Port, PortName, Ports,
    Protocol, Service, ServiceName, ServiceRef, WhenEmpty,
};
use proptest::prelude::*;
use proxy::health::States;
use proxy::route::RouteTable;

use crate::world::{World, frontend, key, put};

fn service_name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

/// A service with the port `http`.
fn service(name: &str, port: u16, when_empty: WhenEmpty) -> Fact {
    let http = Port {
        name: PortName::parse("http").unwrap(),
        port: port.try_into().unwrap(),
        protocol: Protocol::Tcp,
    };
    let ports = Ports::new(vec![http]).unwrap();
    Fact::Service(Box::new(Service { ports, when_empty, ..Service::new(service_name(name)) }))
}

/// The n-th instance of a service.
fn instance(service: &str, n: u8, state: InstanceState, priority: u16) -> Fact {
    let name = InstanceName::parse(&format!("i{n}")).unwrap();
    let addresses = Addresses::new([IpAddr::from([10, 0, 0, n + 1])]).unwrap();
    let mut instance = Instance::new(service_name(service), name, addresses);
    (instance.state, instance.priority, instance.lease) = (state, priority, Lease::new(10).ok());
    Fact::Instance(Box::new(instance))
}

/// A frontend that this service answers for.
fn of_service(host: &str, name: &str) -> Fact {
    let mut frontend = frontend(host, &[]).as_frontend().unwrap().clone();
    frontend.backend.endpoints = ServiceRef { service: service_name(name), port: None }.into();
    Fact::Frontend(frontend)
}

fn endpoints(table: &RouteTable, host: &str) -> String {
    let route = table.find(host, b"/").unwrap();
    route.endpoints().iter().map(|e| e.address.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_frontend_follows_the_instances_of_its_service() {
    let healthy = |n| instance("web", n, InstanceState::Healthy, 0);
    let mut world = World::with([of_service("a.b", "web"), frontend("c.d", &["10.9.9.9:1"])]);
    let empty = endpoints(&world.table, "a.b");

    world.put([service("web", 80, WhenEmpty::NoData), healthy(0), healthy(1)]);
    let both = endpoints(&world.table, "a.b");
    world.put([instance("web", 0, InstanceState::Draining, 0)]);
    let one = endpoints(&world.table, "a.b");
    world.change([Change::Remove(healthy(1).key())]);
    let none = endpoints(&world.table, "a.b");

    assert_eq!([&*empty, &both, &one, &none], ["", "10.0.0.1:80 10.0.0.2:80", "10.0.0.2:80", ""]);
    assert_eq!(endpoints(&world.table, "c.d"), "10.9.9.9:1");
}

#[test]
fn an_endpoint_that_stays_keeps_its_state_and_what_does_not_matter_changes_no_route() {
    let healthy = |n| instance("web", n, InstanceState::Healthy, 0);
    let mut world = World::with([
        of_service("a.b", "web"),
        service("web", 80, WhenEmpty::NoData),
        healthy(0),
        healthy(1),
    ]);
    let before = world.route("a.b");

    world.put([instance("web", 2, InstanceState::Starting, 0), service("api", 1, WhenEmpty::All)]);
    let same = world.route("a.b");
    world.put([instance("web", 0, InstanceState::Unhealthy, 0)]);
    let after = world.route("a.b");

    assert!(same.is(&before));
    assert!(Arc::ptr_eq(after.candidate(0).unwrap().state, before.candidate(1).unwrap().state));
}

#[derive(Debug, Clone)]
enum Step {
    Frontend(usize, Option<usize>),
    Service(usize, u16, u8),
    Instance(usize, u8, u8, u16),
    Remove(usize),
}

const SERVICES: [&str; 3] = ["web", "web-2", "api"];
const HOSTS: [&str; 4] = ["a.b", "*.b", "c.d", "*"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..HOSTS.len(), prop::option::of(0..SERVICES.len())).prop_map(|(host, of)| Step::Frontend(host, of)),
        1 => (0..SERVICES.len(), 80u16..82, 0u8..3).prop_map(|(of, port, empty)| Step::Service(of, port, empty)),
        4 => (0..SERVICES.len(), 0u8..5, 0u8..4, 0u16..2)
            .prop_map(|(of, n, state, priority)| Step::Instance(of, n, state, priority)),
        2 => any::<usize>().prop_map(Step::Remove),
    ]
}

fn fact(step: &Step) -> Option<Fact> {
    Some(match step {
        Step::Frontend(host, Some(of)) => of_service(HOSTS[*host], SERVICES[*of]),
        Step::Frontend(host, None) => frontend(HOSTS[*host], &["10.9.9.9:1"]),
        Step::Service(of, port, empty) => {
            let when_empty = [WhenEmpty::NoData, WhenEmpty::All, WhenEmpty::NxDomain][usize::from(*empty)];
            service(SERVICES[*of], *port, when_empty)
        }
        Step::Instance(of, n, state, priority) => {
            let states = [
                InstanceState::Healthy,
                InstanceState::Unhealthy,
                InstanceState::Draining,
                InstanceState::Starting,
            ];
            instance(SERVICES[*of], *n, states[usize::from(*state)], *priority)
        }
        Step::Remove(_) => return None,
    })
}

proptest! {
    #[test]
    fn a_table_that_followed_services_is_the_table_from_nothing(
        rounds in prop::collection::vec(prop::collection::vec(step(), 1..6), 1..15),
    ) {
        let mut world = World::default();
        for round in rounds {
            let known: Vec<FactKey> = world.snapshot().facts().map(|stated| stated.fact.key()).collect();
            let revision = world.table.revision().number() + 1;
            let changes: Vec<Change> = round
                .iter()
                .filter_map(|step| match (fact(step), step) {
                    (Some(fact), _) => Some(put(fact, revision)),
                    (None, Step::Remove(nth)) if !known.is_empty() => {
                        Some(Change::Remove(known[nth % known.len()].clone()))
                    }
                    _ => None,
                })
                .collect();
            world.change(changes);
            let anew = RouteTable::from_snapshot(Arc::clone(world.table.snapshot()), &States::default());

            for host in HOSTS {
                let (followed, from_nothing) = (world.table.get(&key(host, "/")), anew.get(&key(host, "/")));
                prop_assert_eq!(followed.map(|route| route.frontend()), from_nothing.map(|route| route.frontend()));
            }
        }
    }
}
