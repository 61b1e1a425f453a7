//! Writes that hang on facts they do not change, and leases that are renewed by whoever knows the revision of their fact.

use model::{FactKey, Revision};
use registry::{Expected, Guard, HistoryQuery, MAX_GUARDS, PublishError, Registry, Write};

use crate::facts::{at, fact, frontend, key_of, plain, put, remove, write};
use crate::list::{Stand, snapshot};

const LEASE: &str = r#"instance {"service":"web","name":"web-1","addresses":["10.0.0.7"],"ttl":60}"#;
const HOLDER: &str = "instance:web/web-1";

fn guard(key: &str, expected: Expected) -> Guard {
    Guard { key: key_of(key), expected }
}

fn guarded(guards: impl IntoIterator<Item = Guard>, host: &str) -> Write {
    Write { guards: guards.into_iter().collect(), ..write([put(plain(host, "x"), Expected::Any)]) }
}

/// A frontend in each of the two forms that stores know, and a lease; at the revisions 1, 2, 3.
async fn stated(stand: &Stand) -> Registry {
    let registry = stand.open().await;
    let native = frontend(r#"{"host":"native","endpoints":[],"balance":"random"}"#);
    for fact in [plain("list", "x"), native, fact(LEASE)] {
        registry.publish(write([put(fact, Expected::Absent)])).await.unwrap();
    }
    registry
}

fn conflict(refused: Result<registry::Published, PublishError>) -> (FactKey, Option<u64>) {
    match refused {
        Err(PublishError::Conflict { key, actual }) => (key, actual.map(Revision::number)),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_write_is_made_while_its_guards_hold_and_they_take_no_revision(stand: Stand) {
    // given
    let registry = stated(&stand).await;

    // when
    let guards = [
        guard("frontend:list", at(1)),
        guard("frontend:native", at(2)),
        guard(HOLDER, at(3)),
        guard("service:web", Expected::Absent),
        guard("frontend:none", Expected::Any),
    ];
    let first = registry.publish(guarded(guards, "a")).await;
    let present = ["frontend:list", "frontend:native", HOLDER].map(|key| guard(key, Expected::Present));
    let second = registry.publish(guarded(present, "b")).await;

    // then
    assert_eq!((first.unwrap().revision, second.unwrap().revision), (Revision::new(4), Revision::new(5)));
    let served = snapshot(&registry);
    let revisions = ["frontend:list", "frontend:native", HOLDER, "frontend:a", "frontend:b"];
    let revisions = revisions.map(|key| served.get(&key_of(key)).unwrap().revision.number());
    assert_eq!((served.len(), revisions), (5, [1, 2, 3, 4, 5]));
    let history = registry.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap();
    assert_eq!(history.len(), 5, "and leave no history");
}

pub(crate) async fn a_write_of_which_a_guard_fails_changes_nothing(stand: Stand) {
    // given
    let registry = stated(&stand).await;
    let rows = [
        ("frontend:list", Expected::Absent, Some(1)),
        ("frontend:native", Expected::Absent, Some(2)),
        (HOLDER, Expected::Absent, Some(3)),
        ("frontend:list", at(2), Some(1)),
        ("frontend:native", at(1), Some(2)),
        (HOLDER, at(2), Some(3)),
        ("frontend:none", at(1), None),
        ("frontend:none", Expected::Present, None),
        ("service:web", Expected::Present, None),
    ];

    for (key, expected, actual) in rows {
        // when
        let guards = [guard("frontend:other", Expected::Absent), guard(key, expected)];
        let mut wanted = guarded(guards, "a");
        wanted.edits.push(remove("gone", Expected::Any));
        let refused = registry.publish(wanted).await;

        // then
        assert_eq!(conflict(refused), (key_of(key), actual), "{expected:?}");
        assert_eq!((snapshot(&registry).revision(), snapshot(&registry).len()), (Revision::new(3), 3));
    }
    let history = registry.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap();
    assert_eq!(history.len(), 3);
}

pub(crate) async fn a_guard_is_told_before_what_an_edit_expects_and_guards_writes_that_change_nothing(
    stand: Stand,
) {
    // given
    let registry = stated(&stand).await;
    let guards = vec![guard(HOLDER, at(2))];

    // when
    let edit = put(plain("list", "y"), Expected::Absent);
    let both = registry.publish(Write { guards: guards.clone(), ..write([edit]) }).await;
    let nothing = registry.publish(Write { guards, ..write([remove("gone", Expected::Any)]) }).await;

    // then
    assert_eq!(conflict(both), (key_of(HOLDER), Some(3)));
    assert_eq!(conflict(nothing), (key_of(HOLDER), Some(3)));
}

pub(crate) async fn whoever_held_a_lease_cannot_write_by_it_when_it_was_taken_anew_in_the_same_words(
    stand: Stand,
) {
    // given
    let registry = stated(&stand).await;
    let token = Expected::At(snapshot(&registry).get(&key_of(HOLDER)).unwrap().revision);
    registry.publish(guarded([guard(HOLDER, token)], "a")).await.unwrap();

    // when
    let taken = registry.publish(write([put(fact(LEASE), Expected::Present)])).await.unwrap().revision;

    // then
    let refused = registry.publish(guarded([guard(HOLDER, token)], "a")).await;
    assert_eq!(conflict(refused), (key_of(HOLDER), Some(taken.number())));
    registry.publish(guarded([guard(HOLDER, Expected::At(taken))], "a")).await.unwrap();
}

pub(crate) async fn guards_that_make_no_sense_are_refused(stand: Stand) {
    // given
    let registry = stated(&stand).await;
    let many = |count| (0..count).map(|n| guard(&format!("frontend:g{n}"), Expected::Absent));
    let rows = [
        guarded([guard("frontend:a", Expected::Any)], "a"),
        guarded([guard("frontend:b", Expected::Any), guard("frontend:b", Expected::Any)], "a"),
        guarded(many(MAX_GUARDS + 1), "a"),
        Write { edits: Vec::new(), ..guarded([guard("frontend:b", Expected::Any)], "a") },
    ];

    for wanted in rows {
        // when
        let refused = registry.publish(wanted).await;

        // then
        assert!(matches!(refused, Err(PublishError::Invalid(_))), "{refused:?}");
    }
    assert_eq!(snapshot(&registry).revision(), Revision::new(3));
    registry.publish(guarded(many(MAX_GUARDS), "a")).await.unwrap();
}

pub(crate) async fn a_lease_is_renewed_at_the_revision_of_its_fact_alone(stand: Stand) {
    // given
    let registry = stated(&stand).await;
    let renew = async |revision| registry.renew(key_of(HOLDER), Some(Revision::new(revision))).await.unwrap();
    assert!(renew(3).await && !renew(2).await && !renew(4).await);

    // when
    registry.publish(write([put(fact(LEASE), Expected::Present)])).await.unwrap();

    // then
    assert!(!renew(3).await, "another wrote it, though in the same words");
    assert!(renew(4).await);
    assert_eq!(snapshot(&registry).revision(), Revision::new(4), "and that changes nothing");
    let none = registry.renew(key_of("frontend:list"), Some(Revision::new(1))).await;
    assert!(!none.unwrap(), "it has no lease");
    assert!(!registry.renew(key_of("instance:web/none"), Some(Revision::new(1))).await.unwrap());
}
