//! What is told of answers, row by row.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{
    Addresses, Change, Fact, HostName, Instance, InstanceName, InstanceState, Origin, RecordData, RecordFact,
    Service, ServiceName, Stated, Tag, WhenEmpty,
};

use super::*;
use crate::derived::Derived;
use crate::zone::derived::Derivation;
use crate::zone::frontends::FrontendNames;
use crate::zone::reverse::{Reverse, ranges};

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn sources() -> Arc<Sources> {
    let derivation = Derivation {
        apex: name("svc.internal"),
        ttl_service: 5,
        ttl_host: 30,
        negative_ttl: 1,
        name_servers: Vec::new(),
    };
    let nets = ["10.0.0.0/24".parse().expect("a range")];
    let ranges = ranges(&nets, Some(&derivation.apex)).expect("ranges");
    let reverse = Reverse { range: ranges[0].clone(), derivation: derivation.clone() };
    let zones = vec![Source::Reverse(reverse), Source::Registry(derivation)];
    Arc::new(Sources { zones, ranges: ranges.into(), frontends: None, ttl: 30 })
}

fn service(name: &str, change: impl FnOnce(&mut Service)) -> Fact {
    let mut service = Service::new(ServiceName::parse(name).expect("a name"));
    change(&mut service);
    Fact::Service(Box::new(service))
}

fn instance(name: &str, address: &str, change: impl FnOnce(&mut Instance)) -> Fact {
    let (service, name) = name.split_once('/').expect("a service");
    let addresses = Addresses::new([address.parse().expect("an address")]).expect("addresses");
    let service = ServiceName::parse(service).expect("a name");
    let mut instance = Instance::new(service, InstanceName::parse(name).expect("a name"), addresses);
    change(&mut instance);
    Fact::Instance(Box::new(instance))
}

fn record(owner: &str, record_type: RecordType, data: &str) -> Fact {
    let data = RecordData::parse(record_type, data).expect("data");
    Fact::Record(Box::new(RecordFact::new(&name(owner), record_type, None, vec![data]).expect("a set")))
}

fn explained(facts: Vec<Fact>, of: &str, record_type: RecordType) -> Explanation {
    let put = |fact| {
        Change::Put(Stated { fact: Arc::new(fact), revision: Revision::new(3), origin: Origin::Native })
    };
    let snapshot = Arc::new(Snapshot::empty().apply(Revision::new(7), facts.into_iter().map(put)));
    let (sources, files) = (sources(), FileZones::default());
    let mut derived = Derived::new(Arc::clone(&sources));
    derived.follow(&snapshot, true, BTreeSet::new());
    let zones = derived.with(&files, false);
    let (frontends, healthy) = (FrontendNames::of(&snapshot), Arc::default());
    let from = From {
        zones: &zones,
        snapshot: &snapshot,
        sources: &sources,
        files: &files,
        frontends: &frontends,
        healthy: &healthy,
        forwards: false,
    };
    explain(from, &Question { name: name(of), record_type })
}

/// Why each fact that is not in the answer is not; then the notes.
fn why(facts: Vec<Fact>, of: &str, record_type: RecordType) -> Vec<String> {
    let explained = explained(facts, of, record_type);
    let left_out = explained.left_out.iter().map(|(key, reason)| format!("{key} {reason}"));
    left_out.chain(explained.notes.iter().cloned()).collect()
}

