use std::num::NonZeroU16;
use std::sync::Arc;

use model::{
    Addresses, Change, DnsSd, FactKey, Host, Instance, InstanceName, InstanceState, Label, Metadata, Origin,
    Port, PortName, Ports, Protocol, RecordType, Revision, Service, ServiceType, SpelledName, Stated, Tag,
    Weight, WhenEmpty,
};
use proptest::prelude::*;

use super::*;
use crate::verify;
use crate::zone::sources::{Source, Sources};
use crate::zone::{Outcome, Question, ZoneSet, answer};

fn derivation() -> Derivation {
    Derivation {
        apex: DomainName::parse("svc.internal").expect("a name"),
        ttl_service: 5,
        ttl_host: 30,
        negative_ttl: 1,
        name_servers: vec!["10.0.0.53".parse().expect("an address")],
    }
}

fn service(name: &str) -> Service {
    Service::new(ServiceName::parse(name).expect("a name"))
}

fn instance(service: &str, name: &str, address: &str) -> Instance {
    let addresses = Addresses::new(address.split(' ').map(|text| text.parse().expect("an address")));
    let service = ServiceName::parse(service).expect("a name");
    Instance::new(service, InstanceName::parse(name).expect("a name"), addresses.expect("addresses"))
}

fn put(fact: Fact, revision: u64) -> Change {
    let revision = Revision::new(revision);
    Change::Put(Stated { fact: Arc::new(fact), revision, origin: Origin::Native })
}

fn snapshot(facts: impl IntoIterator<Item = Fact>) -> Snapshot {
    Snapshot::empty().apply(Revision::new(7), facts.into_iter().map(|fact| put(fact, 7)))
}

fn of_instance(instance: Instance) -> Fact {
    Fact::Instance(Box::new(instance))
}

/// The records of an answer: each section's, as text that is easy to compare.
fn asked(snapshot: &Snapshot, name: &str, record_type: RecordType) -> String {
    let zone = Arc::new(derivation().build(snapshot).expect("a zone"));
    let zones = ZoneSet::new(snapshot.revision(), true, [zone]);
    let name = DomainName::parse(format!("{name}.svc.internal").trim_start_matches('.')).expect("a name");
    let answered = answer(&zones, &Question { name, record_type });
    let records = answered
        .answers
        .iter()
        .flat_map(|entry| entry.set.data().iter().map(|data| format!("{}:{}", entry.set.ttl(), told(data))));
    match (answered.outcome, records.collect::<Vec<_>>()) {
        (Outcome::Fine, records) if records.is_empty() => "nothing".into(),
        (Outcome::Fine, records) => records.join(" "),
        (outcome, _) => format!("{outcome:?}"),
    }
}

fn told(data: &model::RecordData) -> String {
    let octets = data.octets();
    match data.record_type() {
        RecordType::A => octets.iter().map(ToString::to_string).collect::<Vec<_>>().join("."),
        RecordType::SRV => {
            let numbers =
                octets[..6].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]).to_string());
            format!("{} {}", numbers.collect::<Vec<_>>().join("/"), data.target().expect("a name"))
        }
        RecordType::TXT => String::from_utf8_lossy(octets).replace(char::is_control, "|"),
        RecordType::PTR | RecordType::CNAME => data.target().expect("a name").to_string(),
        other => format!("{other}"),
    }
}

