//! The list. A driver joins it with a file of its own beside this one: a function that makes a [`Stand`], and `contract!(…)`.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{Fact, Revision, Snapshot};
use registry::{Config, Expected, HistoryQuery, Link, PublishError, Registry, RegistryUrl, open};

use crate::facts::{at, frontend, key, plain, put, remove, write};

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A place for registries: an empty store, reachable for as long as this lives.
pub(crate) struct Stand {
    url: RegistryUrl,
    /// Whether the store outlives a registry that was closed.
    lasting: bool,
    pub(crate) config: Config,
    _kept: Box<dyn Any + Send>,
}

impl Stand {
    /// `kept`: what must live as long as the store (a folder, a server).
    pub(crate) fn new(url: RegistryUrl, lasting: bool, kept: impl Any + Send) -> Self {
        let config = Config { timeout: Duration::from_secs(10), ..Config::default() };
        Self { url, lasting, config, _kept: Box::new(kept) }
    }

    /// Whether the store outlives a registry that was closed.
    pub(crate) fn lasting(&self) -> bool {
        self.lasting
    }

    /// A registry that is live.
    pub(crate) async fn open(&self) -> Registry {
        let registry = open(&self.url, self.config.clone()).await.unwrap();
        let mut state = registry.state();
        let live = state.wait_for(|state| state.link == Link::Live && state.ready);
        tokio::time::timeout(DEADLINE, live).await.expect("live in time").unwrap();
        registry
    }
}

/// One test for each line of the list.
macro_rules! contract {
    ($stand:expr) => {
        $crate::list::contract!($stand;
            an_empty_store_is_ready_and_live,
            a_write_is_served_when_it_is_answered,
            each_edit_takes_a_revision_of_its_own,
            every_expectation_is_checked,
            several_edits_are_written_together_or_not_at_all,
            removing_what_is_not_there_changes_nothing,
            what_is_written_is_what_is_served,
            the_history_says_who_what_and_when,
            the_history_is_read_in_pages_and_by_key,
            the_history_keeps_its_limit,
            many_writers_lose_nothing,
            of_many_writers_with_one_expectation_one_wins,
            watchers_see_revisions_grow,
            a_write_that_makes_no_sense_is_refused,
            a_full_write_fits,
            all_is_there_after_reopening,
            a_closed_registry_says_so,
            the_past_is_told_from_any_revision_to_any_other,
            what_is_older_than_the_history_is_refused_with_the_oldest_revision,
            what_was_is_brought_back_in_one_write,
            facts_of_every_kind_are_written_served_and_there_after_reopening,
            a_write_of_any_kind_expects_the_revision_of_its_fact,
            the_history_tells_of_facts_of_every_kind,
            a_lease_ends_by_itself_and_that_is_a_change,
            a_lease_that_is_renewed_holds_and_changes_nothing,
            a_lease_begins_anew_when_the_store_is_opened_again,
            a_write_is_made_while_its_guards_hold_and_they_take_no_revision,
            a_write_of_which_a_guard_fails_changes_nothing,
            a_guard_is_told_before_what_an_edit_expects_and_guards_writes_that_change_nothing,
            whoever_held_a_lease_cannot_write_by_it_when_it_was_taken_anew_in_the_same_words,
            guards_that_make_no_sense_are_refused,
            a_lease_is_renewed_at_the_revision_of_its_fact_alone,
            a_copy_is_made_while_it_is_written_or_the_stores_own_means_are_named,
        );
    };
    ($stand:expr; $($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let stand = $stand;
                tokio::time::timeout($crate::list::LIMIT, $crate::list::$name(stand)).await.expect("in time");
            }
        )*
    };
}
pub(crate) use crate::guards::*;
pub(crate) use crate::kinds::*;
pub(crate) use crate::past::*;
pub(crate) use contract;

/// How long one test may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn snapshot(registry: &Registry) -> Arc<Snapshot> {
    Arc::clone(&registry.snapshots().borrow())
}

