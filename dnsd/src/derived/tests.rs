use model::{
    Addresses, Change, FactKey, Instance, InstanceName, Origin, RecordData, RecordFact, RecordSet, Service,
    ServiceName, Stated,
};
use proptest::prelude::*;

use super::*;
use crate::verify;
use crate::zone::facts::{Reason, unserved};
use crate::zone::{Outcome, Question, Zone, answer};

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn put(fact: Fact) -> Change {
    Change::Put(Stated { fact: Arc::new(fact), revision: Revision::new(1), origin: Origin::Native })
}

/// A fact, as `NAME [TTL] TYPE DATA`; records of one set parted by ` | `.
fn record(text: &str) -> RecordFact {
    let (owner, rest) = text.split_once(' ').expect("a name");
    let (word, behind) = rest.split_once(' ').expect("a type");
    let (ttl, rest) = word.parse().map_or((None, rest), |ttl| (Some(ttl), behind));
    let (record_type, data) = rest.split_once(' ').expect("data");
    let record_type = RecordType::parse(record_type).expect("a type");
    let data = data.split(" | ").map(|data| RecordData::parse(record_type, data).expect("data"));
    RecordFact::new(&name(owner), record_type, ttl, data.collect()).expect("a set")
}

fn stated(texts: &[&str]) -> Vec<Change> {
    texts.iter().map(|text| put(Fact::Record(Box::new(record(text))))).collect()
}

fn instance(service: &str, instance: &str) -> Change {
    let addresses = Addresses::new(["10.0.0.7".parse().expect("an address")]).expect("addresses");
    let (service, name) = (ServiceName::parse(service), InstanceName::parse(instance));
    put(Fact::Instance(Box::new(Instance::new(service.expect("a name"), name.expect("a name"), addresses))))
}

fn new_sources() -> Arc<Sources> {
    let config = Config { name_servers: vec![std::net::Ipv4Addr::LOCALHOST.into()], ..Config::default() };
    Arc::new(sources(&config, Vec::new(), &[]))
}

/// Zone files' apexes.
fn files() -> BTreeSet<DomainName> {
    [name("file.test")].into()
}

fn built(snapshot: &Snapshot) -> Derived {
    let mut derived = Derived::new(new_sources());
    derived.follow(&Arc::new(snapshot.clone()), true, files());
    derived
}

fn zones(derived: &Derived) -> ZoneSet {
    derived.with(&FileZones::default(), false)
}

fn asked(zones: &ZoneSet, of: &str, record_type: RecordType) -> String {
    let answered = answer(zones, &Question { name: name(of), record_type });
    let told = |set: &RecordSet| {
        set.data().iter().map(|data| format!("{} {data}", set.ttl())).collect::<Vec<_>>().join(" ")
    };
    match (answered.outcome, answered.authoritative) {
        (Outcome::Fine, true) => {
            answered.answers.iter().map(|entry| told(&entry.set)).collect::<Vec<_>>().join(" / ")
        }
        (Outcome::Fine, false) => {
            format!(
                "referral {}",
                answered.additional.iter().map(|entry| told(&entry.set)).collect::<String>()
            )
        }
        (outcome, _) => format!("{outcome:?}"),
    }
}

const ZONE: [&str; 2] =
    ["example. SOA ns.example. h.example. 9 3600 600 86400 60", "example. 300 NS ns.example."];

fn snapshot(changes: impl IntoIterator<Item = Change>) -> Snapshot {
    Snapshot::empty().apply(Revision::new(7), changes)
}

#[test]
fn a_soa_fact_makes_a_zone_that_answers_as_one_from_a_file() {
    let facts = snapshot(stated(&[
        ZONE[0],
        ZONE[1],
        "www.example. 5 A 10.0.0.1 | 10.0.0.2",
        "alias.example. CNAME www.example.",
        "*.wild.example. TXT a",
        "old.example. DNAME wild.example.",
        "child.example. NS ns.child.example.",
        "ns.child.example. A 10.0.0.9",
        "child.example. DS 1 8 2 00",
    ]));
    let zones = zones(&built(&facts));
    let check = |of: &str, record_type, expected: &str| {
        assert_eq!(asked(&zones, of, record_type), expected, "{of} {record_type}");
    };
    check("example", RecordType::SOA, "30 ns.example. h.example. 7 3600 600 86400 60");
    check("www.example", RecordType::A, "5 10.0.0.1 5 10.0.0.2");
    check("alias.example", RecordType::A, "30 www.example. / 5 10.0.0.1 5 10.0.0.2");
    check("x.wild.example", RecordType::TXT, "30 \"a\"");
    check("x.old.example", RecordType::TXT, "30 wild.example. / 30 x.wild.example. / 30 \"a\"");
    check("x.child.example", RecordType::A, "referral 30 10.0.0.9");
    check("child.example", RecordType::DS, "30 1 8 2 00");
    check("no.example", RecordType::A, "NoName");
    check("elsewhere", RecordType::A, "NotOurs");
    assert_eq!(unserved(&facts, &new_sources(), files(), Arc::default()), []);
}