fn web() -> Vec<Fact> {
    let port = |name: &str, port: u16, protocol| Port {
        name: PortName::parse(name).expect("a name"),
        port: NonZeroU16::new(port).expect("a port"),
        protocol,
    };
    let mut web = service("web");
    web.ports =
        Ports::new(vec![port("http", 80, Protocol::Tcp), port("stats", 81, Protocol::Udp)]).expect("ports");
    web.metadata = Metadata::new([("a", "1"), ("b", "2")]).expect("metadata");
    let mut first = instance("web", "web-1", "10.0.0.1 fd00::1");
    first.ports.insert(PortName::parse("http").expect("a name"), NonZeroU16::new(8080).expect("a port"));
    first.weight = Weight::new(3).expect("a weight");
    first.tags.insert(Tag::parse("v2").expect("a tag"));
    first.host = Some(HostName::parse("node-1").expect("a name"));
    let mut second = instance("web", "web-2", "10.0.0.2");
    second.metadata = Metadata::new([("k", "v")]).expect("metadata");
    let mut drains = instance("web", "web-3", "10.0.0.3");
    drains.state = InstanceState::Draining;
    drains.tags.insert(Tag::parse("old").expect("a tag"));
    let mut later = instance("web", "web-4", "10.0.0.4");
    later.priority = 1;
    let addresses = Addresses::new(["10.0.1.1".parse().expect("an address")]).expect("addresses");
    let mut host = Host::new(HostName::parse("node-1").expect("a name"), addresses);
    host.labels = Metadata::new([("zone", "a")]).expect("labels");
    let instances = [first, second, drains, later].map(of_instance);
    [Fact::Service(Box::new(web)), Fact::Host(Box::new(host))].into_iter().chain(instances).collect()
}

#[test]
fn services_instances_and_hosts_have_their_names() {
    let facts = snapshot(web());
    let check = |name: &str, record_type, expected: &str| {
        assert_eq!(asked(&facts, name, record_type), expected, "{name} {record_type}");
    };
    check("web", RecordType::A, "5:10.0.0.1 5:10.0.0.2");
    check("web", RecordType::AAAA, "5:AAAA");
    check("web", RecordType::TXT, "5:|a=1|b=2");
    check("web", RecordType::SRV, "5:0/1/80 web-2.web.svc.internal. 5:0/3/8080 web-1.web.svc.internal.");
    check(
        "_http._tcp.web",
        RecordType::SRV,
        "5:0/1/80 web-2.web.svc.internal. 5:0/3/8080 web-1.web.svc.internal.",
    );
    check(
        "_stats._udp.web",
        RecordType::SRV,
        "5:0/1/81 web-2.web.svc.internal. 5:0/3/81 web-1.web.svc.internal.",
    );
    check("_stats._tcp.web", RecordType::SRV, "NoName");
    check("web-2.web", RecordType::A, "5:10.0.0.2");
    check("web-2.web", RecordType::TXT, "5:|k=v");
    check("web-3.web", RecordType::A, "5:10.0.0.3");
    check("v2.tag.web", RecordType::A, "5:10.0.0.1");
    check("old.tag.web", RecordType::A, "nothing");
    check("new.tag.web", RecordType::A, "NoName");
    check("tag.web", RecordType::A, "nothing");
    check("node-1.node", RecordType::A, "30:10.0.1.1");
    check("node-1.node", RecordType::TXT, "30:|zone=a");
    check("web.node-1.node", RecordType::A, "5:10.0.0.1");
    check("web-9.web", RecordType::A, "NoName");
    check("shop", RecordType::A, "NoName");
    check("ns1", RecordType::A, "30:10.0.0.53");
    check("", RecordType::NS, "30:NS");
    check("", RecordType::SOA, "30:SOA");
}

#[test]
fn without_healthy_instances_a_service_answers_as_it_wants_to() {
    let check = |when_empty, expected: [&str; 3]| {
        let mut empty = service("web");
        empty.when_empty = when_empty;
        let mut ill = instance("web", "web-1", "10.0.0.1");
        ill.state = InstanceState::Unhealthy;
        let facts = snapshot([Fact::Service(Box::new(empty)), of_instance(ill)]);
        let answers = ["web", "web-1.web", "other.web"].map(|name| asked(&facts, name, RecordType::A));
        assert_eq!(answers, expected, "{when_empty:?}");
    };
    check(WhenEmpty::NoData, ["nothing", "5:10.0.0.1", "NoName"]);
    check(WhenEmpty::All, ["5:10.0.0.1", "5:10.0.0.1", "NoName"]);
    check(WhenEmpty::NxDomain, ["NoName", "NoName", "NoName"]);
    assert_eq!(asked(&snapshot([Fact::Service(Box::new(service("web")))]), "web", RecordType::A), "nothing");
}

