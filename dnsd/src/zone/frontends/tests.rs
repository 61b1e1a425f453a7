use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::record::RecordFact;
use model::{
    Change, DomainName, Fact, FactKey, Frontend, HostPattern, Origin, PathPrefix, Policy, RecordData,
    RecordSet, RecordType, Revision, Snapshot, Stated,
};
use proptest::prelude::*;

use crate::config::Config;
use crate::derived::{Derived, sources};
use crate::files::FileZones;
use crate::served::Served;
use crate::zone::facts::unserved;
use crate::zone::sources::Sources;
use crate::zone::{Outcome, Question, ZoneSet, answer};

fn new_sources() -> Arc<Sources> {
    let config = Config { name_servers: vec!["10.0.0.53".parse().expect("an address")], ..Config::default() };
    Arc::new(sources(&config, Vec::new(), &[]))
}

/// A zone file's.
fn files() -> BTreeSet<DomainName> {
    [name("file.test")].into()
}

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn addresses(text: &str) -> Arc<[IpAddr]> {
    text.split_whitespace().map(|text| text.parse().expect("an address")).collect()
}

fn built(snapshot: &Snapshot, proxies: &str) -> Derived {
    let mut derived = Derived::new(new_sources());
    derived.hear(addresses(proxies), 1000);
    derived.follow(&Arc::new(snapshot.clone()), true, files());
    derived
}

fn zones(derived: &Derived) -> ZoneSet {
    derived.with(&FileZones::default(), false)
}

fn put(fact: Fact) -> Change {
    Change::Put(Stated { fact: Arc::new(fact), revision: Revision::new(1), origin: Origin::Native })
}

/// A frontend as `HOST[/PATH]`.
fn frontend(text: &str, dns: bool) -> Frontend {
    let (host, path) = text.split_once('/').unwrap_or((text, ""));
    let host = HostPattern::parse(host).expect("a host");
    let path = PathPrefix::parse(&format!("/{path}")).expect("a path");
    Frontend { host, path, policy: Policy { dns, ..Policy::default() }.into(), ..Frontend::default() }
}

fn wanted(texts: &[&str]) -> Vec<Change> {
    texts.iter().map(|text| put(Fact::Frontend(frontend(text, true)))).collect()
}

fn record(owner: &str, record_type: RecordType, data: &str) -> Fact {
    let data = RecordData::parse(record_type, data).expect("data");
    Fact::Record(Box::new(RecordFact::new(&name(owner), record_type, None, vec![data]).expect("a set")))
}

fn asked(zones: &ZoneSet, of: &str, record_type: RecordType) -> String {
    let answered = answer(zones, &Question { name: name(of), record_type });
    let told = |set: &RecordSet| {
        set.data().iter().map(|data| format!("{} {data}", set.ttl())).collect::<Vec<_>>().join(" ")
    };
    match answered.outcome {
        Outcome::Fine => answered.answers.iter().map(|entry| told(&entry.set)).collect(),
        outcome => format!("{outcome:?}"),
    }
}

#[test]
fn a_frontend_that_wants_it_is_a_name_with_the_addresses_of_proxies() {
    let mut changes =
        wanted(&["www.example.com", "shop.example.com/cart", "*.wild.example", "a.wild.example"]);
    changes.push(put(Fact::Frontend(frontend("www.example.com/api", false))));
    changes.push(put(Fact::Frontend(frontend("quiet.example.com", false))));
    changes.push(put(record("www.example.com", RecordType::MX, "1 mail.example.")));
    let facts = Snapshot::empty().apply(Revision::new(7), changes);
    let zones = zones(&built(&facts, "10.0.0.1 10.0.0.2 fd00::1"));
    let check = |of: &str, record_type, expected: &str| {
        assert_eq!(asked(&zones, of, record_type), expected, "{of} {record_type}");
    };
    let both = "5 10.0.0.1 5 10.0.0.2";
    check("www.example.com", RecordType::A, both);
    check("www.example.com", RecordType::AAAA, "5 fd00::1");
    check("www.example.com", RecordType::MX, "30 1 mail.example.");
    check("www.example.com", RecordType::NS, "30 ns1.www.example.com.");
    check("ns1.www.example.com", RecordType::A, "30 10.0.0.53");
    let soa = "30 ns1.www.example.com. hostmaster.www.example.com. 1007 60 10 604800 1";
    check("www.example.com", RecordType::SOA, soa);
    check("x.www.example.com", RecordType::A, "NoName");
    check("shop.example.com", RecordType::A, both);
    check("quiet.example.com", RecordType::A, "NotOurs");
    check("example.com", RecordType::A, "NotOurs");
    check("x.y.wild.example", RecordType::A, both);
    check("wild.example", RecordType::A, "");
    check("a.wild.example", RecordType::A, both);
    check("x.a.wild.example", RecordType::A, "NoName");
    check("x.wild.example", RecordType::TXT, "");
}