#[test]
fn a_zone_without_name_servers_is_known_to_be_there() {
    let lacks = |derived: &Derived, of: &str| zones(derived).lacks(&name(of));
    let whole = snapshot(stated(&ZONE));
    let mut derived = built(&whole);
    assert!(!lacks(&derived, "www.example."));
    let servers = FactKey::Record { name: name("example."), record_type: RecordType::NS };
    let lost = whole.apply(Revision::new(8), [Change::Remove(servers)]);
    derived.follow(&Arc::new(lost.clone()), true, files());
    for derived in [&derived, &built(&lost)] {
        assert!(lacks(derived, "www.example.") && lacks(derived, "example."));
        assert!(!lacks(derived, "www.test."));
    }
    let soa = FactKey::Record { name: name("example."), record_type: RecordType::SOA };
    derived.follow(&Arc::new(lost.apply(Revision::new(9), [Change::Remove(soa)])), true, files());
    assert!(!lacks(&derived, "www.example."), "there is no such zone any more");
    derived.follow(&Arc::new(lost.apply(Revision::new(10), stated(&ZONE))), true, files());
    assert!(!lacks(&derived, "www.example."), "it is served again");
}

#[test]
fn record_facts_stand_on_all_zones_of_the_configuration() {
    let net = "10.0.0.0/8".parse().expect("a network");
    let config = Config { reverse: vec![net], ..Config::default() };
    let ranges = crate::zone::reverse::ranges(&config.reverse, config.zone.as_ref()).expect("ranges");
    let mut derived = Derived::new(Arc::new(sources(&config, ranges, &[])));
    assert!(derived.grounds().bases.is_empty());
    derived.follow(&Arc::new(snapshot(stated(&ZONE))), true, files());
    let grounds = derived.grounds();
    let home = |of: &str| grounds.homes.of(&name(of), RecordType::PTR);
    assert_eq!(home("1.0.0.10.in-addr.arpa."), Some(Home::Derived(name("10.in-addr.arpa."))));
    assert_eq!(home("www.example."), Some(Home::Facts(name("example."))));
    let apexes: Vec<String> = grounds.bases.keys().map(ToString::to_string).collect();
    assert_eq!(apexes, ["10.in-addr.arpa.", "svc.internal."]);
}

#[test]
fn the_ttl_of_a_fact_is_its_own_else_that_of_its_zone() {
    let soa = "example. 77 SOA ns.example. h.example. 9 1 1 1 60";
    let facts = snapshot(stated(&[soa, ZONE[1], "a.example. A 10.0.0.1", "a.web.svc.internal. A 10.0.0.2"]));
    let mut derived = built(&facts);
    assert_eq!(asked(&zones(&derived), "a.example", RecordType::A), "77 10.0.0.1");
    assert_eq!(
        asked(&zones(&derived), "a.web.svc.internal", RecordType::A),
        "30 10.0.0.2",
        "as dns.ttl_host says"
    );

    let other = facts.apply(Revision::new(8), stated(&[&soa.replace("77", "78")]));
    derived.follow(&Arc::new(other), true, files());
    assert_eq!(asked(&zones(&derived), "a.example", RecordType::A), "78 10.0.0.1");
}

#[test]
fn a_serial_is_the_revision_of_its_zones_last_change() {
    let facts = snapshot(stated(&[ZONE[0], ZONE[1]]));
    let mut derived = built(&facts);
    let serials = |derived: &Derived| {
        let zones = zones(derived);
        let serial = |apex: &str| zones.at(&name(apex)).map(|zone| zone.serial());
        (serial("example"), serial("svc.internal"))
    };
    assert_eq!(serials(&derived), (Some(7), Some(7)));
    let mut now = facts;
    let mut follow = |derived: &mut Derived, revision, changes: Vec<Change>| {
        now = now.apply(Revision::new(revision), changes);
        derived.follow(&Arc::new(now.clone()), true, files());
        serials(derived)
    };

    assert_eq!(follow(&mut derived, 8, stated(&["a.example. A 10.0.0.1"])), (Some(8), Some(7)));
    assert_eq!(follow(&mut derived, 9, vec![instance("web", "a")]), (Some(8), Some(9)));
    assert_eq!(follow(&mut derived, 10, stated(&["x.web.svc.internal. TXT a"])), (Some(8), Some(10)));
    assert_eq!(follow(&mut derived, 11, stated(&["x.elsewhere. TXT a"])), (Some(8), Some(10)));
    let gone = vec![Change::Remove(record("a.example. A 10.0.0.1").key())];
    assert_eq!(follow(&mut derived, 12, gone), (Some(12), Some(10)));
    let no_servers = vec![Change::Remove(record(ZONE[1]).key())];
    assert_eq!(follow(&mut derived, 13, no_servers), (None, Some(10)));
    assert_eq!(follow(&mut derived, 14, stated(&[ZONE[1]])), (Some(14), Some(10)));
}