#[test]
fn services_are_found_by_their_type_and_names_keep_their_spelling() {
    let dns_sd = |name: Option<&str>| DnsSd {
        service_type: ServiceType::parse("_http._tcp").expect("a type"),
        name: name.map(|name| SpelledName::parse(name).expect("a name")),
        subtypes: [Label::parse("store").expect("a label")].into(),
    };
    let mut facts = web();
    let Fact::Service(web) = &mut facts[0] else { panic!("the service is the first") };
    web.dns_sd = Some(dns_sd(None));
    let mut shop = service("shop");
    (shop.ports, shop.dns_sd) = (web.ports.clone(), Some(dns_sd(Some("The Shop. 2"))));
    facts.extend([Fact::Service(Box::new(shop)), of_instance(instance("shop", "s", "10.0.2.1"))]);
    let facts = snapshot(facts);
    let check = |name: &str, record_type, expected: &str| {
        assert_eq!(asked(&facts, name, record_type), expected, "{name} {record_type}");
    };
    let end = "_http._tcp.svc.internal.";
    let all = format!(r"5:web-1.{end} 5:web-2.{end} 5:The\032Shop\.\0322.{end}");
    check("_http._tcp", RecordType::PTR, &all);
    check("_store._sub._http._tcp", RecordType::PTR, &all);
    check("_services._dns-sd._udp", RecordType::PTR, "5:_http._tcp.svc.internal.");
    check("b._dns-sd._udp", RecordType::PTR, "30:svc.internal.");
    check(r"the\032shop\.\0322._http._tcp", RecordType::SRV, "5:0/1/80 s.shop.svc.internal.");
    check(r"The\032Shop\.\0322._http._tcp", RecordType::TXT, "5:|");
    check("web-2._http._tcp", RecordType::TXT, "5:|k=v");
    check("web-1._http._tcp", RecordType::TXT, "5:|a=1|b=2");
}

#[test]
fn a_service_elsewhere_is_an_alias() {
    let facts = web();
    let Fact::Service(web) = &facts[0] else { panic!("the service is the first") };
    let elsewhere = DomainName::parse("web.example.net").expect("a name");
    let external = Service { external: Some(elsewhere), ..(**web).clone() };
    let facts = snapshot(facts.into_iter().skip(1).chain([Fact::Service(Box::new(external))]));
    assert_eq!(asked(&facts, "web", RecordType::A), "5:web.example.net.");
    assert_eq!(asked(&facts, "_http._tcp.web", RecordType::SRV), "5:0/1/80 web.example.net.");
    assert_eq!(asked(&facts, "web-1.web", RecordType::A), "NoName", "its instances are not looked at");
}

#[test]
fn addresses_have_the_weights_of_their_instances() {
    let zone = derivation().build(&snapshot(web())).expect("a zone");
    let node = |name: &str| {
        let name = DomainName::parse(&format!("{name}.svc.internal")).expect("a name");
        zone.node(crate::zone::key::Key::of(&name).octets()).expect("it is there")
    };
    assert_eq!(node("web").weights(RecordType::A), [3, 1]);
    assert_eq!(node("web").weights(RecordType::AAAA), [0; 0], "one alone needs none");
    assert_eq!(node("web-1.web").weights(RecordType::A), [0; 0]);
}

#[test]
fn a_later_tier_is_used_once_the_first_is_empty() {
    let tiers = |state| {
        let mut first = instance("web", "web-1", "10.0.0.1");
        first.state = state;
        let mut second = instance("web", "web-2", "10.0.0.2");
        second.priority = 9;
        snapshot([of_instance(first), of_instance(second)])
    };
    assert_eq!(asked(&tiers(InstanceState::Healthy), "web", RecordType::A), "5:10.0.0.1");
    assert_eq!(asked(&tiers(InstanceState::Starting), "web", RecordType::A), "5:10.0.0.2");
}