fn fact_at(registry: &Registry, host: &str) -> Option<(Fact, u64)> {
    snapshot(registry).get(&key(host)).map(|stated| (Fact::clone(&stated.fact), stated.revision.number()))
}

pub(crate) async fn an_empty_store_is_ready_and_live(stand: Stand) {
    let registry = stand.open().await;
    let state = Arc::clone(&registry.state().borrow());
    assert!(state.ready && !state.from_cache && !state.read_only && state.confirmed.is_some());
    assert!(!state.follows_by.is_empty());
    assert!(snapshot(&registry).is_empty());
    assert_eq!(snapshot(&registry).quarantine().len(), 0);
}

pub(crate) async fn a_write_is_served_when_it_is_answered(stand: Stand) {
    let registry = stand.open().await;
    for n in 1..=20 {
        let fact = plain("www.example.com", &format!("10.0.0.{n}"));
        let published = registry.publish(write([put(fact.clone(), Expected::Any)])).await.unwrap();
        assert_eq!(published.revision, Revision::new(n));
        assert_eq!(snapshot(&registry).revision(), published.revision);
        assert_eq!(fact_at(&registry, "www.example.com"), Some((fact, n)));
    }
    registry.publish(write([remove("www.example.com", Expected::Any)])).await.unwrap();
    assert_eq!(snapshot(&registry).revision(), Revision::new(21));
    assert!(snapshot(&registry).is_empty());
}

pub(crate) async fn each_edit_takes_a_revision_of_its_own(stand: Stand) {
    let registry = stand.open().await;
    let edits = ["a", "b", "c"].map(|host| put(plain(host, "x"), Expected::Absent));
    let published = registry.publish(write(edits)).await.unwrap();
    assert_eq!(published.revision, Revision::new(3));
    let revisions = ["a", "b", "c"].map(|host| fact_at(&registry, host).unwrap().1);
    assert_eq!(revisions, [1, 2, 3]);
}

