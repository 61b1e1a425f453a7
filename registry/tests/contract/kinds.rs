//! Facts of every kind: services, instances, hosts and record sets are kept as frontends are.

use std::time::{Duration, Instant};

use model::{FactKey, FactKind, Revision};
use registry::{Expected, HistoryQuery, PublishError, Registry};

use crate::facts::{fact, key_of, plain, put, removal, write};
use crate::list::{DEADLINE, Stand, snapshot};

const SERVICE: &str =
    r#"service {"name":"web","ports":[{"name":"http","port":8080}],"metadata":{"a":"grün"},"ttl":5}"#;
const FIRST: &str = r#"instance {"service":"web","name":"web-1","addresses":["10.0.0.7","fd00::7"],"tags":["v2"],"host":"node-1"}"#;
const SECOND: &str =
    r#"instance {"service":"web","name":"web-2","addresses":["10.0.0.8"],"weight":3,"state":"draining"}"#;
const RECORD: &str =
    r#"record {"name":"*.example.","type":"TXT","ttl":60,"data":["\"a b\" \"\\195\\188\""]}"#;
const HOST: &str = r#"host {"name":"node-1","addresses":["10.0.0.1"],"labels":{"zone":"a"}}"#;

pub(crate) async fn facts_of_every_kind_are_written_served_and_there_after_reopening(stand: Stand) {
    // given
    let registry = stand.open().await;
    let facts = [SERVICE, FIRST, SECOND, HOST, RECORD].map(fact);
    let edits = facts.iter().cloned().map(|fact| put(fact, Expected::Absent));

    // when
    let published =
        registry.publish(write(edits.chain([put(plain("a", "x"), Expected::Absent)]))).await.unwrap();

    // then
    let served = snapshot(&registry);
    assert_eq!((published.revision, served.revision()), (Revision::new(6), Revision::new(6)));
    for (fact, revision) in facts.iter().zip(1..) {
        let stated = served.get(&fact.key()).unwrap();
        assert_eq!((&*stated.fact, stated.revision), (fact, Revision::new(revision)));
    }
    assert_eq!(FactKind::ALL.map(|kind| served.count(kind)), [1, 1, 2, 1, 1, 0, 0, 0]);
    registry.close().await;
    let again = stand.open().await;
    let read = snapshot(&again);
    assert_eq!(read.len(), if stand.lasting() { 6 } else { 0 });
    assert!(!stand.lasting() || read.facts().eq(served.facts()));
    assert_eq!(read.quarantine().len(), 0);
}

pub(crate) async fn a_write_of_any_kind_expects_the_revision_of_its_fact(stand: Stand) {
    // given
    let registry = stand.open().await;
    registry.publish(write([put(fact(SERVICE), Expected::Absent)])).await.unwrap();
    registry.publish(write([put(fact(FIRST), Expected::Absent)])).await.unwrap();

    // when
    let again = registry.publish(write([put(fact(FIRST), Expected::Absent)])).await;
    let stale = registry.publish(write([removal("service:web", Expected::At(Revision::new(2)))])).await;
    let right = registry.publish(write([removal("service:web", Expected::At(Revision::new(1)))])).await;

    // then
    let conflict = |refused| match refused {
        Err(PublishError::Conflict { key, actual }) => (key, actual.map(Revision::number)),
        other => panic!("{other:?}"),
    };
    assert_eq!(conflict(again), (key_of("instance:web/web-1"), Some(2)));
    assert_eq!(conflict(stale), (key_of("service:web"), Some(1)));
    assert_eq!(right.unwrap().revision, Revision::new(3));
    let left: Vec<FactKey> = snapshot(&registry).facts().map(|stated| stated.fact.key()).collect();
    assert_eq!(left, [key_of("instance:web/web-1")]);
}

