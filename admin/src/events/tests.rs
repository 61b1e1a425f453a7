use model::{Addresses, Change, InstanceName, Origin, Revision, Stated};

use super::*;

fn put(fact: Fact, revision: u64) -> Change {
    let revision = Revision::new(revision);
    Change::Put(Stated { fact: Arc::new(fact), revision, origin: Origin::Native })
}

fn service(name: &str, of: Option<&str>) -> Fact {
    let mut service = Service::new(ServiceName::parse(name).unwrap());
    service.dns_sd = of.map(|of| model::DnsSd {
        service_type: ServiceType::parse(of).unwrap(),
        name: None,
        subtypes: BTreeSet::new(),
    });
    Fact::Service(Box::new(service))
}

fn instance(service: &str, name: &str, address: u32) -> Fact {
    let addresses = Addresses::new([std::net::Ipv4Addr::from(0x0a00_0000 + address).into()]).unwrap();
    let service = ServiceName::parse(service).unwrap();
    Fact::Instance(Box::new(Instance::new(service, InstanceName::parse(name).unwrap(), addresses)))
}

/// All steps, each of which may be so long at most.
fn all(mut telling: Telling) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let (events, rest) = telling.step();
        assert!(events.len() <= STEP, "{} events at once", events.len());
        told.extend(events.iter().map(|event| serde_json::to_string(event).unwrap()));
        match rest {
            Some(rest) => telling = rest,
            None => return told,
        }
    }
}

/// Two snapshots that differ much, and share what they have in common.
fn large() -> [Arc<Snapshot>; 2] {
    let name = |n: u32| format!("s{n:05}");
    let before = (0..6_000).map(|n| put(service(&name(n), Some("_http._tcp")), 1));
    let before = Snapshot::empty().apply(Revision::new(1), before);
    let changes = (0..6_000).filter_map(|n| match n % 4 {
        0 => None,
        1 => Some(Change::Remove(service(&name(n), None).key())),
        2 => Some(put(service(&name(n), Some("_ipp._tcp")), 2)),
        _ => Some(put(instance(&name(n), "one", n), 2)),
    });
    let now = before.apply(Revision::new(2), changes);
    [before.into(), now.into()]
}

#[test]
fn what_differs_much_is_told_in_steps_and_is_the_same() {
    let [before, now] = large();

    let told = all(Telling::between(Arc::clone(&before), Arc::clone(&now), None, Past::default()));

    let expected = now.diff(&before).map(|difference| {
        let key = difference.key.to_string();
        let event = match difference.after {
            Some(stated) => {
                Event::Put { revision: 2, key, fact: Box::new(FactDoc::from(&*stated.fact)), at_ms: 0 }
            }
            None => Event::Removed { revision: 2, key, at_ms: 0 },
        };
        serde_json::to_string(&event).unwrap()
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert_eq!(told.len(), 4_500);
    assert_eq!(all(Telling::between(Arc::clone(&now), now, None, Past::default())), [""; 0]);
}

#[test]
fn of_more_services_than_are_kept_by_name_each_is_looked_at() {
    let [before, now] = large();
    assert!(touched(&before, &now).is_none(), "too many");
    let of = || ServiceType::parse("_http._tcp").ok();

    let joined = all(Telling::between(Arc::clone(&before), Arc::clone(&now), of(), Past::default()));
    let left = all(Telling::between(Arc::clone(&now), before, of(), Past::default()));
    let mut present = all(Telling::present(now, of()));

    assert_eq!((joined.len(), left.len()), (1_500, 1_500));
    assert!(
        joined.iter().all(|event| event.starts_with(r#"{"event":"joined","revision":2"#)),
        "{}",
        joined[0]
    );
    assert!(left.iter().all(|event| event.starts_with(r#"{"event":"left","revision":1"#)), "{}", left[0]);
    assert_eq!(present.pop().as_deref(), Some(r#"{"event":"present","revision":2}"#));
    assert_eq!(present, joined);
}

#[test]
fn instances_of_one_service_are_told_in_steps() {
    let of = || ServiceType::parse("_http._tcp").ok();
    let stated = put(service("web", of().map(|of| of.to_string()).as_deref()), 1);
    let count = u32::try_from(3 * STEP).unwrap();
    let instances = |from: u32, revision| {
        (from..from + count).map(move |n| put(instance("web", &format!("i{n:05}"), n), revision))
    };
    let before = Snapshot::empty().apply(Revision::new(1), std::iter::once(stated).chain(instances(0, 1)));
    let gone = (0..count).map(|n| Change::Remove(instance("web", &format!("i{n:05}"), n).key()));
    let other = before.apply(Revision::new(2), gone.chain(instances(count, 2)));
    let (before, other) = (Arc::new(before), Arc::new(other));

    let present = all(Telling::present(Arc::clone(&before), of()));
    let moved = all(Telling::between(before, other, of(), Past::default()));

    assert_eq!(present.len(), 3 * STEP + 1);
    let kinds = |kind: &str| moved.iter().filter(|event| event.contains(kind)).count();
    assert_eq!((kinds(r#""left""#), kinds(r#""joined""#), moved.len()), (3 * STEP, 3 * STEP, 6 * STEP));
}

fn record(revision: u64, name: &str, after: Option<u32>) -> ChangeRecord {
    let key = instance("web", name, 0).key();
    let after = after.map(|address| Arc::new(instance("web", name, address)));
    ChangeRecord {
        revision: Revision::new(revision),
        at_ms: 1000 + revision,
        who: "test".into(),
        key,
        before: None,
        before_known: false,
        after,
        set_aside: false,
    }
}

#[test]
fn what_came_and_went_between_two_snapshots_is_told_in_its_order() {
    let before = Arc::new(Snapshot::empty().apply(Revision::new(1), [put(instance("web", "a", 1), 1)]));
    let held = Change::Remove(instance("web", "a", 1).key());
    let changes = [held, put(instance("web", "c", 3), 7), put(instance("web", "d", 4), 8)];
    let now = Arc::new(before.apply(Revision::new(8), changes));
    // `d` is told by no record that says what is served.
    let records = vec![
        record(8, "d", Some(9)),
        record(7, "c", Some(3)),
        record(6, "c", Some(2)),
        record(5, "b", None),
        record(4, "a", None),
        record(3, "b", Some(2)),
        record(2, "a", Some(2)),
    ];

    let past = Past::new(5000, records, &now);
    let told = all(Telling::between(before, Arc::clone(&now), None, past));

    let short = told.iter().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {} {} {}", event["revision"], event["event"], event["key"], event["at_ms"])
            .replace('"', "")
    });
    assert_eq!(
        short.collect::<Vec<_>>(),
        [
            "2 put instance:web/a 1002",
            "3 put instance:web/b 1003",
            "4 removed instance:web/a 1004",
            "5 removed instance:web/b 1005",
            "6 put instance:web/c 1006",
            "7 put instance:web/c 1007",
            "8 put instance:web/d 5000",
        ]
    );
}