/// Services and hosts of a zone that cannot be made: its apex leaves no room for the mailbox of its SOA.
fn impossible() -> Source {
    let label = |octets: usize| "a".repeat(octets);
    let apex = name(&[label(63), label(63), label(63), label(56)].join("."));
    let Source::Registry(derivation) = new_sources().zones[0].clone() else { panic!("the registry's zone") };
    Source::Registry(Derivation { apex, ..derivation })
}

#[test]
fn a_zone_that_cannot_follow_is_told_of_until_it_can() {
    let facts = snapshot(stated(&[ZONE[0], ZONE[1]]));
    let (mut derived, mut now, registry) = (built(&facts), facts, name("svc.internal"));
    let mut follow = |derived: &mut Derived, revision, changes: Vec<Change>| {
        now = now.apply(Revision::new(revision), changes);
        derived.follow(&Arc::new(now.clone()), true, files());
        let zones = zones(derived);
        let answers = ["a.example", "a.web.svc.internal", "b.web.svc.internal"]
            .map(|of| asked(&zones, of, RecordType::A));
        (derived.is_whole(), answers.join(", "))
    };
    let first = follow(&mut derived, 8, vec![instance("web", "a")]);
    assert_eq!(first, (true, "NoName, 5 10.0.0.7, NoName".to_owned()));

    let kept = derived.current.as_mut().and_then(|current| current.zones.get_mut(&registry));
    kept.expect("the zone").set_source(impossible());
    let behind = follow(&mut derived, 9, vec![instance("web", "b")]);
    assert_eq!(behind, (false, "NoName, 5 10.0.0.7, NoName".to_owned()), "served on");
    let other = follow(&mut derived, 10, stated(&["a.example. A 10.0.0.1"]));
    assert_eq!(other, (false, "30 10.0.0.1, 5 10.0.0.7, NoName".to_owned()), "the others follow");

    let current = derived.current.as_mut().expect("zones");
    current.behind = [(registry, new_sources().zones[0].clone())].into();
    let again = follow(&mut derived, 11, Vec::new());
    assert_eq!(again, (true, "30 10.0.0.1, 5 10.0.0.7, 5 10.0.0.7".to_owned()), "with what it missed");
}

#[test]
fn facts_join_the_zone_of_the_registry() {
    let stated =
        stated(&["_acme-challenge.web.svc.internal. TXT token", "web.svc.internal. MX 1 mail.example."]);
    let facts = snapshot(stated.into_iter().chain([instance("web", "a")]));
    let zones = zones(&built(&facts));
    assert_eq!(asked(&zones, "_acme-challenge.web.svc.internal", RecordType::TXT), "30 \"token\"");
    assert_eq!(asked(&zones, "web.svc.internal", RecordType::MX), "30 1 mail.example.");
    assert_eq!(asked(&zones, "web.svc.internal", RecordType::A), "5 10.0.0.7");
}

#[test]
fn a_zone_that_would_hide_a_service_begins_when_the_service_is_gone() {
    let of = |apex: &str| [format!("{apex} SOA ns. h. 1 1 1 1 1"), format!("{apex} NS ns.")];
    let texts = [of("web.svc.internal."), of("a.web.svc.internal."), of("b.web.svc.internal.")].concat();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let facts = snapshot(stated(&texts).into_iter().chain([instance("web", "a")]));
    let apexes =
        |derived: &Derived| zones(derived).zones().map(|zone| zone.apex().to_string()).collect::<Vec<_>>();
    let mut derived = built(&facts);
    let all = ["svc.internal.", "web.svc.internal.", "a.web.svc.internal.", "b.web.svc.internal."];

    assert_eq!(apexes(&derived), [all[0], all[3]], "what hides no name is a zone");
    assert_eq!(asked(&zones(&derived), "web.svc.internal", RecordType::A), "5 10.0.0.7");
    assert_eq!(asked(&zones(&derived), "a.web.svc.internal", RecordType::A), "5 10.0.0.7");

    let Change::Put(stated) = instance("web", "a") else { panic!("it is put") };
    let gone = facts.apply(Revision::new(8), [Change::Remove(stated.fact.key())]);
    derived.follow(&Arc::new(gone.clone()), true, files());
    assert_eq!(apexes(&derived), all);

    derived.follow(&Arc::new(gone.apply(Revision::new(9), [instance("web", "a")])), true, files());
    assert_eq!(apexes(&derived), [all[0], all[3]]);
    assert_eq!(asked(&zones(&derived), "web.svc.internal", RecordType::A), "5 10.0.0.7");
}

