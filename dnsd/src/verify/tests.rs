//! Zones, answers and files that are made to differ: each kind of difference is named.

use model::{
    Addresses, Change, Fact, Instance, InstanceName, InstanceState, Origin, RecordData, RecordFact,
    RecordSet, ServiceName, Stated, Weight,
};

use super::*;
use crate::ready::Index;
use crate::zone::derived::Derivation;
use crate::zone::file;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn sources() -> Sources {
    let derivation = Derivation {
        apex: name("svc.internal"),
        ttl_service: 5,
        ttl_host: 30,
        negative_ttl: 1,
        name_servers: vec!["10.0.0.53".parse().expect("an address")],
    };
    Sources { zones: vec![Source::Registry(derivation)], ranges: [].into(), frontends: None, ttl: 30 }
}

fn instance(name: &str, address: &str, weight: u64, state: InstanceState) -> Fact {
    let addresses = Addresses::new([address.parse().expect("an address")]).expect("addresses");
    let service = ServiceName::parse("web").expect("a name");
    let mut instance = Instance::new(service, InstanceName::parse(name).expect("a name"), addresses);
    (instance.weight, instance.state) = (Weight::new(weight).expect("a weight"), state);
    Fact::Instance(Box::new(instance))
}

fn record(owner: &str, record_type: RecordType, ttl: Option<u32>, data: &str) -> Fact {
    let data = RecordData::parse(record_type, data).expect("data");
    Fact::Record(Box::new(RecordFact::new(&name(owner), record_type, ttl, vec![data]).expect("a set")))
}

fn snapshot(revision: u64, facts: impl IntoIterator<Item = Fact>) -> Snapshot {
    let put = |fact| {
        Change::Put(Stated { fact: Arc::new(fact), revision: Revision::new(1), origin: Origin::Native })
    };
    Snapshot::empty().apply(Revision::new(revision), facts.into_iter().map(put))
}

fn usual() -> Vec<Fact> {
    vec![
        instance("one", "10.0.0.1", 1, InstanceState::Healthy),
        instance("two", "10.0.0.2", 3, InstanceState::Healthy),
        instance("ill", "10.0.0.3", 1, InstanceState::Unhealthy),
        record("web.svc.internal", RecordType::MX, None, "1 mail."),
        record("z.test", RecordType::SOA, Some(60), "z.test. z.test. 1 1 1 1 1"),
        record("z.test", RecordType::NS, None, "ns.z.test."),
        record("a.z.test", RecordType::TXT, Some(7), "text"),
    ]
}

/// The zones of a snapshot, as they are served.
fn zones(snapshot: &Snapshot) -> ZoneSet {
    let mut derived = crate::derived::Derived::new(Arc::new(sources()));
    derived.follow(&Arc::new(snapshot.clone()), true, BTreeSet::new());
    derived.with(&crate::files::FileZones::default(), false)
}

/// The same, one of them made of other sets.
fn with(zones: &ZoneSet, apex: &str, change: impl FnOnce(&mut Vec<RecordSet>)) -> ZoneSet {
    let apex = name(apex);
    let mut sets: Vec<_> = zones.at(&apex).expect("the zone").sets().cloned().collect();
    change(&mut sets);
    let other = Arc::new(Zone::new(apex, sets).expect("a zone"));
    ZoneSet::new(zones.revision(), true, std::iter::once(other).chain(zones.zones().cloned()))
}

fn found(zones: &ZoneSet, snapshot: &Snapshot) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |difference: Difference| found.push(format!("{}: {}", difference.key, difference.reason));
    of_registry(zones, snapshot, &sources(), &BTreeSet::new(), &Arc::default(), &mut tell);
    found
}

fn set(owner: &str, record_type: RecordType, ttl: u32, data: &[&str]) -> RecordSet {
    let data = data.iter().map(|data| RecordData::parse(record_type, data).expect("data"));
    RecordSet::new(name(owner), record_type, ttl, data.collect()).expect("a set")
}