#[test]
fn a_services_own_ttl_counts_and_the_zones_names_are_its_own() {
    let mut short = service("web");
    short.ttl = Some(model::Ttl::new(1).expect("a TTL"));
    let facts = [Fact::Service(Box::new(short)), of_instance(instance("web", "web-1", "10.0.0.1"))];
    let taken = ["node", "ns1"].map(|name| of_instance(instance(name, "x", "10.0.0.9")));
    let facts = snapshot(facts.into_iter().chain(taken));
    assert_eq!(asked(&facts, "web", RecordType::A), "1:10.0.0.1");
    assert_eq!(asked(&facts, "x.node", RecordType::A), "NoName");
    assert_eq!(asked(&facts, "ns1", RecordType::A), "30:10.0.0.53");
}

#[test]
fn the_serial_is_the_revision_of_the_last_change_of_the_zone() {
    let (derivation, old) = (derivation(), snapshot(web()));
    let (zone, mut found) = (derivation.build(&old).expect("a zone"), Found::of(&derivation, &old));
    assert_eq!(zone.serial(), 7);

    let same = old.apply(Revision::new(9), []);
    let other = old.apply(
        Revision::new(10),
        [Change::Remove(FactKey::Host(HostName::parse("node-1").expect("a name")))],
    );

    assert!(
        derivation.update((&zone, &mut found), &old, &same).expect("a zone").is_none(),
        "nothing of it changed"
    );
    let changed = derivation.update((&zone, &mut found), &old, &other).expect("a zone").expect("it changed");
    assert_eq!(changed.serial(), 10);
}

#[test]
fn a_change_of_one_of_many_services_of_a_type_touches_no_other() {
    const MANY: usize = 2000;
    let typed = |number: usize| {
        let mut stated = service(&format!("s{number}"));
        let port = Port {
            name: PortName::parse("p").expect("a name"),
            port: NonZeroU16::MAX,
            protocol: Protocol::Tcp,
        };
        stated.ports = Ports::new(vec![port]).expect("ports");
        stated.dns_sd = Some(DnsSd {
            service_type: ServiceType::parse("_http._tcp").expect("a type"),
            name: None,
            subtypes: [Label::parse("store").expect("a label")].into(),
        });
        Fact::Service(Box::new(stated))
    };
    let of = |number: usize| instance(&format!("s{number}"), &format!("i{number}"), "10.0.0.1");
    let old = snapshot((0..MANY).flat_map(|number| [typed(number), of_instance(of(number))]));
    let derivation = derivation();
    let mut found = Found::of(&derivation, &old);
    let mut differs = |new: &Snapshot, changed: &str| {
        let touched = Touched::between(&old, new);
        let changes = derivation.changes([&old, new], &touched, &mut found);
        let gone = changes.gone.names().count();
        assert!(changes.names.names().count().max(gone) < 16, "{changed}: {changes:?}");
        changes.names.names().map(ToString::to_string).collect::<BTreeSet<_>>()
    };
    let pointing = "_http._tcp.svc.internal.";

    let elsewhere = Instance { addresses: instance("s", "i", "10.0.0.2").addresses, ..of(7) };
    let moved = old.apply(Revision::new(8), [put(of_instance(elsewhere), 8)]);
    let names = differs(&moved, "another address");
    assert!(names.contains("i7._http._tcp.svc.internal.") && !names.contains(pointing), "{names:?}");

    let ill = Instance { state: InstanceState::Unhealthy, ..of(7) };
    let names = differs(&old.apply(Revision::new(8), [put(of_instance(ill), 8)]), "another state");
    assert!(names.contains(pointing) && names.contains("_store._sub._http._tcp.svc.internal."), "{names:?}");
}

impl Derivation {
    /// The zone of `new`, from that of `old`, as whoever keeps it makes it; `None`: nothing differs.
    fn update(
        &self,
        (zone, found): (&Zone, &mut Found),
        old: &Snapshot,
        new: &Snapshot,
    ) -> Result<Option<Zone>, ZoneError> {
        let touched = Touched::between(old, new);
        let changed = (!touched.is_empty()).then(|| self.changes([old, new], &touched, found));
        changed.map(|changed| zone.with(changed.gone.names(), changed.names)).transpose()
    }
}