pub(crate) async fn every_expectation_is_checked(stand: Stand) {
    let registry = stand.open().await;
    let there = plain("there", "x");
    registry.publish(write([put(there.clone(), Expected::Absent)])).await.unwrap();

    let refused = [
        (put(there.clone(), Expected::Absent), Some(1)),
        (put(there.clone(), at(2)), Some(1)),
        (remove("there", at(0)), Some(1)),
        (put(plain("new", "x"), Expected::Present), None),
        (put(plain("new", "x"), at(1)), None),
        (remove("new", Expected::Present), None),
    ];
    for (edit, actual) in refused {
        let asked = edit.key.clone();
        match registry.publish(write([edit])).await {
            Err(PublishError::Conflict { key, actual: found }) => {
                assert_eq!((key, found), (asked, actual.map(Revision::new)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(snapshot(&registry).revision(), Revision::new(1));

    let accepted = [
        put(there.clone(), Expected::Present),
        put(there.clone(), at(2)),
        put(there.clone(), Expected::Any),
        remove("there", at(4)),
        put(there.clone(), Expected::Any),
        remove("there", Expected::Present),
        put(there.clone(), Expected::Absent),
    ];
    for (edit, revision) in accepted.into_iter().zip(2..) {
        let published = registry.publish(write([edit])).await.unwrap();
        assert_eq!(published.revision, Revision::new(revision));
    }
}

pub(crate) async fn several_edits_are_written_together_or_not_at_all(stand: Stand) {
    let registry = stand.open().await;
    registry.publish(write([put(plain("a", "x"), Expected::Any)])).await.unwrap();

    let halves = [
        put(plain("b", "x"), Expected::Absent),
        remove("a", Expected::Any),
        put(plain("c", "x"), Expected::Present),
    ];
    let refused = registry.publish(write(halves)).await;
    assert!(matches!(refused, Err(PublishError::Conflict { actual: None, .. })), "{refused:?}");
    assert_eq!(fact_at(&registry, "a").unwrap().1, 1);
    assert_eq!(snapshot(&registry).len(), 1);

    let mut snapshots = registry.snapshots();
    snapshots.borrow_and_update();
    let whole = [put(plain("b", "x"), Expected::Absent), remove("a", at(1))];
    registry.publish(write(whole)).await.unwrap();
    // Nobody ever sees the one edit without the other.
    let seen = Arc::clone(&snapshots.borrow_and_update());
    assert_eq!(seen.revision(), Revision::new(3));
    assert!(seen.get(&key("a")).is_none() && seen.get(&key("b")).is_some());
}

pub(crate) async fn removing_what_is_not_there_changes_nothing(stand: Stand) {
    let registry = stand.open().await;
    registry.publish(write([put(plain("a", "x"), Expected::Any)])).await.unwrap();
    let published = registry.publish(write([remove("b", Expected::Any)])).await.unwrap();
    assert_eq!(published.revision, Revision::new(1));
    let both = [remove("b", Expected::Absent), put(plain("c", "x"), Expected::Any)];
    assert_eq!(registry.publish(write(both)).await.unwrap().revision, Revision::new(2));
    let history = registry.history(HistoryQuery { limit: 9, ..HistoryQuery::default() }).await.unwrap();
    assert_eq!(history.len(), 2);
}

pub(crate) async fn what_is_written_is_what_is_served(stand: Stand) {
    let registry = stand.open().await;
    let facts = [
        frontend(
            r#"{"host":"a.example.com","backend":"web","endpoints":["http://10.0.0.1:8000","http://h:1"]}"#,
        ),
        frontend(r#"{"host":"*.example.com","endpoints":["http://[::1]:9"]}"#),
        frontend(r#"{"host":"*","endpoints":[]}"#),
        frontend(r#"{"host":"[2001:db8::1]","endpoints":["http://a"]}"#),
        frontend(
            r#"{"host":"a.example.com","path":"/api","endpoints":[{"url":"http://b","weight":7}],"balance":"round_robin"}"#,
        ),
        frontend(r#"{"host":"a.example.com","path":"/x%20y","endpoints":[],"timeouts":{"idle_ms":1}}"#),
        frontend(r#"{"host":"w","endpoints":[{"url":"http://b","weight":2}]}"#),
    ];
    for fact in &facts {
        registry.publish(write([put(fact.clone(), Expected::Absent)])).await.unwrap();
    }
    let served = snapshot(&registry);
    assert_eq!(served.len(), facts.len());
    for fact in &facts {
        assert_eq!(*served.get(&fact.key()).unwrap().fact, *fact);
    }
    // From one form to the other and back, under one key.
    for json in [
        r#"{"host":"w","endpoints":["http://b"]}"#,
        r#"{"host":"w","endpoints":["http://b"],"balance":"random"}"#,
        r#"{"host":"w","endpoints":["http://c"]}"#,
    ] {
        registry.publish(write([put(frontend(json), Expected::Present)])).await.unwrap();
        assert_eq!(fact_at(&registry, "w").unwrap().0, frontend(json));
        assert_eq!(snapshot(&registry).len(), facts.len());
    }
}

pub(crate) async fn the_history_says_who_what_and_when(stand: Stand) {
    let registry = stand.open().await;
    let began = unix_ms();
    let (one, two) = (plain("a", "x"), frontend(r#"{"host":"a","endpoints":[],"balance":"random"}"#));
    registry.publish(write([put(one.clone(), Expected::Any)])).await.unwrap();
    registry.publish(write([put(two.clone(), Expected::Any)])).await.unwrap();
    let mut third = write([remove("a", Expected::Any)]);
    third.who = "cli:root@host".to_owned();
    registry.publish(third).await.unwrap();

    let history = registry.history(HistoryQuery { limit: 10, ..HistoryQuery::default() }).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|r| (r.revision.number(), &*r.who, r.before.as_deref().cloned(), r.after.as_deref().cloned()))
        .collect();
    let expected = [
        (3, "cli:root@host", Some(two.clone()), None),
        (2, "test", Some(one.clone()), Some(two)),
        (1, "test", None, Some(one)),
    ];
    assert_eq!(told, expected);
    assert!(history.iter().all(|r| r.key == key("a") && (began..=unix_ms()).contains(&r.at_ms)));
}

fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

pub(crate) async fn the_history_is_read_in_pages_and_by_key(stand: Stand) {
    let registry = stand.open().await;
    for n in 1..=7 {
        let host = if n % 2 == 0 { "even" } else { "odd" };
        registry.publish(write([put(plain(host, &format!("h{n}")), Expected::Any)])).await.unwrap();
    }
    let page = async |limit, before: Option<u64>, host: Option<&str>| {
        let query = HistoryQuery { limit, before: before.map(Revision::new), key: host.map(key) };
        let records = registry.history(query).await.unwrap();
        records.iter().map(|r| r.revision.number()).collect::<Vec<_>>()
    };
    assert_eq!(page(3, None, None).await, [7, 6, 5]);
    assert_eq!(page(3, Some(5), None).await, [4, 3, 2]);
    assert_eq!(page(3, Some(2), None).await, [1]);
    assert_eq!(page(10, None, Some("even")).await, [6, 4, 2]);
    assert_eq!(page(1, Some(6), Some("even")).await, [4]);
    assert_eq!(page(10, None, Some("none")).await, [0; 0]);
    assert_eq!(page(0, None, None).await, [0; 0]);
}

pub(crate) async fn the_history_keeps_its_limit(mut stand: Stand) {
    stand.config.history = 5;
    let registry = stand.open().await;
    for n in 1..=20 {
        registry.publish(write([put(plain("a", &format!("h{n}")), Expected::Any)])).await.unwrap();
    }
    let history = registry.history(HistoryQuery { limit: 100, ..HistoryQuery::default() }).await.unwrap();
    assert_eq!(history.first().unwrap().revision, Revision::new(20));
    assert_eq!(history.len(), 5, "the newest ones are kept");
    assert_eq!(fact_at(&registry, "a").unwrap().1, 20);
}

pub(crate) async fn many_writers_lose_nothing(stand: Stand) {
    let registry = stand.open().await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let registry = registry.clone();
        writers.spawn(async move {
            let mut revisions = Vec::new();
            for n in 0..20 {
                let host = format!("h{n}.w{writer}");
                let published =
                    registry.publish(write([put(plain(&host, "x"), Expected::Absent)])).await.unwrap();
                assert_eq!(fact_at(&registry, &host).unwrap().1, published.revision.number());
                revisions.push(published.revision.number());
            }
            assert!(revisions.is_sorted(), "{revisions:?}");
            revisions
        });
    }
    let revisions: BTreeSet<u64> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(revisions, (1..=160).collect());
    assert_eq!(snapshot(&registry).len(), 160);
}

pub(crate) async fn of_many_writers_with_one_expectation_one_wins(stand: Stand) {
    let registry = stand.open().await;
    registry.publish(write([put(plain("a", "x"), Expected::Absent)])).await.unwrap();
    for round in 1..=5 {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let registry = registry.clone();
            let edit = put(plain("a", &format!("w{writer}")), at(round));
            writers.spawn(async move { registry.publish(write([edit])).await });
        }
        let won = writers.join_all().await.into_iter().filter(|outcome| match outcome {
            Ok(_) => true,
            Err(PublishError::Conflict { actual, .. }) => {
                assert_eq!(*actual, Some(Revision::new(round + 1)));
                false
            }
            Err(error) => panic!("{error}"),
        });
        assert_eq!(won.count(), 1);
    }
}

pub(crate) async fn watchers_see_revisions_grow(stand: Stand) {
    let registry = stand.open().await;
    let mut snapshots = registry.snapshots();
    let watcher = tokio::spawn(async move {
        let mut last = Revision::ZERO;
        while last < Revision::new(50) {
            snapshots.changed().await.unwrap();
            let now = snapshots.borrow_and_update().revision();
            assert!(now > last, "{now} after {last}");
            last = now;
        }
    });
    for n in 0..50 {
        registry.publish(write([put(plain(&format!("h{n}"), "x"), Expected::Any)])).await.unwrap();
    }
    tokio::time::timeout(DEADLINE, watcher).await.expect("all seen in time").unwrap();
}

pub(crate) async fn a_write_that_makes_no_sense_is_refused(stand: Stand) {
    let registry = stand.open().await;
    let long: Vec<String> = (0..1024).map(|n| format!("\"http://{}.n{n}\"", "x".repeat(60))).collect();
    let mut misplaced = put(plain("a", "x"), Expected::Any);
    misplaced.key = key("b");
    let twice = [put(plain("a", "x"), Expected::Any), remove("a", Expected::Any)];
    let large = frontend(&format!(r#"{{"host":"{}.b","endpoints":[{}]}}"#, "a".repeat(60), long.join(",")));
    let small = Config { max_value: 1000, ..stand.config.clone() };
    registry.close().await;
    let registry = open(&stand.url, small).await.unwrap();

    for edits in [vec![], vec![misplaced], twice.to_vec(), vec![put(large, Expected::Any)]] {
        let refused = registry.publish(write(edits)).await;
        assert!(matches!(refused, Err(PublishError::Invalid(_))), "{refused:?}");
    }
    assert!(snapshot(&registry).is_empty());
}

pub(crate) async fn a_full_write_fits(stand: Stand) {
    let registry = stand.open().await;
    let edits = (0..registry::MAX_EDITS).map(|n| put(plain(&format!("h{n}"), "x"), Expected::Absent));
    let published = registry.publish(write(edits)).await.unwrap();
    assert_eq!(published.revision, Revision::new(registry::MAX_EDITS as u64));
    assert_eq!(snapshot(&registry).len(), registry::MAX_EDITS);
}

pub(crate) async fn all_is_there_after_reopening(stand: Stand) {
    let registry = stand.open().await;
    let facts: Vec<Fact> = (0..30).map(|n| plain(&format!("h{n}"), "x")).collect();
    for fact in &facts {
        registry.publish(write([put(fact.clone(), Expected::Any)])).await.unwrap();
    }
    registry.publish(write([remove("h0", Expected::Any)])).await.unwrap();
    let before = snapshot(&registry);
    registry.close().await;

    let registry = stand.open().await;
    let after = snapshot(&registry);
    if !stand.lasting {
        assert!(after.is_empty());
        return;
    }
    assert!(after.same_content(&before));
    assert_eq!(after.revision(), before.revision());
    assert!(after.facts().eq(before.facts()), "revisions of facts are the same");
    let history = registry.history(HistoryQuery { limit: 100, ..HistoryQuery::default() }).await.unwrap();
    assert_eq!(history.len(), 31);
    let published = registry.publish(write([put(plain("h0", "y"), Expected::Absent)])).await.unwrap();
    assert_eq!(published.revision, Revision::new(32));
}

pub(crate) async fn a_closed_registry_says_so(stand: Stand) {
    let registry = stand.open().await;
    registry.publish(write([put(plain("a", "x"), Expected::Any)])).await.unwrap();
    let other = registry.clone();
    registry.close().await;
    let refused = other.publish(write([put(plain("b", "x"), Expected::Any)])).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    assert!(other.history(HistoryQuery { limit: 1, ..HistoryQuery::default() }).await.is_err());
    assert_eq!(snapshot(&other).len(), 1, "the last snapshot serves");
}