#[test]
fn a_fact_that_has_no_place_is_named_with_why() {
    let facts = [
        ZONE[0],
        ZONE[1],
        "both.example. A 10.0.0.1",
        "both.example. CNAME a.",
        "example. CNAME a.",
        "*.w.example. NS ns.example.",
        "*.z.example. SOA a. b. 1 1 1 1 1",
        "d.example. DNAME a.",
        "x.d.example. A 10.0.0.1",
        "cut.example. NS ns.cut.example.",
        "cut.example. TXT a",
        "ns.cut.example. A 10.0.0.1",
        "ns.cut.example. TXT a",
        "bare.test. SOA a. b. 1 1 1 1 1",
        "x.bare.test. A 10.0.0.1",
        "x.file.test. A 10.0.0.1",
        "file.test. SOA a. b. 1 1 1 1 1",
        "nowhere. A 10.0.0.1",
        "svc.internal. SOA a. b. 1 1 1 1 1",
        "svc.internal. NS a.",
        "svc.internal. TXT fine",
        "web.svc.internal. A 10.0.0.9",
        "web.svc.internal. CNAME a.",
        "web.svc.internal. NS a.",
        "web.svc.internal. TXT fine",
        "out.svc.internal. DNAME a.",
        "svc.internal. DNAME a.",
        "zone.svc.internal. SOA a. b. 1 1 1 1 1",
        "zone.svc.internal. NS a.",
        "shop.svc.internal. SOA a. b. 1 1 1 1 1",
        "shop.svc.internal. NS a.",
        "shop.svc.internal. TXT fine",
    ];
    let services = [instance("web", "a"), instance("shop", "a"), instance("node", "a")];
    let service = put(Fact::Service(Box::new(Service::new(ServiceName::parse("ns1").expect("a name")))));
    let facts = snapshot(stated(&facts).into_iter().chain(services).chain([service]));

    let found: Vec<String> = unserved(&facts, &new_sources(), files(), Arc::default())
        .into_iter()
        .map(|(key, reason)| format!("{key} {reason:?}").replace("record:", ""))
        .collect();

    let expected = [
        "example./CNAME Alias",
        "both.example./CNAME Alias",
        "cut.example./TXT Delegated(cut.example.)",
        "ns.cut.example./TXT Delegated(cut.example.)",
        "x.d.example./A BelowDname(d.example.)",
        "*.w.example./NS Wildcard",
        "*.z.example./SOA Wildcard",
        "svc.internal./NS Clash",
        "svc.internal./SOA Clash",
        "svc.internal./DNAME Hides",
        "shop.svc.internal./NS Hides",
        "shop.svc.internal./SOA Hides",
        "web.svc.internal./A Clash",
        "web.svc.internal./NS Hides",
        "web.svc.internal./CNAME Alias",
        "nowhere./A NoZone",
        "bare.test./SOA NoNs(bare.test.)",
        "x.bare.test./A NoNs(bare.test.)",
        "file.test./SOA File(file.test.)",
        "x.file.test./A File(file.test.)",
        "service:node Taken(svc.internal.)",
        "service:ns1 Taken(svc.internal.)",
    ];
    assert_eq!(found, expected);
}