pub(crate) async fn the_history_tells_of_facts_of_every_kind(stand: Stand) {
    // given
    let registry = stand.open().await;
    let draining = FIRST.replace(r#""tags""#, r#""state":"draining","tags""#);
    for edit in [
        put(fact(FIRST), Expected::Absent),
        put(fact(RECORD), Expected::Absent),
        put(fact(&draining), Expected::Present),
        removal("instance:web/web-1", Expected::Present),
    ] {
        registry.publish(write([edit])).await.unwrap();
    }

    // when
    let query = HistoryQuery { limit: 9, before: None, key: Some(key_of("instance:web/web-1")) };
    let history = registry.history(query).await.unwrap();
    let touched = registry.touched(Revision::new(1), Revision::new(3)).await.unwrap();

    // then
    let told: Vec<_> = history
        .iter()
        .map(|r| (r.revision.number(), r.before.as_deref().cloned(), r.after.as_deref().cloned()))
        .collect();
    let expected = [
        (4, Some(fact(&draining)), None),
        (3, Some(fact(FIRST)), Some(fact(&draining))),
        (1, None, Some(fact(FIRST))),
    ];
    assert_eq!(told, expected);
    let keys: Vec<String> = touched.iter().map(|touched| touched.key.to_string()).collect();
    assert_eq!(keys, ["instance:web/web-1", "record:*.example./TXT"]);
}

const LEASED: &str = r#"instance {"service":"web","name":"web-1","addresses":["10.0.0.7"],"ttl":1}"#;

/// The instance with a lease, or nothing: once a snapshot shows it so.
async fn becomes(registry: &Registry, there: bool) -> u64 {
    let mut snapshots = registry.snapshots();
    let shown = snapshots.wait_for(|now| now.get(&key_of("instance:web/web-1")).is_some() == there);
    let shown = tokio::time::timeout(DEADLINE, shown).await.expect("in time").unwrap();
    shown.revision().number()
}

pub(crate) async fn a_lease_ends_by_itself_and_that_is_a_change(stand: Stand) {
    // given
    let registry = stand.open().await;
    registry.publish(write([put(fact(SERVICE), Expected::Absent)])).await.unwrap();
    let written = Instant::now();
    registry.publish(write([put(fact(LEASED), Expected::Absent)])).await.unwrap();

    // when
    let revision = becomes(&registry, false).await;

    // then
    assert!(written.elapsed() >= Duration::from_millis(990), "{:?}", written.elapsed());
    assert_eq!((revision, snapshot(&registry).len()), (3, 1));
    let history = registry.history(HistoryQuery { limit: 1, ..HistoryQuery::default() }).await.unwrap();
    let record = &history[0];
    assert_eq!((record.revision, &record.key), (Revision::new(3), &key_of("instance:web/web-1")));
    assert_eq!((record.before.as_deref(), record.after.as_deref()), (Some(&fact(LEASED)), None));
    assert!(!registry.renew(key_of("instance:web/web-1"), None).await.unwrap());
}

pub(crate) async fn a_lease_that_is_renewed_holds_and_changes_nothing(stand: Stand) {
    // given
    let registry = stand.open().await;
    registry.publish(write([put(fact(LEASED), Expected::Absent)])).await.unwrap();
    registry.publish(write([put(fact(SERVICE), Expected::Absent)])).await.unwrap();

    // when
    let began = Instant::now();
    let mut beats = tokio::time::interval(Duration::from_millis(200));
    while began.elapsed() < Duration::from_millis(2500) {
        beats.tick().await;
        assert!(registry.renew(key_of("instance:web/web-1"), None).await.unwrap(), "{:?}", began.elapsed());
        assert!(!registry.renew(key_of("service:web"), None).await.unwrap(), "it has no lease");
    }

    // then
    let held = snapshot(&registry);
    assert_eq!((held.revision(), held.len()), (Revision::new(2), 2));
    let history = registry.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(becomes(&registry, false).await, 3, "and ends when nobody renews it");
}

pub(crate) async fn a_lease_begins_anew_when_the_store_is_opened_again(stand: Stand) {
    // given
    let registry = stand.open().await;
    registry.publish(write([put(fact(LEASED), Expected::Absent)])).await.unwrap();

    // when
    registry.close().await;
    let registry = stand.open().await;

    // then
    if stand.lasting() {
        becomes(&registry, false).await;
        let history = registry.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap();
        assert_eq!(history.len(), 2);
    }
}