/// A change of few names, so that they meet.
fn changes() -> impl Strategy<Value = Change> {
    let name = prop::sample::select(vec!["a", "b", "node", "ns1"]);
    let host = prop::option::of(prop::sample::select(vec!["a", "b"]));
    let state = prop::sample::select(vec![
        InstanceState::Healthy,
        InstanceState::Unhealthy,
        InstanceState::Draining,
        InstanceState::Starting,
    ]);
    let when = prop::sample::select(vec![WhenEmpty::NoData, WhenEmpty::All, WhenEmpty::NxDomain]);
    (0..6, name.clone(), name, host, state, when, 0_u16..2, any::<bool>()).prop_map(
        |(kind, first, second, host, state, when_empty, priority, tagged)| match kind {
            0 => {
                let dns_sd = tagged.then(|| DnsSd {
                    service_type: ServiceType::parse(match (priority, state) {
                        (0, _) => "_http._tcp",
                        (_, InstanceState::Starting) => "_dns-sd._udp",
                        _ => "_ipp._udp",
                    })
                    .expect("a type"),
                    name: host.map(|name| SpelledName::parse(name).expect("a name")),
                    subtypes: [Label::parse(second).expect("a label")].into(),
                });
                let port = Port {
                    name: PortName::parse("p").expect("a name"),
                    port: NonZeroU16::MAX,
                    protocol: Protocol::Tcp,
                };
                let ports = Ports::new(vec![port]).expect("ports");
                let elsewhere =
                    (state == InstanceState::Draining).then(|| DomainName::parse("x.y").expect("a name"));
                let stated = Service { when_empty, dns_sd, ports, external: elsewhere, ..service(first) };
                put(Fact::Service(Box::new(stated)), 1)
            }
            1 => Change::Remove(service(first).key()),
            2 => Change::Remove(instance(first, second, "10.0.0.1").key()),
            3 => {
                let addresses = Addresses::new(["10.0.1.1".parse().expect("an address")]).expect("addresses");
                let name = HostName::parse(first).expect("a name");
                put(Fact::Host(Box::new(Host::new(name, addresses))), 1)
            }
            _ => {
                let mut instance = instance(first, second, "10.0.0.1 fd00::1");
                instance.host = host.map(|host| HostName::parse(host).expect("a name"));
                (instance.state, instance.priority) = (state, priority);
                instance.tags.extend(tagged.then(|| Tag::parse("t").expect("a tag")));
                put(of_instance(instance), 1)
            }
        },
    )
}

proptest! {
    #[test]
    fn a_zone_that_follows_is_the_zone_built_from_nothing(steps in prop::collection::vec(prop::collection::vec(changes(), 1..4), 1..8)) {
        let derivation = derivation();
        let mut old = Snapshot::empty();
        let (mut zone, mut found) = (derivation.build(&old).expect("a zone"), Found::default());
        for (step, changes) in (1..).zip(steps) {
            let new = old.apply(Revision::new(step), changes);
            if let Some(changed) = derivation.update((&zone, &mut found), &old, &new).expect("a zone") {
                zone = changed;
            }
            let built = derivation.build(&new).expect("a zone");
            let sets = |zone: &Zone| zone.sets().filter(|set| set.record_type() != RecordType::SOA).cloned().collect::<Vec<_>>();
            prop_assert_eq!(sets(&zone), sets(&built));
            prop_assert_eq!(zone.len(), built.len(), "names without records too");
            let sources = Sources { zones: vec![Source::Registry(derivation.clone())], ranges: [].into(), frontends: None, ttl: 30 };
            let zones = ZoneSet::new(new.revision(), true, [Arc::new(zone.clone())]);
            let mut differing = Vec::new();
            verify::of_registry(&zones, &new, &sources, &BTreeSet::new(), &Arc::default(), &mut |found| differing.push(found));
            prop_assert_eq!(differing, vec![]);
            prop_assert_eq!(&found, &Found::of(&derivation, &new));
            old = new;
        }
    }
}