/// A change of few names, so that they meet.
fn changes() -> impl Strategy<Value = Change> {
    let owners = vec![
        "z.",
        "a.z.",
        "b.a.z.",
        "c.b.a.z.",
        "*.z.",
        "d.z.",
        "svc.internal.",
        "a.svc.internal.",
        "b.a.svc.internal.",
        "x.b.a.svc.internal.",
        "n.svc.internal.",
        "internal.",
        "file.test.",
        "a.file.test.",
    ];
    let data = vec![
        "SOA z. z. 1 1 1 1 1",
        "NS z.",
        "A 10.0.0.1",
        "CNAME z.",
        "DNAME y.",
        "TXT a",
        "DS 1 8 2 00",
        "NSEC \\# 0",
        "NS a.z.",
    ];
    let record_of = (prop::sample::select(owners), prop::sample::select(data), 0_u32..2).prop_map(
        |(owner, data, ttl)| {
            let ttl = if ttl == 0 { String::new() } else { format!("{ttl} ") };
            record(&format!("{owner} {ttl}{data}"))
        },
    );
    let names = || prop::sample::select(vec!["a", "b", "n"]);
    prop_oneof![
        4 => record_of.clone().prop_map(|record| put(Fact::Record(Box::new(record)))),
        2 => record_of.prop_map(|record| Change::Remove(record.key())),
        1 => (names(), names()).prop_map(|(service, name)| instance(service, name)),
        1 => (names(), names()).prop_map(|(service, name)| Change::Remove(FactKey::Instance {
            service: ServiceName::parse(service).expect("a name"),
            name: InstanceName::parse(name).expect("a name"),
        })),
    ]
}

/// All that a zone has but its serial.
fn content(zone: &Zone) -> (Vec<RecordSet>, usize, [usize; 2]) {
    let sets = zone.sets().map(|set| match set.record_type() {
        RecordType::SOA => {
            let octets = set.data()[0].octets();
            let rest = [&octets[..octets.len() - 20], &octets[octets.len() - 16..]].concat();
            let data = RecordData::new(RecordType(65_280), rest).expect("any octets");
            RecordSet::new(set.name().clone(), RecordType(65_280), set.ttl(), vec![data]).expect("a set")
        }
        _ => set.clone(),
    });
    (sets.collect(), zone.len(), [usize::from(zone.has_cuts()), usize::from(zone.has_wildcards())])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn zones_that_follow_are_those_built_from_nothing(steps in prop::collection::vec(prop::collection::vec(changes(), 1..6), 1..10)) {
        let mut derived = built(&Snapshot::empty());
        let mut now = Snapshot::empty();
        for (step, changes) in (1..).zip(steps) {
            now = now.apply(Revision::new(step), changes);
            derived.follow(&Arc::new(now.clone()), true, files());
            let (followed, fresh) = (zones(&derived), zones(&built(&now)));
            let of = |zones: &ZoneSet| zones.zones().map(|zone| (zone.apex().clone(), content(zone))).collect::<Vec<_>>();
            prop_assert_eq!(of(&followed), of(&fresh));
            let mut differing = Vec::new();
            let mut tell = |found| differing.push(found);
            verify::of_registry(&followed, &now, &new_sources(), &files(), &Arc::default(), &mut tell);
            prop_assert_eq!(differing, vec![]);
            let served = unserved(&now, &new_sources(), files(), Arc::default());
            for (fact, _) in now.records() {
                let is_named = served.iter().any(|(key, _)| *key == fact.key());
                // A served SOA has another serial.
                let rest = |data: &RecordData| match data.record_type() {
                    RecordType::SOA => data.octets().len().to_be_bytes().to_vec(),
                    _ => data.octets().to_vec(),
                };
                let octets = |set: &RecordSet| set.data().iter().map(rest).collect::<Vec<_>>();
                let stands = followed.zones().flat_map(|zone| zone.sets()).any(|set| {
                    (set.name(), set.record_type()) == (fact.name(), fact.record_type())
                        && octets(set) == octets(&fact.set(0))
                });
                // Where both say it, what is derived is served; here they say different things.
                prop_assert_eq!(stands, !is_named, "{} {:?}", fact.key(), served);
            }
        }
    }

    #[test]
    fn a_serial_never_goes_back(steps in prop::collection::vec(prop::collection::vec(changes(), 1..4), 1..8)) {
        let mut derived = built(&Snapshot::empty());
        let (mut now, mut serials) = (Snapshot::empty(), BTreeMap::new());
        for (step, changes) in (1..).zip(steps) {
            let before: BTreeMap<_, _> = zones(&derived).zones().map(|zone| (zone.apex().clone(), content(zone))).collect();
            now = now.apply(Revision::new(step), changes);
            derived.follow(&Arc::new(now.clone()), true, files());
            for zone in zones(&derived).zones() {
                let last = serials.insert(zone.apex().clone(), zone.serial()).unwrap_or_default();
                let is_other = before.get(zone.apex()).is_none_or(|before| *before != content(zone));
                prop_assert!(zone.serial() > last || zone.serial() == last && !is_other, "{}", zone.apex());
            }
        }
    }
}

#[test]
fn every_reason_says_what_can_be_done() {
    for reason in [Reason::NoZone, Reason::Clash, Reason::NoNs(name("a")), Reason::Hides] {
        assert!(!reason.to_string().is_empty() && !reason.remedy().is_empty());
    }
}