#[test]
fn each_instance_that_is_not_in_an_answer_is_told_with_why() {
    let all = || {
        vec![
            instance("web/a", "10.0.0.1", |one| one.tags.extend(Tag::parse("t"))),
            instance("web/b", "fd00::2", |one| one.host = Some(HostName::parse("h").expect("a name"))),
            instance("web/c", "10.0.0.3", |one| one.state = InstanceState::Unhealthy),
            instance("web/d", "10.0.0.4", |one| one.priority = 5),
        ]
    };
    let check = |of: &str, record_type, expected: &[&str]| {
        assert_eq!(why(all(), of, record_type), expected, "{of} {record_type}");
    };
    let (ill, later) = (
        "instance:web/c unhealthy",
        "instance:web/d its priority 5 is not used while there are healthy ones of priority 0",
    );
    check("web.svc.internal", RecordType::A, &["instance:web/b has no IPv4 address", ill, later]);
    check("WEB.svc.internal", RecordType::AAAA, &["instance:web/a has no IPv6 address", ill, later]);
    let untagged = ["b", "c", "d"].map(|name| format!("instance:web/{name} has no tag t"));
    check("t.tag.web.svc.internal", RecordType::A, &untagged.each_ref().map(String::as_str));
    check(
        "web.h.node.svc.internal",
        RecordType::AAAA,
        &["a", "c", "d"]
            .map(|name| format!("instance:web/{name} says no host it runs on"))
            .each_ref()
            .map(String::as_str),
    );
    let own = "it is unhealthy: under its own name an instance is told all the same";
    check("c.web.svc.internal", RecordType::A, &[own]);
    check("x.web.svc.internal", RecordType::A, &["service web has no instance x"]);
    let made_of = explained(all(), "web.svc.internal", RecordType::A).made_of;
    assert_eq!(
        made_of.iter().map(|(key, at)| format!("{key} {at}")).collect::<Vec<_>>(),
        ["instance:web/a 3"]
    );
}

#[test]
fn what_a_service_answers_while_nobody_is_healthy_is_told() {
    let check = |when_empty, expected: &[&str]| {
        let facts = vec![
            service("web", |service| service.when_empty = when_empty),
            instance("web/a", "10.0.0.1", |one| one.state = InstanceState::Starting),
            instance("web/b", "10.0.0.2", |one| (one.state, one.priority) = (InstanceState::Draining, 2)),
        ];
        assert_eq!(why(facts, "web.svc.internal", RecordType::A), expected, "{when_empty:?}");
    };
    let both = ["instance:web/a starting", "instance:web/b draining"];
    check(
        WhenEmpty::NoData,
        &[both[0], both[1], "none of them is healthy: the name has no address (when_empty is nodata)"],
    );
    check(
        WhenEmpty::NxDomain,
        &[both[0], both[1], "none of them is healthy: the name is not there (when_empty is nxdomain)"],
    );
    check(
        WhenEmpty::All,
        &[
            "instance:web/b its priority 2 is not used while there are some of priority 0",
            "none of them is healthy: all of the lowest priority are told (when_empty is all)",
        ],
    );
    let told = why(vec![service("web", |_| {})], "web.svc.internal", RecordType::A);
    assert_eq!(told, ["service web has no instances"]);
}

#[test]
fn a_service_elsewhere_and_one_without_a_name_say_so() {
    let facts = vec![
        service("web", |service| service.external = Some(name("www.example.com"))),
        instance("web/a", "10.0.0.1", |_| {}),
        service("node", |_| {}),
    ];
    let elsewhere =
        "instance:web/a the service is elsewhere, at www.example.com.: instances of it are not looked at";
    assert_eq!(why(facts.clone(), "web.svc.internal", RecordType::A), [elsewhere]);
    assert_eq!(why(facts.clone(), "a.web.svc.internal", RecordType::A)[0], elsewhere);
    let steps = explained(facts, "web.svc.internal", RecordType::A).steps;
    let told: Vec<_> = steps.iter().map(|step| format!("{} {}", step.name, step.found)).collect();
    let expected = [
        "web.svc.internal. service web: it is an alias of www.example.com.",
        "www.example.com. no zone holds it",
    ];
    assert_eq!(told, expected);
}

#[test]
fn record_facts_that_have_no_place_are_told_where_they_would_be() {
    let facts = || {
        vec![
            instance("web/a", "10.0.0.1", |_| {}),
            record("web.svc.internal", RecordType::A, "10.0.0.9"),
            record("a.nowhere", RecordType::A, "10.0.0.9"),
        ]
    };
    let clash = "its zone has records of this name and type from other facts, which are served in its place";
    let told = why(facts(), "web.svc.internal", RecordType::A);
    assert_eq!(told, [format!("record:web.svc.internal./A {clash}")]);
    assert_eq!(why(facts(), "a.nowhere", RecordType::A), ["record:a.nowhere./A no zone holds its name"]);
}