fn at<'s>(sets: &'s mut [RecordSet], owner: &str, record_type: RecordType) -> &'s mut RecordSet {
    let is_it = |set: &&mut RecordSet| *set.name() == name(owner) && set.record_type() == record_type;
    sets.iter_mut().find(is_it).expect("the set")
}

#[test]
fn zones_of_what_is_stated_have_no_difference() {
    let facts = snapshot(7, usual());
    assert_eq!(found(&zones(&facts), &facts), Vec::<String>::new());
    // What DNS does not serve is named elsewhere, and is not missing here.
    let clash = [("web.svc.internal", "10.0.0.9"), ("no.zone", "10.0.0.1")];
    let clash = clash.map(|(owner, data)| record(owner, RecordType::A, None, data));
    let facts = snapshot(7, usual().into_iter().chain(clash));
    assert_eq!(found(&zones(&facts), &facts), Vec::<String>::new());
}

#[test]
fn each_kind_of_difference_of_a_zone_is_named_with_its_name_and_type() {
    let facts = snapshot(7, usual());
    let served = zones(&facts);
    let check = |apex: &str, change: &dyn Fn(&mut Vec<RecordSet>), expected: &[&str]| {
        let told = found(&with(&served, apex, change), &facts);
        // Sets alone have no weights; of the registry's zone that is told each time.
        let others =
            told.iter().filter(|told| !told.ends_with("its records have other weights than their instances"));
        assert_eq!(others.collect::<Vec<_>>(), expected);
    };
    check("z.test", &|_| {}, &[]);
    check(
        "z.test",
        &|sets| sets.retain(|set| set.record_type() != RecordType::TXT),
        &["a.z.test. TXT: it is not served, and should be: \"text\""],
    );
    check(
        "z.test",
        &|sets| {
            *at(sets, "a.z.test", RecordType::TXT) = set("a.z.test", RecordType::TXT, 8, &["text", "more"])
        },
        &["a.z.test. TXT: its TTL is 8, and should be 7", "a.z.test. TXT: it should not have \"more\""],
    );
    check(
        "svc.internal",
        &|sets| {
            *at(sets, "web.svc.internal", RecordType::A) =
                set("web.svc.internal", RecordType::A, 5, &["10.0.0.1", "10.0.0.3"])
        },
        &["web.svc.internal. A: it lacks 10.0.0.2", "web.svc.internal. A: it should not have 10.0.0.3"],
    );
    check(
        "svc.internal",
        &|sets| sets.push(set("old.svc.internal", RecordType::A, 5, &["10.0.0.9"])),
        &["old.svc.internal. A: it is served, and should not be: 10.0.0.9"],
    );
    check(
        "svc.internal",
        &|sets| sets.retain(|set| set.name() != &name("ill.web.svc.internal")),
        &["ill.web.svc.internal. A: it is not served, and should be: 10.0.0.3"],
    );
    check(
        "z.test",
        &|sets| {
            *at(sets, "z.test", RecordType::SOA) =
                set("z.test", RecordType::SOA, 60, &["z.test. z.test. 8 1 1 1 1"])
        },
        &["z.test. SOA: its serial 8 is ahead of the registry's revision 7"],
    );
    let weights = found(&with(&served, "svc.internal", |_| {}), &facts);
    assert_eq!(weights, ["web.svc.internal. A: its records have other weights than their instances"]);
}