#[test]
fn without_a_healthy_proxy_the_names_are_there_and_have_no_address() {
    let facts = Snapshot::empty().apply(Revision::new(7), wanted(&["www.example.com", "*.wild.example"]));
    let zones = zones(&built(&facts, ""));
    for of in ["www.example.com", "x.wild.example"] {
        assert_eq!(asked(&zones, of, RecordType::A), "", "{of}");
    }
}

#[test]
fn a_name_of_a_zone_that_has_it_for_itself_is_named() {
    let texts = [
        "*",
        "10.0.0.1",
        "www.example.com:80",
        "svc.internal",
        "*.web.svc.internal",
        "file.test",
        "*.file.test",
        "www.file.test",
        "www.example.com",
    ];
    let soa = record("example.com", RecordType::SOA, "a. b. 1 1 1 1 1");
    let mut changes = wanted(&texts);
    changes.extend(
        [
            soa,
            record("example.com", RecordType::NS, "a."),
            record("www.example.com", RecordType::A, "10.9.9.9"),
        ]
        .map(put),
    );
    let facts = Snapshot::empty().apply(Revision::new(7), changes);

    let found: Vec<String> = unserved(&facts, &new_sources(), files(), addresses("10.0.0.1"))
        .into_iter()
        .map(|(key, reason)| format!("{key} {reason:?}"))
        .collect();

    let expected = [
        "record:www.example.com./A Clash",
        "frontend:* Nameless",
        "frontend:*.file.test Foreign(file.test.)",
        "frontend:*.web.svc.internal Foreign(svc.internal.)",
        "frontend:10.0.0.1 Nameless",
        "frontend:file.test Foreign(file.test.)",
        "frontend:svc.internal Foreign(svc.internal.)",
        "frontend:www.example.com:80 Nameless",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_serial_moves_with_facts_and_with_proxies() {
    let mut now = Snapshot::empty().apply(Revision::new(7), wanted(&["a.example", "b.example"]));
    let mut derived = built(&now, "10.0.0.1");
    let serials = |derived: &Derived| {
        ["a.example", "b.example"].map(|apex| zones(derived).at(&name(apex)).map_or(0, |zone| zone.serial()))
    };
    assert_eq!(serials(&derived), [1007, 1007]);
    derived.hear(addresses("10.0.0.1 10.0.0.2"), 1005);
    derived.follow(&Arc::new(now.clone()), true, files());
    assert_eq!(serials(&derived), [1012, 1012], "nodes alone");
    now = now.apply(Revision::new(8), [put(record("a.example", RecordType::TXT, "a"))]);
    derived.hear(addresses("10.0.0.1 10.0.0.2"), 1005);
    derived.follow(&Arc::new(now.clone()), true, files());
    assert_eq!(serials(&derived), [1013, 1012], "a fact of one zone");
    derived.follow(&Arc::new(now.clone()), true, files());
    assert_eq!(serials(&derived), [1013, 1012], "nothing");
}

/// A change of few names, so that they meet.
fn changes() -> impl Strategy<Value = Change> {
    let host = prop::sample::select(vec![
        "z",
        "a.z",
        "*.z",
        "*.a.z",
        "b.a.z",
        "a.z/path",
        "svc.internal",
        "file.test",
        "a.file.test",
        "*",
    ]);
    let owner = prop::sample::select(vec!["z", "a.z", "b.a.z", "x.b.a.z", "*.z", "a.file.test"]);
    let data = prop::sample::select(vec![
        (RecordType::SOA, "z. z. 1 1 1 1 1"),
        (RecordType::NS, "z."),
        (RecordType::A, "10.0.0.1"),
        (RecordType::CNAME, "z."),
        (RecordType::TXT, "a"),
    ]);
    (0..5, host, any::<bool>(), owner, data).prop_map(|(kind, host, dns, owner, (record_type, data))| {
        match kind {
            0 | 1 => put(Fact::Frontend(frontend(host, dns))),
            2 => Change::Remove(frontend(host, dns).key()),
            3 => put(record(owner, record_type, data)),
            _ => Change::Remove(FactKey::Record { name: name(owner), record_type }),
        }
    })
}

/// All that zones have but their serials.
fn content(zones: &ZoneSet) -> Vec<(DomainName, usize, Vec<RecordSet>)> {
    let of = |zone: &Arc<crate::zone::Zone>| {
        let sets = zone.sets().filter(|set| set.record_type() != RecordType::SOA);
        (zone.apex().clone(), zone.len(), sets.cloned().collect())
    };
    zones.zones().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn zones_of_frontends_that_follow_are_those_built_from_nothing(
        steps in prop::collection::vec((prop::collection::vec(changes(), 0..4), 0..3_usize), 1..10)
    ) {
        let mut derived = built(&Snapshot::empty(), "");
        let mut now = Snapshot::empty();
        let mut served = Served::new(zones(&derived));
        for (step, (changes, proxies)) in (1..).zip(steps) {
            let proxies = ["", "10.0.0.1", "10.0.0.1 fd00::1"][proxies];
            now = now.apply(Revision::new(step), changes);
            derived.hear(addresses(proxies), 1000);
            derived.follow(&Arc::new(now.clone()), true, files());
            let followed = zones(&derived);
            let fresh = zones(&built(&now, proxies));
            prop_assert_eq!(content(&followed), content(&fresh));
            let before = served;
            served = before.next(followed.clone());
            let ready = Served::new(followed.clone());
            prop_assert_eq!(served.ready(), ready.ready());
            let (old, new) = (content(before.zones()), content(&followed));
            for zone in followed.zones() {
                let Some(other) = before.zones().at(zone.apex()) else { continue };
                let is_same = old.iter().any(|one| one.0 == *zone.apex() && new.contains(one));
                prop_assert!(zone.serial() > other.serial() || is_same, "{}", zone.apex());
            }
        }
    }
}

#[test]
fn one_of_thousands_of_names_changes_at_the_cost_of_one() {
    let hosts: Vec<String> = (0..3_000).map(|n| format!("www.customer-{n}.example")).collect();
    let texts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut now = Snapshot::empty().apply(Revision::new(1), wanted(&texts));
    let start = Instant::now();
    let mut derived = built(&now, "10.0.0.1 10.0.0.2");
    let mut served = Served::new(zones(&derived));
    let from_nothing = start.elapsed();

    let start = Instant::now();
    let steps = 100;
    for step in 0..steps {
        let changes = [put(Fact::Frontend(frontend(&hosts[step * 7], step % 2 == 0)))];
        now = now.apply(Revision::new(2 + step as u64), changes);
        derived.follow(&Arc::new(now.clone()), true, files());
        served = served.next(zones(&derived));
    }
    let each = start.elapsed() / steps as u32;

    // All of them again would be as long as the start: the margin is for a busy machine.
    assert!(each < from_nothing / 20, "{each:?} each, {from_nothing:?} from nothing");
    assert!(from_nothing < Duration::from_secs(20), "{from_nothing:?}");
    assert_eq!(served.zones().zones().len(), 3_001 - steps / 2);
}