#[test]
fn aliases_that_lead_in_a_circle_end() {
    let facts = vec![
        record("a.svc.internal", RecordType::CNAME, "b.svc.internal."),
        record("b.svc.internal", RecordType::CNAME, "a.svc.internal."),
    ];
    let told = explained(facts, "a.svc.internal", RecordType::A);
    assert_eq!(told.notes, ["a.svc.internal. was there before: these aliases lead in a circle"]);
    assert_eq!((told.steps.len(), told.made_of.len()), (2, 2));
    let chain = (0..12).map(|n| {
        record(&format!("n{n}.svc.internal"), RecordType::CNAME, &format!("n{}.svc.internal.", n + 1))
    });
    let told = explained(chain.collect(), "n0.svc.internal", RecordType::A);
    assert_eq!(told.notes, ["8 aliases are followed: a client asks for n9.svc.internal. itself"]);
    assert_eq!(told.steps.len(), 9);
}

#[test]
fn a_name_that_is_not_there_has_a_nearest_one_and_perhaps_one_that_was_meant() {
    let facts = || vec![instance("web/web-1", "10.0.0.1", |_| {}), instance("shop/s", "10.0.0.2", |_| {})];
    let check = |of: &str, nearest: &str, notes: &[&str]| {
        let told = explained(facts(), of, RecordType::A);
        assert!(!told.is_answered && told.steps[0].found.ends_with(nearest), "{of}: {:?}", told.steps);
        assert_eq!(told.notes, notes, "{of}");
    };
    check("wbe.svc.internal", "is svc.internal.", &["did you mean web.svc.internal.?"]);
    check("WEB-1.wbe.svc.internal", "is svc.internal.", &["did you mean WEB-1.web.svc.internal.?"]);
    check("x.wbe.svc.internal", "is svc.internal.", &["did you mean web.svc.internal.?"]);
    let both = ["did you mean web-1.web.svc.internal.?", "service web has no instance web-2"];
    check("web-2.web.svc.internal", "is web.svc.internal.", &both);
    check("other.svc.internal", "is svc.internal.", &[]);
    check("web", "no zone holds it", &["did you mean web.svc.internal.?"]);
    check("web.svc.intrenal", "no zone holds it", &["did you mean web.svc.internal.?"]);
    check("web.example.com", "no zone holds it", &[]);
}

#[test]
fn names_that_are_not_ours_are_forwarded_for_some_and_not_known_before_the_registry_is() {
    let (sources, files, snapshot) = (sources(), FileZones::default(), Snapshot::empty());
    let told = |known, forwards| {
        let zones = ZoneSet::new(Revision::default(), known, []);
        let (frontends, healthy) = (FrontendNames::of(&snapshot), Arc::default());
        let (frontends, healthy) = (&frontends, &healthy);
        let from = From {
            zones: &zones,
            snapshot: &snapshot,
            sources: &sources,
            files: &files,
            frontends,
            healthy,
            forwards,
        };
        explain(from, &Question { name: name("example.com"), record_type: RecordType::A })
    };
    assert_eq!((told(false, false).outcome, told(true, false).outcome), (Outcome::NotYet, Outcome::NotOurs));
    assert!(told(false, false).steps[0].found.contains("not known yet"));
    assert_eq!(told(true, false).notes, Vec::<String>::new());
    assert!(told(true, true).notes[0].contains("dns.forward_allow"), "{:?}", told(true, true).notes);
}

#[test]
fn an_address_is_told_with_whose_it_is_and_who_has_it_too() {
    let facts = || vec![instance("web/a", "10.0.0.1", |_| {}), instance("web/b", "10.0.0.1", |_| {})];
    let told = explained(facts(), "1.0.0.10.in-addr.arpa", RecordType::PTR);
    let keys: Vec<_> = told.made_of.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(keys, ["instance:web/a"]);
    let other = "instance:web/b the address is told to be the one of a.web.svc.internal.";
    assert_eq!(why(facts(), "1.0.0.10.in-addr.arpa", RecordType::PTR), [other]);
    let check = |text: &str, expected: Option<&str>| {
        let expected = expected.map(|text| text.parse().expect("an address"));
        assert_eq!(addresses::address_of(&name(text)), expected, "{text}");
    };
    check("1.0.0.10.IN-ADDR.arpa", Some("10.0.0.1"));
    check("0.0.10.in-addr.arpa", None);
    check(&format!("7.{}d.f.ip6.arpa", "0.".repeat(29)), Some("fd00::7"));
    check("0.ip6.arpa", None);
    check("svc.internal", None);
}