#[test]
fn zones_that_should_be_there_or_should_not_are_named() {
    let facts = snapshot(7, usual());
    let without: Vec<_> = usual().into_iter().filter(|fact| !matches!(fact, Fact::Record(_))).collect();
    let without = snapshot(7, without);
    let told = found(&zones(&without), &facts);
    let expected = [
        "web.svc.internal. MX: it is not served, and should be: 1 mail.",
        "zone z.test.: the registry states it, and it is not served",
    ];
    assert_eq!(told, expected);
    let told = found(&zones(&facts), &without);
    let expected = [
        "web.svc.internal. MX: it is served, and should not be: 1 mail.",
        "zone z.test.: it is served, and neither the registry nor a zone file states it",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_name_that_is_there_without_records_is_looked_for_too() {
    let empty = |state| snapshot(7, [instance("one", "10.0.0.1", 1, state)]);
    let (ill, gone) = (empty(InstanceState::Draining), snapshot(7, []));
    let told = found(&zones(&gone), &ill);
    assert!(
        told.contains(&"web.svc.internal.: the name should be there without records, and is not".to_owned()),
        "{told:?}"
    );
    let told = found(&zones(&ill), &gone);
    assert!(told.contains(&"web.svc.internal.: the name is there, and should not be".to_owned()), "{told:?}");
}

#[test]
fn answers_that_are_ready_of_other_zones_are_named() {
    let facts = snapshot(7, usual());
    let served = zones(&facts);
    let other = with(&served, "z.test", |sets| {
        *at(sets, "a.z.test", RecordType::TXT) = set("a.z.test", RecordType::TXT, 8, &["other"]);
        sets.push(set("b.c.z.test", RecordType::A, 5, &["10.0.0.1"]));
    });
    let differing = |ready: &ZoneSet, zones: &ZoneSet| {
        let told = Index::new(ready);
        let mut told: Vec<_> = told.differing(zones).map(|(name, what)| format!("{name}: {what}")).collect();
        told.sort();
        told
    };
    assert_eq!(differing(&served, &served), Vec::<String>::new());
    let expected = [
        "a.z.test.: its ready answers are not those of its zone",
        "b.c.z.test.: its answers are not ready, and could be",
        "c.z.test.: its answers are not ready, and could be",
    ];
    // Weights are a part of what is ready.
    let differ: Vec<_> =
        differing(&served, &other).into_iter().filter(|told| !told.starts_with("web.")).collect();
    assert_eq!(differ, expected);
    let gone =
        ZoneSet::new(served.revision(), true, [Arc::clone(served.at(&name("svc.internal")).expect("it"))]);
    let told = differing(&served, &gone);
    assert!(told.contains(&"z.test.: denials are ready of a zone that is not there".to_owned()), "{told:?}");
    assert!(told.contains(&"a.z.test.: answers are ready, and its zone has none that can be".to_owned()));
    let told = differing(&gone, &served);
    assert!(told.contains(&"z.test.: its ready denials are not those of its zone".to_owned()), "{told:?}");
}

#[test]
fn a_file_that_is_not_what_is_served_of_it_is_named_with_the_first_difference() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("f.zone");
    let write = |text: &str| std::fs::write(&path, text).expect("written");
    let text = "$ORIGIN f.test.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 10.0.0.1\n";
    let zone = Arc::new(file::read(text, None).unwrap_or_else(|error| panic!("{error}")));
    let of = [(ZoneFile { origin: None, path: path.clone() }, Arc::clone(&zone))];
    let zones = ZoneSet::new(Revision::new(1), true, [zone]);
    let check = |text: &str, expected: Option<&str>| {
        write(text);
        let mut found = Vec::new();
        of_files(&zones, &of, 1000, &mut |difference| found.push(difference.reason));
        assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
        assert!(found.iter().all(|found| found.contains(expected.unwrap_or_default())), "{found:?}");
    };
    check(text, None);
    check(
        &text.replace("10.0.0.1", "10.0.0.2"),
        Some("the file changed since it was read (ns.f.test. A: it lacks 10.0.0.2; 1 more)"),
    );
    check("nonsense", Some("f.zone:1"));
    check(&text.replace("f.test", "g.test"), Some("it holds g.test. now, and f.test. is served of it"));
    std::fs::remove_file(&path).expect("removed");
    let mut found = Vec::new();
    of_files(&zones, &of, 1000, &mut |difference| found.push(difference));
    assert!(found[0].reason.contains("cannot be read") && found[0].kind == Kind::File, "{found:?}");
}
